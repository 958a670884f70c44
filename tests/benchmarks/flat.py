"""Peak memory of every command over 6,000 and over 60,000 images of MNIST's size.

Over 24,000 at least where activations are computed: of a perceptron, two batches of 32 MB hold so
many images.

Where MNIST itself is not at hand, images of noise take its place; a perceptron of random weights
takes that of a trained one, as memory asks for neither.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np

from benchmarks.large import measured
from benchmarks.table import Row

FEW, BATCHES, MANY = 6_000, 24_000, 60_000
GROWTH = 32  # MB
TIMESTEPS = 32
COMMANDS = {
    "run": "run n.h5 {d} -T 32 --quiet",
    "run --json": "run n.h5 {d} -T 32 --json",
    "run --out": "run n.h5 {d} -T 32 --quiet --out {d}.result",
    "run --record spikes": "run n.h5 {d} -T 32 --quiet --out r.h5 --overwrite --record spikes",
    "run --record trace": "run n.h5 {d} -T 32 --quiet --out r.h5 --overwrite --record trace",
    "run --record queues,ranges": "run n.h5 {d} -T 32 --quiet --out r.h5 --overwrite "
    "--record queues,ranges",
    "check": "check n.h5 {d} -T 32 --quiet --chip loihi",
    "check --keep": "check n.h5 {d} -T 32 --quiet --chip loihi --keep {d}.kept",
    "compare": "compare n.h5 n.h5 {d} -T 32 --quiet",
    "compare --ann": "compare n.h5 {d} -T 32 --quiet --ann m.h5 --topology mlp.toml",
    "quantize --data": "quantize n.h5 -o q.h5 --overwrite --bits 8 --data {d} -T 32 --quiet",
    "ann": "ann m.h5 {d} --topology mlp.toml --json",
    "convert": "convert m.h5 -o c.h5 --overwrite --topology mlp.toml --calibrate {d} --samples : "
    "--quiet",
    "convert --method mmse": "convert m.h5 -o c.h5 --overwrite --topology mlp.toml --calibrate {d} "
    "--samples : --quiet --method mmse -T 32",
    "convert --correct-bias": "convert m.h5 -o c.h5 --overwrite --topology mlp.toml --calibrate "
    "{d} --samples : --quiet --correct-bias -T 32",
    "info": "info {d}.result",
    "cost": "cost {d}.result --chip loihi",
    "report": "report {d}.result -o p.html --overwrite",
}


def make(folder: Path) -> None:
    """Data of both sizes, and a perceptron as a trainer's file."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (FEW, 28, 28), np.uint8)
    for count in (FEW, BATCHES, MANY):
        with h5py.File(folder / f"{count}.h5", "w") as file:
            pixels = file.create_dataset("images", (count, 28, 28), "u1", chunks=(64, 28, 28))
            for first in range(0, count, FEW):
                pixels[first : first + FEW] = images
            file["labels"] = random.integers(0, 10, count).astype(np.uint8)
    sizes = (784, 128, 64, 10)
    with h5py.File(folder / "m.h5", "w") as file:
        for k, (a, b) in enumerate(pairwise(sizes)):
            file[f"{k}.weight"] = random.normal(size=(b, a)).astype(np.float32) / np.sqrt(a)
            file[f"{k}.bias"] = np.zeros(b, np.float32)
    topology = Path(__file__).resolve().parents[2] / "networks" / "mlp.toml"
    (folder / "mlp.toml").write_text(topology.read_text())


def rows(quick: bool) -> Iterator[Row]:
    """Every command with few and with many images; what it takes more of them for."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:  # /tmp may be memory
        folder = Path(name)
        make(folder)
        measured(folder, COMMANDS["convert"].format(d=f"{FEW}.h5").replace("c.h5", "n.h5"))
        for command, line in COMMANDS.items():
            if quick and command not in ("run", "run --out", "info"):
                continue
            least = BATCHES if " m.h5" in line else FEW
            (_, few), (_, many) = (
                measured(folder, line.format(d=f"{count}.h5"), (0, 1), subprocess.DEVNULL)
                for count in (least, MANY)
            )
            text = f"{few:.0f} MB over {least:,}, {many:.0f} MB over {MANY:,}"
            yield Row(f"memory, {command}", text, f"{GROWTH} MB more", many - few <= GROWTH)
