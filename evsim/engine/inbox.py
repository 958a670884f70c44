"""How the events of a sample arrive: from event queues through sets into currents."""

from __future__ import annotations

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.kernel import kernel
from evsim.base.width import BASE
from evsim.engine.plan import INT32_MAX, Delivery, Plan
from evsim.engine.stream import Stream, Window
from evsim.engine.workspace import Workspace
from evsim.synapses import Turns

NOBODY = np.zeros(0, np.int32)


class Arrivals:
    """The event queues of one sample, and what happens to events on arrival.

    `streams[population]`, `facts[part]`, `queues[set]`; `repeated[set]` is what one timestep of a
    repeating source does.
    """

    plan: Plan
    space: Workspace
    streams: dict[str, Stream]
    facts: dict[str, dict[str, int]]
    queues: dict[str, np.ndarray]
    states: dict[str, dict[str, np.ndarray]]
    repeated: dict[str, tuple]
    shares: bool  # whether all sets share one queue, then:
    rooms: dict[str, np.ndarray]  # by set: events of each timestep of arrival that find room
    waiting: dict[int, np.ndarray]  # by core: (timesteps,) events that are in the queue
    carriers: dict[str, tuple]
    carried: dict[tuple, np.ndarray]  # by carrier: (neurons,) events that arrived
    delivered: dict[str, tuple[np.ndarray, list]]  # where recorded, by set: see Sample.arrivals
    largest: dict[str, float]  # by graded population: of the values it sent

    def currents(self, name: str, steps: int, what: str = "currents", dtype=None) -> np.ndarray:
        """Zeros (timesteps, positions, channels) for the currents of a population."""
        part = self.plan.network.populations[name].listening
        shape = (steps, part.positions, part.channels)
        found = self.space.array(what, shape, dtype or self.plan.currents_dtype[name])
        found.fill(0)
        return found

    def arrive(self, name: str, first: int, last: int, currents: np.ndarray | None) -> np.ndarray:
        """Add the events that arrive in the block to `currents`; returns who was reached.

        Without `currents` they are only counted.
        """
        incoming, part = self.plan.incoming[name], self.plan.network.populations[name].listening
        whole = all(d.connections.whole_positions for d in incoming)
        shape, channels = (last - first, part.positions), part.channels
        reached = self.space.array("reached", (*shape, 1 if whole else channels), np.uint8)
        reached.fill(0)
        for delivery in incoming:
            marks = reached
            if len(incoming) > 1:
                width = 1 if delivery.connections.whole_positions else channels
                marks = self.space.array("marks", (*shape, width), np.uint8)
                marks.fill(0)
            self.deliver(delivery, first, last, currents, marks)
            touched = marked(marks, channels)
            self.facts[delivery.name]["touched"] += touched
            if len(incoming) > 1:
                reached |= marks
        if len(incoming) != 1:
            touched = marked(reached, channels)
        self.facts[name]["touched"] += touched
        return reached

    def unsafe(self, name: str) -> bool:
        """Whether sums of floats in a population have to be checked, timestep by timestep.

        What reaches it until now was sent before: its largest value bounds them.
        """
        plan = self.plan
        return name not in plan.safe and not plan.reach(name, self.largest) < plan.most

    def window(self, delivery: Delivery, first: int, last: int):
        """The events of a set that arrive from timestep `first` to before `last`.

        Returns (stream, window, the timesteps at which they begin and end to arrive).
        """
        delay, stream = delivery.part.delay, self.streams[delivery.part.source]
        start, stop = max(first - delay, 0), last - delay
        if start < stop:
            start, stop = stream.within(start, stop)
        if start >= stop:
            return stream, stream.window(stream.first, stream.first), last, last
        window = self.queued(delivery, start, stop)
        return stream, window, start + delay, stop + delay

    def queued(self, delivery: Delivery, start: int, stop: int) -> Window:
        """The events of timesteps start .. stop - 1 that find room in the queue of a set."""
        source, queue = delivery.part.source, self.plan.queue
        stream = self.streams[source]
        window = stream.window(start, stop)
        if queue is None or not queue.holds(source):
            return window
        room, per_timestep = self.room(delivery, start, stop), stream.per_timestep(start, stop)
        if not queue.drops(source) or (per_timestep <= room).all():
            return window
        return queue.cut(window, source, stream.positions, room)

    def room(self, delivery: Delivery, start: int, stop: int) -> np.ndarray:
        """How many events of each timestep of emission find room in the queue of a set."""
        queue, delay = self.plan.queue, delivery.part.delay
        if not queue.shared:
            return np.full(stop - start, queue.depth)
        room = self.rooms.setdefault(delivery.name, np.full(self.plan.timesteps, -1))
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

    def overflow(self, delivery: Delivery, stream: Stream, start: int, stop: int) -> None:
        """Count what finds no room in the queue of a set; `start` and `stop` are of emission."""
        queue, facts, source = self.plan.queue, self.facts[delivery.name], delivery.part.source
        if not queue.holds(source):
            return
        room, per_timestep = self.room(delivery, start, stop), stream.per_timestep(start, stop)
        excess = int(np.maximum(per_timestep - room, 0).sum())
        if not excess:
            return
        if queue.policy_of(source) == "error":
            late = int(np.flatnonzero(per_timestep > room)[0])
            events = queue.depth - room[late] + per_timestep[late]
            found = f"{events} events at timestep {start + late + delivery.part.delay}"
            place = f"synapses/{delivery.name}"
            raise mismatch(found, f"at most {queue.depth}, the depth of its queue", place)
        facts["dropped" if queue.drops(source) else "stalled"] += excess
        if queue.drops(source):
            times = stop - start if stream.repeats else 1
            for window, sign in (
                (stream.window(start, stop), 1),
                (self.queued(delivery, start, stop), -1),
            ):
                facts["dropped_synops"] += sign * times * self.fan_out(delivery, window)

    def keep_first(self, delivery: Delivery, window: Window, begin: int) -> None:
        """Count the first timestep in which any event arrives: it is all that a cache is told."""
        positions, facts = self.streams[delivery.part.source].positions, self.facts[delivery.name]
        arrivals = np.diff(window.offsets[::positions])
        some = np.flatnonzero(arrivals)
        if some.size:
            cells = slice(some[0] * positions, (some[0] + 1) * positions + 1)
            one = window._replace(offsets=window.offsets[cells])
            facts["first_arrivals"] = int(arrivals[some[0]])
            facts["first_macs"] = self.fan_out(delivery, one)
            facts["after_first"] = self.plan.timesteps - 1 - begin - int(some[0])

    def fan_out(self, delivery: Delivery, window: Window) -> int:
        """The sum of the fan-outs of the sources of the events of a window."""
        stream = self.streams[delivery.part.source]
        cells = np.arange(window.offsets.size - 1) % stream.positions
        cells = np.repeat(cells, np.diff(window.offsets))
        channels = window.channels[window.offsets[0] : window.offsets[-1]]
        return int(delivery.connections.fan_out[cells * stream.width + channels].sum())

    def take(self, delivery: Delivery, first: int, last: int):
        """The same, and they are counted as arrivals."""
        stream, window, begin, end = self.window(delivery, first, last)
        if begin < end:
            arrivals = int(window.offsets[-1] - window.offsets[0])
            times = end - begin if stream.repeats else 1
            self.facts[delivery.name]["arrivals"] += arrivals * times
            delay = delivery.part.delay
            if self.plan.queue is not None:
                self.overflow(delivery, stream, begin - delay, end - delay)
                if self.facts[delivery.name].get("first_arrivals") == 0:
                    self.keep_first(delivery, window, begin)
            if self.queues:
                per_timestep = stream.per_timestep(begin - delay, end - delay)
                self.queues[delivery.name][begin:end] = per_timestep
            if self.shares:
                self.carry(delivery, window, end - begin)
            if self.delivered:
                self.note(delivery, window, begin, end)
        return stream, window, begin, end

    def note(self, delivery: Delivery, window: Window, begin: int, end: int) -> None:
        """Record the events of a window, which are delivered from timestep `begin` to `end`."""
        stream, (per_timestep, sources) = (
            self.streams[delivery.part.source],
            self.delivered[delivery.name],
        )
        cells = np.arange(window.offsets.size - 1) % stream.positions * stream.width
        neurons = np.repeat(cells, np.diff(window.offsets))
        neurons += window.channels[window.offsets[0] : window.offsets[-1]]
        times = end - begin if stream.repeats else 1
        per_timestep[begin:end] = np.diff(window.offsets[:: stream.positions])
        sources.append(np.tile(neurons.astype(np.int32), times))

    def deliver(self, delivery: Delivery, first: int, last: int, currents, marks) -> None:
        """Deliver the events of one set that arrive from timestep `first` to before `last`."""
        stream, window, begin, end = self.take(delivery, first, last)
        if begin == end:
            return
        facts, arriving = self.facts[delivery.name], slice(begin - first, end - first)
        if currents is None and not delivery.connections.whole_positions:
            currents = self.currents(delivery.part.target, last - first)
        some = None if currents is None else currents[arriving]
        if stream.repeats:
            turns = self.repeat(delivery, stream, end - begin, some, marks[arriving])
        elif some is None:
            window = window._replace(values=None)
            turns = delivery.deliver(window, None, marks[arriving], self.space)
        else:
            turns = self.add(delivery, window, some, marks[arriving], begin)
        facts["rows"] += turns.rows
        facts["macs" if delivery.graded else "synops"] += turns.additions
        facts["zero_synops"] += turns.zeros

    def carry(self, delivery: Delivery, window: Window, steps: int) -> None:
        """Count the events of each source neuron that its synapses carry."""
        carried = self.carried[self.carriers[delivery.name]]
        self.tally(delivery.part.source, window, steps, carried)

    def collect_carried(self, delivery: Delivery, first: int, last: int) -> None:
        """Count the events of each neuron in the window that a delay lets arrive in time."""
        stream, delay = self.streams[delivery.part.source], delivery.part.delay
        first, end = stream.within(first, min(last, self.plan.timesteps - delay))
        if end > first:
            self.carry(delivery, self.queued(delivery, first, end), end - first)

    def tally(self, source: str, window: Window, steps: int, per_neuron: np.ndarray) -> None:
        """Add the events of a window of `steps` timesteps to those of each neuron (neurons,)."""
        stream = self.streams[source]
        times = steps if stream.repeats else 1
        each = per_neuron.reshape(stream.positions, -1)
        tally(window.channels, window.offsets, times, each)

    def add(self, delivery: Delivery, window: Window, currents, marks, first: int = 0) -> Turns:
        """Add the events of a window to the currents, through the set's scale if it has one.

        `first` is the timestep at which they begin.
        """
        if window.values is not None and window.values.dtype != delivery.dtype:
            window = window._replace(values=window.values.astype(delivery.dtype))
        if delivery.width is not None:
            report = self.states[delivery.part.target]["arrivals"]
            report[BASE] = first * currents[0].size
            return delivery.deliver(window, currents, marks, self.space, report)
        if delivery.scale is None:
            return delivery.deliver(window, currents, marks, self.space)
        own = self.space.array("unscaled", currents.shape, delivery.dtype)
        own.fill(0)
        turns = delivery.deliver(window, own, marks, self.space)
        outside = own.dtype == np.int64 and (own > INT32_MAX) | (own < -INT32_MAX - 1)
        if np.any(outside):
            t, position, channel = np.argwhere(outside)[0]
            raise mismatch(
                f"a current of {own[t, position, channel]} from {delivery.name!r} at timestep "
                f"{first + t}, neuron {position * own.shape[2] + channel}",
                "values within int32",
            )
        currents += own.astype(self.plan.dtype) * delivery.scale
        return turns

    def repeat(self, delivery: Delivery, stream: Stream, steps: int, currents, marks) -> Turns:
        """The same for a source that sends the same events at every timestep."""
        if delivery.name not in self.repeated:
            current = np.zeros((1, *currents.shape[1:]), currents.dtype)
            mark = np.zeros((1, *marks.shape[1:]), np.uint8)
            turns = self.add(delivery, self.queued(delivery, 0, 1), current, mark)
            self.repeated[delivery.name] = current, mark, turns
        current, mark, turns = self.repeated[delivery.name]
        currents += current
        marks |= mark
        return Turns(*(steps * n for n in turns))

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

    def arrived(self, name: str, first: int, last: int) -> np.ndarray:
        """How many events reach each neuron at each timestep, (timesteps, positions, channels)."""
        total = np.zeros(self.currents(name, last - first, "counts", np.int32).shape, np.int32)
        marks = np.zeros(total.shape, np.uint8)
        for delivery in self.plan.incoming[name]:
            _, window, begin, end = self.window(delivery, first, last)
            if begin < end:
                some = slice(begin - first, end - first)
                width = 1 if delivery.connections.whole_positions else total.shape[2]
                window = window._replace(values=None)
                delivery.count(window, total[some], marks[some, :, :width].copy(), self.space)
        return total


def marked(reached: np.ndarray, channels: int) -> int:
    """How many neurons are marked; a mark is one neuron's or a whole position's."""
    return int(np.count_nonzero(reached.view(bool))) * (channels // reached.shape[2])


@kernel
def tally(channels, offsets, times, per_neuron):
    """per_neuron[p, c] += times for every event of a window."""
    for source in range(offsets.shape[0] - 1):
        row = per_neuron[source % per_neuron.shape[0]]
        for k in range(offsets[source], offsets[source + 1]):
            row[channels[k]] += times
