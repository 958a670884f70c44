"""The image a trainer's network takes: its scaling, and the order of its colours."""

from __future__ import annotations

import dataclasses

import numpy as np

from evsim.artificial.layers import Layer, Shape
from evsim.artificial.model import INPUT
from evsim.base.errors import Parameter, mismatch
from evsim.formats.trainers._trainer import Options
from evsim.neurons.input import Input


def input_of(shape: Shape, options: Options, *, scale=255.0, mean=0.0, std=1.0) -> Input:
    """The image: what the file says of its scaling, unless the options say otherwise.

    Mean and deviation are those of the network's channels; with `bgr` the data's channels come
    in the reverse order.
    """
    scaling = {"mean": mean, "std": std}
    for name in scaling:
        given = getattr(options, name)
        values = np.asarray(scaling[name] if given is None else given, np.float64)
        scaling[name] = values[::-1] if options.bgr and values.ndim else values
    scale = scale if options.scale is None else options.scale
    return Input(shape=shape, scale=np.float64(scale), **scaling)


def reversed_channels(layers: dict[str, Layer], shape: Shape) -> dict[str, Layer]:
    """The layers of a network that takes blue first, for an image of `shape` with red first.

    What keeps channels apart (padding, pools, rectifiers) hands the reverse order on; the weights
    that first mix them are reversed. `layers` in their order, sources first.
    """
    if len(shape) != 3 or shape[2] != 3:
        raise mismatch(f"an image of shape {shape}", "one of three channels", Parameter("bgr"))
    shapes, turned, places = {INPUT: shape}, {}, {INPUT: np.arange(shape[2])[::-1]}
    for name, layer in layers.items():
        shapes[name] = layer.shape(*(shapes[source] for source in layer.sources))
        reverse = [places.get(source) for source in layer.sources]
        turned[name] = layer
        if any(place is not None for place in reverse):
            turned[name], places[name] = _reversed(name, layer, shapes, reverse)
    return turned


def _reversed(name: str, layer: Layer, shapes: dict, reverse: list):
    """The layer for sources in reverse order, and where each channel of its result now lies.

    `reverse`: for each source, which channel of the network's lies at each place; None: no change.
    """
    place = reverse[0]
    if layer.kind in ("pad", "crop", "pool", "softmax"):
        return layer, place
    if layer.kind == "relu":
        return _per_channel(layer, place, "ceiling", "rounding"), place
    if layer.kind == "normalize":
        return _per_channel(layer, place, "gamma", "beta", "mean", "variance", "epsilon"), place
    if layer.kind == "dense":
        source = shapes[layer.sources[0]]
        rows = np.arange(len(layer.weight)).reshape(*source[:-1], -1)[..., place].reshape(-1)
        return dataclasses.replace(layer, weight=layer.weight[rows]), None
    if layer.kind == "conv" and layer.groups == 1:
        return dataclasses.replace(layer, weight=layer.weight[:, :, place]), None
    if layer.kind == "conv" and layer.groups == len(place):
        out = layer.weight.shape[3]
        moved = np.arange(out).reshape(layer.groups, -1)[place].reshape(-1)
        bias = None if layer.bias is None else layer.bias[moved]
        weight = layer.weight[:, :, :, moved]
        return dataclasses.replace(layer, weight=weight, bias=bias), moved
    if layer.kind == "flatten":
        return layer, _flat(shapes[layer.sources[0]], place, layer.order)
    same = all(other is not None and np.array_equal(other, place) for other in reverse)
    if layer.kind == "add" and same:
        return layer, place
    if layer.kind == "concatenate":
        return layer, _joined([shapes[source][-1] for source in layer.sources], reverse)
    expected = "a layer that can take its channels in reverse order"
    raise mismatch(f"a layer of kind {layer.kind!r}", expected, f"layers/{name}")


def _per_channel(layer: Layer, place: np.ndarray, *names: str) -> Layer:
    """The layer with its values per channel moved to where the channels now lie."""
    moved = {
        name: value[place]
        for name in names
        if (value := getattr(layer, name)) is not None and value.ndim
    }
    return dataclasses.replace(layer, **moved)


def _flat(shape: Shape, place: np.ndarray, order: str) -> np.ndarray:
    """Where the values of a flattened map now lie."""
    if len(shape) == 1:
        return place
    index = np.arange(int(np.prod(shape)))
    if order == "hwc":
        return index.reshape(shape)[..., place].reshape(-1)
    return index.reshape(shape[2], *shape[:2])[place].reshape(-1)


def _joined(sizes: list[int], reverse: list) -> np.ndarray:
    """Where the channels of several sources now lie, side by side."""
    first = np.cumsum([0, *sizes])
    return np.concatenate(
        [
            first[i] + (np.arange(size) if reverse[i] is None else reverse[i])
            for i, size in enumerate(sizes)
        ]
    )
