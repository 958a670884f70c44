"""Padding with zeros, or another value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.artificial.layers import Key, Layer, Shape, require_map
from evsim.base.errors import mismatch
from evsim.base.fields import per_channel, wholes


@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(Layer):
    """y = x with rows and columns of zeros, or of another `value`, around it."""

    padding: tuple[int, int, int, int] = wholes(4)  # top, bottom, left, right
    value: np.ndarray = per_channel(0.0)  # one

    def check(self) -> None:
        if self.value.ndim:
            raise mismatch(f"shape {self.value.shape}", "one number", "value")

    def shape(self, shape: Shape) -> Shape:
        require_map(shape, self.kind)
        top, bottom, left, right = self.padding
        return (shape[0] + top + bottom, shape[1] + left + right, shape[2])

    def forward(self, x: np.ndarray, key: Key | None = None) -> np.ndarray:
        return self._padded(x, np.float32(self.value))

    def around(self, shape: Shape) -> np.ndarray:
        """The result for a map of zeros of this shape: the value around them, in float64."""
        return self._padded(np.zeros((1, *shape)), np.float64(self.value))[0]

    def _padded(self, x: np.ndarray, value) -> np.ndarray:
        top, bottom, left, right = self.padding
        sides = ((0, 0), (top, bottom), (left, right), (0, 0))
        return np.pad(x, sides, constant_values=value)
