"""From an artificial network to neurons without a potential: every layer in one timestep."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from evsim.artificial.maps import Average
from evsim.artificial.model import Model
from evsim.base.errors import mismatch, nearest
from evsim.conversion._blocks import mark, share, unshared
from evsim.conversion._build import build
from evsim.conversion._fold import Fold
from evsim.conversion._graph import Graph
from evsim.conversion._sums import Maximum, Part, Sum, Value
from evsim.network.network import Network
from evsim.neurons import Neurons
from evsim.synapses import Synapses


def network_of(
    model: Model, *, timesteps: int = 1, pooling: str = "prepool", seed: int | None = None
) -> tuple[Network, tuple[str, ...]]:
    """The network whose timesteps are passes of the model, and what had to be decided.

    Nothing is measured: a ReLU becomes analog neurons, a stochastic activation stochastic ones, a
    max pool in front of either a field of theirs, and the readout sums the passes. Weights whose
    filters have one magnitude each become bits and a scale. Raises EvsimError.
    """
    graph = pruned(Passes(model, pooling).graph)
    mark(graph, model)
    ones = dict.fromkeys(graph.nodes, np.ones(()))
    attributes = {"coding": "constant", "timesteps": timesteps, "seed": seed or None}
    attributes["description"] = model.description or None
    network = build(graph, ones, model.input, balance="activations", **attributes)
    synapses = {
        name: as_bits(part, network.populations[part.target])
        for name, part in network.synapses.items()
    }
    populations = dict(network.populations)
    share(graph, populations, synapses)
    ends = {"input": network.input, "output": network.output}
    network = Network(populations, synapses, **ends, **attributes)
    return network, (*model.notes, *graph.notes, *unshared(graph, network, model))


def hybrid(model: Model, pooling: str, analog: Collection[str]) -> Graph:
    """The nodes for rates of a model whose ReLU layers `analog` stay as they are."""
    if model.blocks:  # their weights keep the scale of what arrives
        raise mismatch("a model with a block that has turns", "one without", "analog")
    return pruned(Hybrid(model, pooling, analog).graph, spiking=True)


class Stateless(Fold):
    """What `Passes` and `Hybrid` share: folding into networks with analog neurons."""

    def _pooled(self, content) -> tuple[Sum | Maximum, str]:
        """What a max pool takes, averages as neurons of their own, and the kind that it is of.

        Averages of analog neurons are passed on by analog neurons, as `pruned` makes them.
        """
        if not isinstance(content, Sum):
            return content, ""
        terms = tuple(self._ready(*term, foldable=False) for term in content.terms)
        node = self.graph.nodes[terms[0][0]]
        averages = node.kind == "pool"
        while node.kind == "pool":
            node = self.graph.nodes[node.source]
        kind = "analog" if averages and node.kind == "stochastic" else node.kind
        return replace(content, terms=terms), kind


class Passes(Stateless):
    """Folds for passes: a neuron sends the activation itself, a max pool acts on its current."""

    def _rectified(self, source: str) -> bool:
        node = self.graph.nodes[source]
        return node.kind != "input" and node.fields.get("output") != "bipolar"

    def _rectify(self, name: str, layer, value: Value, part: Part) -> Part:
        if layer.ceiling is not None or layer.levels is not None:
            expected = "a plain one for `scheme=stochastic` (`scheme=levels` takes levels)"
            raise mismatch("a clipped or quantised ReLU", expected)
        if self._never_negative(part.content):
            return part
        return stateless(self.graph, name, part, "analog", {})

    def _stochastic(self, name: str, layer) -> Value:
        value = self._source(layer)
        names = ("probability", "output", "sampled", "compare")
        fields = {name: getattr(layer, name) for name in names}
        parts = [stateless(self.graph, name, part, "stochastic", fields) for part in value.parts]
        return replace(value, parts=tuple(parts))

    def _maxima(self, name: str, content, pool_map: Average) -> Sum | Maximum:
        require_cells(pool_map)
        content, kind = self._pooled(content)
        if kind in ("", "input") or not content.increasing:
            return super()._maxima(name, content, pool_map)
        if kind == "stochastic":
            raise mismatch("a max pool behind stochastic neurons", "one in front of them")
        return pooled_in_front(self.graph, name, content, pool_map)


class Hybrid(Stateless):
    """Folds for rates, but the ReLUs named have neurons that send their value at every timestep."""

    def __init__(self, model: Model, pooling: str, analog: Collection[str]):
        self.analog, self.relus = analog, []
        super().__init__(model, pooling)
        for name in analog:
            if name not in self.relus:
                expected = f"a ReLU layer in front of the last{nearest(name, self.relus)}"
                raise mismatch(repr(name), expected, "analog")

    def _relu(self, name: str, layer) -> Value:
        self.relus.append(name)
        return super()._relu(name, layer)

    def _rectify(self, name: str, layer, value: Value, part: Part) -> Part:
        if name not in self.analog:
            return super()._rectify(name, layer, value, part)
        if layer.ceiling is not None or layer.levels is not None:
            raise mismatch("a clipped or quantised ReLU", "a plain one for analog neurons")
        if isinstance(part.content, Maximum):
            require_cells(part.content.pool_map)
        return stateless(self.graph, name, part, "analog", {})

    def _maxima(self, name: str, content, pool_map: Average) -> Sum | Maximum:
        content, kind = self._pooled(content)
        if kind != "analog" or not content.increasing:
            return super()._maxima(name, content, pool_map)
        require_cells(pool_map)
        return pooled_in_front(self.graph, name, content, pool_map)


def stateless(graph: Graph, name: str, part: Part, kind: str, fields: dict) -> Part:
    """A part as the activations of new neurons, with the max pool in front of them, if any."""
    content, total = part.content, part.content
    if isinstance(content, Maximum):
        total = content.sum
        fields = fields | {"pool": content.pool_map.kernel}
        one_bias_a_channel(total.offset, content.layer)
    node = graph.add(
        total.label or name,
        kind=kind,
        shape=content.shape,
        terms=total.terms,
        offset=total.offset,
        layer=name if part.places is None else "",
        fields=fields,
    )
    return replace(part, content=Sum.of(node, content.shape))


def pooled_in_front(graph: Graph, name: str, content: Sum, pool_map: Average) -> Sum:
    """The maxima of analog neurons: others like them, with the max pool in front."""
    source, map = content.terms[0]
    node = graph.nodes[source]
    one_bias_a_channel(node.offset, name)
    inner = node.fields.get("pool", (1, 1))
    pool = tuple(a * b for a, b in zip(inner, pool_map.kernel, strict=True))
    pooled = {"kind": "analog", "shape": pool_map.after, "fields": {"pool": pool}}
    pooled |= {"terms": node.terms, "offset": node.offset}
    made = graph.add(name, **pooled)
    gain = replace(map, before=pool_map.after, after=pool_map.after)
    return replace(content, shape=pool_map.after, terms=((made, gain),), label="")


def require_cells(pool_map: Average) -> None:
    """Raise EvsimError unless the places of a max pool lie side by side and cover the map."""
    sides = zip(pool_map.before, pool_map.after, pool_map.kernel, pool_map.stride, strict=False)
    if any(n != m * k or (s != k and m > 1) for n, m, k, s in sides) or any(pool_map.padding):
        raise mismatch(
            f"windows of {pool_map.kernel} with stride {pool_map.stride} over "
            f"{pool_map.before[:2]} places",
            "windows side by side that cover the map exactly",
        )


def one_bias_a_channel(offset: np.ndarray | None, pool: str) -> None:
    """Raise EvsimError where a bias differs between the positions of a pooled current."""
    if offset is not None and offset.ndim > 1:
        found = f"sums in front of max pool {pool!r} with a bias for each position"
        raise mismatch(found, "one for each channel")


def pruned(graph: Graph, spiking: bool = False) -> Graph:
    """The nodes that lead to the readout; those that pass averages on are analog neurons.

    Where the network is `spiking`, only those that pass averages of analog neurons on.
    """
    needed = {graph.output.name}
    for node in reversed(graph.nodes.values()):
        if node.name in needed:
            needed.update(source for source, _ in node.terms)
    nodes = {}
    for name, node in graph.nodes.items():
        if name in needed:
            of_spikes = spiking and node.terms and nodes[node.source].kind != "analog"
            made = node.kind == "pool" and not of_spikes
            nodes[name] = replace(node, kind="analog") if made else node
    return Graph(nodes, graph.notes)


def as_bits(part: Synapses, target: Neurons) -> Synapses:
    """A set whose filters have weights of one magnitude each: signs, and that as their scale."""
    weight = getattr(part, "weight", None)
    if part.kind not in ("conv", "dense") or weight.size == weight.shape[-1]:
        return part
    scale = np.abs(weight.reshape(-1, weight.shape[-1])[0])
    if (scale == 0).any() or (np.abs(weight) != scale).any():
        return part
    if (scale == scale[0]).all():
        scale = scale[0]
    plain = np.all(scale == 1) and getattr(target, "bias", None) is None
    signs = np.where(weight > 0, 1, -1).astype(np.int8)
    return replace(part, weight=signs, bits=1, scale=None if plain else scale)
