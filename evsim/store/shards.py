"""Shards: immutable files of arrays, which are there as a whole or not at all.

A shard is written under a temporary name, flushed to disk, then renamed. Its name says what it
holds and ends with the SHA-256 of its content, so that one that a disk has spoilt is known. It is
a NumPy archive (.npz), uncompressed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path

import numpy as np

from evsim.engine.recording import let_go

HEADER = re.compile(r"'descr': '([^']+)', 'fortran_order': False, 'shape': \(([^)]*)\)")
DIGITS = 16  # of the digest, in hexadecimal
SUFFIX = ".npz"
TEMPORARY = ".tmp"
BLOCK = 8 << 20  # bytes that are read in one go


class Damaged(Exception):
    """The content of a shard is not what was written."""


class _Hashed(io.RawIOBase):
    """A file to write to from beginning to end, and the digest of what was written."""

    def __init__(self, file):
        self.file, self.digest = file, hashlib.sha256()

    def writable(self) -> bool:
        """Always: it is a file to write to."""
        return True

    def write(self, data) -> int:
        """Append bytes; returns how many."""
        self.digest.update(data)
        return self.file.write(data)


def write(folder: Path, name: str, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write a shard `name` of `arrays` into a folder; returns its path.

    Raises OSError, nothing written, where the system refuses.
    """
    temporary = folder / f"{name}.{os.getpid()}{TEMPORARY}"
    try:
        with open(temporary, "wb") as file:
            hashed = _Hashed(file)
            with zipfile.ZipFile(hashed, "w") as archive:
                for place, array in arrays.items():
                    with archive.open(zipfile.ZipInfo(f"{place}.npy"), "w", force_zip64=True) as f:
                        _write(f, array)
            file.flush()
            os.fsync(file.fileno())
        path = folder / f"{name}.{hashed.digest.hexdigest()[:DIGITS]}{SUFFIX}"
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush_names(folder)
    return path


def _write(file, array: np.ndarray) -> None:
    """Write an array with what NumPy says before it; of a long one a part at a time."""
    content = np.asanyarray(array, order="C")
    header = np.lib.format.header_data_from_array_1_0(content)
    np.lib.format.write_array_header_1_0(file, header)
    flat = content.reshape(-1)
    step = max(1, BLOCK // content.itemsize)
    for first in range(0, flat.size, step):
        file.write(np.ascontiguousarray(flat[first : first + step]).data)
        let_go(array)


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file, whole or not at all; raises OSError."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush_names(path.parent)


def flush(path: Path) -> None:
    """Let the content of a file reach the disk."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def flush_names(folder: Path) -> None:
    """Let the names in a folder reach the disk; not every system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def listed(folder: Path) -> Iterator[tuple[str, Path]]:
    """(name, path) of all shards in a folder, in order of name."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        yield path.name.removesuffix(SUFFIX).rpartition(".")[0], path


class Shard:
    """A shard that is read: its arrays by place, whole or block by block.

    Raises Damaged where the content, if it is `checked`, is not what was written, OSError where it
    cannot be read.
    """

    def __init__(self, path: Path, checked: bool = True):
        if checked:
            expected = path.name.removesuffix(SUFFIX).rpartition(".")[2]
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest[:DIGITS] != expected:
                raise Damaged(path)
        self.path, self.archive = path, zipfile.ZipFile(path)
        self.places = [name.removesuffix(".npy") for name in self.archive.namelist()]

    def __contains__(self, place: str) -> bool:
        return f"{place}.npy" in self.archive.NameToInfo

    def __getitem__(self, place: str) -> np.ndarray:
        with self.archive.open(f"{place}.npy") as file:
            shape, dtype = _header(file)
            content = bytearray(file.read(prod(shape) * dtype.itemsize))
            return np.frombuffer(content, dtype).reshape(shape)

    def shape(self, place: str) -> tuple[tuple[int, ...], np.dtype]:
        """The shape and dtype of an array, which is not read for it."""
        with self.archive.open(f"{place}.npy") as file:
            return _header(file)

    def empty(self, place: str) -> np.ndarray:
        """An array with no rows, of the dtype and the row's shape of the one at `place`."""
        shape, dtype = self.shape(place)
        return np.empty((0, *shape[1:]), dtype)

    def blocks(
        self, place: str, first: int, last: int, piece: int | None = None
    ) -> Iterator[np.ndarray]:
        """The rows of an array from `first` to before `last`, some megabytes at a time.

        With `piece` a row that is longer comes as (1, piece, ...), the last of them shorter.
        """
        with self.archive.open(f"{place}.npy") as file:
            shape, dtype = _header(file)
            row = prod(shape[1:]) * dtype.itemsize
            file.seek(first * row, os.SEEK_CUR)
            rows, lengths = max(1, BLOCK // max(row, 1)), [shape[1:]]
            if piece and row > BLOCK:
                begins = range(0, shape[1], piece)
                lengths = [(min(piece, shape[1] - begin), *shape[2:]) for begin in begins]
            for begin in range(first, last, rows):
                for rest in lengths:
                    block = min(rows, last - begin), *rest
                    content = file.read(prod(block) * dtype.itemsize)
                    yield np.frombuffer(content, dtype).reshape(block)

    def close(self) -> None:
        """Close the file; no array can be read any more."""
        self.archive.close()

    def __enter__(self) -> Shard:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _header(file) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype, as `_write` wrote them.

    NumPy's own reader parses them as Python, which several threads must not do at a time (before
    Python 3.11.8: "AST constructor recursion depth mismatch").
    """
    np.lib.format.read_magic(file)
    length = int.from_bytes(file.read(2), "little")
    text = file.read(length).decode("latin1")
    dtype, shape = HEADER.search(text).groups()
    return tuple(int(n) for n in shape.split(",") if n.strip()), np.dtype(dtype)
