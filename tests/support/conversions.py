"""Models that can be converted, and what a conversion takes."""

import numpy as np
from hypothesis import assume

from evsim import EvsimError
from evsim.conversion._fold import fold
from evsim.conversion._scales import spread


def images_for(model, seed=0, samples=3):
    shape = (samples, *model.input.shape)
    return np.float32(np.random.default_rng(seed).integers(-4, 5, shape) / 4)


def folded(model, pooling):
    """The nodes of a model that can be converted."""
    try:
        graph = fold(model, pooling)
    except EvsimError as error:
        assume("without a ReLU" not in str(error) and "a factor of" not in str(error))
        raise
    return graph


def random_scales(graph, seed, per_channel):
    """Scales of all nodes; a rate of 1 is the ceiling where there is one."""
    random, found = np.random.default_rng(seed), {}
    for node in graph.measured:
        size = node.channels if per_channel and random.integers(2) else ()
        scale = np.asarray(2.0 ** random.integers(-2, 3, size))
        found[node.name] = scale if node.ceiling is None else np.asarray(node.ceiling, np.float64)
    return spread(graph, found, 1.0)
