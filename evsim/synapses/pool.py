"""Average pooling."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import wholes
from evsim.base.geometry import fan_out, output_size
from evsim.base.kernel import kernel as compiled
from evsim.synapses import Added, Connections, Synapses, require_rank3, require_shape


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool(Synapses):
    """current[y, x, c] += value / (kernel_h kernel_w), also where the kernel is over the border."""

    kernel: tuple[int, int] = wholes(2, least=1)  # [places] rows, columns
    stride: tuple[int, int] | None = wholes(2, None, least=1)  # [places] absent: kernel
    padding: tuple[int, int, int, int] = wholes(4, (0, 0, 0, 0))  # [places] of each side

    @property
    def constant(self) -> float:
        """The weight of all connections."""
        return 1 / (self.kernel[0] * self.kernel[1])

    def counting(self) -> Counting:
        return Counting(**{field.name: getattr(self, field.name) for field in fields(self)})

    def connect(self, source, target) -> Connections:
        require_rank3(source, target, self.kind)
        height, width, channels = source.shape
        stride = self.stride or self.kernel
        top, bottom, left, right = self.padding
        out_h = output_size(height, self.kernel[0], stride[0], top, bottom, 1)
        out_w = output_size(width, self.kernel[1], stride[1], left, right, 1)
        if out_h < 1 or out_w < 1:
            raise mismatch(f"an output of {out_h} x {out_w} positions", "at least 1 x 1")
        require_shape(target, (out_h, out_w, channels))
        y = fan_out(height, self.kernel[0], stride[0], top, 1, out_h)
        x = fan_out(width, self.kernel[1], stride[1], left, 1, out_w)
        geometry = self.geometry(source, target)

        def start(weights):
            weight = weights(np.array(self.constant))[()]

            def deliver(events, currents, reached, workspace):
                values = events.values if events.values is not None else currents[:0, 0, 0]
                additions = spread(
                    events.channels, values, events.offsets, geometry, weight, currents, reached
                )
                return Added(0, additions, 0)

            return deliver

        fan = np.repeat(np.outer(y, x).ravel(), channels)
        return Connections(start, fan, self.kernel[0] * self.kernel[1], False, 0)

    def geometry(self, source, target) -> np.ndarray:
        """Heights and widths of source, target and kernel, strides, top and left padding."""
        sizes = (*source.shape[:2], *target.shape[:2], *self.kernel)
        stride = self.stride or self.kernel
        return np.array([*sizes, *stride, self.padding[0], self.padding[2]], np.int64)

    def nominal(self, source, target) -> tuple[int, int]:
        return 1, 0


@dataclass(frozen=True, eq=False, kw_only=True)
class Counting(Pool):
    """The connections of a pool with weights of 1, to count what arrives."""

    constant = 1


@compiled
def spread(channels, values, offsets, geometry, weight, currents, reached):
    """Add value * weight to all cells whose kernel holds a source; returns the additions."""
    height, width, out_height, out_width = geometry[0], geometry[1], geometry[2], geometry[3]
    kernel_height, kernel_width, stride_y, stride_x = (
        geometry[4],
        geometry[5],
        geometry[6],
        geometry[7],
    )
    top, left = geometry[8], geometry[9]
    valued = values.shape[0] > 0
    additions, source = 0, 0
    for t in range(currents.shape[0]):
        for row in range(top, top + height):
            first_y = max(0, (row - kernel_height) // stride_y + 1)
            last_y = min(out_height, row // stride_y + 1)
            for column in range(left, left + width):
                start, end = offsets[source], offsets[source + 1]
                source += 1
                if start == end:
                    continue
                first_x = max(0, (column - kernel_width) // stride_x + 1)
                last_x = min(out_width, column // stride_x + 1)
                for y in range(first_y, last_y):
                    for x in range(first_x, last_x):
                        total = currents[t, y * out_width + x]
                        marks = reached[t, y * out_width + x]
                        for k in range(start, end):
                            c = channels[k]
                            total[c] += values[k] * weight if valued else weight
                            marks[c] = 1
                        additions += end - start
    return additions
