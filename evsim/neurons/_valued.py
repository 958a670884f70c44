"""What the kinds share whose events carry a sign or a value: signed, burst, phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import per_neuron, whole
from evsim.neurons._potential import Integrating, PotentialWindow


@dataclass(frozen=True, eq=False, kw_only=True)
class Valued(Integrating):
    """v = (v + current) + bias; then v -= threshold x value of the event, if one is sent."""

    compares: ClassVar[bool] = True
    valued: ClassVar[bool] = True
    reset: ClassVar[str] = "subtract"

    threshold: np.ndarray = per_neuron(positive=True)  # [potential] it sends here
    start: int = whole(0)  # [timestep] sends from this one on

    def law(self, *arrays) -> tuple[int, int]:
        """The kernel: advances a window; returns (events, active neurons)."""
        raise NotImplementedError

    def memory(self, potential: np.ndarray) -> dict[str, np.ndarray]:
        """The state at rest beside the potential."""
        return {}

    def rules(self) -> tuple[int, ...]:
        """What the kernel takes after the first timestep and the start."""
        return ()

    def fields(self) -> dict[str, np.ndarray]:
        """The fields that the kernel takes after leak, bias and threshold."""
        return {}

    def prepare(self, dtype, current_bound: int = 0) -> ValuedWindow:
        """What runs this population in arithmetic of `dtype`."""
        constants = self.constants(
            dtype,
            leak=np.ones(()),
            bias=self.added_bias(dtype),
            threshold=self.threshold,
            **self.fields(),
        )
        if (constants[2:] <= 0).any():
            expected = f"one that is above 0 in {dtype}, at every size of an event"
            raise mismatch(self.threshold.min(), expected, "threshold")
        return ValuedWindow(self, dtype, constants, current_bound)


class ValuedWindow(PotentialWindow):
    """Advances neurons whose events carry a value."""

    def begin(self) -> dict[str, np.ndarray]:
        state = super().begin()
        return state | self.neurons.memory(state["potential"])

    def step(self, state, currents, reached, first: int, stream) -> int:
        """Advance without checks; the events are appended to `stream`."""
        neurons, steps = self.neurons, len(currents)
        rules = np.array([first, neurons.start, *neurons.rules()], np.int64)
        channels, offsets, values = stream.reserve(steps)
        own = self.constants, self.restless, rules
        events, active = neurons.law(
            currents, reached, *state.values(), *own, channels, values, offsets
        )
        stream.commit(steps, events)
        return active if reached.shape[1] else steps * neurons.neurons
