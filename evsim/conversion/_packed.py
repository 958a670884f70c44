"""The events of a population in some samples, in few bytes: how they wait on disk."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from evsim.base.kernel import SPARE
from evsim.engine.stream import Stream


def packed(streams: list[Stream]) -> dict[str, np.ndarray]:
    """Arrays that hold the streams of one population, each of which begins at timestep 0.

    `channels`, and `values` where there are some: of all events. `counts` (samples, timesteps x
    positions): how many there are at each place. In the smallest whole numbers.
    """
    [width] = {stream.width for stream in streams}
    cells = [stream.steps * stream.positions for stream in streams]
    counts = [np.diff(s.offsets[: n + 1]) for s, n in zip(streams, cells, strict=True)]
    channels = [stream.channels[: stream.count] for stream in streams]
    arrays = {
        "counts": np.stack(counts).astype(np.min_scalar_type(width)),
        "channels": np.concatenate(channels).astype(np.min_scalar_type(width - 1)),
    }
    if streams[0].values is not None:
        arrays["values"] = np.concatenate([stream.values[: stream.count] for stream in streams])
    return arrays


def joined(parts: list[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays of several samples, made of those of each."""
    return {place: np.concatenate([part[place] for part in parts]) for place in parts[0]}


class Packed:
    """Streams of events as `packed` makes arrays of them, one after the other."""

    def __init__(self, arrays: Mapping[str, np.ndarray], positions: int, channels: int):
        self.arrays, self.positions, self.width = arrays, positions, channels
        events = arrays["counts"].sum(axis=1, dtype=np.int64)
        self.ends = np.concatenate([[0], events.cumsum()])

    def sums(self, index: int) -> np.ndarray:
        """The sum of the event values of each neuron in the sample `index`, (neurons,)."""
        counts, values = self.arrays["counts"][index], self.arrays.get("values")
        events = slice(*self.ends[index : index + 2].tolist())
        places = np.repeat(np.arange(counts.size) % self.positions, counts)
        neurons = places * self.width + self.arrays["channels"][events]
        weights = None if values is None else values[events]
        return np.bincount(neurons, weights, minlength=self.positions * self.width)

    def stream(self, index: int) -> Stream:
        """The stream of the sample `index`, for reading."""
        counts, values = self.arrays["counts"][index], self.arrays.get("values")
        events = slice(*self.ends[index : index + 2].tolist())
        valued = None if values is None else values.dtype
        stream = Stream(self.positions, self.width, valued)
        stream.count, stream.steps = events.stop - events.start, counts.size // self.positions
        stream.channels = np.zeros(stream.count + SPARE, np.int32)
        stream.channels[: stream.count] = self.arrays["channels"][events]
        stream.offsets = np.zeros(counts.size + 1, np.int64)
        np.cumsum(counts, out=stream.offsets[1:])
        if values is not None:
            stream.values = np.zeros(stream.channels.size, valued)
            stream.values[: stream.count] = values[events]
        return stream
