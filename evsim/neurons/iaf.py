"""Integrate-and-fire neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import choice, per_neuron, whole
from evsim.neurons import Runner
from evsim.neurons._integrate import FiringRunner, check_firing, firing_constants
from evsim.neurons._width import OfWidth, WidthRunner


@dataclass(frozen=True, eq=False, kw_only=True)
class IntegrateAndFire(OfWidth):
    """v = (v + current) + bias; v = max(v, v_min); where v >= threshold: fire, then
    v -= threshold (`reset = "subtract"`) or v = v_reset (`"zero"`).

    Integers may have a width: `potential_bits` and what `OfWidth` has beside it.
    """

    compares: ClassVar[bool] = True
    common: ClassVar[bool] = True
    EXAMPLES: ClassVar[tuple[dict, ...]] = ({"threshold": 1}, {"threshold": 1, "refractory": 1})

    bias: np.ndarray | None = per_neuron(None)  # [potential] added every timestep
    v_init: np.ndarray = per_neuron(0.0)  # [potential] before timestep 0
    threshold: np.ndarray = per_neuron(positive=True)  # [potential] it fires here
    v_min: np.ndarray | None = per_neuron(None)  # [potential] the floor; none where absent
    v_reset: np.ndarray = per_neuron(0.0)  # [potential] after firing, with reset "zero"
    compare: str = choice("ge", "gt")  # fires where v >= or > threshold
    reset: str = choice("subtract", "zero")  # v -= threshold, or v = v_reset
    start: int = whole(0)  # [timestep] fires from this one on
    stop: int | None = whole(None, least=1)  # [timestep] fires before this one, if there is one
    refractory: int = whole(0)  # [timesteps] without a visit after firing

    def check(self) -> None:
        check_firing(self)
        if self.stop is not None and self.stop <= self.start:
            raise mismatch(self.stop, f"one after start, {self.start}", "stop")
        super().check()

    def runner(self, dtype, current_bound: int = 0) -> Runner:
        if self.bounded:
            return WidthRunner(self, dtype, firing_constants(self, dtype), current_bound)
        return FiringRunner(self, dtype, current_bound)
