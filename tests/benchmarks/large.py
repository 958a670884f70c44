"""ImageNet size on the command line: time and memory of every step, conversion among them.

Weights are random (He et al. 2015) and images made: what the networks decide means nothing.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from benchmarks.table import Row, at_most

MOST, TIMES, GROWTH = 4000, 8, 100  # MB, timesteps, MB that are taken for noise
PHOTOS = 1000
WIDTHS = {"1": (2, 64), "2": (2, 128), "3": (3, 256), "4": (3, 512), "5": (3, 512)}  # VGG-16
DENSE = {"dense1": (4096, 25088), "dense2": (4096, 4096), "output": (1000, 4096)}
FIRES = {3: (96, 16, 64), 4: (128, 16, 64), 5: (128, 32, 128), 7: (256, 32, 128), 8: (256, 48, 192)}
FIRES |= {9: (384, 48, 192), 10: (384, 64, 256), 12: (512, 64, 256)}  # SqueezeNet: in, inside, out
WIDE = 'extends = "squeezenet1_0"\ntitle = "SqueezeNet for 227 x 227"\ninput = [227, 227, 3]\n'
CALIBRATION = ("", "--per-channel", "--method spike-norm", "--correct-bias")
NETWORKS = {  # topology, size of the images, how many to balance with
    "SqueezeNet": ("squeezenet1_0", 224, 16),
    "SqueezeNet, 227": ("wide.toml", 227, 8),
    "VGG-16": ("vgg16-imagenet", 224, 4),
}


def rows(quick: bool) -> Iterator[Row]:
    """All steps of every network, in a folder of the working directory: /tmp may be memory."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        for name, network in list(NETWORKS.items())[: 1 if quick else None]:
            yield from _commands(Path(folder), name, *network)


def _commands(folder: Path, name: str, topology: str, size: int, samples: int) -> Iterator[Row]:
    weights = vgg16() if topology.startswith("vgg") else squeezenet()
    (folder / "wide.toml").write_text(WIDE)
    _write(folder, weights, size)
    read, data = f"model.h5 --topology {topology}", f"--calibrate images.h5 -T {TIMES}"
    convert = f"convert {read} -o n.h5 --overwrite --quiet {data} --samples"
    lines = {f"convert {way}".strip(): f"{convert} :{samples} {way}" for way in CALIBRATION}
    lines |= {"ann": f"ann {read} images.h5 --samples :{samples} --quiet"}
    lines |= {"run": "run n.h5 images.h5 --samples :4 --quiet --out r.h5 --overwrite"}
    found = {}
    for step, line in lines.items():
        seconds, found[step] = measured(folder, line)
        detail = f"{seconds:.0f} s; `evsim {line}`"
        yield at_most(f"{name}, {step}", found[step], MOST, "MB", detail)
    if topology == "squeezenet1_0":
        _, more = measured(folder, f"{convert} :{4 * samples} --correct-bias")
        text = f"{found['convert --correct-bias']:.0f} and {more:.0f} MB"
        work = f"{name}, convert --correct-bias, {samples} and {4 * samples} images"
        yield Row(work, text, "no growth", more < found["convert --correct-bias"] + GROWTH)
        yield from _on_a_cluster(folder, name, size)


def _on_a_cluster(folder: Path, name: str, size: int) -> Iterator[Row]:
    """A thousand images of a folder on two workers, and some of them on threads."""
    photos = f"photos::size={size}x{size}"
    _write_photos(folder / "photos", size)
    line = f"run n.h5 {photos} -T {TIMES} --quiet --cluster local:2 --out c.h5"
    seconds, most = measured(folder, line)
    detail = f"{seconds:.0f} s; `evsim {line}`"
    work = f"{name}, run of {PHOTOS:,} images on two workers, the largest process"
    yield at_most(work, most, MOST, "MB", detail)
    measured(folder, f"run n.h5 {photos} -T {TIMES} --quiet --samples 500:516 --out t.h5")
    with h5py.File(folder / "c.h5") as cluster, h5py.File(folder / "t.h5") as threads:
        [both] = zip(cluster["potential"].values(), threads["potential"].values(), strict=True)
        equal = np.array_equal(both[0][500:516], both[1])
        count = len(cluster["samples"])
    text = f"{count:,} samples; {'the same' if equal else 'OTHER'} bits as on threads"
    yield Row(f"{name}, what they give", text, "the same bits", equal and count == PHOTOS)


def _write_photos(folder: Path, size: int) -> None:
    """Made images of another size than the network takes, in ten classes."""
    from PIL import Image

    generator = np.random.default_rng(1)
    for index in range(PHOTOS):
        path = folder / f"{index % 10}" / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(generator.integers(0, 256, (12, 16, 3), np.uint8))
        coarse.resize((size * 4 // 3, size + 31), Image.Resampling.BICUBIC).save(path)


def measured(folder: Path, line: str, statuses=(0,), output=None) -> tuple[float, float]:
    """Seconds and the most megabytes of a command, the larger of it and its children."""
    begin = time.perf_counter()
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    child = subprocess.Popen(
        [sys.executable, "-m", "evsim", *line.split()],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        stdout=output,
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in statuses:
        raise RuntimeError(f"evsim {line} ended with status {child.returncode}")
    return time.perf_counter() - begin, usage.ru_maxrss / 1024


def vgg16() -> dict[str, tuple[int, ...]]:
    """The shapes of its weights: 138 million."""
    found, before = {}, 3
    for block, (layers, width) in WIDTHS.items():
        for i in range(1, layers + 1):
            found[f"conv{block}_{i}"] = (width, before, 3, 3)
            before = width
    return found | DENSE


def squeezenet() -> dict[str, tuple[int, ...]]:
    """The shapes of the weights of SqueezeNet 1.0: 1.2 million."""
    found = {"features.0": (96, 3, 7, 7)}
    for i, (before, inside, out) in FIRES.items():
        found[f"features.{i}.squeeze"] = (inside, before, 1, 1)
        found[f"features.{i}.expand1x1"] = (out, inside, 1, 1)
        found[f"features.{i}.expand3x3"] = (out, inside, 3, 3)
    return found | {"classifier.1": (1000, 512, 1, 1)}


def _write(folder: Path, weights: dict[str, tuple[int, ...]], size: int) -> None:
    """A state_dict of random weights, its biases 0, and made images with labels."""
    generator = np.random.default_rng(0)
    with h5py.File(folder / "model.h5", "w") as file:
        for name, shape in weights.items():
            spread = np.float32(np.sqrt(2 / np.prod(shape[1:])))
            file[f"{name}.weight"] = generator.standard_normal(shape, np.float32) * spread
            file[f"{name}.bias"] = np.zeros(shape[0], np.float32)
    with h5py.File(folder / "images.h5", "w") as file:
        file["images"] = generator.integers(0, 256, (64, size, size, 3), np.uint8)
        file["labels"] = generator.integers(0, 1000, 64)
