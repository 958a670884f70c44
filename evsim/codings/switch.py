"""Temporal switch coding: the time between two events, on and off, is the value."""

import numpy as np

from evsim.base.errors import EvsimError, mismatch

GRADED, REPEATS, DRAWS = False, False, 0


def charges(values: np.ndarray, window: int) -> tuple[np.ndarray, int]:
    """Durations (neurons,), int32, of scaled inputs, signed; and how many |x| were above 1.

    sign(x) floor(min(|x|, 1) (window - 1)), in float64; `window`: the timesteps in which it is
    sent.
    """
    size = np.abs(np.float64(values))
    steps = np.floor(np.minimum(size, 1.0) * (window - 1))
    return (np.sign(values) * steps).astype(np.int32), int(np.count_nonzero(size > 1))


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


def signed(values):
    """Always: a value is sent as two events of opposite sign."""
    return True


def encode(values, first, steps, key, stream):
    """Always an error: the whole window is filled at once, from `charges`."""
    raise EvsimError("coding 'switch' has no events timestep by timestep")
