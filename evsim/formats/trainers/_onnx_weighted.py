"""The operators of ONNX that hold weights: convolutions, matrices, batch norms.

Each function takes the node and what its inputs are, adds what it is to the model, and returns the
value of its first output.
"""

from __future__ import annotations

import numpy as np

from evsim.artificial.layers.conv import Conv
from evsim.artificial.layers.dense import Dense
from evsim.artificial.layers.normalize import Normalize
from evsim.base.errors import mismatch
from evsim.base.fields import frozen
from evsim.formats.trainers._onnx_build import Building, Unsupported, Value, floats
from evsim.formats.trainers._onnx_file import Node


def conv(build: Building, node: Node, inputs: list) -> Value:
    """A convolution; its weights are (out, in / groups, height, width) in the file."""
    source = build.map(inputs[0], node)
    array = build.results.get(node.inputs[1])
    if isinstance(array, np.ndarray) and array.ndim != 4:
        raise Unsupported(f"Conv with weights of {array.ndim} axes: four work, of maps")
    weight = build.weight(node, (2, 3, 1, 0))
    bias = build.constant(node, 2, 1) if len(inputs) > 2 and inputs[2] is not None else None
    kernel = weight.shape[:2]
    said = node.wholes("kernel_shape", list(kernel))
    if said != list(kernel):
        raise mismatch(f"kernel_shape {said}", f"{list(kernel)}, as the weights have", node.place)
    layer = Conv(
        sources=source,
        weight=weight,
        bias=bias,
        groups=node.whole("group", 1),
        **geometry(node, build.shapes[source], kernel),
    )
    return build.put(node, layer)


def geometry(node: Node, shape, kernel) -> dict:
    """Stride, dilation and padding (top, bottom, left, right) of what slides over a map."""
    stride, dilation = node.wholes("strides", [1, 1]), node.wholes("dilations", [1, 1])
    if len(stride) != 2 or len(dilation) != 2 or min(*stride, *dilation) < 1:
        raise mismatch(f"strides {stride}, dilations {dilation}", "two of each, from 1", node.place)
    mode, pads = node.text("auto_pad", "NOTSET"), node.wholes("pads", [0, 0, 0, 0])
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        pads = [0, 0, 0, 0]
        for axis in (0, 1):
            extent = (kernel[axis] - 1) * dilation[axis] + 1
            places = -(-shape[axis] // stride[axis])
            needed = max((places - 1) * stride[axis] + extent - shape[axis], 0)
            less = needed // 2
            pads[axis] = less if mode == "SAME_UPPER" else needed - less
            pads[axis + 2] = needed - pads[axis]
    elif mode not in ("NOTSET", "VALID"):
        raise mismatch(f"auto_pad {mode!r}", "NOTSET, VALID, SAME_UPPER or SAME_LOWER", node.place)
    elif mode == "VALID":
        pads = [0, 0, 0, 0]
    if len(pads) != 4 or min(pads) < 0:
        raise Unsupported(f"pads {pads}: four from 0 on work")
    padding = (pads[0], pads[2], pads[1], pads[3])
    return {"stride": tuple(stride), "dilation": tuple(dilation), "padding": padding}


def gemm(build: Building, node: Node, inputs: list) -> Value:
    """A matrix for a vector, and its bias: alpha x @ weight + beta bias."""
    if node.whole("transA", 0):
        raise Unsupported("Gemm with transA: a batch of vectors works")
    turned = node.whole("transB", 0)
    weight = build.weight(node, (1, 0) if turned else (0, 1))
    bias = None
    if len(inputs) > 2 and inputs[2] is not None:
        bias = build.constant(node, 2).reshape(-1) * np.float32(node.number("beta", 1.0))
        if bias.size not in (1, weight.shape[1]):
            raise mismatch(f"a bias of {bias.size} values", f"{weight.shape[1]}", node.place)
        bias = floats(np.resize(bias, weight.shape[1]), node.place)
    alpha = node.number("alpha", 1.0)
    if alpha != 1:
        weight = floats(weight * np.float32(alpha), node.place)
    return _dense(build, node, inputs[0], weight, bias)


def matmul(build: Building, node: Node, inputs: list) -> Value:
    """A matrix for a vector."""
    if not isinstance(inputs[0], Value) or isinstance(inputs[1], Value):
        raise Unsupported("MatMul of two results, or with the weights first: x @ weights works")
    return _dense(build, node, inputs[0], build.weight(node, (0, 1)), None)


def _dense(build: Building, node: Node, value: Value, weight, bias) -> Value:
    if len(value.shape) != 1:
        raise Unsupported(f"{node.operator} of values of shape {value.shape}: Flatten before it")
    if weight.shape[0] != value.shape[0]:
        expected = f"{weight.shape[0]}, as the weights have rows"
        raise mismatch(f"{value.shape[0]} values", expected, node.place)
    try:
        source = build.vector(value, node)
    except Unsupported:  # any other order of a map, too, is one of the weights' rows
        source, rows = value.layer, np.empty_like(weight)
        rows[build.index(value)] = weight
        weight = frozen(rows)
    return build.put(node, Dense(sources=source, weight=weight, bias=bias))


def batch_norm(build: Building, node: Node, inputs: list) -> Value:
    """A batch normalisation with the statistics of the file."""
    if node.whole("training_mode", 0) or node.whole("is_test", 1) == 0:
        raise Unsupported("BatchNormalization while training: export the model after eval()")
    value = inputs[0]
    source = build.vector(value, node) if len(value.shape) == 1 else build.map(value, node)
    arrays = [build.constant(node, position, 1) for position in range(1, 5)]
    layer = Normalize(
        sources=source,
        epsilon=np.float64(node.number("epsilon", 1e-5)),
        **dict(zip(("gamma", "beta", "mean", "variance"), arrays, strict=True)),
    )
    return build.put(node, layer)
