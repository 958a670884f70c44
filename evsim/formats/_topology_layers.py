"""One layer of a topology, with the weights it was paired with."""

from __future__ import annotations

import numpy as np

from evsim.formats._definition import Entry
from evsim.formats._trainer import Bundle
from evsim.layers import Layer, Shape, layer_kinds
from evsim.parts import mismatch, shown

EPSILON = {"keras": 1e-3, "pytorch": 1e-5}
ORDER = {"keras": "hwc", "pytorch": "chw"}  # of a flattened map


def layer_of(entry: Entry, bundle: Bundle | None, shapes: list[Shape], trainer: str) -> Layer:
    """The layer of an entry whose sources have these shapes."""
    fields = dict(entry.fields)
    arrays = {} if bundle is None else _arrays(fields, dict(bundle.arrays), entry.kind)
    if entry.kind == "conv":
        kernel = arrays["weight"].shape[:2]
        _check(fields.pop("kernel", kernel), kernel, "kernel")
        fields |= {
            name: _pair(fields[name], name) for name in ("stride", "dilation") if name in fields
        }
        reach = [d * (k - 1) for d, k in zip(fields.get("dilation", (1, 1)), kernel, strict=True)]
        fields["padding"] = _padding(fields.get("padding", 0), reach)
    elif entry.kind == "pool":
        whole = fields.get("kernel") == "all"
        fields["kernel"] = shapes[0][:2] if whole else _pair(fields.get("kernel"), "kernel")
        if "stride" in fields:
            fields["stride"] = _pair(fields["stride"], "stride")
        fields["padding"] = _padding(fields.get("padding", 0), [k - 1 for k in fields["kernel"]])
    elif entry.kind == "pad":
        fields["padding"] = _padding(fields.get("padding"), None)
    elif entry.kind == "identity":
        stride, widen = _pair(fields.get("stride", 1), "stride"), fields.get("widen", 1)
        if type(widen) is not int or widen < 1:
            raise mismatch(shown(widen), "a whole number of at least 1", "widen")
        channels = shapes[0][-1]
        more = (widen - 1) * channels
        fields = {"stride": stride, "channels": widen * channels, "channel_offset": more // 2}
    elif entry.kind == "normalize":
        fields = {"epsilon": np.float64(fields.get("epsilon", EPSILON[trainer]))}
    elif entry.kind == "flatten":
        fields = {"order": fields.get("order", ORDER[trainer])}
    elif entry.kind == "relu":
        fields |= {n: np.float64(fields[n]) for n in ("ceiling", "rounding") if n in fields}
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
    coded = fields.pop("weights", "real")
    if coded == "sign":
        weight = arrays["weight"]
        mean = np.abs(weight).mean(axis=tuple(range(weight.ndim - 1)), dtype=np.float64)
        arrays["weight"] = np.float32(np.where(weight >= 0, mean, -mean))
    elif coded != "real":
        raise mismatch(shown(coded), "'real', or 'sign' for sign(w) times the mean |w|", "weights")
    return arrays


def _check(said, found, name: str) -> None:
    said = _pair(said, name) if isinstance(found, tuple) else said
    if said != found:
        raise mismatch(f"{name} {found} in the weights", f"{said}, as the topology says")


def _pair(value, name: str) -> tuple[int, int]:
    """Two whole numbers, for height and width; one stands for both."""
    pair = tuple(value) if isinstance(value, list | tuple) else (value, value)
    if len(pair) != 2 or not all(type(n) is int and n >= 1 for n in pair):
        raise mismatch(shown(value), "one or two whole numbers of at least 1", name)
    return pair


def _padding(value, reach: list[int] | None) -> tuple[int, int, int, int]:
    """Top, bottom, left and right; one number stands for all, "same" keeps the size."""
    if value == "same" and reach is not None:
        height, width = reach
        return (height // 2, height - height // 2, width // 2, width - width // 2)
    four = tuple(value) if isinstance(value, list) else (value,) * 4
    if len(four) == 2:
        four = (four[0], four[0], four[1], four[1])
    if len(four) != 4 or not all(type(n) is int and n >= 0 for n in four):
        raise mismatch(shown(value), "a whole number, two or four of them, or 'same'", "padding")
    return four
