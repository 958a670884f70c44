"""Pricing a stored run of 10,000 images again, on five chips at once."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from support.topologies import vgg16

import evsim
from benchmarks.table import Row, at_most
from benchmarks.timing import TESTS, alternate
from benchmarks.workload import events, poisson, thresholds
from evsim.base.shipped import shipped

SAMPLES, TIMESTEPS = 10_000, 64
CHIPS = ("horowitz-45nm", "loihi", "truenorth", "odin", "spinalflow")


def rows(quick: bool) -> Iterator[Row]:
    """Whole processes in turn: `evsim cost` on a result, and the import of its commands alone."""
    with tempfile.TemporaryDirectory() as folder:
        results = {"digits-conv": Path(folder, "digits.h5"), "VGG-16": Path(folder, "vgg.h5")}
        digits(results["digits-conv"])
        wide(results["VGG-16"])
        chips = [word for chip in CHIPS for word in ("--chip", chip)]
        contenders = {"start": lambda: seconds(["-c", "import evsim.cli.main"])}
        for name, path in results.items():
            contenders[name] = lambda path=path: seconds(["-m", "evsim", "cost", str(path), *chips])
        found = alternate(contenders, 3 if quick else 9)
        sizes = {name: path.stat().st_size / 1e6 for name, path in results.items()}
    how = {
        "digits-conv": f"every image simulated, {TIMESTEPS} timesteps",
        "VGG-16": "one image simulated, its counts stored for each",
    }
    for name in results:
        work = f"{SAMPLES:,} images through {name}, five chips, beyond start-up"
        detail = f"{how[name]}, a file of {sizes[name]:.0f} MB; whole process {found[name]:.2f} s"
        detail += f"; import evsim.cli.main {found['start']:.2f} s"
        yield at_most(work, found[name] - found["start"], 1, "s", detail)


def digits(path: Path) -> None:
    """The result of the digits, over and over."""
    network = evsim.load(shipped("networks") / "digits-conv.h5")
    with evsim.open_data(shipped("data") / "digits_test.h5") as data:
        images = np.asarray(data.images[: len(data.labels)])
    images = np.concatenate([images] * -(-SAMPLES // len(images)))[:SAMPLES]
    evsim.run(network, images, timesteps=TIMESTEPS).save(path)


def wide(path: Path) -> None:
    """A result of VGG-16: the counts of one image as those of each."""
    network = vgg16(thresholds=thresholds())
    shape = network.populations["input"].shape
    run = evsim.run(network, events(poisson(1, TIMESTEPS, shape), shape))
    run.finished = [replace(run.finished[0], index=index) for index in range(SAMPLES)]
    run.settings = replace(run.settings, samples=SAMPLES)
    run.save(path)


def seconds(arguments: list[str]) -> float:
    """The wall time of a Python process; its tables go nowhere."""
    path = os.pathsep.join(filter(None, (str(TESTS.parent), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONPATH": path}
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - begin
