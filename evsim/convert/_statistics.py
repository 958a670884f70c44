"""Scales from activations: the largest, a percentile, the least squared error."""

from __future__ import annotations

import numpy as np

from evsim.parts import kernel

CANDIDATES = 1 - 0.01 * np.arange(95)  # of the largest activation, for the least squared error


class Largest:
    """The largest activation, of every channel."""

    def __init__(self, channels: int):
        self.found = np.zeros(channels)

    def add(self, values: np.ndarray) -> None:
        """Take in activations (samples, positions, channels)."""
        np.maximum(self.found, values.max(axis=(0, 1)), out=self.found)


class Percentile:
    """An exact percentile of all activations, whatever the order they come in.

    How many there will be is known, so only those that can matter are kept: the largest.
    `percent` is at least 50.
    """

    def __init__(self, percent: float, count: int, rows: int):
        place = (count - 1) * (percent / 100)
        below = int(np.floor(place))
        self.share, self.kept = place - below, count - below
        self.largest = np.empty((rows, 0), np.float32)

    def add(self, values: np.ndarray) -> None:
        """Take in activations (samples, positions, channels)."""
        columns = values.reshape(-1, values.shape[2]).T if len(self.largest) > 1 else values
        both = np.concatenate([self.largest, columns.reshape(len(self.largest), -1)], axis=1)
        if both.shape[1] > self.kept:
            both = np.partition(both, both.shape[1] - self.kept, axis=1)[:, -self.kept :].copy()
        self.largest = both

    def result(self) -> np.ndarray:
        """The percentile of every row, between two activations by linear interpolation."""
        ordered = np.sort(np.float64(self.largest), axis=1)
        low, high = ordered[:, 0], ordered[:, min(1, self.kept - 1)]
        if self.share < 0.5:
            return low + (high - low) * self.share
        return high - (high - low) * (1 - self.share)


class LeastError:
    """The candidate scale with the least squared error of rates of so many timesteps."""

    def __init__(self, largest: np.ndarray, timesteps: int, v_init: np.ndarray, per_channel: bool):
        tops = largest if per_channel else np.full(largest.size, largest.max())
        scales = np.multiply.outer(CANDIDATES, np.where(tops > 0, tops, 1.0))
        self.steps = scales / timesteps
        self.starts = np.ascontiguousarray(np.broadcast_to(np.float64(v_init), largest.shape))
        self.scales, self.timesteps, self.per_channel = scales, timesteps, per_channel
        self.errors = np.zeros(scales.shape)

    def add(self, values: np.ndarray) -> None:
        """Take in activations (samples, positions, channels), in order."""
        rows = np.ascontiguousarray(values.reshape(-1, values.shape[2]))
        squared_errors(rows, self.steps, self.starts, self.timesteps, self.errors)

    def result(self) -> np.ndarray:
        """The best scale of every channel, or of all together; of equals the largest."""
        if not self.per_channel:
            return self.scales[self.errors.sum(axis=1).argmin(), :1]
        return np.take_along_axis(self.scales, self.errors.argmin(axis=0)[None], axis=0)[0]


@kernel
def squared_errors(rows, steps, starts, timesteps, errors):
    """errors[k, c] += (a - q)^2 over rows, with q = clip(floor(a / step + start), 0, T) step.

    `steps` (candidates, channels) are scales / T. Rows are taken 64 at a time, so that they stay
    in the cache for all candidates.
    """
    for first in range(0, rows.shape[0], 64):
        last = min(first + 64, rows.shape[0])
        for k in range(steps.shape[0]):
            step, error = steps[k], errors[k]
            for r in range(first, last):
                row = rows[r]
                for c in range(row.shape[0]):
                    a = np.float64(row[c])
                    spikes = np.floor(a / step[c] + starts[c])
                    spikes = min(max(spikes, 0.0), np.float64(timesteps))
                    difference = a - spikes * step[c]
                    error[c] += difference * difference
