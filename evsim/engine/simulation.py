"""Samples on their way through a network, and the loop that advances them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import islice

import numpy as np

from evsim.base.errors import EvsimError
from evsim.codings import Key
from evsim.counting.facts import FIRST_FACTS, QUEUE_FACTS, SET_FACTS
from evsim.engine.batch import shared_facts
from evsim.engine.inbox import Inbox
from evsim.engine.plan import Plan
from evsim.engine.population import Encoded, Population, Stopped, kind_of
from evsim.engine.recorder import Recorder
from evsim.engine.sample import Sample
from evsim.engine.stream import Pairs, Stream
from evsim.engine.workspace import Workspace

__all__ = ["Simulation", "Stopped"]


class Simulation:
    """Samples on their way through a network, as many as the plan is for: one, or a batch.

    `values`: what the coding encodes of each, a scaled image or (timesteps, neurons, values) of
    events; of a batch all are signed, or none is. `indices`: of the samples in their data. Facts
    are totals of all samples, of one number for each, or what each has. When `stop` is set, Stopped
    is raised. Raises EvsimError with the part, sample, timestep and neuron of what no arithmetic of
    the run can hold; of a batch it may name another neuron and sample.
    """

    def __init__(
        self,
        plan: Plan,
        indices: Sequence[int],
        values: Sequence,
        workspace: Workspace,
        stop: threading.Event,
    ):
        self.plan, self.network, self.indices = plan, plan.network, indices
        self.signed = plan.coding.signed(values[0])
        self.facts, self.streams, self.states = self._facts(), {}, {}
        for name, part in self.network.populations.items():
            if part.sends:
                self.streams[name] = self._stream(name, workspace)
            if name in plan.neurons and not (part.passes and name in plan.starts):
                self.states[name] = plan.neurons[name].begin()
            if part.draws:
                self.states[name]["key"] = self._key(name, indices[0])
        recording = self.states, self._traced_dtype, self._valued
        self.recorder = Recorder(plan, self.streams, *recording)
        shared = self.streams, self.facts, self.states, self.recorder
        self.inbox = Inbox(plan, *shared, workspace)
        self.largest = {n: 0.0 for n, p in self.network.populations.items() if p.graded}
        if plan.graded_input:
            self.largest[self.network.input] = max(map(plan.coding.largest, values))
        self.out = {
            name: self.streams.get(name, np.empty((0, 0))) for name in self.network.populations
        }
        self.populations = {
            name: self._population(name, values, stop) for name in self.network.populations
        }

    def _facts(self) -> dict[str, dict]:
        plan, network = self.plan, self.network
        facts = {n: dict.fromkeys(part.facts, 0) for n, part in network.populations.items()}
        facts |= {name: dict.fromkeys(SET_FACTS, 0) for name in network.synapses}
        facts[network.input] |= dict.fromkeys(plan.coding.FACTS, 0)
        if plan.queue is not None:
            for name, part in network.synapses.items():
                facts[name] |= dict.fromkeys(QUEUE_FACTS, 0)
                if plan.coding.REPEATS and part.source == network.input:
                    facts[name] |= dict.fromkeys(FIRST_FACTS, 0)
        return facts

    def _stream(self, name: str, workspace: Workspace) -> Stream:
        plan, part = self.plan, self.network.populations[name]
        shared = plan.queue is not None and plan.queue.shared
        repeats = name == self.network.input and plan.coding.REPEATS and not shared
        kind = Pairs if name in plan.starts else Stream
        held = f"{kind.__name__} of {name}"
        if held not in workspace.held:
            workspace.held[held] = kind(part.positions, part.channels)
        stream = workspace.held[held]
        stream.clear(self._valued(name), repeats, plan.samples)
        return stream

    def _valued(self, name: str):
        """The dtype of a population's event values; None where all are +1."""
        plan, name = self.plan, self.network.origin(name)
        if name == self.network.input and name not in plan.starts:
            return plan.dtype if self.signed else None
        valued = name in plan.starts or self.network.populations[name].valued
        return plan.dtype if valued else None

    def _traced_dtype(self, name: str):
        """The dtype in which the potential of a population is traced."""
        if self.network.populations[name].direct:
            return np.int32
        return self.states[name]["potential"].dtype

    def _key(self, name: str, index: int) -> Key:
        """What the random numbers and the coding of a population depend on."""
        plan, network = self.plan, self.network
        window = network.window if network.last_window_end is not None else None
        return Key(plan.seed, index, plan.population_index[name], plan.timesteps, window)

    def _population(self, name: str, values: Sequence, stop: threading.Event) -> Population:
        plan, part = self.plan, self.network.populations[name]
        if not part.sends:
            shape = plan.timesteps, plan.samples * part.neurons
            self.out[name] = np.empty(shape, self._traced_dtype(name))
        given = name, plan, self.inbox, self.out[name], self.largest, stop
        if name == self.network.input:
            keys = [self._key(name, index) for index in self.indices]
            return Encoded(*given, values=values, keys=keys)
        return kind_of(name, plan, plan.starts)(*given)

    def run(self) -> list[Sample]:
        """Advance every population through all timesteps, in spans."""
        self.advance_all(self.plan.timesteps)
        return self.result()

    def advance_all(self, timesteps: int) -> None:
        """Advance every population to before timestep `timesteps`, in spans."""
        with np.errstate(all="ignore"):  # what is not finite is an error, said in one line
            for first in range(0, timesteps, self.plan.span):
                last = min(first + self.plan.span, timesteps)
                for stage in self.network.stages:
                    for a in range(first, last, stage.span or last):
                        b = min(a + (stage.span or last), last)
                        for name in stage.populations:
                            self.advance(name, a, b)
                self.collect(first, last)

    def advance(self, name: str, first: int, last: int) -> None:
        """Advance one population from timestep `first` to before `last`."""
        try:
            self.populations[name].advance(first, last)
        except EvsimError as error:
            if error.place.startswith("/events"):
                raise
            raise error.within(f"populations/{name}, sample {self.indices[0]}") from None

    def collect(self, first: int, last: int) -> None:
        """Take the facts of a finished span from the streams; drop what is done with."""
        for name, stream in self.streams.items():
            facts = self.facts[name]
            a, b = stream.within(first, last)
            counts = stream.counts(a, b)
            facts["spikes"] += counts.sum(axis=0)
            facts["peak"] = np.maximum(facts["peak"], counts.max(axis=0, initial=0))
            if b > a:
                self.inbox.loads.add_sent(name, stream.slice(a, b), b - a)
            self.recorder.sent(name, stream, a, b)
            if last < self.plan.timesteps:
                delays = (delivery.part.delay for delivery in self.plan.outgoing[name])
                stream.forget(last - max(delays, default=0))

    def result(self) -> list[Sample]:
        """Facts, decision and recordings of each sample."""
        plan, recorder, output = self.plan, self.recorder, self.network.output
        self.share()
        for name in self.streams:
            facts, outgoing = self.facts[name], plan.outgoing[name]
            facts["pushes"] = facts["spikes"] * len(outgoing)
            for delivery in outgoing:
                arrived = self.facts[delivery.name]
                missing = facts["spikes"] - arrived["arrivals"] - arrived.get("dropped", 0)
                arrived["undelivered"] = missing
        by_timestep = self.out[output]
        if output in self.streams:
            by_timestep = recorder.event_sums(self.indices[0])
        by_timestep = by_timestep.reshape(plan.timesteps, plan.samples, -1)
        decisions = by_timestep.argmax(axis=2).T.copy()
        ranges, first_overflows = self.widths()
        histograms = self.inbox.loads.histograms()
        rates = self.rates() if "rates" in plan.record else {}
        spikes = {name: events.whole() for name, events in recorder.spikes.items()}
        facts = self.facts_by_sample()
        return [
            Sample(
                index,
                facts[s],
                {name: histogram[s] for name, histogram in histograms.items()},
                by_timestep[-1, s].copy(),
                decisions[s],
                spikes,
                recorder.trace,
                recorder.queues,
                {name: rate[s] for name, rate in rates.items()},
                ranges,
                first_overflows,
                recorder.delivered(),
            )
            for s, index in enumerate(self.indices)
        ]

    def share(self) -> None:
        """Give each sample of a batch its share of what sets counted of all: it follows from how
        many events of each source they carried."""
        if self.plan.samples == 1:
            return
        for name, delivery in self.plan.deliveries.items():
            facts, carried = self.facts[name], self.inbox.loads.carried[name]
            shares = carried.reshape(self.plan.samples, -1) @ self.plan.per_event[name]
            for fact, share in zip(shared_facts(delivery), shares.T, strict=True):
                assert facts[fact] == share.sum(), f"{fact} of {name}: {facts[fact]}, {share}"
                facts[fact] = share

    def facts_by_sample(self) -> list[dict[str, dict[str, int]]]:
        """The facts of each sample, by part, as Python integers."""
        rows = [count for facts in self.facts.values() for count in facts.values()]
        table = np.empty((len(rows), self.plan.samples), np.int64)
        for row, count in zip(table, rows, strict=True):
            row[:] = count
        return [
            {
                name: dict(zip(facts, islice(counts, len(facts)), strict=True))
                for name, facts in self.facts.items()
            }
            for counts in map(iter, table.T.tolist())
        ]

    def widths(self) -> tuple[dict, dict]:
        """What the integer populations that report it reached; their overflows are counted."""
        ranges, first_overflows = {}, {}
        for name, state in self.states.items():
            if "report" in state:
                count, place, ranges[name] = self.plan.neurons[name].reported(state)
                if self.network.populations[name].bounded:
                    self.facts[name]["overflows"] = count
                    first_overflows[name] = np.array(place)
        return ranges, first_overflows

    def rates(self) -> dict[str, np.ndarray]:
        """Events per timestep that each neuron sent, or its duration as a share of the longest.

        Each is (samples, neurons).
        """
        window = self.network.schedule and self.network.schedule.window
        rates = {name: n / self.plan.timesteps for name, n in self.inbox.loads.sent.items()}
        for name in self.plan.starts:
            rates[name] = self.streams[name].charges / (window - 1)
        for name, state in self.states.items():
            if "durations" in state:
                rates[name] = state["durations"].ravel() / (window - 1)
        return {name: rate.reshape(self.plan.samples, -1) for name, rate in rates.items()}
