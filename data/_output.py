"""Writing data files: a part at a time, under another name until they are complete."""

import math
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from evsim.base.errors import EvsimError
from evsim.formats import _checksums as checksums
from evsim.formats.sources import Options, Pictures, Recordings, read_binned
from evsim.formats.sources._archive import wrong

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


def images_of(pictures: Pictures) -> Images:
    """The images of a source, on their way."""
    samples, *shape = pictures.rows.shape
    count = getattr(pictures.rows, "batch", None)
    count = count or max(1, CHUNK // max(1, math.prod(shape) * pictures.rows.dtype.itemsize))

    def parts() -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        for first in range(0, samples, count):
            some = slice(first, min(first + count, samples))
            pixels = pictures.rows[some]
            if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
                raise wrong(pictures.source, "NaN or infinity", "finite floats", "images")
            yield pixels, None if pictures.labels is None else pictures.labels[some]

    return Images(
        pictures.rows.shape,
        pictures.rows.dtype,
        parts(),
        labelled=pictures.labels is not None,
        source=pictures.source,
        classes=pictures.classes,
    )


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
        if images.labelled:
            write_labels(file, images, labels)
    return f"{samples:,} images of {' x '.join(map(str, shape))}, {images.dtype}"


def write_events(
    path: Path, recordings: Recordings, options: Options, some: range, overwrite: bool
) -> str:
    """Write a data file of the recordings `some`; returns what it holds, in words."""
    labels, duration, total, late = recordings.labels, 1, 0, 0
    packed = PACKED | {"chunks": (CHUNK // 4,)}
    with new_file(path, overwrite) as file, progress(path.name, len(some)) as advance:
        describe(file, recordings, "height, width, polarity")
        events = checksums.group(file, "events")
        columns = [
            events.create_dataset(name, (0,), "u4", maxshape=(None,), **packed)
            for name in ("sample", "timestep", "neuron")
        ]
        for sample, index in enumerate(some):
            timestep, neuron, shape, lost = read_binned(recordings, options, index)
            values = (np.full(len(neuron), sample), timestep, neuron)
            for column, value in zip(columns, values, strict=True):
                column.resize((total + len(neuron),))
                column[total:] = value
            total += len(neuron)
            late += lost
            duration = max(duration, int(timestep.max(initial=0)) + 1)
            advance(1)
        steps = options.timesteps or duration
        checksums.note(events, shape=shape, samples=len(some), timesteps=steps)
        checksums.note(events, microseconds_per_timestep=options.bin)
        if labels is not None:
            write_labels(file, recordings, labels[some.start : some.stop])
    found = f"{len(some):,} recordings, {total:,} events, {steps} timesteps"
    return found + (f" ({late:,} events after them dropped)" if late else "")


def describe(file, content, layout: str) -> None:
    """Write where the data come from, and what their axes and classes are."""
    checksums.note(file, source=content.source, layout=layout)
    if content.classes:
        classes = ",".join(name.replace(",", " ") for name in content.classes)
        checksums.note(file, classes=classes)


def write_labels(file, content, labels) -> None:
    """Write the labels in the narrowest type."""
    if labels.min() < 0:
        raise wrong(content.source, f"label {labels.min()}", "0 or more")
    narrow = next(d for d in ("u1", "u2", "u4", "u8") if labels.max() <= np.iinfo(d).max)
    checksums.dataset(file, "labels", labels.astype(narrow))
