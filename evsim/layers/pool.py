"""Average and max pooling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.layers import Layer, Shape, require_map
from evsim.parts import choice, flag, mismatch, wholes


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool(Layer):
    """y[a, b, c] = the average or maximum of x over a window; a global pool is one window.

    Padding counts as 0 in an average (`count_padding`) or not at all, never in a maximum. With
    `ceil` the last window may begin inside and reach past the padding; what lies there is left out.
    """

    operation: str = choice("average", "max")
    kernel: tuple[int, int] = wholes(2, least=1)
    stride: tuple[int, int] | None = wholes(2, None, least=1)  # kernel, where absent
    padding: tuple[int, int, int, int] = wholes(4, (0, 0, 0, 0))  # top, bottom, left, right
    ceil: bool = flag(False)
    count_padding: bool = flag(True)

    def check(self) -> None:
        object.__setattr__(self, "stride", self.stride or self.kernel)

    def sizes(self, shape: Shape) -> tuple[int, int]:
        """The height and width of the result."""
        found = []
        for axis in (0, 1):
            lead, trail = self.padding[2 * axis : 2 * axis + 2]
            room = shape[axis] + lead + trail - self.kernel[axis]
            size = (-(-room // self.stride[axis]) if self.ceil else room // self.stride[axis]) + 1
            if self.ceil and (size - 1) * self.stride[axis] >= shape[axis] + lead:
                size -= 1  # a window must begin in the image or the padding before it
            found.append(size)
        return tuple(found)

    def shape(self, shape: Shape) -> Shape:
        require_map(shape, self.kind)
        sizes = self.sizes(shape)
        if min(sizes) < 1:
            raise mismatch(f"an output of {sizes[0]} x {sizes[1]} positions", "at least 1 x 1")
        return (*sizes, shape[2])
