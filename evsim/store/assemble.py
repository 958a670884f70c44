"""One result file, made of all shards of a run."""

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

from evsim.base.errors import EvsimError, mismatch
from evsim.formats import _checksums as checksums
from evsim.formats import _hdf5 as hdf5
from evsim.formats.result import FORMAT, VERSION
from evsim.store import shards
from evsim.store.samples import EVENTS, SEPARATOR
from evsim.store.shards import Shard

CHUNK = 1 << 13  # bytes that a dataset is stored in, at least
LONG = 8 << 20  # and at most, by rows: HDF5 takes chunks of less than 4 GB
NODE = 4 << 10  # bytes that the index of a dataset takes, and again for every 32 chunks
HEADER = 64 << 10  # bytes that attributes and empty groups take, at most
AS_THEY_ARE = ("accesses", "ranges", "first_overflows", "trace", "queue")


class _Column:
    """A dataset that grows by whole chunks, so that none is read to be written again."""

    def __init__(self, file, place: str, row: tuple[int, ...], dtype):
        self.chunk, self.within = _chunk(row, dtype), 0
        *groups, name = place.split("/")
        for group in groups:
            file = file[group] if group in file else checksums.group(file, group)
        self.dataset = file.create_dataset(
            name,
            shape=(0, *row),
            maxshape=(None, *row),
            chunks=self.chunk,
            dtype=dtype,
            fletcher32=True,
            track_times=False,
            rdcc_nbytes=1 << 16,  # whole chunks are written, and never read again
        )
        self.waiting: list[np.ndarray] = []

    def add(self, rows: np.ndarray) -> None:
        """Take in rows, or the next piece (1, n, ...) of a long one."""
        if rows.shape[1:] != self.dataset.shape[1:]:
            self._add_piece(rows)
            return
        self.waiting.append(rows)
        count = sum(map(len, self.waiting))
        if count >= self.chunk[0]:
            joined = np.concatenate(self.waiting) if len(self.waiting) > 1 else rows
            whole = count - count % self.chunk[0]
            self._write(joined[:whole])
            self.waiting = [joined[whole:].copy()]

    def _add_piece(self, piece: np.ndarray) -> None:
        if not self.within:
            self.dataset.resize(len(self.dataset) + 1, axis=0)
        last = self.within + piece.shape[1]
        self.dataset[-1:, self.within : last] = piece
        self.within = last % self.dataset.shape[1]

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
    temporary = scratch / f"{path.name}.{os.getpid()}{shards.TEMPORARY}"
    try:
        room = HEADER + (len(parts) << 12) + _room(pieces, labels)
        hdf5.hold(temporary, 0, room)
        with checksums.create(temporary) as file, hdf5.room(file, temporary, room):
            _describe(file, about, parts)
            checksums.note(file, seconds=seconds)
            columns: dict[str, _Column] = {}
            for place, rows, row in _rows(pieces, about, labels):
                if place not in columns:
                    columns[place] = _Column(file, place, row, rows.dtype)
                columns[place].add(rows)
            for column in columns.values():
                column.finish()
            for name in file.get("spikes", ()):
                _describe_events(file["spikes"][name], about, parts[name])
        shards.flush(temporary)
        temporary.replace(path)
        shards.flush_names(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _describe(file, about: dict, parts: dict) -> None:
    checksums.note(file, format=FORMAT, version=VERSION, settings=json.dumps(about))
    checksums.note(file, **{k: v for k, v in about.items() if v is not None})
    versions = {name: version(name) for name in ("numpy", "numba", "h5py")}
    versions |= {"evsim": about["evsim"], "python": platform.python_version()}
    checksums.note(file, versions=json.dumps(versions))
    group = checksums.group(file, "parts")
    for name, part in parts.items():
        attributes = {k: v for k, v in part.items() if k != "shape"}
        checksums.note(checksums.group(group, name), **attributes)


def _describe_events(group, about: dict, part: dict) -> None:
    """What makes recorded spikes an event file."""
    samples = about["first_sample"] + about["samples"]
    checksums.note(group, shape=part["shape"], samples=samples, timesteps=about["timesteps"])


def _rows(pieces, about: dict, labels) -> Iterator[tuple[str, np.ndarray, tuple[int, ...]]]:
    """(place in the result file, rows to add there, shape of a whole row), shard by shard."""
    for place, rows in _whole_rows(pieces, about, labels):
        if isinstance(rows, np.ndarray):
            yield place, rows, rows.shape[1:]
        else:
            shard, a, b = rows
            (_, *row), dtype = shard.shape(place)
            piece = _chunk(row, dtype)[1] if row else None
            for block in shard.blocks(place, a, b, piece):
                yield place, block, tuple(row)


def _whole_rows(pieces, about: dict, labels) -> Iterator[tuple[str, object]]:
    """(place in the result file, rows), shard by shard; `_rows` says what of them to add.

    `rows`: an array of whole rows, or (shard, first row, last row) to read.
    """
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
                    yield place, (shard, a, b)
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
    """Events as event files have them; values of one byte are ones."""
    wide = {1: np.float64, 4: np.int64}.get(rows.itemsize * (rows.dtype.kind == "i"), rows.dtype)
    return rows.astype(wide)


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
        chunk = _chunk(kinds[place].shape[1:], kinds[place].dtype)
        pieces_of_row = -(-kinds[place].shape[1] // chunk[1]) if len(chunk) > 1 else 1
        chunks = -(-number // chunk[0]) * pieces_of_row
        size = math.prod(chunk) * kinds[place].itemsize + 4
        total += 2 * NODE + chunks * (size + NODE // 32)
    return total


def _chunk(row: tuple[int, ...], dtype) -> tuple[int, ...]:
    """What a dataset of such rows is stored in: some rows, or a part of a long one."""
    row_bytes = max(1, math.prod(row) * dtype.itemsize)
    if row_bytes > LONG:
        return (1, -(-row[0] // -(-row_bytes // LONG)), *row[1:])
    return (max(1, CHUNK // row_bytes), *row)


@contextlib.contextmanager
def as_file(path):
    """The path of a result file: `path` itself, or a file made for a while of a folder *.part.

    Raises EvsimError where no sample of the part is finished.
    """
    from evsim.store import LABELS, read_about, readable_pieces

    folder = Path(path)
    if folder.suffix != ".part" or not folder.is_dir():
        yield path
        return
    about = read_about(folder)
    parts = about.pop("parts", None)
    pieces, labels = readable_pieces(folder)
    if not isinstance(parts, dict) or not pieces:
        raise mismatch("no finished sample", "at least one").within(file=str(folder))
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / folder.name
        try:
            assemble(pieces, whole, whole.parent, about, parts, labels.get(LABELS), 0.0)
            yield whole
        except EvsimError as error:
            file = str(folder) if error.file == str(whole) else error.file
            raise EvsimError(error.problem, error.place, file) from None
