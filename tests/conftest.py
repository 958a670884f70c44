"""Settings of all tests."""

import os
import random
import time

import pytest
from hypothesis import HealthCheck, Phase, settings
from support.files import events, images, network

from evsim.cli.main import run_command

SHARED = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
settings.register_profile("evsim", **SHARED, derandomize=True, print_blob=False)
phases = set(Phase) - {Phase.explain}  # which takes minutes
settings.register_profile("random", **SHARED, derandomize=False, database=None, phases=phases)
settings.load_profile("evsim")

if "PYTEST_XDIST_WORKER" in os.environ:  # coverage measures this process: the hundreds of short
    os.environ.pop("COVERAGE_PROCESS_START", None)  # ones that tests begin would take minutes


def pytest_addoption(parser):
    said = "begin no test after so many seconds; the tests in an order drawn from --hypothesis-seed"
    parser.addoption("--seconds", type=float, help=said)


def pytest_collection_modifyitems(config, items):
    seed = config.getoption("--hypothesis-seed")
    if config.getoption("--seconds") is not None and seed is not None:
        random.Random(seed).shuffle(items)


def pytest_sessionstart(session):
    session.begun = time.monotonic()


def pytest_runtest_setup(item):
    seconds = item.config.getoption("--seconds")
    if seconds is not None and time.monotonic() - item.session.begun > seconds:
        pytest.skip("the time is up")


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """A test works in a folder of its own; no children, they would only take time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVSIM_NO_GUARD", "1")
    return tmp_path


@pytest.fixture
def files(inside):
    """A network and data in the working directory."""
    network("n.h5")
    images("d.h5")
    events("e.h5")
    return inside


@pytest.fixture
def command(capsys):
    """Run a command in this process; returns (exit status, standard output, standard error).

    One string is a line of words; several words are taken as they are.
    """

    def run(*words):
        line = words[0].split() if len(words) == 1 else [str(word) for word in words]
        capsys.readouterr()
        status = run_command(line)
        return status, *capsys.readouterr()

    return run
