"""Leaky integrate-and-fire neurons."""

from dataclasses import dataclass

import numpy as np

from evsim.neurons._firing import Firing
from evsim.parts import mismatch, per_neuron


@dataclass(frozen=True, eq=False, kw_only=True)
class LeakyIntegrateAndFire(Firing):
    """v = ((leak * v) + current) + bias; v = max(v, v_min); where v >= threshold: fire, reset."""

    leak: np.ndarray = per_neuron(positive=True)  # in (0, 1]

    def check(self) -> None:
        super().check()
        if (self.leak > 1).any():
            raise mismatch(self.leak.max(), "a value in (0, 1]", "leak")
