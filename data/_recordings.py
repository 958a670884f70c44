"""Recordings of event cameras: N-MNIST, AEDAT 2, 3.1 and 4, and streams in HDF5."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from _archive import Member, members, reading, whole, wrong
from _known import doubts
from _output import Recordings

from evsim.parts import EvsimError, mismatch

READ = 1 << 22  # bytes of a recording that are read in one go
LONGEST = 1 << 28  # bytes of a recording of N-MNIST
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


# N-MNIST: five bytes per event


def nmnist(source: Path, split: str) -> Recordings:
    """Files *.bin, one folder per class, in a folder or a zip archive."""
    with members(source) as files:
        found = [file for file in files if file.path.suffix == ".bin"]
        parts = {part.lower() for file in found for part in file.path.parts}
        if {"train", "test"} <= parts:
            found = [f for f in found if split in (part.lower() for part in f.path.parts)]
        if not found:
            raise mismatch("no file *.bin", "one per recording, in a folder per class")
        names = sorted({file.path.parent.name for file in found})
        paths = sorted((f.path for f in found), key=lambda path: (path.name, path))
    classes = sorted(names, key=int) if all(name.isdecimal() for name in names) else names
    number = {n: int(n) if n.isdecimal() else i for i, n in enumerate(classes)}

    def each() -> Iterator:
        with members(source) as files:
            content = {file.path: file for file in files}
            for path in paths:
                if content[path].size > LONGEST:
                    raise mismatch(f"{content[path].size} bytes", f"at most {LONGEST}", str(path))
                label = number[path.parent.name]
                yield f"{source}: {path}", label, _nmnist(content[path])

    return Recordings(
        (34, 34),
        len(paths),
        each(),
        labelled=True,
        source=f"{source.name}, {split}",
        classes=classes,
        doubts=doubts([source], len(paths), 10_000 if split == "test" else 60_000),
    )


def _nmnist(recording: Member) -> Iterator:
    """t, x, y, polarity of all events. y = 240 is none: the clock has gone round, 2^13 us."""
    if recording.size % 5:
        raise mismatch(f"{recording.size} bytes", "5 per event")
    with reading(recording.path), recording.open() as file:
        content = np.frombuffer(whole(file, recording.size, "the events"), np.uint8).reshape(-1, 5)
    x, y, high, middle, low = content.T.astype(np.int64)
    t = ((high & 127) << 16 | middle << 8 | low) + (y == 240).cumsum() * 8192
    real = y != 240
    yield t[real], x[real], y[real], high[real] >> 7


# AEDAT


def aedat(source: Path, chip: str | None) -> Recordings:
    """A file, or a folder of files, or one with a folder of files per class."""
    paths, classes = [(source, None)], []
    if source.is_dir():
        paths = sorted((p, None) for p in source.iterdir() if p.suffix.startswith(".aedat"))
        if not paths:
            classes = sorted(p.name for p in source.iterdir() if p.is_dir())
            paths = [
                (path, label)
                for label, name in enumerate(classes)
                for path in sorted((source / name).rglob("*.aedat*"))
            ]
        if not paths:
            raise wrong(source, "no file *.aedat", "one per recording")
    sensors = {path: _opened(path, chip) for path, _ in paths}
    sizes = {str(sensor) for sensor, _ in sensors.values()}
    if len(sizes) > 1:
        found = ", ".join(sorted(sizes))
        raise wrong(source, f"recordings of sensors {found}", "one size")
    each = ((str(path), label, sensors[path][1]()) for path, label in paths)
    sensor = sensors[paths[0][0]][0]
    about = source.resolve().name
    found = Recordings(sensor, len(paths), each, bool(classes), about, classes)
    found.start = None
    return found


def _opened(path: Path, chip: str | None):
    """The size of the sensor, or None, and what gives the parts of a recording."""
    with reading(path), open(path, "rb") as file:
        version, chip_said, end = _header(file)
    if version == "2.0":
        chip = chip or chip_said
        if chip not in CHIPS:
            found = "no chip named in the file" if chip is None else repr(chip)
            raise wrong(path, found, ", ".join(CHIPS), "--chip")
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
        raise EvsimError("AEDAT 4 needs a package: pip install aedat", file=str(path)) from None
    with _decoding(path):
        return Decoder(str(path))


def _aedat4_sensor(path: Path) -> tuple[int, int]:
    streams = _decoder(path).id_to_stream().values()
    found = [(s["height"], s["width"]) for s in streams if s["type"] == "events"]
    if len(found) != 1:
        expected = "one (of several cameras keep one)"
        raise wrong(path, f"{len(found)} streams of events", expected)
    return found[0]


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


# Streams in HDF5: t, x, y, p of all recordings, one after the other


def streams(source: Path, samples: str | None) -> Recordings:
    """Datasets t, x, y, p, offsets and labels; `samples` first:last."""
    from evsim.formats import _hdf5 as hdf5

    with hdf5.opened(source) as file:
        read, found = hdf5.Arrays(), {}
        for name in ("offsets", *(["labels"] if "labels" in file else [])):
            if name not in file:
                raise EvsimError(f"missing dataset {name!r}")
            found[name] = read(file[name], name).astype(np.int64)
        offsets, labels = found["offsets"], found.get("labels")
        lengths = set()
        for name in "txyp":
            if name not in file:
                raise EvsimError(f"missing dataset {name!r}")
            lengths.add(hdf5.checked(file[name], name).shape)
        if len(lengths) > 1 or offsets.ndim != 1 or offsets.size < 2:
            raise mismatch(f"shapes {sorted(lengths)}", "one value per event", "t, x, y, p")
        (length,) = next(iter(lengths))
        if (np.diff(offsets) < 0).any() or offsets[0] < 0 or offsets[-1] > length:
            raise mismatch("other values", f"ascending, up to {length}", "offsets")
        if labels is not None and labels.shape != (offsets.size - 1,):
            raise mismatch(f"shape {labels.shape}", f"({offsets.size - 1},)", "labels")
        said = hdf5.attribute(file, "sensor") if "sensor" in file.attrs else None
        about = hdf5.attribute(file, "source") if "source" in file.attrs else source.name
    first, last = _range(samples, offsets.size - 1)
    sensor = tuple(int(n) for n in said.split("x")[:2]) if isinstance(said, str) else None

    def each() -> Iterator:
        with hdf5.opened(source) as file:
            for index in range(first, last):
                part = slice(*offsets[index : index + 2])
                label = None if labels is None else int(labels[index])
                yield f"{source}: {index}", label, [[file[name][part] for name in "txyp"]]

    return Recordings(sensor, last - first, each(), labels is not None, str(about))


def _range(text: str | None, count: int) -> tuple[int, int]:
    """The half-open range of samples that an option names."""
    if text is None:
        return 0, count
    first, colon, last = text.partition(":")
    if not colon or not all(n == "" or n.isdecimal() for n in (first, last)):
        raise mismatch(repr(text), "first:last", "--samples")
    found = min(int(first or 0), count), min(int(last or count), count)
    if found[0] >= found[1]:
        raise mismatch(f"no sample in {text}", f"some of 0:{count}", "--samples")
    return found
