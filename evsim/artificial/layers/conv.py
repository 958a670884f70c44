"""Convolutions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.artificial.layers import Key, Layer, Shape, require_map
from evsim.artificial.layers._product import ROOM, multiply
from evsim.base.errors import mismatch
from evsim.base.fields import array, frozen, whole, wholes
from evsim.base.geometry import output_size
from evsim.base.kernel import kernel


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
        if not self.weight.size:
            raise mismatch(f"shape {self.weight.shape}", "no empty axis", "weight")
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

    def forward(self, x: np.ndarray, key: Key | None = None) -> np.ndarray:
        kernel_h, kernel_w, per_group, out = self.weight.shape
        height, width, _ = self.shape(x.shape[1:])
        x, outputs = frozen(x), out // self.groups
        geometry = (*x.shape[1:3], height, width, kernel_h, kernel_w, *self.stride)
        geometry = np.array([*geometry, self.padding[0], self.padding[2], *self.dilation], np.int64)
        positions = len(x) * height * width
        y = np.empty((positions, out), np.float32)
        depth = kernel_h * kernel_w * per_group
        weight = frozen(self.weight.astype(np.float32, copy=False).reshape(depth, out))
        if per_group == outputs == 1:
            y.fill(0)
            depthwise(x, weight, y, geometry)
        step = positions if per_group == outputs == 1 else max(1, ROOM // (4 * depth))
        for group in range(0 if per_group == outputs == 1 else self.groups):
            columns = slice(group * outputs, (group + 1) * outputs)
            columns_of_group = weight[:, columns]
            for first in range(0, positions, step):
                patches = np.zeros((min(step, positions - first), depth), np.float32)
                gather(x, patches, geometry, first, group * per_group, per_group)
                y[first : first + step, columns] = multiply(patches, columns_of_group)
        y = y.reshape(len(x), height, width, out)
        return y if self.bias is None else y + np.float32(self.bias)


@kernel
def gather(x, patches, geometry, first, channel, channels):
    """Copy what each output position from `first` on sees into a row of `patches`, else zeros.

    `geometry`: sizes of input and output, kernel, stride, padding, dilation; only `channels`
    channels from `channel` on.
    """
    height, width, out_h, out_w = geometry[0], geometry[1], geometry[2], geometry[3]
    kernel_h, kernel_w = geometry[4], geometry[5]
    for row in range(patches.shape[0]):
        n, rest = divmod(first + row, out_h * out_w)
        a, b = divmod(rest, out_w)
        patch = patches[row]
        top, left = a * geometry[6] - geometry[8], b * geometry[7] - geometry[9]
        for i in range(kernel_h):
            y = top + i * geometry[10]
            if y < 0 or y >= height:
                continue
            for j in range(kernel_w):
                z = left + j * geometry[11]
                if z < 0 or z >= width:
                    continue
                seen = x[n, y, z]
                place = (i * kernel_w + j) * channels
                for c in range(channels):
                    patch[place + c] = seen[channel + c]


@kernel
def depthwise(x, weight, out, geometry):
    """out[position, c] = sum over taps of weight[tap, c] x[..., c], one by one."""
    height, width, out_h, out_w = geometry[0], geometry[1], geometry[2], geometry[3]
    kernel_h, kernel_w = geometry[4], geometry[5]
    for row in range(out.shape[0]):
        n, rest = divmod(row, out_h * out_w)
        a, b = divmod(rest, out_w)
        total = out[row]
        for i in range(kernel_h):
            y = a * geometry[6] - geometry[8] + i * geometry[10]
            for j in range(kernel_w):
                z = b * geometry[7] - geometry[9] + j * geometry[11]
                if 0 <= y < height and 0 <= z < width:
                    seen, w = x[n, y, z], weight[i * kernel_w + j]
                    for c in range(total.shape[0]):
                        total[c] += w[c] * seen[c]
