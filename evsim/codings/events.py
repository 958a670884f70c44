"""Events given by the data file, and only by it."""

import numpy as np

GRADED, REPEATS, DRAWS = False, False, 0  # graded where the data says so


def signed(values):
    """Whether the value of any event is not +1."""
    return bool((values[2] != 1).any())


def encode(values, first, steps, key, stream):
    """Append the events of `steps` timesteps from `first` on to a stream.

    `values` are the arrays (timesteps, neurons, values) of a sample's events, in order of time.
    """
    timesteps, neurons, value = values
    span = slice(*np.searchsorted(timesteps, (first, first + steps)))
    stream.extend(neurons[span], timesteps[span] - first, steps, value[span])
