"""Rows and columns cut off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.artificial.layers import Key, Layer, Shape, require_map
from evsim.base.errors import mismatch
from evsim.base.fields import wholes


@dataclass(frozen=True, eq=False, kw_only=True)
class Crop(Layer):
    """y[a, b, c] = x[a + top, b + left, c]: x without so many rows and columns of its border."""

    margins: tuple[int, int, int, int] = wholes(4)  # top, bottom, left, right

    def shape(self, shape: Shape) -> Shape:
        require_map(shape, self.kind)
        top, bottom, left, right = self.margins
        height, width = shape[0] - top - bottom, shape[1] - left - right
        if height < 1 or width < 1:
            raise mismatch(f"{height} x {width} positions left", "at least 1 x 1", "margins")
        return (height, width, shape[2])

    def forward(self, x: np.ndarray, key: Key | None = None) -> np.ndarray:
        height, width, _ = self.shape(x.shape[1:])
        top, _, left, _ = self.margins
        return np.ascontiguousarray(x[:, top : top + height, left : left + width])
