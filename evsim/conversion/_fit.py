"""A conversion fitted layer after layer to the spikes that really arrive.

Potentials that begin where mean rates are mean activations: Bu et al. 2022, Optimized potential
initialization, and Li et al. 2021, A free lunch from ANN. Later layers begin later, as in Hwang et
al. 2021, Low-latency spiking neural networks using pre-charged membrane potential and delayed
evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from evsim.artificial.model import INPUT, Model
from evsim.base.kernel import kernel
from evsim.conversion._build import Scales
from evsim.conversion._graph import Graph, Node
from evsim.conversion._least_squares import refitted, some_of
from evsim.conversion._scales import Finish
from evsim.conversion._statistics import LeastError
from evsim.conversion._walk import Choices, Walk
from evsim.conversion._work import Work

HALF = 0.5  # of a threshold: where potentials begin before they are fitted
ROUNDS = 3  # of fitting where they begin
RIDGE = 0.1  # how much a change of weights costs, see `refitted`
VALUES = 4096  # of a channel that its scale is fitted to, at most
CURRENTS = 256 << 20  # bytes of currents that are held while potentials are fitted


@dataclass(frozen=True)
class Fitted:
    """A graph with weights, scales, starts and first potentials (shares of thresholds)."""

    graph: Graph
    scales: Scales
    starts: dict[str, int]
    v_init: dict[str, np.ndarray]

    def arrays(self, graph: Graph) -> dict[str, np.ndarray]:
        """What was fitted to a graph, by names of letters, digits and -, as `restored` needs it."""
        found = {}
        for place, node in enumerate(self.graph.nodes.values()):
            for what, values in ("scale", self.scales), ("start", self.v_init):
                if node.name in values:
                    found[f"{place:05d}-{what}"] = np.asarray(values[node.name])
            if node.offset is not None:
                found[f"{place:05d}-offset"] = np.asarray(node.offset)
            for k, (_, map) in enumerate(node.terms):
                if map is not graph.nodes[node.name].terms[k][1]:
                    found[f"{place:05d}-weight-{k}"] = map.weight
        return found


def restored(graph: Graph, starts: dict[str, int], arrays: dict[str, np.ndarray]) -> Fitted:
    """What was fitted to a graph, from its arrays."""
    nodes, scales, v_init = {}, {}, {}
    for place, node in enumerate(graph.nodes.values()):
        own = {n[6:]: array for n, array in arrays.items() if n.startswith(f"{place:05d}-")}
        scales |= {node.name: own["scale"]} if "scale" in own else {}
        v_init |= {node.name: own["start"]} if "start" in own else {}
        terms = tuple(
            (source, replace(map, weight=own[f"weight-{k}"]) if f"weight-{k}" in own else map)
            for k, (source, map) in enumerate(node.terms)
        )
        nodes[node.name] = replace(node, terms=terms, offset=own.get("offset"))
    return Fitted(Graph(nodes, [], graph.delay, graph.turns), scales, starts, v_init)


def starts_of(graph: Graph, alpha: float, timesteps: int) -> dict[str, int]:
    """The first timestep in which each node fires: floor(alpha T (depth - 1) / (D - 1)).

    D is the depth of the readout; the first layer has depth 1.
    """
    depths = graph.depths()
    last = max(depths[graph.output.name] - 1, 1)
    return {
        name: min(int(alpha * timesteps * max(depth - 1, 0) / last), timesteps - 1)
        for name, depth in depths.items()
    }


def fit(
    name: str,
    graph: Graph,
    model: Model,
    images: np.ndarray,
    artificial: dict[str, np.ndarray],
    choices: Choices,
    work: Work,
) -> Fitted:
    """Fit a graph from its first node to its last.

    Each gets weights that make up for what arrives, a scale of least squared error for the
    timesteps in which it fires, and a potential to begin with, all of them for each channel.
    `name`: of the walk; `artificial`: what nodes stand for.
    """
    graph = Graph(dict(graph.nodes), [], graph.delay, graph.turns)
    choices = replace(choices, v_init={})
    walk = Walk(name, graph, model.input, images, choices, work)
    scales: Scales = {INPUT: np.ones(())}
    arrived = {INPUT: artificial[INPUT]}
    for node in list(graph.nodes.values()):
        if node.kind == "input":
            continue
        node = graph.nodes[node.name] = refitted(node, artificial, arrived, RIDGE)
        if node.kind == "readout":
            break
        window = choices.timesteps - choices.starts[node.name]
        scales[node.name] = _scale(node, graph, scales, artificial, choices, window)
        held = []
        if node.kind != "maxpool":
            held = _begin(walk, node, scales, artificial[node.name], window)
        walk.advance(node, scales, held)
        arrived[node.name] = walk.rates(node, scales)
        walk.leave(node)
        for source, _ in node.terms:
            if not walk.uses[source]:
                del arrived[source]
    return Fitted(graph, scales, choices.starts, choices.v_init)


def _scale(
    node: Node, graph: Graph, scales: Scales, artificial: dict, choices: Choices, window: int
) -> np.ndarray:
    """How much activation a firing rate of 1 stands for; the largest that it can have is less."""
    if node.kind == "maxpool":
        return scales[node.source]
    if node.kind == "pool":
        return scales[node.source] * (choices.timesteps - choices.starts[node.source]) / window
    values = artificial[node.name].reshape(-1, node.channels)
    values = values[some_of(len(values), VALUES)]
    top = np.float64(artificial[node.name].max(axis=tuple(range(artificial[node.name].ndim - 1))))
    error = LeastError(top, window, HALF, True)
    error.add(values[None])
    scale = Finish(graph)(node, np.where(top > 0, error.result(), 0), top)
    return np.broadcast_to(scale, (node.channels,)) * (choices.timesteps / window)


def _begin(
    walk: Walk, node: Node, scales: Scales, due: np.ndarray, window: int
) -> list[np.ndarray]:
    """Let potentials begin where mean rates are those of activations, in each channel.

    Returns what arrives in the first samples.
    """
    scale, timesteps = scales[node.name], walk.choices.timesteps
    walk.choices.v_init[node.name] = shares = np.full(node.channels, HALF)
    held = walk.currents(node, scales, CURRENTS)
    due = due[: len(held)].reshape(-1, node.channels)
    due = np.minimum(due, np.float32(scale * window / timesteps)).mean(axis=0, dtype=np.float64)
    per_timestep = np.float32(0 if node.offset is None else node.offset)
    bias = np.broadcast_to(per_timestep, node.shape).reshape(held[0].shape[1:])
    threshold = np.float32(np.broadcast_to(scale, bias.shape[-1:]))
    start, positions = walk.choices.starts[node.name], prod(node.shape) // node.channels
    for _ in range(ROUNDS):
        first = np.float32(shares * threshold)

        def count(currents: np.ndarray, first=first) -> np.ndarray:
            spikes = np.zeros(node.channels, np.int64)
            count_spikes(currents, bias, threshold, first, start, np.empty_like(first), spikes)
            return spikes

        spikes = sum(walk.work.each(count, held)) / (len(held) * positions)
        shares = shares + due * timesteps / scale - spikes
    walk.choices.v_init[node.name] = shares
    return held


@kernel
def count_spikes(currents, bias, threshold, v_init, start, v, spikes):
    """spikes[c] += how often the neurons of channel c fire; reset by subtraction.

    currents (timesteps, positions, channels), bias (positions, channels), threshold and v_init
    (channels,); v (channels,): room for the potentials of a position.
    """
    for p in range(currents.shape[1]):
        v[:] = v_init
        for t in range(currents.shape[0]):
            current, added, fires = currents[t, p], bias[p], t >= start
            for c in range(v.shape[0]):
                x = v[c] + current[c] + added[c]
                fired = fires and x >= threshold[c]
                v[c] = x - threshold[c] if fired else x
                spikes[c] += fired
