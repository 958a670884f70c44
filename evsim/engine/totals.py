"""What a run came to, in memory that does not grow with what a sample holds."""

from __future__ import annotations

import hashlib
from array import array

import numpy as np

from evsim.counting import machine as counting
from evsim.engine.sample import Sample
from evsim.engine.settings import Settings
from evsim.network.network import Network

BLOCK = 256  # samples whose decisions are taken in together


class Decisions:
    """The decisions of all samples at the end of each timestep: how many are right, a digest."""

    def __init__(self, timesteps: int, labels: np.ndarray | None):
        self.labels, self.taken = labels, 0
        self.right = np.zeros(timesteps, np.int64)
        self.digests = [hashlib.blake2b() for _ in range(timesteps)]
        self._waiting: list[np.ndarray] = []

    def add(self, by_timestep: np.ndarray) -> None:
        """Take in the decisions (timesteps,) of the next sample."""
        self._waiting.append(by_timestep)
        if len(self._waiting) == BLOCK:
            self._take()

    def _take(self) -> None:
        if not self._waiting:
            return
        found = np.array(self._waiting).T
        if self.labels is not None:
            labels = self.labels[self.taken : self.taken + len(self._waiting)]
            self.right += (found == labels).sum(axis=1)
        for digest, row in zip(self.digests, found.astype("<i8"), strict=True):
            digest.update(row.tobytes())
        self.taken += len(self._waiting)
        self._waiting = []

    def accuracy(self) -> np.ndarray:
        """The fraction decided as labelled at the end of each timestep."""
        self._take()
        return self.right / self.taken

    def begins(self, other: Decisions) -> bool:
        """Whether these are the decisions of another run in its first timesteps."""
        self._take()
        other._take()
        mine, others = ([d.digest() for d in own.digests] for own in (self, other))
        return mine == others[: len(mine)]


class Totals:
    """Sums over the samples of a run, and the decision of each.

    `work[part][fact]` has one element, the sum (peak: the largest) over samples; `ranges` are of
    all samples together. `labels` are those of the samples, if there are any.
    """

    def __init__(self, network: Network, settings: Settings, record=(), labels=None):
        self.network, self.settings, self.record = network, settings, tuple(record)
        self.labels = labels
        self.parts = network.describe()
        self.seconds, self.count = 0.0, 0
        self.histograms: dict[str, np.ndarray] = {}
        self.decisions = Decisions(settings.timesteps, labels)
        self._predictions = array("i")
        self._sums: dict[str, dict[str, int]] = {}
        self._later: dict[str, int] = {}
        self._ranges: dict[str, np.ndarray] = {}
        self._first_overflows: dict[str, tuple[int, int, int]] = {}
        constant = settings.coding == "constant"
        self._constant = network.input if constant else None

    def add(self, sample: Sample) -> None:
        """Take in the next sample; it is not kept."""
        self.count += 1
        self._predictions.append(int(sample.decisions[-1]))
        self.decisions.add(sample.decisions)
        for name, facts in sample.facts.items():
            if name not in self._sums:
                self._sums[name] = dict.fromkeys(facts, 0)
            own = self._sums[name]
            peak = max(own.get("peak", 0), facts.get("peak", 0))
            for fact, n in facts.items():
                own[fact] += n
            if "peak" in own:
                own["peak"] = peak
        if self._constant is not None:
            later = counting.later_timesteps(
                self.parts, sample.facts, self.settings.timesteps, self._constant
            )
            for target, left in later.items():
                self._later[target] = self._later.get(target, 0) + int(left)
        for name, histogram in sample.histograms.items():
            self.histograms[name] = self.histograms.get(name, 0) + histogram
        for name, found in sample.ranges.items():
            known = self._ranges.setdefault(name, found.copy())
            np.minimum(known[::2], found[::2], out=known[::2])
            np.maximum(known[1::2], found[1::2], out=known[1::2])
        for name, (timestep, neuron) in sample.first_overflows.items():
            if timestep >= 0 and name not in self._first_overflows:
                self._first_overflows[name] = sample.index, int(timestep), int(neuron)

    @property
    def work(self) -> counting.Facts:
        """By part and fact: the count summed over samples (peak: the largest), int64, (1,)."""
        return {
            name: {fact: np.array([n]) for fact, n in facts.items()}
            for name, facts in self._sums.items()
        }

    @property
    def ranges(self) -> dict[str, np.ndarray]:
        """By population that reports it: (1, 2), lowest and highest sum; (1, 4) with currents."""
        return {name: found[None] for name, found in self._ranges.items()}

    def first_overflow(self, name: str) -> tuple[int, int, int]:
        """Sample, timestep and neuron of the first sum of a population that left its width."""
        return self._first_overflows[name]

    @property
    def predictions(self) -> np.ndarray:
        """The class that each sample is taken for in the end: int64, (samples,)."""
        return np.array(self._predictions, np.int64)

    @property
    def accuracy(self) -> float:
        """The fraction of samples decided as labelled."""
        return float(self.accuracy_by_timestep[-1])

    @property
    def accuracy_by_timestep(self) -> np.ndarray:
        """(timesteps,): the fraction of samples decided as labelled at the end of each timestep."""
        return self.decisions.accuracy()

    def counts(self, accumulate="direct", update="clock", input="recompute") -> dict:
        """Actions by part and in total under a machine, sums over samples: Python integers."""
        return counting.counts(
            self.parts,
            self.work,
            counting.Machine(accumulate, update, input),
            self.settings.timesteps,
            self._constant,
            self.histograms,
            self.count,
            {target: np.array([n]) for target, n in self._later.items()},
        )
