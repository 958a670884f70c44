"""What one sample of a run gave."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np


@dataclass
class Sample:
    """What one sample gave."""

    index: int  # in the data file
    facts: dict[str, dict[str, int]]
    # Synapses of a set, neurons of a population by the number of events they carried, sent.
    histograms: dict[str, np.ndarray]
    potential: np.ndarray  # of the output population, or the sums of its event values
    decisions: np.ndarray  # by timestep
    spikes: dict[str, tuple] = field(default_factory=dict)
    trace: dict[str, np.ndarray] = field(default_factory=dict)
    queues: dict[str, np.ndarray] = field(default_factory=dict)
    rates: dict[str, np.ndarray] = field(default_factory=dict)  # events a timestep, or durations
    # Lowest and highest sum of potentials (and currents), before they were brought into a width.
    ranges: dict[str, np.ndarray] = field(default_factory=dict)
    # Timestep and neuron of the first sum that left its width, -1 and -1 where none did.
    first_overflows: dict[str, np.ndarray] = field(default_factory=dict)
    # By set: how many events are delivered in each timestep, and their source neurons in order.
    arrivals: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    # By name: what an observer keeps of the sample, arrays of one shape in all samples.
    measured: dict[str, np.ndarray] = field(default_factory=dict)

    def without_recordings(self) -> Sample:
        """This sample without its recordings, which only a result file takes."""
        return replace(self, spikes={}, trace={}, queues={}, arrivals={})
