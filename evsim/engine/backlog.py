"""What happens, in one sample, to events that find no room in the queue of a set."""

from __future__ import annotations

import numpy as np

from evsim.base.errors import mismatch
from evsim.engine.delivery import Delivery
from evsim.engine.plan import Plan
from evsim.engine.stream import Slice, Stream


class Backlog:
    """The queues of a sample, where they have a depth.

    `room` of a set: how many of its events of each timestep of arrival fit, -1 before they came;
    `waiting` of a core: (timesteps,) events that are in its queue.
    """

    def __init__(self, plan: Plan, streams: dict[str, Stream], facts: dict[str, dict[str, int]]):
        self.plan, self.queue, self.streams, self.facts = plan, plan.queue, streams, facts
        self.rooms: dict[str, np.ndarray] = {}
        self.waiting: dict[int, np.ndarray] = {}

    def admit(self, delivery: Delivery, start: int, stop: int) -> Slice:
        """The events of timesteps start .. stop - 1 that a set delivers; what is lost is counted.

        Raises EvsimError where the policy is to end the run.
        """
        queue, source = self.queue, delivery.part.source
        stream, facts = self.streams[source], self.facts[delivery.name]
        sent = stream.slice(start, stop)
        if not queue.holds(source):
            return sent
        room, per_timestep = self.room(delivery, start, stop), stream.per_timestep(start, stop)
        excess = int(np.maximum(per_timestep - room, 0).sum())
        if not excess:
            return sent
        if queue.policy_of(source) == "error":
            late = int(np.flatnonzero(per_timestep > room)[0])
            events = queue.depth - room[late] + per_timestep[late]
            found = f"{events} events at timestep {start + late + delivery.part.delay}"
            place = f"synapses/{delivery.name}"
            raise mismatch(found, f"at most {queue.depth}, the depth of its queue", place)
        if not queue.drops(source):
            facts["stalled"] += excess
            return sent
        kept = queue.cut(sent, source, stream.positions, room)
        facts["dropped"] += excess
        lost = delivery.fan_out(sent, stream) - delivery.fan_out(kept, stream)
        facts["dropped_synops"] += lost * (stop - start if stream.repeats else 1)
        return kept

    def room(self, delivery: Delivery, start: int, stop: int) -> np.ndarray:
        """How many events of each timestep of emission find room in the queue of a set."""
        queue, delay = self.queue, delivery.part.delay
        if not queue.shared:
            return np.full(stop - start, queue.depth)
        nobody_yet = np.full(self.plan.timesteps, -1)
        room = self.rooms.setdefault(delivery.name, nobody_yet)
        new = np.flatnonzero(room[start + delay : stop + delay] < 0)
        if new.size:  # the first to ask comes in the order in which events queue
            per_timestep = self.streams[delivery.part.source].per_timestep(start, stop)[new]
            at = new + start + delay
            waiting = self.waiting.setdefault(
                queue.core(delivery.name), np.zeros(self.plan.timesteps, np.int64)
            )
            room[at] = np.maximum(queue.depth - waiting[at], 0)
            waiting[at] += np.minimum(per_timestep, room[at])
        return room[start + delay : stop + delay]
