"""From nodes and their scales to the records of a network."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from evsim.artificial.maps import Average, Linear, Matrix, Shift, Sparse, Taps
from evsim.artificial.model import INPUT
from evsim.conversion._blocks import share
from evsim.conversion._graph import Graph, Node
from evsim.network.network import Network
from evsim.neurons import Neurons, neuron_kinds
from evsim.neurons.input import Input
from evsim.synapses import Synapses, synapse_kinds

ROOM = 32 << 20  # bytes of weights that are scaled in one go
Scales = dict[str, np.ndarray]  # node: activation = rate * scale, a scalar or one per channel


def build(
    graph: Graph,
    scales: Scales,
    input: Input,
    *,
    balance: str = "weights",
    reset: str = "subtract",
    v_init: float | dict[str, np.ndarray] = 0.5,
    starts: dict[str, int] | None = None,
    **attributes,
) -> Network:
    """The network of a graph.

    `balance`: weights divides the sums of a population by its scale, so that every threshold is
    1; thresholds leaves weights as they are where all that arrives has one scale, and sets the
    threshold instead; activations has currents and thresholds in the unit of activations, which
    is exact on a grid. Populations of a block with turns have thresholds whatever `balance` says,
    so that all turns keep the weights as they are, in one array. `v_init` is a share of the
    threshold, or one of each channel by node. `starts`: the first timestep in which a node may
    fire, where that is not the first.
    """
    populations: dict[str, Neurons] = {INPUT: input}
    synapses: dict[str, Synapses] = {}
    for node in graph.nodes.values():
        if node.kind != "input":
            unit = unit_of(node, scales, balance)
            rules = {"reset": reset, "start": (starts or {}).get(node.name, 0)}
            first = v_init.get(node.name, 0.5) if isinstance(v_init, dict) else v_init
            populations[node.name] = _population(node, scales, unit, rules, first)
            for k, (source, map) in enumerate((*node.terms, *node.feedback)):
                name = _set_name(f"{source}-{node.name}", graph, synapses)
                made = _set(node, source, map, scales[source], unit)
                late = graph.delay if k >= len(node.terms) else 0
                synapses[name] = replace(made, delay=late) if late else made
    share(graph, populations, synapses)
    return Network(populations, synapses, input=INPUT, output=graph.output.name, **attributes)


def unit_of(node: Node, scales: Scales, balance: str) -> np.ndarray:
    """What the currents of a node are multiples of: a current of 1 means that much activation."""
    incoming = [scales[source] for source, _ in node.terms]
    if node.kind in ("pool", "maxpool"):
        return incoming[0]
    weighted = [scales[source] for source, map in (*node.terms, *node.feedback) if map.weighted]
    if node.place and weighted and balance != "activations":
        return np.asarray(max(scale.max() for scale in weighted))
    one = all(scale.ndim == 0 and scale == incoming[0] for scale in incoming)
    if node.kind == "readout":
        pools = all(isinstance(map, Average) and map.gain is None for _, map in node.terms)
        if incoming and one and (balance == "thresholds" or pools):
            return incoming[0]
        return np.ones(())
    if balance == "activations" or node.kind == "analog":
        return np.ones(())
    if balance == "weights" or not incoming:
        return scales[node.name]
    return incoming[0] if one else np.asarray(max(scale.max() for scale in incoming))


def _population(
    node: Node, scales: Scales, unit: np.ndarray, rules: dict, v_init: float | np.ndarray
) -> Neurons:
    kinds, fields = neuron_kinds(), {"shape": node.shape}
    if node.kind == "maxpool":
        return kinds["maxpool"](**fields)
    if node.offset is not None and (node.offset != 0).any():
        fields["bias"] = np.float32(node.offset / unit)
    if node.kind == "readout":
        return kinds["readout"](**fields)
    if node.kind in ("analog", "stochastic"):
        return kinds[node.kind](**fields, **node.fields)
    threshold = np.float64(scales[node.name] / unit)
    if threshold.ndim and (threshold == threshold[0]).all():
        threshold = threshold[0]
    start = v_init if node.rounding is None or node.levels is None else node.rounding
    fields |= {"threshold": np.float32(threshold), "v_init": np.float32(threshold * start)}
    return kinds["iaf"](**fields, **rules)


def _set_name(wish: str, graph: Graph, synapses: dict) -> str:
    name, number = wish, 1
    while name in synapses or name in graph.nodes:
        number += 1
        name = f"{wish}.{number}"
    return name


def _set(node: Node, source: str, map: Linear, arriving: np.ndarray, unit: np.ndarray) -> Synapses:
    """The set of a term: its map, times the scale of what arrives, divided by the unit."""
    kinds, ends = synapse_kinds(), {"source": source, "target": node.name}
    if isinstance(map, Average):
        factor = (1.0 if map.gain is None else map.gain) * arriving / unit
        same = node.kind in ("pool", "maxpool") or np.all(factor == 1)
        if same and map.counts is None:
            geometry = {"kernel": map.kernel, "stride": map.stride, "padding": map.padding}
            return kinds["pool"](**ends, **geometry)
        arriving = np.ones(()) if node.kind == "pool" else arriving
        unit = np.ones(()) if node.kind == "pool" else unit
        map = map.taps() or Sparse.of(map)
    if isinstance(map, Shift) and (map.per_neuron or len(map.before) != len(map.after)):
        map = Sparse.of(map)
    if isinstance(map, Shift):
        weight = _weights(np.ones(map.before[-1]), map.gain, arriving, _of_sources(unit, map))
        place = {"stride": map.stride, "channel_offset": map.offset}
        return kinds["identity"](**ends, **place, weight=None if (weight == 1).all() else weight)
    if isinstance(map, Taps):
        inputs = _per_tap(arriving, map)
        geometry = {"stride": map.stride, "padding": map.padding, "dilation": map.dilation}
        geometry |= {"groups": map.groups, "prepool": map.prepool}
        return kinds["conv"](**ends, **geometry, weight=_weights(map.weight, None, inputs, unit))
    if isinstance(map, Matrix):
        inputs = arriving
        if arriving.ndim:
            inputs = np.resize(arriving, map.weight.shape[0])[:, None]
        unit = np.resize(unit, map.weight.shape[1]) if unit.ndim else unit
        weight = _weights(map.weight, None, inputs, unit)
        return kinds["dense"](**ends, weight=weight, prepool=map.prepool)
    entries = map.matrix().tocsr()
    entries.sort_indices()
    inputs = np.broadcast_to(arriving, map.before).ravel()
    rows = np.repeat(np.arange(prod(map.before)), np.diff(entries.indptr))
    outputs = np.broadcast_to(unit, map.after).ravel()[entries.indices]
    data = np.float32(entries.data * inputs[rows] / outputs)
    return kinds["sparse"](**ends, data=data, indices=entries.indices, indptr=entries.indptr)


def _weights(weight, gain, inputs, unit) -> np.ndarray:
    """weight * gain * inputs / unit, rounded once; the same array where nothing changes it."""
    if np.ndim(inputs) == np.ndim(unit) == 0 and inputs == unit:
        inputs = unit = 1.0
    if gain is None and np.all(inputs == 1) and np.all(unit == 1):
        return weight.astype(np.float32, order="C", copy=False)
    factors = weight, 1.0 if gain is None else gain, inputs, unit
    scaled = np.empty(np.broadcast_shapes(*map(np.shape, factors)), np.float32)
    factors = [np.broadcast_to(factor, scaled.shape) for factor in factors]
    rows = max(1, ROOM // max(8 * prod(scaled.shape[1:]), 1))
    for first in range(0, len(scaled), rows):  # in float64 a large matrix would be too much
        weight, gain, inputs, unit = (factor[first : first + rows] for factor in factors)
        scaled[first : first + rows] = np.float64(weight) * gain * inputs / unit
    return scaled


def _of_sources(unit: np.ndarray, map: Shift) -> np.ndarray:
    """The unit at the channels that a shifted source reaches."""
    return unit[map.offset : map.offset + map.before[-1]] if unit.ndim else unit


def _per_tap(arriving: np.ndarray, map: Taps) -> np.ndarray:
    """A scale per input channel, as (in / groups, 1 or out)."""
    if not arriving.ndim:
        return arriving
    groups = arriving.reshape(map.groups, -1)
    return np.repeat(groups, map.weight.shape[3] // map.groups, axis=0).T
