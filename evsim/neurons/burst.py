"""Burst neurons: what is left over goes out in fewer, larger events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.fields import choice, whole
from evsim.base.kernel import kernel
from evsim.neurons import CIRCUIT, POTENTIAL, Runner
from evsim.neurons._valued import Valued, ValuedRunner

LIMIT = (1 << 31) - 1
LEAK, BIAS, THRESHOLD, MOST = range(4)  # of the constants of the kernel
FIRST, START, COUNTS = range(3)  # of its rules


@dataclass(frozen=True, eq=False, kw_only=True)
class Burst(Valued):
    """v = (v + current) + bias; an event of value g where v >= threshold x g; v -= threshold x g.

    `rule = "double"`: g is 1, and doubles with every timestep in a row in which it is sent; after
    one in which nothing is, it is 1 again. Source: Park et al. 2019. `rule = "count"`: up to `most`
    spikes in a timestep as one event, g = min(floor(v / threshold), most). Source: Li & Zeng 2022,
    burst spikes. `most` also bounds the g of "double"; absent, it is 2^31 - 1.
    """

    graded: ClassVar[bool] = True
    STATE: ClassVar[dict[str, str]] = {"potential": POTENTIAL, "size": CIRCUIT}
    EXAMPLES: ClassVar[tuple[dict, ...]] = ({"threshold": 1},)

    rule: str = choice("double", "count")  # how g grows
    most: int | None = whole(None, least=1)  # [spikes] the largest g

    def runner(self, dtype, current_bound: int = 0) -> Runner:
        size = np.ones((), np.float64 if dtype == np.int32 else dtype)
        return ValuedRunner(
            self,
            dtype,
            current_bound,
            fire_bursts,
            fields={"most": np.asarray(LIMIT if self.most is None else self.most)},
            rules=(int(self.rule == "count"),),
            memory={"size": size},
        )


@kernel
def fire_bursts(
    currents,
    reached,
    potential,
    size,
    constants,
    always_active,
    rules,
    channels,
    out_values,
    offsets,
):
    """Advance by a block of timesteps; returns (events, active neurons).

    `size`: the value of the next event; where it is not 1, the neuron fired just before.
    `constants`: leak, bias, threshold, the largest value. `reached` is (timesteps, positions, 1
    or channels), or without positions where all neurons are always active. `rules`: first timestep,
    start, 1 for rule "count".
    """
    events, active, cell = np.int64(0), 0, 0
    for t in range(currents.shape[0]):
        for p in range(currents.shape[1]):
            q = p if constants.shape[1] > 1 else 0
            for c in range(currents.shape[2]):
                least, v = constants[THRESHOLD, q, c], potential[p, c]
                if reached.shape[1] > 0:
                    hit = reached[t, p, c if reached.shape[2] > 1 else 0]
                    ready = v >= least or size[p, c] != 1
                    active += hit != 0 or always_active[q, c] != 0 or ready
                x = v + currents[t, p, c] + constants[BIAS, q, c]
                potential[p, c] = x
                g, most = size[p, c], constants[MOST, q, c]
                size[p, c] = 1
                if rules[FIRST] + t >= rules[START] and x >= least * g:
                    if rules[COUNTS] == 1:
                        g = min(np.floor(x / least), most)
                    else:
                        size[p, c] = g + g if g + g <= most else g
                    channels[events] = c
                    out_values[events] = g
                    events += 1
                    potential[p, c] = x - least * g
            cell += 1
            offsets[cell] = offsets[0] + events
    return events, active
