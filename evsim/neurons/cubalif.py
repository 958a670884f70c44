"""Leaky neurons with a synaptic current of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import per_neuron
from evsim.neurons._firing import Firing


@dataclass(frozen=True, eq=False, kw_only=True)
class CurrentBasedLeaky(Firing):
    """u = ((current_leak * u) + current) + current_bias; v = ((leak * v) + u) + bias; then as lif.

    u starts at 0 and goes on while a neuron is refractory.
    """

    leak: np.ndarray = per_neuron(positive=True)  # [per timestep] of v, in (0, 1]
    current_leak: np.ndarray = per_neuron()  # [per timestep] of u, in [0, 1]
    current_bias: np.ndarray | None = per_neuron(None)  # [current] added to u every timestep

    def check(self) -> None:
        super().check()
        if (self.leak > 1).any():
            raise mismatch(self.leak.max(), "a value in (0, 1]", "leak")
        if (self.current_leak < 0).any() or (self.current_leak > 1).any():
            raise mismatch(self.current_leak.max(), "values in [0, 1]", "current_leak")
