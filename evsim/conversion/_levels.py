"""From a network with quantised activations to spikes that are it exactly, layer after layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from evsim.artificial.maps import Average, Shift
from evsim.artificial.model import Model
from evsim.base.errors import EvsimError, mismatch
from evsim.conversion._blocks import mark, share, unshared
from evsim.conversion._build import build
from evsim.conversion._fold import Fold
from evsim.conversion._graph import Graph, Node
from evsim.conversion._stochastic import as_bits
from evsim.conversion._sums import Maximum, Part, Sum, Value
from evsim.network.network import Network
from evsim.neurons import Neurons

SIGN = 2.0**-10  # the threshold of a sign: small, as sums next to 0 are added to it


@dataclass(frozen=True)
class Rule:
    """How a node fires: `most` times at most, where its sum passes `lift` below the threshold.

    `threshold` and `lift` in activations, each a scalar, one per channel or of the shape.
    """

    most: int
    threshold: np.ndarray
    lift: np.ndarray
    compare: str = "ge"


def network_of(model: Model) -> tuple[Network, tuple[str, ...]]:
    """The network whose populations fire one after the other, and what had to be decided.

    A population listens until all its sources are through, and fires then: a rectifier of n
    levels in n timesteps, one that rounds halves to the even one by two populations in half as
    many, a sign in one. The readout holds the artificial network's results at the end. Nothing is
    measured. Raises EvsimError for a layer that has no levels.
    """
    folded = Levels(model)
    graph = folded.graph
    mark(graph, model)
    times = _times(graph, folded.rules)
    ones = dict.fromkeys(graph.nodes, np.ones(()))
    network = build(graph, ones, model.input, balance="activations")
    populations, synapses = dict(network.populations), dict(network.synapses)
    for name, part in network.populations.items():
        populations[name] = _timed(part, graph.nodes[name], folded.rules.get(name), times)
    for name, part in network.synapses.items():
        made = as_bits(part, populations[part.target])
        bits = made is not part and made.scale is None  # integers: thresholds are none
        synapses[name] = replace(made, scale=1.0) if bits else made
    share(graph, populations, synapses, every=True)  # a pair has the same weights
    attributes = {"coding": "constant", "timesteps": times[graph.output.name][1]}
    attributes["description"] = model.description or None
    ends = {"input": network.input, "output": network.output}
    network = Network(populations, synapses, **ends, **attributes)
    notes = *model.notes, *graph.notes, *unshared(graph, network, model)
    said = f"{network.timesteps} timesteps, some of them each layer's own: the results are exact"
    return network, (*notes, *_halves(folded.halves), said)


def _halves(layers: list[str]) -> tuple[str, ...]:
    """What is said of layers that became two populations each."""
    if not layers:
        return ()
    names = f"{layers[0]!r} and {len(layers) - 1} more" if len(layers) > 1 else repr(layers[0])
    return (
        f"halves round to the even level ({names}): two populations, one for the even levels and "
        "one for the odd ones",
    )


class Levels(Fold):
    """Folds for levels: a spike is a level, what it is worth is in the weights behind it."""

    def __init__(self, model: Model):
        self.rules: dict[str, Rule] = {}
        self.pairs: set[frozenset[str]] = set()
        self.halves: list[str] = []  # layers that round these to the even level
        super().__init__(model, "prepool")

    def _ready(self, source: str, map, foldable: bool = True):
        """Every average becomes part of the weights behind it: neurons for it would round."""
        return source, map

    def _rectify(self, name: str, layer, value: Value, part: Part) -> Part:
        if layer.levels is None:
            if layer.ceiling is None and self._never_negative(part.content):
                return part
            expected = "quantised ones with `scheme=levels` (levels, with a ceiling)"
            raise mismatch("a ReLU without levels", expected)
        if (layer.rounding >= 1).any():
            raise mismatch(layer.rounding.max(), "a rounding below 1 with `scheme=levels`")
        step = np.float64(layer.ceiling) / layer.levels
        if layer.halves == "even":
            step = np.float64(layer.step)
        step, lift = value.of_part(part, step), value.of_part(part, np.float64(layer.rounding))
        rules = {"": Rule(layer.levels, step, step * lift)}
        if layer.halves == "even" and layer.levels == 1:
            rules = {"": Rule(1, step, step / 2, "gt")}
        elif layer.halves == "even":
            rules = {
                "even": Rule(layer.levels // 2, 2 * step, step / 2),
                "odd": Rule((layer.levels + 1) // 2, 2 * step, 1.5 * step, "gt"),
            }
            self.halves.append(name)
        return replace(part, content=self._fired(name, part, rules, step))

    def _stochastic(self, name: str, layer) -> Value:
        if layer.sampled:
            raise mismatch("draws", "none with `scheme=levels` (`scheme=stochastic` draws)")
        value, sign = self._source(layer), np.asarray(SIGN)
        bipolar, parts = layer.output == "bipolar", []
        for part in value.parts:
            rules = {"": Rule(1, sign, sign, layer.compare)}
            content = self._fired(name, part, rules, np.float64(2 if bipolar else 1))
            if bipolar:
                content = content.scaled(np.ones(()), np.float64(-1))
            parts.append(replace(part, content=content))
        return replace(value, parts=tuple(parts))

    def _fired(self, name: str, part: Part, rules: Mapping[str, Rule], worth: np.ndarray) -> Sum:
        """The spikes of new nodes, one a rule, times what a spike is worth."""
        content = part.content
        maximum = isinstance(content, Maximum)
        total, terms = content.sum if maximum else content, []
        for suffix, rule in rules.items():
            node = self.graph.add(
                f"{total.label or name}{'.' * bool(suffix)}{suffix}",
                kind="neurons",
                shape=total.shape,
                terms=total.terms,
                offset=total.offset,
            )
            self.rules[node] = rule
            if maximum:
                pooled = ((node, content.pool_map),)
                node = self.graph.add(
                    content.layer, kind="maxpool", shape=content.shape, terms=pooled
                )
            terms.append((node, Shift(before=content.shape, after=content.shape, gain=worth)))
        if len(terms) > 1:
            self.pairs.add(frozenset(node for node, _ in terms))
        return Sum(shape=content.shape, terms=tuple(terms))

    def _maxima(self, name: str, content, pool_map: Average) -> Sum | Maximum:
        """The largest level is the sum of both of a pair's: each rises with the level."""
        nodes = frozenset(node for node, _ in getattr(content, "terms", ()))
        if nodes not in self.pairs:
            return super()._maxima(name, content, pool_map)
        halves = [replace(content, terms=(term,)) for term in content.terms]
        if not all(half.increasing for half in halves):
            return super()._maxima(name, content, pool_map)
        made = [super(Levels, self)._maxima(name, half, pool_map) for half in halves]
        terms = made[0].terms + made[1].terms
        self.pairs.add(frozenset(node for node, _ in terms))
        return replace(made[0], terms=terms)


