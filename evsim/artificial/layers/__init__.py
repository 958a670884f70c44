"""Layers of artificial networks: one file per kind, the file's name is the kind."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import Part, kinds, words

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Layer(Part):
    """One step of an artificial network, from the layers named in `sources`.

    Values are channels last: (samples, height, width, channels) or (samples, n), float32.
    """

    sources: tuple[str, ...] = words(1)

    def shape(self, *shapes: Shape) -> Shape:
        """The shape of the result without the axis of samples, for sources of these `shapes`.

        Raises EvsimError where they do not fit.
        """
        raise NotImplementedError

    def forward(self, *values: np.ndarray, key: Key | None = None) -> np.ndarray:
        """The result, float32, for a batch of `values`: an array of each source, samples first.

        `key` says which random numbers a layer draws that draws some.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Key:
    """What random numbers of a layer depend on, beside the neuron (Philox, as in runs)."""

    seed: int
    samples: np.ndarray  # the index in the data file of each sample of the batch
    repetition: int  # the pass over the data, in the place of the timestep
    layer: int  # the index of the layer in name order, in the place of the population


def require_map(shape: Shape, kind: str) -> None:
    """Raise EvsimError unless the shape of a layer's source is (height, width, channels)."""
    if len(shape) != 3:
        raise mismatch(f"an input of shape {shape}", f"(height, width, channels) for {kind}")


@cache
def layer_kinds() -> dict[str, type[Layer]]:
    """The kinds of layers: by name the class of each file in this folder."""
    return kinds(sys.modules[__name__], Layer)
