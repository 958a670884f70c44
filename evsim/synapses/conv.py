"""Convolutional sets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import array, whole, wholes
from evsim.base.geometry import fan_out, output_size, over_cells, reaches
from evsim.base.kernel import SPARE, kernel
from evsim.synapses import (
    NOTHING_ADDED,
    Connections,
    Weighted,
    WeightRows,
    _bounded,
    _signs,
    require_rank3,
    require_shape,
)
from evsim.synapses._reach import Reach
from evsim.synapses._rows import Rows, values_of
from evsim.synapses._runs import Runs

SHORT = 48  # channels: fewer are added run by run


@dataclass(frozen=True, eq=False, kw_only=True)
class Convolution(Weighted):
    """current[y, x, o] += value * weight[a, b, c, o] for an event of source
    (y * stride - top + a * dilation, x * stride - left + b * dilation, c).

    With `prepool` a source (y, x, c) acts as (y div p, x div p, c) of the pooled shape.
    """

    weight: np.ndarray = array(4)  # [potential] (kernel_h, kernel_w, in / groups, out)
    stride: tuple[int, int] = wholes(2, (1, 1), least=1)  # [places] rows, columns
    padding: tuple[int, int, int, int] = wholes(4, (0, 0, 0, 0))  # [places] of each side
    dilation: tuple[int, int] = wholes(2, (1, 1), least=1)  # [places] rows, columns
    groups: int = whole(1, least=1)  # of channels, each with filters of its own
    prepool: tuple[int, int] = wholes(2, (1, 1), least=1)  # [sources] of a cell: rows, columns

    def weights(self) -> np.ndarray:
        return self.weight

    def connect(self, source, target) -> Connections:
        require_rank3(source, target, self.kind)
        height, width, depth = source.shape
        kernel_h, kernel_w, per_group, out = self.weight.shape
        groups = self.groups
        if depth % groups or per_group != depth // groups or out % groups or not self.weight.size:
            fits = f"(kernel_h, kernel_w, {depth} / groups, a multiple of groups)"
            found = f"shape {self.weight.shape} with groups = {groups}"
            raise mismatch(found, fits, "weight")
        cells = [n // p for n, p in zip((height, width), self.prepool, strict=True)]
        top, bottom, left, right = self.padding
        axes = [
            (cells[0], kernel_h, self.stride[0], top, bottom, self.dilation[0]),
            (cells[1], kernel_w, self.stride[1], left, right, self.dilation[1]),
        ]
        out_h, out_w = (output_size(*axis) for axis in axes)
        if out_h < 1 or out_w < 1:
            raise mismatch(f"an output of {out_h} x {out_w} positions", "at least 1 x 1")
        require_shape(target, (out_h, out_w, out))
        y, x = (
            over_cells(fan_out(n, k, s, lead, d, o), p, full)
            for (n, k, s, lead, _, d), o, p, full in zip(
                axes, (out_h, out_w), self.prepool, (height, width), strict=True
            )
        )
        places = np.outer(y, x).ravel()  # that an event of each position reaches
        fan = np.repeat(places * (out // groups), depth)
        sizes = (height, width, depth, out_h, out_w, kernel_h, kernel_w)
        steps = (*self.stride, top, left, *self.dilation, *self.prepool, groups)
        geometry = np.array([*sizes, *steps], np.int64)

        def start(weights, width=None):
            weight = self.weight.reshape(kernel_h * kernel_w, per_group, out)
            zeros = self._zeros_reached(weights(self.weight), axes, source, target)
            reach = Reach(geometry, places, out // groups, zeros)
            if groups > 1:
                return _by_groups(weight, weights, geometry, reach, width)
            if width is None and out < SHORT and kernel_w > 1 and self.dilation[1] == 1:
                return _by_runs(Runs(weight, weights, geometry), reach)
            still = self.stride == self.prepool == (1, 1) and not any(self.padding)
            if width is None and kernel_h == kernel_w == 1 and still:
                return _as_sent(Rows(weight[0], weights), reach)
            return _by_rows(weight, weights, geometry, reach, width)

        def start_signs():
            weight = self.weight.reshape(kernel_h * kernel_w, per_group, out)
            return _signs.start(weight, geometry[[0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]])

        fan_in = kernel_h * kernel_w * per_group * self.prepool[0] * self.prepool[1]
        signs = start_signs if groups == 1 and self.prepool == (1, 1) else None
        return Connections(start, fan, fan_in, groups == 1, out // groups, signs)

    def _zeros_reached(self, weight, axes, source, target) -> np.ndarray | None:
        """Of each source, how many of the weights it delivers are 0; None where none is."""
        zero = weight.reshape(*weight.shape[:3], self.groups, -1) == 0
        zeros = np.count_nonzero(zero, axis=4)  # (kernel_h, kernel_w, in / groups, groups)
        if not zeros.any():
            return None
        total = zeros.swapaxes(2, 3).reshape(*weight.shape[:2], -1).astype(np.int32)
        for axis in (1, 0):
            (n, k, s, lead, _, d), o = axes[axis], target.shape[axis]
            taps = over_cells(reaches(n, k, s, lead, d, o), self.prepool[axis], source.shape[axis])
            total = np.tensordot(taps.astype(np.int32), total, (1, 1))  # (axis, the other, in)
        return total.ravel()

    def rows(self, source, target):
        height, width, depth = source.shape
        shape = self.weight.shape
        axes = zip(
            (height, width),
            shape,
            self.stride,
            self.padding[::2],
            self.dilation,
            target.shape,
            self.prepool,
            strict=False,
        )
        y, x = (
            over_cells(reaches(n // p, k, s, lead, d, o), p, n) for n, k, s, lead, d, o, p in axes
        )
        read = y[:, None, :, None] & x[None, :, None, :]  # (height, width, kernel_h, kernel_w)
        position, tap = np.nonzero(read.reshape(height * width, -1))
        channels = np.arange(depth)
        sources = np.add.outer(position * depth, channels)
        length = shape[3] // self.groups
        rows = np.add.outer(tap * depth, channels)
        group, channel = np.divmod(channels, shape[2])
        taps = np.arange(shape[0] * shape[1]) * shape[2]
        starts = (np.add.outer(taps, channel) * shape[3] + group * length).ravel()
        lengths = np.full(starts.size, length)
        return WeightRows(source.neurons, sources.ravel(), rows.ravel(), starts, lengths)

    def nominal(self, source, target) -> tuple[int, int]:
        per_arrival = self.weight.shape[0] * self.weight.shape[1] * self.weight.shape[3]
        return per_arrival // self.groups, self.weight.size * target.positions


def _by_runs(runs: Runs, reach: Reach):
    """Events add one run of weights after the other: for few channels."""

    def deliver(events, currents, reached, workspace, report=None):
        if currents is not None:
            runs.add(events, currents, workspace)
        return reach.counted(events, reached, workspace)

    return deliver


def _as_sent(rows: Rows, reach: Reach):
    """The events of a position are the list of the rows that arrive there."""

    def deliver(events, currents, reached, workspace, report=None):
        if currents is not None:
            sent = events.channels.view(np.uint32), values_of(events, currents), events.offsets
            rows.add(*sent, currents.reshape(-1, rows.length), workspace)
        return reach.counted(events, reached, workspace)

    return deliver


def _by_rows(weight, weights, geometry, reach: Reach, width):
    """Every target position lists the rows that arrive at it."""
    taps, depth, out = weight.shape
    rows = Rows(weight.reshape(taps * depth, out), weights, width)
    longest = taps * depth * int(geometry[13] * geometry[14])

    def deliver(events, currents, reached, workspace, report=None):
        if currents is None:
            return reach.counted(events, reached, workspace)
        targets, first, added = reached.shape[0] * reached.shape[1], 0, NOTHING_ADDED
        flat = currents.reshape(targets, out)
        sent = events.channels, values_of(events, currents), events.offsets, geometry
        lists = rows.lists(events, currents, targets, longest, workspace)
        while first < targets:
            last = list_rows(*sent, first, *lists, reached.reshape(targets, -1))
            added += rows.add_listed(lists, first, last, flat, workspace, report)
            first = last
        return added

    return deliver


def _by_groups(weight, weights, geometry, reach: Reach, width):
    """Every event adds its group's weights to the positions it reaches."""
    taps, per_group, _ = weight.shape
    weight = weight.reshape(taps, per_group, int(geometry[15]), -1).swapaxes(1, 2)
    weight = weights(weight.reshape(taps, int(geometry[2]), -1))  # of each source channel

    def deliver(events, currents, reached, workspace, report=None):
        sent = events.channels, values_of(events, currents), events.offsets
        given = *sent, geometry, weight, currents, reached
        if width is None:
            spread(*given)
        else:
            _bounded.spread(*given, width.bounds, report)
        return reach.added(events, workspace)

    return deliver


