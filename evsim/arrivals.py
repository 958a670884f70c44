"""How the events of a sample arrive: from event queues through sets into currents."""

from __future__ import annotations

import numpy as np

from evsim.events import Stream, Window
from evsim.memory import Space
from evsim.parts import mismatch
from evsim.plan import INT32_MAX, Delivery, Plan
from evsim.synapses import Turns
from evsim.widths import BASE


class Arrivals:
    """The event queues of one sample, and what happens to events on arrival.

    `streams[population]`, `facts[part]`, `queues[set]`; `repeated[set]` is what one timestep of a
    repeating source does.
    """

    plan: Plan
    space: Space
    streams: dict[str, Stream]
    facts: dict[str, dict[str, int]]
    queues: dict[str, np.ndarray]
    states: dict[str, dict[str, np.ndarray]]
    repeated: dict[str, tuple]

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
        return stream, stream.window(start, stop), start + delay, stop + delay

    def take(self, delivery: Delivery, first: int, last: int):
        """The same, and they are counted as arrivals."""
        stream, window, begin, end = self.window(delivery, first, last)
        if begin < end:
            arrivals = int(window.offsets[-1] - window.offsets[0])
            times = end - begin if stream.repeats else 1
            self.facts[delivery.name]["arrivals"] += arrivals * times
            if self.queues:
                delay = delivery.part.delay
                per_timestep = stream.per_timestep(begin - delay, end - delay)
                self.queues[delivery.name][begin:end] = per_timestep
        return stream, window, begin, end

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
            turns = self.add(delivery, stream.window(0, 1), current, mark)
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
