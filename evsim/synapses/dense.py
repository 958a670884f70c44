"""Fully connected sets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import array, wholes
from evsim.base.geometry import over_cells
from evsim.base.kernel import kernel
from evsim.synapses import NOTHING_ADDED, Connections, Weighted, WeightRows, _signs
from evsim.synapses._rows import Rows, values_of


@dataclass(frozen=True, eq=False, kw_only=True)
class Dense(Weighted):
    """current[j] += value * weight[i, j] for an event of source i.

    With `prepool` source (y, x, c) acts as (y div p, x div p, c) of the pooled shape.
    """

    weight: np.ndarray = array(2)  # [potential] (in, out)
    prepool: tuple[int, int] = wholes(2, (1, 1), least=1)  # [sources] of a cell: rows, columns

    def weights(self) -> np.ndarray:
        return self.weight

    def connect(self, source, target) -> Connections:
        height, width = source.shape[:2] if len(source.shape) == 3 else (1, 1)
        cell_y, cell_x = self.prepool
        if self.prepool != (1, 1) and len(source.shape) != 3:
            expected = "1, 1 for a source without rows and columns"
            raise mismatch(self.prepool, expected, "prepool")
        pooled = (height // cell_y) * (width // cell_x) * source.channels
        if self.weight.shape != (pooled, target.neurons):
            expected = f"shape {(pooled, target.neurons)} (inputs, outputs)"
            raise mismatch(f"shape {self.weight.shape}", expected, "weight")
        base = self._first_rows(height, width, source.channels)
        inside = base >= 0

        def start(weights, width=None):
            rows = Rows(self.weight, weights, width)

            def deliver(events, currents, reached, workspace, report=None):
                steps, first, added = len(reached), 0, NOTHING_ADDED
                flat = None if currents is None else currents.reshape(steps, -1)
                sent = events.channels, values_of(events, currents), events.offsets, base
                lists = rows.lists(events, currents, steps, source.neurons, workspace)
                while first < steps:
                    last = list_rows(*sent, first, *lists, reached.reshape(steps, -1))
                    added += rows.add_listed(lists, first, last, flat, workspace, report)
                    first = last
                return added

            return deliver

        fan = np.repeat(np.where(inside, target.neurons, 0), source.channels).astype(np.int64)
        fan_in = int(inside.sum()) * source.channels

        def start_signs():
            return _signs.start(self.weight[None], np.array([1] * 8 + [0, 0, 1, 1]))

        signs = start_signs if self.prepool == (1, 1) else None
        return Connections(start, fan, fan_in, True, target.neurons, signs)

    def _first_rows(self, height: int, width: int, channels: int) -> np.ndarray:
        """The row of channel 0 of each position, -1 outside the last whole cell."""
        cell_y, cell_x = self.prepool
        y = over_cells(np.arange(height // cell_y) + 1, cell_y, height)[:, None]
        x = over_cells(np.arange(width // cell_x) + 1, cell_x, width)[None, :]
        cell = (y - 1) * (width // cell_x) + x - 1
        return np.where(y * x > 0, cell * channels, -1).ravel()

    def rows(self, source, target):
        height, width = source.shape[:2] if len(source.shape) == 3 else (1, 1)
        base = self._first_rows(height, width, source.channels)
        read = np.add.outer(base, np.arange(source.channels))[base >= 0]
        sources = np.arange(source.neurons).reshape(base.size, -1)[base >= 0]
        starts = np.arange(len(self.weight)) * target.neurons
        lengths = np.full(starts.size, target.neurons)
        return WeightRows(source.neurons, sources.ravel(), read.ravel(), starts, lengths)

    def nominal(self, source, target) -> tuple[int, int]:
        return target.neurons, self.weight.size


@kernel
def list_rows(channels, values, offsets, base, first, rows, row_values, starts, reached):
    """List the rows of the events of each timestep from `first` on until `rows` is full.

    base[p] is the row of channel 0 of position p, -1 outside the last whole cell. starts[i + 1]
    is where the list of timestep first + i ends; what it reaches is marked. Returns the first
    timestep not listed.
    """
    n = 0
    t = first
    steps = (offsets.shape[0] - 1) // base.shape[0]
    room = rows.shape[0]
    starts[0] = 0
    while t < steps:
        start = offsets[t * base.shape[0]]
        end = offsets[(t + 1) * base.shape[0]]
        if n + end - start > room:
            break
        for p in range(base.shape[0]):
            if base[p] >= 0:
                for k in range(offsets[t * base.shape[0] + p], offsets[t * base.shape[0] + p + 1]):
                    rows[n] = base[p] + channels[k]
                    if row_values.shape[0] > 0:
                        row_values[n] = values[k]
                    n += 1
        if n > starts[t - first]:
            reached[t, :] = 1
        t += 1
        starts[t - first] = n
    return t
