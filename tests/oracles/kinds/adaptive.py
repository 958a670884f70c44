"""Neurons whose threshold rises with every spike and falls back: `evsim/neurons/_template.py`."""

from oracles.naive import Neurons
from oracles.tally import Integrator, Memory


class Law(Neurons):
    """The potentials, and by how much each threshold is raised."""

    def __init__(self, fields, number):
        super().__init__(fields, number)
        self.decay, self.step = (self.field(fields[n], fields["shape"]) for n in ("decay", "step"))
        self.offset = [number(0)] * self.count

    def is_active(self, j, reached, current, t):
        return True

    def send(self, j, t):
        self.offset[j] = self.decay[j] * self.offset[j]
        if self.v[j] < self.threshold[j] + self.offset[j]:
            return 0
        self.v[j], self.offset[j] = self.v[j] - self.threshold[j], self.offset[j] + self.step[j]
        return 1


class Tally(Integrator):
    """The offsets are in a memory, which books what is done with them."""

    def __init__(self, *given):
        super().__init__(*given)
        self.offset = Memory(self.ledger, "state", [0.0] * self.law.count)

    def law_of(self, fields):
        return Law(fields, float)

    def fire(self, v, j, t, resting):
        a = self.offset[j] * self.constant("decay", j)
        fires = v >= self.constant("threshold", j) + a
        self.offset[j] = a + self.constant("step", j) if fires else a
        return (self.reset(v, j), 1) if fires else (v, 0)
