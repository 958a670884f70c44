"""What other tools see of average pools that are folded into the weights behind them.

To them a pool is a layer, and gives averages of spikes to the next one. The facts of a run know
spikes alone: here the samples are run once more, and the averages of each timestep counted.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from math import prod

import numpy as np

from evsim.engine.plan import Plan
from evsim.engine.sample import Sample
from evsim.engine.settings import Settings
from evsim.engine.simulation import Stopped
from evsim.engine.threads import simulate
from evsim.network.network import Network
from evsim.studies.job import Interrupted, counted, interrupting


@dataclass(frozen=True)
class Averaged:
    """The averages fed to a set, sums over samples and timesteps.

    A call is one timestep of one sample. It is a call of spikes where its averages are all 0 or 1.
    """

    area: int  # spikes that an average is of
    values: int  # averages of a call
    spikes: int  # those in whole windows: the sum of all averages is spikes / area
    products: int  # averages that are not 0, each times the weights that it meets and are not 0
    ones: int  # in calls of spikes: averages of 1, each times the weights that it meets
    two_valued_spikes: int  # spikes of calls of at most two different averages
    many_valued_calls: int  # calls of more

    def __add__(self, other: Averaged) -> Averaged:
        sums = (self.spikes + other.spikes, self.products + other.products, self.ones + other.ones)
        sums += (self.two_valued_spikes + other.two_valued_spikes,)
        many = self.many_valued_calls + other.many_valued_calls
        return Averaged(self.area, self.values, *sums, many)


class Cells:
    """The windows of a folded average pool: which one each source is in, and what it meets."""

    def __init__(self, network: Network, name: str):
        part = network.synapses[name]
        source, target = network.ends(part)
        (height, width, depth), (rows, columns) = source.shape, part.prepool
        y, x, channel = np.unravel_index(np.arange(source.neurons), source.shape)
        cells = (height // rows, width // columns)
        inside = (y // rows < cells[0]) & (x // columns < cells[1])
        cell = ((y // rows) * cells[1] + x // columns) * depth + channel
        self.cell = np.where(inside, cell, -1)
        self.area, self.values = rows * columns, prod(cells) * depth
        weights = np.concatenate([[0], np.cumsum(part.weights().ravel() != 0)])
        read = part.rows(source, target)
        met = read.reads @ (weights[read.starts + read.lengths] - weights[read.starts])
        fan_out = np.asarray(network.connections[name].fan_out)
        self.met, self.fan_out = np.zeros((2, self.values), np.int64)
        self.met[cell[inside]], self.fan_out[cell[inside]] = met[inside], fan_out[inside]

    def averaged(self, per_timestep: np.ndarray, sources: np.ndarray) -> Averaged:
        """The averages of a sample: events that arrive at each timestep, and their sources."""
        cell = self.cell[sources]
        timestep = np.repeat(np.arange(per_timestep.size), per_timestep)[cell >= 0]
        keys, spikes = np.unique(timestep * self.values + cell[cell >= 0], return_counts=True)
        timestep, cell = np.divmod(keys, self.values)
        steps = per_timestep.size
        different = np.unique(timestep * (self.area + 1) + spikes) // (self.area + 1)
        kinds = np.bincount(different, minlength=steps)  # of averages that are not 0
        kinds += np.bincount(timestep, minlength=steps) < self.values
        partial = np.bincount(timestep[spikes < self.area], minlength=steps) > 0
        ones = (spikes == self.area) & ~partial[timestep]
        few = kinds <= 2
        return Averaged(
            self.area,
            self.values,
            int(spikes.sum()),
            int(self.met[cell].sum()),
            int(self.fan_out[cell[ones]].sum()),
            int(spikes[few[timestep]].sum()),
            int((~few).sum()),
        )


def folded(network: Network, graded_input: bool) -> list[str]:
    """The sets with an average pool folded into them, whose sources send spikes of one sign."""
    return [
        name
        for name, part in network.synapses.items()
        if getattr(part, "prepool", (1, 1)) != (1, 1)
        and not network.graded(network.origin(part.source), graded_input)
        and not network.populations[network.origin(part.source)].valued
    ]


def averages(
    network: Network, settings: Settings, inputs, *, jobs: int | None, memory: int, quiet: bool
) -> dict[str, Averaged]:
    """The averages fed to each set with a folded average pool, by running the samples again."""
    names = folded(network, settings.graded_input)
    if not names:
        return {}
    cells = {name: Cells(network, name) for name in names}
    found: dict[str, Averaged] = {}
    plan = Plan(network, settings, memory=memory, record=("arrivals",))

    def measure(sample: Sample) -> dict:
        return {name: cells[name].averaged(*sample.arrivals[name]) for name in names}

    stop = threading.Event()
    asked = plan, inputs, settings, jobs, stop, None, measure
    with interrupting(stop), counted("averages", settings.samples, quiet) as finished:
        try:
            for sample in simulate(*asked):
                for name, averaged in sample.measured.items():
                    found[name] = found[name] + averaged if name in found else averaged
                finished(1)
        except Stopped:
            raise Interrupted("interrupted: averages are not counted") from None
    return found
