"""Channels of several layers side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.artificial.layers import Key, Layer, Shape
from evsim.base.errors import mismatch
from evsim.base.fields import words


@dataclass(frozen=True, eq=False, kw_only=True)
class Concatenate(Layer):
    """y = the channels of its sources, in their order."""

    sources: tuple[str, ...] = words()

    def shape(self, *shapes: Shape) -> Shape:
        if len({shape[:-1] for shape in shapes}) > 1:
            raise mismatch(f"shapes {' and '.join(map(str, shapes))}", "equal heights and widths")
        return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))

    def forward(self, *values: np.ndarray, key: Key | None = None) -> np.ndarray:
        return np.concatenate(values, axis=-1)
