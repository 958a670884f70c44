"""Several samples advanced together, where one is so little that time goes between the kernels.

Side by side they are one sample of more positions: position p of sample s is s * positions + p, in
streams, currents and states. Kernels that add weights have no notion of time: to them a timestep of
a sample is a timestep. Kernels of neurons see populations of so many more rows. No bit and no fact
of a sample depends on which others are beside it, or on how many.
"""

from __future__ import annotations

import numpy as np

from evsim.engine.delivery import Delivery

CURRENTS = 8 << 20  # bytes of the currents of a population, of all samples and timesteps
MOST = 64  # samples
RATES = {"rates"}  # what may be recorded: it follows from what is counted


def samples_together(plan, memory: int) -> int:
    """How many samples of a plan are advanced together; 1 where only one can be.

    `memory`: bytes of the events of all of them, which are ordered once more when they are encoded.
    A queue, a window in which events are times, what is recorded, and kinds that do not say that
    they can be batched take their samples one by one.
    """
    network = plan.network
    if plan.queue is not None or plan.starts or network.schedule or set(plan.record) - RATES:
        return 1
    parts = {name: p for name, p in network.populations.items() if name != network.input}
    if not all(part.batches for part in parts.values()):
        return 1
    spans = {name: stage.span for stage in network.stages for name in stage.populations}
    largest = max(
        part.neurons * plan.currents_dtype[name].itemsize * min(spans[name] or steps, steps)
        for name, part in parts.items()
        for steps in [plan.timesteps]
    )
    events = max(2 * plan.event_bytes * plan.timesteps, 1)
    return max(1, min(MOST, CURRENTS // largest, memory // events))


def shared_facts(delivery: Delivery) -> tuple[str, ...]:
    """The facts of a set that follow from the events that it carries: columns of `per_event`."""
    return "arrivals", "rows", "macs" if delivery.graded else "synops", "zero_synops"


def per_event(plan, name: str) -> np.ndarray:
    """What an event of each source neuron of a set adds to `shared_facts`, (sources, 4) int64.

    A weight is 0 where it is so in the arithmetic of the run.
    """
    delivery = plan.deliveries[name]
    part, fan_out = delivery.part, delivery.connections.fan_out
    found = np.zeros((fan_out.size, 4), np.int64)
    found[:, 0], found[:, 2] = 1, fan_out
    if part.weights() is None:
        return found
    zero = (plan.integers if delivery.whole else plan.floats)(part.weights()).ravel() == 0
    if delivery.connections.row_length and not zero.any():
        found[:, 1] = fan_out // delivery.connections.row_length
        return found
    rows, before = part.rows(*plan.network.ends(part)), np.cumsum(np.append(0, zero))
    in_row = before[rows.starts + rows.lengths] - before[rows.starts]
    found[:, 1] = np.bincount(rows.sources, minlength=fan_out.size)
    found[:, 3] = np.bincount(rows.sources, in_row[rows.rows], fan_out.size)
    return found
