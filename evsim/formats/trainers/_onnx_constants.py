"""Operators of ONNX whose inputs are all known: exported shapes and scales are made of such."""

from __future__ import annotations

from math import prod

import numpy as np

from evsim.base.errors import mismatch
from evsim.formats.trainers._onnx_file import Node

MOST = 1 << 26  # numbers of an array that is computed while a file is read


class Unsupported(Exception):
    """An operator that evsim has no layer for, in words."""


def folded(node: Node, inputs: list[np.ndarray | None]) -> np.ndarray:
    """The result of an operator on known arrays; None stands for an optional one left out."""
    fold = FOLDS.get(node.operator)
    if fold is None:
        raise Unsupported(f"operator {node.operator!r} on constants is not supported")
    if node.operator not in MADE and (not inputs or inputs[0] is None):
        raise mismatch("no input", "at least one", node.place)
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(fold(node, inputs))
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        reason = " ".join(str(error).split())[:100]
        raise mismatch(f"inputs that do not fit ({reason})", "such as fit", node.place) from None
    _check_size(result.shape)
    return result


def axes_of(node: Node, inputs: list, position: int = 1) -> list[int] | None:
    """The axes that an operator names: in an attribute, from newer versions on in an input."""
    if "axes" in node.attributes:
        return node.wholes("axes")
    given = inputs[position] if len(inputs) > position else None
    if given is None:
        return None
    if not isinstance(given, np.ndarray):
        raise Unsupported(f"{node.operator} along axes that are computed: constant ones work")
    return [int(axis) for axis in given.ravel()]


def slices_of(node: Node, inputs: list, rank: int) -> list[slice]:
    """For each axis what Slice keeps of it."""
    if "starts" in node.attributes:
        starts, ends = node.wholes("starts"), node.wholes("ends")
        axes, steps = node.wholes("axes", list(range(len(starts)))), [1] * len(starts)
    else:
        given = [None if v is None else [int(n) for n in np.ravel(v)] for v in inputs[1:5]]
        given += [None] * (4 - len(given))
        starts, ends, axes, steps = given
        if starts is None or ends is None:
            raise mismatch("no starts and ends", "both", node.place)
        axes = list(range(len(starts))) if axes is None else axes
        steps = [1] * len(starts) if steps is None else steps
    kept = [slice(None)] * rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if not -rank <= axis < rank or step == 0:
            raise mismatch(f"axis {axis}, step {step}", f"one of {rank} axes", node.place)
        kept[axis] = slice(start, None if step < 0 and end < -(1 << 30) else end, step)
    return kept


def _check_size(shape) -> None:
    if prod(shape) > MOST:
        raise Unsupported(f"an array of shape {tuple(shape)} that is computed: too large")


def _constant(node: Node, inputs: list):
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        if name in node.attributes:
            value = node.attributes[name]
            if isinstance(value, bytes | str):
                break
            dtype = np.int64 if "int" in name else None if name == "value" else np.float32
            return np.asarray(value, dtype)
    raise Unsupported("Constant of another kind than numbers")


def _cast(node: Node, inputs: list):
    return inputs[0].astype(cast_dtype(node))


def cast_dtype(node: Node) -> np.dtype:
    """What Cast makes of numbers; half precision becomes float32."""
    import onnx

    to = node.whole("to")
    try:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(to))
    except Exception:  # which, depends on the version of onnx
        raise mismatch(f"data type {to}", "one of numbers", f"{node.place}/to") from None
    if dtype.kind in "iub":
        return dtype
    if dtype.name not in ("float16", "bfloat16", "float32", "float64"):
        raise Unsupported(f"Cast to {dtype}: floats work")
    return np.dtype(np.float64 if dtype.name == "float64" else np.float32)


def target_shape(node: Node, inputs: list, shape: tuple[int, ...]) -> list[int]:
    """The shape that Reshape asks for, 0 replaced by what was there."""
    target = [int(n) for n in np.ravel(inputs[1])]
    if not node.whole("allowzero", 0):
        target = [shape[i] if n == 0 and i < len(shape) else n for i, n in enumerate(target)]
    if any(n < -1 for n in target) or target.count(-1) > 1:
        raise mismatch(f"shape {target}", "sizes, one of them -1", node.place)
    return target


