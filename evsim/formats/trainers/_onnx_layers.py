"""What each operator of ONNX is in evsim; `LAYERS` by name.

Each function takes the node and what its inputs are, adds what it is to the model, and returns the
value of its first output.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evsim.artificial.layers.add import Add
from evsim.artificial.layers.concatenate import Concatenate
from evsim.artificial.layers.identity import Identity
from evsim.artificial.layers.pad import Pad
from evsim.artificial.layers.pool import Pool
from evsim.artificial.layers.relu import Relu
from evsim.artificial.layers.softmax import Softmax
from evsim.base.errors import mismatch
from evsim.formats.trainers._onnx_build import Building, Unsupported, Value
from evsim.formats.trainers._onnx_constants import axes_of, cast_dtype, slices_of
from evsim.formats.trainers._onnx_file import Node
from evsim.formats.trainers._onnx_shapes import SHAPES
from evsim.formats.trainers._onnx_weighted import batch_norm, conv, gemm, geometry, matmul

JOINS = "of two results: Add, Sum and Concat work"


def relu(build: Building, node: Node, inputs: list, ceiling=None) -> Value:
    """A rectifier, of values in whichever order."""
    layer = Relu(sources=inputs[0].layer, ceiling=ceiling)
    return replace(inputs[0], layer=build.put(node, layer).layer)


def clip(build: Building, node: Node, inputs: list) -> Value:
    """A clipped rectifier; its limits are attributes in old versions."""
    limits = []
    for position, name in ((1, "min"), (2, "max")):
        if name in node.attributes:
            limits.append(node.number(name))
        elif len(node.inputs) > position and node.inputs[position]:
            limits.append(_scalar(build, node, position))
        else:
            limits.append(None)
    low, high = limits
    if low != 0 or (high is not None and high <= 0):
        raise Unsupported(f"Clip from {low} to {high}: from 0 on works")
    unlimited = high is None or high >= float(np.finfo(np.float32).max)
    return relu(build, node, inputs, None if unlimited else np.float32(high))


def _scalar(build: Building, node: Node, position: int) -> float:
    array = build.results.get(node.inputs[position])
    if not isinstance(array, np.ndarray) or array.size != 1:
        raise Unsupported(f"{node.operator} with limits that are no single constant")
    return float(array.reshape(()))


def maximum(build: Building, node: Node, inputs: list) -> Value:
    """The larger of a value and 0."""
    value, array = _with_constant(node, inputs)
    if (array != 0).any() or array.size != 1:
        raise Unsupported(f"Max {JOINS}, and Max with 0")
    return relu(build, node, [value])


def minimum(build: Building, node: Node, inputs: list) -> Value:
    """The smaller of a rectified value and a limit, which becomes the rectifier's."""
    value, array = _with_constant(node, inputs)
    layer = build.layers.get(value.layer)
    name = next(n for n in node.inputs if build.results.get(n) is value)
    alone = build.makers.get(value.layer) == name and build.readers[name] == 1
    unclipped = layer is not None and layer.kind == "relu" and layer.ceiling is None
    if array.size != 1 or not unclipped or not alone:
        raise Unsupported("Min: of a ReLU that nothing else takes, with one number, works")
    build.layers[value.layer] = replace(layer, ceiling=np.float32(array.reshape(())))
    return replace(value)


def _with_constant(node: Node, inputs: list) -> tuple[Value, np.ndarray]:
    """The value and the array that an operator takes, in either order."""
    values = [part for part in inputs if isinstance(part, Value)]
    arrays = [part for part in inputs if isinstance(part, np.ndarray)]
    if len(values) != 1 or len(arrays) != 1:
        raise Unsupported(f"{node.operator} {JOINS}")
    return values[0], arrays[0]


def add(build: Building, node: Node, inputs: list) -> Value:
    """The sum of results, or a result with an offset."""
    if any(isinstance(part, np.ndarray) for part in inputs):
        value, array = _with_constant(node, inputs)
        array = build.constant(node, 1 if inputs[0] is value else 0)
        biased = build.biased(node, value, array)
        return biased or build.affine(node, value, np.ones(1), np.float64(array))
    shapes = [value.shape for value in inputs]
    if len(set(shapes)) > 1:
        found = " and ".join(map(str, shapes))
        raise Unsupported(f"{node.operator} of shapes {found}: equal shapes work")
    own = {build.shapes[value.layer] for value in inputs}
    indices = [build.index(value) for value in inputs]
    if len(own) == 1 and all(np.array_equal(indices[0], index) for index in indices[1:]):
        sources = tuple(value.layer for value in inputs)
        return replace(inputs[0], layer=build.put(node, Add(sources=sources)).layer)
    if len(shapes[0]) != 1:
        raise Unsupported(f"{node.operator} of maps in different orders: one order works")
    sources = tuple(build.vector(value, node) for value in inputs)
    return build.put(node, Add(sources=sources))


