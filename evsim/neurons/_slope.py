"""What the kinds with a slope share: every timestep the potential grows by it."""

from __future__ import annotations

import numpy as np

from evsim.base.kernel import kernel
from evsim.neurons._runner import check_range


def listening(first: int, last: int, start: int, window: int) -> tuple[int, int]:
    """The part of timesteps first .. last - 1 that lies in the window before `start`."""
    first = max(first, start - window)
    return first, max(first, min(last, start))


def check_slope(state, current, bias, dtype, timestep: int, start: int, window: int) -> None:
    """Raise EvsimError where a sum of a listening timestep leaves int32, or is not finite."""
    if start - window <= timestep < start:
        wide = np.int64 if dtype == np.int32 else dtype
        slope = state["slope"].astype(wide) + current
        sums = state["potential"].astype(wide) + slope
        if timestep < start - 1:
            sums = sums + bias.astype(wide)
        check_range("slope", slope, dtype, timestep)
        check_range("potential", sums, dtype, timestep)


@kernel
def ramp(currents, reached, slope, potential, bias, rules, history):
    """slope += current; v = v + slope, then + bias but in the last listening timestep.

    `reached` (timesteps, positions, 1 or channels); `rules`: how many timesteps are left to
    listen. Returns the active neurons; v is kept for every timestep in `history`.
    """
    active = 0
    for t in range(currents.shape[0]):
        last = t == rules[0] - 1
        for p in range(currents.shape[1]):
            q = p if bias.shape[0] > 1 else 0
            r, v, current, kept = slope[p], potential[p], currents[t, p], history[t, p]
            for c in range(v.shape[0]):
                r[c] += current[c]
                v[c] = v[c] + r[c]
                if not last:
                    v[c] = v[c] + bias[q, c]
                kept[c] = v[c]
                mark = reached[t, p, c if reached.shape[2] > 1 else 0]
                active += last or mark != 0 or bias[q, c] != 0 or r[c] != 0
    return active
