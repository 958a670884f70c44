"""Whole processes on the digits: the shipped network, the import, the demo from a cold cache."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from benchmarks.table import Row, at_most
from benchmarks.timing import TESTS, alternate

ROOT = TESTS.parent
RUN = ["-m", "evsim", "run", "networks/digits-conv.h5", "data/digits_test.h5", "-T", "64"]
IMPORT = ["-c", "import evsim"]
DEMO = ["-m", "evsim", "demo"]


def seconds(arguments: list[str], cache: str | None = None) -> float | None:
    """The wall time of a Python process; None where the command fails or does not exist."""
    environment = os.environ | ({"NUMBA_CACHE_DIR": cache} if cache else {})
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, check=False
    )
    return None if done.returncode else time.perf_counter() - begin


def rows(quick: bool) -> Iterator[Row]:
    """Warm: medians of processes that take turns; the demo: once, with an empty cache."""
    work = "digits, 360 test images, 64 timesteps, whole process"
    bars = {}
    for name, arguments, most in ((work, RUN, 1.5), ("import evsim", IMPORT, 0.5)):
        if seconds(arguments) is None:
            yield failed(name, most)
        else:
            bars[name] = arguments, most
    runs = {name: lambda a=arguments: seconds(a) for name, (arguments, _) in bars.items()}
    for name, found in alternate(runs, 3 if quick else 7).items():
        yield at_most(name, found, bars[name][1], "s", "warm cache")
    with tempfile.TemporaryDirectory() as cache:
        found = seconds(DEMO, cache)
    demo, most = "evsim demo, cold cache", 25
    yield failed(demo, most) if found is None else at_most(demo, found, most, "s")


def failed(name: str, most: float) -> Row:
    """The row of a command that did not end well."""
    return Row(name, "the command failed", f"under {most:g} s", False)
