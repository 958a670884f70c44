"""How the events of a sample arrive: from streams through sets into currents."""

from __future__ import annotations

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.width import BASE
from evsim.engine.arrival import Arrival
from evsim.engine.backlog import Backlog
from evsim.engine.delivery import INT32_MAX, Delivery
from evsim.engine.loads import Loads
from evsim.engine.marks import unite
from evsim.engine.plan import Plan
from evsim.engine.recorder import Recorder
from evsim.engine.stream import Slice, Stream
from evsim.engine.workspace import Workspace
from evsim.synapses import Added


class Inbox:
    """What arrives at the populations of one sample.

    `take` gives the events of a block, counted once; `deliver` adds them to currents, `count`
    only counts them. `streams` by population, `facts` by part and `states` by population are the
    simulation's.
    """

    def __init__(
        self,
        plan: Plan,
        streams: dict[str, Stream],
        facts: dict[str, dict[str, int]],
        states: dict[str, dict[str, np.ndarray]],
        recorder: Recorder,
        workspace: Workspace,
    ):
        self.plan, self.streams, self.facts, self.states = plan, streams, facts, states
        self.recorder, self.workspace = recorder, workspace
        self.backlog = None if plan.queue is None else Backlog(plan, streams, facts)
        self.loads = Loads(plan, streams)
        self.repeated: dict[str, tuple] = {}  # by set: what a timestep of a repeating source does

    def take(self, name: str, first: int, last: int) -> list[Arrival]:
        """What arrives at a population from timestep `first` to before `last`, set by set."""
        return [self._take(delivery, first, last) for delivery in self.plan.incoming[name]]

    def _take(self, delivery: Delivery, first: int, last: int) -> Arrival:
        name, delay = delivery.name, delivery.part.delay
        stream = self.streams[delivery.part.source]
        start, stop = max(first - delay, 0), last - delay
        if start < stop:
            start, stop = stream.within(start, stop)
        if start >= stop:
            return Arrival(delivery, stream, stream.slice(stream.first, stream.first), last, last)
        if self.backlog is None:
            events = stream.slice(start, stop)
        else:
            events = self.backlog.admit(delivery, start, stop)
        arrival = Arrival(delivery, stream, events, start + delay, stop + delay)
        facts, count = self.facts[name], int(events.offsets[-1] - events.offsets[0])
        facts["arrivals"] += count * (arrival.steps if stream.repeats else 1)
        if facts.get("first_arrivals") == 0:
            self._keep_first(arrival)
        self.loads.add_carried(name, events, arrival.steps)
        self.recorder.arrived(arrival)
        return arrival

    def _keep_first(self, arrival: Arrival) -> None:
        """Count the first timestep in which any event arrives: it is all that a cache is told."""
        delivery, stream, events, begin, _ = arrival
        positions, facts = stream.positions, self.facts[delivery.name]
        arrivals = np.diff(events.offsets[::positions])
        arriving = np.flatnonzero(arrivals)
        if arriving.size:
            cells = slice(arriving[0] * positions, (arriving[0] + 1) * positions + 1)
            one = events._replace(offsets=events.offsets[cells])
            facts["first_arrivals"] = int(arrivals[arriving[0]])
            facts["first_macs"] = delivery.fan_out(one, stream)
            facts["after_first"] = self.plan.timesteps - 1 - begin - int(arriving[0])

    def currents(self, name: str, steps: int, what: str = "currents", dtype=None) -> np.ndarray:
        """Zeros (timesteps, positions, channels) for the currents of a population."""
        part = self.plan.network.populations[name].listening
        shape = (steps, part.positions, part.channels)
        zeros = self.workspace.array(what, shape, dtype or self.plan.currents_dtype[name])
        zeros.fill(0)
        return zeros

    def deliver(
        self, name: str, arrivals: list[Arrival], first: int, last: int, currents=None
    ) -> np.ndarray:
        """Add what arrives in a block to `currents`; returns who was reached.

        `currents` (timesteps, positions, channels); without them events are only counted.
        Returns marks (timesteps, positions, 1 or channels), 1 where an event arrived.
        """
        part = self.plan.network.populations[name].listening
        whole = all(arrival.delivery.connections.whole_positions for arrival in arrivals)
        shape, channels = (last - first, part.positions), part.channels
        reached = self._marks("reached", (*shape, 1 if whole else channels))
        for arrival in arrivals:
            marks = reached
            if len(arrivals) > 1:
                width = 1 if arrival.delivery.connections.whole_positions else channels
                marks = self._marks("marks", (*shape, width))
            if arrival.steps:
                block = slice(arrival.begin - first, arrival.end - first)
                if currents is None and not arrival.delivery.connections.whole_positions:
                    currents = self.currents(name, last - first)
                self._add_all(arrival, None if currents is None else currents[block], marks[block])
            touched = marked(marks, channels)
            self.facts[arrival.delivery.name]["touched"] += touched
            if len(arrivals) > 1:
                unite(reached, marks)
        if len(arrivals) != 1:
            touched = marked(reached, channels)
        self.facts[name]["touched"] += touched
        return reached

    def _marks(self, what: str, shape: tuple[int, ...]) -> np.ndarray:
        marks = self.workspace.array(what, shape, np.uint8)
        marks.fill(0)
        return marks

    def _add_all(self, arrival: Arrival, currents: np.ndarray | None, marks: np.ndarray) -> None:
        """Deliver what arrives of one set, and count what that took."""
        delivery, stream, events, begin, _ = arrival
        facts = self.facts[delivery.name]
        if stream.repeats:
            added = self._repeat(arrival, currents, marks)
        elif currents is None:
            unvalued = events._replace(values=None)
            added = delivery.deliver(unvalued, None, marks, self.workspace)
        else:
            added = self.add(delivery, events, currents, marks, begin)
        facts["rows"] += added.rows
        facts["macs" if delivery.graded else "synops"] += added.additions
        facts["zero_synops"] += added.zeros

    def _repeat(self, arrival: Arrival, currents, marks) -> Added:
        """Deliver the one timestep of a source that sends it again and again."""
        name = arrival.delivery.name
        if name not in self.repeated:
            current = np.zeros((1, *currents.shape[1:]), currents.dtype)
            mark = np.zeros((1, *marks.shape[1:]), np.uint8)
            added = self.add(arrival.delivery, arrival.events, current, mark)
            self.repeated[name] = current, mark, added
        current, mark, added = self.repeated[name]
        currents += current
        marks |= mark
        return Added(*(arrival.steps * count for count in added))

    def add(self, delivery: Delivery, events: Slice, currents, marks, first: int = 0) -> Added:
        """Add events that arrive from timestep `first` on, through the set's scale if it has one.

        Raises EvsimError where a current of whole weights leaves int32 before it is scaled.
        """
        if events.values is not None and events.values.dtype != delivery.dtype:
            events = events._replace(values=events.values.astype(delivery.dtype))
        if delivery.width is not None:
            report = self.states[delivery.part.target]["arrivals"]
            report[BASE] = first * currents[0].size
            return delivery.deliver(events, currents, marks, self.workspace, report)
        if delivery.scale is None:
            return delivery.deliver(events, currents, marks, self.workspace)
        unscaled = self.workspace.array("unscaled", currents.shape, delivery.dtype)
        unscaled.fill(0)
        added = delivery.deliver(events, unscaled, marks, self.workspace)
        outside = unscaled.dtype == np.int64 and (unscaled > INT32_MAX) | (
            unscaled < -INT32_MAX - 1
        )
        if np.any(outside):
            t, position, channel = np.argwhere(outside)[0]
            raise mismatch(
                f"a current of {unscaled[t, position, channel]} from {delivery.name!r} at timestep "
                f"{first + t}, neuron {position * unscaled.shape[2] + channel}",
                "values within int32",
            )
        currents += unscaled.astype(self.plan.dtype) * delivery.scale
        return added

    def count(self, name: str, arrivals: list[Arrival], first: int, last: int) -> np.ndarray:
        """How many events reach each neuron at each timestep, (timesteps, positions, channels)."""
        total = np.zeros(self.currents(name, last - first, "counts", np.int32).shape, np.int32)
        marks = np.zeros(total.shape, np.uint8)
        for delivery, _, events, begin, end in arrivals:
            if begin < end:
                block = slice(begin - first, end - first)
                width = 1 if delivery.connections.whole_positions else total.shape[2]
                unvalued = events._replace(values=None)
                scratch = marks[block, :, :width].copy()
                delivery.count(unvalued, total[block], scratch, self.workspace)
        return total

    def charge(self, name: str) -> np.ndarray:
        """The sum of charge * weight over all sources of a population, (positions, channels).

        That is what the slopes add up to by the end of the window: an event s at timestep a of
        its N timesteps adds s * weight N - a times, a pair of events weight * charge.
        """
        total = self.currents(name, 1)
        marks = np.zeros((*total.shape[:2], total.shape[2]), np.uint8)
        for delivery in self.plan.incoming[name]:
            width = 1 if delivery.connections.whole_positions else total.shape[2]
            charged = self.streams[delivery.part.source].charged()
            self.add(delivery, charged, total, marks[:, :, :width].copy())
        return total[0]


def marked(reached: np.ndarray, channels: int) -> int:
    """How many neurons are marked; a mark is one neuron's or a whole position's."""
    return int(np.count_nonzero(reached.view(bool))) * (channels // reached.shape[2])
