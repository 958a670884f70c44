"""Reading HDF5 files that anybody made: every mistake becomes one line, nothing is executed."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

import numpy as np

from evsim.base.errors import EvsimError, mismatch, shown
from evsim.base.fields import frozen

PACKING = 1100  # no filter of HDF5 packs better: what declares more is not there
SMALL = 64 << 20  # bytes that may be declared without being there
SIGNATURE = b"\x89HDF\r\n\x1a\n"


@contextlib.contextmanager
def opened(path) -> Iterator:
    """The open file; whatever HDF5 raises inside becomes an EvsimError."""
    with reading(path), open_file(path) as file:
        yield file


def signed(path, expected: str = "a file") -> bool:
    """Whether a file has the signature of HDF5; EvsimError where it is no regular file.

    `expected`: what it should be, for that error.
    """
    import h5py

    if not stat.S_ISREG(os.stat(path).st_mode):
        raise mismatch("no regular file", expected)
    return h5py.is_hdf5(path)


def open_file(path):
    """The open file, for use inside `reading`."""
    import h5py

    if not signed(path, "an HDF5 file"):
        raise mismatch(_signature(path), "an HDF5 file")
    return h5py.File(path, "r")


@contextlib.contextmanager
def reading(path) -> Iterator[None]:
    """Whatever reading an HDF5 file raises inside becomes an EvsimError."""
    try:
        yield
    except EvsimError as error:
        raise error.within(file=str(path)) from None
    except MemoryError as error:
        raise EvsimError("found more data than memory holds", file=str(path)) from error
    except Exception as error:  # h5py raises many kinds for a damaged file
        raise damaged(error, format=format_of(path)).within(file=str(path)) from None


def format_of(path) -> str:
    """What a file seems to be by its first bytes, else by its name: 'HDF5 file', ... or 'file'."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        start = file.read(9)
        if start.startswith(SIGNATURE):
            return "HDF5 file"
        if start.startswith(b"PK"):
            return "zip archive"
        if start[8:] == b"{":
            return "safetensors file"
    ending = os.path.splitext(path)[1].lower()
    known = {".toml": "TOML file", ".safetensors": "safetensors file", ".onnx": "ONNX file"}
    return known.get(ending, "file")


def damaged(error: Exception, place: str = "", format: str = "HDF5 file") -> EvsimError:
    """What the system or a library (that of HDF5) could not read, as an error of ours."""
    if isinstance(error, FileNotFoundError):
        return EvsimError("no such file", place)
    if getattr(error, "errno", None) in (errno.EAGAIN, errno.EWOULDBLOCK):
        return mismatch("a file that another program writes", "one that is complete", place)
    if isinstance(error, OSError) and error.errno:
        return EvsimError(f"cannot be read: {os.strerror(error.errno)}", place)
    reason = " ".join(str(error).split())[:200]
    return mismatch(f"a damaged {format} ({reason})", "a whole one", place)


def _signature(path) -> str:
    """What a file seems to be that the HDF5 library does not take for its own."""
    with open(path, "rb") as file:
        start = file.read(len(SIGNATURE))
    if not start:
        return "an empty file"
    if start == SIGNATURE:
        return "a damaged HDF5 file"
    if start.startswith(b"PK"):
        return "a zip archive (a trainer's .keras or .pt file? convert it to a network first)"
    return "a file of another format"


@contextlib.contextmanager
def room(file, path, size: int) -> Iterator[None]:
    """Hold `size` bytes of the disk past the end of an open file while it is written, then flush.

    The HDF5 library crashes where the disk is full. Raises OSError, the file unchanged, if the
    disk does not have them.
    """
    end = file.id.get_filesize()
    hold(path, end, size)
    yield
    file.flush()
    os.truncate(path, file.id.get_filesize())


def hold(path, start: int, size: int) -> None:
    """Make `size` bytes from `start` on a file's own; it is made if there is none."""
    if not hasattr(os, "posix_fallocate"):
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        before = os.fstat(descriptor).st_size
        os.posix_fallocate(descriptor, start, size)
    except OSError as error:
        os.ftruncate(descriptor, before)
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
    finally:
        os.close(descriptor)


