"""Events given by the data file, and only by it."""

import numpy as np

from evsim.base.errors import mismatch

GRADED, REPEATS, DRAWS = False, False, 0  # graded where the data says so
IN_WINDOW, FACTS = False, {}


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


def largest(values) -> float:
    """The largest magnitude of the values of a sample's events."""
    return np.abs(values[2]).max(initial=0).item()


def charges_of(values, neurons, window):
    """Durations (neurons,), int32, signed, that a sample's events mean; and no facts.

    Raises EvsimError where a neuron sends anything but on at timestep 0 and off in the window.
    """
    return charges_of_events(values, neurons, window), {}


def charges_of_events(events: tuple, neurons: int, window: int) -> np.ndarray:
    """Durations (neurons,), int32, signed, of events (timesteps, neurons, values).

    Raises EvsimError where a neuron sends anything but on at timestep 0 and off in the window.
    """
    timesteps, sources, values = events
    first = timesteps == 0
    charges = np.zeros(neurons, np.int32)
    off, on = np.zeros(neurons, np.int64), np.zeros(neurons, np.int64)
    np.add.at(on, sources[first], values[first].astype(np.int64))
    np.add.at(off, sources[~first], values[~first].astype(np.int64))
    charges[sources[~first]] = timesteps[~first]
    charges *= on.astype(np.int32)
    counts = np.bincount(sources, minlength=neurons)
    wrong = (counts != 0) & (counts != 2) | (on != -off) | (np.abs(charges) >= window)
    if wrong.any():
        neuron = int(np.flatnonzero(wrong)[0])
        times = timesteps[sources == neuron][:3].tolist()
        raise mismatch(
            f"{counts[neuron]} events of neuron {neuron}, at timesteps {times}",
            f"an event at timestep 0 and its opposite within the window of {window}, or none",
        )
    return charges
