"""The windowed engine: one sample, and many samples on threads."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from dataclasses import dataclass, field

import numpy as np

from evsim.codings import Key
from evsim.counts import facts_of
from evsim.events import Stream
from evsim.memory import Space, cores
from evsim.parts import EvsimError, kernel, mismatch
from evsim.plan import INT32_MAX, Delivery, Plan
from evsim.settings import Settings, values_of
from evsim.synapses import Turns


class Stopped(Exception):
    """The run was asked to stop."""


@dataclass
class Sample:
    """What one sample gave."""

    index: int  # in the data file
    facts: dict[str, dict[str, int]]
    histograms: dict[str, np.ndarray]  # set: synapses by the number of events they carried
    potential: np.ndarray  # of the output population, or the sums of its event values
    decisions: np.ndarray  # by timestep
    spikes: dict[str, tuple] = field(default_factory=dict)
    trace: dict[str, np.ndarray] = field(default_factory=dict)
    queues: dict[str, np.ndarray] = field(default_factory=dict)
    rates: dict[str, np.ndarray] = field(default_factory=dict)  # events of each neuron


class Simulation:
    """One sample on its way through a network."""

    def __init__(self, plan: Plan, index: int, values, space: Space, stop: threading.Event):
        self.plan, self.network, self.index, self.values = plan, plan.network, index, values
        self.space, self.stop = space, stop
        populations, synapses = self.network.populations, self.network.synapses
        self.facts = {
            name: dict.fromkeys(facts_of(part.kind, name in synapses), 0)
            for name, part in (*populations.items(), *synapses.items())
        }
        self.streams, self.states, self.out = {}, {}, {}
        for name, part in populations.items():
            if part.sends:
                repeats = name == self.network.input and plan.coding.REPEATS
                stream = space.held.setdefault(
                    f"events of {name}", Stream(part.positions, part.channels)
                )
                stream.clear(self._valued(name), repeats)
                self.streams[name] = stream
            if name != self.network.input:
                self.states[name] = plan.neurons[name].begin()
            if part.sends:
                self.out[name] = self.streams[name]
            else:
                dtype = self.states[name]["potential"].dtype
                self.out[name] = np.empty((plan.timesteps, part.neurons), dtype)
        self.repeated = {}  # set: what one timestep of a repeating source does
        self.carried = {  # (source, delay): events that each source neuron has delivered
            (s.source, s.delay): np.zeros(populations[s.source].neurons, np.int64)
            for s in synapses.values()
        }
        self.sums = np.zeros((plan.timesteps, populations[self.network.output].neurons))
        self.spikes = {name: [] for name in self._recorded()}
        traced = [n for n in self.states if "trace" in plan.record]
        self.trace = {
            n: np.empty((plan.timesteps, populations[n].neurons), self.states[n]["potential"].dtype)
            for n in traced
            if "potential" in self.states[n]
        }
        queued = synapses if "queues" in plan.record else ()
        self.queues = {name: np.zeros(plan.timesteps, np.int64) for name in queued}

    def _valued(self, name: str):
        """The dtype of a population's event values; None where all are +1."""
        name = self.network.origin(name)
        if name != self.network.input:
            part = self.network.populations[name]
            return self.plan.dtype if part.graded or part.signed else None
        return self.plan.dtype if self.plan.coding.signed(self.values) else None

    def _recorded(self) -> list[str]:
        if "spikes" not in self.plan.record:
            return []
        graded = self.plan.graded_input
        return [n for n in self.streams if not (n == self.network.input and graded)]

    def run(self) -> Sample:
        """Advance every population through all timesteps, in windows."""
        self.advance_all(self.plan.timesteps)
        return self.result()

    def advance_all(self, timesteps: int) -> None:
        """Advance every population to before timestep `timesteps`, in windows."""
        for first in range(0, timesteps, self.plan.window):
            last = min(first + self.plan.window, timesteps)
            for stage in self.network.stages:
                for a in range(first, last, stage.window or last):
                    b = min(a + (stage.window or last), last)
                    for name in stage.populations:
                        self.advance(name, a, b)
            self.collect(first, last)

    def advance(self, name: str, first: int, last: int) -> None:
        """Advance one population from timestep `first` to before `last`, block by block."""
        if name == self.network.input:
            self.encode(first, last)
            return
        part, facts = self.network.populations[name], self.facts[name]
        for a in range(first, last, self.plan.block(name)):
            if self.stop.is_set():
                raise Stopped
            b = min(a + self.plan.block(name), last)
            if part.passes:
                self.pass_on(name, a, b)
                continue
            shape = (b - a, part.positions, part.channels)
            currents = self.space.array("currents", shape, self.plan.currents_dtype[name])
            currents.fill(0)
            neurons = self.plan.neurons[name]
            try:
                reached = self.arrive(name, a, b, currents)
                if neurons.all_restless:  # nobody asks who was reached
                    reached = reached[:, :0]
                active = neurons.advance(self.states[name], currents, reached, a, self.out[name])
            except EvsimError as error:
                raise error.within(f"populations/{name}, sample {self.index}") from None
            facts["updates"] += part.listening(a, b) * part.neurons
            facts["active_updates"] += active
            if name in self.trace:
                self.trace[name][a:b] = self.states[name]["potential"].reshape(1, -1)

    def encode(self, first: int, last: int) -> None:
        """Append the events of the input population."""
        plan, stream = self.plan, self.streams[self.network.input]
        self.facts[self.network.input]["draws"] += (
            plan.coding.DRAWS * (last - first) * stream.positions * stream.width
        )
        if stream.repeats and stream.steps:
            return
        rest = plan.timesteps, self.network.window
        key = Key(plan.seed, self.index, plan.population_index, *rest)
        plan.coding.encode(self.values, first, last - first, key, stream)

    def arrive(self, name: str, first: int, last: int, currents: np.ndarray) -> np.ndarray:
        """Add the events that arrive in the block to `currents`; returns who was reached."""
        incoming = self.plan.incoming[name]
        whole = all(d.connections.whole_positions for d in incoming)
        steps, positions, channels = currents.shape
        reached = self.space.array(
            "reached", (steps, positions, 1 if whole else channels), np.uint8
        )
        reached.fill(0)
        for delivery in incoming:
            marks = reached
            if len(incoming) > 1:
                width = 1 if delivery.connections.whole_positions else channels
                marks = self.space.array("marks", (steps, positions, width), np.uint8)
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

    def pass_on(self, name: str, first: int, last: int) -> None:
        """Let the events of its one set that arrive in the block through a max pool."""
        [delivery] = self.plan.incoming[name]
        facts, own = self.facts[delivery.name], self.facts[name]
        stream, window, begin = self.take(delivery, first, last)
        turns, touched = self.plan.neurons[name].advance(
            self.states[name], window, stream.repeats, last - first, begin - first, self.out[name]
        )
        facts["macs" if delivery.graded else "synops"] += turns
        own["gate_updates"] += turns
        for touching in (facts, own):
            touching["touched"] += touched

    def take(self, delivery: Delivery, first: int, last: int):
        """Take the events of a set that arrive from timestep `first` to before `last`.

        Returns (stream, window, the first timestep at which any of them could arrive).
        """
        part, stream = delivery.part, self.streams[delivery.part.source]
        begin = max(first, part.delay)
        if begin >= last:
            return stream, stream.window(stream.first, stream.first), last
        window = stream.window(begin - part.delay, last - part.delay)
        arrivals = int(window.offsets[-1] - window.offsets[0])
        times = last - begin if stream.repeats else 1
        self.facts[delivery.name]["arrivals"] += arrivals * times
        if self.queues:
            per_timestep = stream.per_timestep(begin - part.delay, last - part.delay)
            self.queues[delivery.name][begin:last] = per_timestep
        return stream, window, begin

    def deliver(self, delivery: Delivery, first: int, last: int, currents, marks) -> None:
        """Deliver the events of one set that arrive from timestep `first` to before `last`."""
        stream, window, begin = self.take(delivery, first, last)
        if begin == last:
            return
        facts, arriving = self.facts[delivery.name], slice(begin - first, None)
        if stream.repeats:
            turns = self.repeat(delivery, stream, last - begin, currents[arriving], marks[arriving])
        else:
            turns = self.add(delivery, window, currents[arriving], marks[arriving], begin)
        facts["rows"] += turns.rows
        facts["macs" if delivery.graded else "synops"] += turns.additions
        facts["zero_synops"] += turns.zeros

    def add(self, delivery: Delivery, window, currents, marks, first: int = 0) -> Turns:
        """Add the events of a window to the currents, through the set's scale if it has one.

        `first` is the timestep at which they begin.
        """
        if window.values is not None and window.values.dtype != delivery.dtype:
            window = window._replace(values=window.values.astype(delivery.dtype))
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

    def collect(self, first: int, last: int) -> None:
        """Take the facts of a finished window from the event queues; drop what is done with."""
        for name, stream in self.streams.items():
            facts, outgoing = self.facts[name], self.plan.outgoing[name]
            per_timestep = stream.per_timestep(first, last)
            facts["spikes"] += int(per_timestep.sum())
            facts["peak"] = max(facts["peak"], int(per_timestep.max(initial=0)))
            for delay in {d.part.delay for d in outgoing}:
                self.carry(name, delay, first, last)
            if name in self.spikes or name == self.network.output:
                timesteps, neurons, values = stream.events(first, last)
                if name in self.spikes:
                    self.spikes[name].append((timesteps, neurons, values))
                if name == self.network.output:
                    np.add.at(self.sums, (timesteps, neurons), values)
            if last < self.plan.timesteps:
                stream.forget(last - max((d.part.delay for d in outgoing), default=0))

    def carry(self, name: str, delay: int, first: int, last: int) -> None:
        """Count the events of each neuron in the window that a delay lets arrive in time."""
        stream, carried = self.streams[name], self.carried[name, delay]
        end = min(last, self.plan.timesteps - delay)
        if end <= first:
            return
        window = stream.window(first, end)
        grid = carried.reshape(stream.positions, stream.width)
        tally(window.channels, window.offsets, (end - first) if stream.repeats else 1, grid)

    def result(self) -> Sample:
        """The sample's facts, decision and recordings."""
        network, output = self.network, self.network.output
        for name in self.streams:
            facts, outgoing = self.facts[name], self.plan.outgoing[name]
            facts["pushes"] = facts["spikes"] * len(outgoing)
            for delivery in outgoing:
                missing = facts["spikes"] - self.facts[delivery.name]["arrivals"]
                self.facts[delivery.name]["undelivered"] = missing
        by_timestep = self.sums.cumsum(axis=0) if output in self.streams else self.out[output]
        histograms = {
            name: np.bincount(
                self.carried[s.source, s.delay],
                weights=network.connections[name].fan_out,
                minlength=self.plan.timesteps + 1,
            ).astype(np.int64)
            for name, s in network.synapses.items()
        }
        rates = {source: n for (source, delay), n in self.carried.items() if not delay}
        joined = {
            name: tuple(np.concatenate(c) for c in zip(*found, strict=True))
            for name, found in self.spikes.items()
        }
        return Sample(
            self.index,
            self.facts,
            histograms,
            by_timestep[-1].copy(),
            by_timestep.argmax(axis=1),
            joined,
            self.trace,
            self.queues,
            rates if "rates" in self.plan.record else {},
        )


