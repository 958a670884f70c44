"""One layer of a topology, with the weights it was paired with."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from evsim.artificial.layers import Layer, Shape, layer_kinds
from evsim.base.errors import EvsimError, mismatch, nearest
from evsim.formats.trainers._definition import Entry
from evsim.formats.trainers._trainer import Bundle

Scales = Mapping[str, np.ndarray]  # the largest values of quantised activations, by name
LEAST = np.float32(1e-10)  # Brevitas's smallest scale
EPSILON = {"keras": 1e-3, "pytorch": 1e-5}
ORDER = {"keras": "hwc", "pytorch": "chw"}  # of a flattened map


def layer_of(
    entry: Entry, bundle: Bundle | None, shapes: list[Shape], trainer: str, scales: Scales
) -> Layer:
    """The layer of an entry whose sources have these shapes; `scales`: of activations, by name."""
    fields = dict(entry.fields)
    arrays = {} if bundle is None else _arrays(fields, dict(bundle.arrays), entry.kind)
    if entry.kind == "conv":
        kernel = arrays["weight"].shape[:2]
        _check(fields.pop("kernel", kernel), kernel, "kernel")
        reach = [d * (k - 1) for d, k in zip(fields.get("dilation", (1, 1)), kernel, strict=True)]
        fields["padding"] = _padding(fields.get("padding"), reach)
    elif entry.kind == "pool":
        if fields["kernel"] == "all":
            fields["kernel"] = shapes[0][:2]
        fields["padding"] = _padding(fields.get("padding"), [k - 1 for k in fields["kernel"]])
    elif entry.kind == "identity":
        channels = shapes[0][-1]
        wide = fields.pop("widen", 1) * channels
        fields |= {"channels": wide, "channel_offset": (wide - channels) // 2}
    elif entry.kind == "normalize":
        fields.setdefault("epsilon", EPSILON[trainer])
    elif entry.kind == "relu" and isinstance(fields.get("ceiling"), str):
        fields["ceiling"] = _scale(fields["ceiling"], scales)
    elif entry.kind == "flatten":
        fields.setdefault("order", ORDER[trainer])
    return layer_kinds()[entry.kind].build({"sources": entry.sources} | fields | arrays)


def _arrays(fields: dict, arrays: dict[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
    """The arrays in float32, made binary where the definition says so."""
    ranks = {"conv": 4, "dense": 2}
    if kind in ranks and ("weight" not in arrays or arrays["weight"].ndim != ranks[kind]):
        found = ", ".join(f"{role} {array.shape}" for role, array in arrays.items())
        raise mismatch(found, f"a weight of {ranks[kind]} axes")
    if kind in ranks:
        out = arrays["weight"].shape[-1]
        _check(fields.pop("channels", out), out, "channels")
    arrays = {role: np.asarray(array, np.float32) for role, array in arrays.items()}
    form = fields.pop("weights", "real")
    rules = {name: fields.pop(name) for name in ("bits", "scale") if name in fields}
    if form == "integer":
        arrays["weight"] = _whole_steps(arrays["weight"], **rules)
    elif rules:
        name = next(iter(rules))
        raise mismatch(f"{name} with weights {form!r}", "weights = 'integer' with it", name)
    elif form != "real":
        weight, size = arrays["weight"], np.float64(1)
        if form == "sign":
            size = np.abs(weight).mean(axis=tuple(range(weight.ndim - 1)), dtype=np.float64)
        arrays["weight"] = np.float32(np.where(weight >= 0, size, -size))
    return arrays


def _whole_steps(weight: np.ndarray, bits: int | None = None, scale: str = "tensor") -> np.ndarray:
    """Weights as whole multiples of a step, nearest ones, halves to the even.

    The step makes the largest one, of all or of an output channel, 2^(bits - 1) - 1: what Brevitas
    does with scales that it takes from the weights (`Int8WeightPerTensorFloat` and its like).
    """
    if bits is None:
        raise EvsimError("missing field 'bits', required by weights = 'integer'")
    most = np.float32(2 ** (bits - 1) - 1)
    axes = None if scale == "tensor" else tuple(range(weight.ndim - 1))
    step = np.maximum(np.abs(weight).max(axis=axes, keepdims=True), LEAST) / most
    return np.clip(np.rint(weight / step), -most, most) * step


def _scale(name: str, scales: Scales) -> np.ndarray:
    """What the file has as the largest value of an activation."""
    if name not in scales:
        known = f"one of {', '.join(scales)}{nearest(name, scales)}" if scales else "a number"
        found = f"{name!r}, whose scale the file has not"
        raise mismatch(found, known, "ceiling")
    return np.float64(scales[name])


def _check(said, actual, name: str) -> None:
    if said != actual:
        raise mismatch(f"{name} {actual} in the weights", f"{said}, as the topology says")


def _padding(value, reach: list[int]) -> tuple[int, ...]:
    """Top, bottom, left and right; "same" keeps the size, the odd one goes to the end."""
    if value == "same":
        height, width = reach
        return (height // 2, height - height // 2, width // 2, width - width // 2)
    return value or (0, 0, 0, 0)
