"""Which neurons are on which core, and what a timestep brings each core to do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evsim.base.errors import mismatch, nearest
from evsim.base.kernel import SPARE
from evsim.engine.sample import Sample
from evsim.engine.stream import Slice
from evsim.engine.weights import Weights
from evsim.engine.workspace import Workspace
from evsim.network.network import Network

PLACING = ("in_order", "balanced")
BLOCK = 4 << 20  # bytes of counts computed in one go


@dataclass(frozen=True)
class Load:
    """What each core has to do in each timestep of a sample: arrays (timesteps, cores), int64.

    `pops`: events that are delivered to the core, once per set; `synops`: synapses they go over;
    `updates`: neurons (of a pooled current: places) updated; `pushes`: events its neurons send,
    once per set, those too that a queue loses. An event that reaches no neuron is taken by the
    first core of its target, so that a core which holds whole populations pops what its queue
    delivers.
    """

    pops: np.ndarray
    synops: np.ndarray
    updates: np.ndarray
    pushes: np.ndarray


class Placement:
    """The neurons of a network on cores of `neurons_per_core` neurons.

    in_order: one population after the other in order of visits, every core is filled before the
    next; balanced: every population begins a new core and is spread evenly over as few as hold
    it. The input is on no core. `cores[population]` (neurons,) are indices, `count` how many.
    """

    def __init__(self, network: Network, neurons_per_core: int, placing: str = "in_order"):
        if placing not in PLACING:
            known = f"{' or '.join(PLACING)}{nearest(str(placing), PLACING)}"
            raise mismatch(repr(placing), known, "placing")
        if neurons_per_core < 1:
            raise mismatch(neurons_per_core, "at least 1", "neurons_per_core")
        self.network, self.cores, first = network, {}, 0
        for name in network.order:
            if name in network.populations and name != network.input:
                neurons = network.populations[name].neurons
                if placing == "in_order":
                    self.cores[name] = (first + np.arange(neurons)) // neurons_per_core
                    first += neurons
                else:
                    used = -(-neurons // neurons_per_core)
                    self.cores[name] = first + np.arange(neurons) * used // neurons
                    first += used
        self.count = 1 + max((int(c[-1]) for c in self.cores.values()), default=-1)

    @cached_property
    def neurons(self) -> np.ndarray:
        """How many neurons each core has: int64, (cores,)."""
        of_populations = [np.bincount(c, minlength=self.count) for c in self.cores.values()]
        return np.sum(of_populations, axis=0, initial=0) * np.ones(self.count, np.int64)

    @cached_property
    def synapses(self) -> dict:
        """By set: how many synapses each source has on each core; sparse, (sources, cores)."""
        return {name: self._of_set(name) for name in self.network.synapses}

    @cached_property
    def takers(self) -> dict:
        """By set: 1 where a core takes the events of a source; sparse, (sources, cores)."""
        from scipy.sparse import csr_array

        takers = {}
        for name, part in self.network.synapses.items():
            reached = (self.synapses[name] > 0).astype(np.int64)
            nowhere = np.flatnonzero(reached.sum(axis=1) == 0)
            first = np.full(nowhere.size, self.cores[part.target][0])
            ones = np.ones(nowhere.size, np.int64)
            takers[name] = reached + csr_array((ones, (nowhere, first)), reached.shape)
        return takers

    def _of_set(self, name: str):
        """Every source sends one event, each in a timestep of its own; the targets are counted."""
        from scipy.sparse import csr_array, vstack

        network, part = self.network, self.network.synapses[name]
        source, target = network.ends(part)
        connections = part.counting().connect(source, target)
        deliver, workspace = connections.start(Weights()), Workspace()
        cores = self._places(part.target, target)
        whole = connections.whole_positions  # all channels of a position reach the same targets
        rows = source.positions if whole else source.neurons
        block = max(1, BLOCK // (4 * target.neurons))
        width = 1 if whole else target.channels
        blocks = []
        for first in range(0, rows, block):
            sent = np.arange(first, min(first + block, rows))
            positions, channels = (sent, sent * 0) if whole else divmod(sent, source.channels)
            offsets = np.zeros((sent.size, source.positions), np.int64)
            offsets[np.arange(sent.size), positions] = 1
            offsets = np.concatenate([[0], offsets.ravel().cumsum()])
            events = np.concatenate([channels, np.zeros(SPARE)]).astype(np.int32)
            counts = np.zeros((sent.size, target.positions, target.channels), np.int32)
            marks = np.zeros((sent.size, target.positions, width), np.uint8)
            deliver(Slice(events, None, offsets), counts, marks, workspace)
            reached = csr_array(counts.reshape(sent.size, -1))
            on_core = (np.ones(cores.size, np.int64), (np.arange(cores.size), cores))
            blocks.append(reached @ csr_array(on_core, (cores.size, self.count)))
        per_row = vstack(blocks).tocsr()
        return per_row[np.repeat(np.arange(rows), source.channels)] if whole else per_row

    def _places(self, name: str, target) -> np.ndarray:
        """The core of each place that sets see; places of one neuron are on its core."""
        cores, part = self.cores[name], self.network.populations[name]
        if target.neurons == part.neurons:
            return cores
        pool = np.array(target.shape[:2]) // np.array(part.shape[:2])
        return cores.reshape(part.shape).repeat(pool[0], 0).repeat(pool[1], 1).ravel()

    def load(self, sample: Sample, timesteps: int) -> Load:
        """What a sample gives each core to do; it was run with spikes and arrivals recorded."""
        network, shape = self.network, (timesteps, self.count)
        pops, synops, updates, pushes = (np.zeros(shape, np.int64) for _ in range(4))
        for name, part in network.synapses.items():
            events = delivered(network, sample, name)
            synops += (events @ self.synapses[name]).toarray()
            pops += (events @ self.takers[name]).toarray()
            if part.source != network.input:
                times, sources, _ = sample.spikes[part.source]
                np.add.at(pushes, (times, self.cores[part.source][sources]), 1)
        for name in self.cores:
            part = network.populations[name]
            places = self._places(name, part.listening)
            listening = np.bincount(places, minlength=self.count)
            for t in range(timesteps):
                updates[t] += listening * part.updates(t, t + 1)
        return Load(pops, synops, updates, pushes)


def delivered(network: Network, sample: Sample, name: str):
    """The events that a set delivers: sparse (timesteps, sources), int64.

    The sample was run with arrivals recorded: what a queue lost is not there.
    """
    from scipy.sparse import csr_array

    per_timestep, sources = sample.arrivals[name]
    neurons = network.populations[network.synapses[name].source].neurons
    ends = np.concatenate([[0], per_timestep.cumsum()])
    ones = np.ones(sources.size, np.int64)
    return csr_array((ones, sources, ends), (per_timestep.size, neurons))
