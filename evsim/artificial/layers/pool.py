"""Average and max pools."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.artificial.layers import Key, Layer, Shape, require_map
from evsim.base.errors import mismatch
from evsim.base.fields import choice, flag, frozen, wholes
from evsim.base.kernel import kernel as compiled


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool(Layer):
    """y[a, b, c] = the average or maximum of x where the kernel lies; a global pool has one place.

    Padding counts as 0 in an average (`count_padding`) or not at all, never in a maximum. With
    `ceil` the kernel's last place may begin inside and reach past the padding; what lies there is
    left out.
    """

    operation: str = choice("average", "max")
    kernel: tuple[int, int] = wholes(2, least=1)
    stride: tuple[int, int] | None = wholes(2, None, least=1)  # kernel, where absent
    padding: tuple[int, int, int, int] = wholes(4, (0, 0, 0, 0))  # top, bottom, left, right
    ceil: bool = flag(False)
    count_padding: bool = flag(True)

    def check(self) -> None:
        object.__setattr__(self, "stride", self.stride or self.kernel)
        sizes = (self.kernel[0], self.kernel[0], self.kernel[1], self.kernel[1])
        empty = any(pad >= size for pad, size in zip(self.padding, sizes, strict=True))
        if self.operation == "max" and empty:  # the maximum of a window of padding alone
            expected = f"less than the kernel {self.kernel}, for a maximum"
            raise mismatch(self.padding, expected, "padding")

    def sizes(self, shape: Shape) -> tuple[int, int]:
        """The height and width of the result for a map of `shape`."""
        sizes = []
        for axis in (0, 1):
            lead, trail = self.padding[2 * axis : 2 * axis + 2]
            room = shape[axis] + lead + trail - self.kernel[axis]
            size = (-(-room // self.stride[axis]) if self.ceil else room // self.stride[axis]) + 1
            if self.ceil and (size - 1) * self.stride[axis] >= shape[axis] + lead:
                size -= 1  # a window must begin in the image or the padding before it
            sizes.append(size)
        return tuple(sizes)

    def shape(self, shape: Shape) -> Shape:
        require_map(shape, self.kind)
        sizes = self.sizes(shape)
        if min(sizes) < 1:
            raise mismatch(f"an output of {sizes[0]} x {sizes[1]} positions", "at least 1 x 1")
        return (*sizes, shape[2])

    def forward(self, x: np.ndarray, key: Key | None = None) -> np.ndarray:
        sizes, average = self.sizes(x.shape[1:]), self.operation == "average"
        geometry = np.array([*self.kernel, *self.stride, *self.padding], np.int64)
        y = np.full((len(x), *sizes, x.shape[3]), 0 if average else -np.inf, np.float32)
        slide(frozen(x), y, geometry, average, self.count_padding)
        return y


@compiled
def slide(x, out, geometry, average, count_padding):
    """The average or maximum at each place of the kernel; `out` begins with 0 or -infinity.

    `geometry`: kernel, stride, padding (top, bottom, left, right).
    """
    height, width = x.shape[1], x.shape[2]
    top, bottom, left, right = geometry[4], geometry[5], geometry[6], geometry[7]
    for n in range(out.shape[0]):
        for a in range(out.shape[1]):
            first = a * geometry[2] - top
            last = min(first + geometry[0], height + bottom)
            for b in range(out.shape[2]):
                begin = b * geometry[3] - left
                end = min(begin + geometry[1], width + right)
                area = (last - first) * (end - begin)
                y0, y1 = max(first, 0), min(last, height)
                z0, z1 = max(begin, 0), min(end, width)
                if not count_padding:
                    area = (y1 - y0) * (z1 - z0)
                total = out[n, a, b]
                for y in range(y0, y1):
                    for z in range(z0, z1):
                        seen = x[n, y, z]
                        for c in range(total.shape[0]):
                            if average:
                                total[c] += seen[c]
                            else:
                                total[c] = max(total[c], seen[c])
                if average:
                    for c in range(total.shape[0]):
                        total[c] = total[c] / np.float32(max(area, 1))
