"""Shortcuts that change the size: subsampling and channels of zeros."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.artificial.layers import Key, Layer, Shape, require_map
from evsim.base.errors import mismatch
from evsim.base.fields import whole, wholes


@dataclass(frozen=True, eq=False, kw_only=True)
class Identity(Layer):
    """y[a, b, c + offset] = x[a stride_y, b stride_x, c]; every other channel of y is 0."""

    channels: int = whole(least=1)  # of the result
    stride: tuple[int, int] = wholes(2, (1, 1), least=1)
    channel_offset: int = whole(0)

    def shape(self, shape: Shape) -> Shape:
        require_map(shape, self.kind)
        if self.channel_offset + shape[2] > self.channels:
            found = f"{shape[2]} channels from channel {self.channel_offset} on"
            raise mismatch(found, f"at most {self.channels} channels in all")
        return (-(-shape[0] // self.stride[0]), -(-shape[1] // self.stride[1]), self.channels)

    def forward(self, x: np.ndarray, key: Key | None = None) -> np.ndarray:
        y = np.zeros((len(x), *self.shape(x.shape[1:])), x.dtype)
        end = self.channel_offset + x.shape[3]
        y[..., self.channel_offset : end] = x[:, :: self.stride[0], :: self.stride[1]]
        return y
