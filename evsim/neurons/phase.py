"""Phase neurons (weighted spikes): a period sends a value bit by bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import whole
from evsim.base.kernel import kernel
from evsim.neurons._valued import Valued


@dataclass(frozen=True, eq=False, kw_only=True)
class Phase(Valued):
    """v = (v + current) + bias; with g = 2^-(1 + t mod period), an event of value g where
    v >= threshold x g; v -= threshold x g.

    Timestep 0 is the phase of g = 1/2, the last of a period that of 2^-period. In an integer
    population the threshold is a multiple of 2^period. Source: Kim et al. 2018, weighted spikes.
    """

    graded: ClassVar[bool] = True

    period: int = whole(8, least=1)  # [timesteps] as many bits has a value

    def check(self) -> None:
        if self.period > 30:
            raise mismatch(self.period, "a whole number from 1 to 30", "period")

    def fields(self) -> dict[str, np.ndarray]:
        phases = range(1, self.period + 1)
        return {f"threshold at g = 2^-{k}": np.asarray(self.threshold / 2**k) for k in phases}

    def rules(self) -> tuple[int, ...]:
        return (self.period,)

    def law(self, *arrays) -> tuple[int, int]:
        return fire_by_phase(*arrays)


@kernel
def fire_by_phase(
    currents,
    reached,
    potential,
    constants,
    restless,
    rules,
    channels,
    out_values,
    offsets,
):
    """The law for a window; returns (events, active neurons).

    `constants`: leak, bias, threshold, then the threshold of each phase. `reached` is (timesteps,
    positions, 1 or channels), or without positions where all neurons are restless. `rules`: first
    timestep, start, period.
    """
    events, active, cell = np.int64(0), 0, 0
    for t in range(currents.shape[0]):
        phase = (rules[0] + t) % rules[2]
        for p in range(currents.shape[1]):
            q = p if constants.shape[1] > 1 else 0
            for c in range(currents.shape[2]):
                least, v = constants[3 + phase, q, c], potential[p, c]
                if reached.shape[1] > 0:
                    hit = reached[t, p, c if reached.shape[2] > 1 else 0]
                    active += hit != 0 or restless[q, c] != 0 or v >= least
                x = v + currents[t, p, c] + constants[1, q, c]
                if rules[0] + t >= rules[1] and x >= least:
                    channels[events] = c
                    out_values[events] = 0.5 ** (1 + phase)
                    events += 1
                    x = x - least
                potential[p, c] = x
            cell += 1
            offsets[cell] = offsets[0] + events
    return events, active
