"""Time to first spike: +1 at t = floor((1 - min(x, 1)) (T - 1) + 0.5), none for x <= 0.

T is the timesteps of the run; where populations send first spikes in windows, of the window.
"""

import numpy as np

GRADED, REPEATS, DRAWS = False, False, 0
IN_WINDOW, FACTS = False, {}


def signed(values):
    """Never: all events are +1."""
    return False


def encode(values, first, steps, key, stream):
    """Append the events of `steps` timesteps from `first` on to a stream.

    `values` (neurons,) are the scaled inputs; times are computed from them in float64.
    """
    neurons = np.flatnonzero(values > 0)
    rest = 1 - np.minimum(values[neurons].astype(np.float64), 1)
    times = np.floor(rest * ((key.window or key.timesteps) - 1) + 0.5).astype(np.int64)
    here = (times >= first) & (times < first + steps)
    neurons, times = neurons[here], times[here] - first
    order = np.argsort(times, kind="stable")
    stream.extend(neurons[order], times[order], steps, 1)
