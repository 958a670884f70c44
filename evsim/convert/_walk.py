"""Calibration samples on their way through a network, one population after the other."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from evsim.ann import INPUT
from evsim.convert._build import Scales, build
from evsim.convert._graph import Graph, Node
from evsim.engine import Simulation
from evsim.memory import Space, thread_count
from evsim.neurons.input import Input
from evsim.plan import Plan
from evsim.settings import settle, values_of


@dataclass(frozen=True)
class Choices:
    """How the network is to run."""

    reset: str
    v_init: float
    coding: str
    timesteps: int
    seed: int
    first_sample: int
    starts: dict[str, int]  # node: the first timestep it may fire in


class Walk:
    """All samples, all timesteps of one population before the next; currents are activations."""

    def __init__(self, graph: Graph, input: Input, images, choices: Choices, jobs: int | None):
        self.graph, self.input, self.choices = graph, input, choices
        first = build(_alone(graph, graph.output), dict.fromkeys(graph.nodes, np.ones(())), input)
        self.settings = settle(
            first,
            images,
            timesteps=choices.timesteps,
            coding=choices.coding,
            seed=choices.seed,
            first_sample=choices.first_sample,
        )
        self.samples = [
            _Sample(self.settings.first_sample + i, values_of(input, images, i, np.float32))
            for i in range(len(images))
        ]
        self.jobs = min(thread_count(jobs), len(self.samples))
        self.uses = dict.fromkeys(graph.nodes, 0)
        for node in graph.nodes.values():
            for source, _ in node.terms:
                self.uses[source] += 1

    def _each(self, action) -> list:
        with ThreadPoolExecutor(self.jobs) as pool:
            return list(pool.map(action, self.samples))

    def _plan(self, node: Node, scales: Scales) -> Plan:
        """What advances a node whose sources have spiked already."""
        rules = {"reset": self.choices.reset, "v_init": self.choices.v_init}
        rules |= {"balance": "activations", "starts": self.choices.starts}
        plan = Plan(build(_alone(self.graph, node), scales, self.input, **rules), self.settings)
        places = {name: i for i, name in enumerate(sorted(self.graph.nodes))}
        plan.population_index |= places  # as in the whole network
        return plan

    def largest(self, node: Node, scales: Scales) -> np.ndarray:
        """The largest current, bias included, that arrives at a node, of each channel."""
        plan = self._plan(node, scales | {node.name: np.ones(())})
        return np.max(self._each(lambda sample: sample.largest(plan)), axis=0)

    def advance(self, node: Node, scales: Scales) -> None:
        """Let a node fire, now or again; its sources must have."""
        plan = self._plan(node, scales)
        self._each(lambda sample: sample.advance(plan))

    def leave(self, node: Node) -> None:
        """Forget the events that only this node was waiting for."""
        for source, _ in node.terms:
            self.uses[source] -= 1
            for sample in self.samples if not self.uses[source] else ():
                sample.streams.pop(source, None)

    def rates(self, node: Node) -> np.ndarray:
        """The mean firing rate of each channel."""
        events = np.zeros(node.channels)
        for sample in self.samples:
            stream = sample.streams[node.name]
            events += np.bincount(stream.channels[: stream.count], minlength=node.channels)
        neurons = int(np.prod(node.shape)) // node.channels
        return events / (len(self.samples) * self.settings.timesteps * neurons)


def _alone(graph: Graph, node: Node) -> Graph:
    """A node and its sources, which have no sources of their own."""
    alone = Graph()
    alone.add(INPUT, kind="input", shape=graph.nodes[INPUT].shape)
    for source in dict.fromkeys(source for source, _ in node.terms):
        if source != INPUT:
            alone.add(source, kind="neurons", shape=graph.nodes[source].shape)
    alone.nodes[node.name] = node
    return alone


class _Sample:
    """A sample on its way through the network, one population at a time."""

    def __init__(self, index: int, values: np.ndarray):
        self.index, self.values = index, values
        self.streams = {}  # events of the populations that others still wait for

    def _simulation(self, plan: Plan) -> Simulation:
        found = Simulation(plan, self.index, self.values, Space(), threading.Event())
        sources = {delivery.part.source for delivery in plan.incoming[plan.network.output]}
        if INPUT in sources and INPUT not in self.streams:
            found.encode(0, plan.timesteps)
            self.streams[INPUT] = found.streams[INPUT]
        found.streams.update(self.streams)
        return found

    def largest(self, plan: Plan) -> np.ndarray:
        """The largest current, bias included, that arrives at the output, of each channel."""
        simulation, name = self._simulation(plan), plan.network.output
        part = plan.network.populations[name]
        bias = 0 if part.bias is None else part.grid(np.float32(part.bias))
        largest = np.full(part.channels, -np.inf)
        for first in range(0, plan.timesteps, plan.block(name)):
            last = min(first + plan.block(name), plan.timesteps)
            currents = np.zeros((last - first, part.positions, part.channels), np.float32)
            simulation.arrive(name, first, last, currents)
            largest = np.maximum(largest, (currents + bias).max(axis=(0, 1)))
        return largest

    def advance(self, plan: Plan) -> None:
        """Let the output population of the plan fire; its events are kept."""
        simulation, name = self._simulation(plan), plan.network.output
        simulation.advance(name, 0, plan.timesteps)
        self.streams[name] = simulation.streams[name]
