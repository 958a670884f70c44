"""The windowed engine: one sample on its way through a network."""

from __future__ import annotations

import threading

import numpy as np

from evsim.base.errors import EvsimError
from evsim.codings import Key, codings
from evsim.counting.facts import FIRST_FACTS, QUEUE_FACTS, SET_FACTS
from evsim.engine.inbox import NOBODY, Arrivals
from evsim.engine.plan import Plan
from evsim.engine.recording import Events, let_go, room
from evsim.engine.sample import Sample
from evsim.engine.stream import Pairs, Stream
from evsim.engine.workspace import Workspace
from evsim.neurons._runner import check_range
from evsim.neurons._slope import listening


class Stopped(Exception):
    """The run was asked to stop."""


class Simulation(Arrivals):
    """One sample on its way through a network."""

    def __init__(self, plan: Plan, index: int, values, space: Workspace, stop: threading.Event):
        self.plan, self.network, self.index, self.values = plan, plan.network, index, values
        self.space, self.stop = space, stop
        populations, synapses = self.network.populations, self.network.synapses
        self.facts = {name: dict.fromkeys(part.facts, 0) for name, part in populations.items()}
        self.facts |= {n: dict.fromkeys(SET_FACTS, 0) for n, s in synapses.items()}
        if plan.coding is codings()["switch"]:
            self.facts[self.network.input]["clipped"] = 0  # inputs beyond [-1, 1]
        if plan.queue is not None:
            for name in synapses:
                self.facts[name] |= dict.fromkeys(QUEUE_FACTS, 0)
                if plan.coding.REPEATS and synapses[name].source == self.network.input:
                    self.facts[name] |= dict.fromkeys(FIRST_FACTS, 0)
        self.shares = plan.queue is not None and plan.queue.shared
        self.streams, self.states, self.out = {}, {}, {}
        for name, part in populations.items():
            if part.sends:
                repeats = name == self.network.input and plan.coding.REPEATS and not self.shares
                kind = Pairs if name in plan.starts else Stream
                stream = space.held.setdefault(
                    f"{kind.__name__} of {name}", kind(part.positions, part.channels)
                )
                stream.clear(self._valued(name), repeats)
                self.streams[name] = stream
            if name != self.network.input and not (part.passes and name in plan.starts):
                self.states[name] = plan.neurons[name].begin()
            if part.draws:
                self.states[name]["key"] = self._key(name)
            if part.sends:
                self.out[name] = self.streams[name]
            else:
                shape = plan.timesteps, part.neurons
                self.out[name] = np.empty(shape, self._traced_dtype(name))
        self.largest = {n: 0.0 for n, part in populations.items() if part.graded}
        if plan.graded_input:
            values = self.values[2] if plan.coding is codings()["events"] else self.values
            self.largest[self.network.input] = np.abs(values).max(initial=0).item()
        self.repeated, self.rooms, self.waiting = {}, {}, {}
        self.sent = {  # events of each neuron
            name: np.zeros(populations[name].neurons, np.int64) for name in self.streams
        }
        self.carriers = {  # sets that carry the same events
            name: (s.source, s.delay, name if self.shares else None) for name, s in synapses.items()
        }
        self.carried = {  # those that arrived: of no delay and no queue, what was sent
            key: np.zeros_like(self.sent[key[0]]) if plan.queue or key[1] else self.sent[key[0]]
            for key in self.carriers.values()
        }
        self.sums = np.zeros((plan.timesteps, populations[self.network.output].neurons))
        scratch = plan.scratch
        self.spikes = {n: Events(self._valued(n), scratch) for n in self._recorded()}
        traced = [n for n in self.states if "trace" in plan.record]
        self.trace = {
            n: room((plan.timesteps, populations[n].neurons), self._traced_dtype(n), scratch)
            for n in traced
            if "potential" in self.states[n]
        }
        for name in self.trace.keys() & plan.starts.keys():  # at rest before it listens
            self.trace[name][:] = self.states[name]["potential"].reshape(1, -1)
        queued = synapses if "queues" in plan.record else ()
        self.queues = {name: np.zeros(plan.timesteps, np.int64) for name in queued}
        noted = synapses if "arrivals" in plan.record else ()
        self.delivered = {name: (np.zeros(plan.timesteps, np.int64), []) for name in noted}

    def _valued(self, name: str):
        """The dtype of a population's event values; None where all are +1."""
        name = self.network.origin(name)
        if name in self.plan.starts:
            return self.plan.dtype
        if name != self.network.input:
            return self.plan.dtype if self.network.populations[name].valued else None
        return self.plan.dtype if self.plan.coding.signed(self.values) else None

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
        with np.errstate(all="ignore"):  # what is not finite is an error, said in one line
            for first in range(0, timesteps, self.plan.window):
                last = min(first + self.plan.window, timesteps)
                for stage in self.network.stages:
                    for a in range(first, last, stage.window or last):
                        b = min(a + (stage.window or last), last)
                        for name in stage.populations:
                            self.advance(name, a, b)
                self.collect(first, last)

    def advance(self, name: str, first: int, last: int) -> None:
        """Advance one population from timestep `first` to before `last`."""
        try:
            if name == self.network.input:
                self.encode(first, last)
            elif name in self.plan.starts:
                self.listen(name, first, last)
            else:
                self.advance_blocks(name, first, last)
        except EvsimError as error:
            if error.place.startswith("/events"):
                raise
            raise error.within(f"populations/{name}, sample {self.index}") from None

    def advance_blocks(self, name: str, first: int, last: int) -> None:
        """The same for a population that any timestep may change, block by block."""
        part = self.network.populations[name]
        unsafe = self.unsafe(name)
        block = 1 if unsafe else self.plan.block(name)
        begin, end = part.visited(first, last)
        self.rest(name, first, begin)
        for a in range(begin, end, block):
            if self.stop.is_set():
                raise Stopped
            (self.pass_on if part.passes else self.update)(name, a, min(a + block, end), unsafe)
        self.rest(name, end, last)

    def rest(self, name: str, first: int, last: int) -> None:
        """Let timesteps pass in which nothing happens to a population."""
        if first < last:
            self.out[name].rest(last - first)
            if name in self.trace:
                self.trace[name][first:last] = self.states[name]["potential"].reshape(1, -1)

    def update(self, name: str, first: int, last: int, unsafe: bool) -> None:
        """Advance one population by a block: arrive, integrate, fire, reset, send."""
        part, facts = self.network.populations[name], self.facts[name]
        neurons, state = self.plan.neurons[name], self.states[name]
        own = neurons.accumulator(state) if part.direct else None
        currents = self.currents(name, last - first) if own is None else own
        reached = self.arrive(name, first, last, currents)
        if neurons.always_active:  # nobody asks who was reached
            reached = reached[:, :0]
        if part.counts_arrivals:
            reached = self.arrived(name, first, last)
        if unsafe:
            neurons.check(state, currents[0], first)
        done = neurons.advance(state, currents, reached, first, self.out[name])
        facts["updates"] += part.updates(first, last) * part.listening.neurons
        facts["draws"] += (last - first) * part.neurons * part.draws
        for fact, count in done.items():
            facts[fact] += count
        if part.graded:
            sent = self.streams[name].window(first, last)
            values = np.abs(sent.values[sent.offsets[0] : sent.offsets[-1]])
            self.largest[name] = max(self.largest[name], values.max(initial=0).item())
        if name in self.trace:
            self.trace[name][first:last] = state["potential"].reshape(1, -1)

    def encode(self, first: int, last: int) -> None:
        """Append the events of the input population."""
        plan, name = self.plan, self.network.input
        stream, facts = self.streams[name], self.facts[name]
        if name in plan.starts:
            if stream.charges is None:
                stream.fill(0, self.network.schedule.window, self.input_charges())
            return
        facts["draws"] += plan.coding.DRAWS * (last - first) * stream.positions * stream.width
        if stream.repeats and stream.steps:
            return
        key, coding = self._key(self.network.input), plan.coding
        if coding.REPEATS and not stream.repeats:
            for t in range(first, last):
                coding.encode(self.values, t, 1, key, stream)
        else:
            coding.encode(self.values, first, last - first, key, stream)

    def input_charges(self) -> np.ndarray:
        """The charges of the input population, from an image or from events."""
        switch, window = codings()["switch"], self.network.schedule.window
        if self.plan.coding is not switch:
            neurons = self.network.populations[self.network.input].neurons
            try:
                return switch.charges_of_events(self.values, neurons, window)
            except EvsimError as error:
                raise error.within(f"/events, sample {self.index}") from None
        charges, clipped = switch.charges(self.values, window)
        self.facts[self.network.input]["clipped"] += clipped
        return charges

    def listen(self, name: str, first: int, last: int) -> None:
        """Advance a population that decides once, after the window in which it listens."""
        part, own, facts = self.network.populations[name], self.streams[name], self.facts[name]
        neurons, start = self.plan.neurons[name], self.plan.starts[name]
        if part.passes:
            [delivery] = self.plan.incoming[name]
            source = self.streams[delivery.part.source].charges
            if own.charges is None and source is not None:
                own.fill(start, self.network.schedule.window, neurons.largest(source))
            before = self.facts[delivery.name]["synops"]
            self.arrive(name, first, last, None)
            facts["gate_updates"] += self.facts[delivery.name]["synops"] - before
            return
        begin, end = listening(first, last, start, part.window)
        queue, sets = self.plan.queue, self.plan.incoming[name]
        drops = queue is not None and any(queue.drops(d.part.source) for d in sets)
        unsafe = self.unsafe(name)
        stepwise = drops or name in self.trace or not neurons.always_active or unsafe
        block = self.plan.block(name) if stepwise else part.window
        block = 1 if unsafe else block
        for a in range(begin, end, block):
            b = min(a + block, end)
            currents = self.currents(name, b - a) if stepwise else None
            reached = self.arrive(name, a, b, currents)
            facts["updates"] += (b - a) * part.neurons
            if not stepwise:
                facts["active_updates"] += (b - a) * part.neurons
                continue
            state = self.states[name]
            if unsafe:
                neurons.check(state, currents[0], a)
            facts["active_updates"] += neurons.listen(state, currents, reached, start - a)
            if name in self.trace:
                self.trace[name][a:] = state["potential"].reshape(1, -1)
        if first < start <= last:
            state = self.states[name]  # with events lost, pairs are none: what was added counts
            total = None if drops else self.charge(name)
            charges, near = neurons.decide(state, total)
            if unsafe:  # the sum of charges times weights is another one
                check_range("potential", state["potential"], neurons.dtype, start - 1)
            own.fill(start, part.window, charges)
            facts["near"] += near
            if name in self.trace:
                self.trace[name][start - 1 :] = self.states[name]["potential"].reshape(1, -1)

    def pass_on(self, name: str, first: int, last: int, unsafe: bool) -> None:
        """Let the events of its one set that arrive in the block through a max pool."""
        [delivery] = self.plan.incoming[name]
        facts, own = self.facts[delivery.name], self.facts[name]
        stream, window, begin, _ = self.take(delivery, first, last)
        turns, touched = self.plan.neurons[name].pass_on(
            self.states[name], window, stream.repeats, last - first, begin - first, self.out[name]
        )
        if unsafe:
            sums = self.states[name]["sums"]
            check_range("running sum", sums, sums.dtype, first, "source")
        facts["macs" if delivery.graded else "synops"] += turns
        own["gate_updates"] += turns
        for touching in (facts, own):
            touching["touched"] += touched

    def collect(self, first: int, last: int) -> None:
        """Take the facts of a finished window from the event queues; drop what is done with."""
        for name, stream in self.streams.items():
            facts, outgoing = self.facts[name], self.plan.outgoing[name]
            a, b = stream.within(first, last)
            per_timestep = stream.per_timestep(a, b)
            facts["spikes"] += int(per_timestep.sum())
            facts["peak"] = max(facts["peak"], int(per_timestep.max(initial=0)))
            if b > a:
                self.tally(name, stream.window(a, b), b - a, self.sent[name])
            if not self.shares:
                for key, delivery in {self.carriers[d.name]: d for d in outgoing}.items():
                    if self.carried[key] is not self.sent[name]:
                        self.collect_carried(delivery, first, last)
            if name in self.spikes or name == self.network.output:
                timesteps, neurons, values = stream.events(a, b)
                if name in self.spikes:
                    self.spikes[name].append(timesteps, neurons, values)
                if name == self.network.output:
                    np.add.at(self.sums, (timesteps, neurons), values)
            if name in self.trace:
                let_go(self.trace[name])
            if last < self.plan.timesteps:
                stream.forget(last - max((d.part.delay for d in outgoing), default=0))

    def result(self) -> Sample:
        """The sample's facts, decision and recordings."""
        network, output = self.network, self.network.output
        for name in self.streams:
            facts, outgoing = self.facts[name], self.plan.outgoing[name]
            facts["pushes"] = facts["spikes"] * len(outgoing)
            for delivery in outgoing:
                own = self.facts[delivery.name]
                missing = facts["spikes"] - own["arrivals"] - own.get("dropped", 0)
                own["undelivered"] = missing
        by_timestep = self.out[output] if output not in self.streams else self.event_sums()
        histograms = {
            name: np.bincount(
                self.carried[self.carriers[name]],
                weights=network.connections[name].fan_out,
                minlength=self.most(s.source) + 1,
            ).astype(np.int64)
            for name, s in network.synapses.items()
        }
        for name, sent in self.sent.items():
            histograms[name] = np.bincount(sent, minlength=self.most(name) + 1)
        ranges, first_overflows = self.widths()
        return Sample(
            self.index,
            self.facts,
            histograms,
            by_timestep[-1].copy(),
            by_timestep.argmax(axis=1),
            {name: found.whole() for name, found in self.spikes.items()},
            self.trace,
            self.queues,
            self.rates() if "rates" in self.plan.record else {},
            ranges,
            first_overflows,
            {n: (k, np.concatenate([NOBODY, *who])) for n, (k, who) in self.delivered.items()},
        )

    def event_sums(self) -> np.ndarray:
        """The sums of event values of the output population, (timesteps, neurons), float64."""
        with np.errstate(all="ignore"):
            found = self.sums.cumsum(axis=0)
        for t in np.flatnonzero(~np.isfinite(found).all(axis=1)):
            try:
                check_range("sum of events", found[t], found.dtype, t)
            except EvsimError as error:
                place = f"populations/{self.network.output}, sample {self.index}"
                raise error.within(place) from None
        return found

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

    def most(self, name: str) -> int:
        """The most events that a neuron of a population can send."""
        if name not in self.plan.starts:
            return self.plan.timesteps
        sent = self.sent[name].max()
        assert sent <= 2, f"{name!r} sent {sent} events in its window"
        return 2

    def rates(self) -> dict[str, np.ndarray]:
        """Events per timestep that each neuron sent, or its duration as a share of the longest."""
        window = self.network.schedule and self.network.schedule.window
        found = {name: n / self.plan.timesteps for name, n in self.sent.items()}
        for name in self.plan.starts:
            found[name] = self.streams[name].charges / (window - 1)
        for name, state in self.states.items():
            if "durations" in state:
                found[name] = state["durations"].ravel() / (window - 1)
        return found
