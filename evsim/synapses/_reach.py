"""Whom the events of a convolution reach, and how much they add there: all but the sums."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from evsim.base.kernel import SPARE, kernel
from evsim.synapses import Added

LANES = 32  # bytes that are taken at a time


class Reach(NamedTuple):
    """What is known of the places that each source position reaches."""

    geometry: np.ndarray
    places: np.ndarray  # (source positions,) int64: how many
    channels: int  # of each place that an event reaches
    zeros: np.ndarray | None  # (sources,) of the weights that a source delivers, if any is 0

    def counted(self, events, reached, workspace) -> Added:
        """Mark the places that `events` reach; returns what they add."""
        busy, lines = self._room()
        room = workspace.array("busy", busy, np.uint8), workspace.array("lines", lines, np.uint8)
        mark(events.offsets, self.geometry, *room, reached)
        return self.added(events, workspace)

    def added(self, events, workspace) -> Added:
        """What `events` add."""
        rows, zeros = int(sum_over(events.offsets, self.places)), 0
        if self.zeros is not None:
            depth = self.zeros.size // self.places.size
            at = of_positions(events, np.arange(self.places.size) * depth, "neurons", workspace)
            zeros = int(sum_over_channels(*events[::2], at, self.zeros))
        return Added(rows, rows * self.channels, zeros)

    def _room(self) -> tuple[int, tuple[int, int]]:
        """How large `busy` and `lines` have to be for `mark`."""
        height, width, _, _, out_width, _, kernel, _, stride, _, left, _, dilation = map(
            int, self.geometry[:13]
        )
        length = -(-out_width // LANES) * LANES
        longest = max(length, out_width * stride, left + width)
        return longest + kernel * dilation, (height // int(self.geometry[13]), length)


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
def mark(offsets, geometry, busy, lines, reached):
    """reached[t, p] = 1 where an event arrives at target position p.

    busy (columns,): room for the columns of a line of cells, padding included; lines (cells, some):
    room for what each line of cells reaches in a line of the target. Both are longer than what they
    hold, so that LLVM takes 32 places at a time.
    """
    height, width = geometry[0], geometry[1]
    out_height, out_width = geometry[3], geometry[4]
    kernel_height, kernel_width = geometry[5], geometry[6]
    stride_y, stride_x, top, left = geometry[7], geometry[8], geometry[9], geometry[10]
    dilation_y, dilation_x, cell_y, cell_x = geometry[11], geometry[12], geometry[13], geometry[14]
    columns = width // cell_x
    busy[:] = 0
    for t in range(reached.shape[0]):
        for y in range(lines.shape[0]):
            reach = lines[y]
            reach[:] = 0
            first = (t * height + y * cell_y) * width
            if offsets[first] == offsets[first + cell_y * width]:
                continue
            seen = busy[left : left + columns]
            seen[:] = 0
            for row in range(cell_y):
                starts = offsets[first + row * width :]
                for x in range(columns):
                    seen[x] |= starts[x * cell_x] != starts[(x + 1) * cell_x]
            for b in range(kernel_width):
                shifted = busy[b * dilation_x :]
                if stride_x == 1:
                    for x in range(reach.shape[0]):
                        reach[x] |= shifted[x]
                else:
                    for x in range(out_width):
                        reach[x] |= shifted[x * stride_x]
        for y in range(out_height):
            marks = reached[t, y * out_width : (y + 1) * out_width, 0]
            for a in range(kernel_height):
                line = y * stride_y - top + a * dilation_y
                if 0 <= line < lines.shape[0]:
                    reach = lines[line]
                    for x in range(out_width):
                        marks[x] |= reach[x]


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
