"""N-MNIST: recordings of five bytes an event in a folder per class, in a folder or zip archive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evsim.base.errors import mismatch
from evsim.formats.sources._archive import Archive, Member, reading, whole
from evsim.formats.sources._content import Recordings

TITLE = "N-MNIST's recordings"
OPTIONS = ("split", "bin", "timesteps", "sensor", "pool", "swap_polarity")
WHERE = ("folder", "zip")
LONGEST = 1 << 28  # bytes of a recording


def claims(sniffed) -> bool:
    """Whether a file may be a recording: nothing in it says so, only its name and folder."""
    return sniffed.name.endswith(".bin") and "/" in sniffed.name


def files(path: Path, options) -> list[str]:
    """The names of the split's recordings in a folder, in order; "" for `path`, an archive."""
    if not path.is_dir():
        return [""]
    with Archive(path) as archive:
        return [member.path for member in _of_split(archive, options.split)]


def read(path: Path, options, names: list[str]) -> Recordings:
    """The recordings *.bin, one folder per class; labels are the classes' numbers, if they are."""
    archive = Archive(path)
    try:
        with reading(path):
            return _recordings(path, archive, options)
    except BaseException:
        archive.close()
        raise


def _recordings(path: Path, archive: Archive, options) -> Recordings:
    members = _of_split(archive, options.split)
    if not members:
        raise mismatch("no file *.bin", "one per recording, in a folder per class")
    classes = sorted({_class(member.path) for member in members})
    number = {name: place for place, name in enumerate(classes)}
    if all(name.isdecimal() and len(name) < 10 for name in classes):
        number, classes = {name: int(name) for name in classes}, []
    members.sort(key=lambda member: (member.path.rpartition("/")[2], member.path.split("/")))

    def part(index: int) -> tuple[str, Iterator]:
        member = members[index]
        if member.size > LONGEST:
            raise mismatch(f"{member.size} bytes", f"at most {LONGEST}", member.path)
        return f"{path}: {member.path}", _events(archive, member)

    return Recordings(
        (34, 34),
        len(members),
        part,
        np.array([number[_class(member.path)] for member in members], np.int64),
        f"{path.name}, {options.split}",
        classes,
        close=archive.close,
    )


def _of_split(archive: Archive, split: str) -> list[Member]:
    """The recordings of a split, where folders of both are there, else all."""
    members = [member for member in archive.members if member.path.endswith(".bin")]
    parts = {part.lower() for member in members for part in member.path.split("/")}
    if {"train", "test"} <= parts:
        members = [m for m in members if split in (part.lower() for part in m.path.split("/"))]
    return members


def _class(path: str) -> str:
    return path.rpartition("/")[0].rpartition("/")[2]


def _events(archive: Archive, member: Member) -> Iterator:
    """t, x, y, polarity of all events. y = 240 is none: the clock has gone round, 2^13 us."""
    if member.size % 5:
        raise mismatch(f"{member.size} bytes", "5 per event")
    with reading(member.path), archive.open(member.path) as file:
        content = np.frombuffer(whole(file, member.size, "the events"), np.uint8).reshape(-1, 5)
        if file.read(1):  # also compares the checksum
            raise mismatch("more bytes", f"{member.size}")
    x, y, high, middle, low = content.T.astype(np.int64)
    t = ((high & 127) << 16 | middle << 8 | low) + (y == 240).cumsum() * 8192
    real = y != 240
    yield t[real], x[real], y[real], high[real] >> 7
