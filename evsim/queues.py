"""Event queues of a declared depth: what happens to the events that find no room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.events import SPARE, Window
from evsim.parts import kernel, mismatch, nearest

POLICIES = ("drop_new", "drop_old", "stall", "error")


@dataclass(frozen=True)
class Queue:
    """The queue of every set, or of those from one source: `depth` events fit in a timestep.

    drop_new: of more, in order of source index, the last are lost; drop_old: the first; stall:
    none, but the excess is counted; error: the run ends. `shared`: one queue for all sets, whose
    events come in order of visits of their targets and of names of sets.
    """

    depth: int
    policy: str = "drop_new"
    source: str | None = None  # the population whose events queue; None: every one
    shared: bool = False

    def __post_init__(self):
        if self.depth < 1:
            raise mismatch(self.depth, "at least 1", "depth")
        if self.policy not in POLICIES:
            known = f"one of {', '.join(POLICIES)}{nearest(str(self.policy), POLICIES)}"
            raise mismatch(repr(self.policy), known, "policy")
        if self.shared and self.policy == "drop_old":  # it was delivered before the new one came
            raise mismatch("'drop_old'", "another one of a shared queue", "policy")

    @property
    def drops(self) -> bool:
        return self.policy.startswith("drop")

    def holds(self, source: str) -> bool:
        """Whether the events of a population queue."""
        return self.source in (None, source)

    def cut(self, window: Window, positions: int, room: np.ndarray) -> Window:
        """The events that are delivered, of each timestep as many as `room` says."""
        size = int(window.offsets[-1] - window.offsets[0])
        channels = np.zeros(size + SPARE, np.int32)
        values = np.zeros(0 if window.values is None else size + SPARE, np.float64)
        old = values if window.values is None else window.values
        values = values.astype(old.dtype)
        offsets = np.zeros(window.offsets.size, np.int64)
        rules = np.array([positions, self.policy == "drop_old"], np.int64)
        keep(window.channels, old, window.offsets, rules, room, channels, values, offsets)
        return Window(channels, None if window.values is None else values, offsets)


@kernel
def keep(channels, values, offsets, rules, room, kept_channels, kept_values, kept_offsets):
    """Copy the first `room` events of every timestep, or the last; `rules`: positions, 1: last."""
    positions, n = rules[0], 0
    for t in range((offsets.shape[0] - 1) // positions):
        start, end = offsets[t * positions], offsets[(t + 1) * positions]
        if end - start > room[t]:
            if rules[1] == 1:
                start = end - room[t]
            else:
                end = start + room[t]
        for p in range(positions):
            first = max(start, offsets[t * positions + p])
            last = min(end, offsets[t * positions + p + 1])
            for k in range(first, last):
                kept_channels[n] = channels[k]
                if values.shape[0] > 0:
                    kept_values[n] = values[k]
                n += 1
            kept_offsets[t * positions + p + 1] = n
