"""Rectified neurons of an artificial network: they send their value at every timestep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.kernel import kernel
from evsim.neurons import Runner
from evsim.neurons._stateless import Stateless, StatelessRunner


@dataclass(frozen=True, eq=False, kw_only=True)
class Analog(Stateless):
    """z = current + bias, sent as a graded event where z > 0; no state.

    With `pool` the current is the largest of the neuron's places.
    """

    graded: ClassVar[bool] = True
    valued: ClassVar[bool] = True

    def runner(self, dtype, current_bound: int = 0) -> Runner:
        return AnalogRunner(self, dtype, current_bound)


class AnalogRunner(StatelessRunner):
    """Advances neurons that send their value."""

    def advance(self, state: dict, currents, reached, first: int, out) -> dict[str, int]:
        """Send current + bias where it is above 0."""
        largest = self.largest(state, currents, first)
        room = self.room(out, len(currents))
        out.commit(len(currents), rectify(largest, self.bias, *room))
        return {"active_updates": self.active_updates(currents, reached)}


@kernel
def rectify(currents, constants, channels, offsets, values):
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
