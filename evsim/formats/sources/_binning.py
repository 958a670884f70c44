"""Recordings as events of evsim: timesteps and neurons, of a file or of a source read in place."""

from __future__ import annotations

import math

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.base.fields import NEURONS
from evsim.engine.events import Events
from evsim.formats.sources._content import Recordings
from evsim.formats.sources._options import Options

LATEST = 1 << 31  # of timesteps: later ones do not fit a file of events


def binned(parts, recordings: Recordings, options: Options):
    """(timesteps, neurons, shape, events dropped) of one recording; equal ones are merged.

    Timestep = floor((t - start) / bin), neuron = (row * width + column) * 2 + polarity.
    """
    sensor = options.sensor or recordings.sensor
    if sensor is None:
        raise mismatch("no resolution in the file", "HEIGHTxWIDTH", "sensor")
    shape = (*(-(-n // options.pool) for n in sensor), 2)
    neurons, keys, late, start = math.prod(shape), np.empty(0, np.int64), 0, recordings.start
    if neurons > NEURONS:
        raise mismatch(f"{neurons} pixels and polarities", f"at most {NEURONS}", "sensor")
    for t, x, y, p in parts:
        t, x, y, p = (np.asarray(v).astype(np.int64) for v in (t, x, y, p))
        if not t.size:
            continue
        start = int(t.min()) if start is None else start
        for name, value, bound in (("x", x, sensor[1]), ("y", y, sensor[0]), ("polarity", p, 2)):
            outside = (value < 0) | (value >= bound)
            if outside.any():
                raise mismatch(f"{name} = {value[outside][0]}", f"0 to {bound - 1}", "events")
        if (t < start).any():
            raise mismatch(f"a time of {t.min()} us", f"at least {start}", "events")
        timestep = (t - start) // options.bin
        inside = timestep < (options.timesteps or LATEST)
        late += int(np.count_nonzero(~inside))
        p = 1 - p if options.swap_polarity else p
        neuron = (y // options.pool * shape[1] + x // options.pool) * 2 + p
        present = np.unique((timestep * neurons + neuron)[inside])
        keys = present if not keys.size else np.union1d(keys, present)
    return keys // neurons, keys % neurons, shape, late


def read_binned(recordings: Recordings, options: Options, index: int):
    """The recording `index` as `binned` gives it; errors name the recording."""
    name, parts = recordings.read(index)
    try:
        return binned(parts, recordings, options)
    except EvsimError as error:
        raise error.within(file=name) from None


class RecordedEvents(Events):
    """The events of recordings, each read and binned when it is used; all values are +1."""

    def __init__(self, recordings: Recordings, options: Options):
        self.recordings, self.options = recordings, options
        *_, self.shape, _ = binned((), recordings, options)
        self.samples, self.graded = recordings.samples, False
        self.first, self.last = 0, self.samples
        self.longest = {}  # shared by the slices of these events

    @property
    def timesteps(self) -> int:
        """How many timesteps there are: as asked for, or as many as the longest recording has.

        For the latter all recordings are read.
        """
        if self.options.timesteps is not None:
            return self.options.timesteps
        if not self.longest:
            steps = (self._steps(index) for index in range(self.samples))
            self.longest["timesteps"] = max(1, max(steps))
        return self.longest["timesteps"]

    def _steps(self, index: int) -> int:
        timesteps = read_binned(self.recordings, self.options, index)[0]
        return int(timesteps[-1]) + 1 if timesteps.size else 0

    def at_or_after(self, timestep: int) -> int:
        """How many of these events are at or after a timestep; reads them where nothing tells."""
        known = self.options.timesteps or self.longest.get("timesteps")
        if known is not None and known <= timestep:
            return 0
        return sum(
            int(np.count_nonzero(self.of(index)[0] >= timestep)) for index in range(len(self))
        )

    def of(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(timesteps, neurons, values) of the sample `index` of these."""
        try:
            events = read_binned(self.recordings, self.options, self.first + index)
        except EvsimError as error:
            raise error.within("" if error.place else "events") from None
        timesteps, neurons = events[:2]
        return timesteps, neurons, np.ones(neurons.size)
