"""Graphs of ONNX as trainers export them, made by hand, and what they compute."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun


class Maker:
    """Nodes one after the other; `last` is the result of the latest, of `shape` (C, H, W)."""

    def __init__(self, shape, seed=0, opset=17, batch="n"):
        self.random = np.random.default_rng(seed)
        self.nodes, self.arrays = [], []
        self.input, self.last, self.shape = tuple(shape), "image", tuple(shape)
        self.opset, self.batch = opset, batch

    def __repr__(self):
        said = ("image", self.input, self.batch, f"opset {self.opset}")
        return "; ".join([str(said), *(" ".join(str(node).split()) for node in self.nodes)])

    def array(self, value, name=None):
        """Add an initializer; returns its name."""
        name = name or f"array{len(self.arrays)}"
        self.arrays.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weights(self, *shape):
        """Add an initializer of small random numbers; returns its name."""
        return self.array(np.float32(self.random.normal(0, 0.5, shape)))

    def add(self, operator, *inputs, shape=None, source=None, **attributes):
        """Add a node behind `source`, by default the latest; returns the name of its result."""
        name = f"result{len(self.nodes)}"
        inputs = [source or self.last, *inputs]
        node = helper.make_node(operator, inputs, [name], name=f"/{name}/{operator}", **attributes)
        self.nodes.append(node)
        self.last = name
        self.shape = self.shape if shape is None else tuple(shape)
        return name

    def computed(self, operator, *inputs, **attributes):
        """Add a node that is not behind the latest; returns the name of its result."""
        name = f"side{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def model(self, output=None):
        """The model; its output is the latest result."""
        batch = self.batch
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, *self.input])
        result = helper.make_tensor_value_info(output or self.last, TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "graph", [image], [result], self.arrays)
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=opsets, producer_name="tests", ir_version=8)

    def save(self, path, output=None):
        """Write the model; returns the path."""
        path.write_bytes(self.model(output).SerializeToString())
        return path


def computed(model, x):
    """What a model computes for images x (samples, channels, height, width)."""
    own = [AveragePool, MaxPool, BatchNormalization, Conv]
    return ReferenceEvaluator(model, new_ops=own).run(None, {"image": x})[0]


class BatchNormalization(OpRun):
    """With the statistics of the file; ONNX's own takes old ones for those of training."""

    op_domain = ""

    def _run(self, x, gamma, beta, mean, variance, epsilon=1e-5, **others):
        shape = (-1, *[1] * (x.ndim - 2))
        values = (part.reshape(shape) for part in (gamma, beta, mean, variance + epsilon))
        gamma, beta, mean, variance = values
        return ((gamma * (x - mean) / np.sqrt(variance) + beta).astype(x.dtype),)


class Conv(OpRun):
    """A convolution, place by place; ONNX's own has its ways with automatic padding."""

    op_domain = ""

    def _run(
        self, x, weight, bias=None, group=1, pads=None, strides=None, dilations=None, **others
    ):
        strides, dilations = strides or (1, 1), dilations or (1, 1)
        out, inner, *kernel = weight.shape
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        top, left, bottom, right = _pads(x.shape[2:], reach, strides, pads, others)
        x = np.pad(np.float64(x), ((0, 0), (0, 0), (top, bottom), (left, right)))
        sizes = [(x.shape[2 + i] - reach[i]) // strides[i] + 1 for i in (0, 1)]
        y = np.zeros((len(x), out, *sizes))
        for a, b in np.ndindex(*sizes):
            down, along = a * strides[0], b * strides[1]
            seen = x[:, :, down : down + reach[0] : dilations[0]]
            seen = seen[:, :, :, along : along + reach[1] : dilations[1]]
            for o in range(out):
                first = o // (out // group) * inner
                y[:, o, a, b] = (seen[:, first : first + inner] * weight[o]).sum(axis=(1, 2, 3))
        y = y if bias is None else y + bias[:, None, None]
        return (np.float32(y),)


class Windows(OpRun):
    """A pool, window by window; ONNX's own reference takes pads for another order."""

    def _run(self, x, kernel_shape=None, pads=None, strides=None, ceil_mode=0, **others):
        (high, wide), (down, right) = kernel_shape, strides or (1, 1)
        top, left, bottom, end = _pads(x.shape[2:], (high, wide), (down, right), pads, others)
        sizes = []
        for size, kernel, step, lead, trail in (
            (x.shape[2], high, down, top, bottom),
            (x.shape[3], wide, right, left, end),
        ):
            room = size + lead + trail - kernel
            places = (-(-room // step) if ceil_mode else room // step) + 1
            if ceil_mode and (places - 1) * step >= size + lead:
                places -= 1
            sizes.append(places)
        y = np.zeros((*x.shape[:2], *sizes), x.dtype)
        for a in range(sizes[0]):
            for b in range(sizes[1]):
                rows = range(a * down - top, a * down - top + high)
                columns = range(b * right - left, b * right - left + wide)
                rows = [i for i in rows if i < x.shape[2] + bottom]
                columns = [j for j in columns if j < x.shape[3] + end]
                inner = [i for i in rows if 0 <= i < x.shape[2]]
                seen = x[:, :, inner][:, :, :, [j for j in columns if 0 <= j < x.shape[3]]]
                y[:, :, a, b] = self.of(seen, len(rows) * len(columns), others)
        return (y,)


def _pads(sizes, kernel, steps, pads, others):
    mode = others.get("auto_pad") or "NOTSET"
    if mode in ("NOTSET", "VALID"):
        return pads or (0, 0, 0, 0)
    before, behind = [], []
    for size, k, step in zip(sizes, kernel, steps, strict=True):
        needed = max((-(-size // step) - 1) * step + k - size, 0)
        lead = needed // 2 if mode == "SAME_UPPER" else needed - needed // 2
        before.append(lead)
        behind.append(needed - lead)
    return (*before, *behind)


class AveragePool(Windows):
    """The average of what lies in a window."""

    op_domain = ""

    def of(self, seen, places, others):
        """The average of values (samples, channels, rows, columns) in a window of `places`."""
        count = places if others.get("count_include_pad") else seen.shape[2] * seen.shape[3]
        return seen.sum(axis=(2, 3)) / max(count, 1)


class MaxPool(Windows):
    """The largest of what lies in a window."""

    op_domain = ""

    def of(self, seen, places, others):
        """The maximum of values (samples, channels, rows, columns)."""
        return seen.max(axis=(2, 3))


__all__ = ["Maker", "computed", "onnx"]