def subtract(build: Building, node: Node, inputs: list) -> Value:
    """A result minus an offset, or the reverse."""
    value, _ = _with_constant(node, inputs)
    array = np.float64(build.constant(node, 1 if inputs[0] is value else 0))
    sign = 1.0 if inputs[0] is value else -1.0
    return build.affine(node, value, np.full(1, sign), -sign * array)


def multiply(build: Building, node: Node, inputs: list) -> Value:
    """A result times a gain."""
    value, _ = _with_constant(node, inputs)
    array = np.float64(build.constant(node, 1 if inputs[0] is value else 0))
    return build.affine(node, value, array, np.zeros(1))


def divide(build: Building, node: Node, inputs: list) -> Value:
    """A result divided by a constant."""
    value, array = _with_constant(node, inputs)
    if inputs[0] is not value:
        raise Unsupported("Div of a constant by a result: the reverse works")
    array = np.float64(build.constant(node, 1))
    if (array == 0).any():
        raise mismatch("a division by 0", "another number", node.place)
    return build.affine(node, value, 1 / array, np.zeros(1))


def concat(build: Building, node: Node, inputs: list) -> Value:
    """Channels side by side."""
    if not all(isinstance(part, Value) for part in inputs):
        raise Unsupported("Concat with a constant: of results works")
    rank = len(inputs[0].shape) + 1
    if node.whole("axis") not in (1, 1 - rank):
        raise Unsupported(f"Concat along axis {node.whole('axis')}: the channels (1) work")
    join = build.vector if rank == 2 else build.map
    sources = tuple(join(value, node) for value in inputs)
    return build.put(node, Concatenate(sources=sources))


def pool(build: Building, node: Node, inputs: list) -> Value:
    """A pool over a window; what pads it counts only where the operator says so."""
    source = build.map(inputs[0], node)
    kernel = node.wholes("kernel_shape")
    if len(kernel) != 2 or min(kernel) < 1:
        raise mismatch(f"kernel_shape {kernel}", "two sizes from 1 on", node.place)
    places = geometry(node, build.shapes[source], kernel)
    if places.pop("dilation") != (1, 1) or node.whole("storage_order", 0):
        raise Unsupported(f"{node.operator} with dilations or a storage order: none work")
    layer = Pool(
        sources=source,
        operation="max" if node.operator == "MaxPool" else "average",
        kernel=tuple(kernel),
        ceil=bool(node.whole("ceil_mode", 0)),
        count_padding=bool(node.whole("count_include_pad", 0)),
        **places,
    )
    return build.put(node, layer)


def global_pool(build: Building, node: Node, inputs: list) -> Value:
    """A pool over the whole map."""
    source = build.map(inputs[0], node)
    operation = "max" if "Max" in node.operator else "average"
    layer = Pool(sources=source, operation=operation, kernel=build.shapes[source][:2])
    return build.put(node, layer)


def reduce(build: Building, node: Node, inputs: list) -> Value:
    """A mean or maximum over height and width."""
    rank = len(inputs[0].shape) + 1
    axes = axes_of(node, inputs)
    if axes is None or sorted(axis % rank for axis in axes) != [2, 3]:
        raise Unsupported(f"{node.operator} along axes {axes}: height and width (2, 3) work")
    pooled = global_pool(build, node, inputs)
    if node.whole("keepdims", 1):
        return pooled
    return build.reordered(pooled, build.index(pooled).reshape(-1))


def pad(build: Building, node: Node, inputs: list) -> Value:
    """Zeros around a map, or before and behind its channels."""
    source = build.map(inputs[0], node)
    if node.text("mode", "constant") != "constant":
        raise Unsupported(f"Pad by {node.text('mode', '')!r}: zeros work")
    if "pads" in node.attributes:
        pads, fill = node.wholes("pads"), node.number("value", 0.0)
    else:
        given = build.results.get(node.inputs[1]) if len(node.inputs) > 1 else None
        if not isinstance(given, np.ndarray):
            raise Unsupported("Pad by a computed number of zeros: constants work")
        pads = [int(n) for n in given.ravel()]
        with_fill = len(inputs) > 2 and inputs[2] is not None
        fill = _scalar(build, node, 2) if with_fill else 0.0
    axes = axes_of(node, inputs, 3) or range(4)
    if len(pads) != 2 * len(axes) or any(not -4 <= axis < 4 for axis in axes):
        raise mismatch(f"{len(pads)} pads", f"two for each of {len(axes)} axes", node.place)
    if fill != 0 or min(pads, default=0) < 0:
        raise Unsupported(f"Pad by {pads} with {fill}: zeros, and not fewer than none, work")
    ends = {axis % 4: (pads[i], pads[i + len(axes)]) for i, axis in enumerate(axes)}
    if any(ends.get(0, ())):
        raise Unsupported("Pad of the axis of samples")
    value, (lead, trail) = inputs[0], ends.get(1, (0, 0))
    if lead or trail:
        channels = lead + value.shape[0] + trail
        wider = Identity(sources=source, channels=channels, channel_offset=lead)
        value = build.put(node, wider, "channels" if any(ends.get(2, ())) else "")
    margins = (*ends.get(2, (0, 0)), *ends.get(3, (0, 0)))
    if any(margins):
        value = build.put(node, Pad(sources=value.layer, padding=margins))
    return replace(value)


