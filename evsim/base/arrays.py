"""What is asked of arrays everywhere: where they lie, which integers hold them."""

from __future__ import annotations

import numpy as np


def address(value: np.ndarray) -> tuple:
    """What two views of one array in memory have in common."""
    return value.__array_interface__["data"][0], value.shape, value.dtype.str


def narrowest(weights: np.ndarray) -> np.dtype:
    """The smallest integer type that holds the weights, for the fastest additions."""
    low, high = int(weights.min(initial=0)), int(weights.max(initial=0))
    fits = (
        t
        for t in (np.int8, np.int16, np.int32)
        if np.iinfo(t).min <= low <= high <= np.iinfo(t).max
    )
    return np.dtype(next(fits, np.int64))
