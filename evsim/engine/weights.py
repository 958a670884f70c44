"""Weights where kernels read them fastest, in the arithmetic of a run."""

from __future__ import annotations

import numpy as np

from evsim.base.arrays import address, narrowest
from evsim.base.fields import frozen, rounded
from evsim.base.processors import second_cache

CHUNK = 32 << 20  # bytes that weights are packed into together
SHARE = 0.6  # of the second cache, which a tile may take


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
        stays = rows * 64 * cast.itemsize <= SHARE * second_cache()
        step = 64 if stays else max(columns, 1)
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
