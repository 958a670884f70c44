"""A PyTorch state_dict, whichever file it came in: arrays by key to the bundles of layers."""

from __future__ import annotations

import re

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.base.fields import rounded
from evsim.formats.trainers import _topology as topology
from evsim.formats.trainers._definition import Definition
from evsim.formats.trainers._trainer import Bundle, Options, Reading, Source

CONTAINERS = ("state_dict.", "model_state_dict.")  # beside which a checkpoint holds other things
WRAPPERS = (*CONTAINERS, "module.", "_orig_mod.", "model.", "net.")
ROLES = {"weight", "bias", "running_mean", "running_var"}
IGNORED = {"num_batches_tracked"}
OPTIMIZER = ("optimizer.", "optim.", "lr_scheduler.", "scheduler.", "epoch")
SCALE = re.compile(r"(.+)\.act_quant\..*\bscaling_impl\.value")  # of Brevitas, per activation
STATE = {"mem", "syn", "spk", "v", "beta", "alpha", "threshold", "v_threshold", "reset_mechanism"}


def read(
    arrays: dict[str, np.ndarray],
    options: Options,
    source: Source,
    own: Definition | None = None,
) -> Reading:
    """The model of the topology that the options name, with these arrays by key.

    `own`: the topology that the file itself holds.
    """
    notes, unsupported = [], []
    arrays, scales = _scales(arrays)
    bundles = []
    for layer, arrays_of_layer in _layers(arrays, notes).items():
        bundle = _bundle(layer, arrays_of_layer)
        if isinstance(bundle, str):
            unsupported.append((layer, bundle))
        else:
            bundles.append(bundle)
    if not bundles and not unsupported:
        raise mismatch("no weights", "keys such as conv1.weight")
    try:
        reading = topology.apply(bundles, options, source, "pytorch", scales, own)
    except EvsimError:
        if not unsupported:
            raise
        reading = Reading()  # what is unsupported is why the rest does not fit
    reading.unsupported = unsupported + reading.unsupported
    reading.notes = notes + reading.notes
    return reading


def _scales(arrays: dict[str, np.ndarray]) -> tuple[dict, dict[str, np.ndarray]]:
    """The arrays without Brevitas's scales of activations, and those by the activation's name."""
    others, scales = {}, {}
    for name, array in arrays.items():
        if (scale := SCALE.fullmatch(name)) is None:
            others[name] = array
        elif array.dtype.kind != "f" or not np.isfinite(array).all() or not (array > 0).all():
            raise mismatch(f"{array.ravel()[:3]}", "scales above 0", name)
        else:
            scales[scale[1]] = np.float32(
                array.reshape(-1) if array.size > 1 else array.reshape(())
            )
    prefix = _wrapper(list(others))
    return others, {name.removeprefix(prefix): value for name, value in scales.items()}


def _layers(arrays: dict[str, np.ndarray], notes: list[str]) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of each layer by role; what is no weight is left out, and said."""
    inside = next((c for c in CONTAINERS if any(name.startswith(c) for name in arrays)), "")
    names, left = [], []
    for name, array in arrays.items():
        count = "." not in name and name not in ROLES and array.size == 1  # such as an accuracy
        other = count or name.startswith(OPTIMIZER) or not name.startswith(inside)
        (left if other else names).append(name)
    prefix = _wrapper(names)
    if prefix:
        notes.append(f"the keys begin with {prefix!r}, left out")
    layers: dict[str, dict[str, np.ndarray]] = {}
    for name in names:
        layer, _, role = name.removeprefix(prefix).rpartition(".")
        if role in STATE:
            left.append(name)
        elif role not in IGNORED:
            layers.setdefault(layer, {})[role] = arrays[name]
    if left:
        more = ", ..." if len(left) > 3 else ""
        notes.append(f"no weights, left out: {', '.join(left[:3])}{more}")
    return layers


def _wrapper(names: list[str]) -> str:
    """What all keys begin with because the network was wrapped when it was saved."""
    prefix = ""
    while True:
        more = [w for w in WRAPPERS if names and all(n.startswith(prefix + w) for n in names)]
        if not more:
            return prefix
        prefix += more[0]


def _bundle(layer: str, arrays: dict[str, np.ndarray]) -> Bundle | str:
    """The bundle of a layer, or what is unsupported about it."""
    strange = arrays.keys() - ROLES
    shapes = ", ".join(f"{role} {array.shape}" for role, array in arrays.items())
    works = "convolutions, linear layers and batch norm work"
    if strange:
        return f"found {shapes}: {works}"
    for role, array in arrays.items():
        if array.dtype.kind not in "f" or not np.isfinite(array).all():
            found = f"dtype {array.dtype}" if array.dtype.kind != "f" else "NaN or infinity"
            raise mismatch(found, "finite floats", f"{layer}.{role}")
    arrays = {role: rounded(array, np.float32, f"{layer}.{role}") for role, array in arrays.items()}
    if "running_mean" in arrays or "running_var" in arrays:
        for role in ("running_mean", "running_var"):
            if role not in arrays:
                raise EvsimError(f"missing {role}, the statistics of a batch norm", layer)
        names = {"weight": "gamma", "bias": "beta", "running_mean": "mean"}
        names |= {"running_var": "variance"}
        if any(array.ndim != 1 for array in arrays.values()):
            return f"found {shapes}: {works}"
        return Bundle(layer, {names[role]: array for role, array in arrays.items()})
    rank = arrays["weight"].ndim if "weight" in arrays else 0
    if rank not in (2, 4):
        return f"found {shapes}: {works}"
    axes = (2, 3, 1, 0) if rank == 4 else (1, 0)
    return Bundle(layer, arrays | {"weight": arrays["weight"].transpose(axes)})
