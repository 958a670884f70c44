"""Running a network from Python, and what a run returns."""

from __future__ import annotations

import threading
import time
from array import array

import numpy as np

from evsim.base.errors import mismatch
from evsim.counting import machine as counting
from evsim.engine.events import Events
from evsim.engine.plan import MEMORY, Plan
from evsim.engine.queue import Queue
from evsim.engine.sample import Sample
from evsim.engine.settings import RECORDS, Settings, settle
from evsim.engine.threads import input_of, simulate, warm
from evsim.network.network import Network


class Run:
    """What a run gave, for the samples it finished.

    `predictions` (samples,); `predictions_by_timestep` (samples, timesteps); `potential`
    (samples, outputs): of the readout, or sums of event values; `work[part][fact]` int64, one
    per sample; `spikes`, `trace`, `queues`: what was recorded.
    """

    def __init__(self, network: Network, settings: Settings, record: tuple[str, ...] = ()):
        self.network, self.settings, self.record = network, settings, record
        self.parts = network.describe()
        self.seconds = 0.0
        self.samples: list[int] = []
        self._decisions, self._potential = [], []
        self._facts: dict[str, dict[str, array]] = {}
        self.histograms: dict[str, np.ndarray] = {}
        self._ranges: dict[str, list] = {}
        self._first_overflows: dict[str, list] = {}
        self.finished: list[Sample] = []

    def add(self, sample: Sample) -> None:
        """Take over a finished sample with what was recorded of it."""
        self.samples.append(sample.index)
        self._decisions.append(sample.decisions)
        self._potential.append(sample.potential)
        for name, facts in sample.facts.items():
            kept = self._facts.setdefault(name, {fact: array("q") for fact in facts})
            for fact, count in facts.items():
                kept[fact].append(count)
        for name, histogram in sample.histograms.items():
            self.histograms[name] = self.histograms.get(name, 0) + histogram
        for kept, found in (
            (self._ranges, sample.ranges),
            (self._first_overflows, sample.first_overflows),
        ):
            for name, values in found.items():
                kept.setdefault(name, []).append(values)
        self.finished.append(sample)

    @property
    def predictions(self) -> np.ndarray:
        """The class that each sample is taken for in the end: int64, (samples,)."""
        return self.predictions_by_timestep[:, -1]

    @property
    def predictions_by_timestep(self) -> np.ndarray:
        """The class that each sample is taken for after each timestep: (samples, timesteps)."""
        return np.array(self._decisions).reshape(len(self.samples), -1)

    @property
    def potential(self) -> np.ndarray:
        """The potentials of the output population in the end: (samples, neurons)."""
        return np.array(self._potential)

    @property
    def work(self) -> counting.Facts:
        """By part and fact: the counts of each sample, int64, (samples,)."""
        return {
            name: {fact: np.array(n, np.int64) for fact, n in facts.items()}
            for name, facts in self._facts.items()
        }

    @property
    def ranges(self) -> dict[str, np.ndarray]:
        """By population of a declared width: (samples, 2), lowest and highest sum of potentials.

        Where its currents have a width, the lowest and highest of theirs follow. With
        record=("ranges",): of every population of integers.
        """
        return {name: np.array(found) for name, found in self._ranges.items()}

    @property
    def first_overflows(self) -> dict[str, np.ndarray]:
        """By population of a declared width: (samples, 2), timestep and neuron; -1: none."""
        return {name: np.array(found) for name, found in self._first_overflows.items()}

    def first_overflow(self, name: str) -> tuple[int, int, int]:
        """Sample, timestep and neuron of the first sum of a population that left its width."""
        place = int(np.flatnonzero(self.work[name]["overflows"])[0])
        return self.samples[place], *self.first_overflows[name][place]

    @property
    def count(self) -> int:
        """The number of samples."""
        return len(self.samples)

    @property
    def spikes(self) -> dict[str, np.ndarray]:
        """By population: structured arrays of sample, timestep, neuron, value."""
        found = {}
        for name in self.finished[0].spikes if self.finished else ():
            tables = [event_table(s.index, s.spikes[name]) for s in self.finished]
            found[name] = np.concatenate(tables)
        return found

    @property
    def trace(self) -> dict[str, np.ndarray]:
        """By population: (samples, timesteps, neurons), v after the reset of each timestep."""
        return self._stacked("trace")

    @property
    def queues(self) -> dict[str, np.ndarray]:
        """By set: (samples, timesteps), the events that arrive in each timestep."""
        return self._stacked("queues")

    def _stacked(self, what: str) -> dict[str, np.ndarray]:
        names = getattr(self.finished[0], what) if self.finished else ()
        return {name: np.stack([getattr(s, what)[name] for s in self.finished]) for name in names}

    def accuracy(self, labels) -> float:
        """The fraction of samples decided as labelled."""
        return float((self.predictions == self._labels(labels)).mean())

    def accuracy_by_timestep(self, labels) -> np.ndarray:
        """Which share of samples is taken for its label after each timestep: (timesteps,)."""
        return (self.predictions_by_timestep == self._labels(labels)[:, None]).mean(axis=0)

    def _labels(self, labels) -> np.ndarray:
        labels = np.asarray(labels)
        if labels.shape != (len(self.samples),):
            raise mismatch(f"shape {labels.shape}", f"({len(self.samples)},)", "labels")
        return labels

    def counts(self, accumulate="direct", update="clock", input="recompute") -> dict:
        """Actions by part and in total under a machine, sums over samples: Python integers."""
        constant = self.network.input if self.settings.coding == "constant" else None
        return counting.counts(
            self.parts,
            self.work,
            counting.Machine(accumulate, update, input),
            self.settings.timesteps,
            constant,
            self.histograms,
        )

    def save(self, path, overwrite: bool = False, labels=None) -> None:
        """Write a result file, with the labels if given."""
        from evsim.store.result import save

        save(self, path, overwrite, labels)


