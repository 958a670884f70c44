"""Shipped definitions with blocks that run several times, made small."""

import numpy as np
from support.bundles import convs, definition_of, denses, norms

from evsim.formats.trainers._trainer import Bundle


def drawn(bundles, seed, gain=1.4):
    """The bundles with random numbers; weights such that a layer's result is about its input."""
    random, found = np.random.default_rng(seed), []
    for bundle in bundles:
        arrays = {}
        for role, value in bundle.arrays.items():
            if role == "weight":
                numbers = random.normal(size=value.shape) * gain / value[..., 0].size ** 0.5
            elif role in ("variance", "gamma"):
                numbers = random.uniform(0.5, 1.5, value.shape)
            else:
                numbers = random.normal(size=value.shape) / 8
            arrays[role] = np.float32(numbers)
        found.append(Bundle(bundle.name, arrays))
    return found


def small(name, inject, seed=0, gain=1.4):
    """A shipped definition for images of 8 x 8, all widths 6."""
    text = f'extends = "{name}"\ninput = [8, 8, 3]\nparameters = {{ inject = "{inject}" }}\n'
    layers = int(name.partition("x")[0][-1]) + 1  # and the one before the block
    head = 24 if name.startswith("vgg") else 6
    bundles = [*convs(*[6] * layers), *norms(*[6] * layers), *denses(head, 10, bias=True)]
    return definition_of(text, drawn(bundles, seed, gain))


def images(samples=12, seed=1):
    return np.float32(np.random.default_rng(seed).uniform(0, 255, (samples, 8, 8, 3)))
