"""Sums of weight rows: what dense and convolutional sets share.

A row is the weights of one source at one place of the kernel. The rows that arrive at a target
are listed first, by a kernel of the set's own, and added here, eight at a time.
"""

from __future__ import annotations

import numpy as np

from evsim.base.kernel import SPARE, kernel
from evsim.base.width import BASE
from evsim.synapses import Turns, _bounded

LIST = 1 << 17  # rows listed before they are added


NOTHING = np.empty(0, np.float32)


def values_of(window, currents) -> np.ndarray:
    """The values of a window's events, of no length where all are +1."""
    if window.values is not None:
        return window.values
    return NOTHING if currents is None else currents[:0, 0, 0]


class Rows:
    """The rows (rows, columns) of a set in the run's arithmetic; `width`: of every sum."""

    def __init__(self, weight: np.ndarray, weights, width=None):
        self.length, self.width = weight.shape[1], width
        self.tiles = weights.tiles(weight)
        zeros = self.length - np.count_nonzero(weights(weight), axis=1)
        self.zeros = zeros if zeros.any() else None

    def deliver(self, lister, window, targets: int, longest: int, out, space, report=None) -> Turns:
        """Add to out[i] the rows that `lister` lists for target i, for all targets; unless None.

        `lister(first, rows, values, starts)` lists targets from `first` on until `rows` is full,
        marks those it lists something for, and returns the next target; `longest` is the longest
        list of one target.
        """
        valued = window.values is not None
        rows = space.array("rows", LIST + longest + SPARE, np.uint32)
        values = space.array(
            "row values", rows.size if valued else 0, np.float32 if out is None else out.dtype
        )
        starts = space.array("starts", targets + 1, np.int64)
        first = count = zeros = 0
        while first < targets:
            last = lister(first, rows, values, starts)
            some = starts[: last - first + 1]
            if self.width is not None:
                place = int(report[BASE]) + first * self.length
                self.add_bounded(rows, values, some, out[first:last], space, report, place)
            elif out is not None:
                self.add(rows, values, some, out[first:last], space)
            count += int(some[-1])
            if self.zeros is not None:
                zeros += sum_of(self.zeros, rows, some[-1])
            first = last
        return Turns(count, count * self.length, int(zeros))

    def add(self, rows, values, starts, out, space) -> None:
        """out[i] += the rows listed from starts[i] to starts[i + 1], times `values` if any."""
        for column, tile in self.tiles:
            if values.size:
                add_valued_rows(rows, values, starts, tile, column, out)
            elif tile.shape[1] != 64:
                add_rows(rows, starts, tile, column, out)
            elif tile.dtype == np.int8:
                short = space.array("short", 64, np.int16)
                add_byte_tiles(rows, starts, tile, column, short, out)
            else:
                add_tiles(rows, starts, tile, column, out)

    def add_bounded(self, rows, values, starts, out, space, report, first: int) -> None:
        """The same one by one, each sum brought into the width; `first`: the place of out[0]."""
        bounds = self.width.bounds
        add = _bounded.add_wrapping if self.width.wraps else _bounded.add_saturating
        for column, tile in self.tiles:
            if values.size:
                some = rows, values, starts, tile, column, bounds
                _bounded.add_valued(*some, report, first, out)
            else:
                kept = space.array("kept", (3, tile.shape[1]), out.dtype)
                add(rows, starts, tile, column, bounds, kept, report, first, out)


@kernel
def add_rows(rows, starts, weight, column, out):
    """out[i, column:] += the sum of weight[rows[k]] over starts[i] <= k < starts[i + 1]."""
    for i in range(starts.shape[0] - 1):
        total = out[i, column : column + weight.shape[1]]
        k = starts[i]
        while k + 8 <= starts[i + 1]:
            w0 = weight[rows[k]]
            w1 = weight[rows[k + 1]]
            w2 = weight[rows[k + 2]]
            w3 = weight[rows[k + 3]]
            w4 = weight[rows[k + 4]]
            w5 = weight[rows[k + 5]]
            w6 = weight[rows[k + 6]]
            w7 = weight[rows[k + 7]]
            for c in range(total.shape[0]):
                total[c] += ((w0[c] + w1[c]) + (w2[c] + w3[c])) + (
                    (w4[c] + w5[c]) + (w6[c] + w7[c])
                )
            k += 8
        while k < starts[i + 1]:
            w0 = weight[rows[k]]
            for c in range(total.shape[0]):
                total[c] += w0[c]
            k += 1


@kernel
def add_tiles(rows, starts, weight, column, out):
    """The same for tiles of 64 columns: with a fixed length the sum stays in registers."""
    for i in range(starts.shape[0] - 1):
        total = out[i, column : column + 64]
        k = starts[i]
        while k + 8 <= starts[i + 1]:
            w0 = weight[rows[k]]
            w1 = weight[rows[k + 1]]
            w2 = weight[rows[k + 2]]
            w3 = weight[rows[k + 3]]
            w4 = weight[rows[k + 4]]
            w5 = weight[rows[k + 5]]
            w6 = weight[rows[k + 6]]
            w7 = weight[rows[k + 7]]
            for c in range(64):
                total[c] += ((w0[c] + w1[c]) + (w2[c] + w3[c])) + (
                    (w4[c] + w5[c]) + (w6[c] + w7[c])
                )
            k += 8
        while k < starts[i + 1]:
            w0 = weight[rows[k]]
            for c in range(64):
                total[c] += w0[c]
            k += 1


@kernel
def add_byte_tiles(rows, starts, weight, column, short, out):
    """The same for int8: up to 128 rows are summed in int16 (`short`) and widened once."""
    for i in range(starts.shape[0] - 1):
        total = out[i, column : column + 64]
        k = starts[i]
        while k < starts[i + 1]:
            end = min(k + 128, starts[i + 1])
            for c in range(64):
                short[c] = 0
            while k + 8 <= end:
                w0 = weight[rows[k]]
                w1 = weight[rows[k + 1]]
                w2 = weight[rows[k + 2]]
                w3 = weight[rows[k + 3]]
                w4 = weight[rows[k + 4]]
                w5 = weight[rows[k + 5]]
                w6 = weight[rows[k + 6]]
                w7 = weight[rows[k + 7]]
                for c in range(64):
                    short[c] += ((w0[c] + w1[c]) + (w2[c] + w3[c])) + (
                        (w4[c] + w5[c]) + (w6[c] + w7[c])
                    )
                k += 8
            while k < end:
                w0 = weight[rows[k]]
                for c in range(64):
                    short[c] += w0[c]
                k += 1
            for c in range(64):
                total[c] += short[c]


@kernel
def add_valued_rows(rows, values, starts, weight, column, out):
    """out[i, column:] += the sum of values[k] * weight[rows[k]], one after the other."""
    for i in range(starts.shape[0] - 1):
        total = out[i, column : column + weight.shape[1]]
        for k in range(starts[i], starts[i + 1]):
            w, value = weight[rows[k]], values[k]
            for c in range(total.shape[0]):
                total[c] += value * w[c]


@kernel
def sum_of(amounts, rows, count):
    """The sum of amounts[rows[k]] over the first `count` rows."""
    total = 0
    for k in range(count):
        total += amounts[rows[k]]
    return total