def check_format(file, name: str) -> None:
    """Raise an error unless the root says format `name`, version 1."""
    format = attribute(file, "format") if "format" in file.attrs else None
    if format != name:
        raise mismatch(described(file, format), f"format {name!r}", "format")
    version = attribute(file, "version") if "version" in file.attrs else None
    whole = isinstance(version, np.ndarray) and version.size == 1 and version.dtype.kind in "iu"
    if not whole or version.item() < 1:
        raise mismatch("none" if version is None else shown(version), "version 1", "version")
    if version.item() > 1:
        expected = "version 1 (the file was written for a newer evsim)"
        raise mismatch(f"version {version.item()}", expected, "version")


def described(file, found) -> str:
    """What a file of another format seems to be, in words; `found` is its attribute format."""
    if isinstance(found, str):
        return f"format {found!r}"
    keras = {"keras_version", "model_config", "layer_names"} & set(file.attrs)
    if keras or {"layers", "vars"} <= set(file):
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


def names(group, place: str = "") -> list[str]:
    """The names in a group at `place`; EvsimError for a soft or external link among them."""
    import h5py

    listed = []
    for name in group:
        if not name.isprintable():
            raise mismatch(f"the name {name!r}", "one of printable characters", place)
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            error = mismatch("a soft or external link", "the object itself", name)
            raise error.within(place)
        listed.append(name)
    return listed


def group(parent, name: str, place: str):
    """The group `name` inside another; None if it is absent, EvsimError if it is a dataset."""
    import h5py

    member = parent.get(name)
    if member is not None and not isinstance(member, h5py.Group):
        raise mismatch("a dataset", "a group", place)
    return member


def ignored(name: str) -> bool:
    """Whether readers pass over an attribute: its name says that it is somebody's own."""
    return name.startswith(("_", "x-"))


def attribute(owner, name: str):
    """The value of an attribute: a str, or an array; EvsimError where it cannot be read."""
    import h5py

    value = owner.attrs[name]
    if isinstance(value, h5py.Empty):
        raise mismatch("an empty value", "a value", name)
    return plain(value, name)


def plain(value, place: str):
    """A value as h5py reads it: text as str, anything else as an array."""
    value = np.asarray(value)
    if value.dtype.kind not in "OSU":
        return value
    try:
        items = [v.decode() if isinstance(v, bytes) else v for v in value.ravel().tolist()]
    except UnicodeDecodeError:
        raise mismatch("text that is not UTF-8", "UTF-8", place) from None
    if not all(isinstance(item, str) for item in items):
        raise mismatch(f"dtype {value.dtype}", "numbers or text", place)
    return items[0] if len(items) == 1 else np.array(items).reshape(value.shape)


class Arrays:
    """Reads datasets; one that several groups link to becomes one array in memory."""

    def __init__(self):
        self.read: dict[tuple, object] = {}

    def __call__(self, dataset, place: str = ""):
        """The content of a dataset: str, or a read-only array."""
        checked(dataset, place)
        key = address(dataset)
        if key not in self.read:
            try:
                content = dataset[()]
            except (MemoryError, EvsimError):
                raise
            except Exception as error:
                raise damaged(error, place) from None
            value = plain(content, place)
            self.read[key] = frozen(value) if isinstance(value, np.ndarray) else value
        return self.read[key]


def address(thing) -> tuple:
    """Where an object lies in its file: equal for hard links to one object."""
    import h5py

    info = h5py.h5o.get_info(thing.id)
    return info.fileno, info.addr


def checked(dataset, place: str = ""):
    """The dataset itself, if it is one and its content is in this file; else EvsimError.

    One that declares far more values than are stored is taken for damaged.
    """
    import h5py

    if not isinstance(dataset, h5py.Dataset):
        found = "a group" if isinstance(dataset, h5py.Group) else "a named datatype"
        raise mismatch(found, "a dataset", place)
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
