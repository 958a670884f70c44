"""Weights of networks without their topology, and topologies written on the spot."""

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np

from evsim.formats.trainers import _topology as topology
from evsim.formats.trainers._trainer import Bundle, Options, Source


def zeros(*shape):
    """An array of one zero, however large: ImageNet's classifiers take no memory."""
    return np.broadcast_to(np.float32(0), shape)


def convs(*widths, inputs=3, kernel=3, bias=False):
    """Bundles of convolutions one after the other."""
    for k, out in enumerate(widths):
        arrays = {"weight": zeros(kernel, kernel, inputs, out)}
        yield Bundle(f"conv{k}", arrays | ({"bias": zeros(out)} if bias else {}))
        inputs = out


def denses(*widths, bias=False):
    for k, (inputs, out) in enumerate(pairwise(widths)):
        arrays = {"weight": zeros(inputs, out)}
        yield Bundle(f"dense{k}", arrays | ({"bias": zeros(out)} if bias else {}))


def norms(*widths, prefix="norm"):
    for k, size in enumerate(widths):
        roles = ("gamma", "beta", "mean", "variance")
        yield Bundle(f"{prefix}{k}", {role: np.ones(size, np.float32) for role in roles})


def renamed(bundles):
    """The same bundles, each with a name of its own."""
    return [Bundle(f"l{k}", bundle.arrays) for k, bundle in enumerate(bundles)]


def read(name, bundles, trainer="pytorch"):
    reading = topology.apply(
        renamed(bundles), Options(topology=name), Source(Path("w.h5"), b""), trainer
    )
    return reading.result()


def definition_of(text, bundles):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.toml"
        path.write_text(text)
        return read(str(path), bundles)
