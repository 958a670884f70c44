"""The populations of samples on their way: how the engine advances each of them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import numpy as np

from evsim.base.errors import EvsimError
from evsim.codings import Key
from evsim.engine.inbox import Inbox
from evsim.engine.plan import Plan
from evsim.engine.stream import Stream
from evsim.neurons._runner import check_range
from evsim.neurons._slope import listening


class Stopped(Exception):
    """The run was asked to stop."""


class Population:
    """A population that any timestep may change, advanced block by block.

    `out` takes what it sends: its stream, or the potentials (timesteps, neurons) of one that sends
    nothing; neurons are those of all samples. `largest`: of the values that graded populations sent
    until now, by name.
    """

    def __init__(
        self,
        name: str,
        plan: Plan,
        inbox: Inbox,
        out,
        largest: dict[str, float],
        stop: threading.Event,
    ):
        self.name, self.plan, self.inbox, self.out = name, plan, inbox, out
        self.largest, self.stop = largest, stop
        self.part, self.facts = plan.network.populations[name], inbox.facts[name]
        self.runner, self.state = plan.neurons.get(name), inbox.states.get(name)
        self.recorder = inbox.recorder

    def advance(self, first: int, last: int) -> None:
        """Advance from timestep `first` to before `last`."""
        unsafe = self.plan.unsafe(self.name, self.largest)
        block = 1 if unsafe else self.plan.block(self.name)
        begin, end = self.part.visited(first, last)
        self.rest(first, begin)
        for a in range(begin, end, block):
            if self.stop.is_set():
                raise Stopped
            self.update(a, min(a + block, end), unsafe)
        self.rest(end, last)

    def rest(self, first: int, last: int) -> None:
        """Let timesteps pass in which nothing happens."""
        if first < last:
            self.out.rest(last - first)
            self.trace(first, last)

    def update(self, first: int, last: int, unsafe: bool) -> None:
        """Advance by a block: arrive, integrate, fire, reset, send."""
        part, runner, state, inbox = self.part, self.runner, self.state, self.inbox
        arrivals = inbox.take(self.name, first, last)
        currents = runner.accumulator(state) if part.direct else None
        if currents is None:
            currents = inbox.currents(self.name, last - first)
        reached = inbox.deliver(self.name, arrivals, first, last, currents)
        if part.counts_arrivals:
            reached = inbox.count(self.name, arrivals, first, last)
        elif runner.always_active:  # nobody asks who was reached
            reached = reached[:, :0]
        if unsafe:
            runner.check(state, currents[0], first)
        done = runner.advance(state, currents, reached, first, self.out)
        self.facts["updates"] += part.updates(first, last) * part.listening.neurons
        self.facts["draws"] += (last - first) * part.neurons * part.draws
        for fact, count in done.items():
            self.facts[fact] += count
        if part.graded:
            sent = self.out.slice(first, last)
            values = np.abs(sent.values[sent.offsets[0] : sent.offsets[-1]])
            self.largest[self.name] = max(self.largest[self.name], values.max(initial=0).item())
        self.trace(first, last)

    def trace(self, first: int, last: int | None = None) -> None:
        """Keep the potential for timesteps `first` to before `last`, or to the end."""
        if self.name in self.recorder.trace:
            self.recorder.traced(self.name, self.state["potential"], first, last)


class Encoded(Population):
    """The input population: a coding makes its events of the values of each sample."""

    def __init__(self, *given, values: Sequence, keys: Sequence[Key]):
        super().__init__(*given)
        self.values, self.keys = values, keys

    def advance(self, first: int, last: int) -> None:
        """Append the events of timesteps first .. last - 1 to the stream."""
        stream, coding = self.out, self.plan.coding
        if self.name in self.plan.starts:
            if stream.charges is None:
                stream.fill(0, self.plan.network.schedule.window, self.charges())
            return
        self.facts["draws"] += coding.DRAWS * (last - first) * self.part.neurons
        if stream.repeats and stream.steps:
            return
        if coding.REPEATS and not stream.repeats:
            for t in range(first, last):
                self.encode(t, 1)
        else:
            self.encode(first, last - first)

    def encode(self, first: int, steps: int) -> None:
        """Append `steps` timesteps from `first` on; of a batch one sample after the other."""
        stream, part, samples = self.out, self.part, len(self.values)
        if samples == 1:
            self.plan.coding.encode(self.values[0], first, steps, self.keys[0], stream)
            return
        one_by_one = Stream(part.positions, part.channels, stream.dtype)
        one_by_one.reserve(steps * samples)
        for values, key in zip(self.values, self.keys, strict=True):
            self.plan.coding.encode(values, first, steps, key, one_by_one)
        stream.take_turns(one_by_one)

    def charges(self) -> np.ndarray:
        """The charges (neurons,) of the one window, from an image or from events."""
        window = self.plan.network.schedule.window
        try:
            charges, facts = self.plan.coding.charges_of(self.values[0], self.part.neurons, window)
        except EvsimError as error:
            raise error.within(f"/events, sample {self.keys[0].sample}") from None
        for fact, count in facts.items():
            self.facts[fact] += count
        return charges


class Gate(Population):
    """A max pool of its one set, timestep by timestep."""

    def update(self, first: int, last: int, unsafe: bool) -> None:
        """Take the events that arrive in the block, and tell how the largest sums change."""
        [(delivery, stream, events, begin, end)] = self.inbox.take(self.name, first, last)
        within = slice(begin - first, end - first)
        compared, touched, rescanned = self.runner.pass_on(
            self.state, events, stream.repeats, last - first, within, self.out
        )
        if unsafe:
            sums = self.state["sums"]
            check_range("running sum", sums, sums.dtype, first, "source")
        facts = self.inbox.facts[delivery.name]
        facts["macs" if delivery.graded else "synops"] += compared
        facts["touched"] += touched
        self.facts["gate_updates"] += compared
        self.facts["rescanned"] += rescanned
        self.facts["touched"] += touched


class GateOfPairs(Population):
    """A max pool of populations that send a pair of events in a window: the largest charge."""

    def advance(self, first: int, last: int) -> None:
        """Take the largest charges once they are known, and count what arrives."""
        [delivery] = self.plan.incoming[self.name]
        charges = self.inbox.streams[delivery.part.source].charges
        start = self.plan.starts[self.name]
        if self.out.charges is None and charges is not None:
            window = self.plan.network.schedule.window
            self.out.fill(start, window, self.runner.largest(charges))
        facts = self.inbox.facts[delivery.name]
        before = facts["synops"]
        arrivals = self.inbox.take(self.name, first, last)
        self.inbox.deliver(self.name, arrivals, first, last)
        self.facts["gate_updates"] += facts["synops"] - before
        if self.out.charges is not None:
            again = self.runner.read_again(self.out.charges, first - start, last - start)
            self.facts["rescanned"] += again


class Deciding(Population):
    """A population that decides once, after the window in which it listens."""

    def __init__(self, *given):
        super().__init__(*given)
        sets = [delivery.part for delivery in self.plan.incoming[self.name]]
        self.start, self.window = self.plan.starts[self.name], self.part.window
        # Whether what arrives may be less than whole pairs of events.
        self.drops = not all(self.plan.sends_pairs(part.source) for part in sets)

    def advance(self, first: int, last: int) -> None:
        """Listen in timesteps first .. last - 1, and decide where the window ends in them."""
        unsafe = self.plan.unsafe(self.name, self.largest)
        traced = self.name in self.recorder.trace
        stepwise = self.drops or traced or not self.runner.always_active or unsafe
        block = self.plan.block(self.name) if stepwise else self.window
        block = 1 if unsafe else block
        begin, end = listening(first, last, self.start, self.window)
        for a in range(begin, end, block):
            self.listen(a, min(a + block, end), stepwise, unsafe)
        if first < self.start <= last:
            self.decide(unsafe)

    def listen(self, first: int, last: int, stepwise: bool, unsafe: bool) -> None:
        """Take what arrives in a block; `stepwise`: slope and potential are advanced, too."""
        currents = self.inbox.currents(self.name, last - first) if stepwise else None
        arrivals = self.inbox.take(self.name, first, last)
        reached = self.inbox.deliver(self.name, arrivals, first, last, currents)
        self.facts["updates"] += (last - first) * self.part.neurons
        if not stepwise:
            self.facts["active_updates"] += (last - first) * self.part.neurons
            return
        if unsafe:
            self.runner.check(self.state, currents[0], first)
        left = self.start - first
        self.facts["active_updates"] += self.runner.listen(self.state, currents, reached, left)
        self.trace(first)

    def decide(self, unsafe: bool) -> None:
        """Turn the potential into a duration, and send it as a pair of events."""
        total = None if self.drops else self.inbox.charge(self.name)  # what was added counts
        charges, near = self.runner.decide(self.state, total)
        if unsafe:  # the sum of charges times weights is another one
            potential = self.state["potential"]
            check_range("potential", potential, self.runner.dtype, self.start - 1)
        self.out.fill(self.start, self.window, charges)
        self.facts["near"] += near
        self.trace(self.start - 1)


def kind_of(name: str, plan: Plan, starts: Mapping[str, int]) -> type[Population]:
    """How a population is advanced."""
    passes = plan.network.populations[name].passes
    if name in starts:
        return GateOfPairs if passes else Deciding
    return Gate if passes else Population
