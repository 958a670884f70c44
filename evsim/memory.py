"""Arrays where kernels read them fastest: weights in one arithmetic, scratch that is kept."""

from __future__ import annotations

import os
from math import prod

import numpy as np

from evsim.parts import frozen, mismatch, rounded

CHUNK = 32 << 20  # bytes that weights are packed into together
LARGE = 4 << 20  # from so many bytes on NumPy asks the system for pages of 2 MB
TILE = 600_000  # bytes of a tile that stays in the second cache


def address(value: np.ndarray) -> tuple:
    """What two views of one array in memory have in common."""
    return value.__array_interface__["data"][0], value.shape, value.dtype.str


class Weights:
    """Weights in the arithmetic of a run; an array that sets share is kept once.

    They are packed into large pages: rows are read at random, and with pages of 4 kB most of the
    time would go to finding the page. `dtype` None: integers in the narrowest type.
    """

    def __init__(self, dtype=None):
        self.dtype = dtype
        self.kept: dict = {}
        self.chunk = np.empty(0, np.uint8)

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """The weights, rounded once or narrowed, read-only."""
        return self._keep(("cast", address(weights)), weights, self._cast)

    def tiles(self, weights: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """(first column, columns) of the cast weights (rows, columns).

        In tiles of 64 columns if a tile then stays in the second cache while all targets use it,
        else whole: long rows come faster from the third.
        """
        return self._keep(("tiles", address(weights)), weights, self._tile)

    def _keep(self, key: tuple, weights: np.ndarray, make):
        if key not in self.kept:  # and the array: its address must not be used again
            self.kept[key] = weights, make(weights)
        return self.kept[key][1]

    def _cast(self, weights: np.ndarray) -> np.ndarray:
        dtype = narrowest(weights) if self.dtype is None else self.dtype
        return frozen(weights if weights.dtype == dtype else rounded(weights, dtype))

    def _tile(self, weights: np.ndarray) -> list[tuple[int, np.ndarray]]:
        cast = self(weights)
        rows, columns = cast.shape
        step = 64 if rows * 64 * cast.itemsize <= TILE else max(columns, 1)
        return [(c, self._pack(cast[:, c : c + step])) for c in range(0, columns, step)]

    def _pack(self, tile: np.ndarray) -> np.ndarray:
        """A read-only copy in the chunk, at the beginning of a cache line."""
        start = -self.chunk.ctypes.data % 64
        if self.chunk.size < start + tile.nbytes:
            self.chunk = np.empty(max(CHUNK, tile.nbytes + 64), np.uint8)
            start = -self.chunk.ctypes.data % 64
        packed = self.chunk[start : start + tile.nbytes].view(tile.dtype).reshape(tile.shape)
        self.chunk = self.chunk[start + tile.nbytes :]
        packed[...] = tile
        return frozen(packed)


def narrowest(weights: np.ndarray) -> np.dtype:
    """The smallest integer type that holds the weights, for the fastest additions."""
    low, high = int(weights.min(initial=0)), int(weights.max(initial=0))
    fits = (
        t
        for t in (np.int8, np.int16, np.int32)
        if np.iinfo(t).min <= low <= high <= np.iinfo(t).max
    )
    return np.dtype(next(fits, np.int64))


class Space:
    """Scratch arrays of one thread, used again by every block and sample."""

    def __init__(self):
        self.held: dict[str, np.ndarray] = {}

    def array(self, name: str, shape, dtype) -> np.ndarray:
        """An uninitialised array; the next call with the same name takes its memory."""
        size = prod(shape) if isinstance(shape, tuple) else shape
        size *= np.dtype(dtype).itemsize
        if name not in self.held or self.held[name].size < size:
            self.held[name] = np.empty(max(size, LARGE), np.uint8)
        return self.held[name][:size].view(dtype).reshape(shape)


def thread_count(jobs: int | None) -> int:
    """`jobs`, None: as many as there are cores; raises EvsimError below 1."""
    if jobs is not None and jobs < 1:
        raise mismatch(jobs, "a whole number of at least 1", "jobs")
    return cores() if jobs is None else jobs


def cores() -> int:
    """The processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
