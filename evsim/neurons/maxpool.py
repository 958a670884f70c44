"""Max pooling of events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.kernel import kernel
from evsim.counting.facts import POOL
from evsim.neurons import POTENTIAL, ROOM, Neurons

STEPS, LATE, REPEATS = range(3)  # of rules


@dataclass(frozen=True, eq=False, kw_only=True)
class Maxpool(Neurons):
    """An event of a window's source passes if the source's running sum is the window's largest.

    The sum is that of the source's event values, this one included; ties go to the lowest source
    index, events of a timestep are taken ascending by source, and at most one passes. Fed by one
    set of kind pool, whose geometry it takes.
    """

    role: ClassVar[str] = POOL
    passes: ClassVar[bool] = True
    STATE: ClassVar[dict[str, str]] = {"sums": POTENTIAL} | dict.fromkeys(
        ("reached", "passed", "values"), ROOM
    )
    FACTS: ClassVar[dict[str, str]] = {
        "gate_updates": "events compared with the running sums of a window"
    }
    EXAMPLES: ClassVar[tuple[dict, ...]] = ({},)

    def updates(self, first: int, last: int) -> int:
        return 0

    def gate(self, geometry: np.ndarray, source: Neurons, dtype) -> Gate:
        """What runs this population behind a pool of this geometry."""
        return Gate(self, geometry, source, dtype)


class Gate:
    """Lets events through, in the place of a runner; knows the running sum of every source."""

    def __init__(self, neurons: Maxpool, geometry: np.ndarray, source: Neurons, dtype):
        self.neurons, self.source, self.dtype = neurons, source, dtype
        self.geometry = geometry

    def begin(self) -> dict[str, np.ndarray]:
        """The state at rest: the sums of the sources, and room for one timestep."""
        shape = (self.neurons.positions, self.neurons.channels)
        return {
            "sums": np.zeros((self.source.positions, self.source.channels), self.dtype),
            "reached": np.zeros(shape, np.uint8),
            "passed": np.zeros(shape, np.uint8),
            "values": np.zeros(shape, self.dtype),
        }

    def pass_on(self, state: dict, window, repeats: bool, steps: int, late: int, out):
        """Advance by `steps` timesteps, of which the first `late` are before any event.

        Returns how many events were compared with a window, and how many pooled neurons were
        reached.
        """
        channels, offsets, passed = out.reserve(steps)
        nothing = np.empty(0, self.dtype)
        values = nothing if window.values is None else window.values.astype(self.dtype, copy=False)
        room = nothing if passed is None else passed
        rules = np.array([steps, late, repeats], np.int64)
        taken = window.channels, values, window.offsets, self.geometry
        events, turns, touched = let_through(
            *taken, *state.values(), rules, channels, room, offsets
        )
        out.commit(steps, events)
        return turns, touched

    def largest(self, charges: np.ndarray) -> np.ndarray:
        """The charge (neurons,) of every window whose sources have these charges.

        +1 passes with the first +1 of a window, -1 with its last -1: that is the largest charge
        other than 0.
        """
        pooled = np.zeros((self.neurons.positions, self.neurons.channels), charges.dtype)
        largest_of(charges.reshape(self.source.positions, -1), self.geometry, pooled)
        return pooled.ravel()


@kernel
def let_through(
    channels,
    values,
    offsets,
    geometry,
    sums,
    reached,
    passed,
    kept,
    rules,
    out_channels,
    out_values,
    out_offsets,
):
    """Decide every event of a window in its order; returns (events, comparisons, touched).

    `rules`: timesteps, those before the first event, 1 where one timestep stands for all.
    `reached`, `passed`, `kept` are of one timestep: who was reached, what passes with which value.
    """
    height, width, out_height, out_width = geometry[0], geometry[1], geometry[2], geometry[3]
    valued = values.shape[0] > 0
    events, turns, touched = np.int64(0), 0, 0
    for t in range(rules[STEPS]):
        reached[:] = 0
        passed[:] = 0
        if t >= rules[LATE]:
            source = 0 if rules[REPEATS] == 1 else (t - rules[LATE]) * sums.shape[0]
            for row in range(height):
                for column in range(width):
                    start, end = offsets[source], offsets[source + 1]
                    own = row * width + column
                    source += 1
                    if start == end:
                        continue
                    y = row + geometry[8]
                    x = column + geometry[9]
                    first_y = max(0, (y - geometry[4]) // geometry[6] + 1)
                    last_y = min(out_height, y // geometry[6] + 1)
                    first_x = max(0, (x - geometry[5]) // geometry[7] + 1)
                    last_x = min(out_width, x // geometry[7] + 1)
                    for k in range(start, end):
                        c = channels[k]
                        value = values[k] if valued else sums.dtype.type(1)
                        sums[own, c] += value
                        for a in range(first_y, last_y):
                            for b in range(first_x, last_x):
                                place = a * out_width + b
                                turns += 1
                                touched += reached[place, c] == 0
                                reached[place, c] = 1
                                if passed[place, c] == 0 and _largest(sums, own, c, geometry, a, b):
                                    passed[place, c] = 1
                                    kept[place, c] = value
        for place in range(passed.shape[0]):
            for c in range(passed.shape[1]):
                if passed[place, c] != 0:
                    out_channels[events] = c
                    if out_values.shape[0] > 0:
                        out_values[events] = kept[place, c]
                    events += 1
            out_offsets[t * passed.shape[0] + place + 1] = out_offsets[0] + events
    return events, turns, touched


@kernel
def _largest(sums, own, c, geometry, a, b):
    """Whether a source's sum is the largest of a window, before equal ones of higher index."""
    height, width = geometry[0], geometry[1]
    top, left = a * geometry[6] - geometry[8], b * geometry[7] - geometry[9]
    for y in range(max(top, 0), min(top + geometry[4], height)):
        for x in range(max(left, 0), min(left + geometry[5], width)):
            other = y * width + x
            if sums[other, c] > sums[own, c] or (other < own and sums[other, c] == sums[own, c]):
                return False
    return True


@kernel
def largest_of(charges, geometry, pooled):
    """pooled[p, c] = the largest charge other than 0 in the window of p; 0 where there is none."""
    height, width, out_width = geometry[0], geometry[1], geometry[3]
    for p in range(pooled.shape[0]):
        top = p // out_width * geometry[6] - geometry[8]
        left = p % out_width * geometry[7] - geometry[9]
        for y in range(max(top, 0), min(top + geometry[4], height)):
            for x in range(max(left, 0), min(left + geometry[5], width)):
                for c in range(pooled.shape[1]):
                    charge = charges[y * width + x, c]
                    if charge != 0 and (pooled[p, c] == 0 or charge > pooled[p, c]):
                        pooled[p, c] = charge
