"""The small cases again without compiling, and compiled so that every index is checked.

Without compiling NumPy adds int8 to int8 in int8, where Numba widens both: sums of eight bytes
beyond 127 are tested with compiled kernels only.
"""

import os
import re
import subprocess
import sys

import pytest
from support.places import ROOT, TESTS

SMALL = ["test_kinds.py", "engine/test_engine.py", "engine/test_exactness.py"]
SMALL += ["synapses/test_exact_sums.py", "artificial/test_layers.py", "neurons/test_bounded.py"]
OUTSIDE = """
import numpy as np
from evsim.synapses._rows import sum_of
rows = np.array([0, 2, 1], np.uint32)
try:
    print(sum_of(np.arange(2), rows, 3))
except IndexError as error:
    print("IndexError", error)
"""


def child(*command, **environment):
    """What a process of its own prints; its kernels are its own, too."""
    environment = {**os.environ, "EVSIM_QUICK": "1", **environment}
    done = subprocess.run(
        [sys.executable, *command],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def run_small_cases(**environment):
    """Run the small cases in a process of its own; returns how many tests passed."""
    tests = [str(TESTS / name) for name in SMALL]
    wraps = "ignore:overflow encountered in scalar multiply:RuntimeWarning"  # a popcount's
    quiet = "-qxp", "no:cacheprovider", "-W", wraps
    said = child("-m", "pytest", *quiet, *tests, **environment)
    return int(re.search(r"(\d+) passed", said)[1])


@pytest.mark.slow
def test_small_cases_without_compiling():
    assert run_small_cases(NUMBA_DISABLE_JIT="1") > 150


@pytest.mark.slow
def test_small_cases_with_every_index_checked(tmp_path):
    own = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    assert run_small_cases(**own) > 150


def test_an_index_outside_is_found(tmp_path):
    said = child("-c", OUTSIDE, NUMBA_BOUNDSCHECK="1", NUMBA_CACHE_DIR=str(tmp_path))
    assert said.startswith("IndexError")
