"""Bounded integers: a potential or a current of so many bits, and what leaves them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.base.errors import mismatch

OVERFLOWS, FIRST, LOWEST, HIGHEST, BASE = range(5)  # what a report holds
LEAST = 2  # bits of a width
NEVER = 2**62  # where nothing left its width


@dataclass(frozen=True)
class Width:
    """Integers of `bits`, in two's complement if signed; what leaves them is saturated or wraps."""

    bits: int
    wraps: bool = False
    signed: bool = True

    @property
    def low(self) -> int:
        """The smallest value: -2^(bits - 1), or 0 without a sign."""
        return -(2 ** (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """The largest value: 2^(bits - 1) - 1, or 2^bits - 1 without a sign."""
        return 2 ** (self.bits - self.signed) - 1

    def accumulator_dtype(self, largest: int) -> np.dtype:
        """The narrowest integers in which a value of this width plus a weight is exact."""
        for dtype in (np.int16, np.int32):
            if largest + max(self.high, -self.low) <= np.iinfo(dtype).max:
                return np.dtype(dtype)
        return np.dtype(np.int64)

    @property
    def bounds(self) -> np.ndarray:
        """What kernels take: the smallest value, the largest, and 1 where it wraps; int64, (3,)."""
        return np.array([self.low, self.high, self.wraps], np.int64)

    def check(self, value: np.ndarray, place: str) -> None:
        """Raise EvsimError at `place` where a value is not one of this width."""
        outside = (value < self.low) | (value > self.high)
        if outside.any():
            expected = f"{self.low} to {self.high}, as {self.bits} bits hold"
            raise mismatch(value[outside].flat[0], expected, place)


def new_report() -> np.ndarray:
    """An empty report of what a bounded population does in a sample: int64, (5,).

    How many sums left the width, the first place (timestep x neurons + neuron) where one did, the
    lowest and the highest sum before it was brought into the width, and the place where the span of
    timesteps that is being computed begins.
    """
    return np.array([0, NEVER, 0, 0, 0], np.int64)


def bits_for(lowest: int, highest: int, signed: bool = True) -> int | None:
    """The bits of the narrowest integer that holds `lowest` and `highest`, at least 1.

    `signed`: in two's complement; without a sign None where `lowest` is below 0.
    """
    if not signed:
        return max(int(highest).bit_length(), 1) if lowest >= 0 else None
    above = int(highest).bit_length() if highest > 0 else 0
    below = int(-lowest - 1).bit_length() if lowest < 0 else 0
    return max(above, below) + 1
