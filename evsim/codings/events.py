"""Events given by the data file, and only by it."""

import numpy as np

from evsim.base.errors import mismatch

GRADED, REPEATS, DRAWS = False, False, 0  # graded where the data says so
IN_WINDOW, FACTS = False, {}


def signed(values):
    """Whether any event is not +1."""
    return bool((values[2] != 1).any())


def encode(values, first, steps, key, stream):
    """Append `steps` timesteps from `first` on; `values` are (timesteps, neurons, values)."""
    timesteps, neurons, value = values
    some = slice(*np.searchsorted(timesteps, (first, first + steps)))
    stream.extend(neurons[some], timesteps[some] - first, steps, value[some])


def largest(values) -> float:
    """The largest magnitude of the values of a sample's events."""
    return np.abs(values[2]).max(initial=0).item()


def charges_of(values, neurons, window):
    """The charges (neurons,) that a sample's events mean, and no facts.

    Raises EvsimError where a neuron sends anything but on at timestep 0 and off in the window.
    """
    return charges_of_events(values, neurons, window), {}


def charges_of_events(events: tuple, neurons: int, window: int) -> np.ndarray:
    """The charges that these (timesteps, neurons, values) are the events of.

    Raises EvsimError where a neuron sends anything but on at timestep 0 and off in the window.
    """
    timesteps, sources, values = events
    first = timesteps == 0
    found = np.zeros(neurons, np.int32)
    off, on = np.zeros(neurons, np.int64), np.zeros(neurons, np.int64)
    np.add.at(on, sources[first], values[first].astype(np.int64))
    np.add.at(off, sources[~first], values[~first].astype(np.int64))
    found[sources[~first]] = timesteps[~first]
    found *= on.astype(np.int32)
    counts = np.bincount(sources, minlength=neurons)
    wrong = (counts != 0) & (counts != 2) | (on != -off) | (np.abs(found) >= window)
    if wrong.any():
        neuron = int(np.flatnonzero(wrong)[0])
        times = timesteps[sources == neuron][:3].tolist()
        raise mismatch(
            f"{counts[neuron]} events of neuron {neuron}, at timesteps {times}",
            f"an event at timestep 0 and its opposite within the window of {window}, or none",
        )
    return found