def event_table(index: int, events: tuple) -> np.ndarray:
    """The events of a sample as a structured array."""
    timesteps, neurons, values = events
    table = np.empty(len(timesteps), EVENT)
    table["sample"], table["timestep"] = index, timesteps
    table["neuron"], table["value"] = neurons, values
    return table


EVENT = np.dtype(
    [("sample", np.int64), ("timestep", np.int64), ("neuron", np.int64), ("value", np.float64)]
)


def run(
    network: Network,
    inputs,
    *,
    timesteps: int | None = None,
    coding: str | None = None,
    seed: int | None = None,
    first_sample: int | None = None,
    dtype: str = "float32",
    jobs: int | None = None,
    memory: int = MEMORY,
    record: tuple[str, ...] = (),
    window: int | None = None,
    queue: Queue | None = None,
    cluster=None,
) -> Run:
    """Simulate every sample of `inputs`: raw images (samples, ...) or Events.

    `first_sample`: the index of the first one in its data file, which random numbers depend on;
    None: that of Events, of images 0.
    `record`: any of spikes, trace, queues, ranges. `jobs`: threads (default: cores). `memory`
    (bytes of events per thread) and `window` (timesteps) never change a result. `queue`: what
    becomes of events where more arrive in a timestep than it holds; without one queues are
    endless. `cluster`: a Dask client, whose workers run the samples, on at most `jobs` threads
    each. Raises EvsimError.
    """
    for name, value in (("jobs", jobs), ("memory", memory), ("window", window)):
        if value is not None and value < 1:
            raise mismatch(value, "a whole number of at least 1", name)
    for name in record:
        if name not in RECORDS:
            raise mismatch(repr(name), f"one of {', '.join(RECORDS)}", "record")
    if first_sample is None:
        first_sample = inputs.first if isinstance(inputs, Events) else 0
    if not isinstance(inputs, Events):
        inputs = inputs if hasattr(inputs, "dataset") else np.asarray(inputs)
    settings = settle(
        network,
        inputs,
        timesteps=timesteps,
        coding=coding,
        seed=seed,
        dtype=dtype,
        first_sample=first_sample,
    )
    limits = {"memory": memory, "record": tuple(record), "span": window, "queue": queue}
    plan = Plan(network, settings, **limits)
    result = Run(network, settings, tuple(record))
    asked = plan, inputs, settings, jobs, threading.Event()
    if cluster is None:
        warm(plan, input_of(plan, inputs, settings, 0))
        begin, found = time.perf_counter(), simulate(*asked)
    else:
        from evsim.cluster import cluster_of

        begin, found = time.perf_counter(), cluster_of(cluster).simulate(*asked, limits=limits)
        found = sorted(found, key=lambda sample: sample.index)
    for sample in found:
        result.add(sample)
    result.seconds = time.perf_counter() - begin
    return result
