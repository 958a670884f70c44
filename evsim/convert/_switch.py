"""From scales to a network of temporal switch coding: a value is the time between two events."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from evsim.ann import INPUT
from evsim.convert._build import Scales, build
from evsim.convert._graph import Graph
from evsim.network import Network
from evsim.neurons import neuron_kinds
from evsim.neurons.iaf import IntegrateAndFire
from evsim.neurons.input import Input
from evsim.parts import mismatch


@dataclass(frozen=True)
class Switching:
    """How neurons switch: in a `window` of timesteps by the rule `firing`, with a `rounding`."""

    window: int
    firing: str = "window"
    rounding: float = 0.5

    def __post_init__(self):
        if self.window < 2:
            raise mismatch(self.window, "a whole number of at least 2", "window")
        if self.firing not in ("window", "online"):
            raise mismatch(repr(self.firing), "window or online", "firing")
        if not 0 <= self.rounding < 1:
            raise mismatch(self.rounding, "a number from 0 to below 1", "rounding")


def largest_inputs(input: Input, images) -> np.ndarray:
    """The largest |x| of an input after scaling, one or one per channel of a map.

    That of any pixel value where images are integers, of all these images where they are floats.
    """
    some = np.asarray(images[:1])
    if some.dtype.kind in "iub":
        ends = np.array([0, np.iinfo(some.dtype).max]) / np.float64(input.scale)
    else:
        each = [np.asarray(images[i : i + 256]) for i in range(0, len(images), 256)]
        ends = np.array([min(e.min() for e in each), max(e.max() for e in each)], np.float64)
    sizes = np.abs((ends[:, None] - np.atleast_1d(input.mean)) / np.atleast_1d(input.std))
    largest = np.maximum(sizes.max(axis=0), 1.0)
    whole = largest.size == 1 or len(input.shape) == 1
    return np.asarray(largest.max() if whole else largest)


def build_switching(
    graph: Graph, scales: Scales, input: Input, switching: Switching, images, **attributes
) -> Network:
    """The network of a graph whose activations are durations: a = scale * D / (window - 1).

    It has the weights of the network for rates. Inputs are divided by the largest possible one,
    as durations stand for values up to 1. A population fires in the window after that of its
    latest source; sets from earlier ones are delayed to the same window.
    """
    window, online = switching.window, switching.firing == "online"
    bound = largest_inputs(input, images)
    input = replace(input, std=np.float64(input.std) * bound)
    rates = build(graph, scales | {INPUT: bound}, input, v_init=0.0, reset="subtract")
    starts = {name: depth * window for name, depth in graph.depths().items()}
    kinds, populations = neuron_kinds(), dict(rates.populations)
    for name, part in rates.populations.items():
        node = graph.nodes[name]
        own = {"shape": part.shape, "bias": getattr(part, "bias", None), "window": window}
        if part.kind == "readout":
            start = window if online else starts[name]
            populations[name] = kinds["readout"](**own, slope=True, start=start)
        elif isinstance(part, IntegrateAndFire):
            own["threshold"] = part.threshold
            if online:
                populations[name] = kinds["switch"](**own, firing="online")
                continue
            own["rounding"] = switching.rounding
            if node.levels is not None and node.rounding is not None:  # it has its own
                own |= {"rounding": 0.0, "v_init": np.float32(part.threshold * node.rounding)}
            populations[name] = kinds["switch"](**own, start=starts[name])
    synapses = dict(rates.synapses)
    for name, part in rates.synapses.items():
        # A max pool hands events on in the window in which they come.
        turn = 0 if populations[part.target].passes else window
        delay = 0 if online else starts[part.target] - turn - starts[part.source]
        synapses[name] = replace(part, delay=delay)
    attributes |= {"coding": "switch", "window": window}
    attributes["timesteps"] = window if online else starts[graph.output.name]
    ends = {"input": INPUT, "output": graph.output.name}
    return Network(populations, synapses, **ends, **attributes)
