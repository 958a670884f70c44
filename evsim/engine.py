"""The windowed engine: one sample, many samples on threads, and what a run returns."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from array import array
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from dataclasses import dataclass, field
from math import prod

import numpy as np

from evsim import counts as counting
from evsim.codings import codings
from evsim.counts import POPULATION_FACTS, SET_FACTS
from evsim.events import Events, Stream
from evsim.memory import Space, Weights
from evsim.network import Network
from evsim.parts import EvsimError, kernel, mismatch, nearest
from evsim.synapses import Turns

BLOCK = 4 << 20  # bytes of currents computed in one go: they stay in the cache
MEMORY = 512 << 20  # bytes of events held per thread, unless asked otherwise
RECORDS = ("spikes", "trace", "queues")


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


class Delivery:
    """A set in a run: its weights in the run's arithmetic and what it adds to."""

    def __init__(self, plan: Plan, name: str):
        network = plan.network
        self.name, self.part = name, network.synapses[name]
        self.connections = network.connections[name]
        target = network.populations[self.part.target]
        self.graded = network.graded(self.part.source, plan.graded_input)
        whole = self.part.target in plan.integer or (self.part.scaled and not self.graded)
        self.dtype = plan.dtype  # of the currents it adds to
        if whole:
            largest = self.connections.fan_in * plan.largest_weight(self.part)
            self.dtype = np.dtype(np.int32 if largest <= INT32_MAX else np.int64)
        scale = self.part.scale_of(target)
        self.scale = None if scale is None else scale.astype(plan.dtype)
        self.deliver = self.connections.start(plan.integers if whole else plan.floats)


INT32_MAX = np.iinfo(np.int32).max


