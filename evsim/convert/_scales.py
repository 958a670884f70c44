"""The scale of every population: how much activation a firing rate of 1 stands for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from math import prod

import numpy as np

from evsim.ann import INPUT, Model
from evsim.convert._build import Scales
from evsim.convert._graph import Graph, Node
from evsim.convert._statistics import Largest, LeastError, Percentile
from evsim.memory import thread_count


class Finish:
    """Makes scales of statistics: nothing is divided by 0, no scale is above a ceiling."""

    def __init__(self, graph: Graph):
        self.notes = graph.notes

    def __call__(self, node: Node, found: np.ndarray, largest: np.ndarray | None = None):
        """A scale, a scalar or one per channel; `largest` is taken where `found` is 0.

        Channels that are always 0 take the largest scale of their layer, such a layer takes 1.
        """
        if node.levels is not None:
            return np.float64(node.ceiling)
        if largest is not None:
            found = np.where(found > 0, found, largest)
        dead = ~(found > 0)
        if dead.all():
            self.notes.append(f"{node.measured!r} is 0 for all images: its scale is 1")
            found = np.ones(found.shape)
        elif dead.any():
            some = f"{int(dead.sum())} of {dead.size} channels"
            self.notes.append(
                f"{node.measured!r}: {some} are 0 for all images and take the largest scale"
            )
            found = np.where(dead, found.max(), found)
        found = np.float64(found[0] if found.size == 1 else found)
        if node.ceiling is None:
            return found
        ceiling = node.ceiling
        if ceiling.ndim > 1:  # it differs between the positions of a channel
            ceiling = ceiling.max(axis=tuple(range(ceiling.ndim - 1)))
        return np.minimum(found, ceiling)


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
    jobs: int | None,
    progress,
) -> Scales:
    """Scales by max, percentile or mmse, of the activations of images."""
    nodes = [node for node in graph.measured if node.levels is None]
    passes = 2 if method == "mmse" else 1
    largest = {node.name: Largest(node.channels) for node in nodes}
    kinds = [largest]
    if method == "percentile":
        kinds.append(
            {n.name: _percentile(n, model, images, percentile, per_channel) for n in nodes}
        )
    _gather(kinds, nodes, model, images, jobs, lambda done: progress(done, passes * len(images)))
    tops = {name: statistic.found for name, statistic in largest.items()}
    found = tops if per_channel else {name: top.max()[None] for name, top in tops.items()}
    if method == "percentile":
        found = {name: statistic.result() for name, statistic in kinds[1].items()}
    if method == "mmse":
        errors = {
            node.name: LeastError(tops[node.name], timesteps, v_init, per_channel) for node in nodes
        }
        total = passes * len(images)
        _gather([errors], nodes, model, images, jobs, lambda n: progress(len(images) + n, total))
        found = {name: statistic.result() for name, statistic in errors.items()}
    finish = Finish(graph)
    scales = {}
    for node in graph.measured:
        if node.levels is not None:
            scales[node.name] = finish(node, np.ones(1))
        else:
            top = tops[node.name]
            scales[node.name] = finish(node, found[node.name], top if per_channel else top.max())
    return scales


def _percentile(node: Node, model: Model, images, percent: float, per_channel: bool) -> Percentile:
    count = prod(model.shapes[node.measured]) if node.places is None else node.places.size
    rows = node.channels if per_channel else 1
    return Percentile(percent, len(images) * count // rows, rows)


def _gather(kinds: list[dict], nodes, model: Model, images, jobs, done) -> None:
    """Let statistics take in the activations of all images, batch by batch."""
    wanted = list(dict.fromkeys(node.measured for node in nodes))
    if not wanted:
        return

    def add(node: Node, values: np.ndarray) -> None:
        for statistics in kinds:
            statistics[node.name].add(values)

    with ThreadPoolExecutor(thread_count(jobs)) as pool:
        for some, results in model.activations(images, wanted, jobs=jobs):
            each = [(node, node.values(results[node.measured])) for node in nodes]
            list(pool.map(lambda pair: add(*pair), each))
            done(some.stop)


def spread(graph: Graph, scales: Scales, factor: float) -> Scales:
    """The scales of all nodes: times the factor where measured, elsewhere as their source."""
    found = {INPUT: np.ones(())}
    for node in graph.nodes.values():
        if node.name in scales and node.measured:
            found[node.name] = np.float64(scales[node.name]) * factor
        elif node.kind in ("pool", "maxpool"):
            found[node.name] = found[node.source]
        elif node.kind == "analog":
            found[node.name] = np.ones(())
    return {name: np.asarray(scale) for name, scale in found.items()}
