"""The stream of a population: what it sent in one sample, ordered by (timestep, neuron)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from evsim.base.kernel import SPARE, kernel
from evsim.base.listing import list_marked


class Slice(NamedTuple):
    """The events of some consecutive timesteps.

    Event k is at channel `channels[k]`; those of timestep i of the slice and position p are
    `offsets[i * positions + p]` up to, not including, the next offset. `values` is None where
    every value is +1.
    """

    channels: np.ndarray
    values: np.ndarray | None
    offsets: np.ndarray


class Stream:
    """Events that are appended at one end and read in slices, each set with its delay.

    `positions` x `channels` neurons; `valued`: the dtype of event values, None where all are +1.
    With `repeats` the stream holds one timestep, which stands for every timestep. Of several
    `samples` side by side the positions are those of all, one sample after the other. `sent`
    (positions, channels): how often each neuron was marked, where all that is sent is `marked`.
    """

    def __init__(self, positions: int, channels: int, valued=None, repeats: bool = False):
        self.positions, self.width, self.repeats, self.samples = positions, channels, repeats, 1
        self.first = self.steps = self.count = 0
        self.channels = np.zeros(SPARE, np.int32)
        self.values = None if valued is None else np.zeros(SPARE, valued)
        self.offsets = np.zeros(1, np.int64)
        self._marks = np.zeros(SPARE, np.uint8)
        self.sent, self.marked = None, False

    @property
    def dtype(self):
        """That of event values, None where all are +1."""
        return None if self.values is None else self.values.dtype

    def reserve(self, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Room for `steps` timesteps in which every neuron fires.

        Returns views (channels, offsets, values) that begin where the next event belongs.
        """
        need = self.count + steps * self.positions * self.width + SPARE
        if self.channels.size < need:
            self.channels = _grown(self.channels, need, self.count)
            if self.values is not None:
                self.values = _grown(self.values, need, self.count)
        used = self.steps * self.positions + 1
        end = used + steps * self.positions
        if self.offsets.size < end:
            self.offsets = _grown(self.offsets, end, used)
        values = None if self.values is None else self.values[self.count :]
        return self.channels[self.count :], self.offsets[used - 1 : end], values

    def commit(self, steps: int, events: int) -> None:
        """Take over `steps` timesteps with `events` events written to the reserved room."""
        self.steps += steps
        self.count += events

    def room_for_marks(self, steps: int) -> np.ndarray:
        """An array (steps, neurons), uint8, to be set to 1 where a neuron fires, 0 elsewhere.

        That is for populations whose events are all +1, or get their values afterwards.
        """
        size = steps * self.positions * self.width
        if self._marks.size < size + SPARE:
            self._marks = np.zeros(size + SPARE, np.uint8)
        return self._marks[:size].reshape(steps, -1)

    def commit_marks(self, steps: int) -> None:
        """Append the events of `steps` timesteps that the room for marks holds.

        Only where no events of the sample are appended in another way, as `sent` counts these.
        """
        if self.sent is None:
            self.sent = np.zeros((self.positions, self.width), np.int64)
        channels, offsets, _ = self.reserve(steps)
        self.marked = True
        self.commit(steps, list_marked(self._marks, channels, offsets, self.sent))

    def rest(self, steps: int) -> None:
        """Append `steps` timesteps without an event."""
        used = self.steps * self.positions + 1
        end = used + steps * self.positions
        if self.offsets.size < end:
            self.offsets = _grown(self.offsets, end, used)
        self.offsets[used:end] = self.count
        self.commit(steps, 0)

    def extend(self, neurons: np.ndarray, steps: np.ndarray, duration: int, values=None) -> None:
        """Append `duration` timesteps; event k is (steps[k], neurons[k]), in ascending order."""
        channels, offsets, room = self.reserve(duration)
        position = steps * self.positions + neurons // self.width
        channels[: neurons.size] = neurons % self.width
        if room is not None:
            room[: neurons.size] = values
        cells = duration * self.positions
        np.cumsum(np.bincount(position, minlength=cells), out=offsets[1 : cells + 1])
        offsets[1 : cells + 1] += self.count
        self.commit(duration, neurons.size)

    def take_turns(self, one_by_one: Stream) -> None:
        """Append the events of a stream that holds the timesteps of one sample after the other."""
        steps, count = one_by_one.steps // self.samples, one_by_one.count
        channels, offsets, values = self.reserve(steps)
        if values is None:
            taken = values = channels[:0]
        else:  # as integers: two signatures are enough for the kernel
            integer = f"i{values.itemsize}"
            taken, values = one_by_one.values.view(integer), values.view(integer)
        order = one_by_one.channels, taken, one_by_one.offsets, one_by_one.positions, self.samples
        take_turns(*order, channels, values, offsets[: steps * self.positions + 1])
        self.commit(steps, count)

    def clear(self, valued=None, repeats: bool = False, samples: int = 1) -> None:
        """Empty the stream for other samples, so many; its memory is kept."""
        self.first = self.steps = self.count = 0
        self.positions, self.samples = self.positions // self.samples * samples, samples
        self.repeats, self.sent, self.marked = repeats, None, False
        if valued is None or self.values is None:
            self.values = None if valued is None else np.zeros(self.channels.size, valued)

    def forget(self, before: int) -> None:
        """Drop the timesteps before `before`."""
        gone = min(before - self.first, self.steps)
        if gone <= 0 or self.repeats:
            return
        start, end = gone * self.positions, self.steps * self.positions + 1
        events = self.offsets[start]
        for column in (self.channels,) if self.values is None else (self.channels, self.values):
            column[: self.count - events] = column[events : self.count]
        self.offsets[: end - start] = self.offsets[start:end] - events
        self.first, self.steps, self.count = (
            self.first + gone,
            self.steps - gone,
            self.count - events,
        )

    def within(self, start: int, stop: int) -> tuple[int, int]:
        """The part of start .. stop - 1 in which there may be events."""
        return start, stop

    def slice(self, start: int, stop: int) -> Slice:
        """The events of timesteps start .. stop - 1."""
        if self.repeats:
            start, stop = 0, 1
        a, b = (start - self.first) * self.positions, (stop - self.first) * self.positions
        return Slice(self.channels, self.values, self.offsets[a : b + 1])

    def counts(self, start: int, stop: int) -> np.ndarray:
        """The number of events in timesteps start .. stop - 1, (timesteps, samples)."""
        ends = self.slice(start, stop).offsets[:: self.positions // self.samples]
        counts = (ends[1:] - ends[:-1]).reshape(-1, self.samples)
        return counts.repeat(stop - start, axis=0) if self.repeats else counts

    def per_timestep(self, start: int, stop: int) -> np.ndarray:
        """The number of events in each of the timesteps start .. stop - 1."""
        return self.counts(start, stop).sum(axis=1)

    def events(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(timesteps, neurons, values) of the events of timesteps start .. stop - 1."""
        events = self.slice(start, stop)
        counts = np.diff(events.offsets)
        cell = np.repeat(np.arange(counts.size), counts)
        part = np.s_[events.offsets[0] : events.offsets[-1]]
        neurons = cell % self.positions * self.width + events.channels[part]
        values = (
            np.ones(neurons.size, np.int8) if events.values is None else events.values[part].copy()
        )
        return start + cell // self.positions, neurons, values


class Pairs(Stream):
    """The events of neurons that send two in a window of timesteps, or none.

    A neuron with charge q sends the sign of q in the first timestep of the window, and the
    opposite sign |q| timesteps later. `charges` (neurons,) are those of a filled stream.
    """

    charges: np.ndarray | None = None

    def clear(self, valued=None, repeats: bool = False, samples: int = 1) -> None:
        super().clear(valued, repeats, samples)
        self.charges = None

    def fill(self, start: int, duration: int, charges: np.ndarray) -> None:
        """Take over the charges (neurons,) of the window of `duration` timesteps from `start`."""
        self.charges, self.first, self.steps = charges, start, duration
        self.count = 2 * int(np.count_nonzero(charges))
        if self.channels.size < self.count + SPARE:
            self.channels = np.zeros(self.count + SPARE, np.int32)
            self.values = np.zeros(self.channels.size, self.values.dtype)
        cells = duration * self.positions
        if self.offsets.size < cells + 2:
            self.offsets = np.zeros(cells + 2, np.int64)
        grid = charges.reshape(self.positions, self.width)
        list_pairs(grid, self.channels, self.values, self.offsets[: cells + 2])

    def within(self, start: int, stop: int) -> tuple[int, int]:
        start, stop = max(start, self.first), min(stop, self.first + self.steps)
        return (start, stop) if start < stop else (self.first, self.first)

    def forget(self, before: int) -> None:
        """Nothing: two events a neuron are little."""

    def charged(self) -> Slice:
        """Every charge as the value of one event, all in one timestep."""
        neurons = np.flatnonzero(self.charges)
        per_position = np.bincount(neurons // self.width, minlength=self.positions)
        offsets = np.concatenate([[0], per_position.cumsum()])
        channels = np.zeros(neurons.size + SPARE, np.int32)
        channels[: neurons.size] = neurons % self.width
        return Slice(channels, self.charges[neurons], offsets)


@kernel
def take_turns(
    channels, values, offsets, positions, samples, out_channels, out_values, out_offsets
):
    """Order events by (timestep, sample, position) that come by (sample, timestep, position)."""
    steps = (out_offsets.shape[0] - 1) // (samples * positions)
    n, cell = 0, 0
    for t in range(steps):
        for s in range(samples):
            first = (s * steps + t) * positions
            begin = offsets[first]
            for p in range(positions):
                cell += 1
                out_offsets[cell] = out_offsets[0] + n + offsets[first + p + 1] - begin
            for k in range(begin, offsets[first + positions]):
                out_channels[n] = channels[k]
                if values.shape[0] > 0:
                    out_values[n] = values[k]
                n += 1


@kernel
def list_pairs(charges, channels, values, offsets):
    """List the events of charges (positions, channels) by timestep and neuron.

    Afterwards those of timestep t and position p are from offsets[t * positions + p] on.
    """
    positions = charges.shape[0]
    for cell in range(offsets.shape[0]):
        offsets[cell] = 0
    for p in range(positions):
        for c in range(charges.shape[1]):
            if charges[p, c] != 0:
                offsets[p + 2] += 1
                offsets[abs(charges[p, c]) * positions + p + 2] += 1
    for cell in range(2, offsets.shape[0]):
        offsets[cell] += offsets[cell - 1]
    for p in range(positions):
        for c in range(charges.shape[1]):
            if charges[p, c] != 0:
                sign = 1 if charges[p, c] > 0 else -1
                for end in range(2):
                    cell = end * abs(charges[p, c]) * positions + p + 1
                    channels[offsets[cell]] = c
                    values[offsets[cell]] = sign if end == 0 else -sign
                    offsets[cell] += 1


def _grown(old: np.ndarray, need: int, used: int) -> np.ndarray:
    new = np.zeros(max(need, 2 * used), old.dtype)
    new[:used] = old[:used]
    return new
