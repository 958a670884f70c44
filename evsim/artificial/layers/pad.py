"""Padding with zeros."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.artificial.layers import Key, Layer, Shape, require_map
from evsim.base.fields import wholes


@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(Layer):
    """y = x with rows and columns of zeros around it."""

    padding: tuple[int, int, int, int] = wholes(4)  # top, bottom, left, right

    def shape(self, shape: Shape) -> Shape:
        require_map(shape, self.kind)
        top, bottom, left, right = self.padding
        return (shape[0] + top + bottom, shape[1] + left + right, shape[2])

    def forward(self, x: np.ndarray, key: Key | None = None) -> np.ndarray:
        top, bottom, left, right = self.padding
        return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
