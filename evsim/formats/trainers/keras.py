"""Keras: model files and weights of every version, 0.x to 3, without Keras."""

from __future__ import annotations

import contextlib
import dataclasses

from evsim.artificial.model import Model
from evsim.base.errors import EvsimError, mismatch
from evsim.formats import _hdf5 as hdf5
from evsim.formats.trainers import _keras_zip as archive
from evsim.formats.trainers import _topology as topology
from evsim.formats.trainers._keras_bundles import bundles
from evsim.formats.trainers._keras_config import Graph, graph, parsed
from evsim.formats.trainers._keras_json import described, is_json
from evsim.formats.trainers._keras_model import THEANO, reading
from evsim.formats.trainers._keras_weights import CONTAINERS, Legacy, Numbered, Oldest, Tree
from evsim.formats.trainers._trainer import Bundle, Options, Reading, Source

TITLE = "Keras (.h5, .keras, .weights.h5)"
MARK = "an attribute model_config or layer_names, or groups layers/.../vars (Keras)"
OWN_TOPOLOGY = "the file holds its own topology"


def claims(source: Source) -> str | None:
    """What the file is, if Keras wrote it."""
    with contextlib.suppress(Exception):
        if source.file is None:
            zipped = source.start.startswith(archive.SIGNATURE) and archive.claims(source.path)
            return "Keras 3 model file (zip)" if zipped else None
        attributes = source.file.attrs
        if "model_config" in attributes:
            return f"Keras {_version(source.file)} model file (HDF5)"
        if "layer_names" in attributes or "layer_names0" in attributes:
            return f"Keras {_version(source.file)} weights (HDF5)"
        if "nb_layers" in attributes:
            return "Keras 0 weights (HDF5)"
        if any(_numbered(source.file, name) for name in hdf5.names(source.file)):
            return "Keras 3 weights (HDF5)"
    return None


def _numbered(file, name: str) -> bool:
    """Whether a group of the root holds layers as Keras 3 keeps them."""
    import h5py

    words = name.replace("\\", "/").split("/")
    if words[0] not in CONTAINERS:
        return False
    if len(words) > 1:
        return "vars" in words
    group = file[name]
    return any(
        word in CONTAINERS or word == "vars"
        for child in hdf5.names(group)
        if isinstance(group[child], h5py.Group)
        for word in group[child]
    )


def _version(file) -> str:
    """The first number of the version that wrote a file; 1 where it does not say."""
    for holder in (file, file.get("model_weights")):
        if holder is not None and "keras_version" in holder.attrs:
            return str(hdf5.attribute(holder, "keras_version")).split(".")[0]
    return "1"


def _backend(file) -> str | None:
    """The backend that wrote a file, if it says so."""
    for holder in (file, file.get("model_weights")):
        if holder is not None and "backend" in holder.attrs:
            return str(hdf5.attribute(holder, "backend"))
    return None


def read(source: Source, options: Options) -> Reading:
    """The model in a file of Keras; of weights alone, with the topology that the options name."""
    if source.file is None:
        return _read_archive(source, options)
    file = source.file
    backend = _backend(file)
    if backend is not None and backend != "theano":
        options.refuse("flip_kernels", f"{backend} wrote its kernels")
    if "model_config" in file.attrs:
        weights = hdf5.group(file, "model_weights", "model_weights")
        if weights is None:
            raise mismatch("no group model_weights", "the weights of the model")
        legacy = Legacy(Tree(weights, "model_weights"))
        layers = graph(parsed(hdf5.attribute(file, "model_config"), "model_config"), "model_config")
        return _of_model(layers, legacy, backend, options, source)
    tree = Tree(file)
    if "nb_layers" in file.attrs:
        return _of_weights(Oldest(tree), True, backend, options, source)
    if (names := tree.texts("", "layer_names")) is not None:
        old = bool(names) and _version(file) == "1"
        return _of_weights(Legacy(tree), old, backend, options, source)
    options.refuse("flip_kernels", "Theano wrote no such files")
    return _of_weights(Numbered(tree), False, "tensorflow", options, source)


def _read_archive(source: Source, options: Options) -> Reading:
    import h5py

    config, weights = archive.parts(source.path)
    layers = graph(parsed(config, archive.CONFIG), archive.CONFIG)
    options.refuse("flip_kernels", "Theano wrote no such files")
    try:
        file = h5py.File(weights, "r")
    except Exception as error:  # h5py raises many kinds for a damaged file
        raise hdf5.damaged(error, archive.WEIGHTS) from None
    with file:
        arrays = Numbered(Tree(file, archive.WEIGHTS))
        return _of_model(layers, arrays, "tensorflow", options, source)


def _of_model(layers: Graph, arrays, backend, options: Options, source: Source) -> Reading:
    """The model of a file that holds its topology; with force, another topology's."""
    options.refuse("topology", OWN_TOPOLOGY)
    if options.topology is not None:
        return _of_weights(arrays, False, backend, options, source)
    made = reading(layers, arrays, backend, options)
    if not made.unsupported:
        _nothing_left(layers, arrays)
    return made


def _nothing_left(layers: Graph, arrays) -> None:
    """Raise an error if the file has weights of layers that its configuration has not."""
    used = {stored.place for node in layers.nodes for stored in _own(arrays, node)}
    for name, _, arrays_of_layer in arrays.all():
        for stored in arrays_of_layer:
            if stored.place not in used:
                expected = "one of a layer in the configuration"
                raise mismatch(f"an array of {name!r}", expected, stored.place)


def _own(arrays, node) -> list:
    try:
        return arrays.of(node)
    except EvsimError:
        return []  # a layer without weights


def _of_weights(arrays, old: bool, backend, options: Options, source: Source) -> Reading:
    """The model of weights and the topology asked for; without one, what there is."""
    if is_json(options.topology) and not isinstance(arrays, Oldest):
        layers, said = described(options.topology)
        made = reading(layers, arrays, backend or said, options)
        if not made.unsupported:
            _nothing_left(layers, arrays)
        return made
    read = Reading()
    theano = backend == "theano" or options.flip_kernels
    made, first = bundles(arrays.all(), old, theano, read)
    kernels = any(b.arrays["weight"].ndim == 4 for b in made if "weight" in b.arrays)
    if backend is None and kernels and not options.flip_kernels:
        read.notes.append(THEANO)
    if options.topology is None:
        read.unsupported.append(("layers", topology.MISSING))
        read.layers = [row for bundle in made for row in _rows(bundle)]
        read.bundles = made
        return read
    applied = topology.apply(made, options, source, "keras")
    applied.notes = read.notes + applied.notes
    applied.unsupported = read.unsupported + applied.unsupported
    if first and isinstance(applied.content, Model):
        applied.content = _channels_first(applied.content)
        applied.notes.append("channels first, as the kernels have them: so is Flatten's order")
    return applied


def _channels_first(model: Model) -> Model:
    """The model with Flatten going through one channel after the other."""
    layers = {
        name: dataclasses.replace(layer, order="chw") if layer.kind == "flatten" else layer
        for name, layer in model.layers.items()
    }
    about = {"description": model.description, "notes": model.notes}
    return Model(layers, model.input, output=model.output, **about)


def _rows(bundle: Bundle) -> list[dict]:
    return [
        {"layer": bundle.name, "kind": role, "shape": list(v.shape), "parameters": v.size}
        for role, v in bundle.arrays.items()
    ]
