"""A map as a vector."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from evsim.artificial.layers import Key, Layer, Shape
from evsim.base.fields import choice


@dataclass(frozen=True, eq=False, kw_only=True)
class Flatten(Layer):
    """y = x as a vector, its order that of the trainer: height, width, channel or channel first."""

    order: str = choice("hwc", "chw")

    def shape(self, shape: Shape) -> Shape:
        return (math.prod(shape),)

    def forward(self, x: np.ndarray, key: Key | None = None) -> np.ndarray:
        if self.order == "chw" and x.ndim == 4:
            x = x.transpose(0, 3, 1, 2)
        return x.reshape(len(x), -1)
