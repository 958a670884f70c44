"""Keras's files of weights without a topology: the arrays of each layer, in evsim's axes."""

from __future__ import annotations

import numpy as np

from evsim.formats.trainers._keras_weights import OLDEST, Stored
from evsim.formats.trainers._trainer import Bundle, Reading

ROLES = {
    "kernel": "weight",
    "W": "weight",
    "bias": "bias",
    "b": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "mean",
    "running_mean": "mean",
    "moving_variance": "variance",
    "running_std": "variance",  # Keras 1 calls the variance so
    "depthwise_kernel": "depthwise",
    "pointwise_kernel": "pointwise",
}
BY_COUNT = {  # of the vectors of a batch normalisation
    2: ("mean", "variance"),
    3: ("beta", "mean", "variance"),
    4: ("gamma", "beta", "mean", "variance"),
}
UNNAMED = ("", OLDEST, "batch_normalization")
SKIPPED = ("normalization", "embedding")


def bundles(layers, old: bool, theano: bool, reading: Reading) -> tuple[list[Bundle], bool]:
    """The bundles of (layer, class, arrays), and whether the network has its channels first.

    What is no bundle goes to `found`. `old`: of Keras 1 or before, whose kernels may have their
    channels first. `theano`: kernels are flipped.
    """
    roles = [(name, _roles(kind, arrays, name, reading)) for name, kind, arrays in layers]
    oldest = any(kind == OLDEST for _, kind, _ in layers)
    first = old and _channels_first([by_role for _, by_role in roles if by_role], reading)
    made = []
    for name, by_role in roles:
        if by_role is not None:
            values = {role: stored.read() for role, stored in by_role.items()}
            if oldest and "variance" in values:
                values["variance"] = np.square(values["variance"])
                reading.notes.append(f"{name}: Keras 0 kept standard deviations; squared")
            made += _made(name, values, first, theano)
    return made, first


def _roles(kind: str, arrays: list[Stored], name: str, reading: Reading) -> dict | None:
    """The arrays of one layer by role; None if evsim has no such layer."""
    names = [_last_word(stored.name) for stored in arrays]
    ranks = [len(stored.shape) for stored in arrays]
    if all(name in ROLES for name in names):
        roles = [ROLES[name] for name in names]
    elif "separable" in kind and ranks in ([4, 4], [4, 4, 1]):
        roles = ["depthwise", "pointwise", "bias"]
    elif kind == "depthwise_conv2d" and ranks in ([4], [4, 1]):
        roles = ["depthwise", "bias"]
    elif ranks in ([2], [2, 1], [4], [4, 1]) and kind not in SKIPPED:
        roles = ["weight", "bias"]
    elif set(ranks) == {1} and len(ranks) in BY_COUNT and kind in UNNAMED:
        roles = list(BY_COUNT[len(ranks)])
        if len(ranks) == 3:
            reading.notes.append(f"{name}: three vectors taken as beta, mean and variance")
    else:
        roles = []
    by_role = dict(zip(roles, arrays, strict=False))
    fits = len(by_role) == len(arrays) and _plausible(by_role)
    if not fits:
        shapes = " ".join(str(stored.shape) for stored in arrays)
        what = f"arrays of shapes {shapes}: only dense, 2-D convolution and batch norm work"
        reading.unsupported.append((arrays[0].place.rpartition("/")[0], what))
        return None
    return by_role


def _last_word(name: str) -> str:
    """The role in the name of a weight: kernel of conv/kernel, W of conv_1_W."""
    word = name.rpartition("/")[2]
    if word in ROLES:
        return word
    return next((role for role in ROLES if word.endswith(f"_{role}")), word)


def _plausible(by_role: dict[str, Stored]) -> bool:
    ranks = {"weight": (2, 4), "depthwise": (4,), "pointwise": (4,)}
    return all(len(s.shape) in ranks.get(role, (1,)) for role, s in by_role.items())


def _channels_first(layers: list[dict[str, Stored]], reading: Reading) -> bool:
    """Whether kernels are (out, in, height, width): one order fits all biases, or is likelier."""
    orders = {True, False}
    likely = None
    for by_role in layers:
        if "weight" not in by_role or len(by_role["weight"].shape) != 4:
            continue
        shape = by_role["weight"].shape
        if "bias" in by_role:
            size = by_role["bias"].shape[0]
            fits = {first for first, out in ((True, shape[0]), (False, shape[3])) if out == size}
            orders &= fits or orders
        if likely is None and (shape[2] == shape[3]) != (shape[0] == shape[1]):
            likely = shape[2] == shape[3]
    if len(orders) == 1:
        return orders.pop()
    if likely is not None:
        order = "(out, in, height, width)" if likely else "(height, width, in, out)"
        reading.notes.append(f"kernels taken as {order}, their shapes fit both orders")
    return bool(likely)


def _made(name: str, values: dict[str, np.ndarray], first: bool, theano: bool) -> list[Bundle]:
    """One bundle, or two where a separable convolution is two layers."""
    for role in ("weight", "depthwise", "pointwise"):
        if role in values and values[role].ndim == 4 and first:
            values[role] = values[role].transpose(2, 3, 1, 0)
    if theano and "weight" in values and values["weight"].ndim == 4:
        values["weight"] = values["weight"][::-1, ::-1]
    if "depthwise" not in values:
        return [Bundle(name, values)]
    kernel = values.pop("depthwise")
    depthwise = kernel.reshape(*kernel.shape[:2], 1, -1)
    if "pointwise" not in values:
        return [Bundle(name, {"weight": depthwise, **values})]
    pointwise = values.pop("pointwise")
    return [
        Bundle(f"{name}.depthwise", {"weight": depthwise}),
        Bundle(name, {"weight": pointwise, **values}),
    ]
