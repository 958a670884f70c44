"""What is kept of a sample beside its facts: what `record` names, and the sums of its output."""

from __future__ import annotations

import numpy as np

from evsim.base.errors import EvsimError
from evsim.engine.arrival import Arrival
from evsim.engine.plan import Plan
from evsim.engine.recording import Events, let_go, room
from evsim.engine.stream import Stream
from evsim.neurons._runner import check_range

NOBODY = np.zeros(0, np.int32)


class Recorder:
    """The recordings of one sample; the plan's `record` says which.

    `spikes`: events by population. `trace`: potentials (timesteps, neurons) by population.
    `queues`: (timesteps,) events that arrive, by set. `arrivals`: by set, how many events each
    timestep delivers and their source neurons in order.
    """

    def __init__(self, plan: Plan, streams: dict[str, Stream], states, traced_dtype, valued):
        self.plan, network = plan, plan.network
        populations, synapses, scratch = network.populations, network.synapses, plan.scratch
        graded = network.input if plan.graded_input else None
        spiking = [n for n in streams if n != graded] if "spikes" in plan.record else []
        self.spikes = {name: Events(valued(name), scratch) for name in spiking}
        self.trace = {
            name: room((plan.timesteps, populations[name].neurons), traced_dtype(name), scratch)
            for name in (states if "trace" in plan.record else ())
            if "potential" in states[name]
        }
        for name in self.trace.keys() & plan.starts.keys():  # at rest before it listens
            self.trace[name][:] = states[name]["potential"].reshape(1, -1)
        queued = synapses if "queues" in plan.record else ()
        self.queues = {name: np.zeros(plan.timesteps, np.int64) for name in queued}
        noted = synapses if "arrivals" in plan.record else ()
        self.arrivals = {name: (np.zeros(plan.timesteps, np.int64), []) for name in noted}
        if network.output in streams:
            neurons = plan.samples * populations[network.output].neurons
            self.sums = np.zeros((plan.timesteps, neurons))

    def arrived(self, arrival: Arrival) -> None:
        """Take in the events of a set that arrive in a block."""
        name, begin, end = arrival.delivery.name, arrival.begin, arrival.end
        if self.queues:
            delay = arrival.delivery.part.delay
            per_timestep = arrival.stream.per_timestep(begin - delay, end - delay)
            self.queues[name][begin:end] = per_timestep
        if self.arrivals:
            stream, events, (per_timestep, sources) = (*arrival[1:3], self.arrivals[name])
            cells = np.arange(events.offsets.size - 1) % stream.positions * stream.width
            neurons = np.repeat(cells, np.diff(events.offsets))
            neurons += events.channels[events.offsets[0] : events.offsets[-1]]
            times = arrival.steps if stream.repeats else 1
            per_timestep[begin:end] = np.diff(events.offsets[:: stream.positions])
            sources.append(np.tile(neurons.astype(np.int32), times))

    def traced(self, name: str, potential: np.ndarray, first: int, last: int | None) -> None:
        """Keep the potential of a population for timesteps `first` to before `last`, or the end."""
        if name in self.trace:
            self.trace[name][first:last] = potential.reshape(1, -1)

    def sent(self, name: str, stream: Stream, first: int, last: int) -> None:
        """Take in what a population sent in timesteps first .. last - 1."""
        is_output = name == self.plan.network.output
        if name in self.spikes or is_output:
            timesteps, neurons, values = stream.events(first, last)
            if name in self.spikes:
                self.spikes[name].append(timesteps, neurons, values)
            if is_output:
                np.add.at(self.sums, (timesteps, neurons), values)
        if name in self.trace:
            let_go(self.trace[name])

    def event_sums(self, sample: int) -> np.ndarray:
        """The sums of event values of the output, (timesteps, samples x neurons), float64.

        Raises EvsimError where one is not finite.
        """
        with np.errstate(all="ignore"):
            sums = self.sums.cumsum(axis=0)
        for t in np.flatnonzero(~np.isfinite(sums).all(axis=1)):
            try:
                check_range("sum of events", sums[t], sums.dtype, t)
            except EvsimError as error:
                place = f"populations/{self.plan.network.output}, sample {sample}"
                raise error.within(place) from None
        return sums

    def delivered(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """`arrivals` with one array of source neurons a set."""
        return {
            name: (per_timestep, np.concatenate([NOBODY, *sources]))
            for name, (per_timestep, sources) in self.arrivals.items()
        }
