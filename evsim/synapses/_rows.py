"""Sums of weight rows: what dense and convolutional sets share.

A row is the weights of one source at one place of the kernel. A set lists the rows that arrive at
its targets, with a kernel of its own, and has them added here, eight at a time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from evsim.base.kernel import SPARE, kernel
from evsim.base.width import BASE
from evsim.synapses import Added, _bounded

LIST = 1 << 17  # rows listed before they are added


NOTHING = np.empty(0, np.float32)


def values_of(events, currents) -> np.ndarray:
    """The values of `events`, of no length where all are +1."""
    if events.values is not None:
        return events.values
    return NOTHING if currents is None else currents[:0, 0, 0]


class Lists(NamedTuple):
    """Rows that arrive, target by target, and the values of the events that bring them."""

    rows: np.ndarray  # uint32, numbers of rows
    values: np.ndarray  # one for each row; of no length where all are +1
    starts: np.ndarray  # int64: where the list of each target begins, and the last one ends


class Rows:
    """The weight rows of a set (rows, columns) in the run's arithmetic.

    `weights` casts and tiles arrays for the run (evsim/engine/weights.py); `width`: that of every
    sum, where the target's potential has one.
    """

    def __init__(self, weight: np.ndarray, weights, width=None):
        self.length, self.width = weight.shape[1], width
        self.tiles = weights.tiles(weight)
        zeros = self.length - np.count_nonzero(weights(weight), axis=1)
        self.zeros = zeros if zeros.any() else None

    def lists(self, events, currents, targets: int, longest: int, workspace) -> Lists:
        """Empty lists for the rows that `events` bring to `targets`, at most `longest` to one."""
        rows = workspace.array("rows", LIST + longest + SPARE, np.uint32)
        kind = np.float32 if currents is None else currents.dtype
        valued = rows.size if events.values is not None else 0
        values = workspace.array("row values", valued, kind)
        return Lists(rows, values, workspace.array("starts", targets + 1, np.int64))

    def add_listed(self, lists, first: int, last: int, out, workspace, report=None) -> Added:
        """Add to out[first:last] the rows listed for these targets; to nothing if `out` is None.

        `report`: where sums have a width, what leaves it; its place is that of out[0].
        """
        starts = lists.starts[: last - first + 1]
        if self.width is not None:
            place = int(report[BASE]) + first * self.length
            self.add_bounded(*lists[:2], starts, out[first:last], workspace, report, place)
        elif out is not None:
            self.add(*lists[:2], starts, out[first:last], workspace)
        count = int(starts[-1])
        zeros = 0 if self.zeros is None else int(sum_of(self.zeros, lists.rows, count))
        return Added(count, count * self.length, zeros)

    def add(self, rows, values, starts, out, workspace) -> None:
        """out[i] += the rows listed from starts[i] to starts[i + 1], times `values` if any."""
        for column, tile in self.tiles:
            if values.size:
                add_valued_rows(rows, values, starts, tile, column, out)
            elif tile.shape[1] != 64:
                add_rows(rows, starts, tile, column, out)
            elif tile.dtype == np.int8:
                short = workspace.array("short", 64, np.int16)
                add_byte_tiles(rows, starts, tile, column, short, out)
            else:
                add_tiles(rows, starts, tile, column, out)

    def add_bounded(self, rows, values, starts, out, workspace, report, first: int) -> None:
        """Add row by row and bring each sum into the width; `first`: the place of out[0]."""
        bounds = self.width.bounds
        add = _bounded.add_wrapping if self.width.wraps else _bounded.add_saturating
        for column, tile in self.tiles:
            if values.size:
                listed = rows, values, starts, tile, column, bounds
                _bounded.add_valued(*listed, report, first, out)
            else:
                kept = workspace.array("kept", (3, tile.shape[1]), out.dtype)
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
    """`add_rows` for tiles of 64 columns: with a fixed length the sum stays in registers."""
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
    """`add_tiles` for int8: up to 128 rows are summed in int16 (`short`) and widened once."""
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
