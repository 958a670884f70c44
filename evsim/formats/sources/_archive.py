"""Files in a folder, a zip or a tar archive, read where they are: nothing is unpacked."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import lzma
import os
import struct
import tarfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from evsim.base.errors import EvsimError, mismatch
from evsim.formats import _hdf5 as hdf5

DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, struct.error)
DAMAGED += (tarfile.TarError, zipfile.BadZipFile, NotImplementedError, RuntimeError)
DAMAGED += (ValueError, OverflowError, LookupError, TypeError, SyntaxError, tokenize.TokenError)


class Member(NamedTuple):
    """A file in a folder or archive: its path there, with slashes, and its size in bytes."""

    path: str
    size: int


def wrong(path, found, expected, place: str = "") -> EvsimError:
    """The error of a file that is not what it should be, with the file's name."""
    return mismatch(found, expected, place).within(file=str(path))


@contextlib.contextmanager
def reading(path) -> Iterator[None]:
    """A context in which whatever reading a file raises becomes an EvsimError that names it."""
    try:
        yield
    except EvsimError as error:
        raise error.within(file=str(path)) from None
    except MemoryError as error:
        raise EvsimError("found more data than memory holds", file=str(path)) from error
    except DAMAGED as error:
        found = f"a damaged archive ({str(error)[:200] or type(error).__name__})"
        raise wrong(path, found, "a whole one") from None
    except OSError as error:
        raise hdf5.damaged(error).within(file=str(path)) from None


def walked(folder) -> Iterator[str]:
    """The paths of all files below a folder, with slashes, in order; hidden ones are left out."""
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from (f"{entry.name}/{path}" for path in walked(entry.path))
        elif entry.is_file():
            yield entry.name


class Archive:
    """All files of a folder, a zip or a tar archive: `members`, in order of their names' parts."""

    def __init__(self, path):
        self.path, self.file = Path(path), None
        with reading(path):
            if self.path.is_dir():
                paths = walked(path)
                members = [Member(p, (self.path / p).stat().st_size) for p in paths]
            elif zipfile.is_zipfile(path):
                self.file = zipfile.ZipFile(path)
                inside = (m for m in self.file.infolist() if not m.is_dir())
                members = [Member(m.filename, m.file_size) for m in inside]
            elif tarfile.is_tarfile(path):
                self.file = tarfile.open(path)  # noqa: SIM115  closed by close
                members = [Member(m.name, m.size) for m in self.file.getmembers() if m.isfile()]
            else:
                raise mismatch("no folder, zip or tar archive", "one of them")
        members.sort(key=lambda member: member.path.split("/"))
        self.members = members
        for earlier, later in itertools.pairwise(members):
            if earlier.path == later.path:
                raise wrong(path, "two files of one name", "one", earlier.path)

    def open(self, path: str):
        """The open file of a member."""
        if self.file is None:
            return open(self.path / path, "rb")
        if isinstance(self.file, zipfile.ZipFile):
            return opened_in(self.file, path)
        return self.file.extractfile(path)

    def close(self) -> None:
        """Close the archive; nothing of it can be read any more."""
        if self.file is not None:
            self.file.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def opened_in(archive: zipfile.ZipFile, path):
    """An open file of a zip archive, by its name or ZipInfo."""
    try:
        return archive.open(path)
    except RuntimeError as error:  # which zipfile raises for one with a password
        raise mismatch(
            f"a member that cannot be read ({error})", "one without a password"
        ) from None


def whole(file, size: int, what: str) -> bytes:
    """`size` bytes of an open file; EvsimError if it ends before. `what` they are, in words."""
    content = file.read(size)
    if len(content) < size:
        raise mismatch(f"the end of the file inside {what}", f"{size - len(content)} bytes more")
    return content
