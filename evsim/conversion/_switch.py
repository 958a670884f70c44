"""From scales to a network of temporal switch coding: a value is the time between two events."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from evsim.artificial.model import INPUT
from evsim.base.errors import mismatch
from evsim.conversion._build import Scales, build
from evsim.conversion._graph import Graph
from evsim.network.network import Network
from evsim.neurons import neuron_kinds
from evsim.neurons.iaf import IntegrateAndFire
from evsim.neurons.input import Input

READ = 8 << 20  # bytes of images read in one go


@dataclass(frozen=True)
class Switching:
    """How neurons switch: in a `window` of timesteps by the rule `firing`, with a `rounding`.

    Online a layer fires `delta` timesteps after its sources (half a window, where None; 0: all
    layers run together) and decides on its potential and a share `prediction` (1/2, where None)
    of what is still due.
    """

    window: int
    firing: str = "window"
    rounding: float | None = None  # 1/2, but for layers that run together 0
    delta: int | None = None
    prediction: float | None = None

    def __post_init__(self):
        if self.window < 2:
            raise mismatch(self.window, "a whole number of at least 2", "window")
        if self.firing not in ("window", "online"):
            raise mismatch(repr(self.firing), "window or online", "firing")
        for name in ("delta", "prediction"):
            value = getattr(self, name)
            if value is not None and self.firing != "online":
                raise mismatch(f"firing {self.firing!r}", "'online' with it", name)
        if self.prediction and self.delta == 0:
            raise mismatch(self.prediction, "0, as no layer waits with delta 0", "prediction")
        if not 0 <= self.offset <= self.window:
            raise mismatch(self.delta, f"from 0 to the window, {self.window}", "delta")
        if not 0 <= self.share <= 1:
            raise mismatch(self.prediction, "a number from 0 to 1", "prediction")
        if not 0 <= self.lift < 1:
            raise mismatch(self.rounding, "a number from 0 to below 1", "rounding")

    @property
    def offset(self) -> int:
        """How many timesteps later than its sources a layer fires."""
        if self.firing == "window":
            return self.window
        return (self.window + 1) // 2 if self.delta is None else self.delta

    @property
    def share(self) -> float:
        """The share of what is still due that a neuron predicts; by default 1/2 online, else 0."""
        if self.prediction is None:
            return 0.5 if self.firing == "online" and self.offset else 0.0
        return self.prediction

    @property
    def lift(self) -> float:
        """The part of a threshold that rounding begins with; by default 1/2, or 0 at offset 0."""
        if self.rounding is None:
            return 0.5 if self.offset else 0.0
        return self.rounding


def largest_inputs(input: Input, images) -> np.ndarray:
    """The largest |x| of an input after scaling, one or one per channel of a map.

    That of any pixel value where images are integers, of all these images where they are floats.
    """
    first = np.asarray(images[:1])
    if first.dtype.kind in "iub":
        ends = np.array([0, np.iinfo(first.dtype).max]) / np.float64(input.scale)
    else:
        step = max(1, READ // max(first.nbytes, 1))
        blocks = (np.asarray(images[i : i + step]) for i in range(0, len(images), step))
        lows, highs = zip(*((e.min(), e.max()) for e in blocks), strict=True)
        ends = np.array([min(lows), max(highs)], np.float64)
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
    latest source, online so much later as `switching` says; sets from earlier ones are delayed to
    match.
    """
    window, online, offset = switching.window, switching.firing == "online", switching.offset
    bound = largest_inputs(input, images)
    input = replace(input, std=np.float64(input.std) * bound)
    rates = build(graph, scales | {INPUT: bound}, input, v_init=0.0, reset="subtract")
    starts = {name: depth * offset for name, depth in graph.depths().items()}
    starts[graph.output.name] += window - offset  # a readout listens for a whole window
    kinds, populations = neuron_kinds(), dict(rates.populations)
    for name, part in rates.populations.items():
        node = graph.nodes[name]
        fields = {"shape": part.shape, "bias": getattr(part, "bias", None), "window": window}
        if part.kind == "readout":
            populations[name] = kinds["readout"](**fields, slope=True, start=starts[name])
        elif isinstance(part, IntegrateAndFire):
            fields |= {"threshold": part.threshold, "firing": switching.firing}
            fields |= {"start": starts[name], "rounding": switching.lift}
            if online:
                fields |= {"delta": offset, "prediction": switching.share} if offset else {}
            given = node.rounding if node.levels is not None else None  # it may have its own
            if online or given is not None:
                lift = switching.lift if given is None else given
                fields |= {"rounding": 0.0, "v_init": np.float32(part.threshold * lift)}
            populations[name] = kinds["switch"](**fields)
    synapses = dict(rates.synapses)
    for name, part in rates.synapses.items():
        # A max pool sends in the window of its source.
        kind = populations[part.target]
        turn = 0 if kind.passes else offset if kind.sends else window
        synapses[name] = replace(part, delay=starts[part.target] - turn - starts[part.source])
    attributes |= {"coding": "switch", "window": window, "timesteps": starts[graph.output.name]}
    ends = {"input": INPUT, "output": graph.output.name}
    return Network(populations, synapses, **ends, **attributes)
