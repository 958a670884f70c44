"""How often each neuron sent in a sample, and how often each synapse carried an event."""

from __future__ import annotations

import numpy as np

from evsim.base.kernel import kernel
from evsim.engine.plan import Plan
from evsim.engine.stream import Slice, Stream


class Loads:
    """Events of each neuron: `sent` by population, and those that sets carried.

    Sets of one source and one delay carry the same events, unless all share one queue; without
    delay and queue they are what was sent.
    """

    def __init__(self, plan: Plan, streams: dict[str, Stream]):
        self.plan, self.streams = plan, streams
        neurons = {name: plan.network.populations[name].neurons for name in streams}
        self.sent = {name: np.zeros(count, np.int64) for name, count in neurons.items()}
        for name, stream in streams.items():  # which counts itself what comes as marks
            stream.sent = self.sent[name].reshape(stream.positions, stream.width)
        self.carried: dict[str, np.ndarray] = {}  # by set; one array where they are equal
        self.tallied: set[str] = set()  # sets that fill an array of their own
        same: dict[tuple, np.ndarray] = {}
        shared = plan.queue is not None and plan.queue.shared
        for name, part in plan.network.synapses.items():
            key = part.source, part.delay, name if shared else None
            if plan.queue is None and not part.delay:
                same[key] = self.sent[part.source]
            if key not in same:
                same[key] = np.zeros_like(self.sent[part.source])
                self.tallied.add(name)
            self.carried[name] = same[key]

    def add_sent(self, name: str, events: Slice, steps: int) -> None:
        """Take in what a population sent in a slice of `steps` timesteps."""
        if not self.streams[name].marked:
            self._add(name, events, steps, self.sent[name])

    def add_carried(self, name: str, events: Slice, steps: int) -> None:
        """Take in what a set delivers of a slice of `steps` timesteps."""
        if name in self.tallied:
            source = self.plan.network.synapses[name].source
            self._add(source, events, steps, self.carried[name])

    def _add(self, source: str, events: Slice, steps: int, per_neuron: np.ndarray) -> None:
        stream = self.streams[source]
        grid = per_neuron.reshape(stream.positions, -1)
        tally(events.channels, events.offsets, steps if stream.repeats else 1, grid)

    def histograms(self) -> dict[str, np.ndarray]:
        """By set: how many synapses carried k events; by population: how many neurons sent k."""
        network = self.plan.network
        carrying = {
            name: np.bincount(
                self.carried[name],
                weights=network.connections[name].fan_out,
                minlength=self.most(part.source) + 1,
            ).astype(np.int64)
            for name, part in network.synapses.items()
        }
        return carrying | {
            name: np.bincount(sent, minlength=self.most(name) + 1)
            for name, sent in self.sent.items()
        }

    def most(self, name: str) -> int:
        """The most events that a neuron of a population can send."""
        if name not in self.plan.starts:
            return self.plan.timesteps
        sent = self.sent[name].max()
        assert sent <= 2, f"{name!r} sent {sent} events in its window"
        return 2


@kernel
def tally(channels, offsets, times, per_neuron):
    """per_neuron[p, c] += times for every event of a slice."""
    for source in range(offsets.shape[0] - 1):
        row = per_neuron[source % per_neuron.shape[0]]
        for k in range(offsets[source], offsets[source + 1]):
            row[channels[k]] += times
