"""Convolutions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.geometry import output_size
from evsim.layers import Layer, Shape, require_map
from evsim.parts import array, mismatch, whole, wholes


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv(Layer):
    """y[a, b, o] = bias[o] + sum of weight[i, j, c, o] x[a s + i d - top, b s + j d - left, c].

    A cross-correlation, as in every trainer; with `groups` output channel o sees the input
    channels of its group only.
    """

    weight: np.ndarray = array(4, "f")  # (kernel_h, kernel_w, in / groups, out)
    bias: np.ndarray | None = array(1, "f", None)  # (out,)
    stride: tuple[int, int] = wholes(2, (1, 1), least=1)
    padding: tuple[int, int, int, int] = wholes(4, (0, 0, 0, 0))  # top, bottom, left, right
    dilation: tuple[int, int] = wholes(2, (1, 1), least=1)
    groups: int = whole(1, least=1)

    def check(self) -> None:
        out = self.weight.shape[3]
        if out % self.groups:
            raise mismatch(self.groups, f"a divisor of the {out} output channels", "groups")
        if self.bias is not None and self.bias.size != out:
            raise mismatch(f"shape {self.bias.shape}", f"({out},)", "bias")

    def shape(self, shape: Shape) -> Shape:
        require_map(shape, self.kind)
        kernel_h, kernel_w, per_group, out = self.weight.shape
        if shape[2] != per_group * self.groups:
            found = f"an input of shape {shape}"
            raise mismatch(found, f"{per_group * self.groups} channels, as the weight has")
        top, bottom, left, right = self.padding
        out_h = output_size(shape[0], kernel_h, self.stride[0], top, bottom, self.dilation[0])
        out_w = output_size(shape[1], kernel_w, self.stride[1], left, right, self.dilation[1])
        if out_h < 1 or out_w < 1:
            raise mismatch(f"an output of {out_h} x {out_w} positions", "at least 1 x 1")
        return (out_h, out_w, out)
