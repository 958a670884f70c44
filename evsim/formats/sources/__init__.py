"""Data that are no data files of evsim, read where they are. A kind a file; the folder is the list.

A kind is a module with TITLE (what it is, in words), OPTIONS (those of `Options` it takes), WHERE
(what it can lie in: file, folder, zip), claims(Sniffed), files(path, Options), the paths of all its
files ("": the source itself) in the order of the digest, and read(path, Options, those
paths), which gives Pictures or Recordings.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from evsim.base.errors import EvsimError, mismatch
from evsim.formats.sources._archive import opened_in, reading, walked
from evsim.formats.sources._binning import RecordedEvents, binned, read_binned
from evsim.formats.sources._content import Pictures, Recordings
from evsim.formats.sources._options import Options, parsed, split

LOOKED_AT = 100  # files of a folder or archive, until one of them is known
START = 16  # bytes of a file that are looked at


class Sniffed(NamedTuple):
    """A file: its name, how it begins, and what is in it if it is one of HDF5."""

    name: str
    start: bytes
    datasets: frozenset[str] = frozenset()


@cache
def kinds() -> dict[str, ModuleType]:
    """The kinds of sources: by name the module of each file in this folder."""
    return {
        module.name: importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
        if not module.name.startswith("_")
    }


def claimed(path: str, datasets: frozenset[str] = frozenset()) -> ModuleType | None:
    """The kind of a source, by the first of its files that any kind knows; None if none does.

    `datasets`: the names in the file, if it is one of HDF5.
    """
    where = "folder" if os.path.isdir(path) else "file"
    if where == "file" and not datasets and zipfile.is_zipfile(path):
        where = "zip"
    with reading(path):
        for sniffed in _sniffed(path, where, datasets):
            for module in kinds().values():
                if where in module.WHERE and module.claims(sniffed):
                    return module
    return None


def _sniffed(path: str, where: str, datasets: frozenset[str]) -> Iterator[Sniffed]:
    if where == "file":
        with open(path, "rb") as file:
            yield Sniffed(os.path.basename(path), file.read(START), datasets)
    elif where == "folder":
        for _, name in zip(range(LOOKED_AT), walked(path), strict=False):
            with open(os.path.join(path, name), "rb") as file:
                yield Sniffed(name, file.read(START))
    else:
        with zipfile.ZipFile(path) as archive:
            inside = [info for info in archive.infolist() if not info.is_dir()]
            for info in inside[:LOOKED_AT]:
                with opened_in(archive, info) as file:
                    yield Sniffed(info.filename, file.read(START))


def opened(
    module: ModuleType, path: str, options: Options, names: list[str] | None = None
) -> Pictures | Recordings:
    """The content of a source of a kind; raises EvsimError for an option it has no use for.

    `names`: what the kind's `files` gave, where that was asked already.
    """
    for name in options.given:
        if name.replace("-", "_") not in module.OPTIONS:
            known = ", ".join(option.replace("_", "-") for option in module.OPTIONS)
            expected = f"those of {module.TITLE}: {known}"
            raise EvsimError(f"found the option {name!r}, expected {expected}", file=path)
    with reading(path):
        if names is None:
            names = module.files(Path(path), options)
        content = module.read(Path(path), options, names)
    if not content.samples:
        content.close()
        raise mismatch("no samples", "at least one").within(file=path)
    return content


def titles() -> list[str]:
    """What sources can be read, in words, one text a kind."""
    return [module.TITLE for module in kinds().values()]


__all__ = [
    "Options",
    "Pictures",
    "RecordedEvents",
    "Recordings",
    "binned",
    "claimed",
    "kinds",
    "opened",
    "parsed",
    "read_binned",
    "reading",
    "split",
]
