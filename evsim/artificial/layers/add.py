"""Sums of layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.artificial.layers import Key, Layer, Shape
from evsim.base.errors import mismatch
from evsim.base.fields import words


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(Layer):
    """y = the sum of its sources, in their order."""

    sources: tuple[str, ...] = words()

    def shape(self, *shapes: Shape) -> Shape:
        if len(set(shapes)) > 1:
            raise mismatch(f"shapes {' and '.join(map(str, shapes))}", "equal shapes")
        return shapes[0]

    def forward(self, *values: np.ndarray, key: Key | None = None) -> np.ndarray:
        total = values[0]
        for value in values[1:]:
            total = total + value
        return total