def _times(graph: Graph, rules: Mapping[str, Rule]) -> dict[str, tuple[int, int]]:
    """From and until when each node fires; of the readout, and of max pools, the end twice.

    What takes the image hears the same at every timestep: it fires in the last of the first ones.
    """
    seen = {name: node.kind == "input" for name, node in graph.nodes.items()}
    for node in graph.nodes.values():
        takes = {seen[source] for source, _ in node.terms}
        if len(takes) > 1:
            found = "sums of the image and of levels in one layer"
            expected = "one or the other with `scheme=levels`"
            raise mismatch(found, expected, f"layers/{node.name}")
        seen[node.name] = node.kind == "input" or (node.kind == "maxpool" and takes == {True})
    first = [n for n in rules if any(seen[source] for source, _ in graph.nodes[n].terms)]
    begun = max((rules[name].most for name in first), default=1)
    times: dict[str, tuple[int, int]] = {}
    for name, node in graph.nodes.items():
        ready = max((times[source][1] for source, _ in node.terms), default=0)
        if name in first:
            times[name] = begun - rules[name].most, begun
        elif name in rules:
            times[name] = ready, ready + rules[name].most
        else:
            end = 0 if seen[name] else max(ready, 1)
            times[name] = end, end
    return times


def _timed(part: Neurons, node: Node, rule: Rule | None, times: Mapping) -> Neurons:
    """A population with its threshold, and the time in which it fires.

    A bias comes once, with what a population begins with; where the image comes at every
    timestep, it comes as often, and the threshold is as much higher.
    """
    if part.kind not in ("iaf", "readout"):
        return part
    image = times[node.terms[0][0]][1] == 0
    repeats = times[node.name][1] if image else 1
    bias = None if part.bias is None else np.float64(part.bias)
    start = 0.0 if bias is None or image else bias
    kept = part.bias if image else None
    if rule is None:
        if image and repeats > 1:
            raise EvsimError("found a readout of the image, expected one of levels")
        return replace(part, bias=kept, v_init=np.float32(start))
    v_init = repeats * rule.lift + start
    first, last = times[node.name]
    return replace(
        part,
        bias=kept,
        threshold=np.float32(repeats * rule.threshold),
        v_init=np.float32(np.broadcast_to(v_init, node.shape) if v_init.ndim > 1 else v_init),
        compare=rule.compare,
        start=first,
        stop=last,
    )
