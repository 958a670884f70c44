"""Signed neurons with memory: they take back what they sent too early."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.fields import per_neuron
from evsim.base.kernel import kernel
from evsim.neurons import CIRCUIT, POTENTIAL, Runner
from evsim.neurons._valued import Valued, ValuedRunner

LEAK, BIAS, THRESHOLD, LOWEST = range(4)  # of the constants of the kernel
FIRST, START = range(2)  # of its rules


@dataclass(frozen=True, eq=False, kw_only=True)
class Signed(Valued):
    """v = (v + current) + bias; +1 where v >= threshold, else -1 where v <= -negative_threshold and
    the sum of all it sent is above 0; v -= threshold x event.

    An absent negative_threshold is the threshold. Source: Wang et al. 2022, signed neuron with
    memory, whose negative event is that threshold; here it is always -1.
    """

    STATE: ClassVar[dict[str, str]] = {"potential": POTENTIAL, "sent": CIRCUIT}
    EXAMPLES: ClassVar[tuple[dict, ...]] = ({"threshold": 1},)

    negative_threshold: np.ndarray | None = per_neuron(None, positive=True)  # [potential] of -1

    def runner(self, dtype, current_bound: int = 0) -> Runner:
        lowest = self.threshold if self.negative_threshold is None else self.negative_threshold
        # The threshold again: what -1 adds to v, which bounds where v lands.
        fields = {"negative_threshold": lowest, "drop": self.threshold}
        memory = {"sent": np.zeros((), np.int64)}
        return ValuedRunner(self, dtype, current_bound, fire_signed, fields=fields, memory=memory)


@kernel
def fire_signed(
    currents,
    reached,
    potential,
    sent,
    constants,
    always_active,
    rules,
    channels,
    out_values,
    offsets,
):
    """Advance by a block of timesteps; returns (events, active neurons).

    `sent`: the sum of all events. `constants`: leak, bias, threshold, negative threshold, drop.
    `reached` is (timesteps, positions, 1 or channels), or without positions where all neurons are
    always active. `rules`: first timestep, start.
    """
    events, active, cell = np.int64(0), 0, 0
    for t in range(currents.shape[0]):
        for p in range(currents.shape[1]):
            q = p if constants.shape[1] > 1 else 0
            for c in range(currents.shape[2]):
                least, lowest = constants[THRESHOLD, q, c], constants[LOWEST, q, c]
                v = potential[p, c]
                if reached.shape[1] > 0:
                    hit = reached[t, p, c if reached.shape[2] > 1 else 0]
                    back = v <= -lowest and sent[p, c] > 0
                    active += hit != 0 or always_active[q, c] != 0 or v >= least or back
                x = v + currents[t, p, c] + constants[BIAS, q, c]
                if rules[FIRST] + t >= rules[START]:
                    value = 0
                    if x >= least:
                        value = 1
                        x = x - least
                    elif x <= -lowest and sent[p, c] > 0:
                        value = -1
                        x = x + least
                    if value != 0:
                        sent[p, c] += value
                        channels[events] = c
                        out_values[events] = value
                        events += 1
                potential[p, c] = x
            cell += 1
            offsets[cell] = offsets[0] + events
    return events, active
