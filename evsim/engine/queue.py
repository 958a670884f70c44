"""Event queues of a declared depth: what happens to the events that find no room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from evsim.base.errors import mismatch, nearest
from evsim.base.kernel import SPARE
from evsim.engine.stream import Slice

POLICIES = ("drop_new", "drop_old", "stall", "error")


@dataclass(frozen=True)
class Queue:
    """The queue of every set, or of those from one source: `depth` events fit in a timestep.

    drop_new: of more, in order of source index, the last are lost; drop_old: the first; stall:
    they wait outside and are delivered in the same timestep, the excess is counted; error: the
    run ends. `policies`: those of the events of some populations, by name, where it is another.

    `shared`: one queue for all sets, whose events come in order of visits of their targets and of
    names of sets, or one for those of the same core, where `cores` has the core of each set. The
    events of a set take the room that the sets before it left; those that find none wait or are
    lost, as the policy of their source says. Events that wait take no room, but there is none for
    who comes after them.
    """

    depth: int
    policy: str = "drop_new"
    source: str | None = None  # the population whose events queue; None: every one
    shared: bool = False
    cores: Mapping[str, int] | None = None
    policies: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise mismatch(self.depth, "at least 1", "depth")
        own = {f"policies/{source}": policy for source, policy in self.policies.items()}
        for place, policy in {"policy": self.policy, **own}.items():
            if policy not in POLICIES:
                known = f"one of {', '.join(POLICIES)}{nearest(str(policy), POLICIES)}"
                raise mismatch(repr(policy), known, place)
            if self.shared and policy == "drop_old":  # it was delivered before the new one came
                raise mismatch("'drop_old'", "another one of a shared queue", place)

    def policy_of(self, source: str) -> str:
        """What becomes of the events of a population that find no room."""
        return self.policies.get(source, self.policy)

    def drops(self, source: str) -> bool:
        """Whether events of a population may be lost."""
        return self.holds(source) and self.policy_of(source).startswith("drop")

    def core(self, name: str) -> int:
        """The core in whose queue the events of a set wait, where it is shared."""
        return 0 if self.cores is None else self.cores[name]

    def holds(self, source: str) -> bool:
        """Whether the events of a population queue."""
        return self.source in (None, source)

    def cut(self, events: Slice, source: str, positions: int, room: np.ndarray) -> Slice:
        """The events of a population that are delivered: of each timestep, as `room` says."""
        first, last = int(events.offsets[0]), int(events.offsets[-1])
        ends = events.offsets[::positions]
        arrived = np.diff(ends)
        room = room[: arrived.size]  # what repeats has one timestep for all
        place = np.arange(first, last) - np.repeat(ends[:-1], arrived)
        if self.policy_of(source) == "drop_old":
            kept = place >= np.repeat(arrived - room, arrived)
        else:
            kept = place < np.repeat(room, arrived)
        offsets = np.concatenate([[0], kept.cumsum()])[events.offsets - first]

        def some(column: np.ndarray) -> np.ndarray:
            return np.append(column[first:last][kept], np.zeros(SPARE, column.dtype))

        values = None if events.values is None else some(events.values)
        return Slice(some(events.channels), values, offsets)
