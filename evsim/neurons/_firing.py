"""Neurons that fire at a threshold: the record and its window, shared by iaf and lif."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import choice, per_neuron, whole
from evsim.neurons._potential import Integrating, PotentialWindow, fire, fire_and_rest, limits


@dataclass(frozen=True, eq=False, kw_only=True)
class Firing(Integrating):
    """v = ((leak * v) + current) + bias; v = max(v, v_min); where v >= threshold: fire, reset."""

    compares: ClassVar[bool] = True

    threshold: np.ndarray = per_neuron(positive=True)  # [potential] it fires here
    v_min: np.ndarray | None = per_neuron(None)  # [potential] the floor; none where absent
    v_reset: np.ndarray = per_neuron(0.0)  # [potential] after firing, with reset "zero"
    compare: str = choice("ge", "gt")  # fires where v >= or > threshold
    reset: str = choice("subtract", "zero")  # v -= threshold, or v = v_reset
    start: int = whole(0)  # [timestep] fires from this one on
    refractory: int = whole(0)  # [timesteps] without a visit after firing

    def check(self) -> None:
        if (self.grid(self.v_reset) >= self.grid(self.threshold)).any():
            raise mismatch(self.v_reset.max(), "a value below the threshold", "v_reset")
        for name in ("v_init", "v_reset") if self.v_min is not None else ():
            value = getattr(self, name)
            if (self.grid(value) < self.grid(self.v_min)).any():
                raise mismatch(value.min(), "a value of at least v_min", name)

    def prepare(self, dtype, current_bound: int = 0) -> FiringWindow:
        """What runs this population in arithmetic of `dtype`."""
        self.constants(dtype, v_reset=self.v_reset)  # must fit, also where nothing is reset to it
        floor = np.array(limits(dtype)[0]) if self.v_min is None else self.v_min
        constants = self.constants(
            dtype,
            leak=self.leak_factor(dtype),
            bias=self.added_bias(dtype),
            v_min=floor,
            threshold=self.threshold,
            v_reset=self.threshold if self.reset == "subtract" else self.v_reset,
        )
        if (constants[3] <= 0).any():
            raise mismatch(self.threshold.min(), f"a threshold above 0 in {dtype}", "threshold")
        if self.compare == "gt":  # v > threshold is v >= the next number
            threshold = constants[3]
            if dtype == np.int32 and (threshold == limits(dtype)[1]).any():
                raise mismatch(threshold.max(), "less, as compare is 'gt'", "threshold")
            constants[3] = threshold + 1 if dtype == np.int32 else np.nextafter(threshold, np.inf)
        return self.runner(dtype)(self, dtype, constants, current_bound)

    def runner(self, dtype) -> type[FiringWindow]:
        """What advances it in arithmetic of `dtype`."""
        return FiringWindow


class FiringWindow(PotentialWindow):
    """Advances neurons that fire."""

    def begin(self) -> dict[str, np.ndarray]:
        state = super().begin()
        if self.neurons.refractory:
            state["quiet"] = np.zeros(state["potential"].shape, np.int64)
        else:
            state["fired"] = np.zeros(self.neurons.channels, np.uint8)
        return state

    def step(self, state, currents, reached, first: int, stream) -> int:
        """Advance without checks; the events are appended to `stream`."""
        neurons, steps = self.neurons, len(currents)
        rules = [first, neurons.start, neurons.reset == "subtract", neurons.refractory]
        rules = np.array(rules, np.int64)
        channels, offsets, _ = stream.reserve(steps)
        both = currents, reached, state["potential"], self.constants, self.restless
        if neurons.refractory:
            kernel, memory = fire_and_rest, state["quiet"]
        else:
            kernel, memory = fire, state["fired"]
        events, active = kernel(*both, memory, rules, channels, offsets)
        stream.commit(steps, events)
        return active if reached.shape[1] else steps * neurons.neurons
