"""Neurons that send several spikes in a timestep: `evsim/neurons/multispike.py`."""

from math import floor

from oracles.naive import Neurons
from oracles.tally import Integrator, TwoStates


class Law(Neurons):
    """The potentials; a spike is worth as many as the thresholds that fit it."""

    graded = True

    def __init__(self, fields, number):
        super().__init__(fields, number)
        self.most = fields.get("most", 2**31 - 1)

    def spikes(self, j, v):
        return min(floor(v / self.threshold[j]), self.most) if v >= self.threshold[j] else 0

    def send(self, j, t):
        sent = self.spikes(j, self.v[j])
        if sent:
            left = self.v[j] - self.threshold[j] * self.number(sent)
            self.v[j] = self.v_reset[j] if self.reset == "zero" else left
        return sent


class Firing:
    """What fires, with or without a synaptic current."""

    def law_of(self, fields):
        return Law(fields, float)

    def fire(self, v, j, t, resting):
        law = self.law
        if not self.compare(v, j) or t < law.start:
            return v, 0
        sent = law.spikes(j, v.value)
        if law.reset == "zero":
            return self.reset(v, j), sent
        return v - self.number(law.threshold[j] * sent), sent


class WithCurrent(Firing, TwoStates):
    """With a synaptic current."""


class WithoutCurrent(Firing, Integrator):
    """Without one."""


def Tally(ledger, fields, *more):
    """The one that the fields ask for."""
    return (WithCurrent if "current_leak" in fields else WithoutCurrent)(ledger, fields, *more)
