"""Threads over samples."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from numba import njit
from support.topologies import vgg16

import evsim
from benchmarks.table import Row, at_least
from benchmarks.timing import alternate
from benchmarks.workload import TIMESTEPS, events, poisson, thresholds

SAMPLES = 8
TURNS = 200_000_000


def rows(quick: bool) -> Iterator[Row]:
    """VGG-16, float32, eight samples: two threads against one, beside a bare loop."""
    network = vgg16(thresholds=thresholds())
    shape = network.populations["input"].shape
    inputs = events(poisson(SAMPLES, TIMESTEPS, shape), shape)
    contenders = {
        1: lambda: evsim.run(network, inputs, jobs=1).seconds / SAMPLES,
        2: lambda: evsim.run(network, inputs, jobs=2).seconds / SAMPLES,
        "loop on 1": lambda: looping(1),
        "loop on 2": lambda: looping(2),
    }
    found = alternate(contenders, 2 if quick else 7)
    most = found["loop on 1"] / found["loop on 2"]
    detail = (
        f"{found[1]:.3f} s and {found[2]:.3f} s an image; a loop that touches no memory gained "
        f"{most:.2f} times in turn: what the machine had to give"
    )
    yield at_least("two threads against one, VGG-16, float32", found[1] / found[2], 1.8, detail)


@njit(nogil=True)
def loop(turns, state):
    """Turns of a linear congruential generator: each needs the one before."""
    for _ in range(turns):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
    return state


def looping(threads: int) -> float:
    """Seconds of two such loops on so many threads."""
    with ThreadPoolExecutor(threads) as pool:
        begin = time.perf_counter()
        list(pool.map(loop, (TURNS, TURNS), (1, 2)))
        return time.perf_counter() - begin
