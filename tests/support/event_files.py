"""Recordings of event cameras, in the formats that people download."""

import struct
import zipfile

import h5py
import numpy as np


def some_events(count, sensor=(34, 34), seed=0, longest=20_000):
    """t, x, y, p, ascending in time."""
    random = np.random.default_rng(seed)
    t = np.sort(random.integers(0, longest, count))
    return t, *(random.integers(0, n, count) for n in (sensor[1], sensor[0], 2))


def nmnist_bytes(columns):
    t, x, y, p = columns
    return np.stack([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255], axis=1).astype("u1").tobytes()


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, bytes_ in files.items():
            archive.writestr(name, bytes_)


def aedat2(columns, chip="DVS128"):
    """The bytes of an AEDAT 2 file; rows are counted upwards in it."""
    t, x, y, p = columns
    head = f"#!AER-DAT2.0\r\n# AEChip: eu.seebetter.ini.chips.{chip}\r\n"
    if chip == "DVS128":
        address, other = (127 - y) << 8 | x << 1 | p, 0x8000
    else:
        address, other = (259 - y) << 22 | x << 12 | p << 11, 0x8000_0000
    rows = np.stack([address, t], axis=1)
    rows = np.concatenate([rows, [[other, int(t[-1])]]])  # one that is no event
    return head.encode() + rows.astype(">u4").tobytes()


def aedat3(columns, seed=0):
    """The bytes of an AEDAT 3.1 file: packets of events, one of another type, an invalid event."""
    t, x, y, p = columns
    found = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 0: DVS128\r\n#!END-HEADER\r\n"

    def packet(kind, size, rows, overflow=0):
        count = len(rows) // size
        return struct.pack("<hhiiiiii", kind, 0, size, 4, overflow, count, count, count) + rows

    for part in np.array_split(np.arange(len(t)), 3):
        data = x[part] << 17 | y[part] << 2 | p[part] << 1 | 1
        rows = np.stack([data, t[part] & 0x7FFF_FFFF], axis=1)
        rows = np.concatenate([rows, [[0, 5]]]).astype("<u4").tobytes()
        found += packet(1, 8, rows, int(t[part][0]) >> 31) + packet(2, 12, bytes(36))
    return found


def write_streams(recordings, **changes):
    columns = [np.concatenate(c) for c in zip(*recordings, strict=True)]
    fields = dict(zip("txyp", columns, strict=True))
    fields["offsets"] = np.cumsum([0, *(len(r[0]) for r in recordings)])
    fields["labels"] = np.arange(len(recordings))
    with h5py.File("s.h5", "w") as file:
        file.attrs["sensor"] = "34x34x2"
        for name, value in (fields | changes).items():
            if value is not None:
                file[name] = value
