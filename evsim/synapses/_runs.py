"""Sums of runs of weights: convolutions with few channels.

What a kernel row adds for one event are neighbouring channels of neighbouring columns: one run. A
line of the target is summed event after event, in ascending order of source, and then added to the
currents.
"""

from __future__ import annotations

import numpy as np

from evsim.base.kernel import kernel
from evsim.synapses._reach import of_positions
from evsim.synapses._rows import values_of

LANES = 32  # runs are padded with zeros to a multiple: LLVM adds so many at a time


class Runs:
    """The weights (taps, in, out) of a convolution of all channels, in the run's arithmetic.

    A column x meets the taps b with b = x + left modulo the stride, its phase. Of these the weights
    are stored from the last to the first, as the columns ascend that they go to; phases with fewer
    taps have zeros in front.
    """

    def __init__(self, weight: np.ndarray, weights, geometry: np.ndarray):
        height, width, depth, _, out_width, kernel_height, kernel_width = map(int, geometry[:7])
        stride, left, cell = int(geometry[8]), int(geometry[10]), int(geometry[14])
        out, most = weight.shape[2], -(-kernel_width // stride)  # taps of a phase
        self.length, self.geometry = -(-most * out // LANES) * LANES, geometry
        weight = weight.reshape(kernel_height, kernel_width, depth, out)
        shape = kernel_height, stride, depth, self.length
        runs = np.zeros(shape, weight.dtype)
        for b in range(kernel_width):
            last, phase = divmod(b, stride)
            first = (most - 1 - last) * out
            runs[:, phase, :, first : first + out] = weight[:, b]
        self.weight = weights(runs.reshape(kernel_height, stride * depth, self.length))
        columns = np.arange(width) // cell + left
        beyond = np.arange(width) // cell >= width // cell  # no whole cell: added where none looks
        target = np.where(beyond, max(columns.max() // stride, out_width) + most, columns // stride)
        self.columns = np.tile(target * out, height)
        self.phases = np.tile(columns % stride * depth, height)
        first = (most - 1) * out
        self.line = max(int(target.max()) * out + self.length, first + out_width * out), first

    def add(self, events, currents, workspace) -> None:
        """Add what `events` bring to `currents` (timesteps, positions, channels)."""
        size, first = self.line
        line = workspace.array("line", size, currents.dtype)
        at = of_positions(events, self.columns, "columns", workspace)
        some = slice(int(events.offsets[0]), int(events.offsets[-1]))
        rows = events.channels[some]
        if self.phases.any():
            rows = rows + of_positions(events, self.phases, "phases", workspace)[: rows.size]
        values = values_of(events, currents)[some]
        add_runs(
            rows, values, events.offsets, at, self.geometry, self.weight, line, first, currents
        )


@kernel
def add_runs(rows, values, offsets, at, geometry, weight, line, first, currents):
    """currents[t, y] += the runs of all events that reach line y, from `first` of `line` on.

    Event k, counted from the first one, adds weight[a, rows[k]] from line[at[k]] on, for each
    kernel row a that its line meets; `weight` (kernel height, phases * in, run).
    """
    height, width = geometry[0], geometry[1]
    out_height, out_width, kernel_height = geometry[3], geometry[4], geometry[5]
    stride, top, dilation, cell = geometry[7], geometry[9], geometry[11], geometry[13]
    run, length = weight.shape[2], out_width * currents.shape[2]
    zero = offsets[0]
    for t in range(currents.shape[0]):
        for y in range(out_height):
            some = False
            line[:] = 0
            for a in range(kernel_height):
                source = y * stride - top + a * dilation
                if source < 0 or source >= height // cell:
                    continue
                begin = (t * height + source * cell) * width
                start, end = offsets[begin] - zero, offsets[begin + cell * width] - zero
                some = some or start < end
                taps = weight[a]
                for k in range(start, end):
                    total, w = line[at[k] : at[k] + run], taps[rows[k]]
                    if values.shape[0] > 0:
                        value = values[k]
                        for c in range(run):
                            total[c] += value * w[c]
                    else:
                        for c in range(run):
                            total[c] += w[c]
            if some:
                total = currents[t, y * out_width : (y + 1) * out_width].reshape(length)
                summed = line[first : first + length]
                for c in range(length):
                    total[c] += summed[c]
