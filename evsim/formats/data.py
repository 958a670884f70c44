"""Data: files of format "evsim-data" and sources of other kinds; images or events, with labels."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.base.overview import Overview, Shown
from evsim.engine.events import Events
from evsim.formats import _hdf5 as hdf5
from evsim.formats import sources
from evsim.formats._origin import Origin

FORMAT = "evsim-data"
READ = 8 << 20  # bytes of images read in one go


class Images:
    """The images of a file, read by slices: `images[:100]` is an array of raw values."""

    def __init__(self, dataset: Any, path: str, first: int = 0, last: int | None = None):
        self.dataset, self.path, self.first = dataset, path, first
        self.last = dataset.shape[0] if last is None else last
        self.shape, self.dtype = (self.last - first, *dataset.shape[1:]), dataset.dtype
        self.held = (0, np.empty(0))  # the first index and content of what was read last

    def __len__(self) -> int:
        return self.last - self.first

    def part(self, samples: slice) -> Images:
        """Some of these images, a slice of them; they are read when they are used."""
        first, last, _ = samples.indices(len(self))
        return Images(self.dataset, self.path, self.first + first, self.first + last)

    def __getitem__(self, index: Any) -> np.ndarray:
        if isinstance(index, slice):
            first, last, step = index.indices(len(self))
            return self._read(self.first + first, self.first + max(first, last))[::step]
        begin, content = self.held
        if not begin <= index < begin + len(content):
            image_bytes = max(1, math.prod(self.shape[1:]) * self.dtype.itemsize)
            count = getattr(self.dataset, "batch", None) or max(1, READ // image_bytes)
            begin, last = index, min(index + count, len(self))
            content = self._read(self.first + begin, self.first + last)
            self.held = begin, content
        image = content[index - begin]
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            place = f"/images, sample {self.first + index}"
            raise mismatch("NaN or infinity", "finite values", place).within(file=self.path)
        return image

    def _read(self, first: int, last: int) -> np.ndarray:
        try:
            return self.dataset[first:last]
        except EvsimError as error:
            raise error.within("" if error.place else "images", self.path) from None
        except (OSError, RuntimeError) as error:
            raise hdf5.damaged(error, "/images").within(file=self.path) from None


class Data(Shown):
    """Open data: `images` or `events` (the other is None), `labels` or None.

    `kind`: what was read, in words; `classes`: the names of the labels 0, 1, ... where they have
    some. `file`: the open file, of a data file.
    """

    def __init__(self, path: str, kind: str, origin: Origin, close: Callable[[], None]):
        self.path, self.kind, self.origin, self._close = path, kind, origin, close
        self.images: Images | None = None
        self.events: Events | None = None
        self.labels: np.ndarray | None = None
        self.file: Any = None
        self.classes: list[str] = []

    def overview(self) -> Overview:
        """What each sample is, how many there are, and how many of each class."""
        held = self.inputs
        size = " x ".join(map(str, held.shape[1:] if self.events is None else held.shape))
        what = "images"
        if self.events is not None:
            what = f"events, {self.events.timesteps} timesteps"
        title = f"{self.path or self.kind}: {self.samples:,} samples, {what} of {size}"
        if self.labels is None:
            return Overview(title, notes=["no labels"])
        classes, counts = np.unique(self.labels, return_counts=True)
        names = dict(enumerate(self.classes))
        rows = [
            (names.get(one, str(one)), count)
            for one, count in zip(classes.tolist(), counts.tolist(), strict=True)
        ]
        return Overview(title, ("class", "samples"), rows)

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return len(self.inputs)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file, or that of a list of files and options (`Origin.sha256`).

        Raises EvsimError where they are no longer what was opened.
        """
        return self.origin.sha256

    def begin_digest(self) -> None:
        """Hash in the background from now on: `sha256` then waits for the rest only."""
        self.origin.begin()

    def verify(self) -> None:
        """Raise EvsimError unless the files are those that were opened, unchanged."""
        self.origin.verify()

    @property
    def inputs(self) -> Images | Events:
        """What is simulated: the images, or the events."""
        held = self.events if self.images is None else self.images
        assert held is not None
        return held

    def close(self) -> None:
        """Close the file; images and events cannot be read any more."""
        self.origin.close()
        self._close()

    def __enter__(self) -> Data:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_data(path: Any) -> Data:
    """Open data: a data file, or a source of another kind, with options behind its path.

    `path`: such as data.h5, photos::size=224x224,gray or Test.zip::bin=500. Nothing is copied and
    nothing read before it is used. Raises EvsimError with file, place, found and expected.
    """
    place, text = sources.split(path)
    try:
        options = sources.parsed(text)
    except EvsimError as error:
        raise error.within(file=str(path)) from None
    kind = source_of(path)
    if kind is not None:
        return _source(str(path), place, kind, options)
    if text and os.path.exists(place):
        raise mismatch(f"the options {text!r}", "none: a data file has no options").within(
            file=place
        )
    with hdf5.reading(place):
        origin = Origin(place)
        file = hdf5.open_file(place)
        try:
            return _data_file(file, str(path), origin)
        except BaseException:
            file.close()
            raise


