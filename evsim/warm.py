"""Compiling every kernel before it is needed."""

from __future__ import annotations

import numpy as np

from evsim.events import Events
from evsim.network import Network
from evsim.neurons import neuron_kinds
from evsim.runs import run
from evsim.synapses import synapse_kinds


def warm_up() -> None:
    """Run small networks that call every kernel in every arithmetic."""
    image = np.linspace(-1, 1, 8, dtype=np.float32).reshape(1, 2, 2, 2)
    for sign in (image, np.abs(image)):
        for dtype in ("float32", "float64"):
            for coding in ("constant", "poisson"):
                run(_network(np.float64), sign, timesteps=2, coding=coding, dtype=dtype, jobs=1)
    for value in ([1.0, 1.0], [1.0, -1.0]):
        events = Events(
            *np.array([[0, 0], [0, 0], [0, 5]]),
            np.array(value),
            shape=(2, 2, 2),
            samples=1,
            timesteps=2,
        )
        for weights in (np.int8, np.int16):
            run(_network(weights), events, timesteps=2, jobs=1)


def _network(dtype) -> Network:
    """A network of all kinds with weights of a dtype."""
    fires, sets = neuron_kinds(), synapse_kinds()
    shape = {"shape": (2, 2, 2)}
    ones = 200 if dtype == np.int16 else 1  # 200 does not fit int8

    def weights(*size):
        return np.full(size, ones, dtype)

    populations = {
        "input": fires["input"](**shape),
        "a": fires["iaf"](**shape, threshold=1),
        "b": fires["lif"](**shape, threshold=1, leak=1.0 if dtype != np.float64 else 0.5),
        "pooled": fires["iaf"](shape=(1, 1, 2), threshold=1),
        "wide": fires["iaf"](shape=(64,), threshold=1),
        "analog": fires["analog"](**shape),
        "signs": fires["stochastic"](**shape, output="bipolar"),
        "output": fires["readout"](shape=(3,)),
    }
    kernel = weights(1, 1, 2, 2)
    ends = {
        "input-a": ("conv", "input", "a", {"weight": kernel}),
        "input-b": ("conv", "input", "b", {"weight": weights(1, 1, 1, 2), "groups": 2}),
        "a-b": ("identity", "a", "b", {"weight": weights(2)}),
        "input-wide": ("dense", "input", "wide", {"weight": weights(8, 64)}),
        "input-output": ("dense", "input", "output", {"weight": weights(8, 3)}),
        "b-pooled": ("pool", "b", "pooled", {"kernel": (2, 2)}),
        "a-analog": ("identity", "a", "analog", {"weight": weights(2)}),
        "a-signs": ("identity", "a", "signs", {"weight": weights(2)}),
        "signs-output": (
            "dense",
            "signs",
            "output",
            {"weight": np.ones((8, 3), np.int8), "bits": 1, "scale": 1.0},
        ),
        "wide-output": (
            "sparse",
            "wide",
            "output",
            {"data": weights(64), "indices": np.zeros(64, np.int64), "indptr": np.arange(65)},
        ),
    }
    synapses = {
        name: sets[kind](source=source, target=target, **fields)
        for name, (kind, source, target, fields) in ends.items()
    }
    return Network(populations, synapses)
