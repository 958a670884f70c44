"""Random numbers and codings: which events the input population emits."""

from math import floor

import numpy as np
from oracles.geometry import neurons


def philox(counter, key):
    """Philox4x32-10: four 32-bit words from a counter of four and a key of two."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c0, 2**32)
        high1, low1 = divmod(0xCD9E8D57 * c2, 2**32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return c0, c1, c2, c3


def uniform(seed, neuron, timestep, sample, population):
    """The draw of a neuron and timestep, in [0, 1)."""
    key = (seed % 2**32, seed // 2**32)
    return philox((neuron, timestep, sample, population), key)[0] / 2**32


def scaled_image(fields, image, dtype):
    """`(x / scale - mean) / std` per neuron, in float64, rounded once."""
    flat = np.ravel(image)
    if flat.size != neurons(fields["shape"]):
        raise ValueError(f"{flat.size} values for {neurons(fields['shape'])} neurons")
    scale = float(fields.get("scale", 255)) if flat.dtype == np.uint8 else 1.0
    mean = np.ravel(np.float64(fields.get("mean", 0)))
    std = np.ravel(np.float64(fields.get("std", 1)))
    values = []
    for j in range(flat.size):
        # Channels of an image come last, also where the population is flat.
        values.append(dtype((float(flat[j]) / scale - mean[j % mean.size]) / std[j % std.size]))
    return values


def constant(values):
    """The value itself, at every timestep."""
    return [(j, x) for j, x in enumerate(values) if x != 0]


def poisson(values, t, draw):
    """sign(x) where u < min(|x|, 1); everyone draws."""
    events = []
    for j, x in enumerate(values):
        if draw(j, t) < float(min(abs(x), type(x)(1))):
            events.append((j, 1 if x > 0 else -1))
    return events


def latency(values, timesteps):
    """+1 at floor((1 - min(x, 1)) (T - 1) + 0.5), by timestep."""
    events = [[] for _ in range(timesteps)]
    for j, x in enumerate(values):
        if x > 0:
            events[floor((1 - min(float(x), 1)) * (timesteps - 1) + 0.5)].append((j, 1))
    return events


def listed(events, t, dtype, graded):
    """The events of a file at `t`."""
    number = dtype if graded else int
    return sorted((j, number(value)) for at, j, value in events if at == t)


def is_graded(coding, inputs, graded):
    """Whether the input is a graded source; all values of a file decide where it does not say."""
    if coding != "events":
        return coding == "constant"
    if graded is None:
        return any(abs(value) != 1 for _, _, value in inputs)
    return graded


def encode(network, inputs, timesteps, coding, draw, dtype, graded):
    """The events [(neuron, value)] of the input at each timestep; `draw(neuron, t)` is random."""
    if coding == "events":
        return [listed(inputs, t, dtype, graded) for t in range(timesteps)]
    values = scaled_image(network["populations"][network["input"]], inputs, dtype)
    if coding == "constant":
        return [constant(values) for _ in range(timesteps)]
    if coding == "poisson":
        return [poisson(values, t, draw) for t in range(timesteps)]
    if coding == "latency":
        windows = [own["window"] for own in network["populations"].values() if "window" in own]
        window = windows[0] if windows else timesteps
        return (latency(values, window) + [[]] * timesteps)[:timesteps]
    raise ValueError(f"unknown coding {coding!r}")