class Plan:
    """A network made ready to run: arithmetic, order, windows, prepared parts."""

    def __init__(
        self,
        network: Network,
        settings: Settings,
        *,
        memory: int = MEMORY,
        record: tuple[str, ...] = (),
        window: int | None = None,
    ):
        self.network, self.timesteps, self.seed = network, settings.timesteps, settings.seed
        self.dtype = np.dtype(settings.dtype)
        self.coding = codings()[settings.coding]
        self.graded_input = settings.graded_input
        self.record = record
        self.floats, self.integers = Weights(self.dtype), Weights()
        self.integer = network.integer_populations(self.graded_input)
        self.deliveries = {name: Delivery(self, name) for name in network.synapses}
        self.incoming = {
            name: [self.deliveries[s] for s in network.incoming(name)]
            for name in network.populations
        }
        self.outgoing = {
            name: [d for d in self.deliveries.values() if d.part.source == name]
            for name in network.populations
        }
        self.currents_dtype, self.neurons = {}, {}
        for name, part in network.populations.items():
            if name != network.input:
                self._prepare(name, part)
        self.population_index = list(network.populations).index(network.input)
        per_timestep = sum(4 * p.neurons + 8 * p.positions for p in network.populations.values())
        self.window = window or max(1, memory // per_timestep)

    def _prepare(self, name: str, part) -> None:
        dtype, bound = self.dtype, 0
        if name in self.integer:
            dtype = np.dtype(np.int32)
            bound = sum(
                d.connections.fan_in * self.largest_weight(d.part) for d in self.incoming[name]
            )
        wide = bound > INT32_MAX
        self.currents_dtype[name] = np.dtype(np.int64) if wide else dtype
        if wide:
            for delivery in self.incoming[name]:
                delivery.dtype = np.dtype(np.int64)
        try:
            self.neurons[name] = part.prepare(dtype, bound)
        except EvsimError as error:
            raise error.within(f"populations/{name}") from None

    def largest_weight(self, part) -> int:
        """The largest magnitude among the integer weights of a set."""
        weights = part.weights()
        return 1 if weights is None else int(np.abs(weights.astype(np.int64)).max(initial=0))

    def block(self, name: str) -> int:
        """Timesteps whose currents are computed in one go."""
        if "trace" in self.record:
            return 1
        bytes_each = self.network.populations[name].neurons * self.currents_dtype[name].itemsize
        return max(1, BLOCK // bytes_each)

    def warm(self, values) -> None:
        """Advance one sample by a timestep: compiles, or loads, every kernel it calls."""
        with contextlib.suppress(EvsimError):  # the run meets it too, where it is no other sample's
            Simulation(self, 0, values, Space(), threading.Event()).advance_all(1)


class Simulation:
    """One sample on its way through a network."""

    def __init__(self, plan: Plan, index: int, values, space: Space, stop: threading.Event):
        self.plan, self.network, self.index, self.values = plan, plan.network, index, values
        self.space, self.stop = space, stop
        populations, synapses = self.network.populations, self.network.synapses
        self.facts = {name: dict.fromkeys(POPULATION_FACTS, 0) for name in populations}
        self.facts |= {name: dict.fromkeys(SET_FACTS, 0) for name in synapses}
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
        if name != self.network.input:
            return None
        coding, values = self.plan.coding, self.values
        if coding.GRADED:
            return self.plan.dtype
        signs = (values < 0).any() if coding.DRAWS else (values[2] != 1).any()
        return self.plan.dtype if signs else None

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
            shape = (b - a, part.positions, part.channels)
            currents = self.space.array("currents", shape, self.plan.currents_dtype[name])
            currents.fill(0)
            neurons = self.plan.neurons[name]
            try:
                reached = self.arrive(name, a, b, currents)
                if neurons.restless.all():  # nobody asks who was reached
                    reached = reached[:, :0]
                active = neurons.advance(self.states[name], currents, reached, a, self.out[name])
            except EvsimError as error:
                raise error.within(f"populations/{name}, sample {self.index}") from None
            facts["updates"] += (b - a) * part.neurons
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
        key = (plan.seed, self.index, plan.population_index)
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
            touched = int(np.count_nonzero(marks.view(bool))) * (channels // marks.shape[2])
            self.facts[delivery.name]["touched"] += touched
            if len(incoming) > 1:
                reached |= marks
        each = channels // reached.shape[2]
        self.facts[name]["touched"] += int(np.count_nonzero(reached.view(bool))) * each
        return reached

    def deliver(self, delivery: Delivery, first: int, last: int, currents, marks) -> None:
        """Deliver the events of one set that arrive from timestep `first` to before `last`."""
        part, facts = delivery.part, self.facts[delivery.name]
        begin, end = max(first - part.delay, 0), last - part.delay
        if end <= begin:
            return
        stream = self.streams[part.source]
        arriving = slice(begin + part.delay - first, last - first)
        per_timestep = stream.per_timestep(begin, end)
        facts["arrivals"] += int(per_timestep.sum())
        if self.queues:
            self.queues[delivery.name][begin + part.delay : last] = per_timestep
        if stream.repeats:
            turns = self.repeat(delivery, stream, end - begin, currents[arriving], marks[arriving])
        else:
            window = stream.window(begin, end)
            some = currents[arriving], marks[arriving]
            turns = self.add(delivery, window, *some, begin + part.delay)
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
        joined = {
            name: tuple(np.concatenate(c) for c in zip(*found, strict=True))
            for name, found in self.spikes.items()
        }
        traces = {n: self.out[n] if n not in self.streams else t for n, t in self.trace.items()}
        return Sample(
            self.index,
            self.facts,
            histograms,
            by_timestep[-1].copy(),
            by_timestep.argmax(axis=1),
            joined,
            traces,
            self.queues,
        )


@kernel
def tally(channels, offsets, times, carried):
    """carried[p, c] += times for every event of a window."""
    for source in range(offsets.shape[0] - 1):
        row = carried[source % carried.shape[0]]
        for k in range(offsets[source], offsets[source + 1]):
            row[channels[k]] += times


@dataclass(frozen=True)
class Settings:
    """What a run was asked to do, every choice made."""

    timesteps: int
    coding: str
    seed: int
    dtype: str
    first_sample: int
    samples: int
    graded_input: bool


def settle(
    network: Network,
    inputs,
    *,
    timesteps: int | None = None,
    coding: str | None = None,
    seed: int | None = None,
    dtype: str = "float32",
    first_sample: int = 0,
) -> Settings:
    """Make every choice of a run; raises EvsimError where `inputs` or a choice does not fit.

    Timesteps: the argument, else the network's, else the event file's, else 64. Coding: events
    for events; for images the argument, else the network's, else constant.
    """
    events = isinstance(inputs, Events)
    if coding is not None and coding not in codings():
        known = f"one of {', '.join(codings())}{nearest(coding, codings())}"
        raise mismatch(repr(coding), known, "coding")
    if events:
        if coding not in (None, "events"):
            raise mismatch(f"{coding!r} with a file of events", "'events'", "coding")
        coding = "events"
    else:
        coding = coding or network.coding or "constant"
        if coding == "events":
            expected = "a coding of images (the data holds no events)"
            raise mismatch("'events'", expected, "coding")
    if timesteps is None:
        timesteps = network.timesteps or (inputs.timesteps if events else 64)
    if seed is None:
        seed = network.seed or 0
    bounds = [("timesteps", timesteps, 1, 2**31), ("seed", seed, 0, 2**64)]
    bounds += [("first_sample", first_sample, 0, 2**32 - len(inputs) + 1)]
    for name, value, least, most in bounds:
        if not isinstance(value, int | np.integer) or not least <= value < most:
            raise mismatch(repr(value), f"a whole number of at least {least}", name)
    if str(dtype) not in ("float32", "float64"):
        raise mismatch(repr(dtype), "float32 or float64", "dtype")
    if not len(inputs):
        raise mismatch("no samples", "at least one", "data")
    check_shape(network.populations[network.input], inputs)
    graded = inputs.graded if events else codings()[coding].GRADED
    return Settings(
        int(timesteps), coding, int(seed), str(dtype), first_sample, len(inputs), graded
    )


def check_shape(part, inputs) -> None:
    """Raise an error unless the input population takes these images or events.

    A vector takes any image with the right number of values, a rank-3 population its own shape.
    """
    shape = inputs.shape if isinstance(inputs, Events) else tuple(inputs.shape[1:])
    image = (*shape, 1) if len(shape) == 2 else shape
    if (prod(image) != part.neurons) if len(part.shape) == 1 else (image != part.shape):
        expected = f"shape {part.shape}, as the input population has"
        raise mismatch(f"samples of shape {shape}", expected, "data")
    if len(image) == 3 and not isinstance(inputs, Events):
        for name in ("mean", "std"):
            if getattr(part, name).size not in (1, image[-1]):
                found = f"images of {image[-1]} channels"
                raise mismatch(found, f"{getattr(part, name).size} as {name} has", "data")


def values_of(part, inputs, index: int, dtype):
    """What is coded of one sample: the scaled image, or its events."""
    if isinstance(inputs, Events):
        return inputs.of(index)
    raw = inputs[index]
    if raw.dtype.kind == "f" and not np.isfinite(raw).all():
        raise mismatch("NaN or infinity", "finite values", f"/images, sample {index}")
    return part.scaled(raw, dtype)


def cores() -> int:
    """The processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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


class Run:
    """What a run gave, for the samples it finished.

    `predictions` (samples,); `predictions_by_timestep` (samples, timesteps); `potential`
    (samples, outputs): of the readout, or sums of event values; `work[part][fact]` int64, one
    per sample; `spikes`, `trace`, `queues`: what was recorded.
    """

    def __init__(self, network: Network, settings: Settings, record: tuple[str, ...] = ()):
        self.network, self.settings, self.record = network, settings, record
        self.parts = network.describe()
        self.seconds = 0.0
        self.samples: list[int] = []
        self._decisions, self._potential = [], []
        self._facts: dict[str, dict[str, array]] = {}
        self.histograms: dict[str, np.ndarray] = {}
        self.finished: list[Sample] = []

    def add(self, sample: Sample, keep: bool = True) -> None:
        """Take over a finished sample; `keep` its recordings, too."""
        self.samples.append(sample.index)
        self._decisions.append(sample.decisions)
        self._potential.append(sample.potential)
        for name, facts in sample.facts.items():
            kept = self._facts.setdefault(name, {fact: array("q") for fact in facts})
            for fact, count in facts.items():
                kept[fact].append(count)
        for name, histogram in sample.histograms.items():
            self.histograms[name] = self.histograms.get(name, 0) + histogram
        if keep:
            self.finished.append(sample)

    @property
    def predictions(self) -> np.ndarray:
        return self.predictions_by_timestep[:, -1]

    @property
    def predictions_by_timestep(self) -> np.ndarray:
        return np.array(self._decisions).reshape(len(self.samples), -1)

    @property
    def potential(self) -> np.ndarray:
        return np.array(self._potential)

    @property
    def work(self) -> counting.Facts:
        return {
            name: {fact: np.array(n, np.int64) for fact, n in facts.items()}
            for name, facts in self._facts.items()
        }

    @property
    def spikes(self) -> dict[str, np.ndarray]:
        """By population: structured arrays of sample, timestep, neuron, value."""
        found = {}
        for name in self.finished[0].spikes if self.finished else ():
            tables = [event_table(s.index, s.spikes[name]) for s in self.finished]
            found[name] = np.concatenate(tables)
        return found

    @property
    def trace(self) -> dict[str, np.ndarray]:
        """By population: (samples, timesteps, neurons), v after the reset of each timestep."""
        return self._stacked("trace")

    @property
    def queues(self) -> dict[str, np.ndarray]:
        """By set: (samples, timesteps), the events that arrive in each timestep."""
        return self._stacked("queues")

    def _stacked(self, what: str) -> dict[str, np.ndarray]:
        names = getattr(self.finished[0], what) if self.finished else ()
        return {name: np.stack([getattr(s, what)[name] for s in self.finished]) for name in names}

    def accuracy(self, labels) -> float:
        """The fraction of samples decided as labelled."""
        return float((self.predictions == self._labels(labels)).mean())

    def accuracy_by_timestep(self, labels) -> np.ndarray:
        """The same at the end of each timestep."""
        return (self.predictions_by_timestep == self._labels(labels)[:, None]).mean(axis=0)

    def _labels(self, labels) -> np.ndarray:
        labels = np.asarray(labels)
        if labels.shape != (len(self.samples),):
            raise mismatch(f"shape {labels.shape}", f"({len(self.samples)},)", "labels")
        return labels

    def counts(self, accumulate="direct", update="clock", input="recompute") -> dict:
        """Actions by part and in total under a machine, sums over samples: Python integers."""
        constant = self.network.input if self.settings.coding == "constant" else None
        return counting.counts(
            self.parts,
            self.work,
            counting.Machine(accumulate, update, input),
            self.settings.timesteps,
            constant,
            self.histograms,
        )

    def save(self, path, overwrite: bool = False, labels=None) -> None:
        """Write a result file, with the labels if given."""
        from evsim.formats.result import save

        save(self, path, overwrite, labels)


def event_table(index: int, events: tuple) -> np.ndarray:
    """The events of a sample as a structured array."""
    timesteps, neurons, values = events
    table = np.empty(len(timesteps), EVENT)
    table["sample"], table["timestep"] = index, timesteps
    table["neuron"], table["value"] = neurons, values
    return table


EVENT = np.dtype(
    [("sample", np.int64), ("timestep", np.int64), ("neuron", np.int64), ("value", np.float64)]
)


def run(
    network: Network,
    inputs,
    *,
    timesteps: int | None = None,
    coding: str | None = None,
    seed: int | None = None,
    first_sample: int = 0,
    dtype: str = "float32",
    jobs: int | None = None,
    memory: int = MEMORY,
    record: tuple[str, ...] = (),
    window: int | None = None,
) -> Run:
    """Simulate every sample of `inputs`: raw images (samples, ...) or Events.

    `first_sample`: the index of the first one in its data file, which random numbers depend on.
    `record`: any of spikes, trace, queues. `jobs`: threads (default: cores). `memory` (bytes of
    events per thread) and `window` (timesteps) never change a result. Raises EvsimError.
    """
    for name, value in (("jobs", jobs), ("memory", memory), ("window", window)):
        if value is not None and value < 1:
            raise mismatch(value, "a whole number of at least 1", name)
    for name in record:
        if name not in RECORDS:
            raise mismatch(repr(name), f"one of {', '.join(RECORDS)}", "record")
    if isinstance(inputs, Events):
        first_sample = first_sample or inputs.first
    else:
        inputs = inputs if hasattr(inputs, "dataset") else np.asarray(inputs)
    settings = settle(
        network,
        inputs,
        timesteps=timesteps,
        coding=coding,
        seed=seed,
        dtype=dtype,
        first_sample=first_sample,
    )
    plan = Plan(network, settings, memory=memory, record=tuple(record), window=window)
    result = Run(network, settings, tuple(record))
    plan.warm(values_of(network.populations[network.input], inputs, 0, plan.dtype))
    begin = time.perf_counter()
    for sample in simulate(plan, inputs, settings, jobs, threading.Event()):
        result.add(sample)
    result.seconds = time.perf_counter() - begin
    return result
