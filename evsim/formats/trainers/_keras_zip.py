"""Keras 3 model files: a zip archive of a configuration and an HDF5 file of weights."""

from __future__ import annotations

import io
import zipfile
import zlib

from evsim.base.errors import EvsimError, mismatch
from evsim.formats import _hdf5 as hdf5

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
ENTRIES = 10_000
CONFIG_BYTES = 64 << 20
MOST_BYTES = 8 << 30
SIGNATURE = b"PK\x03\x04"


def claims(path) -> bool:
    """Whether a zip archive is a Keras model; never raises."""
    try:
        with zipfile.ZipFile(path) as archive:
            return CONFIG in archive.namelist() and any(
                name.startswith("model.weights.") for name in archive.namelist()
            )
    except Exception:  # zipfile raises many kinds for a damaged archive
        return str(path).endswith(".keras")


def parts(path) -> tuple[str, io.BytesIO]:
    """The configuration and the weights, as HDF5 in memory; nothing is extracted to disk."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _entries(archive)
            config = _content(archive, entries, CONFIG, CONFIG_BYTES)
            weights = _content(archive, entries, WEIGHTS, MOST_BYTES)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError) as error:
        raise mismatch(f"a damaged zip archive ({error})", "a whole one") from None
    try:
        return config.decode(), io.BytesIO(weights)
    except UnicodeDecodeError:
        raise mismatch("text that is not UTF-8", "JSON", CONFIG) from None


def _entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The entries by name: no name twice, none that points outside."""
    listed = archive.infolist()
    if len(listed) > ENTRIES:
        raise mismatch(f"{len(listed)} entries", f"at most {ENTRIES}")
    entries = {}
    for entry in listed:
        name = entry.filename
        if name.startswith("/") or "\\" in name or ".." in name.split("/") or ":" in name:
            raise mismatch(f"the name {name!r}", "a path inside the archive")
        if name in entries:
            raise mismatch("an entry given twice", "once", name)
        entries[name] = entry
    if WEIGHTS not in entries:
        other = sorted(name for name in entries if name.startswith("model.weights."))
        if other:
            raise EvsimError(
                f"weights not kept as HDF5: save the model with {WEIGHTS} (the default)", other[0]
            )
    return entries


def _content(archive: zipfile.ZipFile, entries: dict, name: str, most: int) -> bytes:
    """The content of one entry, if it is as large as it says and plausible for its packed size."""
    if name not in entries:
        raise mismatch("no such entry", "one in a Keras model file", name)
    entry = entries[name]
    if entry.flag_bits & 1:
        raise mismatch("an encrypted entry", "a plain one", name)
    limit = min(most, max(hdf5.SMALL, hdf5.PACKING * entry.compress_size))
    if entry.file_size > limit:
        found = f"{entry.file_size} bytes declared and {entry.compress_size} stored"
        raise mismatch(found, f"at most {limit} bytes", name)
    with archive.open(entry) as file:
        content = file.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        raise mismatch(f"{len(content)} bytes", f"{entry.file_size}, as declared", name)
    return content
