"""Writing HDF5 files in which everything that is read has a checksum, which HDF5 itself verifies.

Format 1.10 of HDF5 has one in each of its own structures (superblock, headers with attributes and
links, indexes of chunks); datasets get one a chunk (fletcher32). So a changed byte is an error when
it is read, by any program, and readers need no code for it. The exception is text in attributes:
HDF5 keeps it where there is no checksum, unless it is of fixed length, and such text other programs
read as bytes. Equal content gives equal bytes: no times are kept.
"""

from __future__ import annotations

import numpy as np

CHUNK = 1 << 20  # bytes with one checksum, unless the caller says otherwise


def create(path):
    """A new HDF5 file, open for writing; one of this name is replaced."""
    import h5py

    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    layout = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    layout.set_obj_track_times(False)
    name = str(path).encode()
    return h5py.File(h5py.h5f.create(name, h5py.h5f.ACC_TRUNC, fcpl=layout, fapl=access))


def group(parent, name: str):
    """A new group inside another."""
    import h5py

    layout = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
    layout.set_obj_track_times(False)
    return h5py.Group(h5py.h5g.create(parent.id, name.encode(), gcpl=layout))


def note(owner, **attributes) -> None:
    """Write attributes on a file, group or dataset; text, also in arrays, as UTF-8."""
    import h5py

    for name, value in attributes.items():
        array = np.asarray(value)
        if array.dtype.kind == "U" and array.ndim:
            text = h5py.string_dtype()
            owner.attrs.create(name, array.astype(object), dtype=text)
        else:
            owner.attrs[name] = value


def dataset(parent, name: str, data: np.ndarray, **options):
    """A new dataset with the content of an array; `options` are those of h5py."""
    chunks = options.pop("chunks", chunk_of(data.shape, data.dtype.itemsize))
    if data.size and data.ndim:
        options |= {"chunks": chunks, "fletcher32": True}
    return parent.create_dataset(name, data=data, track_times=False, **options)


def chunk_of(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """The shape of chunks for an array: whole rows of the last axes, at most `CHUNK` bytes."""
    chunk, left = [], max(1, CHUNK // itemsize)
    for length in reversed(shape):
        chunk.append(max(1, min(length, left)))
        left //= chunk[-1]
    return tuple(reversed(chunk))
