"""Networks as HDF5 files of format "evsim-network"."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np

from evsim.base.arrays import address
from evsim.base.errors import EvsimError, mismatch, nearest, shown
from evsim.formats import _checksums as checksums
from evsim.formats import _hdf5 as hdf5
from evsim.formats._origin import Origin
from evsim.network.network import ATTRIBUTES, Network
from evsim.neurons import neuron_kinds
from evsim.synapses import synapse_kinds

FORMAT, VERSION = "evsim-network", 1
ROOT = ("format", "version", "input", "output", *ATTRIBUTES)


def load(path) -> Network:
    """Read a network file; `path` and `sha256` are kept as attributes of the network.

    Raises EvsimError with file, place, found and expected.
    """
    with hdf5.reading(path):
        origin = Origin(str(path))
        with hdf5.open_file(path) as file:
            hdf5.check_format(file, FORMAT)
            network = _network(file)
        network.path, network.sha256 = str(path), origin.sha256
    return network


def _network(file) -> Network:
    attributes = {}
    for name in file.attrs:
        if name in ROOT:
            value = hdf5.attribute(file, name)
            attributes[name] = value if np.size(value) != 1 else np.ravel(value)[0].item()
        elif not hdf5.ignored(name):
            known = f"one of {', '.join(ROOT)}{nearest(name, ROOT)}"
            raise EvsimError(f"unknown attribute, expected {known}", name)
    for name in hdf5.names(file):
        if name not in ("populations", "synapses"):
            near = nearest(name, ("populations", "synapses"))
            raise EvsimError(f"unknown group, expected populations and synapses{near}", f"/{name}")
    for name in ("input", "output"):
        if not isinstance(attributes.get(name), str):
            found = "no attribute" if name not in attributes else "a number"
            raise mismatch(found, "the name of a population", name)
    if "coding" in attributes and not isinstance(attributes["coding"], str):
        raise mismatch("a number", "the name of a coding", "coding")
    del attributes["format"], attributes["version"]
    arrays, seen = hdf5.Arrays(), {}
    populations = dict(_parts(file, "populations", neuron_kinds(), arrays, seen))
    synapses = dict(_parts(file, "synapses", synapse_kinds(), arrays, seen))
    try:
        return Network(populations, synapses, **attributes)
    except EvsimError as error:
        raise EvsimError(error.problem, f"/{error.place}" if error.place else "") from None


def _parts(file, folder: str, kinds: dict, arrays, seen: dict):
    """(name, part) of every group in a folder."""
    groups = hdf5.group(file, folder, f"/{folder}")
    if groups is None:
        raise EvsimError(f"missing group {folder!r}")
    for name in hdf5.names(groups, f"/{folder}"):
        place = f"/{folder}/{name}"
        group = hdf5.group(groups, name, place)
        try:
            where = hdf5.address(group)
            if where in seen:
                raise mismatch(f"the same group as {seen[where]}", "a group of its own")
            seen[where] = place
            yield name, _part(group, kinds, arrays)
        except EvsimError as error:
            raise error.within(place) from None


def _part(group, kinds: dict, arrays):
    fields = {}
    for name in group.attrs:
        if not hdf5.ignored(name):
            fields[name] = hdf5.attribute(group, name)
    for name in hdf5.names(group):
        if name in fields:
            raise EvsimError("found an attribute and a dataset of this name, expected one", name)
        fields[name] = arrays(group[name], name)
    kind = fields.pop("kind", None)
    if kind is None:
        near = nearest("kind", fields)
        raise EvsimError(f"missing field 'kind', one of {', '.join(kinds)}{near}")
    if not isinstance(kind, str) or kind not in kinds:
        near = nearest(kind, kinds) if isinstance(kind, str) else ""
        raise mismatch(shown(kind), f"one of {', '.join(kinds)}{near}", "kind")
    _unpack(fields, arrays)
    for field in dataclasses.fields(kinds[kind]):
        value = fields.get(field.name)
        if not isinstance(value, np.ndarray) or field.metadata["array"]:
            continue
        if value.size == 1 and value.ndim <= 1 and field.name != "shape":
            fields[field.name] = value.reshape(())
    return kinds[kind].build(fields)


def _unpack(fields: dict, arrays) -> None:
    """Weights of one bit, eight a byte along the last axis, as -1 and +1."""
    name = "data" if "data" in fields else "weight"
    packed, bits = fields.get(name), fields.get("bits")
    if not isinstance(packed, np.ndarray) or packed.dtype != np.uint8:
        if "weight_shape" in fields:
            raise EvsimError("only uint8 weights with bits = 1 have a shape", "weight_shape")
        return
    if not isinstance(bits, np.ndarray) or bits.size != 1 or bits.item() != 1:
        raise mismatch("uint8 weights", "bits = 1 with them, or signed integers", name)
    shape = fields.pop("weight_shape", None)
    if shape is None:
        raise EvsimError("missing field 'weight_shape', required with bits = 1")
    if not isinstance(shape, np.ndarray) or shape.dtype.kind not in "iu" or shape.ndim > 1:
        raise mismatch(shown(shape), "whole numbers", "weight_shape")
    shape = tuple(int(n) for n in shape.ravel())
    bytes_wide = (*shape[:-1], -(-shape[-1] // 8)) if shape else ()
    if packed.shape != bytes_wide or min(shape, default=0) < 0:
        raise mismatch(f"shape {packed.shape}", f"{bytes_wide} for weight_shape {shape}", name)
    key = (address(packed), shape)
    if key not in arrays.read:
        ones = np.unpackbits(packed, axis=-1, count=shape[-1]).view(np.int8)
        arrays.read[key] = (packed, (2 * ones - 1).astype(np.int8))
    fields[name] = arrays.read[key][1]


def save(
    network: Network, path, overwrite: bool = False, notes: dict[str, dict] | None = None
) -> None:
    """Write a network file, under a temporary name that is renamed when it is complete.

    An array that two sets share is written once. `notes`: attributes by population that readers
    ignore; their names begin with "x-". Raises EvsimError if `path` exists.
    """
    path, parts = Path(path), (*network.populations.values(), *network.synapses.values())
    if path.exists() and not overwrite:
        raise EvsimError("exists already", file=str(path))
    temporary = Path(f"{path}.{os.getpid()}.part")
    try:
        arrays = [v for p in parts for v in vars(p).values() if isinstance(v, np.ndarray)]
        room = (1 << 20) + sum(array.nbytes + (16 << 10) for array in arrays)
        hdf5.hold(temporary, 0, room)
        with checksums.create(temporary) as file, hdf5.room(file, temporary, room):
            checksums.note(file, format=FORMAT, version=VERSION)
            checksums.note(file, input=network.input, output=network.output, **network.attributes)
            written: dict[tuple, object] = {}
            for folder in ("populations", "synapses"):
                groups = checksums.group(file, folder)
                for name, part in getattr(network, folder).items():
                    _write(checksums.group(groups, name), part, written)
            for name, note in (notes or {}).items():
                checksums.note(file["populations"][name], **note)
        temporary.replace(path)
    except OSError as error:
        raise EvsimError(f"cannot be written: {error.strerror or error}", file=str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)


def _write(group, part, written: dict) -> None:
    checksums.note(group, kind=part.kind)
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if value is None:
            continue
        if not isinstance(value, np.ndarray) or value.ndim == 0:
            checksums.note(group, **{field.name: value})
            continue
        packed = field.name in ("weight", "data") and getattr(part, "bits", None) == 1
        key = (address(value), packed)
        if packed:
            checksums.note(group, weight_shape=value.shape)
        if key in written:
            group[field.name] = written[key]
        else:
            content = np.packbits(value > 0, axis=-1) if packed else value
            written[key] = checksums.dataset(group, field.name, content)
