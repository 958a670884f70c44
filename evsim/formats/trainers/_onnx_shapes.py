"""Operators of ONNX that only move values: no layer is added until somebody needs a vector."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from evsim.base.errors import mismatch
from evsim.formats.trainers._onnx_build import Building, Unsupported, Value
from evsim.formats.trainers._onnx_constants import axes_of, target_shape
from evsim.formats.trainers._onnx_file import Node

MIXES = "mixes samples: a shape that keeps the first axis works"


def flatten(build: Building, node: Node, inputs: list) -> Value:
    """A vector of each sample."""
    value, rank = inputs[0], len(inputs[0].shape) + 1
    if node.whole("axis", 1) % rank != 1:
        raise Unsupported(f"Flatten at axis {node.whole('axis', 1)} {MIXES}")
    return _moved(build, value, lambda index: index.reshape(-1))


def reshape(build: Building, node: Node, inputs: list) -> Value:
    """Values in another shape; the first axis stays that of the samples."""
    value = inputs[0]
    if len(inputs) < 2 or not isinstance(inputs[1], np.ndarray):
        raise Unsupported("Reshape to a shape that is computed: a constant one works")
    target = target_shape(node, inputs, (build.samples, *value.shape))
    size = prod(value.shape)
    if not target:
        raise mismatch("no axes", "some", node.place)
    first, rest = target[0], list(target[1:])
    known = prod(n for n in rest if n != -1)
    if -1 in rest:
        rest = [size // known if n == -1 and known else n for n in rest]
    if first not in (1, -1, build.samples) or prod(rest) != size:
        found = f"from {('samples', *value.shape)} to {tuple(target)}".replace("'", "")
        raise Unsupported(f"Reshape {found} {MIXES}")
    return _moved(build, value, lambda index: index.reshape(rest))


def transpose(build: Building, node: Node, inputs: list) -> Value:
    """Values with their axes in another order, that of the samples first."""
    value = inputs[0]
    rank = len(value.shape) + 1
    order = node.wholes("perm", list(range(rank))[::-1])
    if sorted(order) != list(range(rank)) or order[0] != 0:
        raise Unsupported(f"Transpose by {order} {MIXES}")
    return _moved(build, value, lambda index: index.transpose([n - 1 for n in order[1:]]))


def unsqueeze(build: Building, node: Node, inputs: list) -> Value:
    """Values with further axes of size 1."""
    value, axes = inputs[0], axes_of(node, inputs) or []
    rank = len(value.shape) + 1 + len(axes)
    axes = [axis % rank for axis in axes]
    if 0 in axes:
        raise Unsupported(f"Unsqueeze of axis 0 {MIXES}")
    return _moved(build, value, lambda index: np.expand_dims(index, [n - 1 for n in axes]))


def squeeze(build: Building, node: Node, inputs: list) -> Value:
    """Values without axes of size 1."""
    value, axes = inputs[0], axes_of(node, inputs)
    rank = len(value.shape) + 1
    if axes is None:
        axes = [axis + 1 for axis, size in enumerate(value.shape) if size == 1]
    axes = [axis % rank for axis in axes]
    if 0 in axes:
        raise Unsupported(f"Squeeze of axis 0 {MIXES}")
    if any(value.shape[axis - 1] != 1 for axis in axes):
        raise mismatch(f"axes {axes} of shape {value.shape}", "axes of size 1", node.place)
    return _moved(build, value, lambda index: np.squeeze(index, tuple(n - 1 for n in axes)))


def sizes(build: Building, node: Node, inputs: list) -> np.ndarray:
    """The shape of a value, as known numbers."""
    shape = np.array([build.samples, *inputs[0].shape], np.int64)
    if node.operator == "Size":
        return np.int64(shape.prod())
    return shape[node.whole("start", 0) : node.whole("end", len(shape))]


def _moved(build: Building, value: Value, move) -> Value:
    index = build.index(value)
    result = move(index)
    return (
        replace(value)
        if result.shape == index.shape and result is index
        else (build.reordered(value, result))
    )


SHAPES = {
    "Flatten": flatten,
    "Reshape": reshape,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
    "Squeeze": squeeze,
    "Shape": sizes,
    "Size": sizes,
}
