"""Writing data files: a part at a time, under another name until they are complete."""

import math
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from _archive import wrong
from rich.console import Console
from rich.progress import Progress

from evsim.formats import _checksums as checksums
from evsim.parts import NEURONS, EvsimError, mismatch

PACKED = {"compression": "gzip", "compression_opts": 4, "shuffle": True, "fletcher32": True}
PACKED |= {"track_times": False}
CHUNK = 1 << 20  # bytes of images read in one go, events compressed together
LARGEST = 1 << 28  # bytes of an image
PACK = 1 << 18  # bytes of images compressed together


LAYOUTS = {  # by the number of axes
    2: "samples, values",
    3: "samples, height, width",
    4: "samples, height, width, channels",
}


@dataclass
class Images:
    """Images on their way: `parts` gives some at a time, with their labels or None."""

    shape: tuple[int, ...]  # (samples, height, width, channels), (samples, height, width), ...
    dtype: np.dtype
    parts: Iterator[tuple[np.ndarray, np.ndarray | None]]
    labelled: bool
    source: str
    classes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


@dataclass
class Recordings:
    """Recordings of an event camera on their way.

    Each gives (name, label or None, parts), a part being arrays t (us), x, y, p; from `start` on:
    0, or None for the time of the first event.
    """

    sensor: tuple[int, int] | None  # height, width; None: an option must say it
    samples: int
    each: Iterable
    labelled: bool
    source: str
    classes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    start: int | None = 0


@dataclass(frozen=True)
class Binning:
    """How events become timesteps and neurons."""

    microseconds: int = 1000
    timesteps: int | None = None  # None: as many as the longest recording has
    sensor: tuple[int, int] | None = None  # height, width; None: what the recordings say
    swap_polarity: bool = False
    pool: int = 1  # so many pixels of a row, and rows, become one


@contextmanager
def new_file(path: Path, overwrite: bool):
    """An open HDF5 file that gets its name when it is complete; otherwise nothing is left."""
    part = path.with_name(path.name + ".part")
    for found in (path, part):
        if found.exists() and not overwrite:
            raise EvsimError("exists (--overwrite replaces it)", file=str(found))
    try:
        with checksums.create(part) as file:
            checksums.note(file, format="evsim-data", version=1)
            yield file
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def progress(what: str, total: int):
    """A function that moves a bar on, where somebody sees it, and stops after Ctrl-C.

    Python's own KeyboardInterrupt would be lost where it arrives inside the HDF5 library.
    """
    stopped = False

    def stop(*_) -> None:
        nonlocal stopped
        stopped = True
        signal.signal(signal.SIGINT, before)  # a second one stops at once

    def advance(done: int) -> None:
        bars.update(bar, advance=done)
        if stopped:
            raise KeyboardInterrupt

    console = Console(stderr=True)
    before = signal.signal(signal.SIGINT, stop)
    try:
        with Progress(console=console, transient=True, disable=not sys.stderr.isatty()) as bars:
            bar = bars.add_task(what, total=total)
            yield advance
    finally:
        signal.signal(signal.SIGINT, before)


