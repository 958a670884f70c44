"""Neurons that integrate and never fire: the decision is read from their potential."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.base.fields import flag, per_neuron, whole
from evsim.counting.facts import READOUT
from evsim.neurons import Runner
from evsim.neurons._integrate import decay_current, integrate
from evsim.neurons._runner import INT32, PotentialRunner
from evsim.neurons._slope import check_slope, listening, ramp
from evsim.neurons._width import OfWidth, WidthRunner


@dataclass(frozen=True, eq=False, kw_only=True)
class Readout(OfWidth):
    """v = ((leak * v) + current) + bias.

    With a current_leak, v takes u = ((current_leak * u) + current) + current_bias for the current.
    With `slope`, events add to a slope in the `window` timesteps before `start`: v = v + slope,
    then + bias but in the last of them. Integers may have a width: `potential_bits` and what
    `OfWidth` has beside it.
    """

    role: ClassVar[str] = READOUT
    sends: ClassVar[bool] = False
    EXAMPLES: ClassVar[tuple[dict, ...]] = ({},)

    bias: np.ndarray | None = per_neuron(None)  # [potential] added every timestep
    v_init: np.ndarray = per_neuron(0.0)  # [potential] before timestep 0
    leak: np.ndarray | None = per_neuron(None, positive=True)  # [per timestep] of v, in (0, 1]
    current_leak: np.ndarray | None = per_neuron(None)  # [per timestep] of u, in [0, 1]
    current_bias: np.ndarray | None = per_neuron(None)  # [current] added to u every timestep
    slope: bool = flag(False)  # events add to a slope, the slope to v
    window: int | None = whole(None, least=2)  # [timesteps] it listens, with slope
    start: int | None = whole(None)  # [timestep] after the window, with slope

    @property
    def sloped(self) -> bool:
        return self.slope

    def check(self) -> None:
        super().check()
        if self.leak is not None and (self.leak > 1).any():
            raise mismatch(self.leak.max(), "a value in (0, 1]", "leak")
        if self.current_bias is not None and self.current_leak is None:
            raise EvsimError("only a readout with a current_leak takes this field", "current_bias")
        kept = np.zeros(1) if self.current_leak is None else self.current_leak
        if (kept < 0).any() or (kept > 1).any():
            raise mismatch(kept.max(), "values in [0, 1]", "current_leak")
        for name in ("window", "start"):
            if (getattr(self, name) is not None) != self.slope:
                which = "only a readout with slope = true takes this field"
                missing = f"missing field {name!r}, required by slope = true"
                raise EvsimError(missing if self.slope else which, "" if self.slope else name)
        for name in ("leak", "current_leak", "potential_bits") if self.slope else ():
            if getattr(self, name) is not None:
                raise EvsimError("a readout with a slope does not take this field", name)

    def updates(self, first: int, last: int) -> int:
        if self.slope:
            first, last = listening(first, last, self.start, self.window)
        return last - first

    def reporting(self) -> Readout:
        return self if self.slope else super().reporting()

    def runner(self, dtype, current_bound: int = 0) -> Runner:
        if self.bounded:
            self.check_integer(dtype)
            return WidthRunner(self, dtype, self._never_firing(dtype), current_bound)
        kind = SlopeRunner if self.slope else ReadoutRunner
        return kind(self, dtype, self._constants(dtype), current_bound)

    def _constants(self, dtype, **fields) -> np.ndarray:
        """Leak, bias and more fields, (fields, 1 or positions, channels) of `dtype`."""
        own = {"leak": self.leak_factor(dtype), "bias": self.added_bias}
        return self.constants(dtype, **own, **fields)

    def _never_firing(self, dtype) -> np.ndarray:
        """The constants of the kernel that fires, with a threshold that none reaches."""
        limits = {"v_min": np.array(INT32.min), "threshold": np.array(INT32.max)}
        return self._constants(dtype, **limits, v_reset=np.zeros(()))


class ReadoutRunner(PotentialRunner):
    """Advances a readout; keeps the potential of every timestep."""

    def advance(self, state: dict, currents, reached, first: int, out) -> dict[str, int]:
        """Integrate; `out` (timesteps of the run, neurons) takes the potentials."""
        if self.synaptic is not None:
            decay_current(currents, state["synaptic_current"], self.synaptic)
        shape, potential = currents.shape, state["potential"]
        kept = out[first : first + len(currents)].reshape(shape)
        for span in self.spans(state, currents, first):
            some = currents[span].astype(self.dtype, copy=False)
            integrate(some, potential, self.constants, kept[span])
        if not reached.shape[1]:
            return {"active_updates": len(currents) * self.neurons.neurons // self.samples}
        active = ((reached != 0) | (self.active != 0)).reshape(len(currents), self.samples, -1)
        return {"active_updates": np.count_nonzero(active, axis=(0, 2))}


class SlopeRunner(PotentialRunner):
    """Advances a readout with a slope; keeps the potential of every timestep."""

    def __init__(self, neurons: Readout, dtype, constants: np.ndarray, current_bound: int):
        super().__init__(neurons, dtype, constants, current_bound)
        self.step_bound *= neurons.window  # a slope is the sum of so many currents
        self.always_active = False
        self.bias = np.ascontiguousarray(constants[1] + np.zeros((), dtype))

    def begin(self) -> dict[str, np.ndarray]:
        """The potential at rest, and a slope of 0."""
        state = super().begin()
        return state | {"slope": np.zeros_like(state["potential"])}

    def check(self, state: dict, current: np.ndarray, timestep: int) -> None:
        """Raise EvsimError where slope or potential of the timestep to come leaves its dtype."""
        when = timestep, self.neurons.start, self.neurons.window
        check_slope(state, current, self.bias, self.dtype, *when)

    def advance(self, state: dict, currents, reached, first: int, out) -> dict[str, int]:
        """Integrate where it listens; `out` (timesteps of the run, neurons) takes v."""
        active = 0
        for span in self.spans(state, currents, first):
            some = currents[span].astype(self.dtype, copy=False), reached[span]
            active += self._ramp(state, *some, first + span.start, out)
        return {"active_updates": active}

    def _ramp(self, state: dict, currents, reached, first: int, out) -> int:
        """Advance a span that leaves no dtype; returns the active updates."""
        neurons, potential = self.neurons, state["potential"]
        kept = out[first : first + len(currents)].reshape(currents.shape)
        a, b = listening(first, first + len(currents), neurons.start, neurons.window)
        a, b = a - first, b - first
        kept[:a] = potential
        rules = np.array([neurons.start - first - a], np.int64)
        some = currents[a:b], reached[a:b], state["slope"], potential
        active = ramp(*some, self.bias, rules, kept[a:b])
        kept[b:] = potential
        return active
