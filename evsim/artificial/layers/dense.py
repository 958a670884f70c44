"""Fully connected layers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from evsim.artificial.layers import Key, Layer, Shape
from evsim.artificial.layers._product import multiply
from evsim.base.errors import mismatch
from evsim.base.fields import array


@dataclass(frozen=True, eq=False, kw_only=True)
class Dense(Layer):
    """y = x @ weight + bias; x is flattened in C order."""

    weight: np.ndarray = array(2, "f")  # (in, out)
    bias: np.ndarray | None = array(1, "f", None)  # (out,)

    def check(self) -> None:
        if not self.weight.size:
            raise mismatch(f"shape {self.weight.shape}", "no empty axis", "weight")
        if self.bias is not None and self.bias.size != self.weight.shape[1]:
            raise mismatch(f"shape {self.bias.shape}", f"({self.weight.shape[1]},)", "bias")

    def shape(self, shape: Shape) -> Shape:
        if math.prod(shape) != self.weight.shape[0]:
            found = f"an input of shape {shape}"
            raise mismatch(found, f"{self.weight.shape[0]} values, as the weight has rows")
        return (self.weight.shape[1],)

    def forward(self, x: np.ndarray, key: Key | None = None) -> np.ndarray:
        y = multiply(x.reshape(len(x), -1), self.weight.astype(np.float32, copy=False))
        return y if self.bias is None else y + np.float32(self.bias)
