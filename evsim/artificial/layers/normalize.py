"""Batch normalisation with fixed statistics; also any scale and offset per channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.artificial.layers import Key, Layer, Shape
from evsim.base.errors import mismatch
from evsim.base.fields import per_channel


@dataclass(frozen=True, eq=False, kw_only=True)
class Normalize(Layer):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, per channel."""

    gamma: np.ndarray = per_channel(1.0)
    beta: np.ndarray = per_channel(0.0)
    mean: np.ndarray = per_channel(0.0)
    variance: np.ndarray = per_channel(1.0)
    epsilon: np.ndarray = per_channel(0.0)

    def check(self) -> None:
        if self.epsilon.size not in (1, self.variance.size):
            raise mismatch(f"{self.epsilon.size} values", "as many as of variance", "epsilon")
        if (self.variance + self.epsilon <= 0).any():
            raise mismatch(self.variance.min(), "a variance above -epsilon", "variance")

    @property
    def factor(self) -> np.ndarray:
        """gamma / sqrt(variance + epsilon), in float64."""
        return np.float64(self.gamma) / np.sqrt(np.float64(self.variance) + self.epsilon)

    @property
    def offset(self) -> np.ndarray:
        """beta - mean * factor, in float64: y = factor x + offset."""
        return np.float64(self.beta) - np.float64(self.mean) * self.factor

    def shape(self, shape: Shape) -> Shape:
        for name in ("gamma", "beta", "mean", "variance"):
            if getattr(self, name).size not in (1, shape[-1]):
                found = f"{getattr(self, name).size} values"
                raise mismatch(found, f"{shape[-1]}, the channels of shape {shape}", name)
        return shape

    def forward(self, x: np.ndarray, key: Key | None = None) -> np.ndarray:
        return x * np.float32(self.factor) + np.float32(self.offset)
