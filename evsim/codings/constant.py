"""Constant current: x at every timestep where x is not 0; graded."""

import numpy as np

GRADED, REPEATS, DRAWS = True, True, 0
IN_WINDOW, FACTS = False, {}


def signed(values):
    """Always: any value may be sent."""
    return True


def encode(values, first, steps, key, stream):
    """Append the one timestep that stands for all; `values` (neurons,) are the scaled inputs."""
    neurons = np.flatnonzero(values)
    stream.extend(neurons, np.zeros(neurons.size, np.int64), 1, values[neurons])


def largest(values) -> float:
    """The largest magnitude of the inputs of a sample."""
    return np.abs(values).max(initial=0).item()