@kernel
def list_rows(channels, values, offsets, geometry, first, rows, row_values, starts, reached):
    """List the rows that arrive at the target positions from `first` on until `rows` is full.

    starts[i + 1] is where the list of target first + i ends; a target whose list is not empty is
    marked as reached. Returns the first target that is not listed. Ascending by source: the lines
    of a pooled cell come one after the other. Events are copied 8 at a time; what is written past
    a list's end is written again.
    """
    height, width, depth = geometry[0], geometry[1], geometry[2]
    out_height, out_width = geometry[3], geometry[4]
    kernel_height, kernel_width = geometry[5], geometry[6]
    stride_y, stride_x, top, left = geometry[7], geometry[8], geometry[9], geometry[10]
    dilation_y, dilation_x, cell_y, cell_x = geometry[11], geometry[12], geometry[13], geometry[14]
    room = rows.shape[0] - SPARE - kernel_height * kernel_width * cell_y * cell_x * depth
    targets = (offsets.shape[0] - 1) // (height * width) * (out_height * out_width)
    lines, columns = height // cell_y, width // cell_x
    valued = row_values.shape[0] > 0
    n = 0
    target = first
    starts[0] = 0
    while target < targets and n <= room:
        t, p = divmod(target, out_height * out_width)
        y, x = divmod(p, out_width)
        for a in range(kernel_height):
            line = y * stride_y - top + a * dilation_y
            if line < 0 or line >= lines:
                continue
            for row in range(line * cell_y, (line + 1) * cell_y):
                for b in range(kernel_width):
                    column = x * stride_x - left + b * dilation_x
                    if column < 0 or column >= columns:
                        continue
                    source = (t * height + row) * width + column * cell_x
                    tap = (a * kernel_width + b) * depth
                    k = offsets[source]
                    end = offsets[source + cell_x]
                    while k < end:
                        some, events = rows[n : n + 8], channels[k : k + 8]
                        for j in range(8):
                            some[j] = tap + events[j]
                        if valued:
                            for j in range(min(8, end - k)):
                                row_values[n + j] = values[k + j]
                        n += 8
                        k += 8
                    n -= k - end
        if n > starts[target - first]:
            for g in range(reached.shape[1]):
                reached[target, g] = 1
        target += 1
        starts[target - first] = n
    return target


