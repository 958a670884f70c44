"""Biases corrected so that every channel fires, on average, as much as it is active.

The light calibration of Li, Deng, Dong, Gong and Gu (2021), A free lunch from ANN.
"""

from __future__ import annotations

from dataclasses import replace

from evsim.artificial.model import Model
from evsim.conversion._build import Scales
from evsim.conversion._gather import gather
from evsim.conversion._statistics import Mean
from evsim.conversion._walk import Walk
from evsim.conversion._work import Work


def correct(walk: Walk, scales: Scales, model: Model, images, work: Work) -> None:
    """Correct the offsets of the walk's graph, from the first node to the last.

    A node whose rates stand for a layer gets, in each channel, the mean difference between the
    activation, at most the scale, and the rate times the scale. All nodes fire as they were before.
    """
    nodes = walk.graph.nodes
    measured = [node for node in nodes.values() if node.measured and node.layer]
    means = {node.name: Mean(node.channels, scales[node.name]) for node in measured}
    gather("means", [means], measured, model, images, work, lambda n: work.progress(n, len(images)))
    for node in list(nodes.values()):
        if node.kind in ("input", "readout"):
            continue
        rates = walk.advance(node, scales)
        if node.name in means:
            missing = means[node.name].result(len(images)) - rates * scales[node.name]
            offset = missing if node.offset is None else node.offset + missing
            nodes[node.name] = replace(node, offset=offset)
        walk.leave(node)
