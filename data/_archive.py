"""Files in a folder, a zip or a tar archive, read where they are: nothing is unpacked."""

import contextlib
import gzip
import lzma
import struct
import tarfile
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from evsim.parts import EvsimError, mismatch

DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, struct.error)
DAMAGED += (tarfile.TarError, zipfile.BadZipFile, NotImplementedError, RuntimeError)
DAMAGED += (ValueError, OverflowError, LookupError, TypeError, SyntaxError, tokenize.TokenError)


class Member(NamedTuple):
    """A file: its path in the folder or archive, its size, and what opens it."""

    path: PurePosixPath
    size: int
    open: Callable


def wrong(path, found, expected, place: str = "") -> EvsimError:
    """The error of a file that is not what it should be."""
    return mismatch(found, expected, place).within(file=str(path))


@contextlib.contextmanager
def reading(path) -> Iterator[None]:
    """Whatever a damaged archive raises becomes one line that names it."""
    try:
        yield
    except EvsimError as error:
        raise error.within(file=str(path)) from None
    except DAMAGED as error:
        found = f"a damaged archive ({str(error)[:200] or type(error).__name__})"
        raise wrong(path, found, "a whole one") from None


@contextlib.contextmanager
def members(path: Path) -> Iterator[list[Member]]:
    """All files of a folder or an archive, in order of their names."""
    with reading(path), contextlib.ExitStack() as stack:
        if path.is_dir():
            found = [
                Member(PurePosixPath(p.relative_to(path)), p.stat().st_size, partial(p.open, "rb"))
                for p in path.rglob("*")
                if p.is_file()
            ]
        elif zipfile.is_zipfile(path):
            archive = stack.enter_context(zipfile.ZipFile(path))
            found = [
                Member(PurePosixPath(m.filename), m.file_size, partial(archive.open, m))
                for m in archive.infolist()
                if not m.is_dir()
            ]
        elif tarfile.is_tarfile(path):
            archive = stack.enter_context(tarfile.open(path))
            found = [
                Member(PurePosixPath(m.name), m.size, partial(archive.extractfile, m))
                for m in archive.getmembers()
                if m.isfile()
            ]
        else:
            raise mismatch("no folder, zip or tar archive", "one of them")
        yield sorted(found)


def whole(file, size: int, what: str) -> bytes:
    """So many bytes of an open file; it is an error if it ends before."""
    found = file.read(size)
    if len(found) < size:
        raise mismatch(f"the end of the file inside {what}", f"{size - len(found)} bytes more")
    return found
