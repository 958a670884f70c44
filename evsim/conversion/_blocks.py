"""Blocks that run several times with the same weights: copies that share arrays, or a cycle."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from evsim.artificial.model import INPUT, Model
from evsim.base.errors import EvsimError, mismatch, nearest
from evsim.conversion._graph import Graph, Node, Place
from evsim.network.network import Network

WORDS = {"unroll": ("copies", "recurrent"), "unroll_thresholds": ("own", "shared")}


@dataclass(frozen=True)
class Unrolling:
    """What becomes of the turns of a block: `copies`, or one that sends back to itself.

    `thresholds`: own of every copy, or one shared by all copies of a layer, as in a cycle.
    """

    unroll: str = "copies"
    delay: int | None = None
    thresholds: str | None = None

    @property
    def shared(self) -> bool:
        """Whether all turns of a layer have one threshold."""
        return self.thresholds == "shared" or self.unroll == "recurrent"

    def check(self, model: Model, scheme: str, correct_bias: bool = False) -> None:
        """Raise EvsimError for choices that do not fit each other or the model."""
        given = {"unroll": self.unroll, "unroll_thresholds": self.thresholds or "own"}
        for name, value in given.items():
            if value not in WORDS[name]:
                known = f"{' or '.join(WORDS[name])}{nearest(str(value), WORDS[name])}"
                raise mismatch(repr(value), known, name)
        if not model.blocks and self.shared:
            name = "unroll" if self.unroll == "recurrent" else "unroll_thresholds"
            raise mismatch("a model without a block that has turns", "one with", name)
        if self.delay is not None and (self.unroll != "recurrent" or self.delay < 1):
            found = self.delay if self.unroll == "recurrent" else f"unroll {self.unroll!r}"
            expected = "at least 1, with unroll 'recurrent'"
            raise mismatch(found, expected, "feedback_delay")
        if self.unroll == "recurrent" and self.thresholds == "own":
            raise mismatch("'own' with a recurrent block", "shared", "unroll_thresholds")
        if self.unroll == "recurrent" and correct_bias:
            expected = "unroll 'copies', whose rates stand for activations"
            raise mismatch("a recurrent block", expected, "correct_bias")
        if self.unroll == "recurrent" and scheme == "ttfs":  # a neuron sends in one window only
            raise mismatch("'recurrent'", "'copies' with scheme 'ttfs'", "unroll")

    def apply(self, graph: Graph, scales: dict) -> tuple[Graph, dict]:
        """The graph to build and its scales, its blocks unrolled or made recurrent."""
        scales = tied_scales(graph, scales, self.shared)
        if self.unroll == "copies":
            return graph, scales
        return _recurrent(graph, scales, self.delay or 1)


def mark(graph: Graph, model: Model) -> None:
    """Note on every node of a block where in the block it is."""
    places, seen = {}, Counter()
    graph.turns = {block.name: len(block.turns) for block in model.blocks}
    for block in model.blocks:
        for turn in range(len(block.turns)):
            layers = dict.fromkeys(block.turns[turn], "")
            layers |= dict(zip(block.layers(turn), block.layers(0), strict=True))
            places |= {name: (block, turn, first) for name, first in layers.items()}
    for node in graph.nodes.values():
        layer = node.measured or node.layer or node.name
        inside = layer in places and node.kind != "readout"
        if inside or node.name in places:
            block, turn, first = places[layer if inside else node.name]
            key = (block.name, turn, first or layer, node.kind)
            place = (*key[2:], seen[key])
            seen[key] += 1
            mine = Place(block.name, block.inject, turn if inside else None, place)
            graph.nodes[node.name] = replace(node, place=mine)


def tied_scales(graph: Graph, scales: dict, shared: bool) -> dict:
    """The scales with which the weights of a block stay as they are, one array for all turns.

    All that reaches a population of a block by weights has one scale, the largest of its
    channels and of its sources; with `shared` thresholds also whatever the turn.
    """
    groups = {name: {name} for name in graph.nodes}
    origins, whole, firsts = {}, set(), {}

    def join(*names: str) -> None:
        together = set().union(*(groups[name] for name in names))
        groups.update(dict.fromkeys(together, together))

    for node in graph.nodes.values():
        origins[node.name] = node.name
        if node.kind in ("pool", "maxpool"):
            origins[node.name] = origins[node.source]
            join(node.name, node.source)
    for node in graph.nodes.values():
        if node.place is None:
            continue
        sources = [s for s, map in node.terms if map.weighted and origins[s] != INPUT]
        population = [node.name] if node.name in scales and origins[node.name] != INPUT else []
        whole.update(sources, population)
        for kind, names in (("sources", sources), ("own", population)):
            key = node.place.block, node.place.position, kind
            earlier = firsts.setdefault(key, names)
            join(*names, *(earlier if shared and node.place.turn is not None else ()))
    tied = dict(scales)
    for name in scales:
        if groups[name] & whole:
            top = max(scales[other].max() for other in groups[name])
            tied[name] = np.asarray(top)
    return tied


def share(graph: Graph, populations: dict, synapses: dict, every: bool = False) -> None:
    """Make equal arrays of the parts of a block, or of `every` part, one array in memory."""
    held: dict[tuple, np.ndarray] = {}
    for parts in (populations, synapses):
        for name, part in parts.items():
            place = graph.nodes[part.target if parts is synapses else name].place
            block = place.block if place and not every else ""
            arrays = {
                field: held.setdefault((block, *_content(value)), value)
                for field, value in vars(part).items()
                if (place or every) and isinstance(value, np.ndarray) and value.ndim
            }
            if arrays:
                parts[name] = replace(part, **arrays)


def _content(value: np.ndarray) -> tuple:
    digest = hashlib.sha256(np.ascontiguousarray(value).view(np.uint8).data).digest()
    return value.shape, value.dtype.str, digest


def unshared(graph: Graph, network: Network, model: Model) -> list[str]:
    """A note for each block of which the network has more arrays of weights than the model."""
    notes = []
    for block in model.blocks:
        layers = [model.layers[name] for name in block.turns[0]]
        expected = sum(hasattr(layer, "weight") for layer in layers)
        sets = [
            part.weights()
            for part in network.synapses.values()
            if (place := graph.nodes[part.target].place) and place.block == block.name
            if part.kind in ("conv", "dense", "sparse")
        ]
        arrays = len({weight.__array_interface__["data"][0] for weight in sets})
        if arrays > expected:
            notes.append(
                f"the populations of block {block.name!r} have {arrays} arrays of weights, its "
                f"layers {expected}: what it takes or gives is no activation with one scale"
            )
    return notes


def _recurrent(graph: Graph, scales: dict, delay: int) -> tuple[Graph, dict]:
    """The graph with one set of populations for all turns of a block, and its scales.

    What the second turn takes from the first comes back to the first, `delay` timesteps later.
    """
    turns: dict[tuple, dict] = {}  # (block, turn): nodes by position
    for node in graph.nodes.values():
        if node.place and node.place.turn is not None:
            nodes_of_turn = node.place.block, node.place.turn
            turns.setdefault(nodes_of_turn, {})[node.place.position] = node
    for block, turn in ((b, t) for b, number in graph.turns.items() for t in range(number)):
        nodes_of_turn, first = turns.get((block, turn), {}), turns.get((block, 0), {})
        if not nodes_of_turn or nodes_of_turn.keys() != first.keys():
            found = (
                f"turn {turn + 1} with {len(nodes_of_turn)} populations, turn 1 with {len(first)}"
            )
            expected = "as many: a block that begins behind an activation and ends with one"
            raise mismatch(found, expected, f"layers/{block}")
    names = {name: name for name in graph.nodes}
    for (block, _), nodes in turns.items():
        for position, node in nodes.items():
            first = turns[block, 0][position].name
            names[node.name] = first.replace(f"{block}.turn1.", f"{block}.", 1)
    made = Graph(notes=graph.notes, delay=delay)
    for node in graph.nodes.values():
        place, more = node.place, {}
        if place and place.turn:
            continue
        if place and place.turn == 0 and graph.turns[place.block] > 1:
            second = turns[place.block, 1][place.position]
            inside = {n.name for n in turns[place.block, 0].values()}
            more["feedback"] = _renamed(_fed_back(node, second, inside), names)
            last = turns[place.block, graph.turns[place.block] - 1]
            more["layer"] = last[place.position].layer
        terms = _renamed(node.terms, names)
        made.nodes[names[node.name]] = replace(node, name=names[node.name], terms=terms, **more)
    for block, number in graph.turns.items():
        place = next(iter(turns[block, 0].values())).place
        if place.inject == "replace" and number > 1:
            made.notes.append(
                f"block {block!r} replaces its input from the second turn on; as a recurrent block "
                f"it adds the input in every timestep (`unroll=copies` replaces it)"
            )
    return made, {names[name]: scales[name] for name in scales}


def _renamed(terms, names: dict[str, str]):
    return tuple((names[source], map) for source, map in terms)


def _fed_back(node: Node, second: Node, inside: set[str]) -> tuple:
    """The terms of a node of the second turn that come from the first."""
    terms = tuple(term for term in second.terms if term[0] in inside)
    if terms and node.kind == "maxpool":
        expected = "another layer first in a recurrent block"
        raise EvsimError(
            f"found a max pool, which has one source only, expected {expected}",
            f"layers/{node.name}",
        )
    offsets = [np.zeros(()) if n.offset is None else n.offset for n in (node, second)]
    if not np.array_equal(*np.broadcast_arrays(*offsets)):
        found = "another bias in its first turn than in its second"
        expected = "a block that begins behind an activation and ends with one"
        raise mismatch(found, expected, f"layers/{node.name}")
    return terms
