"""One result file of all shards of a run."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np

from evsim.formats import _hdf5 as hdf5
from evsim.formats.result import FORMAT, VERSION
from evsim.parts import EvsimError, mismatch
from evsim.store import shards
from evsim.store.samples import EVENTS, SEPARATOR
from evsim.store.shards import Shard

CHUNK = 1 << 13  # bytes that a dataset is stored in, at least
LONG = 64 << 20  # and at most, by rows: HDF5 takes chunks of less than 4 GB
NODE = 4 << 10  # bytes that the index of a dataset takes, and again for every 32 chunks
HEADER = 64 << 10  # bytes that attributes and empty groups take, at most
AS_THEY_ARE = ("accesses", "ranges", "first_overflows", "trace", "queue")


class _Column:
    """A dataset that grows by whole chunks, so that none is read to be written again."""

    def __init__(self, file, place: str, rows: np.ndarray):
        rest = rows.shape[1:]
        self.chunk = _chunk(rows)
        self.dataset = file.create_dataset(
            place,
            shape=(0, *rest),
            maxshape=(None, *rest),
            chunks=self.chunk,
            dtype=rows.dtype,
            fletcher32=True,
        )
        self.waiting: list[np.ndarray] = []

    def add(self, rows: np.ndarray) -> None:
        self.waiting.append(rows)
        count = sum(map(len, self.waiting))
        if count >= self.chunk[0]:
            joined = np.concatenate(self.waiting) if len(self.waiting) > 1 else rows
            whole = count - count % self.chunk[0]
            self._write(joined[:whole])
            self.waiting = [joined[whole:]]

    def finish(self) -> None:
        """Write what is left."""
        if self.waiting:
            self._write(np.concatenate(self.waiting))

    def _write(self, rows: np.ndarray) -> None:
        if len(rows):
            before = len(self.dataset)
            self.dataset.resize(before + len(rows), axis=0)
            self.dataset[before:] = rows


def assemble(
    pieces, path: Path, scratch: Path, about: dict, parts: dict, labels, seconds: float
) -> None:
    """Write a result file at `path`, which another one may be at, by way of the folder `scratch`.

    `pieces`: (path of a shard, first sample, the one after the last) in order; `about`: the
    resolved settings; `parts` as networks describe them; `labels` of all samples, or None. Raises
    OSError where the disk has no room for it, nothing written.
    """
    import h5py

    temporary = scratch / f"{path.name}.{os.getpid()}{shards.TEMPORARY}"
    try:
        room = HEADER + (len(parts) << 12) + _room(pieces, labels)
        hdf5.hold(temporary, 0, room)
        with h5py.File(temporary, "w") as file, hdf5.room(file, temporary, room):
            _describe(file, about, parts)
            file.attrs["seconds"] = seconds
            columns: dict[str, _Column] = {}
            for place, rows in _rows(pieces, about, labels):
                if place not in columns:
                    columns[place] = _Column(file, place, rows)
                columns[place].add(rows)
            for column in columns.values():
                column.finish()
            for name in file.get("spikes", ()):
                _describe_events(file["spikes"][name], about, parts[name])
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        shards.flush_names(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _describe(file, about: dict, parts: dict) -> None:
    file.attrs.update(format=FORMAT, version=VERSION, settings=json.dumps(about))
    file.attrs.update({k: v for k, v in about.items() if v is not None})
    versions = {name: version(name) for name in ("numpy", "numba", "h5py")}
    versions |= {"evsim": about["evsim"], "python": platform.python_version()}
    file.attrs["versions"] = json.dumps(versions)
    for name, part in parts.items():
        file.create_group(f"parts/{name}").attrs.update(
            {k: v for k, v in part.items() if k != "shape"}
        )


def _describe_events(group, about: dict, part: dict) -> None:
    """What makes recorded spikes an event file."""
    group.attrs["shape"] = part["shape"]
    group.attrs["samples"] = about["first_sample"] + about["samples"]
    group.attrs["timesteps"] = about["timesteps"]


def _rows(pieces, about: dict, labels) -> Iterator[tuple[str, np.ndarray]]:
    """(place in the result file, rows to add there), shard by shard."""
    for path, first, last in pieces:
        with Shard(path) as shard:
            indices = shard["samples"]
            a, b = np.searchsorted(indices, (first, last))
            yield "samples", indices[a:b]
            decisions, facts = shard["decisions"][a:b], shard["facts"][a:b]
            yield "predictions", decisions[:, -1]
            yield "predictions_by_timestep", decisions
            if labels is not None:
                yield "labels", labels[indices[a:b] - about["first_sample"]]
            yield f"potential/{about['output']}", shard["potential"][a:b]
            for k, name in enumerate(shard["names"].tolist()):
                yield f"work/{name.replace(SEPARATOR, '/')}", facts[:, k]
            for place in shard.places:
                group, _, name = place.partition("/")
                if group in AS_THEY_ARE:
                    for rows in shard.blocks(place, a, b):
                        yield place, rows
                elif group == "spikes" and name.endswith("/count"):
                    yield from _events(shard, f"spikes/{name.removesuffix('/count')}", a, b)


def _events(shard: Shard, place: str, a: int, b: int) -> Iterator[tuple[str, np.ndarray]]:
    """The recorded events of the samples in rows a to b of a shard."""
    counts = shard[f"{place}/count"]
    bounds = np.concatenate([[0], counts.cumsum()])
    for index, count in zip(shard["samples"][a:b], counts[a:b], strict=True):
        for begin in range(0, max(int(count), 1), shards.BLOCK // 8):
            yield f"{place}/sample", np.full(min(int(count) - begin, shards.BLOCK // 8), index)
    for field in EVENTS:
        empty = True
        for rows in shard.blocks(f"{place}/{field}", int(bounds[a]), int(bounds[b])):
            empty = False
            yield f"{place}/{field}", _wide(rows)
        if empty:
            yield f"{place}/{field}", _wide(shard.empty(f"{place}/{field}"))


def _wide(rows: np.ndarray) -> np.ndarray:
    """Events as event files have them."""
    return rows.astype(np.int64 if rows.dtype.kind in "iu" else rows.dtype)


def _room(pieces, labels) -> int:
    """At most so many bytes a result file of these shards takes."""
    rows: dict[str, int] = {}
    kinds: dict[str, np.ndarray] = {}

    def count(place: str, shape: tuple, dtype, number: int) -> None:
        kinds.setdefault(place, np.empty((0, *shape[1:]), dtype))
        rows[place] = rows.get(place, 0) + number

    for path, first, last in pieces:
        with Shard(path, checked=False) as shard:
            for place in shard.places:
                shape, dtype = shard.shape(place)
                if place == "facts":
                    for k in range(shape[1]):
                        count(f"facts/{k}", (0,), np.int64, last - first)
                elif place.startswith("spikes/") and not place.endswith("/count"):
                    count(place, shape, np.float64, shape[0])
                    if place.endswith("/timestep"):
                        count(f"{place}/sample", shape, np.int64, shape[0])
                elif place != "names":
                    count(place, shape, dtype, last - first)
            if labels is not None:
                count("labels", (0,), np.int64, last - first)
            count("predictions", (0,), np.int64, last - first)
    total = 0
    for place, number in rows.items():
        chunk = _chunk(kinds[place])
        pieces_of_row = -(-kinds[place].shape[1] // chunk[1]) if len(chunk) > 1 else 1
        chunks = -(-number // chunk[0]) * pieces_of_row
        size = math.prod(chunk) * kinds[place].itemsize + 4
        total += 2 * NODE + chunks * (size + NODE // 32)
    return total


def _chunk(rows: np.ndarray) -> tuple[int, ...]:
    """What a dataset of such rows is stored in: some rows, or a part of a long one."""
    rest = rows.shape[1:]
    row_bytes = max(1, math.prod(rest) * rows.itemsize)
    if row_bytes > LONG:
        return (1, -(-rest[0] // -(-row_bytes // LONG)), *rest[1:])
    return (max(1, CHUNK // row_bytes), *rest)


@contextlib.contextmanager
def as_file(path):
    """The path of a result file: `path` itself, or one made for a while of a part's folder."""
    from evsim.store import LABELS, read_about, readable_pieces

    folder = Path(path)
    if not folder.is_dir():
        yield folder
        return
    about = read_about(folder)
    parts = about.pop("parts", None)
    pieces, found = readable_pieces(folder)
    if not isinstance(parts, dict) or not pieces:
        raise mismatch("no finished sample", "at least one").within(file=str(folder))
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / folder.name
        try:
            assemble(pieces, whole, whole.parent, about, parts, found.get(LABELS), 0.0)
            yield whole
        except EvsimError as error:
            own = str(folder) if error.file == str(whole) else error.file
            raise EvsimError(error.problem, error.place, own) from None
