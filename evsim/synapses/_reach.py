"""Whom the events of a convolution reach, and how much they add there: all but the sums."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from evsim.base.kernel import SPARE, kernel
from evsim.synapses import Added


class Reach(NamedTuple):
    """What is known of the places that each source position reaches."""

    geometry: np.ndarray
    places: np.ndarray  # (source positions,) int64: how many
    channels: int  # of each place
    zeros: (
        np.ndarray | None
    )  # (sources,) of the weights that a source delivers; None: no weight is 0

    def counted(self, events, reached, workspace) -> Added:
        """Mark whom `events` reach; returns what they add."""
        mark(
            events.offsets,
            self.geometry,
            workspace.array("busy", self.geometry[1], np.uint8),
            reached,
        )
        rows, zeros = int(sum_over(events.offsets, self.places)), 0
        if self.zeros is not None:
            depth = self.zeros.size // self.places.size
            at = of_positions(events, np.arange(self.places.size) * depth, "neurons", workspace)
            zeros = int(sum_over_channels(*events[::2], at, self.zeros))
        return Added(rows, rows * self.channels, zeros)


def of_positions(events, amounts: np.ndarray, name: str, workspace) -> np.ndarray:
    """amounts[position] of every event, (events,) int64."""
    count = int(events.offsets[-1] - events.offsets[0])
    found = workspace.array(name, count + SPARE, np.int64)
    list_amounts(events.offsets, amounts, found)
    return found


@kernel
def list_amounts(offsets, amounts, found):
    """found[k] = amounts[position] of event k, counted from the first one.

    8 at a time; what is written past a position's end is written again.
    """
    positions = amounts.shape[0]
    for first in range(0, offsets.shape[0] - 1, positions):
        for p in range(positions):
            k, end = offsets[first + p] - offsets[0], offsets[first + p + 1] - offsets[0]
            while k < end:
                some = found[k : k + 8]
                for j in range(8):
                    some[j] = amounts[p]
                k += 8


@kernel
def mark(offsets, geometry, busy, reached):
    """reached[t, p] = 1 where an event arrives at a target position; busy (width,): room."""
    height, width = geometry[0], geometry[1]
    out_height, out_width = geometry[3], geometry[4]
    kernel_height, kernel_width = geometry[5], geometry[6]
    stride_y, stride_x, top, left = geometry[7], geometry[8], geometry[9], geometry[10]
    dilation_y, dilation_x, cell_y, cell_x = geometry[11], geometry[12], geometry[13], geometry[14]
    lines, columns = height // cell_y, width // cell_x
    for t in range(reached.shape[0]):
        for y in range(out_height):
            busy[:] = 0
            some = False
            for a in range(kernel_height):
                line = y * stride_y - top + a * dilation_y
                if line < 0 or line >= lines:
                    continue
                for row in range(line * cell_y, (line + 1) * cell_y):
                    starts = offsets[(t * height + row) * width :]
                    if starts[0] != starts[columns * cell_x]:
                        some = True
                        for x in range(columns):
                            busy[x] |= starts[x * cell_x] != starts[(x + 1) * cell_x]
            marks = reached[t, y * out_width : (y + 1) * out_width, 0]
            for b in range(kernel_width if some else 0):
                column = b * dilation_x - left  # that the first target sees
                first = max(-(column // stride_x), 0)
                last = min((columns - 1 - column) // stride_x + 1, out_width)
                for x in range(first, last):
                    marks[x] |= busy[x * stride_x + column]


@kernel
def sum_over(offsets, amounts):
    """The sum over all events of amounts[position]."""
    total = 0
    positions = amounts.shape[0]
    for first in range(0, offsets.shape[0] - 1, positions):
        for p in range(positions):
            total += (offsets[first + p + 1] - offsets[first + p]) * amounts[p]
    return total


@kernel
def sum_over_channels(channels, offsets, at, amounts):
    """The sum over all events of amounts[at[k] + channel]; at[0] is that of the first event."""
    total, first = 0, offsets[0]
    for k in range(offsets[offsets.shape[0] - 1] - first):
        total += amounts[at[k] + channels[first + k]]
    return total
