"""Questions about arrays that several folders ask: where one lies, which integers hold it."""

from __future__ import annotations

import numpy as np


def address(value: np.ndarray) -> tuple:
    """Start, shape and dtype of an array: equal for two arrays that are one array in memory.

    Sets of synapses whose weights have one address read the same weights.
    """
    return value.__array_interface__["data"][0], value.shape, value.dtype.str


def narrowest(weights: np.ndarray) -> np.dtype:
    """The smallest of int8, int16, int32 and int64 that holds all of these whole numbers.

    Additions of narrower numbers are faster.
    """
    low, high = int(weights.min(initial=0)), int(weights.max(initial=0))
    fits = (
        t
        for t in (np.int8, np.int16, np.int32)
        if np.iinfo(t).min <= low <= high <= np.iinfo(t).max
    )
    return np.dtype(next(fits, np.int64))
