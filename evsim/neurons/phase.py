"""Phase neurons (weighted spikes): a period sends a value bit by bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import whole
from evsim.base.kernel import kernel
from evsim.neurons import Runner
from evsim.neurons._valued import Valued, ValuedRunner

BIAS, PHASES = 1, 3  # of the constants of the kernel: the bias, the threshold of phase 0
FIRST, START, PERIOD = range(3)  # of its rules


@dataclass(frozen=True, eq=False, kw_only=True)
class Phase(Valued):
    """v = (v + current) + bias; with g = 2^-(1 + t mod period), an event of value g where
    v >= threshold x g; v -= threshold x g.

    Timestep 0 is the phase of g = 1/2, the last of a period that of 2^-period. In an integer
    population the threshold is a multiple of 2^period. Source: Kim et al. 2018, weighted spikes.
    """

    graded: ClassVar[bool] = True
    EXAMPLES: ClassVar[tuple[dict, ...]] = ({"threshold": 2, "period": 1},)

    period: int = whole(8, least=1)  # [timesteps] as many bits has a value

    def check(self) -> None:
        if self.period > 30:
            raise mismatch(self.period, "a whole number from 1 to 30", "period")

    def runner(self, dtype, current_bound: int = 0) -> Runner:
        phases = range(1, self.period + 1)
        levels = {f"threshold at g = 2^-{k}": np.asarray(self.threshold / 2**k) for k in phases}
        rules = (self.period,)
        return ValuedRunner(self, dtype, current_bound, fire_by_phase, fields=levels, rules=rules)


@kernel
def fire_by_phase(
    currents,
    reached,
    potential,
    constants,
    always_active,
    rules,
    channels,
    out_values,
    offsets,
):
    """Advance by a block of timesteps; returns (events, active neurons).

    `constants`: leak, bias, threshold, then the threshold of each phase. `reached` is (timesteps,
    positions, 1 or channels), or without positions where all neurons are always active.
    """
    events, active, cell = np.int64(0), 0, 0
    for t in range(currents.shape[0]):
        phase = (rules[FIRST] + t) % rules[PERIOD]
        for p in range(currents.shape[1]):
            q = p if constants.shape[1] > 1 else 0
            for c in range(currents.shape[2]):
                least, v = constants[PHASES + phase, q, c], potential[p, c]
                if reached.shape[1] > 0:
                    hit = reached[t, p, c if reached.shape[2] > 1 else 0]
                    active += hit != 0 or always_active[q, c] != 0 or v >= least
                x = v + currents[t, p, c] + constants[BIAS, q, c]
                if rules[FIRST] + t >= rules[START] and x >= least:
                    channels[events] = c
                    out_values[events] = 0.5 ** (1 + phase)
                    events += 1
                    x = x - least
                potential[p, c] = x
            cell += 1
            offsets[cell] = offsets[0] + events
    return events, active