def source_of(path: Any) -> Any:
    """The kind of a source that is no data file; None where it is one, or no kind at all."""
    place, _ = sources.split(path)
    if os.path.isdir(place):
        return sources.claimed(place)
    with hdf5.reading(place):
        if not hdf5.signed(place):
            return sources.claimed(place)
        with hdf5.open_file(place) as file:
            return sources.claimed(place, frozenset(file))


def _source(path: str, place: str, kind: Any, options: Any) -> Data:
    with sources.reading(place):
        origin = Origin(place, lambda: kind.files(Path(place), options), options.given)
    content = sources.opened(kind, place, options, origin.names)
    try:
        data = Data(path, kind.TITLE, origin, content.close)
        if isinstance(content, sources.Pictures):
            data.images = _checked(content.rows, place)
        else:
            data.events = sources.RecordedEvents(content, options)
        data.labels, data.classes = content.labels, content.classes
        return data
    except EvsimError as error:
        content.close()
        raise error.within(file=place) from None


def _data_file(file: Any, path: str, origin: Origin) -> Data:
    data = Data(path, FORMAT, origin, file.close)
    data.file, present = file, hdf5.names(file)
    if "format" in file.attrs or "version" in file.attrs:
        hdf5.check_format(file, FORMAT)
    if ("images" in present) == ("events" in present):
        found = "both" if "images" in present else hdf5.described(file, None)
        raise mismatch(found, "either a dataset 'images' or a group 'events'")
    if "images" in present:
        data.images = _checked(hdf5.checked(file["images"], "/images"), path)
    else:
        group = hdf5.group(file, "events", "/events")
        try:
            data.events = _events(group)
        except EvsimError as error:
            raise error.within("/events") from None
    if "labels" in present:
        data.labels = _labels(file, data.samples)
    return data


def _checked(rows: Any, path: str) -> Images:
    """The images of a dataset, or of what is read like one, if they are some."""
    if rows.dtype != np.uint8 and rows.dtype.kind != "f":
        raise mismatch(f"dtype {rows.dtype}", "uint8 or float", "/images")
    if len(rows.shape) not in (2, 3, 4) or 0 in rows.shape[1:]:
        expected = "(samples, height, width, channels), (samples, height, width) or (samples, n)"
        raise mismatch(f"shape {rows.shape}", expected, "/images")
    if not rows.shape[0]:
        raise mismatch("no samples", "at least one", "/images")
    return Images(rows, path)


def _labels(file: Any, samples: int) -> np.ndarray:
    labels = hdf5.checked(file["labels"], "/labels")
    if labels.dtype.kind not in "iu":
        raise mismatch(f"dtype {labels.dtype}", "integers", "/labels")
    if labels.shape != (samples,):
        raise mismatch(f"shape {labels.shape}", f"({samples},), one per sample", "/labels")
    return labels[()].astype(np.int64)


def _events(group: Any) -> Events:
    present = hdf5.names(group)
    columns = {}
    for name in ("sample", "timestep", "neuron", "value"):
        if name in present:
            columns[name] = hdf5.checked(group[name], name)
        elif name != "value":
            raise EvsimError(f"missing dataset {name!r}")
    attributes = {}
    for name in ("shape", "samples", "timesteps", "graded"):
        if name in group.attrs:
            attributes[name] = hdf5.attribute(group, name)
        elif name != "graded":
            raise EvsimError(f"missing attribute {name!r}")
    return Events(**columns, **attributes)
