"""Leaky integrate-and-fire neurons."""

from dataclasses import dataclass

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.base.fields import choice, per_neuron, whole, wholes
from evsim.neurons._bounded import NO_LEAK, Bounded

LEAKS = ("leak", "leak_shift", "leak_multiply", "leak_subtract")
ROUNDINGS = ("down", "zero", "nearest")


@dataclass(frozen=True, eq=False, kw_only=True)
class LeakyIntegrateAndFire(Bounded):
    """v = ((leak * v) + current) + bias; v = max(v, v_min); where v >= threshold: fire, reset.

    Integers leak by one of `leak_shift` k: v - v / 2^k, `leak_multiply` n, k: v n / 2^k with
    n < 2^k, `leak_subtract` n: v moves by n towards 0, at most to it. What a division leaves is
    rounded as `leak_rounding` says: down (towards minus infinity), towards zero, or to the nearest
    integer, halves up. Integers may have a width: `potential_bits`, and what `Bounded` has.
    """

    leak: np.ndarray | None = per_neuron(None, positive=True)  # [per timestep] in (0, 1]
    leak_shift: int | None = whole(None, least=1)  # [bits] of integers: v - v / 2^k
    leak_multiply: tuple[int, int] | None = wholes(2, None, least=1)  # n, k: v n / 2^k
    leak_subtract: int | None = whole(None, least=1)  # [potential] towards 0
    leak_rounding: str = choice(*ROUNDINGS)  # of leak_shift and leak_multiply

    def check(self) -> None:
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

    def restless(self, constants) -> np.ndarray:
        found = super().restless(constants)
        return np.ones_like(found) if self.leak_rule[0] else found

    def describe(self) -> dict:
        return super().describe() | {"leak": True}
