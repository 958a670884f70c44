"""What a run was asked to do, and whether its inputs fit the network."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from evsim.base.errors import mismatch, nearest
from evsim.codings import codings
from evsim.engine.events import Events
from evsim.network.network import Network

RECORDS = ("spikes", "trace", "queues", "ranges")


@dataclass(frozen=True)
class Settings:
    """What a run was asked to do, every choice made."""

    timesteps: int
    coding: str
    seed: int
    dtype: str
    first_sample: int
    samples: int
    graded_input: bool


def settle(
    network: Network,
    inputs,
    *,
    timesteps: int | None = None,
    coding: str | None = None,
    seed: int | None = None,
    dtype: str = "float32",
    first_sample: int = 0,
) -> Settings:
    """Make every choice of a run; raises EvsimError where `inputs` or a choice does not fit.

    Timesteps: the argument, else the network's, else the event file's, else 64. Coding: events
    for events; for images the argument, else the network's, else constant.
    """
    events = isinstance(inputs, Events)
    if coding is not None and coding not in codings():
        known = f"one of {', '.join(codings())}{nearest(coding, codings())}"
        raise mismatch(repr(coding), known, "coding")
    if events:
        if coding not in (None, "events"):
            raise mismatch(f"{coding!r} with a file of events", "'events'", "coding")
        coding = "events"
    else:
        if coding is None:
            coding = network.coding or "constant"
        if coding == "events":
            expected = "a coding of images (the data holds no events)"
            raise mismatch("'events'", expected, "coding")
    graded = inputs.graded if events else codings()[coding].GRADED
    _check_windows(network, coding, graded)
    needed = (network.schedule and network.schedule.timesteps) or network.last_window_end
    if timesteps is None:
        timesteps = network.timesteps or needed or (inputs.timesteps if events else 64)
    if seed is None:
        seed = network.seed or 0
    bounds = [("timesteps", timesteps, 1, 2**31), ("seed", seed, 0, 2**64)]
    bounds += [("first_sample", first_sample, 0, 2**32 - len(inputs) + 1)]
    for name, value, least, most in bounds:
        if not isinstance(value, int | np.integer) or not least <= value < most:
            raise mismatch(repr(value), f"a whole number from {least} to {most - 1}", name)
    if str(dtype) not in ("float32", "float64"):
        raise mismatch(repr(dtype), "float32 or float64", "dtype")
    if not len(inputs):
        raise mismatch("no samples", "at least one", "data")
    check_shape(network.populations[network.input], inputs)
    if needed and timesteps != needed:
        windows = f"{needed}, the timesteps of all windows of {network.schedule.window}"
        raise mismatch(timesteps, windows, "timesteps")
    return Settings(
        int(timesteps), coding, int(seed), str(dtype), first_sample, len(inputs), graded
    )


def _check_windows(network: Network, coding: str, graded: bool) -> None:
    """Raise an error where populations take switch events and the coding sends others."""
    schedule = network.schedule
    if schedule is None and coding == "switch":
        expected = "another coding, or a network with the attribute 'window'"
        raise mismatch("'switch'", expected, "coding")
    if network.last_window_end is not None and coding not in ("latency", "events"):
        expected = "'latency', as populations of the network take first spikes only"
        raise mismatch(repr(coding), expected, "coding")
    if schedule is not None and schedule.coded:
        if coding not in ("switch", "events"):
            expected = "'switch', as populations of the network take switch events only"
            raise mismatch(repr(coding), expected, "coding")
        if graded:
            raise mismatch("graded events", "switch events, +1 and -1", "coding")


def check_shape(part, inputs) -> None:
    """Raise an error unless the input population takes these images or events.

    A vector takes any image with the right number of values, a rank-3 population its own shape.
    """
    shape = inputs.shape if isinstance(inputs, Events) else tuple(inputs.shape[1:])
    image = (*shape, 1) if len(shape) == 2 else shape
    if (prod(image) != part.neurons) if len(part.shape) == 1 else (image != part.shape):
        expected = f"shape {part.shape}, as the input population has"
        raise mismatch(f"samples of shape {shape}", expected, "data")
    if len(image) == 3 and not isinstance(inputs, Events):
        for name in ("mean", "std"):
            if getattr(part, name).size not in (1, image[-1]):
                found = f"images of {image[-1]} channels"
                raise mismatch(found, f"{getattr(part, name).size} as {name} has", "data")


def values_of(part, inputs, index: int, dtype):
    """What is coded of one sample: the scaled image, or its events."""
    if isinstance(inputs, Events):
        timesteps, neurons, values = inputs.of(index)
        with np.errstate(all="ignore"):
            wrong = np.flatnonzero(~np.isfinite(values.astype(dtype)))
        if wrong.size:
            k = wrong[0]
            found = f"an event of {values[k]} at timestep {timesteps[k]}, neuron {neurons[k]}"
            raise mismatch(found, f"finite numbers in {np.dtype(dtype)}", "/events/value")
        return timesteps, neurons, values
    raw = inputs[index]  # images of a file are checked when they are read
    if isinstance(inputs, np.ndarray) and raw.dtype.kind == "f" and not np.isfinite(raw).all():
        raise mismatch("NaN or infinity", "finite values", f"images, sample {index}")
    return part.scaled(raw, dtype)
