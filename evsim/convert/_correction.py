"""Biases corrected so that every channel fires, on average, as much as it is active.

The light calibration of Li, Deng, Dong, Gong and Gu (2021), A free lunch from ANN.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evsim.ann import Model
from evsim.convert._build import Scales
from evsim.convert._walk import Walk


def correct(walk: Walk, scales: Scales, model: Model, images, jobs, progress) -> None:
    """Correct the offsets of the walk's graph, from the first node to the last.

    A node whose rates stand for a layer gets, in each channel, the mean difference between the
    activation, at most the scale, and the rate times the scale, with all before it corrected.
    """
    nodes = walk.graph.nodes
    targets = _means(
        [n for n in nodes.values() if n.measured and n.layer], scales, model, images, jobs
    )
    for done, node in enumerate(list(nodes.values())):
        progress(done, len(nodes))
        if node.kind in ("input", "readout"):
            continue
        walk.advance(node, scales)
        if node.name in targets:
            missing = targets[node.name] - walk.rates(node) * scales[node.name]
            offset = missing if node.offset is None else node.offset + missing
            nodes[node.name] = replace(node, offset=offset)
            walk.advance(nodes[node.name], scales)
        walk.leave(node)


def _means(nodes, scales: Scales, model: Model, images, jobs) -> dict[str, np.ndarray]:
    """The mean activation of each channel, of what is at most the scale."""
    totals = {node.name: np.zeros(node.channels) for node in nodes}
    wanted = list(dict.fromkeys(node.measured for node in nodes))
    for _, results in model.activations(images, wanted, jobs=jobs) if wanted else ():
        for node in nodes:
            values = np.minimum(node.values(results[node.measured]), scales[node.name])
            totals[node.name] += values.mean(axis=1, dtype=np.float64).sum(axis=0)
    return {name: total / len(images) for name, total in totals.items()}
