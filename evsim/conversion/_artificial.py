"""What every node of a graph would send if its rates were the activations."""

from __future__ import annotations

from math import prod

import numpy as np

from evsim.artificial.model import INPUT, Model
from evsim.conversion._graph import Graph, Node
from evsim.conversion._work import Work

HELD = 512 << 20  # bytes of activations of all samples
LEAST = 16  # samples, however many bytes they take


def samples_that_fit(model: Model, graph: Graph, most: int) -> int:
    """How many samples can be fitted to: at most so many, and as memory allows."""
    size = 4 * sum(prod(node.shape) for node in graph.nodes.values())
    return min(most, max(LEAST, HELD // size))


def values_of_nodes(graph: Graph, model: Model, images, work: Work) -> dict[str, np.ndarray]:
    """The activations (samples, *shape) that each node stands for, the readout's its sums."""
    layers = {n.name: n.layer for n in graph.nodes.values() if n.kind == "neurons" and n.layer}
    parts: dict[str, list] = {layer: [] for layer in layers.values()}
    choices = {"jobs": work.jobs, "check": work.check}
    for _, results in model.activations(images, (*parts, model.output), **choices):
        for layer, results_so_far in parts.items():
            results_so_far.append(results[layer])
    known = {layer: np.concatenate(results) for layer, results in parts.items()}
    values = {INPUT: model.scaled(images)}
    for node in graph.nodes.values():
        work.check()
        if node.name in layers:
            values[node.name] = known[node.layer].reshape(-1, *node.shape)
        elif node.kind != "input":
            values[node.name] = _of_sources(node, values)
    return values


def _of_sources(node: Node, values: dict[str, np.ndarray]) -> np.ndarray:
    """What the artificial values of its sources make of a node."""
    if node.kind == "maxpool":
        return largest_of_windows(node.terms[0][1], values[node.source])
    total = sum(map.apply(values[source]) for source, map in node.terms)
    total = np.float32(total if node.offset is None else total + node.offset)
    if node.kind == "readout":
        return total
    total = np.maximum(total, 0)
    return total if node.ceiling is None else np.minimum(total, np.float32(node.ceiling))


def largest_of_windows(pool, values: np.ndarray) -> np.ndarray:
    """The largest of the values, at least 0, where the kernel of a pool lies."""
    (height, width), (stride_y, stride_x) = pool.after[:2], pool.stride
    values = np.pad(values, ((0, 0), pool.padding[:2], pool.padding[2:], (0, 0)))
    largest = np.zeros((len(values), *pool.after), values.dtype)
    for i in range(pool.kernel[0]):
        for j in range(pool.kernel[1]):
            seen = values[:, i::stride_y, j::stride_x][:, :height, :width]
            np.maximum(largest, seen, out=largest)
    return largest
