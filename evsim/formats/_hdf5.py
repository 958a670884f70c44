"""Reading HDF5 files that anybody made: every mistake becomes one line, nothing is executed."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evsim.parts import EvsimError, frozen, mismatch

PACKING = 1100  # no filter of HDF5 packs better: what declares more is not there
SMALL = 64 << 20  # bytes that may be declared without being there


@contextlib.contextmanager
def opened(path) -> Iterator:
    """The open file; whatever HDF5 raises inside becomes an EvsimError."""
    import h5py

    path = Path(path)
    if not path.exists():
        raise EvsimError("no such file", file=str(path))
    if not path.is_file():
        raise EvsimError("not a file", file=str(path))
    try:
        with h5py.File(path, "r") as file:
            yield file
    except EvsimError as error:
        raise error.within(file=str(path)) from None
    except PermissionError:
        raise EvsimError("cannot be read: permission denied", file=str(path)) from None
    except MemoryError:
        raise EvsimError("found more data than memory holds", file=str(path)) from None
    except Exception as error:  # h5py raises many kinds for a damaged file
        if not h5py.is_hdf5(path):
            with path.open("rb") as start:
                signature = start.read(8) == b"\x89HDF\r\n\x1a\n"
            what = "a damaged HDF5 file" if signature else "not an HDF5 file"
            raise EvsimError(f"{what}, expected an HDF5 file", file=str(path)) from None
        reason = " ".join(str(error).split())[:200]
        raise EvsimError(f"a damaged HDF5 file ({reason})", file=str(path)) from None


def digest(path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_format(file, name: str) -> None:
    """Raise an error unless the root says format `name`, version 1."""
    found = attribute(file, "format") if "format" in file.attrs else None
    if found != name:
        raise mismatch(described(file, found), f"format {name!r}", "format")
    version = attribute(file, "version") if "version" in file.attrs else None
    whole = isinstance(version, np.ndarray) and version.size == 1 and version.dtype.kind in "iu"
    if not whole or version.item() < 1:
        raise mismatch("none" if version is None else repr(version), "version 1", "version")
    if version.item() > 1:
        expected = "version 1 (the file was written for a newer evsim)"
        raise mismatch(f"version {version.item()}", expected, "version")


def described(file, found) -> str:
    """What a file seems to be that is not of the expected format."""
    if isinstance(found, str):
        return f"format {found!r}"
    if "keras_version" in file.attrs or "model_config" in file.attrs or "layer_names" in file.attrs:
        trainer = "Keras"
    elif "node" in file and "version" in file:
        trainer = "NIR"
    elif "layer" in file:
        trainer = "lava"
    elif any(name.endswith((".weight", "running_mean")) for name in file):
        trainer = "PyTorch"
    else:
        return "no attribute 'format'"
    return f"an unconverted {trainer} file (convert it to a network first)"


def names(group) -> list[str]:
    """The names in a group; a soft or external link is an error."""
    import h5py

    found = []
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise EvsimError("found a soft or external link, expected the object itself", name)
        found.append(name)
    return found


def group(parent, name: str):
    """A group inside another; None if it is absent."""
    import h5py

    if name not in names(parent):
        return None
    if not isinstance(parent[name], h5py.Group):
        raise mismatch("a dataset", "a group", name)
    return parent[name]


def ignored(name: str) -> bool:
    """Whether an attribute is anybody's own."""
    return name.startswith(("_", "x-"))


def attribute(owner, name: str):
    """An attribute: str, or an array."""
    import h5py

    value = owner.attrs[name]
    if isinstance(value, h5py.Empty):
        raise mismatch("an empty value", "a value", name)
    return plain(value)


def plain(value):
    """A value as read, with text as str and anything else as an array."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, str):
        return str(value)
    value = np.asarray(value)
    if value.dtype.kind in "OS":
        items = [v.decode() if isinstance(v, bytes) else v for v in value.ravel().tolist()]
        if not all(isinstance(item, str) for item in items):
            raise mismatch(f"dtype {value.dtype}", "numbers or text")
        if len(items) == 1:
            return items[0]
        return np.array(items).reshape(value.shape)
    return value


class Arrays:
    """Reads datasets; one that is linked from several groups is one array in memory."""

    def __init__(self):
        self.read: dict[tuple, object] = {}

    def __call__(self, dataset, place: str = ""):
        """The content of a dataset: str, or a read-only array."""
        checked(dataset, place)
        key = address(dataset)
        if key not in self.read:
            value = plain(dataset[()])
            self.read[key] = frozen(value) if isinstance(value, np.ndarray) else value
        return self.read[key]


def address(thing) -> tuple:
    """Where an object lies in its file: equal for hard links to one object."""
    import h5py

    info = h5py.h5o.get_info(thing.id)
    return info.fileno, info.addr


def checked(dataset, place: str = ""):
    """The dataset, if it is one whose content is in this file, all that it declares."""
    import h5py

    if not isinstance(dataset, h5py.Dataset):
        raise mismatch("a group", "a dataset", place)
    if dataset.shape is None:
        raise mismatch("an empty dataset", "values", place)
    if dataset.is_virtual or dataset.external:
        raise EvsimError("found data kept in another file, expected it in this one", place)
    declared = dataset.size * dataset.dtype.itemsize
    stored = dataset.id.get_storage_size()
    if declared > max(SMALL, PACKING * stored):
        found = f"{declared / 1e9:.1f} GB declared and {stored} bytes stored"
        raise mismatch(found, "a dataset that holds what it declares", place)
    return dataset
