"""The event queue: what one population sent in one sample, ordered by (timestep, neuron)."""

from __future__ import annotations

import copy
from math import prod
from typing import NamedTuple

import numpy as np

from evsim.parts import NEURONS, kernel, mismatch, shown

SCAN = 1 << 20  # events checked in one go
MOST = {"samples": 100_000_000, "timesteps": 2**31}  # of a file: where each begins is in memory
SPARE = 16  # readers and writers may touch so many events past the last one


class Window(NamedTuple):
    """The events of some consecutive timesteps.

    Event k is at channel `channels[k]`; those of timestep i of the window and position p are
    `offsets[i * positions + p]` up to, not including, the next offset. `values` is None where
    every value is +1.
    """

    channels: np.ndarray
    values: np.ndarray | None
    offsets: np.ndarray


class Stream:
    """An event queue that is appended to at one end and read by windows, each with its delay.

    `positions` x `channels` neurons; `valued`: the dtype of event values, None where all are +1.
    With `repeats` the stream holds one timestep, which stands for every timestep.
    """

    def __init__(self, positions: int, channels: int, valued=None, repeats: bool = False):
        self.positions, self.width, self.repeats = positions, channels, repeats
        self.first = self.steps = self.count = 0
        self.channels = np.zeros(SPARE, np.int32)
        self.values = None if valued is None else np.zeros(SPARE, valued)
        self.offsets = np.zeros(1, np.int64)

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
        edges = np.arange(1, duration * self.positions + 1)
        offsets[1 : edges.size + 1] = self.count + np.searchsorted(position, edges)
        self.commit(duration, neurons.size)

    def clear(self, valued=None, repeats: bool = False) -> None:
        """Empty the stream for another sample; its memory is kept."""
        self.first = self.steps = self.count = 0
        self.repeats = repeats
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

    def window(self, start: int, stop: int) -> Window:
        """The events of timesteps start .. stop - 1."""
        if self.repeats:
            start, stop = 0, 1
        a, b = (start - self.first) * self.positions, (stop - self.first) * self.positions
        return Window(self.channels, self.values, self.offsets[a : b + 1])

    def per_timestep(self, start: int, stop: int) -> np.ndarray:
        """The number of events in each of the timesteps start .. stop - 1."""
        ends = self.window(start, stop).offsets[:: self.positions]
        counts = np.diff(ends)
        return np.repeat(counts, stop - start) if self.repeats else counts

    def events(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(timesteps, neurons, values) of the events of timesteps start .. stop - 1."""
        window = self.window(start, stop)
        counts = np.diff(window.offsets)
        cell = np.repeat(np.arange(counts.size), counts)
        part = slice(window.offsets[0], window.offsets[-1])
        neurons = cell % self.positions * self.width + window.channels[part]
        values = (
            np.ones(neurons.size, np.int8) if window.values is None else window.values[part].copy()
        )
        return start + cell // self.positions, neurons, values


class Pairs(Stream):
    """The events of neurons that send two in a window of timesteps, or none.

    A neuron with charge q sends the sign of q in the first timestep of the window, and the
    opposite sign |q| timesteps later. `charges` (neurons,) are those of a filled stream.
    """

    charges: np.ndarray | None = None

    def clear(self, valued=None, repeats: bool = False) -> None:
        super().clear(valued, repeats)
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

    def charged(self) -> Window:
        """Every charge as the value of one event, all in one timestep."""
        neurons = np.flatnonzero(self.charges)
        per_position = np.bincount(neurons // self.width, minlength=self.positions)
        offsets = np.concatenate([[0], per_position.cumsum()])
        channels = np.zeros(neurons.size + SPARE, np.int32)
        channels[: neurons.size] = neurons % self.width
        return Window(channels, self.charges[neurons], offsets)


@kernel
def list_pairs(charges, channels, values, offsets):
    """List the events of charges (positions, channels) by timestep and neuron.

    Afterwards those of timestep t and position p are from offsets[t * positions + p] on.
    """
    positions = charges.shape[0]
    offsets[:] = 0
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


class Events:
    """Events of many samples, strictly ascending by (sample, timestep, neuron).

    Columns are arrays or open datasets, read by slices. `value` absent: all +1. `graded`: None:
    graded if any value of all samples is not +1 or -1. `events[a:b]` are those of some samples.
    """

    def __init__(
        self, sample, timestep, neuron, value=None, *, shape, samples, timesteps, graded=None
    ):
        self.columns = {"sample": sample, "timestep": timestep, "neuron": neuron}
        if value is not None:
            self.columns["value"] = value
        self.shape = tuple(int(n) for n in np.ravel(_wholes(shape, "shape", 1, (1, 3))))
        self.samples = int(_wholes(samples, "samples", 1, (1,)).item())
        self.timesteps = int(_wholes(timesteps, "timesteps", 1, (1,)).item())
        self.first, self.last = 0, self.samples
        for name, most in MOST.items():
            if getattr(self, name) > most:
                raise mismatch(getattr(self, name), f"at most {most}", name)
        if prod(self.shape) > NEURONS:
            raise mismatch(f"{prod(self.shape)} neurons", f"at most {NEURONS}", "shape")
        self._check_columns()
        self.offsets, binary = self._scan()
        if graded is not None:
            graded = np.asarray(graded)
            if graded.size != 1 or graded.dtype.kind not in "biu" or graded.item() not in (0, 1):
                raise mismatch(shown(graded), "true or false", "graded")
            if not graded.item() and not binary:
                expected = "+1 and -1 only, as the attribute graded is false"
                raise mismatch("other values", expected, "value")
        self.graded = not binary if graded is None else bool(graded.item())

    def _check_columns(self) -> None:
        length = None
        for name, column in self.columns.items():
            if len(column.shape) != 1 or (length is not None and column.shape[0] != length):
                expected = "one axis" if length is None else f"({length},), one per event"
                raise mismatch(f"shape {column.shape}", expected, name)
            length = column.shape[0]
            allowed = "iuf" if name == "value" else "iu"
            if column.dtype.kind not in allowed:
                expected = "integers" if allowed == "iu" else "real numbers"
                raise mismatch(f"dtype {column.dtype}", expected, name)

    def _scan(self) -> tuple[np.ndarray, bool]:
        """Check all events; returns where each sample begins, and whether all are +1 or -1."""
        bounds = {
            "sample": self.samples,
            "timestep": self.timesteps,
            "neuron": prod(self.shape),
        }
        total = self.columns["sample"].shape[0]
        offsets = np.zeros(self.samples + 1, np.int64)
        binary, before = True, None
        for a in range(0, total, SCAN):
            part = {name: np.asarray(c[a : a + SCAN]) for name, c in self.columns.items()}
            for name, bound in bounds.items():
                if part[name].min() < 0 or part[name].max() >= bound:
                    outside = (part[name] < 0) | (part[name] >= bound)
                    k = int(np.flatnonzero(outside)[0])
                    raise mismatch(f"{part[name][k]} at event {a + k}", f"0 to {bound - 1}", name)
            if prod(bounds.values()) >= 1 << 63 or not _ascending(part, bounds, before):
                _check_order(part, bounds, before, a)
            before = {name: part[name][-1:] for name in bounds}
            first, last = int(part["sample"][0]), int(part["sample"][-1])
            edges = np.arange(first, last + 1).astype(part["sample"].dtype)
            ends = np.append(np.searchsorted(part["sample"], edges)[1:], len(part["sample"]))
            offsets[first + 1 : last + 2] = a + ends
            offsets[last + 2 :] = a + ends[-1]
            if "value" in part:
                value = part["value"]
                bad = (value == 0) | ~np.isfinite(value)
                if bad.any():
                    k = int(np.flatnonzero(bad)[0])
                    expected = "finite values other than 0"
                    raise mismatch(f"{value[k]} at event {a + k}", expected, "value")
                binary = binary and bool((np.abs(value) == 1).all())
        return offsets, binary

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, index: slice) -> Events:
        start, stop, step = index.indices(len(self))
        if step != 1:
            raise ValueError(f"events are sliced with step 1, not {step}")
        some = copy.copy(self)
        some.first, some.last = self.first + start, self.first + max(start, stop)
        return some

    def at_or_after(self, timestep: int) -> int:
        """How many of these events are at or after a timestep."""
        late = 0
        for a in range(self.offsets[self.first], self.offsets[self.last], SCAN):
            some = slice(a, min(a + SCAN, int(self.offsets[self.last])))
            late += int(np.count_nonzero(np.asarray(self.columns["timestep"][some]) >= timestep))
        return late

    def of(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(timesteps, neurons, values) of the sample `index` of these."""
        part = slice(*self.offsets[self.first + index : self.first + index + 2])
        timesteps, neurons = (
            np.asarray(self.columns[name][part]).astype(np.int64) for name in ("timestep", "neuron")
        )
        if "value" not in self.columns:
            return timesteps, neurons, np.ones(neurons.size)
        return timesteps, neurons, np.asarray(self.columns["value"][part]).astype(np.float64)


def _ascending(part: dict, bounds: dict, before: dict | None) -> bool:
    """Whether events are strictly ascending, one number for each: quicker than `_check_order`."""
    keys = _keys(part, bounds)
    later = before is None or keys[0] > _keys(before, bounds)[0]
    return bool(later and (keys[1:] > keys[:-1]).all())


def _keys(part: dict, bounds: dict) -> np.ndarray:
    keys = part["sample"].astype(np.int64)
    for name in ("timestep", "neuron"):
        keys *= bounds[name]
        keys += part[name].astype(np.int64, copy=False)
    return keys


def _check_order(part: dict, bounds: dict, before: dict | None, start: int) -> None:
    """Raise an error that names the first event, counted from `start`, that does not ascend."""
    keys = np.stack([part[name].astype(np.int64) for name in bounds])
    if before is not None:
        last = np.stack([before[name].astype(np.int64) for name in bounds])
        keys = np.concatenate([last, keys], axis=1)
    step = np.diff(keys, axis=1)
    ascending = (step[0] > 0) | (
        (step[0] == 0) & ((step[1] > 0) | ((step[1] == 0) & (step[2] > 0)))
    )
    if not ascending.all():
        k = int(np.flatnonzero(~ascending)[0])
        what = "repeated" if not step[:, k].any() else "unordered"
        k += start + (before is None)
        expected = "events strictly ascending by sample, timestep, neuron"
        raise mismatch(f"{what} event {k}", expected)


def _wholes(value, name: str, least: int, sizes: tuple[int, ...]) -> np.ndarray:
    value = np.asarray(value)
    if value.dtype.kind not in "iu" or value.size not in sizes or (value < least).any():
        expected = f"{' or '.join(map(str, sizes))} whole numbers of at least {least}"
        raise mismatch(shown(value), expected, name)
    return value
