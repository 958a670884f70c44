"""What is recorded of a sample: in memory, or in a file without a name where it is much."""

from __future__ import annotations

import mmap
import os
import tempfile
from math import prod

import numpy as np

from evsim.base.errors import EvsimError

MUCH = 4 << 20  # bytes of a column, or of a trace, that are kept in memory


class _Column:
    """An array that grows at its end."""

    def __init__(self, dtype, folder):
        self.dtype, self.folder = np.dtype(dtype), folder
        self.blocks: list[np.ndarray] = []
        self.waiting, self.file, self.count = 0, None, 0

    def append(self, values: np.ndarray) -> None:
        """Add values at the end; they are not changed afterwards."""
        self.blocks.append(values)
        self.waiting += values.nbytes
        self.count += len(values)
        if self.folder is not None and self.waiting > MUCH:
            self._spill()

    def _spill(self) -> None:
        try:
            if self.file is None:
                self.file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115
            for block in self.blocks:
                self.file.write(block)
            self.file.flush()
        except OSError as error:
            raise _unwritable(error, self.folder) from None
        self.blocks, self.waiting = [], 0

    def whole(self) -> np.ndarray:
        """All of it; of a file only what is used is in memory."""
        if self.file is None:
            return np.concatenate([np.empty(0, self.dtype), *self.blocks])
        self._spill()
        found = np.memmap(self.file, self.dtype, "r", shape=(self.count,))
        self.file.close()  # what is mapped stays
        return found

    def __del__(self):
        if self.file is not None:
            self.file.close()


class Events:
    """The events of a population: timesteps and neurons (int32), values.

    `values`: their dtype, None where each is 1. `folder`: where a file may be, or None.
    """

    def __init__(self, values=None, folder=None):
        kinds = np.int32, np.int32, np.int8 if values is None else values
        self.columns = [_Column(kind, folder) for kind in kinds]

    def append(self, *events: np.ndarray) -> None:
        """Take in (timesteps, neurons, values) of later timesteps."""
        for column, values in zip(self.columns, events, strict=True):
            column.append(values.astype(column.dtype, copy=False))

    def whole(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(timesteps, neurons, values) of all."""
        return tuple(column.whole() for column in self.columns)


def room(shape: tuple[int, ...], dtype, folder=None) -> np.ndarray:
    """An array to fill; with a `folder` for files one that is much is not in memory."""
    size = prod(shape) * np.dtype(dtype).itemsize
    if folder is None or size <= MUCH:
        return np.empty(shape, dtype)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # a disk that is full later would end the process
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, dtype, "w+", shape=shape)
    except OSError as error:
        raise _unwritable(error, folder) from None


def let_go(array: np.ndarray) -> None:
    """Keep no page of an array of `room`, or of a column, in memory that a file has."""
    if isinstance(array, np.memmap) and hasattr(mmap, "MADV_DONTNEED"):
        array._mmap.madvise(mmap.MADV_DONTNEED)


def _unwritable(error: OSError, folder) -> EvsimError:
    return EvsimError(f"cannot be written: {os.strerror(error.errno)}", file=str(folder))
