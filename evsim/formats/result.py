"""Results as HDF5 files of format "evsim-result": what they hold, and what is read of them."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from evsim.base.errors import mismatch
from evsim.counting import machine as counting
from evsim.counting.described import facts_of
from evsim.counting.machine import later_timesteps
from evsim.formats import _hdf5 as hdf5

FORMAT, VERSION = "evsim-result", 1
ROWS = 4096  # samples that are read in one go


def header_of(run, network, data_path=None, data_sha256=None) -> dict:
    """The resolved settings of a run, as a result file keeps and `resume` compares them."""
    from evsim.base.version import __version__

    settings = run.settings
    return {
        "network_path": getattr(network, "path", None),
        "network_sha256": getattr(network, "sha256", None),
        "data_path": data_path,
        "data_sha256": data_sha256,
        "input": network.input,
        "output": network.output,
        "coding": settings.coding,
        "timesteps": settings.timesteps,
        "seed": settings.seed,
        "dtype": settings.dtype,
        "first_sample": settings.first_sample,
        "samples": settings.samples,
        "record": ",".join(run.record),
        "synapses": network.synapse_count,
        "name": network.name,
        "ann_accuracy": network.ann_accuracy,
        "evsim": __version__,
    }


@dataclass(frozen=True)
class StoredRun:
    """A result file's content: enough to count again under any machine.

    `work[part][fact]` has one element, the sum (peak: the largest) over `count` samples, `ranges`
    the lowest and highest sums of all, as in `Totals`; `concerned`: how many samples have any.
    """

    settings: dict
    parts: dict[str, dict]
    count: int
    first_sample: int
    work: counting.Facts
    concerned: dict[str, dict[str, int]]
    later: dict[str, np.ndarray]
    histograms: dict[str, np.ndarray]
    predictions: np.ndarray
    labels: np.ndarray | None
    ranges: dict[str, np.ndarray]
    first_overflows: dict[str, tuple[int, int, int]]  # sample, timestep, neuron

    @property
    def constant(self) -> str | None:
        """The input population where its coding is `constant`."""
        return self.settings["input"] if self.settings["coding"] == "constant" else None

    def first_overflow(self, name: str) -> tuple[int, int, int]:
        """Sample, timestep and neuron of the first sum of a population that left its width."""
        return self.first_overflows[name]

    def counts(self, accumulate="direct", update="clock", input="recompute") -> dict:
        """Actions by part and in total under a machine, sums over samples: Python integers."""
        machine = counting.Machine(accumulate, update, input)
        return self.counted(self.work, machine, self.histograms)

    def counted(self, work: counting.Facts, machine: counting.Machine, histograms: dict) -> dict:
        """Actions as of `counts`, for other facts in sum and other histograms.

        Without histograms ({}) there are no numbers by synapse.
        """
        return counting.counts(
            self.parts,
            work,
            machine,
            self.settings["timesteps"],
            self.constant,
            histograms,
            self.count,
            self.later,
        )


def load(path, histograms: bool = True) -> StoredRun:
    """Read a result file; `histograms`: with them, else only the facts, which are small.

    Raises EvsimError with file, place, found and expected.
    """
    with hdf5.opened(path) as file:
        hdf5.check_format(file, FORMAT)
        hdf5.names(file)
        if "samples" not in file:
            raise mismatch("no finished sample", "at least one")
        return _stored(file, histograms)


def settings_of(path) -> dict:
    """The resolved settings that a result file was made with; raises EvsimError."""
    with hdf5.opened(path) as file:
        hdf5.check_format(file, FORMAT)
        return json.loads(hdf5.attribute(file, "settings"))


class _Rows:
    """Reads datasets of integers with a row per sample, some samples at a time."""

    def __init__(self, file):
        self.file, self.count = file, len(file["samples"])

    def __call__(self, place: str):
        """(first row, rows) of a dataset, one block after the other."""
        dataset = hdf5.checked(self.file[place], place)
        if dataset.dtype.kind not in "iu" or not dataset.ndim or len(dataset) < self.count:
            found = f"{dataset.shape[0] if dataset.ndim else 1} rows of {dataset.dtype}"
            raise mismatch(found, f"{self.count} of integers", place)
        for first in range(0, self.count, ROWS):
            try:
                yield first, dataset[first : min(first + ROWS, self.count)]
            except (OSError, RuntimeError) as error:
                raise hdf5.damaged(error, place) from None

    def whole(self, place: str) -> np.ndarray:
        """All rows of a dataset, read block by block."""
        return np.concatenate([rows for _, rows in self(place)])

    def names(self, place: str) -> list[str]:
        """The names in a group; nothing where there is no such group."""
        return hdf5.names(self.file[place], f"/{place}") if place in self.file else []


def _stored(file, histograms: bool = True) -> StoredRun:
    rows = _Rows(file)
    if not rows.count:
        raise mismatch("no finished sample", "at least one")
    settings = json.loads(hdf5.attribute(file, "settings"))
    parts = {
        name: {a: _python(hdf5.attribute(part, a)) for a in part.attrs}
        for name, part in file["parts"].items()
    }
    work, concerned, firsts = {}, {}, {}
    for name, part in parts.items():
        facts = dict.fromkeys(facts_of(part))
        facts |= dict.fromkeys(rows.names(f"work/{name}"))  # of a coding or of queues, too
        work[name], concerned[name] = {}, {}
        for fact in facts:
            total = many = 0
            for first, block in rows(f"/work/{name}/{fact}"):
                total = max(total, int(block.max())) if fact == "peak" else total + int(block.sum())
                many += int(np.count_nonzero(block))
                if fact == "overflows" and name not in firsts and block.any():
                    firsts[name] = first + int(np.flatnonzero(block)[0])
            work[name][fact], concerned[name][fact] = np.array([total]), many
    accesses = rows.names("accesses") if histograms else ()
    return StoredRun(
        settings,
        parts,
        rows.count,
        int(file["samples"][0]),
        work,
        concerned,
        _later(rows, parts, settings),
        {name: sum(b.sum(axis=0) for _, b in rows(f"/accesses/{name}")) for name in accesses},
        rows.whole("/predictions"),
        rows.whole("/labels") if "labels" in file else None,
        {name: _range(rows(f"/ranges/{name}")) for name in rows.names("ranges")},
        {
            name: (int(file["samples"][k]), *map(int, file["first_overflows"][name][k]))
            for name, k in firsts.items()
            if name in rows.names("first_overflows")
        },
    )


def _later(rows: _Rows, parts: dict, settings: dict) -> dict[str, np.ndarray]:
    """The sums of `later_timesteps`, which is not linear in the facts of a sample."""
    left_over: dict[str, np.ndarray] = {}
    known = isinstance(settings, dict) and isinstance(settings.get("timesteps"), int)
    if not known or settings.get("coding") != "constant":
        return left_over
    constant = settings.get("input")
    sets = [name for name, part in parts.items() if part.get("source") == constant]
    columns = {}
    for name in sets:
        facts = {"arrivals"} | {"after_first"} & set(rows.names(f"work/{name}"))
        columns[name] = {fact: rows(f"/work/{name}/{fact}") for fact in facts}
    for _ in range(0, rows.count, ROWS):
        facts = {
            name: {f: next(c)[1] for f, c in measured.items()} for name, measured in columns.items()
        }
        measured = {name: parts[name] for name in sets}
        for target, left in later_timesteps(
            measured, facts, settings["timesteps"], constant
        ).items():
            left_over[target] = left_over.get(target, 0) + left.sum(keepdims=True)
    return left_over


def _range(blocks) -> np.ndarray:
    """Lowest and highest of all samples, (1, 2), or (1, 4) with those of currents."""
    extremes = [np.concatenate([b.min(axis=0), b.max(axis=0)]) for _, b in blocks]
    least, most = np.min(extremes, axis=0), np.max(extremes, axis=0)
    half = len(least) // 2
    pairs = [(least[k], most[half + k + 1]) for k in range(0, half, 2)]
    return np.array([sum(pairs, ())])


def _python(value):
    return value.item() if isinstance(value, np.ndarray) else value
