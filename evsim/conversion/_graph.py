"""The network to be, before scales are chosen: populations and what they sum."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from evsim.artificial.layers import Shape
from evsim.artificial.maps import Linear

Terms = tuple[tuple[str, Linear], ...]  # (source node, map) each


@dataclass(frozen=True)
class Place:
    """Where a node is in a block that runs several times with the same weights."""

    block: str
    inject: str
    turn: int | None  # from 0 on; None: it is behind the block, with weights of its last turn
    position: tuple  # what nodes of all turns have in common that stand for the same layer


@dataclass(frozen=True, eq=False, kw_only=True)
class Node:
    """A population whose firing rate, times a scale, is the rectified sum of its terms.

    `kind`: input, neurons, pool (neurons that pass the average of one term on), maxpool (the
    maximum over the windows of its one term), readout (the sum itself), or a kind of neurons
    without a potential, whose values are the activations.
    """

    name: str
    kind: str
    shape: Shape
    terms: Terms = ()
    offset: np.ndarray | None = None  # (channels,) or the shape
    layer: str = ""  # whose result it stands for, whole and in its order
    measured: str = ""  # the layer whose result gives its scale; none: as its source
    places: np.ndarray | None = None  # its neurons in that result, flattened; None: all
    ceiling: np.ndarray | None = None  # per channel: what the rectifier is clipped at
    levels: int | None = None  # of a quantised rectifier
    rounding: np.ndarray | None = None
    place: Place | None = None
    feedback: Terms = ()  # what arrives `delay` timesteps later, from nodes behind it
    fields: dict = field(default_factory=dict)  # of its population, that nothing above says

    @property
    def channels(self) -> int:
        """How many channels it has: the last axis of its shape."""
        return self.shape[-1]

    @property
    def source(self) -> str:
        """The name of the node that its only term comes from."""
        return self.terms[0][0]

    def values(self, result: np.ndarray) -> np.ndarray:
        """Its part of the result of the layer that is measured: (samples, positions, channels)."""
        flat = result.reshape(len(result), -1)
        if self.places is not None:
            flat = flat[:, self.places]
        return np.ascontiguousarray(flat).reshape(len(result), -1, self.channels)


@dataclass
class Graph:
    """Nodes by name, sources first; the last one is the readout."""

    nodes: dict[str, Node] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    delay: int = 0  # of what is fed back
    turns: dict[str, int] = field(default_factory=dict)  # of the blocks that have some

    @property
    def output(self) -> Node:
        """The last node, the readout."""
        return list(self.nodes.values())[-1]

    @property
    def measured(self) -> list[Node]:
        """The nodes that have a scale of their own, sources first."""
        return [node for node in self.nodes.values() if node.measured]

    def depths(self) -> dict[str, int]:
        """How many populations with a potential are on the longest path to each node, itself too.

        A max pool is none.
        """
        depths = {}
        for node in self.nodes.values():
            depth = max((depths[source] for source, _ in node.terms), default=-1)
            depths[node.name] = depth + (node.kind != "maxpool")
        return depths

    def starts(self, stagger: int) -> dict[str, int]:
        """The first timestep in which each node may fire: `stagger` later than its sources."""
        return {name: stagger * max(depth - 1, 0) for name, depth in self.depths().items()}

    def add(self, wish: str, **fields) -> str:
        """Add a node with a name like `wish`; returns the name that it got."""
        wish = wish.replace("/", ".").strip(".") or fields["kind"]
        name, number = wish, 1
        while name in self.nodes:
            number += 1
            name = f"{wish}.{number}"
        self.nodes[name] = Node(name=name, **fields)
        return name
