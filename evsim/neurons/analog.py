"""Rectified neurons of an artificial network: they send their value at every timestep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.kernel import kernel
from evsim.neurons._stateless import Stateless, StatelessWindow


@dataclass(frozen=True, eq=False, kw_only=True)
class Analog(Stateless):
    """z = current + bias, sent as a graded event where z > 0; no state.

    With `pool` the current is the largest of the neuron's places.
    """

    graded: ClassVar[bool] = True
    valued: ClassVar[bool] = True

    def prepare(self, dtype, current_bound: int = 0) -> AnalogWindow:
        """What runs this population in arithmetic of `dtype`."""
        return AnalogWindow(self, dtype, current_bound)


class AnalogWindow(StatelessWindow):
    """Advances neurons that send their value."""

    def send(self, state, currents, first: int, channels, values, offsets) -> int:
        return rectify(currents, self.bias, channels, values, offsets)


@kernel
def rectify(currents, constants, channels, values, offsets):
    """Append current + bias (`constants`) where it is above 0; returns the events."""
    events, cell = np.int64(0), 0
    for t in range(currents.shape[0]):
        for p in range(currents.shape[1]):
            current = currents[t, p]
            bias = constants[p if constants.shape[0] > 1 else 0]
            for c in range(current.shape[0]):
                z = current[c] + bias[c]
                channels[events] = c
                values[events] = z
                events += z > 0
            cell += 1
            offsets[cell] = offsets[0] + events
    return events
