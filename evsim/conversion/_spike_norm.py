"""Scales by spike-norm: the largest current that arrives while all layers before it spike.

Sengupta, Ye, Wang, Liu and Roy (2019), Going deeper in spiking neural networks.
"""

from __future__ import annotations

import numpy as np

from evsim.artificial.model import INPUT
from evsim.conversion._build import Scales
from evsim.conversion._walk import Walk


def spike_norm(walk: Walk, per_channel: bool, finish) -> Scales:
    """A scale for every node but the readout, from the first to the last.

    `finish(node, largest)` makes a scale from the largest current of each channel, or of all.
    """
    scales = {INPUT: np.ones(())}
    for node in walk.graph.nodes.values():
        if node.kind in ("input", "readout"):
            continue
        if node.measured:
            peak = walk.largest(node, scales)
            scales[node.name] = finish(node, peak if per_channel else peak.max()[None])
        else:
            scales[node.name] = np.ones(()) if node.kind == "analog" else scales[node.source]
        walk.advance(node, scales)
        walk.leave(node)
    return scales
