"""Compiling every kernel before it is needed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import product

import numpy as np

from evsim.base.processors import cores
from evsim.codings import codings
from evsim.counting.facts import NEURON
from evsim.engine.compiling import called_by, compile_called
from evsim.engine.events import Events
from evsim.engine.plan import Plan
from evsim.engine.settings import settle
from evsim.engine.threads import simulate
from evsim.network.network import Network
from evsim.neurons import Neurons, neuron_kinds
from evsim.synapses import synapse_kinds


def warm_up(tell: Callable[[], None] = lambda: None) -> None:
    """Compile and keep every kernel in every arithmetic, in a process for each core.

    `tell` is called for each that another process compiles. Where there is but one, small networks
    are run that call them all.
    """
    for kinds in (codings, neuron_kinds, synapse_kinds):
        kinds()  # reads the files of the folder, whose kernels are to be noted
    if cores() == 1 or not compile_called(called_by(run_all), cores(), tell):
        run_all()


def run_all() -> None:
    """Run small networks that call every kernel in every arithmetic."""
    image = np.linspace(-1, 1, 8, dtype=np.float32).reshape(1, 2, 2, 2)
    for dtype in ("float32", "float64"):
        rule = {"dtype": dtype}
        for sign in (image, np.abs(image)):
            for coding in ("constant", "poisson"):
                _run(_network(np.float64), sign, timesteps=2, coding=coding, **rule)
            _run(_fan(_examples("float"), np.float64), sign, timesteps=2, **rule)
        _run_windows(np.float64, np.abs(image), True, rule)
        batched = {"a": neuron_kinds()["iaf"](shape=(2, 2, 2), threshold=1)}
        _run(_fan(batched, np.float64, pooled=False), np.tile(image, (2, 1, 1, 1)), **rule)
    for value in ([1.0, 1.0], [1.0, -1.0]):
        events = Events(
            *np.array([[0, 0], [0, 1], [0, 0]]),
            np.array(value),
            shape=(2, 2, 2),
            samples=1,
            timesteps=2,
        )
        for weights in (np.int16, np.int32):
            _run(_network(weights), events, timesteps=2)
        for dtype in ("float32", "float64"):  # of the values of events
            for network in (_network(np.int8), _fan(_examples("int"), np.int8)):
                _run(network, events, timesteps=2, dtype=dtype)
            for weights, bits in product((np.int8, np.int16, np.int32), (3, 32)):
                _run(_widths(weights, bits), events, timesteps=2, dtype=dtype)
    for dtype in ("float32", "float64"):
        _run_windows(np.int8, events, False, {"dtype": dtype})


def _run(network: Network, inputs, **given) -> None:
    """Run one thread's worth of samples and drop what they give."""
    settings = settle(network, inputs, **given)
    for _ in simulate(Plan(network, settings), inputs, settings, 1, threading.Event()):
        pass


def _examples(number: str, fed_by: str = "") -> dict[str, Neurons]:
    """Small populations of the kinds that take an arithmetic and a coding, as their files say."""
    return {
        f"{name} {index}": kind(shape=(2, 2, 2), **fields)
        for name, kind in neuron_kinds().items()
        if number in kind.numbers and kind.fed_by == fed_by and kind.role == NEURON
        for index, fields in enumerate(kind.EXAMPLES)
    }


def _run_windows(weights, inputs, images: bool, rule: dict) -> None:
    """Run the networks in which an event means its time; `inputs` are images or events."""
    number = "float" if weights == np.float64 else "int"
    for coding in codings():
        for name, part in _examples(number, coding).items():
            rules = {"pooled": False}
            if part.sloped:  # its events, and those of a max pool of them, mean slopes
                end = (part.start or 0) + part.window
                output = {"slope": True, "window": part.window, "start": end}
                rules = {"output": output, "window": part.window}
            network = _fan({name: part}, weights, **rules)
            _run(network, inputs, coding=coding if images else None, **rule)


