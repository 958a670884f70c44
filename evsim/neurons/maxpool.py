"""Max pooling of events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.kernel import kernel
from evsim.counting.facts import CIRCUIT, POOL
from evsim.neurons import POTENTIAL, ROOM, Neurons

STEPS, BEGIN, END, REPEATS = range(4)  # of rules
REACHED, CHANGED, FALLEN = 1, 2, 4  # marks of a pooled neuron in a timestep


@dataclass(frozen=True, eq=False, kw_only=True)
class Maxpool(Neurons):
    """Tells how the largest running sum of a window's sources changes.

    A source's running sum is that of its event values, 0 at rest; M(t) is the largest of a window
    after the arrivals of timestep t, without places beyond the border; M(-1) = 0. Where M(t) is
    not M(t-1), the neuron sends one event of value M(t) - M(t-1). Fed by one set of kind pool,
    whose geometry it takes.
    """

    role: ClassVar[str] = POOL
    passes: ClassVar[bool] = True
    STATE: ClassVar[dict[str, str]] = {
        "sums": POTENTIAL,
        "largest": CIRCUIT,
        "told": CIRCUIT,
        "marks": ROOM,
    }
    FACTS: ClassVar[dict[str, str]] = {
        "gate_updates": "events compared with the largest running sum of a window",
        "rescanned": "running sums read and compared again, as the largest of a window fell",
    }
    EXAMPLES: ClassVar[tuple[dict, ...]] = ({},)

    def updates(self, first: int, last: int) -> int:
        return 0

    def gate(self, geometry: np.ndarray, source: Neurons, dtype) -> Gate:
        """What runs this population behind a pool of this geometry."""
        return Gate(self, geometry, source, dtype)


class Gate:
    """Tells the largest running sums of windows, in the place of a runner.

    `windows`: by row and by column of the sources, the first window that holds it and the one
    after the last. `members`: by row and by column of the windows, the same of its sources, cut at
    the border.
    """

    def __init__(self, neurons: Maxpool, geometry: np.ndarray, source: Neurons, dtype):
        self.neurons, self.source, self.dtype = neurons, source, dtype
        axes = geometry.reshape(5, 2).T  # of source, target, kernel, stride, leading padding
        self.windows = tuple(_windows_of(*axis.tolist()) for axis in axes)
        self.members = tuple(_members_of(*axis.tolist()) for axis in axes)
        rows, columns = (np.maximum(0, axis[:, 1] - axis[:, 0]) for axis in self.members)
        self.others = np.outer(rows, columns).reshape(-1, 1) - 1  # sources of a window but one

    def begin(self) -> dict[str, np.ndarray]:
        """The state at rest: sums of sources, the largest of windows, marks of neurons."""
        shape = (self.neurons.positions, self.neurons.channels)
        return {
            "sums": np.zeros((self.source.positions, self.source.channels), self.dtype),
            "largest": np.zeros(shape, self.dtype),
            "told": np.zeros(shape, self.dtype),
            "marks": np.zeros(shape, np.uint8),
        }

    def pass_on(self, state: dict, events, repeats: bool, steps: int, within: slice, out):
        """Advance by `steps` timesteps; `events` are those of the timesteps `within` them.

        Returns how many sums were compared with the largest of a window, how many pooled neurons
        were reached, and how many sums were read again.
        """
        channels, offsets, room = out.reserve(steps)
        nothing = np.empty(0, self.dtype)
        values = nothing if events.values is None else events.values.astype(self.dtype, copy=False)
        room = nothing if room is None else room
        rules = np.array([steps, within.start, within.stop, repeats], np.int64)
        given = events.channels, values, events.offsets, *self.windows, *self.members
        sent, *counted = tell(*given, *state.values(), rules, channels, room, offsets)
        out.commit(steps, sent)
        return counted

    def largest(self, charges: np.ndarray) -> np.ndarray:
        """The charge (neurons,) of every window whose sources have these charges.

        A source of charge q has the sum sign(q) for |q| timesteps from one and the same moment on,
        so the largest sum of a window is that of its largest charge, at every timestep.
        """
        pooled = np.zeros((self.neurons.positions, self.neurons.channels), charges.dtype)
        grid = charges.reshape(self.source.positions, -1)
        largest_of(grid, *self.members, len(self.windows[1]), pooled)
        return pooled.ravel()

    def read_again(self, pooled: np.ndarray, first: int, last: int) -> int:
        """How many sums windows of these charges read again in timesteps first .. last - 1.

        Those are counted from the first event on. The largest sum falls once: to -1 at once, or
        from 1 to 0.
        """
        falls = np.maximum(pooled, 0)
        falls = (pooled != 0) & (first <= falls) & (falls < last)
        return int((falls.reshape(-1, self.neurons.channels) * self.others).sum())


def _windows_of(length: int, windows: int, size: int, stride: int, lead: int) -> np.ndarray:
    """(length, 2): the first window that holds a source, and the one after the last."""
    place = np.arange(length) + lead
    first = np.maximum(0, (place - size) // stride + 1)
    return np.stack([first, np.minimum(windows, place // stride + 1)], axis=1)


def _members_of(length: int, windows: int, size: int, stride: int, lead: int) -> np.ndarray:
    """(windows, 2): the first source that a window holds, and the one after the last."""
    start = np.arange(windows) * stride - lead
    return np.stack([np.maximum(start, 0), np.minimum(start + size, length)], axis=1)


@kernel
def tell(
    channels,
    values,
    offsets,
    windows_down,
    windows_across,
    members_down,
    members_across,
    sums,
    largest,
    told,
    marks,
    rules,
    out_channels,
    out_values,
    out_offsets,
):
    """Add what arrives to the sums, and send how the largest of every window changed.

    Returns (events, comparisons, pooled neurons reached, sums read again). `rules`: timesteps,
    the first with events, the one after the last, 1 where one of events stands for all. `told` is
    the largest sum of a timestep before, kept where there are `values`; `marks` are of a timestep.
    """
    wide, across = members_across.shape[0], windows_across.shape[0]
    events, compared, touched, again = np.int64(0), 0, 0, 0
    for t in range(rules[STEPS]):
        if rules[BEGIN] <= t < rules[END]:
            step = 0 if rules[REPEATS] == 1 else t - rules[BEGIN]
            ends = offsets[step * sums.shape[0] :]
            windows = windows_down, windows_across, wide
            compared += _arrive(channels, values, ends, windows, sums, largest, told, marks)
        if values.shape[0] > 0:
            members = members_down, members_across, across
            again += _scan(sums, members, largest, told, marks)
        for place in range(marks.shape[0]):
            mark = marks[place]
            if values.shape[0] > 0:
                found = events
                for c in range(mark.shape[0]):
                    out_values[found] = largest[place, c] - told[place, c]
                    told[place, c] = largest[place, c]
                    found += (mark[c] & CHANGED) // CHANGED
            for c in range(mark.shape[0]):  # without a branch: few could be foretold
                out_channels[events] = c
                touched += mark[c] & REACHED
                events += (mark[c] & CHANGED) // CHANGED
                mark[c] = 0
            out_offsets[t * marks.shape[0] + place + 1] = out_offsets[0] + events
    return events, compared, touched, again


@kernel
def _arrive(channels, values, offsets, windows, sums, largest, told, marks):
    """Add the events of a timestep, and compare the sums in every window; returns how often."""
    windows_down, windows_across, wide = windows
    across, compared = windows_across.shape[0], 0
    for source in range(sums.shape[0]):
        start, end = offsets[source], offsets[source + 1]
        if start == end:
            continue
        top, below = windows_down[source // across]
        left, right = windows_across[source % across]
        compared += (end - start) * max(0, below - top) * max(0, right - left)
        own = sums[source]
        for a in range(top, below):
            for b in range(left, right):
                is_last = a == below - 1 and b == right - 1
                place = a * wide + b
                high, before, mark = largest[place], told[place], marks[place]
                for k in range(start, end):  # without a branch, as above
                    c = channels[k]
                    new = own[c] + (values[k] if values.shape[0] > 0 else sums.dtype.type(1))
                    found = REACHED | (CHANGED if new > high[c] else 0)
                    if values.shape[0] > 0:
                        fell = (new < own[c]) & (own[c] == before[c])
                        found |= FALLEN if fell else 0
                    mark[c] |= found
                    high[c] = max(high[c], new)
                    if is_last:
                        own[c] = new
    return compared


@kernel
def _scan(sums, members, largest, told, marks):
    """Look for the largest sum where one that was it fell and none rose; returns the sums read.

    They are the other ones of windows in which no sum is as large as the largest was.
    """
    members_down, members_across, across = members
    again, wide = 0, members_across.shape[0]
    for place in range(marks.shape[0]):
        top, below = members_down[place // wide]
        left, right = members_across[place % wide]
        for c in range(marks.shape[1]):
            if marks[place, c] & (CHANGED | FALLEN) == FALLEN:
                now = sums[top * across + left, c]
                for row in range(top, below):
                    for column in range(left, right):
                        now = max(now, sums[row * across + column, c])
                largest[place, c] = now
                if now < told[place, c]:
                    marks[place, c] |= CHANGED
                    again += (below - top) * (right - left) - 1
    return again


@kernel
def largest_of(charges, members_down, members_across, across, pooled):
    """pooled[p, c] = the largest charge in the window of p; 0 where no source is in it."""
    wide = members_across.shape[0]
    for p in range(pooled.shape[0]):
        top, below = members_down[p // wide]
        left, right = members_across[p % wide]
        if top < below and left < right:
            for c in range(pooled.shape[1]):
                pooled[p, c] = charges[top * across + left, c]
        for row in range(top, below):
            for column in range(left, right):
                for c in range(pooled.shape[1]):
                    pooled[p, c] = max(pooled[p, c], charges[row * across + column, c])
