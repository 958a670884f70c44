"""Data as HDF5 files of format "evsim-data": images or events, with labels."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from evsim.events import Events
from evsim.formats import _hdf5 as hdf5
from evsim.parts import EvsimError, mismatch

FORMAT = "evsim-data"
READ = 8 << 20  # bytes of images read in one go


class Images:
    """The images of a file, read by slices: `images[:100]` is an array of raw values."""

    def __init__(self, dataset, path: str, first: int = 0, last: int | None = None):
        self.dataset, self.path, self.first = dataset, path, first
        self.last = dataset.shape[0] if last is None else last
        self.shape, self.dtype = (self.last - first, *dataset.shape[1:]), dataset.dtype
        self.held = (0, np.empty(0))  # the first index and content of what was read last

    def __len__(self) -> int:
        return self.last - self.first

    def part(self, some: slice) -> Images:
        """A slice that is read when it is used, a few megabytes at a time."""
        first, last, _ = some.indices(len(self))
        return Images(self.dataset, self.path, self.first + first, self.first + last)

    def __getitem__(self, index):
        if isinstance(index, slice):
            first, last, step = index.indices(len(self))
            return self._read(self.first + first, self.first + max(first, last))[::step]
        begin, content = self.held
        if not begin <= index < begin + len(content):
            each = max(1, math.prod(self.shape[1:]) * self.dtype.itemsize)
            begin, last = index, min(index + max(1, READ // each), len(self))
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
        except (OSError, RuntimeError) as error:
            raise hdf5.damaged(error, "/images").within(file=self.path) from None


class Data:
    """An open data file: `images` or `events` (the other is None), `labels` or None."""

    def __init__(self, file, path: str):
        self.file, self.path = file, path
        self.images = self.events = self.labels = None
        present = hdf5.names(file)
        if "format" in file.attrs or "version" in file.attrs:
            hdf5.check_format(file, FORMAT)
        if ("images" in present) == ("events" in present):
            found = "both" if "images" in present else hdf5.described(file, None)
            raise mismatch(found, "either a dataset 'images' or a group 'events'")
        if "images" in present:
            self.images = _images(file, path)
        else:
            group = hdf5.group(file, "events", "/events")
            try:
                self.events = _events(group)
            except EvsimError as error:
                raise error.within("/events") from None
        if "labels" in present:
            self.labels = _labels(file, self.samples)

    @property
    def samples(self) -> int:
        """The number of samples."""
        return len(self.events if self.images is None else self.images)

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the file."""
        return hdf5.digest(self.path)

    @property
    def inputs(self) -> Images | Events:
        """The images or the events."""
        return self.events if self.images is None else self.images

    def close(self) -> None:
        """Close the file; images and events cannot be read any more."""
        self.file.close()

    def __enter__(self) -> Data:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def open_data(path) -> Data:
    """Open a data file; raises EvsimError with file, place, found and expected."""
    with hdf5.reading(path):
        file = hdf5.open_file(path)
        try:
            return Data(file, str(path))
        except BaseException:
            file.close()
            raise


def _images(file, path: str) -> Images:
    dataset = hdf5.checked(file["images"], "/images")
    if dataset.dtype != np.uint8 and dataset.dtype.kind != "f":
        raise mismatch(f"dtype {dataset.dtype}", "uint8 or float", "/images")
    if dataset.ndim not in (2, 3, 4) or 0 in dataset.shape[1:]:
        expected = "(samples, height, width, channels), (samples, height, width) or (samples, n)"
        raise mismatch(f"shape {dataset.shape}", expected, "/images")
    if not dataset.shape[0]:
        raise mismatch("no samples", "at least one", "/images")
    return Images(dataset, path)


def _labels(file, samples: int) -> np.ndarray:
    labels = hdf5.checked(file["labels"], "/labels")
    if labels.dtype.kind not in "iu":
        raise mismatch(f"dtype {labels.dtype}", "integers", "/labels")
    if labels.shape != (samples,):
        raise mismatch(f"shape {labels.shape}", f"({samples},), one per sample", "/labels")
    return labels[()].astype(np.int64)


def _events(group) -> Events:
    present = hdf5.names(group)
    columns = {}
    for name in ("sample", "timestep", "neuron", "value"):
        if name in present:
            columns[name] = hdf5.checked(group[name], name)
        elif name != "value":
            raise EvsimError(f"missing dataset {name!r}")
    found = {}
    for name in ("shape", "samples", "timesteps", "graded"):
        if name in group.attrs:
            found[name] = hdf5.attribute(group, name)
        elif name != "graded":
            raise EvsimError(f"missing attribute {name!r}")
    return Events(**columns, **found)
