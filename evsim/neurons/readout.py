"""Neurons that integrate and never fire: the decision is read from their potential."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.neurons._potential import Integrating, PotentialWindow, integrate
from evsim.parts import EvsimError, flag, mismatch, per_neuron, whole


@dataclass(frozen=True, eq=False, kw_only=True)
class Readout(Integrating):
    """v = ((leak * v) + current) + bias.

    With a current_leak, v takes u = ((current_leak * u) + current) + current_bias for the current.
    """

    sends: ClassVar[bool] = False

    leak: np.ndarray | None = per_neuron(None, positive=True)  # in (0, 1]
    current_leak: np.ndarray | None = per_neuron(None)  # in [0, 1]
    current_bias: np.ndarray | None = per_neuron(None)
    slope: bool = flag(False)
    window: int | None = whole(None, least=2)
    start: int | None = whole(None)

    def check(self) -> None:
        if self.leak is not None and (self.leak > 1).any():
            raise mismatch(self.leak.max(), "a value in (0, 1]", "leak")
        if self.current_bias is not None and self.current_leak is None:
            raise EvsimError("only a readout with a current_leak takes this field", "current_bias")
        kept = np.zeros(1) if self.current_leak is None else self.current_leak
        if (kept < 0).any() or (kept > 1).any():
            raise mismatch(kept.max(), "values in [0, 1]", "current_leak")
        if self.slope:
            raise EvsimError("a readout with a slope is not supported yet, expected false", "slope")
        for name in ("window", "start"):
            if getattr(self, name) is not None:
                raise EvsimError("only a readout with slope = true takes this field", name)

    def prepare(self, dtype, current_bound: int = 0) -> ReadoutWindow:
        """What runs this population in arithmetic of `dtype`."""
        constants = self.constants(dtype, leak=self.leak_factor(dtype), bias=self.added_bias(dtype))
        return ReadoutWindow(self, dtype, constants, current_bound)


class ReadoutWindow(PotentialWindow):
    """Advances a readout; keeps the potential of every timestep."""

    def step(self, state, currents, reached, first: int, history) -> int:
        """Advance without checks; `history` (timesteps, neurons) takes the potentials."""
        steps, (positions, channels) = len(currents), state["potential"].shape
        kept = history[first : first + steps].reshape(steps, positions, channels)
        integrate(currents, state["potential"], self.constants, kept)
        if not reached.shape[1]:
            return steps * self.neurons.neurons
        return int(np.count_nonzero((reached != 0) | (self.restless != 0)))
