"""Neurons that are reset a timestep after they fired: `evsim/neurons/latereset.py`."""

from oracles.naive import Neurons, checked
from oracles.tally import Integrator, TwoStates


class Law(Neurons):
    """The potentials, and who fired in the timestep before."""

    def __init__(self, fields, number):
        super().__init__(fields, number)
        self.compare = fields.get("compare", "gt")
        self.fired = [False] * self.count
        self.facts = {"late_resets": 0}

    def integrate(self, j, current):
        v = self.v[j] if self.leak is None else self.leak[j] * self.v[j]
        v = v + current
        if self.bias is not None:
            v = v + self.bias[j]
        if self.fired[j]:
            v = v - self.threshold[j]
            self.facts["late_resets"] += 1
        self.fired[j] = False
        self.v[j] = checked(v) if self.v_min is None else max(checked(v), self.v_min[j])

    def send(self, j, t):
        self.fired[j] = self.meets(j, self.v[j])
        return int(self.fired[j])


class Late:
    """What fires, with or without a synaptic current."""

    def law_of(self, fields):
        return Law(fields, float)

    def raised(self, v, j):
        """The potential after the late reset, at least v_min."""
        v = v - self.constant("threshold", j) if self.law.fired[j] else v
        return super().raised(v, j)

    def fire(self, v, j, t, resting):
        self.law.fired[j] = self.compare(v, j) and t >= self.law.start
        return v, int(self.law.fired[j])


class WithCurrent(Late, TwoStates):
    """With a synaptic current."""


class WithoutCurrent(Late, Integrator):
    """Without one."""


def Tally(ledger, fields, *more):
    """The one that the fields ask for."""
    return (WithCurrent if "current_leak" in fields else WithoutCurrent)(ledger, fields, *more)
