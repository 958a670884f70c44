"""Integrators that send their potential: `evsim/neurons/integrator.py`."""

from oracles.naive import Neurons
from oracles.tally import Integrator, TwoStates


class Law(Neurons):
    """The potentials, which are the events."""

    graded = True

    def is_active(self, j, reached, current, t):
        return True

    def send(self, j, t):
        return self.v[j]


class Sending:
    """What sends, with or without a synaptic current."""

    def law_of(self, fields):
        return Law(fields, float)

    def fire(self, v, j, t, resting):
        return v, v.value


class WithCurrent(Sending, TwoStates):
    """With a synaptic current."""


class WithoutCurrent(Sending, Integrator):
    """Without one."""


def Tally(ledger, fields, *more):
    """The one that the fields ask for."""
    return (WithCurrent if "current_leak" in fields else WithoutCurrent)(ledger, fields, *more)
