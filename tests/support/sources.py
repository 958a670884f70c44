"""Data of other formats, and networks that take them."""

import hashlib
from pathlib import Path

import numpy as np
from support.files import write
from support.image_files import write_images
from support.prepared import pixels

SHAPES = {"images": (4, 4, 2), "colours": (4, 4, 3), "gray": (4, 4, 1), "events": (4, 4, 2)}


def sha256sum(*paths):
    return [f"{hashlib.sha256(Path(p).read_bytes()).hexdigest()}  {p}\n" for p in paths]


def small(shape):
    """A network of two layers over images or events of a shape."""
    random, count = np.random.default_rng(3), int(np.prod(shape))
    ends = ({"source": "in", "target": "a"}, {"source": "a", "target": "out"})
    parts = {
        "/": {"format": "evsim-network", "version": 1, "input": "in", "output": "out"},
        "populations/in": {"kind": "input", "shape": shape},
        "populations/a": {"kind": "iaf", "shape": (12,), "threshold": 0.5},
        "populations/out": {"kind": "readout", "shape": (6,)},
    }
    for (one, other), end in zip(((count, 12), (12, 6)), ends, strict=True):
        weight = random.normal(0, 0.5, (one, other)).astype(np.float32)
        place = f"synapses/{end['source']}-{end['target']}"
        parts[place] = {"kind": "dense", **end, "weight": weight}
    return write("n.h5", parts)


def folder():
    write_images(pixels(6, 5, 4, 3))
    Path("f/.hidden").mkdir()
    Path("f/ant/._00.png").write_bytes(b"of another system")
    Path("f/ant/notes.txt").write_text("not an image")


def archive(save):
    rows = {"images": pixels(6, 4, 4, 2), "labels": np.arange(6)[:, None] % 3}
    return lambda: save("a.npz", **rows)