def write_images(path: Path, images: Images, overwrite: bool) -> str:
    """Write a data file of images; returns what it holds, in words."""
    samples, *shape = images.shape
    if not samples:
        raise wrong(images.source, "no images", "at least one")
    size = math.prod(shape) * images.dtype.itemsize
    if not 0 < size <= LARGEST:
        found = f"{size} bytes per image"
        raise wrong(images.source, found, f"1 to {LARGEST}")
    each = max(1, PACK // size)
    with new_file(path, overwrite) as file, progress(path.name, samples) as advance:
        describe(file, images, LAYOUTS[len(images.shape)])
        chunks = (min(each, samples), *shape)
        stored = file.create_dataset("images", images.shape, images.dtype, chunks=chunks, **PACKED)
        labels = np.zeros(samples if images.labelled else 0, np.int64)
        done = 0
        for pixels, some in images.parts:
            stored[done : done + len(pixels)] = pixels
            if images.labelled:
                labels[done : done + len(pixels)] = some
            done += len(pixels)
            advance(len(pixels))
        if done != samples:
            raise wrong(images.source, f"{done} images", f"{samples}")
        write_labels(file, images, labels)
    return f"{samples:,} images of {' x '.join(map(str, shape))}, {images.dtype}"


def write_events(path: Path, recordings: Recordings, binning: Binning, overwrite: bool) -> str:
    """Write a data file of events; returns what it holds, in words."""
    if not recordings.samples:
        raise wrong(recordings.source, "no recordings", "at least one")
    labels, duration, total, late = [], 1, 0, 0
    packed = PACKED | {"chunks": (CHUNK // 4,)}
    with new_file(path, overwrite) as file, progress(path.name, recordings.samples) as advance:
        describe(file, recordings, "height, width, polarity")
        events = checksums.group(file, "events")
        columns = [
            events.create_dataset(name, (0,), "u4", maxshape=(None,), **packed)
            for name in ("sample", "timestep", "neuron")
        ]
        for sample, (name, label, parts) in enumerate(recordings.each):
            try:
                timestep, neuron, shape, lost = binned(parts, recordings, binning)
            except EvsimError as error:
                raise error.within(file=name) from None
            values = (np.full(len(neuron), sample), timestep, neuron)
            for column, value in zip(columns, values, strict=True):
                column.resize((total + len(neuron),))
                column[total:] = value
            total += len(neuron)
            late += lost
            duration = max(duration, int(timestep.max(initial=0)) + 1)
            labels.append(label)
            advance(1)
        steps, unit = binning.timesteps or duration, binning.microseconds
        checksums.note(events, shape=shape, samples=len(labels), timesteps=steps)
        checksums.note(events, microseconds_per_timestep=unit)
        write_labels(file, recordings, np.array(labels) if recordings.labelled else None)
    found = f"{len(labels):,} recordings, {total:,} events, {steps} timesteps"
    return found + (f" ({late:,} events after them dropped)" if late else "")


def binned(parts, recordings: Recordings, binning: Binning):
    """(timesteps, neurons, shape, events dropped) of one recording; equal ones are merged."""
    sensor = binning.sensor or recordings.sensor
    if sensor is None:
        raise mismatch("no resolution in the file", "the option --sensor HEIGHTxWIDTH")
    shape = (*(-(-n // binning.pool) for n in sensor), 2)
    neurons, keys, late, start = math.prod(shape), np.empty(0, np.int64), 0, recordings.start
    if neurons > NEURONS:
        raise mismatch(f"{neurons} pixels and polarities", f"at most {NEURONS}", "--sensor")
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
        timestep = (t - start) // binning.microseconds
        inside = timestep < (binning.timesteps or 1 << 31)
        late += int(np.count_nonzero(~inside))
        p = 1 - p if binning.swap_polarity else p
        neuron = (y // binning.pool * shape[1] + x // binning.pool) * 2 + p
        some = np.unique((timestep * neurons + neuron)[inside])
        keys = some if not keys.size else np.union1d(keys, some)
    return keys // neurons, keys % neurons, shape, late


def describe(file, content, layout: str) -> None:
    """Write where the data come from, and what their axes and classes are."""
    checksums.note(file, source=content.source, layout=layout)
    if content.classes:
        classes = ",".join(name.replace(",", " ") for name in content.classes)
        checksums.note(file, classes=classes)


def write_labels(file, content, labels) -> None:
    """Write the labels, if there are any, in the narrowest type."""
    if not content.labelled:
        return
    if labels.min() < 0:
        raise wrong(content.source, f"label {labels.min()}", "0 or more")
    narrow = next(d for d in ("u1", "u2", "u4", "u8") if labels.max() <= np.iinfo(d).max)
    checksums.dataset(file, "labels", labels.astype(narrow))
