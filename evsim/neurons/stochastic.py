"""Binary stochastic neurons: they fire with a probability of their current."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.exponential import probability
from evsim.base.fields import choice, flag
from evsim.base.kernel import kernel
from evsim.neurons import Runner
from evsim.neurons._stateless import Stateless, StatelessRunner


@dataclass(frozen=True, eq=False, kw_only=True)
class Stochastic(Stateless):
    """+1 with probability p(z), z = current + bias, else nothing (unipolar) or -1 (bipolar).

    sigmoid: p = 1 / (1 + exp(-z)); hardtanh: p = (clip(z, -1, 1) + 1) / 2; both in float64. Not
    `sampled`: fires where p > 1/2, or with `compare` "ge" where z >= 0. No state. With `pool` the
    current is the largest of the neuron's places. Source: the code of Roy, Chakraborty and Roy
    (2019).
    """

    always_active: ClassVar[bool] = True
    EXAMPLES: ClassVar[tuple[dict, ...]] = ({}, {"output": "bipolar"})

    probability: str = choice("sigmoid", "hardtanh")  # p(z)
    output: str = choice("unipolar", "bipolar")  # +1 or nothing, or +1 or -1
    sampled: bool = flag(True)  # draws; else fires where p > 1/2
    compare: str = choice("gt", "ge")  # without draws: fires where p > 1/2, or where z >= 0

    def check(self) -> None:
        if self.sampled and self.compare == "ge":
            raise mismatch("'ge'", "'gt' where it draws", "compare")
        super().check()

    @property
    def valued(self) -> bool:
        return self.output == "bipolar"

    @property
    def sends_signs(self) -> bool:
        return self.output == "bipolar"

    @property
    def draws(self) -> int:
        return int(self.sampled)

    def runner(self, dtype, current_bound: int = 0) -> Runner:
        return StochasticRunner(self, dtype, current_bound)


class StochasticRunner(StatelessRunner):
    """Advances neurons that draw."""

    def advance(self, state: dict, currents, reached, first: int, out) -> dict[str, int]:
        """Send +1 with the probability of current + bias, else nothing or -1.

        `state["key"]`, which the engine adds: seed, sample, population of the random numbers.
        """
        neurons, largest = self.neurons, self.largest(state, currents, first)
        seed, sample, population = state.get("key", (0, 0, 0))[:3]
        words = np.array([seed & 0xFFFFFFFF, seed >> 32, first, sample, population], np.uint32)
        z = largest + self.bias
        if neurons.compare == "ge":
            p = np.where(z >= 0, 1.0, 0.0)
        else:
            p = probability(z, neurons.probability)
        uniform = np.full(neurons.channels, 0.5)
        room = self.room(out, len(currents))
        out.commit(len(currents), draw(p, neurons.sampled, words, uniform, *room))
        return {"active_updates": self.active_updates(currents, reached)}


@kernel
def draw(probabilities, sampled, words, uniform, channels, offsets, signs):
    """Append +1 where a uniform number is below the probability, else -1 if there are signs.

    `probabilities`: (timesteps, positions, channels). `words`: seed (low, high), first timestep,
    sample, population. `uniform`: a row of numbers, new for each row of neurons if `sampled`, drawn
    in a loop of their own, which compiles to vectors. Philox4x32-10 (Salmon et al. 2011) with
    counter (neuron, timestep, sample, population); its first word / 2^32. Returns the events.
    """
    low = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    bipolar = signs.shape[0] > 0
    events, cell = np.int64(0), 0
    for t in range(probabilities.shape[0]):
        step = (np.uint64(words[2]) + np.uint64(t)) & low
        for p in range(probabilities.shape[1]):
            row = probabilities[t, p]
            first = np.uint64(p * row.shape[0])
            for c in range(row.shape[0] if sampled else 0):
                c0, c1 = first + np.uint64(c), step
                c2, c3 = np.uint64(words[3]), np.uint64(words[4])
                k0, k1 = np.uint64(words[0]), np.uint64(words[1])
                for _ in range(10):
                    left = np.uint64(0xD2511F53) * c0
                    right = np.uint64(0xCD9E8D57) * c2
                    c0 = (right >> half) ^ c1 ^ k0
                    c1 = right & low
                    c2 = (left >> half) ^ c3 ^ k1
                    c3 = left & low
                    k0 = (k0 + np.uint64(0x9E3779B9)) & low
                    k1 = (k1 + np.uint64(0xBB67AE85)) & low
                uniform[c] = np.float64(c0) / 4294967296.0
            for c in range(row.shape[0]):
                fires = uniform[c] < row[c]
                channels[events] = c
                if bipolar:
                    signs[events] = 1.0 if fires else -1.0
                    events += 1
                else:
                    events += fires
            cell += 1
            offsets[cell] = offsets[0] + events
    return events
