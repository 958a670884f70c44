"""The layers of Keras that hold numbers: dense, convolutions, normalisations.

Each function adds what a layer is to the model and returns the name of its result.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from evsim.artificial.layers.conv import Conv
from evsim.artificial.layers.dense import Dense
from evsim.artificial.layers.normalize import Normalize
from evsim.artificial.layers.pad import Pad
from evsim.base.errors import shown
from evsim.formats.trainers._keras_activation import activation
from evsim.formats.trainers._keras_build import Building, same_padding
from evsim.formats.trainers._keras_config import Node
from evsim.formats.trainers._keras_fields import Fields, Unsupported
from evsim.formats.trainers._keras_levels import WORKS, quantised
from evsim.formats.trainers._keras_quantizers import quantizer_of


def dense(build: Building, node: Node) -> str:
    """Add what Dense is: a matrix for a vector, on maps with channels last a 1x1 convolution."""
    fields, (source,) = node.fields, node.sources
    source = build.results[source]
    shape = build.shapes[source]
    build.require_values(node, source)
    units = fields.whole("units", "output_dim")
    kernel, bias = build.weights(node, kernel=(shape[-1], units), bias=_bias(node, units))
    if len(shape) == 1:
        layer = Dense(sources=source, weight=kernel, bias=bias)
    elif build.first:
        raise Unsupported("Dense on maps with channels first: Flatten before it works")
    else:
        layer = Conv(sources=source, weight=kernel[None, None], bias=bias)
    return activation(build, node, build.put(node, layer), fields.get("activation"))


def _bias(node: Node, size: int) -> tuple[int] | None:
    return (size,) if node.fields.flag("use_bias", "bias", default=True) else None


def _geometry(build: Building, node: Node, kernel: tuple[int, int]) -> dict:
    """Stride, padding and dilation of a convolution."""
    fields = node.fields
    stride = fields.pair("strides", "subsample", default=(1, 1))
    dilation = fields.pair("dilation_rate", "atrous_rate", default=(1, 1))
    extent = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    mode = fields.text("padding", "border_mode", default="valid")
    shape = build.map(node)
    if mode == "same":
        half = tuple(k // 2 for k in extent) if build.theano else None
        padding = same_padding(shape, extent, stride, half)
    elif mode == "valid":
        padding = (0, 0, 0, 0)
    elif mode == "full":
        padding = tuple(k - 1 for k in extent for _ in range(2))
    else:
        raise Unsupported(f"padding {mode!r}: 'same' and 'valid' work")
    return {"stride": stride, "dilation": dilation, "padding": padding}


def of_larq(add):
    """What adds a layer of Larq: that of Keras on what is quantised, and padded by a value."""

    def made(build: Building, node: Node) -> str:
        (source,), fields = node.sources, node.fields
        if (given := fields.get("input_quantizer")) is not None:
            quantizer = quantizer_of(given, fields.at("input_quantizer"))
            if quantizer is None:
                raise Unsupported(f"what it takes quantised by {shown(given)}: {WORKS}")
            taken = quantised(build, node, build.results[source], quantizer, "input")
            source = f"{node.name}.input"
            build.results[source] = taken
        node = dataclasses.replace(node, sources=(source,))
        around = fields.number("pad_values", default=0.0)
        if around and fields.text("padding", default="valid") == "same":
            padding = _geometry(build, node, _kernel_size(node))["padding"]
            layer = Pad(sources=build.results[source], padding=padding, value=around)
            build.results[f"{node.name}.padding"] = build.put(node, layer, "padding")
            inside = Fields(fields.values | {"padding": "valid"}, fields.place)
            node = dataclasses.replace(node, sources=(f"{node.name}.padding",), fields=inside)
        return add(build, node)

    return made


def _kernel_size(node: Node) -> tuple[int, int]:
    if "nb_row" in node.fields:
        return node.fields.whole("nb_row"), node.fields.whole("nb_col")
    return node.fields.pair("kernel_size")


def _old(node: Node) -> bool:
    """Whether a convolution stores its kernel as Keras 1 did with channels first."""
    return "nb_filter" in node.fields and node.fields.get("dim_ordering") == "th"


def conv(build: Building, node: Node) -> str:
    """Add the convolution of Conv2D, Convolution2D or AtrousConvolution2D."""
    fields = node.fields
    shape, kernel = build.map(node), _kernel_size(node)
    out = fields.whole("filters", "nb_filter")
    groups = fields.whole("groups", default=1)
    per_group = shape[2] // groups
    stored = (out, per_group, *kernel) if _old(node) else (*kernel, per_group, out)
    weight, bias = build.weights(node, kernel=stored, bias=_bias(node, out))
    weight = weight.transpose(2, 3, 1, 0) if _old(node) else weight
    weight = weight[::-1, ::-1] if build.theano else weight  # Theano convolves, others correlate
    build.saw_kernel(kernel)
    layer = Conv(
        sources=build.results[node.sources[0]],
        weight=weight,
        bias=bias,
        groups=groups,
        **_geometry(build, node, kernel),
    )
    return activation(build, node, build.put(node, layer), fields.get("activation"))


def depthwise(build: Building, node: Node) -> str:
    """Add the convolution of DepthwiseConv2D.

    Keras flips its kernels itself before Theano does.
    """
    shape, kernel = build.map(node), _kernel_size(node)
    multiplier = node.fields.whole("depth_multiplier", default=1)
    stored = (*kernel, shape[2], multiplier)
    weight, bias = build.weights(node, kernel=stored, bias=_bias(node, shape[2] * multiplier))
    layer = Conv(
        sources=build.results[node.sources[0]],
        weight=weight.reshape(*kernel, 1, -1),
        bias=bias,
        groups=shape[2],
        **_geometry(build, node, kernel),
    )
    return activation(build, node, build.put(node, layer), node.fields.get("activation"))


def separable(build: Building, node: Node) -> str:
    """Add the depthwise and the 1x1 convolution that SeparableConv2D is."""
    fields = node.fields
    shape, kernel = build.map(node), _kernel_size(node)
    out = fields.whole("filters", "nb_filter")
    multiplier = fields.whole("depth_multiplier", default=1)
    middle = shape[2] * multiplier
    old = _old(node)
    depthwise, pointwise, bias = build.weights(
        node,
        depthwise_kernel=(multiplier, shape[2], *kernel)
        if old
        else (*kernel, shape[2], multiplier),
        pointwise_kernel=(out, middle, 1, 1) if old else (1, 1, middle, out),
        bias=_bias(node, out),
    )
    if old:
        depthwise, pointwise = depthwise.transpose(2, 3, 1, 0), pointwise.transpose(2, 3, 1, 0)
    first = Conv(
        sources=build.results[node.sources[0]],
        weight=depthwise.reshape(*kernel, 1, -1),
        groups=shape[2],
        **_geometry(build, node, kernel),
    )
    source = build.put(node, first, "depthwise")
    layer = Conv(sources=source, weight=pointwise, bias=bias)
    return activation(build, node, build.put(node, layer), fields.get("activation"))


def batch_norm(build: Building, node: Node) -> str:
    """Add what BatchNormalization is: mean and variance, gamma and beta if there are any."""
    fields = node.fields
    source = build.results[node.sources[0]]
    shape = build.shapes[source]
    build.require_values(node, source)
    if fields.get("mode", default=0) != 0:
        raise Unsupported("BatchNormalization by the statistics of each batch: mode 0 works")
    axis = fields.get("axis", default=-1)
    build.require_channels(axis[0] if isinstance(axis, list) and len(axis) == 1 else axis, shape)
    size = (shape[-1],)
    values = build.weights(
        node,
        gamma=size if fields.flag("scale", default=True) else None,
        beta=size if fields.flag("center", default=True) else None,
        mean=size,
        variance=size,
    )
    names = ("gamma", "beta", "mean", "variance")
    arrays = {name: v for name, v in zip(names, values, strict=True) if v is not None}
    epsilon = fields.number("epsilon", default=1e-3)
    return build.put(node, Normalize(sources=source, epsilon=np.float64(epsilon), **arrays))


def rescaling(build: Building, node: Node) -> str:
    """Add what Rescaling is: y = scale x + offset."""
    scale = np.array(node.fields.numbers("scale") or [1.0])
    offset = np.array(node.fields.numbers("offset") or [0.0])
    return build.affine(node, scale, offset, raw=True)


def normalization(build: Building, node: Node) -> str:
    """Add what Normalization is: y = (x - mean) / sqrt(variance), given or learnt from data."""
    fields = node.fields
    channels = build.shapes[build.results[node.sources[0]]][-1]
    if fields.flag("invert", default=False):
        raise Unsupported("Normalization with invert")
    if "mean" in fields:
        mean, variance = np.array(fields.numbers("mean")), np.array(fields.numbers("variance"))
    else:
        if not isinstance(fields.get("axis"), int | list) or fields.get("axis") == []:
            mean, variance, _ = build.weights(node, mean=(), variance=(), count=())
        else:
            build.require_channels(fields.numbers("axis")[-1], (0, 0, 0))
            size = (channels,)
            mean, variance, _ = build.weights(node, mean=size, variance=size, count=())
        mean, variance = mean.reshape(-1), variance.reshape(-1)
    if mean.size not in (1, channels) or variance.size != mean.size or (variance < 0).any():
        raise fields.wrong(("mean",), f"mean and variance of 1 or {channels} values")
    scale = 1 / np.maximum(np.sqrt(np.float64(variance)), 1e-7)
    return build.affine(node, scale, -np.float64(mean) * scale, raw=False)
