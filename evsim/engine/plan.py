"""A network made ready to run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.base.fields import rounded
from evsim.codings import codings
from evsim.engine.queue import Queue
from evsim.engine.settings import Settings
from evsim.engine.weights import Weights
from evsim.network.network import Network

BLOCK = 4 << 20  # bytes of currents computed in one go: they stay in the cache
MEMORY = 512 << 20  # bytes of events held per thread, unless asked otherwise
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
        if queue is not None:
            self._check_pairs()
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
        per_timestep = sum(
            4 * part.neurons + 8 * part.positions
            for name, part in network.populations.items()
            if name not in self.starts
        )
        self.window = window or max(1, memory // max(per_timestep, 1))

    def _starts(self) -> dict[str, int]:
        """The first timestep of the one window in which a population sends pairs of events."""
        network = self.network
        starts = dict(network.schedule.starts) if network.schedule else {}
        if self.coding is codings()["switch"]:
            starts[network.input] = 0
            for name, part in network.populations.items():
                if part.passes and network.origin(name) == network.input:
                    starts[name] = network.delay_from_origin(name)
        return starts

    def _check_pairs(self) -> None:
        """Raise an error where a max pool takes pairs of events as a whole."""
        network, queue = self.network, self.queue
        for name in self._starts():
            if network.populations[name].passes:
                [into] = network.incoming(name)
                source = network.synapses[into].source
                if queue.drops(source):
                    expected = "queues that stall: this max pool takes whole pairs of events"
                    found = f"policy {queue.policy_of(source)!r}"
                    raise mismatch(found, expected, f"populations/{name}")

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
            self.currents_dtype[name] = self.lane(name)
        try:
            self.neurons[name] = part.runner(dtype, bound)
            if part.direct:
                self.neurons[name].accumulator_dtype = self.lane(name)
        except EvsimError as error:
            raise error.within(f"populations/{name}") from None

    def lane(self, name: str) -> np.dtype:
        """The integers in which the weights into a population are added one by one."""
        sets = [self.network.synapses[s] for s in self.network.incoming(name)]
        largest = max(self.largest_weight(part) for part in sets)
        return self.network.populations[name].arriving.lane(largest)

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
        origins = [(d, self.network.origin(d.part.source)) for d in self.incoming[name]]
        current = sum(d.bound * largest.get(origin, 1.0) for d, origin in origins)
        slope = sums * (current + magnitude(part, "current_bias"))
        rest = magnitude(part, "v_init") + magnitude(part, "v_reset")
        return rest + sums * (slope + magnitude(part, "bias"))

    def largest_value(self, name: str) -> int:
        """The largest value with which an event reaches a population: 1, or a whole duration."""
        part = self.network.populations[name]
        return part.window if part.sloped and part.sends and name in self.starts else 1

    def block(self, name: str) -> int:
        """Timesteps whose currents are computed in one go."""
        part = self.network.populations[name]
        if "trace" in self.record or part.direct:
            return 1
        places = part.listening.neurons
        return max(1, BLOCK // (places * self.currents_dtype[name].itemsize))


def magnitude(part, name: str) -> float:
    """The largest magnitude of a field, 0 without one."""
    value = getattr(part, name, None)
    return 0.0 if value is None else float(np.abs(np.float64(value)).max())


class Delivery:
    """A set in a run: its weights in the run's arithmetic and what it adds to."""

    def __init__(self, plan: Plan, name: str):
        network = plan.network
        self.name, self.part = name, network.synapses[name]
        self.connections = network.connections[name]
        _, target = network.ends(self.part)
        self.graded = network.graded(self.part.source, plan.graded_input)
        whole = self.part.target in plan.integer or (self.part.scaled and not self.graded)
        self.dtype = plan.dtype  # of the currents it adds to
        if whole:
            largest = self.connections.fan_in * plan.largest_weight(self.part)
            largest *= plan.largest_value(self.part.target)
            self.dtype = np.dtype(np.int32 if largest <= INT32_MAX else np.int64)
        self.width = target.arriving if self.part.target in plan.integer else None
        if self.width is not None:
            self.dtype = plan.lane(self.part.target)
        scale = self.part.scale_of(target)
        self.scale = None if scale is None else rounded(scale, plan.dtype, f"synapses/{name}/scale")
        factor = 1.0 if scale is None else max(1.0, magnitude(self.part, "scale"))
        # Of the current that events of magnitude 1 make, rounded sums of sums included.
        self.bound = 4.0 * self.connections.fan_in * plan.largest_weight(self.part) * factor
        signs = self.connections.start_signs
        if self.width is not None:
            self.deliver = self.connections.start(plan.integers, self.width)
        elif whole and signs and getattr(self.part, "bits", None) == 1 and self._all_send(plan):
            self.deliver = signs()
        else:
            self.deliver = self.connections.start(plan.integers if whole else plan.floats)
        self.count = None
        if network.populations[self.part.target].counts_arrivals:
            self.count = self._counting(plan)

    def _all_send(self, plan: Plan) -> bool:
        """Whether every source delivers +1 or -1 at every timestep: none may be lost."""
        source, queue = self.part.source, plan.queue
        lossy = queue is not None and queue.drops(source)
        return plan.network.populations[source].sends_signs and not lossy

    def _counting(self, plan: Plan):
        """What delivers 1 for every synapse, as the weights do."""
        ends = plan.network.ends(self.part)
        return self.part.counting().connect(*ends).start(plan.integers)
