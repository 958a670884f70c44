"""Populations of neurons: one file per kind, the file's name is the kind."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from evsim.base.fields import Part, kinds, wholes
from evsim.base.width import Width


@dataclass(frozen=True, eq=False, kw_only=True)
class Neurons(Part):
    """Neurons of one kind with one shape: (height, width, channels) or (n,).

    In a vector every neuron is its own channel.
    """

    sends: ClassVar[bool] = True  # may be the source of a set
    listens: ClassVar[bool] = True  # may be the target of a set
    graded: ClassVar[bool] = False  # its events carry any value
    sloped: ClassVar[bool] = False  # events add to a slope, the slope to the potential
    compares: ClassVar[bool] = False  # compares every update with a threshold
    passes: ClassVar[bool] = False  # hands events of its one pool on, has no potential
    counts_arrivals: ClassVar[bool] = False  # asks how many events reach each neuron
    valued: ClassVar[bool] = False  # not all of its events are +1
    sends_signs: ClassVar[bool] = False  # every neuron sends +1 or -1 at every timestep
    bounded: ClassVar[bool] = False  # its potential has a declared width
    predicts: ClassVar[bool] = False  # decides on what its potential will be
    direct: ClassVar[bool] = False  # every weight is added to the potential itself
    draws: ClassVar[int] = 0  # random numbers per neuron and timestep

    shape: tuple[int, ...] = wholes(None, least=1)  # [neurons] (height, width, channels) or (n,)

    @property
    def ends(self) -> int | None:
        """Where it sends in a window: the timestep after it, with which the run ends."""
        return None

    def reporting(self) -> Neurons:
        """Itself, or what does the same and reports the sums of its integers."""
        return self

    @property
    def arriving(self) -> Width | None:
        """What the sum is brought into after each arriving weight, if into anything."""
        return None

    def check_source(self, source: Neurons, delay: int) -> None:
        """Raise an error if it cannot take the events of a source after this delay."""

    @property
    def neurons(self) -> int:
        return math.prod(self.shape)

    @property
    def channels(self) -> int:
        return self.shape[-1]

    @property
    def positions(self) -> int:
        return self.neurons // self.channels

    @property
    def listening(self) -> Neurons:
        """What sets see as their target: the neurons, unless several places feed each of them."""
        return self

    def grid(self, value: np.ndarray) -> np.ndarray:
        """A per-neuron field as (1, channels) or (positions, channels)."""
        if value.ndim == 0 or value.shape == (self.channels,) != (self.neurons,):
            return np.broadcast_to(value, (1, self.channels))
        return value.reshape(self.positions, self.channels)

    def updates(self, first: int, last: int) -> int:
        """In how many of the timesteps first .. last - 1 the neurons are updated."""
        return last - first

    def visited(self, first: int, last: int) -> tuple[int, int]:
        """The part of timesteps first .. last - 1 in which anything may happen to the neurons."""
        return first, last

    def describe(self) -> dict:
        """What a machine needs to know of this population to turn facts into actions."""
        return {
            "kind": self.kind,
            "neurons": self.neurons,
            "places": self.listening.neurons,
            "bias": getattr(self, "bias", None) is not None,
            "leak": getattr(self, "leak", None) is not None,
            "current_leak": getattr(self, "current_leak", None) is not None,
            "current_bias": getattr(self, "current_bias", None) is not None,
            "reset": getattr(self, "reset", ""),
            "compares": self.compares,
            "firing": getattr(self, "firing", ""),
            "slope": bool(getattr(self, "slope", False)),
        }


@cache
def neuron_kinds() -> dict[str, type[Neurons]]:
    """The kinds of neurons by name."""
    return kinds(sys.modules[__name__], Neurons)
