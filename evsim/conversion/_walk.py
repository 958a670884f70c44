"""Calibration samples on their way through a network, one population after the other.

Events of a population wait where the work keeps things until no other needs them, sample by
sample: memory does not depend on how many samples there are. What is lost there is made again.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod

import numpy as np

from evsim.artificial.model import INPUT
from evsim.conversion._build import Scales, build
from evsim.conversion._graph import Graph, Node
from evsim.conversion._packed import Packed, joined, packed
from evsim.conversion._work import Work
from evsim.engine.plan import Plan
from evsim.engine.settings import settle, values_of
from evsim.engine.simulation import Simulation
from evsim.engine.stream import Stream
from evsim.engine.workspace import Workspace
from evsim.neurons.input import Input

GROUP = 32 << 20  # bytes of the events of samples that are taken together, if all neurons fire
GROUPS = 32  # of samples, at least, where there are so many: for threads, and to be interrupted


@dataclass(frozen=True)
class Choices:
    """How the network is to run."""

    reset: str
    v_init: float | dict[str, np.ndarray]  # a share of the threshold, for all nodes or for each
    coding: str
    timesteps: int
    seed: int
    first_sample: int
    starts: dict[str, int]  # node: the first timestep it may fire in


class Walk:
    """All samples, all timesteps of one population before the next; currents are activations.

    `name` is its own among all that the work keeps.
    """

    def __init__(self, name: str, graph: Graph, input: Input, images, choices: Choices, work: Work):
        self.name, self.graph, self.input, self.images = name, graph, input, images
        self.choices, self.work = choices, work
        first = build(_alone(graph, graph.output), dict.fromkeys(graph.nodes, np.ones(())), input)
        self.settings = settle(
            first,
            images,
            timesteps=choices.timesteps,
            coding=choices.coding,
            seed=choices.seed,
            first_sample=choices.first_sample,
        )
        self.groups = _groups(graph, len(images), choices.timesteps)
        self.places = {name: place for place, name in enumerate(graph.nodes)}
        self.fired: dict[str, tuple[Node, Scales]] = {}
        self.again: tuple[str, Plan | None] = "", None
        self.planning, self.reading = threading.Lock(), threading.Lock()
        self.uses = dict.fromkeys(graph.nodes, 0)
        for node in graph.nodes.values():
            for source, _ in node.terms:
                self.uses[source] += 1

    def largest(self, node: Node, scales: Scales) -> np.ndarray:
        """The largest current, bias included, that arrives at a node, of each channel."""
        label, kept = self._label(node.name, "largest"), self.work.kept
        largest = kept.get(label)
        if largest is None:
            plan = self._plan(node, scales | {node.name: np.ones(())})

            def measure(samples: slice) -> np.ndarray:
                place = f"{label}-{samples.start:08d}"
                largest = kept.get(place)
                if largest is None:
                    largest = {
                        "peak": np.max([_largest(plan, s) for s in self._each(plan, samples)], 0)
                    }
                    kept.put(place, largest)
                return largest["peak"]

            peaks = self.work.each(
                measure, self.groups, lambda finished: self._tell(node, 0, finished)
            )
            largest = {"peak": reduce(np.maximum, peaks)}
            kept.put(label, largest)
            kept.drop(f"{label}-")
        return largest["peak"]

    def advance(self, node: Node, scales: Scales, held: Sequence[np.ndarray] = ()) -> np.ndarray:
        """Let a node fire, whose sources must have; returns the mean rate of each channel.

        `held`: what arrives in the first samples, as `currents` gives it, so far as it is known.
        """
        self.fired[node.name] = node, dict(scales)
        label = self._label(node.name, "fired")
        fired = self.work.kept.get(label)
        if fired is None:
            plan = self._plan(node, scales)

            def fire(samples: slice) -> np.ndarray:
                channels = self._kept(node.name, samples, plan, held)["channels"]
                return np.bincount(channels, minlength=node.channels)

            events = self.work.each(
                fire, self.groups, lambda finished: self._tell(node, 1, finished)
            )
            fired = {"events": reduce(np.add, events)}
            self.work.kept.put(label, fired)
        neurons = int(np.prod(node.shape)) // node.channels
        return fired["events"] / (len(self.images) * self.settings.timesteps * neurons)

    def rates(self, node: Node, scales: Scales) -> np.ndarray:
        """What a node that has fired told of its activations: (samples, *shape), float32."""

        def told(samples: slice) -> np.ndarray:
            *place, channels = node.shape
            events = Packed(self._kept(node.name, samples), prod(place), channels)
            sums = [events.sums(k) for k in range(samples.stop - samples.start)]
            return np.stack(sums).reshape(-1, *node.shape)

        sums = np.concatenate(list(self.work.each(told, self.groups)))
        return np.float32(sums * (scales[node.name] / self.settings.timesteps))

    def currents(self, node: Node, scales: Scales, room: int) -> list[np.ndarray]:
        """What arrives at a node in the first samples, (timesteps, positions, channels) each.

        In the unit of activations; of as many as fit into `room` bytes, at least one.
        """
        size = 4 * self.settings.timesteps * prod(node.shape)
        samples = max(1, min(len(self.images), room // size))
        groups = [slice(g.start, min(g.stop, samples)) for g in self.groups if g.start < samples]
        plan = self._plan(node, scales)

        def arriving(samples: slice) -> list[np.ndarray]:
            return [_currents(plan, simulation) for simulation in self._each(plan, samples)]

        return [one for several in self.work.each(arriving, groups) for one in several]

    def leave(self, node: Node) -> None:
        """Forget the events that no node after this one takes."""
        for source, _ in node.terms:
            self.uses[source] -= 1
            if not self.uses[source]:
                self.work.kept.drop(self._label(source, "events"))

    def _kept(
        self,
        name: str,
        samples: slice,
        plan: Plan | None = None,
        held: Sequence[np.ndarray] = (),
    ) -> dict[str, np.ndarray]:
        """The events of a node that has fired, in some samples; made (again) if they are lost."""
        label = f"{self._label(name, 'events')}-{samples.start:08d}"
        events = self.work.kept.get(label)
        if events is None:
            plan = plan or self._plan_again(name)
            if samples.stop <= len(held):
                parts = [packed([_fired_of(plan, currents)]) for currents in held[samples]]
            else:
                every = self._each(plan, samples)
                parts = [packed([_fired(plan, simulation)]) for simulation in every]
            events = joined(parts)
            self.work.kept.put(label, events)
        return events

    def _each(self, plan: Plan, samples: slice):
        """A simulation of each sample: of the last population of a plan, whose sources have fired.

        Only one is used at a time.
        """
        graph, workspace = self.graph, Workspace()
        named = {delivery.part.source for delivery in plan.incoming[plan.network.output]}
        sources = {}
        for name in named - {INPUT}:
            *place, channels = graph.nodes[name].shape
            sources[name] = Packed(self._kept(name, samples), prod(place), channels)
        first = (
            samples.start if hasattr(self.images, "part") else 0
        )  # of a file: read ahead by each
        images = self.images.part(samples) if hasattr(self.images, "part") else self.images
        nothing = np.zeros(self.input.neurons, np.float32)
        for index in range(samples.start, samples.stop):
            values = nothing
            if INPUT in named:
                with self.reading:  # files are read by one thread at a time
                    values = values_of(self.input, images, index - first, np.float32)
            number = self.settings.first_sample + index
            simulation = Simulation(plan, [number], [values], workspace, self.work.stop)
            if INPUT in named:
                simulation.advance(INPUT, 0, plan.timesteps)
            streams = {
                name: events.stream(index - samples.start) for name, events in sources.items()
            }
            simulation.streams.update(streams)
            yield simulation

    def _plan(self, node: Node, scales: Scales) -> Plan:
        """What advances a node whose sources have spiked already."""
        rules = {"reset": self.choices.reset, "v_init": self.choices.v_init}
        rules |= {"balance": "activations", "starts": self.choices.starts}
        plan = Plan(build(_alone(self.graph, node), scales, self.input, **rules), self.settings)
        places = {name: i for i, name in enumerate(sorted(self.graph.nodes))}
        plan.population_index |= places  # as in the whole network
        return plan

    def _plan_again(self, name: str) -> Plan:
        """The plan of a node that has fired; the last one asked for is held."""
        with self.planning:
            if self.again[0] != name:
                self.again = name, self._plan(*self.fired[name])
            return self.again[1]

    def _label(self, name: str, what: str) -> str:
        """Under what to keep what is known of a node; names of nodes may hold anything."""
        return f"{self.name}-{self.places[name]:05d}-{what}"

    def _tell(self, node: Node, half: int, groups: int) -> None:
        """Say how far the walk is: two turns a node, the first to measure, the second to fire."""
        finished = (2 * self.places[node.name] + half) * len(self.groups) + groups
        self.work.progress(finished, 2 * len(self.places) * len(self.groups))


def _groups(graph: Graph, samples: int, timesteps: int) -> list[slice]:
    """The samples that are taken together: neither threads nor memory change which."""
    largest = max(prod(node.shape) for node in graph.nodes.values())
    size = max(1, min(GROUP // (largest * timesteps), -(-samples // GROUPS)))
    return [slice(a, min(a + size, samples)) for a in range(0, samples, size)]


def _alone(graph: Graph, node: Node) -> Graph:
    """A node and its sources, which have no sources of their own."""
    alone = Graph()
    alone.add(INPUT, kind="input", shape=graph.nodes[INPUT].shape)
    for source in dict.fromkeys(source for source, _ in node.terms):
        if source != INPUT:
            alone.add(source, kind="neurons", shape=graph.nodes[source].shape)
    alone.nodes[node.name] = node
    return alone


def _largest(plan: Plan, simulation: Simulation) -> np.ndarray:
    """The largest current, bias included, that arrives at the output, of each channel."""
    name = plan.network.output
    part = plan.network.populations[name]
    bias = 0 if part.bias is None else part.grid(np.float32(part.bias))
    largest = np.full(part.channels, -np.inf)
    for first in range(0, plan.timesteps, plan.block(name)):
        last = min(first + plan.block(name), plan.timesteps)
        currents = np.zeros((last - first, part.positions, part.channels), np.float32)
        arrivals = simulation.inbox.take(name, first, last)
        simulation.inbox.deliver(name, arrivals, first, last, currents)
        largest = np.maximum(largest, (currents + bias).max(axis=(0, 1)))
    return largest


def _currents(plan: Plan, simulation: Simulation) -> np.ndarray:
    """All that arrives at the output of a plan, (timesteps, positions, channels)."""
    name = plan.network.output
    part = plan.network.populations[name]
    currents = np.zeros((plan.timesteps, part.positions, part.channels), np.float32)
    for first in range(0, plan.timesteps, plan.block(name)):
        last = min(first + plan.block(name), plan.timesteps)
        arrivals = simulation.inbox.take(name, first, last)
        simulation.inbox.deliver(name, arrivals, first, last, currents[first:last])
    return currents


def _fired_of(plan: Plan, currents: np.ndarray) -> Stream:
    """The events of the output population of a plan, of all that arrives at it."""
    name = plan.network.output
    runner, block = plan.neurons[name], plan.block(name)
    state, stream = runner.begin(), Stream(*currents.shape[1:])
    nobody = np.zeros((block, 0, 1), np.uint8)  # who was reached: not asked
    for first in range(0, plan.timesteps, block):
        some = currents[first : first + block]
        runner.advance(state, some, nobody[: len(some)], first, stream)
    return stream


def _fired(plan: Plan, simulation: Simulation) -> Stream:
    """The events of the output population of a plan."""
    name = plan.network.output
    simulation.advance(name, 0, plan.timesteps)
    return simulation.streams[name]
