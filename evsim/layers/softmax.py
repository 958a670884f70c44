"""Probabilities of classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.layers import Key, Layer, Shape


@dataclass(frozen=True, eq=False, kw_only=True)
class Softmax(Layer):
    """y = exp(x) / sum over channels of exp(x)."""

    def shape(self, shape: Shape) -> Shape:
        return shape

    def forward(self, x: np.ndarray, key: Key | None = None) -> np.ndarray:
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)
