"""What each layer of Keras is in evsim; `LAYERS` by class, old names included.

Each function adds what a layer is to the model and returns the name of its result.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from evsim.artificial.layers.add import Add
from evsim.artificial.layers.concatenate import Concatenate
from evsim.artificial.layers.crop import Crop
from evsim.artificial.layers.normalize import Normalize
from evsim.artificial.layers.pad import Pad
from evsim.artificial.layers.permute import Permute
from evsim.artificial.layers.pool import Pool
from evsim.artificial.layers.softmax import Softmax
from evsim.artificial.model import INPUT
from evsim.base.errors import shown
from evsim.formats.trainers._keras_activation import activation, clipped
from evsim.formats.trainers._keras_build import Building, same_padding
from evsim.formats.trainers._keras_config import Node
from evsim.formats.trainers._keras_fields import Fields, Unsupported
from evsim.formats.trainers._keras_weighted import (
    batch_norm,
    conv,
    dense,
    depthwise,
    normalization,
    of_larq,
    rescaling,
    separable,
)


def pool(build: Building, node: Node) -> str:
    """Add the pool that MaxPooling2D or AveragePooling2D is."""
    fields, shape = node.fields, build.map(node)
    kernel = fields.pair("pool_size", default=(2, 2))
    stride = fields.pair("strides", default=kernel)
    mode = fields.text("padding", "border_mode", default="valid")
    padding = (0, 0, 0, 0)
    if mode == "same":
        odd = tuple(k - 2 if k > 2 and k % 2 else k - 1 for k in kernel)
        padding = same_padding(shape, kernel, stride, odd if build.theano else None)
    elif mode != "valid":
        raise Unsupported(f"padding {mode!r}: 'same' and 'valid' work")
    layer = Pool(
        sources=build.results[node.sources[0]],
        operation="max" if "Max" in node.kind else "average",
        kernel=kernel,
        stride=stride,
        padding=padding,
        count_padding=False,
    )
    return build.put(node, layer)


def global_pool(build: Building, node: Node) -> str:
    """Add the pool over a whole map, and the vector, of GlobalMaxPooling2D and the like."""
    shape = build.map(node)
    operation = "max" if "Max" in node.kind else "average"
    layer = Pool(sources=build.results[node.sources[0]], operation=operation, kernel=shape[:2])
    if node.fields.flag("keepdims", default=False):
        return build.put(node, layer)
    return build.flat(node, build.put(node, layer), "hwc")


def zero_padding(build: Building, node: Node) -> str:
    """Add the padding of ZeroPadding2D, in the four ways its setting has been written."""
    build.map(node)
    fields = node.fields
    value = fields.get("padding", default=[1, 1])
    if isinstance(value, dict):
        value = [value.get(f"{side}_pad", 0) for side in ("top", "bottom", "left", "right")]
    if isinstance(value, int):
        value = [value, value]
    if isinstance(value, list) and len(value) == 2:
        pairs = [v if isinstance(v, list) else [v, v] for v in value]
        value = [*pairs[0], *pairs[1]]
    fits = isinstance(value, list) and len(value) == 4
    if not fits or not all(isinstance(v, int) and 0 <= v < 10_000 for v in value):
        raise fields.wrong(("padding",), "rows and columns of zeros")
    return build.put(node, Pad(sources=build.results[node.sources[0]], padding=tuple(value)))


def cropping(build: Building, node: Node) -> str:
    """Add the cut that Cropping2D makes, its setting in any of three ways."""
    build.map(node)
    value = node.fields.get("cropping", default=[0, 0])
    value = [value, value] if isinstance(value, int) else value
    if isinstance(value, list) and len(value) == 2:
        pairs = [v if isinstance(v, list) else [v, v] for v in value]
        value = [*pairs[0], *pairs[1]]
    fits = isinstance(value, list) and len(value) == 4
    if not fits or not all(type(v) is int and 0 <= v < 10_000 for v in value):
        raise node.fields.wrong(("cropping",), "rows and columns to cut off")
    layer = Crop(sources=build.results[node.sources[0]], margins=tuple(value))
    return build.put(node, layer)


def permute(build: Building, node: Node) -> str:
    """Add the change of axes that Permute makes; Keras's axes count from 1, without the batch."""
    source, dims = build.results[node.sources[0]], node.fields.get("dims")
    matrix = source in build.matrices
    rank = 2 if matrix else len(build.shapes[source])
    if not isinstance(dims, list) or sorted(map(str, dims)) != [str(d + 1) for d in range(rank)]:
        raise node.fields.wrong(("dims",), f"the axes 1 to {rank}, each once")
    order = [dim - 1 for dim in dims]
    if order == sorted(order):
        return source
    if matrix:
        order = [*order, 2]
    elif build.first:  # Keras has channels, rows, columns there
        order = [(order[axis] + 2) % 3 for axis in (1, 2, 0)]
    return build.put(node, Permute(sources=source, order=tuple(order)))


