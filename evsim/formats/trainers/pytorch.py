"""PyTorch: a state_dict in HDF5, flat or in nested groups."""

from __future__ import annotations

import json

import numpy as np

from evsim.base.errors import EvsimError, mismatch, shown
from evsim.formats import _hdf5 as hdf5
from evsim.formats.trainers import _state_dict as state_dict
from evsim.formats.trainers._definition import Definition
from evsim.formats.trainers._topology import natural
from evsim.formats.trainers._trainer import Options, Reading, Source

TITLE = "PyTorch state_dict (HDF5)"
MARK = "arrays named as conv1.weight (PyTorch)"
OTHERS = {"node", "layer", "layers", "layer_names", "model_weights", "model_config"}
OTHERS |= {"keras_version", "nb_layers", "populations", "synapses"}
TOPOLOGY = "topology"  # the attribute with the layers, in JSON; networks/README.md says how
MOST, DEEPEST = 50_000, 64  # arrays of a file, groups inside each other
LAST = ("weight", "bias", "running_mean", "running_var")


def claims(source: Source) -> str | None:
    """What the file is, if its arrays are named as those of a state_dict.

    In groups such names are those of other trainers too: then only if nothing else is theirs.
    """
    file = source.file
    if file is None or "format" in file.attrs:
        return None
    names = _names(file, strict=False)
    if any(name.rpartition(".")[2] in LAST and "." in name for name in names):
        return TITLE
    if OTHERS & (set(file) | set(file.attrs)):
        return None
    return TITLE if any(name.rpartition("/")[2] in LAST for name in names) else None


def read(source: Source, options: Options) -> Reading:
    """The model of the topology that the options name, with the weights of the file."""
    read_array, arrays = hdf5.Arrays(), {}
    for name in _names(source.file):
        key = name.replace("/", ".")
        if key in arrays:
            raise mismatch(f"the key {key!r} twice", "once", name)
        arrays[key] = np.asarray(read_array(source.file[name], name))
    return state_dict.read(arrays, options, source, _own_topology(source))


def _own_topology(source: Source) -> Definition | None:
    """The layers that a file holds beside its weights: a definition in JSON at the root."""
    if TOPOLOGY not in source.file.attrs:
        return None
    text = hdf5.attribute(source.file, TOPOLOGY)
    try:
        content = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError) as error:
        raise mismatch(f"no JSON ({error})", "a definition of layers in JSON", TOPOLOGY) from None
    if not isinstance(content, dict):
        raise mismatch(shown(content), "a definition of layers in JSON", TOPOLOGY)
    try:
        return Definition.of(content, source.path)
    except EvsimError as error:
        raise error.within(TOPOLOGY) from None


def _names(file, strict: bool = True) -> list[str]:
    """The paths of all datasets: as they were created, if the file kept that, else sorted with
    their numbers as numbers. Not `strict`: without what cannot be read, which is an error else."""
    import h5py

    paths, ahead, seen = [], [("", file, None)], 0
    while ahead:
        path, parent, name = ahead.pop()
        seen += 1
        if seen > MOST or path.count("/") > DEEPEST:
            if not strict:
                break
            problem = f"more than {MOST} arrays, or groups nested more than {DEEPEST} deep"
            raise mismatch(problem, "fewer", path)
        thing = parent if name is None else parent[name]
        if isinstance(thing, h5py.Dataset):
            paths.append(path)
        elif isinstance(thing, h5py.Group):
            names = hdf5.names(thing, path) if strict else _hard(thing)
            if strict and len(names) > MOST:
                raise mismatch(f"{len(names)} names", f"at most {MOST}", path)
            ahead += [(f"{path}/{name}".lstrip("/"), thing, name) for name in reversed(names)]
    kept = file["/"].id.get_create_plist().get_link_creation_order()
    return paths if kept else sorted(paths, key=natural)


def _hard(group) -> list[str]:
    import h5py

    return [n for n in group if isinstance(group.get(n, getlink=True), h5py.HardLink)]
