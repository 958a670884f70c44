"""Populations of neurons: one file per kind, the file's name is the kind."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from typing import ClassVar

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import Part, kinds, rounded, wholes
from evsim.base.width import Width
from evsim.counting.facts import (
    CIRCUIT,
    MEMORY,
    NEURON,
    POPULATION_FACTS,
    POTENTIAL,
    ROOM,
    WIDTH_FACTS,
)
from evsim.neurons._runner import INT32, Runner, limits

__all__ = ["CIRCUIT", "MEMORY", "POTENTIAL", "ROOM", "Neurons", "Runner", "neuron_kinds"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Neurons(Part):
    """Neurons of one kind with one shape: (height, width, channels) or (n,).

    In a vector every neuron is its own channel. What the engine, the machines and the tools ask a
    kind stands here; the file of a kind says what differs.
    """

    role: ClassVar[str] = NEURON  # or INPUT, READOUT, POOL
    sends: ClassVar[bool] = True  # may be the source of a set
    listens: ClassVar[bool] = True  # may be the target of a set
    fed_by: ClassVar[str] = ""  # the one coding of the input that it understands; "": any
    numbers: ClassVar[tuple[str, ...]] = ("float", "int")  # the arithmetic that it takes
    takes_width: ClassVar[bool] = False  # integers of it may have a declared width
    common: ClassVar[bool] = False  # plain integrate-and-fire, which other tools count, too
    graded: ClassVar[bool] = False  # its events carry any value
    valued: ClassVar[bool] = False  # not all of its events are +1
    sends_signs: ClassVar[bool] = False  # every neuron sends +1 or -1 at every timestep
    sloped: ClassVar[bool] = False  # takes switch events: they add to a slope
    compares: ClassVar[bool] = False  # compares every update with a threshold
    resets: ClassVar[str] = "spikes"  # the fact that counts its resets, where it has a `reset`
    passes: ClassVar[bool] = False  # hands events of its one pool on, has no potential
    counts_arrivals: ClassVar[bool] = False  # asks how many events reach each neuron
    always_active: ClassVar[bool] = False  # no machine can skip a neuron, whatever leak and bias
    bounded: ClassVar[bool] = False  # its potential has a declared width
    predicts: ClassVar[bool] = False  # decides on what its potential will be
    direct: ClassVar[bool] = False  # every weight is added to the potential itself
    beyond_chips: ClassVar[str] = ""  # what of its law no chip of single spikes does
    draws: ClassVar[int] = 0  # random numbers per neuron and timestep
    batches: ClassVar[bool] = False  # its runner advances several samples side by side

    # By array of the runner's state, where it is: POTENTIAL (or "current", "slope"), which a
    # machine counts by rules of its own; MEMORY, read and written at every update; CIRCUIT, a part
    # of the neuron that costs nothing; ROOM, which holds nothing from one timestep to the next.
    STATE: ClassVar[dict[str, str]] = {"potential": POTENTIAL}
    ACTIONS: ClassVar[dict[str, tuple[str, ...]]] = {}  # more actions, and the facts they follow
    FACTS: ClassVar[dict[str, str]] = {}  # what a run counts of this kind alone
    EXAMPLES: ClassVar[tuple[dict, ...]] = ()  # fields that compile every kernel of the kind

    shape: tuple[int, ...] = wholes(None, least=1)  # [neurons] (height, width, channels) or (n,)

    def runner(self, dtype, current_bound: int = 0) -> Runner:
        """What advances this population in arithmetic of `dtype`: float32, float64 or int32.

        `current_bound`: the largest current that the weights of an integer population allow.
        Raises EvsimError where a field does not fit the arithmetic.
        """
        raise NotImplementedError

    def check_arithmetic(self, dtype) -> None:
        """Raise EvsimError where the kind does not take this arithmetic."""
        if "int" not in self.numbers and dtype == np.int32:
            raise mismatch("integer weights only", f"floats, as kind {self.kind!r} takes")
        if "float" not in self.numbers and dtype != np.int32:
            found = "sets with real weights or a graded source"
            raise mismatch(found, "integer weights and a spiking source")

    def batched(self, samples: int) -> Neurons:
        """So many of this population below each other, as one: of each sample there is one."""
        rows, columns = self.shape[:2] if len(self.shape) == 3 else (1, 1)
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.metadata["array"]}
        repeated = {}
        for name, value in arrays.items():
            if value is not None and value.size > 1:
                grid = self.grid(value)
                repeated[name] = np.tile(grid, (samples, 1)).ravel() if len(grid) > 1 else grid[0]
        return replace(self, shape=(samples * rows, columns, self.channels), **repeated)

    @property
    def facts(self) -> dict[str, str]:
        """What a run counts of this population, and what it means."""
        return POPULATION_FACTS | self.FACTS | (WIDTH_FACTS if self.bounded else {})

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
        """Raise EvsimError if it cannot take the events of a source after this delay."""

    @cached_property
    def neurons(self) -> int:
        """How many neurons there are."""
        return math.prod(self.shape)

    @property
    def channels(self) -> int:
        """The last axis of the shape."""
        return self.shape[-1]

    @cached_property
    def positions(self) -> int:
        """How many places of all channels there are: 1 in a vector."""
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

    def constants(self, dtype, **fields) -> np.ndarray:
        """Per-neuron values as one array (fields, 1 or positions, channels) of `dtype`.

        Raises EvsimError in an integer population for a value that is not a whole number.
        """
        grids = []
        for name, value in fields.items():
            fits = np.trunc(np.clip(np.float64(value), INT32.min, INT32.max)) == value
            if dtype == np.int32 and not fits.all():
                raise mismatch(
                    np.ravel(value)[~np.ravel(fits)][0],
                    "whole numbers within int32 (the population is an integer one)",
                    name,
                )
            grids.append(self.grid(rounded(np.clip(value, *limits(dtype)), dtype, name)))
        return np.ascontiguousarray(np.stack(np.broadcast_arrays(*grids)))

    @property
    def added_bias(self) -> np.ndarray:
        """The bias; an absent one is -0.0, which adds exactly to the same value."""
        bias = getattr(self, "bias", None)
        return np.array(-0.0) if bias is None else bias

    def leak_factor(self, dtype) -> np.ndarray:
        """The leak; an absent one is 1, which multiplies exactly to the same value."""
        leak = getattr(self, "leak", None)
        if leak is None:
            return np.ones(())
        if dtype == np.int32 and (leak != 1).any():
            raise mismatch(leak.min(), "a leak of 1 (the population is an integer one)", "leak")
        return leak

    def updates(self, first: int, last: int) -> int:
        """In how many of the timesteps first .. last - 1 the neurons are updated."""
        return last - first

    def visited(self, first: int, last: int) -> tuple[int, int]:
        """The part of timesteps first .. last - 1 in which anything may happen to the neurons."""
        return first, last

    def describe(self) -> dict:
        """What a machine needs to know of this population to turn facts into actions.

        Booleans, integers and words: results keep it beside the facts. `counting.described` knows
        what a result means that was written before one of these keys was.
        """
        memory = [name for name, place in self.STATE.items() if place == MEMORY]
        each = {"state_read": memory, "state_write": memory}
        actions = [f"{action}:updates" for action, names in each.items() for _ in names]
        actions += [f"{action}:{fact}" for action, facts in self.ACTIONS.items() for fact in facts]
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
            "role": self.role,
            "resets": self.resets,
            "facts": " ".join(n for n in self.facts if n not in POPULATION_FACTS | WIDTH_FACTS),
            "actions": " ".join(actions),
        }


@cache
def neuron_kinds() -> dict[str, type[Neurons]]:
    """The kinds of neurons by name."""
    return kinds(sys.modules[__name__], Neurons)
