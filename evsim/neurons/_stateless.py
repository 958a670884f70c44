"""Neurons without a potential: what analog and stochastic share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import NEURONS, per_neuron, wholes
from evsim.neurons import Neurons, Runner
from evsim.neurons._runner import INT32, check_range


@dataclass(frozen=True, eq=False, kw_only=True)
class Stateless(Neurons):
    """z = current + bias; with `pool` the largest current of the neuron's places, + bias.

    Sets see one place per current: (height * pool_y, width * pool_x, channels).
    """

    compares: ClassVar[bool] = True
    STATE: ClassVar[dict[str, str]] = {}
    EXAMPLES: ClassVar[tuple[dict, ...]] = ({},)

    bias: np.ndarray | None = per_neuron(None)  # [potential] added every timestep
    pool: tuple[int, int] = wholes(2, (1, 1), least=1)  # [places] in front of a neuron

    def check(self) -> None:
        if self.pool != (1, 1) and len(self.shape) != 3:
            expected = "1, 1 for a population without rows and columns"
            raise mismatch(self.pool, expected, "pool")
        places = self.neurons * math.prod(self.pool)
        if places > NEURONS:
            raise mismatch(f"{places} places", f"at most {NEURONS}", "pool")

    @property
    def listening(self) -> Neurons:
        if self.pool == (1, 1):
            return self
        rows, columns = (n * p for n, p in zip(self.shape, self.pool, strict=False))
        return Neurons(shape=(rows, columns, self.channels))

    def largest(self, currents: np.ndarray) -> np.ndarray:
        """The largest current of the places of each neuron: (timesteps, positions, channels)."""
        if self.pool == (1, 1):
            return currents
        height, width, channels = self.shape
        pool_y, pool_x = self.pool
        lines = currents.reshape(-1, pool_y, width * pool_x * channels)
        rows = lines[:, 0]
        for line in range(1, pool_y):
            rows = np.maximum(rows, lines[:, line])
        cells = rows.reshape(-1, pool_x, channels)
        found = cells[:, 0]
        for place in range(1, pool_x):
            found = np.maximum(found, cells[:, place])
        return np.ascontiguousarray(found).reshape(-1, height * width, channels)

    def at_places(self, field: np.ndarray) -> np.ndarray:
        """A field as (1 or positions, channels) at the places: (1 or places, channels)."""
        if self.pool == (1, 1) or len(field) == 1:
            return field
        grid = field.reshape(*self.shape)
        return (
            grid.repeat(self.pool[0], axis=0)
            .repeat(self.pool[1], axis=1)
            .reshape(-1, self.channels)
        )


class StatelessRunner(Runner):
    """Holds what a population without a potential needs; a kind says what it sends."""

    def __init__(self, neurons: Stateless, dtype, current_bound: int = 0):
        self.neurons, self.dtype = neurons, np.dtype(dtype)
        self.bias = neurons.constants(dtype, bias=neurons.added_bias)[0]
        active = np.ones_like(self.bias, bool) if neurons.always_active else self.bias != 0
        self.active = neurons.at_places(active)
        self.always_active = bool(active.all())
        largest = int(np.abs(self.bias.astype(np.int64)).max()) if dtype == np.int32 else 0
        self.may_overflow = current_bound + largest > INT32.max

    def begin(self) -> dict:
        """The state at rest: there is none."""
        return {}

    def largest(self, state: dict, currents: np.ndarray, first: int) -> np.ndarray:
        """The largest current of each neuron's places, (timesteps, positions, channels), checked
        where a sum of integers might leave int32."""
        if self.may_overflow:
            for step, current in enumerate(currents):
                self.check(state, current, first + step)
        return self.neurons.largest(currents).astype(self.dtype, copy=False)

    def room(self, out, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Channels, offsets and values of so many timesteps; no values where all are +1."""
        channels, offsets, values = out.reserve(steps)
        if values is None:
            values = np.empty(0, np.float32 if self.dtype == np.int32 else self.dtype)
        return channels, offsets, values

    def active_updates(self, currents: np.ndarray, reached: np.ndarray) -> int:
        """How many places no lazy machine can skip."""
        if not reached.shape[1]:
            return currents.size
        return int(np.count_nonzero((reached != 0) | self.active))

    def check(self, state: dict, current: np.ndarray, timestep: int) -> None:
        """Raise EvsimError where the current of a place, or a neuron's sum, leaves its dtype."""
        wide = np.int64 if self.dtype == np.int32 else self.dtype
        sums = self.neurons.largest(current[None])[0].astype(wide) + self.bias
        check_range("current", current, self.dtype, timestep, "place")
        check_range("sum", sums, self.dtype, timestep)
