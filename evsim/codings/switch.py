"""Temporal switch coding: the time between two events, on and off, is the value."""

import numpy as np

from evsim.base.errors import EvsimError

GRADED, REPEATS, DRAWS = False, False, 0
IN_WINDOW = True
FACTS = {"clipped": "inputs beyond [-1, 1]"}


def charges(values: np.ndarray, window: int) -> tuple[np.ndarray, int]:
    """Durations (neurons,), int32, of scaled inputs, signed; and how many |x| were above 1.

    sign(x) floor(min(|x|, 1) (window - 1)), in float64; `window`: the timesteps in which it is
    sent.
    """
    size = np.abs(np.float64(values))
    steps = np.floor(np.minimum(size, 1.0) * (window - 1))
    return (np.sign(values) * steps).astype(np.int32), int(np.count_nonzero(size > 1))


def charges_of(values, neurons, window):
    """Durations (neurons,), int32, signed, of scaled inputs; and facts: how many were above 1."""
    durations, clipped = charges(values, window)
    return durations, {"clipped": clipped}


def signed(values):
    """Always: a value is sent as two events of opposite sign."""
    return True


def encode(values, first, steps, key, stream):
    """Always an error: the whole window is filled at once, from `charges`."""
    raise EvsimError("coding 'switch' has no events timestep by timestep")