def slice_(build: Building, node: Node, inputs: list) -> Value:
    """Every second row and column, or any other step: a shortcut by subsampling."""
    value = inputs[0]
    if len(value.shape) != 3 or any(
        not isinstance(part, np.ndarray) for part in inputs[1:] if part is not None
    ):
        raise Unsupported("Slice: every n-th row and column of a map, from the first, works")
    steps = []
    for size, kept in zip((build.samples, *value.shape), slices_of(node, inputs, 4), strict=True):
        start, end, step = kept.indices(size)
        if start != 0 or step < 1 or len(range(0, end, step)) != -(-size // step):
            raise Unsupported("Slice that cuts: every n-th row and column, from the first, works")
        steps.append(step)
    if steps[:2] != [1, 1]:
        raise Unsupported("Slice of samples or channels: of rows and columns works")
    if steps == [1, 1, 1, 1]:
        return replace(value)
    source = build.map(value, node)
    layer = Identity(sources=source, channels=value.shape[0], stride=tuple(steps[2:]))
    return build.put(node, layer)


def softmax(build: Building, node: Node, inputs: list) -> Value:
    """Probabilities of classes."""
    value, rank = inputs[0], len(inputs[0].shape) + 1
    axis = node.whole("axis", -1 if build.graph.opset >= 13 else 1)
    if rank == 2 and axis in (1, -1):
        return build.put(node, Softmax(sources=build.vector(value, node)))
    if build.graph.opset < 13 or axis not in (1, 1 - rank):
        raise Unsupported(f"Softmax along axis {axis}: over classes or channels works")
    return build.put(node, Softmax(sources=build.map(value, node)))


def monotonic(build: Building, node: Node, inputs: list) -> Value:
    """The last operator, where it leaves the largest value the largest."""
    value = inputs[0]
    if node.outputs[0] != build.graph.output or value.shape[0] == 1:
        raise Unsupported(f"{node.operator} inside a network: ReLU works")
    if node.operator == "ArgMax" and node.whole("axis", 0) not in (1, -1):
        raise Unsupported("ArgMax along another axis than that of classes")
    what = f"the {node.operator} at the end is left out: the decision is the same"
    build.notes.append(what)
    return replace(value)


def cast(build: Building, node: Node, inputs: list) -> Value:
    """Numbers as floats: nothing is added."""
    if cast_dtype(node).kind != "f":
        raise Unsupported(f"Cast to {cast_dtype(node)}: to floats works")
    return replace(inputs[0])


def dropout(build: Building, node: Node, inputs: list) -> Value:
    """Nothing is added for what acts only while training."""
    if len(inputs) > 2 and inputs[2] is not None and np.any(inputs[2]):
        raise Unsupported("Dropout while training: export the model after eval()")
    return replace(inputs[0])


LAYERS = {
    "Conv": conv,
    "Gemm": gemm,
    "MatMul": matmul,
    "BatchNormalization": batch_norm,
    "Relu": relu,
    "Clip": clip,
    "Max": maximum,
    "Min": minimum,
    "MaxPool": pool,
    "AveragePool": pool,
    "GlobalAveragePool": global_pool,
    "GlobalMaxPool": global_pool,
    "ReduceMean": reduce,
    "ReduceMax": reduce,
    "Add": add,
    "Sum": add,
    "Concat": concat,
    "Sub": subtract,
    "Mul": multiply,
    "Div": divide,
    "Pad": pad,
    "Slice": slice_,
    "Softmax": softmax,
    **dict.fromkeys(("LogSoftmax", "Sigmoid", "ArgMax"), monotonic),
    "Cast": cast,
    "Dropout": dropout,
    "Identity": dropout,
    **SHAPES,
}
