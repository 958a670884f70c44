"""Recordings in AEDAT 2, 3.1 and 4: a file, a folder of files, or a folder of files per class."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.formats.sources._archive import reading, walked, whole, wrong
from evsim.formats.sources._content import Recordings

TITLE = "recordings in AEDAT"
OPTIONS = ("chip", "bin", "timesteps", "sensor", "pool", "swap_polarity")
WHERE = ("file", "folder")
MAGIC = b"#!AER-DAT"
READ = 1 << 22  # bytes of a recording that are read in one go
CHIPS = {  # of AEDAT 2: address format, height, width
    "dvs128": ("dvs", 128, 128),
    "davis240": ("davis", 180, 240),
    "davis346": ("davis", 260, 346),
    "davis640": ("davis", 480, 640),
}
FIELDS = {  # lowest bit and mask of y, x and polarity; bits of what is no event
    "dvs": ((8, 0x7F), (1, 0x7F), (0, 1), 0x8000),
    "davis": ((22, 0x1FF), (12, 0x3FF), (11, 1), 0x8000_0400),
}
HEADER = 28  # bytes of the header of a packet of AEDAT 3
POLARITY = 1  # the type of the packets of AEDAT 3 that hold changes of light


def claims(sniffed) -> bool:
    """Whether a file is a recording in AEDAT, by how it begins."""
    return sniffed.start.startswith(MAGIC)


def files(path: Path, options) -> list[str]:
    """The names of the recordings in a folder, in order; "" stands for `path` itself, a file."""
    return _names(path) if path.is_dir() else [""]


def read(path: Path, options, names: list[str]) -> Recordings:
    """The recordings of a file or folder, decoded when they are used."""
    folder, names = (path, names) if path.is_dir() else (path.parent, [path.name])
    if not names:
        raise wrong(path, "no file *.aedat", "one per recording")
    labelled = "/" in names[0]
    classes, labels = [], None
    if labelled:
        classes = sorted({name.partition("/")[0] for name in names} | set(_folders(path)))
        labels = np.array([classes.index(name.partition("/")[0]) for name in names], np.int64)
    sensors = {_opened(folder / name, options.chip)[0] for name in names}
    if len(sensors) > 1:
        found = ", ".join(sorted(map(str, sensors)))
        raise wrong(path, f"recordings of sensors {found}", "one size")

    def part(index: int) -> tuple[str, Iterator]:
        file = folder / names[index]
        return str(file), _opened(file, options.chip)[1]()

    return Recordings(
        sensors.pop(),
        len(names),
        part,
        labels,
        path.resolve().name,
        classes,
        start=None,
    )


def _names(folder: Path) -> list[str]:
    """The recordings in a folder; where it has none itself, those below, by class."""
    names = [name for name in walked(folder) if os.path.splitext(name)[1].startswith(".aedat")]
    return [name for name in names if "/" not in name] or names


def _folders(path: Path) -> list[str]:
    return [e.name for e in os.scandir(path) if e.is_dir() and not e.name.startswith(".")]


def _opened(path: Path, chip: str | None):
    """The size of the sensor, or None, and what gives the parts of a recording."""
    with reading(path), open(path, "rb") as file:
        version, chip_said, end = _header(file)
    if version == "2.0":
        chip = chip or chip_said
        if chip not in CHIPS:
            found = "no chip named in the file" if chip is None else repr(chip)
            raise wrong(path, found, ", ".join(CHIPS), "chip")
        return CHIPS[chip][1:], lambda: _aedat2(path, end, chip)
    if version == "3.1":
        return None, lambda: _aedat3(path, end)
    if version == "4.0":
        return _aedat4_sensor(path), lambda: _aedat4(path)
    found = "no AEDAT file" if version is None else f"AEDAT {version}"
    raise wrong(path, found, "AEDAT 2.0, 3.1 or 4.0")


def _header(file):
    """(version, chip, where the header ends) of an AEDAT file; None for what it does not say."""
    version = chip = None
    end = 0
    while (line := file.readline(1 << 16)).startswith(b"#"):
        end = file.tell()
        text = line.decode(errors="replace").strip()
        if text.startswith("#!AER-DAT"):
            version = text.removeprefix("#!AER-DAT")
            if version == "4.0":
                break
        if "AEChip:" in text:
            name = text.rpartition(".")[2].lower()
            chip = next((known for known in CHIPS if name.startswith(known)), None)
        if text.startswith(("#!END-HEADER", "#End Of ASCII")):
            break
    return version, chip, end


def _aedat2(path: Path, start: int, chip: str) -> Iterator:
    """Address and time, four bytes each, most significant first; rows are counted upwards."""
    kind, height, _ = CHIPS[chip]
    y_bits, x_bits, polarity, other = FIELDS[kind]
    with reading(path), open(path, "rb") as file:
        file.seek(start)
        while content := file.read(READ):
            if len(content) % 8:
                raise mismatch("the end of the file inside an event", "8 bytes per event")
            address, t = np.frombuffer(content, ">u4").astype(np.int64).reshape(-1, 2).T
            real = address & other == 0
            y, x, p = (address[real] >> low & mask for low, mask in (y_bits, x_bits, polarity))
            yield t[real], x, height - 1 - y, p


def _aedat3(path: Path, start: int) -> Iterator:
    """Packets of one type of events each, least significant bytes first."""
    with reading(path), open(path, "rb") as file:
        file.seek(start)
        while head := file.read(HEADER):
            if len(head) < HEADER:
                raise mismatch("the end of the file inside a packet", f"{HEADER} bytes of header")
            kind = int.from_bytes(head[:2], "little")
            size, _, overflow, capacity, count = np.frombuffer(head[4:24], "<i4").tolist()
            if size < 8 or not 0 <= count <= capacity or (kind == POLARITY and size != 8):
                found = f"{count} of {capacity} events of {size} bytes"
                raise mismatch(found, "a packet of events")
            if kind != POLARITY:
                file.seek(size * count, 1)
                continue
            data, t = np.frombuffer(whole(file, size * count, "a packet"), "<u4").reshape(-1, 2).T
            real = data & 1 == 1  # the others are no longer valid
            data, t = data[real].astype(np.int64), t[real].astype(np.int64)
            yield t + (overflow << 31), data >> 17, data >> 2 & 0x7FFF, data >> 1 & 1


@contextlib.contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """Whatever the package raises for a damaged file, a panic of Rust too, becomes one line."""
    shown, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)  # a panic writes there
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        found = f"a damaged AEDAT 4 file ({error})"
        raise wrong(path, found, "a whole one") from None
    finally:
        os.dup2(shown, 2)
        os.close(shown)
        os.close(nothing)


def _decoder(path: Path):
    try:
        from aedat import Decoder
    except ImportError:
        raise EvsimError(
            "AEDAT 4 needs a package: pip install 'evsim[recordings]'", file=str(path)
        ) from None
    with _decoding(path):
        return Decoder(str(path))


def _end_of_packets(path: Path, start: int) -> int:
    """Where the packets of an AEDAT 4 file end, as its header says; 0 where it does not.

    The header is a table of FlatBuffers behind its own length: a byte offset to the table, from
    there one back to the list of its fields, of which the second is where the packets end.
    """
    with reading(path), open(path, "rb") as file:
        file.seek(start + 4)
        head = file.read(READ)
    table = int.from_bytes(head[:4], "little")
    fields = table - int.from_bytes(head[table : table + 4], "little", signed=True)
    length = int.from_bytes(head[fields : fields + 2], "little") if fields >= 0 else 0
    place = int.from_bytes(head[fields + 6 : fields + 8], "little") if length >= 8 else 0
    field = head[table + place : table + place + 8]
    return max(0, int.from_bytes(field, "little", signed=True)) if place else 0


def _aedat4_sensor(path: Path) -> tuple[int, int]:
    with open(path, "rb") as file:
        end = _end_of_packets(path, _header(file)[2])
    if (size := path.stat().st_size) < end:  # else one that is cut between packets looks whole
        raise wrong(path, f"{size} bytes", f"at least {end}, as its header says")
    streams = _decoder(path).id_to_stream().values()
    sizes = [(s["height"], s["width"]) for s in streams if s["type"] == "events"]
    if len(sizes) != 1:
        expected = "one (of several cameras keep one)"
        raise wrong(path, f"{len(sizes)} streams of events", expected)
    return sizes[0]


def _aedat4(path: Path) -> Iterator:
    packets = _decoder(path)
    while True:
        with _decoding(path):
            packet = next(packets, None)
        if packet is None:
            return
        if "events" in packet:
            events = packet["events"]
            yield events["t"], events["x"], events["y"], events["on"]