@kernel
def spread(channels, values, offsets, geometry, weight, currents, reached):
    """Add the weights of every event to the positions it reaches, event by event.

    `weight` (taps, in, out / groups).
    """
    height, width, depth = geometry[0], geometry[1], geometry[2]
    out_height, out_width = geometry[3], geometry[4]
    kernel_height, kernel_width = geometry[5], geometry[6]
    stride_y, stride_x, top, left = geometry[7], geometry[8], geometry[9], geometry[10]
    dilation_y, dilation_x, cell_y, cell_x = geometry[11], geometry[12], geometry[13], geometry[14]
    inputs, outputs = depth // geometry[15], weight.shape[2]
    valued = values.shape[0] > 0
    for source in range(offsets.shape[0] - 1):
        first, last = offsets[source], offsets[source + 1]
        t, p = divmod(source, height * width)
        row, column = p // width // cell_y, p % width // cell_x
        if first == last or row >= height // cell_y or column >= width // cell_x:
            continue
        for a in range(kernel_height):
            y, odd_y = divmod(row + top - a * dilation_y, stride_y)
            for b in range(kernel_width):
                x, odd_x = divmod(column + left - b * dilation_x, stride_x)
                if odd_y or odd_x or y < 0 or y >= out_height or x < 0 or x >= out_width:
                    continue
                taps = weight[a * kernel_width + b]
                total, marks = currents[t, y * out_width + x], reached[t, y * out_width + x]
                if outputs == inputs == 1:
                    for k in range(first, last):
                        c = channels[k]
                        total[c] += values[k] * taps[c, 0] if valued else taps[c, 0]
                        marks[c] = 1
                    continue
                for k in range(first, last):
                    group, w = channels[k] // inputs * outputs, taps[channels[k]]
                    sums = total[group : group + outputs]
                    marks[group : group + outputs] = 1
                    if valued:
                        value = values[k]
                        for o in range(outputs):
                            sums[o] += value * w[o]
                    else:
                        for o in range(outputs):
                            sums[o] += w[o]
