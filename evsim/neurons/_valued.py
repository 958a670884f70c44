"""What the kinds share whose events carry a sign or a value: signed, burst, phase."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import per_neuron, whole
from evsim.neurons import Neurons
from evsim.neurons._runner import PotentialRunner


@dataclass(frozen=True, eq=False, kw_only=True)
class Valued(Neurons):
    """v = (v + current) + bias; then v -= threshold x value of the event, if one is sent."""

    compares: ClassVar[bool] = True
    valued: ClassVar[bool] = True
    reset: ClassVar[str] = "subtract"

    bias: np.ndarray | None = per_neuron(None)  # [potential] added every timestep
    v_init: np.ndarray = per_neuron(0.0)  # [potential] before timestep 0
    threshold: np.ndarray = per_neuron(positive=True)  # [potential] it sends here
    start: int = whole(0)  # [timestep] sends from this one on


class ValuedRunner(PotentialRunner):
    """Advances neurons whose events carry a value, by the kernel of their kind.

    `kernel(currents, reached, potential, *memory, constants, active, rules, channels, values,
    offsets)` advances a block and returns (events, active neurons). `constants`: leak, bias,
    threshold, then `fields`. `rules`: the first timestep, start, then `rules`. `memory`: the
    state beside the potential by name, of one neuron at rest.
    """

    def __init__(
        self,
        neurons: Valued,
        dtype,
        current_bound: int,
        kernel: Callable[..., tuple[int, int]],
        *,
        fields: dict[str, np.ndarray] | None = None,
        rules: tuple[int, ...] = (),
        memory: dict[str, np.ndarray] | None = None,
    ):
        constants = neurons.constants(
            dtype,
            leak=np.ones(()),
            bias=neurons.added_bias,
            threshold=neurons.threshold,
            **(fields or {}),
        )
        if (constants[2:] <= 0).any():
            expected = f"one that is above 0 in {dtype}, at every size of an event"
            raise mismatch(neurons.threshold.min(), expected, "threshold")
        super().__init__(neurons, dtype, constants, current_bound)
        self.kernel, self.rules, self.memory = kernel, rules, memory or {}

    def begin(self) -> dict[str, np.ndarray]:
        """The potential at rest, and what else the kind remembers of each neuron."""
        state = super().begin()
        shape = state["potential"].shape
        return state | {name: np.full(shape, rest) for name, rest in self.memory.items()}

    def advance(self, state: dict, currents, reached, first: int, out) -> dict[str, int]:
        """Integrate and send; the events are appended to `out`."""
        active = 0
        for span in self.spans(state, currents, first):
            some = currents[span].astype(self.dtype, copy=False), reached[span]
            active += self._send(state, *some, first + span.start, out)
        return {"active_updates": active}

    def _send(self, state: dict, currents, reached, first: int, out) -> int:
        """Advance a span that leaves no dtype; returns the active updates."""
        steps = len(currents)
        rules = np.array([first, self.neurons.start, *self.rules], np.int64)
        channels, offsets, values = out.reserve(steps)
        neurons = state["potential"], *(state[name] for name in self.memory)
        own = self.constants, self.active, rules
        events, active = self.kernel(currents, reached, *neurons, *own, channels, values, offsets)
        out.commit(steps, events)
        return active if reached.shape[1] else steps * self.neurons.neurons
