"""Activations of Keras, as a setting of a layer or a layer of their own."""

from __future__ import annotations

import numpy as np

from evsim.artificial.layers.relu import Relu
from evsim.artificial.layers.softmax import Softmax
from evsim.base.errors import shown
from evsim.formats.trainers._keras_build import Building
from evsim.formats.trainers._keras_config import Node
from evsim.formats.trainers._keras_fields import Fields, Unsupported
from evsim.formats.trainers._keras_levels import quantised
from evsim.formats.trainers._keras_quantizers import quantizer_of

RELU = "relu, relu6, a clipped ReLU and quantized_relu work"
KNOWN = ("linear", "relu", "relu6", "softmax")
MONOTONIC = ("sigmoid", "log_softmax")  # as the last layer they leave the largest the largest


def objection(node: Node, last: bool) -> str | None:
    """Why the activation of a layer cannot be read; None if it may be."""
    value = node.fields.get("activation")
    fits = value is None or _layer(value) is not None or _name(value) in KNOWN
    fits = fits or quantizer_of(value, node.fields.at("activation")) is not None
    if fits or (last and _name(value) in MONOTONIC):
        return None
    return f"activation {shown(_name(value))} is not supported; {RELU}"


def _layer(value) -> dict | None:
    """The settings of a ReLU layer that stands for an activation."""
    config = value.get("config") if isinstance(value, dict) else None
    relu = isinstance(config, dict) and value.get("class_name") == "ReLU"
    return config if relu else None


def _name(value):
    """The name of an activation; Keras 3 writes functions as objects."""
    if isinstance(value, dict):
        config = value.get("config")
        return config if isinstance(config, str) else value.get("class_name")
    return value


def activation(build: Building, node: Node, source: str, value) -> str:
    """The result of an activation, as it stands in a layer or alone."""
    name = _name(value)
    if (settings := _layer(value)) is not None:
        return clipped(build, node, source, Fields(settings, node.fields.place))
    if (quantizer := quantizer_of(value, node.fields.at("activation"))) is not None:
        return quantised(build, node, source, quantizer, "relu")
    if name == "relu":
        return build.put(node, Relu(sources=source), "relu")
    if name == "relu6":
        return build.put(node, Relu(sources=source, ceiling=np.float32(6)), "relu")
    if name == "softmax":
        build.require_values(node, source)
        build.require_channels(-1, build.shapes[source])
        return build.put(node, Softmax(sources=source), "softmax")
    if name in MONOTONIC:
        if build.shapes[source][-1] == 1:
            raise Unsupported(f"{name} of one unit: two units with softmax work")
        build.notes.append(f"the {name} of the last layer is left out: the decision is the same")
    return source


def clipped(build: Building, node: Node, source: str, fields: Fields) -> str:
    """A rectifier with the settings of a ReLU layer."""
    if fields.number("negative_slope", "alpha", default=0.3 if "Leaky" in node.kind else 0):
        raise Unsupported(f"a ReLU with a negative slope is not supported; {RELU}")
    if fields.number("threshold", default=0):
        raise Unsupported(f"a ReLU with a threshold is not supported; {RELU}")
    ceiling = fields.number("max_value")
    ceiling = None if ceiling is None else np.float32(ceiling)
    return build.put(node, Relu(sources=source, ceiling=ceiling), "relu")
