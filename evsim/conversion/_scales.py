"""The scale of every population: how much activation a firing rate of 1 stands for."""

from __future__ import annotations

from math import prod

import numpy as np

from evsim.artificial.model import INPUT, Model
from evsim.conversion._build import Scales
from evsim.conversion._gather import gather
from evsim.conversion._graph import Graph, Node
from evsim.conversion._statistics import Largest, LeastError, Percentile, Selection
from evsim.conversion._work import Work


class Finish:
    """Makes scales of what was measured: none is 0 or above the layer's ceiling."""

    def __init__(self, graph: Graph):
        self.notes = graph.notes

    def __call__(self, node: Node, scale: np.ndarray, largest: np.ndarray | None = None):
        """A scale, a scalar or one per channel; `largest` is taken where `found` is 0.

        Channels that are always 0 take the largest scale of their layer, such a layer takes 1.
        """
        if node.levels is not None:
            return np.float64(node.ceiling)
        if largest is not None:
            scale = np.where(scale > 0, scale, largest)
        dead = ~(scale > 0)
        if dead.all():
            self.notes.append(f"{node.measured!r} is 0 for all images: its scale is 1")
            scale = np.ones(scale.shape)
        elif dead.any():
            channels = f"{int(dead.sum())} of {dead.size} channels"
            self.notes.append(
                f"{node.measured!r}: {channels} are 0 for all images and take the largest scale"
            )
            scale = np.where(dead, scale.max(), scale)
        scale = np.float64(scale[0] if scale.size == 1 else scale)
        if node.ceiling is None:
            return scale
        ceiling = node.ceiling
        if ceiling.ndim > 1:  # it differs between the positions of a channel
            ceiling = ceiling.max(axis=tuple(range(ceiling.ndim - 1)))
        return np.minimum(scale, ceiling)


KEPT = 256 << 20  # bytes of activations that percentiles hold, all together; else they count


def from_activations(
    graph: Graph,
    model: Model,
    images,
    *,
    method: str,
    percentile: float,
    per_channel: bool,
    timesteps: int,
    v_init: float,
    work: Work,
) -> Scales:
    """The scale of every measured node, from the activations of images.

    `method`: max, percentile or mmse, as for `convert`. `work`: its threads, and what it keeps.
    """
    nodes = [node for node in graph.measured if node.levels is None]
    largest = {node.name: Largest(node.channels) for node in nodes}
    kinds, passes = [largest], 1 + (method == "mmse")
    if method == "percentile":
        kinds.append(_percentiles(nodes, model, len(images), percentile, per_channel))
    counted = {
        name: selection
        for kind in kinds
        for name, selection in kind.items()
        if isinstance(selection, Selection)
    }
    passes = len(Selection.DIGITS) if counted else passes

    def measure(number: int, kinds: list[dict], nodes: list[Node]) -> None:
        def told(samples: int) -> None:
            work.progress(number * len(images) + samples, passes * len(images))

        gather(f"scales{number}", kinds, nodes, model, images, work, told)

    measure(0, kinds, nodes)
    for number in range(1, 1 + len(Selection.DIGITS) if counted else 0):
        for selection in counted.values():
            selection.turn()
        if number < len(Selection.DIGITS):
            measure(number, [counted], [node for node in nodes if node.name in counted])
    tops = {name: statistic.found for name, statistic in largest.items()}
    measured_scales = tops if per_channel else {name: top.max()[None] for name, top in tops.items()}
    if method == "percentile":
        measured_scales = {name: statistic.result() for name, statistic in kinds[1].items()}
    if method == "mmse":
        errors = {
            node.name: LeastError(tops[node.name], timesteps, v_init, per_channel) for node in nodes
        }
        measure(1, [errors], nodes)
        measured_scales = {name: statistic.result() for name, statistic in errors.items()}
    finish = Finish(graph)
    scales = {}
    for node in graph.measured:
        if node.levels is not None:
            scales[node.name] = finish(node, np.ones(1))
        else:
            top = tops[node.name]
            scales[node.name] = finish(
                node, measured_scales[node.name], top if per_channel else top.max()
            )
    return scales


def _percentiles(
    nodes: list[Node], model: Model, samples: int, percent: float, per_channel: bool
) -> dict[str, Percentile | Selection]:
    """A percentile for every node: the largest activations are held if there is room for them."""
    percentiles = {}
    for node in nodes:
        count = prod(model.shapes[node.measured]) if node.places is None else node.places.size
        rows = node.channels if per_channel else 1
        percentiles[node.name] = Percentile(percent, samples * count // rows, rows), rows
    sizes = {name: 4 * rows * one.kept for name, (one, rows) in percentiles.items()}
    room = KEPT if sum(sizes.values()) <= KEPT else KEPT // len(nodes)
    return {
        name: one if sizes[name] <= room else Selection(percent, one.count, rows)
        for name, (one, rows) in percentiles.items()
    }


def spread(graph: Graph, scales: Scales, factor: float) -> Scales:
    """The scales of all nodes: the measured ones times `factor`, pools as their source."""
    spread_scales = {INPUT: np.ones(())}
    for node in graph.nodes.values():
        if node.name in scales and node.measured:
            spread_scales[node.name] = np.float64(scales[node.name]) * factor
        elif node.kind in ("pool", "maxpool"):
            spread_scales[node.name] = spread_scales[node.source]
        elif node.kind == "analog":
            spread_scales[node.name] = np.ones(())
    return {name: np.asarray(scale) for name, scale in spread_scales.items()}
