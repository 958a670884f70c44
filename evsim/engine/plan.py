"""A network made ready to run."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cached_property

import numpy as np

from evsim.base.errors import EvsimError
from evsim.codings import codings
from evsim.engine.batch import per_event, samples_together
from evsim.engine.delivery import INT32_MAX, Delivery, magnitude
from evsim.engine.queue import Queue
from evsim.engine.settings import Settings
from evsim.engine.weights import Weights
from evsim.network.network import Network

BLOCK = 4 << 20  # bytes of currents computed in one go: they stay in the cache
MEMORY = 512 << 20  # bytes of events held per thread, unless asked otherwise


class Plan:
    """A network made ready to run: arithmetic, order, prepared parts.

    `span`: timesteps that all populations are advanced by before any goes on, as `memory` (bytes of
    events held per thread) allows; `batch`: the most samples that are advanced together, `samples`:
    as many as this plan is for (`for_samples`). No result depends on any of them.
    """

    def __init__(
        self,
        network: Network,
        settings: Settings,
        *,
        memory: int = MEMORY,
        record: tuple[str, ...] = (),
        span: int | None = None,
        queue: Queue | None = None,
        scratch=None,
    ):
        self.queue, self.scratch = queue, scratch  # a folder for recordings too long for memory
        self.network, self.timesteps, self.seed = network, settings.timesteps, settings.seed
        self.dtype = np.dtype(settings.dtype)
        self.coding = codings()[settings.coding]
        self.most = float(np.finfo(self.dtype).max)
        self.graded_input = settings.graded_input
        self.record = record
        self.floats, self.integers = Weights(self.dtype), Weights()
        self.integer = network.integer_populations(self.graded_input)
        self.starts = self._starts()
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
        self.safe = {  # populations whose sums the weights alone keep within the dtype
            name
            for name in self.neurons
            if name in self.integer
            or (not any(d.graded for d in self.incoming[name]) and self.reach(name, {}) < self.most)
        }
        self.population_index = {name: i for i, name in enumerate(network.populations)}
        self.event_bytes = sum(  # of a timestep in which all neurons send
            4 * part.neurons + 8 * part.positions
            for name, part in network.populations.items()
            if name not in self.starts
        )
        self.span = span or max(1, memory // max(self.event_bytes, 1))
        self.samples, self.batch = 1, samples_together(self, memory)
        self._batched: dict[int, Plan] = {}

    @cached_property
    def per_event(self) -> dict[str, np.ndarray]:
        """By set: what an event of each source adds to the facts that batches share."""
        return {name: per_event(self, name) for name in self.network.synapses}

    def for_samples(self, samples: int) -> Plan:
        """This plan, which is for one sample, for so many, at most `batch`; it is kept."""
        if samples == 1:
            return self
        if samples not in self._batched:
            plan = copy.copy(self)
            plan.samples, plan.neurons, plan._batched = samples, {}, {}  # no circle: large arrays
            for name in self.neurons:
                plan._prepare(name, self.network.populations[name].batched(samples))
                plan.neurons[name].samples = samples
            plan.per_event = self.per_event
            self._batched[samples] = plan
        return self._batched[samples]

    def _starts(self) -> dict[str, int]:
        """The first timestep of the one window in which a population sends pairs of events.

        A max pool of events that a queue may lose sends what is left of them, one by one.
        """
        network = self.network
        starts = dict(network.schedule.starts) if network.schedule else {}
        if self.coding.IN_WINDOW:
            starts[network.input] = 0
            for name, part in network.populations.items():
                if part.passes and network.origin(name) == network.input:
                    starts[name] = network.delay_from_origin(name)
        return {
            name: start
            for name, start in starts.items()
            if not any(self.drops(part.source) for part in network.sets_to_origin(name))
        }

    def drops(self, source: str) -> bool:
        """Whether a queue may lose events of a population."""
        return self.queue is not None and self.queue.drops(source)

    def sends_pairs(self, source: str) -> bool:
        """Whether what arrives of a population are pairs of events, none of them lost."""
        return source in self.starts and not self.drops(source)

    def _prepare(self, name: str, part) -> None:
        dtype, bound = self.dtype, 0
        if part.passes:
            [delivery] = self.incoming[name]
            source = self.network.populations[delivery.part.source]
            self.currents_dtype[name] = dtype
            self.neurons[name] = part.gate(delivery.part.geometry(source, part), source, dtype)
            return
        if name in self.integer and "ranges" in self.record:
            part = part.reporting()
        if name in self.integer:
            dtype = np.dtype(np.int32)
            bound = sum(
                d.connections.fan_in * self.largest_weight(d.part) for d in self.incoming[name]
            )
            bound *= self.largest_value(name)
        wide = bound > INT32_MAX and not part.arriving
        self.currents_dtype[name] = np.dtype(np.int64) if wide else dtype
        if wide:
            for delivery in self.incoming[name]:
                delivery.dtype = np.dtype(np.int64)
        if name in self.integer and part.arriving:
            self.currents_dtype[name] = self.accumulator_dtype(name)
        try:
            self.neurons[name] = part.runner(dtype, bound)
            if part.direct:
                self.neurons[name].accumulator_dtype = self.accumulator_dtype(name)
        except EvsimError as error:
            raise error.within(f"populations/{name}") from None

    def accumulator_dtype(self, name: str) -> np.dtype:
        """The integers in which the weights into a population are added one by one."""
        sets = [self.network.synapses[s] for s in self.network.incoming(name)]
        largest = max(self.largest_weight(part) for part in sets)
        return self.network.populations[name].arriving.accumulator_dtype(largest)

    def largest_weight(self, part) -> int | float:
        """The largest magnitude among the weights of a set."""
        weights = part.weights()
        if weights is None:
            return 1
        return max(weights.max(initial=0).item(), -weights.min(initial=0).item())

    def reach(self, name: str, largest: Mapping[str, float]) -> float:
        """A magnitude that no sum of floats in a population exceeds.

        `largest`: of the values that graded populations send. A sum of n numbers of at most x is
        at most 2 n x, as rounding adds no more than a number itself; a set adds eight at a time.
        Currents are taken to add up twice, as in a slope or a synaptic current that then adds up
        in the potential. A leak, a floor and a spike take away only.
        """
        part, sums = self.network.populations[name], 2.0 * self.timesteps
        current = sum(
            d.bound * self.largest_event(d.part.source, largest) for d in self.incoming[name]
        )
        slope = sums * (current + magnitude(part, "current_bias"))
        rest = magnitude(part, "v_init") + magnitude(part, "v_reset")
        return rest + sums * (slope + magnitude(part, "bias"))

    def largest_event(self, name: str, largest: Mapping[str, float]) -> float:
        """A magnitude that no event value of a population exceeds; `largest` as in `reach`.

        What a max pool sends is at most what it takes, and rounding may double that: the sum of two
        floats is no farther from it than either of them.
        """
        pools = len(self.network.sets_to_origin(name))
        origin = self.network.origin(name)
        return 2.0**pools * largest[origin] if origin in largest else 1.0

    def largest_value(self, name: str) -> int:
        """The largest value with which an event reaches a population: 1, or a whole duration."""
        part = self.network.populations[name]
        return part.window if part.sloped and part.sends and name in self.starts else 1

    def unsafe(self, name: str, largest: Mapping[str, float]) -> bool:
        """Whether sums of floats in a population have to be checked, timestep by timestep.

        `largest`: of the values that graded populations sent until now.
        """
        return name not in self.safe and not self.reach(name, largest) < self.most

    def block(self, name: str) -> int:
        """Timesteps whose currents are computed in one go."""
        part = self.network.populations[name]
        if "trace" in self.record or part.direct:
            return 1
        places = part.listening.neurons * self.samples
        return max(1, BLOCK // (places * self.currents_dtype[name].itemsize))
