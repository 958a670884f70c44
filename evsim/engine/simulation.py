"""One sample on its way through a network, and the loop that advances it."""

from __future__ import annotations

import threading

import numpy as np

from evsim.base.errors import EvsimError
from evsim.codings import Key
from evsim.counting.facts import FIRST_FACTS, QUEUE_FACTS, SET_FACTS
from evsim.engine.inbox import Inbox
from evsim.engine.plan import Plan
from evsim.engine.population import Encoded, Population, Stopped, kind_of
from evsim.engine.recorder import Recorder
from evsim.engine.sample import Sample
from evsim.engine.stream import Pairs, Stream
from evsim.engine.workspace import Workspace

__all__ = ["Simulation", "Stopped"]


class Simulation:
    """One sample on its way through a network.

    `values`: what the coding encodes, a scaled image or (timesteps, neurons, values) of events.
    `index`: of the sample in its data. When `stop` is set, Stopped is raised. Raises EvsimError
    with the part, sample, timestep and neuron of what no arithmetic of the run can hold.
    """

    def __init__(self, plan: Plan, index: int, values, workspace: Workspace, stop: threading.Event):
        self.plan, self.network, self.index = plan, plan.network, index
        self.facts, self.streams, self.states = self._facts(), {}, {}
        for name, part in self.network.populations.items():
            if part.sends:
                self.streams[name] = self._stream(name, values, workspace)
            if name in plan.neurons and not (part.passes and name in plan.starts):
                self.states[name] = plan.neurons[name].begin()
            if part.draws:
                self.states[name]["key"] = self._key(name)
        recording = self.states, self._traced_dtype, lambda name: self._valued(name, values)
        self.recorder = Recorder(plan, self.streams, *recording)
        shared = self.streams, self.facts, self.states, self.recorder
        self.inbox = Inbox(plan, *shared, workspace)
        self.largest = {n: 0.0 for n, p in self.network.populations.items() if p.graded}
        if plan.graded_input:
            self.largest[self.network.input] = plan.coding.largest(values)
        self.out = {
            name: self.streams.get(name, np.empty((0, 0))) for name in self.network.populations
        }
        self.populations = {
            name: self._population(name, values, stop) for name in self.network.populations
        }

    def _facts(self) -> dict[str, dict[str, int]]:
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

    def _stream(self, name: str, values, workspace: Workspace) -> Stream:
        plan, part = self.plan, self.network.populations[name]
        shared = plan.queue is not None and plan.queue.shared
        repeats = name == self.network.input and plan.coding.REPEATS and not shared
        kind = Pairs if name in plan.starts else Stream
        held = f"{kind.__name__} of {name}"
        if held not in workspace.held:
            workspace.held[held] = kind(part.positions, part.channels)
        stream = workspace.held[held]
        stream.clear(self._valued(name, values), repeats)
        return stream

    def _valued(self, name: str, values):
        """The dtype of a population's event values; None where all are +1."""
        plan, name = self.plan, self.network.origin(name)
        if name == self.network.input and name not in plan.starts:
            return plan.dtype if plan.coding.signed(values) else None
        valued = name in plan.starts or self.network.populations[name].valued
        return plan.dtype if valued else None

    def _traced_dtype(self, name: str):
        """The dtype in which the potential of a population is traced."""
        if self.network.populations[name].direct:
            return np.int32
        return self.states[name]["potential"].dtype

    def _key(self, name: str) -> Key:
        """What the random numbers and the coding of a population depend on."""
        plan, network = self.plan, self.network
        window = network.window if network.last_window_end is not None else None
        return Key(plan.seed, self.index, plan.population_index[name], plan.timesteps, window)

    def _population(self, name: str, values, stop: threading.Event) -> Population:
        plan, part = self.plan, self.network.populations[name]
        if not part.sends:
            self.out[name] = np.empty((plan.timesteps, part.neurons), self._traced_dtype(name))
        given = name, plan, self.inbox, self.out[name], self.largest, stop
        if name == self.network.input:
            return Encoded(*given, values=values, key=self._key(name), sample=self.index)
        return kind_of(name, plan, plan.starts)(*given)

    def run(self) -> Sample:
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
            raise error.within(f"populations/{name}, sample {self.index}") from None

    def collect(self, first: int, last: int) -> None:
        """Take the facts of a finished span from the streams; drop what is done with."""
        for name, stream in self.streams.items():
            facts = self.facts[name]
            a, b = stream.within(first, last)
            per_timestep = stream.per_timestep(a, b)
            facts["spikes"] += int(per_timestep.sum())
            facts["peak"] = max(facts["peak"], int(per_timestep.max(initial=0)))
            if b > a:
                self.inbox.loads.add_sent(name, stream.slice(a, b), b - a)
            self.recorder.sent(name, stream, a, b)
            if last < self.plan.timesteps:
                delays = (delivery.part.delay for delivery in self.plan.outgoing[name])
                stream.forget(last - max(delays, default=0))

    def result(self) -> Sample:
        """The sample's facts, decision and recordings."""
        output, recorder = self.network.output, self.recorder
        for name in self.streams:
            facts, outgoing = self.facts[name], self.plan.outgoing[name]
            facts["pushes"] = facts["spikes"] * len(outgoing)
            for delivery in outgoing:
                arrived = self.facts[delivery.name]
                missing = facts["spikes"] - arrived["arrivals"] - arrived.get("dropped", 0)
                arrived["undelivered"] = missing
        by_timestep = self.out[output]
        if output in self.streams:
            by_timestep = recorder.event_sums(self.index)
        ranges, first_overflows = self.widths()
        return Sample(
            self.index,
            self.facts,
            self.inbox.loads.histograms(),
            by_timestep[-1].copy(),
            by_timestep.argmax(axis=1),
            {name: events.whole() for name, events in recorder.spikes.items()},
            recorder.trace,
            recorder.queues,
            self.rates() if "rates" in self.plan.record else {},
            ranges,
            first_overflows,
            recorder.delivered(),
        )

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
        """Events per timestep that each neuron sent, or its duration as a share of the longest."""
        window = self.network.schedule and self.network.schedule.window
        rates = {name: n / self.plan.timesteps for name, n in self.inbox.loads.sent.items()}
        for name in self.plan.starts:
            rates[name] = self.streams[name].charges / (window - 1)
        for name, state in self.states.items():
            if "durations" in state:
                rates[name] = state["durations"].ravel() / (window - 1)
        return rates
