"""Leaky integrate-and-fire neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.base.fields import choice, per_neuron, whole, wholes
from evsim.neurons import Runner
from evsim.neurons._integrate import FiringRunner, check_firing, firing_constants
from evsim.neurons._width import NO_LEAK, OfWidth, WidthRunner

LEAKS = ("leak", "leak_shift", "leak_multiply", "leak_subtract")
ROUNDINGS = ("down", "zero", "nearest")


@dataclass(frozen=True, eq=False, kw_only=True)
class LeakyIntegrateAndFire(OfWidth):
    """v = ((leak * v) + current) + bias; v = max(v, v_min); where v >= threshold: fire, reset.

    Integers leak by one of `leak_shift` k: v - v / 2^k, `leak_multiply` n, k: v n / 2^k with
    n < 2^k, `leak_subtract` n: v moves by n towards 0, at most to it. What a division leaves is
    rounded as `leak_rounding` says: down (towards minus infinity), towards zero, or to the nearest
    integer, halves up. Integers may have a width: `potential_bits`, and what `OfWidth` has.
    """

    compares: ClassVar[bool] = True
    common: ClassVar[bool] = True
    EXAMPLES: ClassVar[tuple[dict, ...]] = ({"threshold": 1, "leak": 1},)

    bias: np.ndarray | None = per_neuron(None)  # [potential] added every timestep
    v_init: np.ndarray = per_neuron(0.0)  # [potential] before timestep 0
    threshold: np.ndarray = per_neuron(positive=True)  # [potential] it fires here
    v_min: np.ndarray | None = per_neuron(None)  # [potential] the floor; none where absent
    v_reset: np.ndarray = per_neuron(0.0)  # [potential] after firing, with reset "zero"
    compare: str = choice("ge", "gt")  # fires where v >= or > threshold
    reset: str = choice("subtract", "zero")  # v -= threshold, or v = v_reset
    start: int = whole(0)  # [timestep] fires from this one on
    refractory: int = whole(0)  # [timesteps] without a visit after firing

    leak: np.ndarray | None = per_neuron(None, positive=True)  # [per timestep] in (0, 1]
    leak_shift: int | None = whole(None, least=1)  # [bits] of integers: v - v / 2^k
    leak_multiply: tuple[int, int] | None = wholes(2, None, least=1)  # n, k: v n / 2^k
    leak_subtract: int | None = whole(None, least=1)  # [potential] towards 0
    leak_rounding: str = choice(*ROUNDINGS)  # of leak_shift and leak_multiply

    def check(self) -> None:
        check_firing(self)
        super().check()
        given = [name for name in LEAKS if getattr(self, name) is not None]
        if not given:
            raise EvsimError("missing field 'leak', required by kind 'lif'")
        if len(given) > 1:
            raise EvsimError(f"found {given[0]} too, expected one leak", given[1])
        if self.leak is not None and (self.leak > 1).any():
            raise mismatch(self.leak.max(), "a value in (0, 1]", "leak")
        if self.leak_rounding != "down" and given[0] not in ("leak_shift", "leak_multiply"):
            raise EvsimError(f"found {given[0]}, which rounds nothing", "leak_rounding")
        if (self.leak_shift or 0) > 31:
            raise mismatch(self.leak_shift, "1 to 31", "leak_shift")
        if (self.leak_subtract or 0) > 2**31 - 1:
            raise mismatch(self.leak_subtract, "at most 2147483647", "leak_subtract")
        if self.leak_multiply is not None:
            numerator, shift = self.leak_multiply
            if shift > 31 or numerator >= 2**shift:
                expected = "n, k with k at most 31 and n less than 2^k"
                raise mismatch(self.leak_multiply, expected, "leak_multiply")

    @property
    def leak_rule(self) -> tuple[int, int, int, int]:
        rounding = ROUNDINGS.index(self.leak_rounding)
        if self.leak_shift is not None:
            return 1, 1, self.leak_shift, rounding
        if self.leak_multiply is not None:
            return 2, *self.leak_multiply, rounding
        return NO_LEAK if self.leak is not None else (3, self.leak_subtract, 0, 0)

    def describe(self) -> dict:
        return super().describe() | {"leak": True}

    def runner(self, dtype, current_bound: int = 0) -> Runner:
        if self.bounded or self.leak_rule[0]:
            return WidthRunner(self, dtype, firing_constants(self, dtype), current_bound)
        return FiringRunner(self, dtype, current_bound)
