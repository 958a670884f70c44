"""Leaky neurons with a synaptic current of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import choice, per_neuron, whole
from evsim.neurons import CIRCUIT, POTENTIAL, Neurons, Runner
from evsim.neurons._integrate import FiringRunner, check_firing


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
    }
    EXAMPLES: ClassVar[tuple[dict, ...]] = ({"threshold": 1, "leak": 0.5, "current_leak": 0.5},)

    bias: np.ndarray | None = per_neuron(None)  # [potential] added every timestep
    v_init: np.ndarray = per_neuron(0.0)  # [potential] before timestep 0
    threshold: np.ndarray = per_neuron(positive=True)  # [potential] it fires here
    v_min: np.ndarray | None = per_neuron(None)  # [potential] the floor; none where absent
    v_reset: np.ndarray = per_neuron(0.0)  # [potential] after firing, with reset "zero"
    compare: str = choice("ge", "gt")  # fires where v >= or > threshold
    reset: str = choice("subtract", "zero")  # v -= threshold, or v = v_reset
    start: int = whole(0)  # [timestep] fires from this one on
    refractory: int = whole(0)  # [timesteps] without a visit after firing
    leak: np.ndarray = per_neuron(positive=True)  # [per timestep] of v, in (0, 1]
    current_leak: np.ndarray = per_neuron()  # [per timestep] of u, in [0, 1]
    current_bias: np.ndarray | None = per_neuron(None)  # [current] added to u every timestep

    def check(self) -> None:
        check_firing(self)
        if (self.leak > 1).any():
            raise mismatch(self.leak.max(), "a value in (0, 1]", "leak")
        if (self.current_leak < 0).any() or (self.current_leak > 1).any():
            raise mismatch(self.current_leak.max(), "values in [0, 1]", "current_leak")

    def runner(self, dtype, current_bound: int = 0) -> Runner:
        return FiringRunner(self, dtype, current_bound)
