"""The addition kernel against a plain `row += w` over the same rows, all in the cache."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import numpy as np
from numba import njit

from benchmarks.table import Row, at_least
from evsim.engine.weights import Weights
from evsim.engine.workspace import Workspace
from evsim.synapses._rows import Rows

LENGTHS = (64, 128, 256, 512)
ROWS, TARGETS = 256, 128  # of the weights; sums of rows in one call
SHORT = 0.004  # seconds of one measurement


@njit(error_model="numpy")
def plain(rows, starts, weight, out):
    """out[i] += weight[rows[k]], row after row."""
    for i in range(starts.shape[0] - 1):
        total = out[i]
        for k in range(starts[i], starts[i + 1]):
            w = weight[rows[k]]
            for c in range(total.shape[0]):
                total[c] += w[c]


def listed_rows(length: int) -> int:
    """Rows for a target of a 3x3 convolution, a tenth of whose `length` channels fire."""
    return min(9 * length // 10, 9 * ROWS // 10)


def billions(contenders: dict[str, Callable], additions: int, rounds: int) -> dict[str, float]:
    """Billions of additions a second: the medians of short runs that take turns."""
    found = {name: [] for name in contenders}
    repeats = {}
    for name, run in contenders.items():
        run()
        begin = time.perf_counter()
        run()
        repeats[name] = max(1, int(SHORT / (time.perf_counter() - begin)))
    for _ in range(rounds):
        for name, run in contenders.items():
            begin = time.perf_counter()
            for _ in range(repeats[name]):
                run()
            seconds = time.perf_counter() - begin
            found[name].append(1e-9 * additions * repeats[name] / seconds)
    return {name: median(rates) for name, rates in found.items()}


def rows(quick: bool) -> Iterator[Row]:
    """For each row length: against the plain loop, and int8 against float32."""
    for length in LENGTHS:
        generator = np.random.default_rng(length)
        size = listed_rows(length)
        lists = [np.sort(generator.choice(ROWS, size, replace=False)) for _ in range(TARGETS)]
        listed = np.concatenate(lists).astype(np.uint32)
        starts = np.arange(TARGETS + 1) * size
        narrow = generator.integers(-64, 64, (ROWS, length), np.int8) | np.int8(1)
        weight = narrow.astype(np.float32)
        floats, integers = Rows(weight, Weights(np.float32)), Rows(narrow, Weights())
        total, loop = np.zeros((2, TARGETS, length), np.float32)
        whole = np.zeros((TARGETS, length), np.int32)
        none, space = np.zeros(0, np.float32), Workspace()
        floats.add(listed, none, starts, total, space)
        integers.add(listed, none, starts, whole, space)
        plain(listed, starts, weight, loop)
        if not (total == loop).all() or not (whole == loop).all():
            raise ValueError("the kernels differ")
        contenders = {
            "plain": partial(plain, listed, starts, weight, loop),
            "float32": partial(floats.add, listed, none, starts, total, space),
            "int8": partial(integers.add, listed, none, starts, whole, space),
        }
        found = billions(contenders, listed.size * length, 15 if quick else 51)
        text = {name: f"{rate:.1f}" for name, rate in found.items()}
        detail = f"{text['float32']} and {text['plain']} billion additions/s"
        ratio = found["float32"] / found["plain"]
        yield at_least(f"addition kernel, rows of {length}, against row += w", ratio, 1.25, detail)
        ratio = found["int8"] / found["float32"]
        detail = f"{text['int8']} and {text['float32']} billion additions/s"
        work = f"addition kernel, rows of {length}, int8 against float32"
        if length >= 256:
            yield at_least(work, ratio, 2, detail)
        else:
            yield Row(work, f"{ratio:.2f} times", detail=detail)
