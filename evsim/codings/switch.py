"""Temporal switch coding: the time between two events, on and off, is the value."""

import numpy as np

from evsim.base.errors import EvsimError

GRADED, REPEATS, DRAWS = False, False, 0
IN_WINDOW = True
FACTS = {"clipped": "inputs beyond [-1, 1]"}


def charges(values: np.ndarray, window: int) -> tuple[np.ndarray, int]:
    """(sign(x) floor(min(|x|, 1) (window - 1)) in float64, how many |x| were above 1)."""
    size = np.abs(np.float64(values))
    steps = np.floor(np.minimum(size, 1.0) * (window - 1))
    return (np.sign(values) * steps).astype(np.int32), int(np.count_nonzero(size > 1))


def charges_of(values, neurons, window):
    """The charges (neurons,) of an image, and the input's own facts."""
    found, clipped = charges(values, window)
    return found, {"clipped": clipped}


def signed(values):
    """Every value is sent as two events of opposite sign."""
    return True


def encode(values, first, steps, key, stream):
    """Nothing: the whole window is filled at once, from `charges`."""
    raise EvsimError("coding 'switch' has no events timestep by timestep")
