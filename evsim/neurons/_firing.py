"""What iaf, lif and cubalif share: the check of their fields, and the runner that fires."""

from __future__ import annotations

import numpy as np

from evsim.base.errors import mismatch
from evsim.neurons import Neurons
from evsim.neurons._integrate import decay_current, fire, fire_and_rest
from evsim.neurons._runner import PotentialRunner, limits


def check_firing(neurons: Neurons) -> None:
    """Raise EvsimError where a reset value lies above the threshold or below the floor."""
    if (neurons.grid(neurons.v_reset) >= neurons.grid(neurons.threshold)).any():
        raise mismatch(neurons.v_reset.max(), "a value below the threshold", "v_reset")
    for name in ("v_init", "v_reset") if neurons.v_min is not None else ():
        value = getattr(neurons, name)
        if (neurons.grid(value) < neurons.grid(neurons.v_min)).any():
            raise mismatch(value.min(), "a value of at least v_min", name)


def firing_constants(neurons: Neurons, dtype) -> np.ndarray:
    """The constants of the kernels that fire, (5, 1 or positions, channels) of `dtype`."""
    neurons.constants(dtype, v_reset=neurons.v_reset)  # must fit, also where nothing resets to it
    floor = np.array(limits(dtype)[0]) if neurons.v_min is None else neurons.v_min
    constants = neurons.constants(
        dtype,
        leak=neurons.leak_factor(dtype),
        bias=neurons.added_bias,
        v_min=floor,
        threshold=neurons.threshold,
        v_reset=neurons.threshold if neurons.reset == "subtract" else neurons.v_reset,
    )
    if (constants[3] <= 0).any():
        raise mismatch(neurons.threshold.min(), f"a threshold above 0 in {dtype}", "threshold")
    if neurons.compare == "gt":  # v > threshold is v >= the next number
        threshold = constants[3]
        if dtype == np.int32 and (threshold == limits(dtype)[1]).any():
            raise mismatch(threshold.max(), "less, as compare is 'gt'", "threshold")
        constants[3] = threshold + 1 if dtype == np.int32 else np.nextafter(threshold, np.inf)
    return constants


class FiringRunner(PotentialRunner):
    """Advances neurons that fire at a threshold, in floats or in integers of no declared width."""

    def __init__(self, neurons: Neurons, dtype, current_bound: int = 0):
        super().__init__(neurons, dtype, firing_constants(neurons, dtype), current_bound)

    def begin(self) -> dict[str, np.ndarray]:
        """The potential at rest, and until when each neuron rests or room for who fired."""
        state = super().begin()
        if self.neurons.refractory:
            state["refractory_until"] = np.zeros(state["potential"].shape, np.int64)
        else:
            state["fired"] = np.zeros(self.neurons.channels, np.uint8)
        return state

    def advance(self, state: dict, currents, reached, first: int, out) -> dict[str, int]:
        """Integrate, fire and reset; the events are appended to `out`."""
        if self.synaptic is not None:
            decay_current(currents, state["synaptic_current"], self.synaptic)
        active = 0
        for span in self.spans(state, currents, first):
            some = currents[span].astype(self.dtype, copy=False), reached[span]
            active += self._fire(state, *some, first + span.start, out)
        return {"active_updates": active}

    def _fire(self, state: dict, currents, reached, first: int, out) -> int:
        """Advance a span that leaves no dtype; returns the active updates."""
        neurons, steps = self.neurons, len(currents)
        rules = [first, neurons.start, neurons.reset == "subtract", neurons.refractory]
        channels, offsets, _ = out.reserve(steps)
        kernel = fire_and_rest if neurons.refractory else fire
        events, active = kernel(
            currents,
            reached,
            state["potential"],
            self.constants,
            self.active,
            state["refractory_until" if neurons.refractory else "fired"],
            np.array(rules, np.int64),
            channels,
            offsets,
        )
        out.commit(steps, events)
        return active if reached.shape[1] else steps * neurons.neurons