def flatten(build: Building, node: Node) -> str:
    """Add the vector that Flatten makes.

    With data_format channels_first Keras moves the channels last before.
    """
    source = build.results[node.sources[0]]
    moved = node.fields.get("data_format") == "channels_first"
    if len(build.shapes[source]) == 1:
        return source
    if moved and (not build.first or source in build.matrices):
        raise Unsupported("Flatten for channels first on maps with channels last")
    return build.flat(node, source, "hwc" if moved or not build.first else "chw")


def reshape(build: Building, node: Node) -> str:
    """Reshape, which may only flatten, give the image its shape, or change nothing."""
    source = build.results[node.sources[0]]
    shape = build.shapes[source]
    target = node.fields.get("target_shape", "dims")
    whole = isinstance(target, list) and all(type(v) is int and -1 <= v < 2**31 for v in target)
    if not whole or not target or target.count(-1) > 1:
        raise node.fields.wrong(("target_shape",), "whole numbers")
    rest = math.prod(v for v in target if v != -1)
    target = [math.prod(shape) // rest if v == -1 and rest else v for v in target]
    if math.prod(target) != math.prod(shape):
        raise node.fields.wrong(("target_shape",), f"{math.prod(shape)} values")
    if len(target) == 1:
        return flatten(build, dataclasses.replace(node, fields=Fields({}, "")))
    target = (*target[1:], target[0]) if build.first and len(target) == 3 else tuple(target)
    if target == shape and source not in build.matrices:
        return source
    if (*target, 1) == shape and source in build.matrices:
        return source
    takes = target == shape or (len(shape) == 1 and (target[-1] == 1 or not build.first))
    if source == INPUT and len(target) == 3 and takes:
        return build.image(target)
    if len(target) == 3 and build.unflattened(source) == target:
        return build.layers[source].sources[0]
    raise Unsupported(
        f"Reshape from {shape} to {target}: only a flattening, or the image's own shape, works"
    )


def add(build: Building, node: Node) -> str:
    """Add the sum that Add is, or Merge in mode sum."""
    sources = several(build, node)
    if len({build.shapes[source] for source in sources}) > 1:
        shapes = " and ".join(str(build.shapes[source]) for source in sources)
        raise Unsupported(f"a sum of shapes {shapes}: equal shapes work")
    return build.put(node, Add(sources=sources))


def average(build: Building, node: Node) -> str:
    """Add the sum of n layers, and its n-th part, that Average is."""
    total = add(build, node)
    share = np.float64(1 / len(node.sources))
    return build.put(node, Normalize(sources=total, gamma=share), "average")


def several(build: Building, node: Node) -> tuple[str, ...]:
    """The names of the results that a join takes, two at least."""
    if len(node.sources) < 2:
        raise Unsupported(f"{node.kind} of models, or of one layer: a functional model works")
    return tuple(build.results[source] for source in node.sources)


def concatenate(build: Building, node: Node) -> str:
    """Add the joined channels of Concatenate, or of Merge in mode concat."""
    sources = several(build, node)
    for source in sources:
        build.require_values(node, source)
    axis = node.fields.get("axis", "concat_axis", default=-1)
    build.require_channels(axis, build.shapes[sources[0]])
    return build.put(node, Concatenate(sources=sources))


def merge(build: Building, node: Node) -> str:
    """Add what Merge of Keras 1 is: a sum, an average or joined channels, by its mode."""
    mode = node.fields.get("mode", default="sum")
    if mode == "sum":
        return add(build, node)
    if mode == "ave":
        return average(build, node)
    if mode == "concat":
        return concatenate(build, node)
    raise Unsupported(f"Merge by {shown(mode)}: sum, ave and concat work")


def activation_layer(build: Building, node: Node) -> str:
    """Add the activation that the layer Activation names."""
    source = build.results[node.sources[0]]
    return activation(build, node, source, node.fields.get("activation"))


def relu(build: Building, node: Node) -> str:
    """Add the rectifier that ReLU is, or LeakyReLU without a slope."""
    return clipped(build, node, build.results[node.sources[0]], node.fields)


def softmax(build: Building, node: Node) -> str:
    """Add the softmax over channels that Softmax is."""
    source = build.results[node.sources[0]]
    build.require_values(node, source)
    build.require_channels(node.fields.get("axis", default=-1), build.shapes[source])
    return build.put(node, Softmax(sources=source), "softmax")


def nothing(build: Building, node: Node) -> str:
    """Nothing is added for a layer that acts only while training: its source is its result."""
    return build.results[node.sources[0]]


TRAINING_ONLY = (
    *("Dropout", "SpatialDropout2D", "AlphaDropout", "GaussianDropout", "GaussianNoise"),
    *("ActivityRegularization", "Identity", "RandomFlip", "RandomRotation", "RandomZoom"),
    *("RandomTranslation", "RandomContrast", "RandomBrightness", "RandomHeight", "RandomWidth"),
)

LAYERS = {
    "Dense": dense,
    **dict.fromkeys(("Conv2D", "Convolution2D", "AtrousConvolution2D", "AtrousConv2D"), conv),
    "DepthwiseConv2D": depthwise,
    **dict.fromkeys(("SeparableConv2D", "SeparableConvolution2D"), separable),
    **dict.fromkeys(("MaxPooling2D", "MaxPool2D", "AveragePooling2D", "AvgPool2D"), pool),
    **dict.fromkeys(("GlobalMaxPooling2D", "GlobalMaxPool2D"), global_pool),
    **dict.fromkeys(("GlobalAveragePooling2D", "GlobalAvgPool2D"), global_pool),
    "ZeroPadding2D": zero_padding,
    "Cropping2D": cropping,
    "Permute": permute,
    "Flatten": flatten,
    "Reshape": reshape,
    **dict.fromkeys(
        ("BatchNormalization", "BatchNormalizationV1", "BatchNormalizationV2"), batch_norm
    ),
    "Rescaling": rescaling,
    "Normalization": normalization,
    "Add": add,
    "Concatenate": concatenate,
    "Average": average,
    "Merge": merge,
    "Activation": activation_layer,
    **dict.fromkeys(("ReLU", "LeakyReLU"), relu),
    "Softmax": softmax,
    "QDense": dense,
    "QConv2D": conv,
    "QDepthwiseConv2D": depthwise,
    "QActivation": activation_layer,
    "QuantDense": of_larq(dense),
    "QuantConv2D": of_larq(conv),
    "QuantDepthwiseConv2D": of_larq(depthwise),
    "QuantSeparableConv2D": of_larq(separable),
    **dict.fromkeys(TRAINING_ONLY, nothing),
}
