"""Leaky neurons with a synaptic current of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import choice, per_neuron, whole
from evsim.neurons import CIRCUIT, POTENTIAL, ROOM, Neurons, Runner
from evsim.neurons._firing import FiringRunner, check_firing


@dataclass(frozen=True, eq=False, kw_only=True)
class CurrentBasedLeaky(Neurons):
    """u = ((current_leak * u) + current) + current_bias; v = ((leak * v) + u) + bias; then as lif.

    u starts at 0 and goes on while a neuron is refractory.
    """

    numbers: ClassVar[tuple[str, ...]] = ("float",)
    compares: ClassVar[bool] = True
    always_active: ClassVar[bool] = True
    STATE: ClassVar[dict[str, str]] = {
        "potential": POTENTIAL,
        "synaptic_current": "current",
        "refractory_until": CIRCUIT,
        "fired": ROOM,
    }
    EXAMPLES: ClassVar[tuple[dict, ...]] = ({"threshold": 1, "leak": 0.5, "current_leak": 0.5},)

    bias: np.ndarray | None = per_neuron(None)  # added every timestep
    v_init: np.ndarray = per_neuron(0.0)  # before timestep 0
    threshold: np.ndarray = per_neuron(positive=True)
    v_min: np.ndarray | None = per_neuron(None)  # the floor of the potential
    v_reset: np.ndarray = per_neuron(0.0)
    compare: str = choice("ge", "gt")  # v >= threshold, or v > threshold
    reset: str = choice("subtract", "zero")
    start: int = whole(0)  # fires from this timestep on
    refractory: int = whole(0)  # timesteps without a visit after firing
    leak: np.ndarray = per_neuron(positive=True)  # in (0, 1]
    current_leak: np.ndarray = per_neuron()  # in [0, 1]
    current_bias: np.ndarray | None = per_neuron(None)  # added to u every timestep

    def check(self) -> None:
        check_firing(self)
        if (self.leak > 1).any():
            raise mismatch(self.leak.max(), "a value in (0, 1]", "leak")
        if (self.current_leak < 0).any() or (self.current_leak > 1).any():
            raise mismatch(self.current_leak.max(), "values in [0, 1]", "current_leak")

    def runner(self, dtype, current_bound: int = 0) -> Runner:
        return FiringRunner(self, dtype, current_bound)
