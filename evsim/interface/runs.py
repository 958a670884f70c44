"""What a run returns: decisions, potentials and facts of every sample, and what was recorded."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evsim.base.errors import EvsimError
from evsim.base.overview import Overview, Shown
from evsim.counting import machine as counting
from evsim.engine.sample import Sample
from evsim.engine.settings import Settings
from evsim.engine.totals import Totals
from evsim.interface._call import called
from evsim.interface._events import event_table
from evsim.interface._given import Path, labels_of, opened
from evsim.interface._summary import Summary
from evsim.network.network import Network

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

    from evsim.formats._origin import Origin


@dataclass(frozen=True)
class Source:
    """Where data are from: the path of their files, None in memory."""

    path: str | None = None
    origin: Origin | None = None

    @property
    def sha256(self) -> str | None:
        """The digest of the files, which must be those that were read; None in memory."""
        return None if self.origin is None else self.origin.sha256


class Run(Shown):
    """What a run gave, for the samples it finished; its `repr` is a short table.

    `predictions` (samples,); `predictions_by_timestep` (samples, timesteps); `potential`
    (samples, outputs): of the readout, or sums of event values; `work[part][fact]` int64, one
    per sample; `labels` (samples,), where the data had some; `spikes`, `trace`, `queues`: what was
    recorded. `seconds`: of simulation. `interrupted`: Ctrl-C ended it, and the last samples are
    missing.
    """

    def __init__(self, network: Network, settings: Settings, record: tuple[str, ...] = ()):
        self.network, self.settings, self.record = network, settings, record
        self.parts = network.describe()
        self.seconds = 0.0
        self.interrupted = False
        self.source = Source()
        self._labels: np.ndarray | None = None
        self.conventions: list[dict[str, Any]] = []
        self.samples: list[int] = []
        self._decisions: list[np.ndarray] = []
        self._potential: list[np.ndarray] = []
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
            if name not in self._facts:
                self._facts[name] = {fact: array("q") for fact in facts}
            kept = self._facts[name]
            for fact, count in facts.items():
                kept[fact].append(count)
        for name, histogram in sample.histograms.items():
            self.histograms[name] = self.histograms.get(name, 0) + histogram
        for name, values in sample.ranges.items():
            self._ranges.setdefault(name, []).append(values)
        for name, values in sample.first_overflows.items():
            self._first_overflows.setdefault(name, []).append(values)
        self.finished.append(sample)

    @property
    def labels(self) -> np.ndarray | None:
        """The classes of the finished samples; None where the data had none."""
        return None if self._labels is None else self._labels[: len(self.samples)]

    @property
    def predictions(self) -> np.ndarray:
        """The class of every sample at the end of the run."""
        return self.predictions_by_timestep[:, -1]

    @property
    def predictions_by_timestep(self) -> np.ndarray:
        """(samples, timesteps): the class of every sample at the end of each timestep."""
        return np.array(self._decisions).reshape(len(self.samples), -1)

    @property
    def potential(self) -> np.ndarray:
        """(samples, outputs): potentials of the readout, or sums of the values of its events."""
        return np.array(self._potential)

    @property
    def work(self) -> counting.Facts:
        """By part and fact: how often it happened, int64, one number a sample."""
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
        self._require("spikes")
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

    def _require(self, what: str) -> None:
        if what not in self.record:
            raise EvsimError(f"was not recorded: evsim.run(..., record={what!r}) keeps it", what)

    def _stacked(self, what: str) -> dict[str, np.ndarray]:
        self._require(what)
        names = getattr(self.finished[0], what) if self.finished else ()
        return {name: np.stack([getattr(s, what)[name] for s in self.finished]) for name in names}

    @called
    def accuracy(self, labels: Any = None) -> float:
        """The fraction of samples decided as labelled.

        `labels`: a class for every sample, or the path of data that have them; None: those of the
        data of the run.
        """
        return float((self.predictions == self._labels_of(labels)).mean())

    @called
    def accuracy_by_timestep(self, labels: Any = None) -> np.ndarray:
        """(timesteps,): the fraction decided as labelled at the end of each timestep."""
        right = self.predictions_by_timestep == self._labels_of(labels)[:, None]
        return right.mean(axis=0)

    def _labels_of(self, labels: Any) -> np.ndarray:
        if labels is None:
            if self.labels is None:
                raise EvsimError("the data have none: run.accuracy(labels) takes them", "labels")
            return self.labels
        if isinstance(labels, str) or hasattr(labels, "__fspath__"):
            with opened(labels) as data:
                if data.labels is None:
                    raise EvsimError("no labels, expected some", "labels", str(labels))
                first = self.settings.first_sample
                return labels_of(data.labels[first : first + self.count], self.count)
        return labels_of(labels, self.count)

    def counts(
        self, accumulate: str = "direct", update: str = "clock", input: str = "recompute"
    ) -> dict[str, Any]:
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

    def totals(self) -> Totals:
        """The sums over all samples, as a command keeps them."""
        found = Totals(self.network, self.settings, self.record, self.labels)
        for sample in self.finished:
            found.add(sample)
        found.seconds = self.seconds
        return found

    @called
    def summary(
        self, accumulate: str = "direct", update: str = "clock", input: str = "recompute"
    ) -> Summary:
        """What `evsim run` prints as JSON, under a machine; its `repr` is a short table."""
        machine = {"accumulate": accumulate, "update": update, "input": input}
        found = self._summarized(self.source, machine)
        if self.conventions:
            found["conventions"] = self.conventions
        if len(self.conventions) == 1:
            found["convention"] = self.conventions[0]
        return found

    @property
    def order(self) -> list[str]:
        """All parts, sources first, the sets into a population before it."""
        return self.network.order

    def _summarized(self, source: Source, machine: dict[str, str]) -> Summary:
        from evsim.studies.summary import summary

        found = summary(self.totals(), source, machine)
        return Summary(found, parts=self.parts, order=self.order, name=self.name)

    @property
    def name(self) -> str:
        """What the network is called: by its attribute, else by its file."""
        path = getattr(self.network, "path", None)
        stem = path and str(path).replace("\\", "/").rpartition("/")[2].rpartition(".")[0]
        return self.network.name or stem or "network"

    def overview(self) -> Overview:
        """The short table of a run."""
        if not self.samples:
            return Overview(f"{self.name}: no finished sample")
        about = self._summarized(Source(), {}).overview()
        if self.interrupted:
            left = f"interrupted: {self.count} of {self.settings.samples} samples are here"
            return Overview(about.title, about.columns, about.rows, [*about.notes, left])
        return about

    def to_pandas(self, what: str = "samples") -> pandas.DataFrame:
        """A table of pandas: "samples" (a row each), "parts" (a row each, mean of a sample), or
        "spikes" (a row an event), where they were recorded."""
        from evsim.interface._frames import frame

        return frame(self, what)

    def plot(self, path: Path | None = None) -> Figure:
        """A picture: accuracy against timesteps, where there are labels, and firing rates.

        `path`: a file to write it to, too (PNG, SVG or PDF).
        """
        from evsim.interface._picture import picture

        return picture(self, path)

    @called
    def save(self, path: Path, overwrite: bool = False, labels: Any = None) -> None:
        """Write a result file, with the labels: those given, else those of the data."""
        from evsim.store.result import save

        if labels is not None:
            labels = labels_of(labels, self.count)
        labels = self.labels if labels is None else labels
        paths = {"data_path": self.source.path, "data_sha256": self.source.sha256}
        save(self, path, overwrite, labels, paths)
