"""Recordings in one HDF5 file: t (us), x, y, p of all of them, one after the other, and offsets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.formats import _hdf5 as hdf5
from evsim.formats.sources._content import Recordings

TITLE = "streams of events in HDF5"
OPTIONS = ("bin", "timesteps", "sensor", "pool", "swap_polarity")
WHERE = ("file",)


def claims(sniffed) -> bool:
    """Whether an HDF5 file holds recordings as streams, by the names of its datasets."""
    return {"t", "x", "y", "p"} <= sniffed.datasets


def files(path: Path, options) -> list[str]:
    """Only "", for `path` itself: there is one file."""
    return [""]


def read(path: Path, options, names: list[str]) -> Recordings:
    """The recordings of datasets t, x, y, p, offsets (recordings + 1,) and perhaps labels."""
    with hdf5.reading(path):
        file = hdf5.open_file(path)
        try:
            return _recordings(path, file)
        except BaseException:
            file.close()
            raise


def _recordings(path: Path, file) -> Recordings:
    read, numbers, present = hdf5.Arrays(), {}, hdf5.names(file)
    for name in ("offsets", *(["labels"] if "labels" in present else [])):
        if name not in present:
            raise EvsimError(f"missing dataset {name!r}")
        numbers[name] = read(file[name], name)
        if not isinstance(numbers[name], np.ndarray) or numbers[name].dtype.kind not in "iuf":
            raise mismatch("other values", "numbers", name)
        numbers[name] = numbers[name].astype(np.int64)
    offsets, labels, lengths = numbers["offsets"], numbers.get("labels"), set()
    for name in "txyp":
        if name not in present:
            raise EvsimError(f"missing dataset {name!r}")
        if hdf5.checked(file[name], name).dtype.kind not in "iufb":
            raise mismatch(f"dtype {file[name].dtype}", "numbers", name)
        lengths.add(file[name].shape)
    length = next(iter(lengths))
    if len(lengths) > 1 or len(length) != 1 or offsets.ndim != 1 or offsets.size < 2:
        raise mismatch(f"shapes {sorted(lengths)}", "one value per event", "t, x, y, p")
    if (np.diff(offsets) < 0).any() or offsets[0] < 0 or offsets[-1] > length[0]:
        raise mismatch("other values", f"ascending, up to {length[0]}", "offsets")
    if labels is not None and labels.shape != (offsets.size - 1,):
        raise mismatch(f"shape {labels.shape}", f"({offsets.size - 1},)", "labels")
    said = hdf5.attribute(file, "sensor") if "sensor" in file.attrs else None
    about = hdf5.attribute(file, "source") if "source" in file.attrs else path.name

    def part(index: int) -> tuple[str, Iterable]:
        events = slice(*offsets[index : index + 2])
        with hdf5.reading(path):
            columns = [file[name][events] for name in "txyp"]
        return f"{path}: {index}", [columns]

    sensor = _sensor(said)
    return Recordings(sensor, offsets.size - 1, part, labels, str(about), close=file.close)


def _sensor(said) -> tuple[int, int] | None:
    """Height and width of what an attribute such as 34x34x2 says."""
    words = said.split("x")[:2] if isinstance(said, str) else []
    sound = len(words) == 2 and all(word.isdecimal() and len(word) < 6 for word in words)
    return (int(words[0]), int(words[1])) if sound else None