def _reshape(node: Node, inputs: list):
    return inputs[0].reshape(target_shape(node, inputs, inputs[0].shape))


def _unsqueeze(node: Node, inputs: list):
    return np.expand_dims(inputs[0], tuple(axes_of(node, inputs) or ()))


def _squeeze(node: Node, inputs: list):
    axes = axes_of(node, inputs)
    return np.squeeze(inputs[0], None if axes is None else tuple(axes))


def _concat(node: Node, inputs: list):
    _check_size([sum(value.size for value in inputs)])
    return np.concatenate(inputs, axis=node.whole("axis"))


def _gather(node: Node, inputs: list):
    _check_size([inputs[0].size, inputs[1].size])
    return np.take(inputs[0], inputs[1].astype(np.int64), axis=node.whole("axis", 0))


def _shape(node: Node, inputs: list):
    sizes = np.array(inputs[0].shape, np.int64)
    return sizes[node.whole("start", 0) : node.whole("end", len(sizes))]


def _filled(node: Node, inputs: list):
    shape = [int(n) for n in inputs[0].ravel()]
    if any(n < 0 for n in shape):
        raise mismatch(f"shape {shape}", "sizes", node.place)
    _check_size(shape)
    value = node.attributes.get("value", np.zeros(1, np.float32))
    return np.full(shape, np.asarray(value).ravel()[0])


def _expand(node: Node, inputs: list):
    shape = np.broadcast_shapes(inputs[0].shape, tuple(int(n) for n in inputs[1].ravel()))
    _check_size(shape)
    return np.broadcast_to(inputs[0], shape)


def _divide(node: Node, inputs: list):
    a, b = inputs
    return a // b if a.dtype.kind in "iu" and b.dtype.kind in "iu" else a / b


def _dequantized(node: Node, inputs: list):
    values, scale = inputs[0].astype(np.float64), inputs[1]
    zero = inputs[2].astype(np.float64) if len(inputs) > 2 and inputs[2] is not None else 0.0
    if scale.size > 1:
        axis = node.whole("axis", 1)
        shape = [1] * values.ndim
        shape[axis] = scale.size
        scale, zero = scale.reshape(shape), np.reshape(zero, shape) if np.size(zero) > 1 else zero
    return np.float32((values - zero) * scale)


def _pairwise(compute):
    def fold(node: Node, inputs: list):
        _check_size(np.broadcast_shapes(*(value.shape for value in inputs)))
        return compute(*inputs)

    return fold


MADE = ("Constant",)  # of no input
FOLDS = {
    "Constant": _constant,
    "Cast": _cast,
    "Reshape": _reshape,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Concat": _concat,
    "Gather": _gather,
    "Shape": _shape,
    "ConstantOfShape": _filled,
    "Expand": _expand,
    "Div": _divide,
    "DequantizeLinear": _dequantized,
    "Identity": lambda node, inputs: inputs[0],
    "Size": lambda node, inputs: np.int64(inputs[0].size),
    "Transpose": lambda node, inputs: inputs[0].transpose(node.wholes("perm", None)),
    "Slice": lambda node, inputs: inputs[0][tuple(slices_of(node, inputs, inputs[0].ndim))],
    "Add": _pairwise(np.add),
    "Sub": _pairwise(np.subtract),
    "Mul": _pairwise(np.multiply),
    "Pow": _pairwise(np.power),
    "Equal": _pairwise(np.equal),
    "Where": _pairwise(np.where),
    "Sqrt": _pairwise(np.sqrt),
    "Reciprocal": _pairwise(lambda x: 1 / x),
    "Neg": _pairwise(np.negative),
    "Abs": _pairwise(np.abs),
    "Floor": _pairwise(np.floor),
    "Ceil": _pairwise(np.ceil),
    "Clip": _pairwise(lambda x, low=None, high=None: np.clip(x, low, high)),
}
