"""A set in a run."""

from __future__ import annotations

import numpy as np

from evsim.base.fields import rounded
from evsim.engine.stream import Slice, Stream

INT32_MAX = np.iinfo(np.int32).max


class Delivery:
    """A set in a run: its weights in the run's arithmetic and what it adds to."""

    def __init__(self, plan, name: str):
        network = plan.network
        self.name, self.part = name, network.synapses[name]
        self.connections = network.connections[name]
        _, target = network.ends(self.part)
        self.graded = network.graded(self.part.source, plan.graded_input)
        whole = self.part.target in plan.integer or (self.part.scaled and not self.graded)
        self.whole, self.dtype = whole, plan.dtype  # whole weights; the currents it adds to
        if whole:
            largest = self.connections.fan_in * plan.largest_weight(self.part)
            largest *= plan.largest_value(self.part.target)
            self.dtype = np.dtype(np.int32 if largest <= INT32_MAX else np.int64)
        self.width = target.arriving if self.part.target in plan.integer else None
        if self.width is not None:
            self.dtype = plan.accumulator_dtype(self.part.target)
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

    def fan_out(self, events: Slice, stream: Stream) -> int:
        """The sum of the fan-outs of the sources of a slice of its source's stream."""
        cells = np.arange(events.offsets.size - 1) % stream.positions
        cells = np.repeat(cells, np.diff(events.offsets))
        channels = events.channels[events.offsets[0] : events.offsets[-1]]
        return int(self.connections.fan_out[cells * stream.width + channels].sum())

    def _all_send(self, plan) -> bool:
        """Whether every source delivers +1 or -1 at every timestep: none may be lost."""
        source, queue = self.part.source, plan.queue
        lossy = queue is not None and queue.drops(source)
        return plan.network.populations[source].sends_signs and not lossy

    def _counting(self, plan):
        """What delivers 1 for every synapse, as the weights do."""
        ends = plan.network.ends(self.part)
        return self.part.counting().connect(*ends).start(plan.integers)


def magnitude(part, name: str) -> float:
    """The largest magnitude of a field, 0 without one."""
    value = getattr(part, name, None)
    return 0.0 if value is None else float(np.abs(np.float64(value)).max())
