"""Neurons that integrate and never fire: the decision is read from their potential."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.base.fields import flag, per_neuron, whole
from evsim.neurons._bounded import OfWidth, WidthWindow
from evsim.neurons._potential import PotentialWindow, integrate
from evsim.neurons._slope import check_slope, listening, ramp


@dataclass(frozen=True, eq=False, kw_only=True)
class Readout(OfWidth):
    """v = ((leak * v) + current) + bias.

    With a current_leak, v takes u = ((current_leak * u) + current) + current_bias for the current.
    With `slope`, events add to a slope in the `window` timesteps before `start`: v = v + slope,
    then + bias but in the last of them. Integers may have a width: `potential_bits` and what
    `OfWidth` has beside it.
    """

    sends: ClassVar[bool] = False

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

    def prepare(self, dtype, current_bound: int = 0) -> PotentialWindow:
        """What runs this population in arithmetic of `dtype`."""
        if self.bounded:
            return self.prepared_of_width(dtype, current_bound)
        constants = self.constants(dtype, leak=self.leak_factor(dtype), bias=self.added_bias(dtype))
        kind = SlopeWindow if self.slope else ReadoutWindow
        return kind(self, dtype, constants, current_bound)

    def prepared_of_width(self, dtype, current_bound: int) -> BoundedReadoutWindow:
        """The same for a potential of a declared width."""
        self.check_integer(dtype)
        limits = np.iinfo(np.int32)
        fields = {"v_min": np.array(limits.min), "threshold": np.array(limits.max)}
        own = {"leak": self.leak_factor(dtype), "bias": self.added_bias(dtype)}
        constants = self.constants(dtype, **own, **fields, v_reset=np.zeros(()))
        return BoundedReadoutWindow(self, dtype, constants, current_bound)


class ReadoutWindow(PotentialWindow):
    """Advances a readout; keeps the potential of every timestep."""

    def step(self, state, currents, reached, first: int, history) -> int:
        """Advance without checks; `history` (timesteps, neurons) takes the potentials."""
        steps, (positions, channels) = len(currents), state["potential"].shape
        kept = history[first : first + steps].reshape(steps, positions, channels)
        integrate(currents, state["potential"], self.constants, kept)
        if not reached.shape[1]:
            return steps * self.neurons.neurons
        return int(np.count_nonzero((reached != 0) | (self.restless != 0)))


class BoundedReadoutWindow(WidthWindow):
    """Advances a readout of a declared width; keeps the potential of every timestep."""

    def step(self, state, currents, reached, first: int, history) -> int:
        """Advance by currents of int32; `history` (timesteps, neurons) takes the potentials."""
        room = np.zeros(1, np.int32), np.zeros(self.neurons.positions + 1, np.int64)
        for t in range(len(currents)):
            one = currents[t : t + 1], reached[t : t + 1]
            self.bounded_step(state, *one, first + t, *room)
            history[first + t] = state["potential"].ravel()
        if not reached.shape[1]:
            return len(currents) * self.neurons.neurons
        return int(np.count_nonzero((reached != 0) | (self.restless != 0)))


class SlopeWindow(PotentialWindow):
    """Advances a readout with a slope; keeps the potential of every timestep."""

    def __init__(self, neurons: Readout, dtype, constants: np.ndarray, current_bound: int):
        super().__init__(neurons, dtype, constants, current_bound)
        self.step_bound *= neurons.window  # a slope is the sum of so many currents
        self.all_restless = False
        self.bias = np.ascontiguousarray(constants[1] + np.zeros((), dtype))

    def begin(self) -> dict[str, np.ndarray]:
        """The state at rest."""
        state = super().begin()
        return state | {"slope": np.zeros_like(state["potential"])}

    def check(self, state, current, timestep: int) -> None:
        """Raise an error where the slope or the potential of a timestep leaves its dtype."""
        when = timestep, self.neurons.start, self.neurons.window
        check_slope(state, current, self.bias, self.dtype, *when)

    def step(self, state, currents, reached, first: int, history) -> int:
        """Advance without checks; `history` (timesteps, neurons) takes the potentials."""
        neurons, potential = self.neurons, state["potential"]
        kept = history[first : first + len(currents)].reshape(currents.shape)
        a, b = listening(first, first + len(currents), neurons.start, neurons.window)
        a, b = a - first, b - first
        kept[:a] = potential
        rules = np.array([neurons.start - first - a], np.int64)
        some = currents[a:b], reached[a:b], state["slope"], potential
        active = ramp(*some, self.bias, rules, kept[a:b])
        kept[b:] = potential
        return active