@kernel
def tally(channels, offsets, times, carried):
    """carried[p, c] += times for every event of a window."""
    for source in range(offsets.shape[0] - 1):
        row = carried[source % carried.shape[0]]
        for k in range(offsets[source], offsets[source + 1]):
            row[channels[k]] += times


def marked(reached: np.ndarray, channels: int) -> int:
    """How many neurons are marked; a mark is one neuron's or a whole position's."""
    return int(np.count_nonzero(reached.view(bool))) * (channels // reached.shape[2])


def warm(plan: Plan, values) -> None:
    """Advance one sample by a timestep: compiles, or loads, every kernel it calls."""
    with contextlib.suppress(EvsimError):  # the run meets it too, where it is no other sample's
        Simulation(plan, 0, values, Space(), threading.Event()).advance_all(1)


def simulate(
    plan: Plan, inputs, settings: Settings, jobs: int | None, stop: threading.Event, skip: int = 0
) -> Iterator[Sample]:
    """Run all samples on `jobs` threads and yield them in order.

    When `stop` is set, what is finished is still yielded, then Stopped is raised.
    """
    part = plan.network.populations[plan.network.input]
    spaces: dict[int, Space] = {}

    def one(index: int, values) -> Sample:
        space = spaces.setdefault(threading.get_ident(), Space())
        return Simulation(plan, index, values, space, stop).run()

    jobs = min(jobs or cores(), settings.samples)
    pending: deque[Future] = deque()
    todo = iter(range(skip, settings.samples))
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while not stop.is_set():
                while len(pending) < 2 * jobs and (index := next(todo, None)) is not None:
                    values = values_of(part, inputs, index, plan.dtype)
                    pending.append(pool.submit(one, settings.first_sample + index, values))
                if not pending:
                    return
                try:
                    sample = pending[0].result(timeout=0.1)
                except TimeoutError:
                    continue
                pending.popleft()
                yield sample
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
        for future in pending:
            if future.cancelled() or future.exception() is not None:
                break
            yield future.result()
        raise Stopped
