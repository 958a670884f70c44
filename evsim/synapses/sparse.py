"""Sparse sets: any connections, as a compressed sparse row matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import array
from evsim.base.kernel import kernel
from evsim.synapses import Added, Connections, Weighted, WeightRows, _bounded


@dataclass(frozen=True, eq=False, kw_only=True)
class Sparse(Weighted):
    """current[indices[k]] += value * data[k] for indptr[i] <= k < indptr[i + 1] of source i."""

    data: np.ndarray = array(1)  # [potential] weights, by row; a stored 0 is a synapse
    indices: np.ndarray = array(1, kinds="iu")  # [neuron] of the target, ascending in a row
    indptr: np.ndarray = array(1, kinds="iu")  # [place in data] (sources + 1,), where rows begin

    def weights(self) -> np.ndarray:
        return self.data

    def connect(self, source, target) -> Connections:
        if self.indptr.shape != (source.neurons + 1,):
            expected = f"shape ({source.neurons + 1},)"
            raise mismatch(f"shape {self.indptr.shape}", expected, "indptr")
        indptr = self.indptr.astype(np.int64)
        steps = np.diff(indptr)
        if indptr[0] != 0 or (steps < 0).any() or indptr[-1] != self.data.size:
            expected = f"from 0 ascending to the {self.data.size} elements of data"
            raise mismatch(f"values from {indptr[0]} to {indptr[-1]}", expected, "indptr")
        indices = self.indices.astype(np.int64)
        if indices.shape != self.data.shape:
            raise mismatch(f"shape {indices.shape}", f"shape {self.data.shape}", "indices")
        if indices.size and (indices.min() < 0 or indices.max() >= target.neurons):
            found = f"values from {indices.min()} to {indices.max()}"
            raise mismatch(found, f"0 to {target.neurons - 1}", "indices")
        row = np.repeat(np.arange(steps.size), steps)
        if (np.diff(row * target.neurons + indices) <= 0).any():
            raise mismatch("unordered or repeated values", "ascending in a row", "indices")

        def start(weights, width=None):
            data = weights(self.data)
            zero = np.asarray(data == 0)

            def deliver(events, currents, reached, workspace, report=None):
                values = events.values if events.values is not None else currents[:0, 0, 0]
                flat = currents.reshape(len(currents), -1)
                marks = reached.reshape(len(currents), -1)
                matrix = (data, zero, indices, indptr)
                some = events.channels, values, events.offsets, source.channels, matrix
                if width is None:
                    return Added(*scatter(*some, flat, marks))
                return Added(*_bounded.scatter(*some, marks, width.bounds, report, flat))

            return deliver

        fan_in = int(np.bincount(indices, minlength=1).max())
        return Connections(start, steps, fan_in, False, 0)

    def rows(self, source, target):
        ends = self.indptr.astype(np.int64)
        lengths = np.diff(ends)
        some = np.flatnonzero(lengths)
        return WeightRows(source.neurons, some, some, ends[:-1], lengths)

    def nominal(self, source, target) -> tuple[int, int]:
        return -1, self.data.size


@kernel
def scatter(channels, values, offsets, width, matrix, currents, reached):
    """Add value * data of every event's row to the row's targets.

    matrix = (data, zero, indices, indptr); returns (rows, additions, zeros).
    """
    data, zero, indices, indptr = matrix
    positions = (offsets.shape[0] - 1) // currents.shape[0]
    rows, additions, zeros = 0, 0, 0
    for source in range(offsets.shape[0] - 1):
        t, p = divmod(source, positions)
        for k in range(offsets[source], offsets[source + 1]):
            start, end = indptr[p * width + channels[k]], indptr[p * width + channels[k] + 1]
            for i in range(start, end):
                w = data[i]
                currents[t, indices[i]] += values[k] * w if values.shape[0] > 0 else w
                reached[t, indices[i]] = 1
                zeros += zero[i]
            rows += end > start
            additions += end - start
    return rows, additions, zeros