def _fan(parts: dict[str, Neurons], dtype, pooled=True, output=None, **rule) -> Network:
    """The input into every population, and all of them into the output, by dense sets.

    Where `pooled` the maxima of the last population whose events are +1 or -1 go there, too.
    """
    fires, sets = neuron_kinds(), synapse_kinds()
    dense, populations = sets["dense"], dict(parts)
    into, out = np.ones((8, 8), dtype), np.ones((8, 3), dtype)
    into[0, 0] = 0  # weights of 0 are counted
    synapses = {f"input-{n}": dense(source="input", target=n, weight=into) for n in parts}
    synapses |= {f"{n}-output": dense(source=n, target="output", weight=out) for n in parts}
    if pooled:
        last = [name for name, part in parts.items() if not part.graded][-1]
        populations["maxima"] = fires["maxpool"](shape=(1, 1, 2))
        synapses["pool"] = sets["pool"](source=last, target="maxima", kernel=(2, 2))
        synapses["maxima-output"] = dense(source="maxima", target="output", weight=out[:2])
    populations["input"] = fires["input"](shape=(2, 2, 2))
    populations["output"] = fires["readout"](shape=(3,), **(output or {}))
    return Network(populations, synapses, **rule)


def _widths(dtype, bits: int) -> Network:
    """A network of populations of a declared width with weights of a dtype."""
    fires, sets = neuron_kinds(), synapse_kinds()
    ones = {np.int16: 1 << 8, np.int32: 1 << 28}.get(dtype, 1)  # the sum of eight leaves int32
    own = {"potential_bits": bits, "overflow": "saturate", "overflow_at": "each_add"}
    fired = {"shape": (2, 2, 2), "threshold": 1}
    populations = {
        "input": fires["input"](shape=(2, 2, 2)),
        "a": fires["iaf"](**fired, **own),
        "b": fires["lif"](**fired, **own | {"overflow": "wrap"}, leak_shift=1),
        "c": fires["iaf"](**fired, potential_bits=bits, current_bits=bits, overflow="wrap"),
        "d": fires["lif"](**fired, leak_subtract=1, refractory=1),
        "output": fires["readout"](shape=(3,), **own),
    }

    def weights(*size):
        return np.full(size, ones, dtype)

    row = {"indices": np.arange(8) % 3, "indptr": np.arange(9)}
    ends = {
        "input-a": ("conv", {"weight": weights(1, 1, 2, 2)}),
        "input-b": ("conv", {"weight": weights(1, 1, 1, 2), "groups": 2}),
        "a-b": ("identity", {"weight": weights(2)}),
        "input-c": ("dense", {"weight": weights(8, 8)}),
        "a-d": ("identity", {"weight": weights(2)}),
        "c-b": ("dense", {"weight": weights(8, 8)}),
        "b-output": ("dense", {"weight": weights(8, 3)}),
        "c-output": ("sparse", {"data": weights(8), **row}),
    }
    synapses = {}
    for name, (kind, fields) in ends.items():
        source, target = name.split("-")
        synapses[name] = sets[kind](source=source, target=target, **fields)
    return Network(populations, synapses)


def _network(dtype) -> Network:
    """A network of the everyday kinds with weights of a dtype."""
    fires, sets = neuron_kinds(), synapse_kinds()
    shape = {"shape": (2, 2, 2)}
    ones = {np.int16: 1 << 8, np.int32: 1 << 16}.get(dtype, 1)  # that needs all its bits

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
    high, wide = weights(2, 1, 2, 2), weights(1, 2, 2, 2)
    wide[0, 0, 0, 0] = 0  # weights of 0 are counted
    ends = {
        "input-a": ("conv", "input", "a", {"weight": weights(1, 1, 2, 2)}),
        "input-a, high": ("conv", "input", "a", {"weight": high, "padding": (0, 1, 0, 0)}),
        "input-a, wide": ("conv", "input", "a", {"weight": wide, "padding": (0, 0, 0, 1)}),
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
        "wide-a": (
            "sparse",
            "wide",
            "a",
            {"data": weights(64), "indices": np.zeros(64, np.int64), "indptr": np.arange(65)},
        ),
    }
    synapses = {
        name: sets[kind](source=source, target=target, **fields)
        for name, (kind, source, target, fields) in ends.items()
    }
    return Network(populations, synapses)
