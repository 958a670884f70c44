"""Whole processes of `everywhere.py`: a test set, `evsim warm`, the first run in a fresh cache."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import evsim
from benchmarks.claims import ROOT, SHARED
from benchmarks.table import Row, at_most
from benchmarks.works import calibrated, drawn, lenet

IMAGES, FEW = 10_000, 1_000
FIRST = "run networks/digits-conv.h5 data/digits_test.h5 -T 64 --samples :1 --quiet"


def seconds(line: str, cache: str | None = None, threads: int | None = None) -> float:
    """The wall time of an evsim command; RuntimeError where it fails."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path}
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        environment.pop(name, None)
    environment |= {"NUMBA_CACHE_DIR": cache} if cache else {}
    begin = time.perf_counter()
    command = [sys.executable, "-m", "evsim", *line.split()]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"evsim {line}: {done.stderr.decode()[-500:]}")
    return time.perf_counter() - begin


def rows(quick: bool) -> Iterator[Row]:
    """The wall time of each, once."""
    yield from test_set(FEW if quick else IMAGES)
    with tempfile.TemporaryDirectory() as cache:
        detail = f"`evsim {FIRST}`"
        found = seconds(FIRST, cache)
        yield at_most("first run of a network in a fresh cache", found, 6, "s", detail)
    title = "evsim warm, fresh cache"
    if quick:
        yield Row(title, "not with --quick", "under 25 s")
        return
    with tempfile.TemporaryDirectory() as cache:
        yield at_most(title, seconds("warm --quiet", cache), 25, "s", "two cores")


def test_set(count: int) -> Iterator[Row]:
    """LeNet over MNIST with Poisson inputs, from the start of the process to its end."""
    title, most = f"MNIST test set, LeNet, T = 64, {count:,} images, two threads", 15
    data = SHARED / "data" / "mnist_test.h5"
    if not data.exists():
        yield Row(title, "skipped: the images are not beside the repository", f"under {most} s")
        return
    with evsim.open_data(str(data)) as opened:
        images = opened.images[:1]
    network = lenet()
    network = calibrated(network, drawn(images, network, 64))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lenet.h5"
        evsim.save(network, path)
        line = f"run {path} {data} -T 64 --coding poisson --jobs 2 --quiet --samples "
        seconds(f"{line}:2")  # compiles what is not in the cache
        found = seconds(f"{line}:{count}")
    detail = "wall time of the whole command, poisson, random weights of about 10 % firing"
    if count == IMAGES:
        yield at_most(title, found, most, "s", detail)
    else:
        yield Row(title, f"{found:.3g} s", f"under {most} s for {IMAGES:,}", None, detail)
