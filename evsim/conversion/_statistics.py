"""Statistics of activations: the largest, a percentile, the least squared error, the mean.

`state()` is what each has found so far, arrays that it does not change any more; `restore` takes
it from there.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from evsim.base.kernel import kernel

CANDIDATES = 1 - 0.01 * np.arange(95)  # of the largest activation, for the least squared error


class Statistic:
    """A statistic of activations; the arrays named in `FIELDS` hold all that it has seen so far."""

    FIELDS: ClassVar[tuple[str, ...]]

    def state(self) -> dict[str, np.ndarray]:
        """Its arrays so far, by name: what `restore` needs to go on."""
        return {name: getattr(self, name).copy() for name in self.FIELDS}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from the arrays that `state` gave."""
        for name in self.FIELDS:
            setattr(self, name, state[name].copy())


class Largest(Statistic):
    """The largest activation of every channel."""

    FIELDS = ("found",)

    def __init__(self, channels: int):
        self.found = np.zeros(channels)

    def add(self, values: np.ndarray) -> None:
        """Take in activations (samples, positions, channels)."""
        np.maximum(self.found, values.max(axis=(0, 1)), out=self.found)


class Percentile(Statistic):
    """An exact percentile of all activations, whatever the order they come in.

    How many there will be is known, so only those that can matter are kept: the largest.
    `percent` is at least 50.
    """

    FIELDS = ("largest",)

    def __init__(self, percent: float, count: int, rows: int):
        below, self.share = place_of(percent, count)
        self.count, self.kept = count, count - below
        self.largest = np.empty((rows, 0), np.float32)

    def add(self, values: np.ndarray) -> None:
        """Take in activations (samples, positions, channels)."""
        columns = values.reshape(-1, values.shape[2]).T if len(self.largest) > 1 else values
        joined = np.concatenate([self.largest, columns.reshape(len(self.largest), -1)], axis=1)
        if joined.shape[1] > self.kept:
            joined = np.partition(joined, joined.shape[1] - self.kept, axis=1)[
                :, -self.kept :
            ].copy()
        self.largest = joined

    def result(self) -> np.ndarray:
        """The percentile of every row, by linear interpolation between two activations."""
        ordered = np.sort(np.float64(self.largest), axis=1)
        return between(ordered[:, 0], ordered[:, min(1, self.kept - 1)], self.share)


class Selection(Statistic):
    """An exact percentile of activations of at least 0; how many there are takes no memory.

    They come in as many passes as `DIGITS` has digits of their bits, `turn` after each: the bits of
    floats are in the order of the floats, and a digit is known when all with the digits before it
    are counted by theirs. Rows are percentiles, with the two activations next to each.
    """

    DIGITS = (11, 11, 9)  # bits, from the highest after the sign on
    FIELDS = ("before", "ranks", "counts")

    def __init__(self, percent: float, count: int, rows: int):
        below, self.share = place_of(percent, count)
        self.ranks = np.tile(np.array([below, min(below + 1, count - 1)]), (rows, 1))
        self.before = np.zeros((rows, 2), np.int64)  # the digits that are known
        self.counts = np.zeros((rows, 2, 1 << self.DIGITS[0]), np.int64)
        self.turned = 0

    def add(self, values: np.ndarray) -> None:
        """Take in activations (samples, positions, channels)."""
        rows = np.ascontiguousarray(values.reshape(-1, values.shape[2]), np.float32)
        width = self.DIGITS[self.turned]
        shift = 31 - sum(self.DIGITS[: self.turned + 1])
        count_digits(rows.view(np.int32), self.before, self.counts, shift, width)

    def turn(self) -> None:
        """After a pass: take over the digits that it has found, and begin to count the next."""
        ends = self.counts.cumsum(axis=2)
        digits = (ends <= self.ranks[:, :, None]).sum(axis=2)
        below = np.take_along_axis(ends - self.counts, digits[:, :, None], axis=2)[:, :, 0]
        self.ranks = self.ranks - below
        self.before = (self.before << self.DIGITS[self.turned]) | digits
        self.turned += 1
        if self.turned < len(self.DIGITS):
            self.counts = np.zeros((*self.before.shape, 1 << self.DIGITS[self.turned]), np.int64)

    def result(self) -> np.ndarray:
        """The percentile of every row, by linear interpolation between two activations."""
        activations = np.float64(self.before.astype(np.int32).view(np.float32))
        return between(activations[:, 0], activations[:, 1], self.share)


def place_of(percent: float, count: int) -> tuple[int, float]:
    """How many of `count` numbers are below a percentile, and the share on the way to the next."""
    place = (count - 1) * (percent / 100)
    below = int(np.floor(place))
    return below, place - below


def between(low: np.ndarray, high: np.ndarray, share: float) -> np.ndarray:
    """Linear interpolation between two numbers, exact at both ends."""
    if share < 0.5:
        return low + (high - low) * share
    return high - (high - low) * (1 - share)


class Mean(Statistic):
    """The mean activation of every channel, activations above a ceiling counted as the ceiling."""

    FIELDS = ("total",)

    def __init__(self, channels: int, ceiling: np.ndarray):
        self.total, self.ceiling = np.zeros(channels), ceiling

    def add(self, values: np.ndarray) -> None:
        """Take in activations (samples, positions, channels), in order."""
        values = np.minimum(values, self.ceiling)
        self.total += values.mean(axis=1, dtype=np.float64).sum(axis=0)

    def result(self, samples: int) -> np.ndarray:
        """The mean over so many samples, (channels,)."""
        return self.total / samples


class LeastError(Statistic):
    """The scale with the least squared error of rates over so many timesteps, among candidates."""

    FIELDS = ("errors",)

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
        """The best scale of every channel, or of all channels together; of equals the largest."""
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


@kernel
def count_digits(bits, before, counts, shift, width):
    """counts[row, k, digit] += 1 for every number whose bits begin with before[row, k].

    The digit is the `width` bits from `shift` on; bits (numbers, channels) are those of floats, of
    which none is above 0 where the sign is set. A row for each channel, or one for all.
    """
    rows, mask = before.shape[0], (1 << width) - 1
    for n in range(bits.shape[0]):
        for c in range(bits.shape[1]):
            row = c if rows > 1 else 0
            number = max(bits[n, c], 0)
            start, digit = number >> (shift + width), (number >> shift) & mask
            for k in range(2):
                if start == before[row, k]:
                    counts[row, k, digit] += 1
