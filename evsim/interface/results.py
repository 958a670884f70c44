"""evsim.load_result: a stored run, to count again, to look at, and to compare."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import numpy as np

from evsim.base.errors import EvsimError
from evsim.base.overview import Overview, Shown
from evsim.formats import _hdf5 as hdf5
from evsim.interface._call import called
from evsim.interface._events import EVENT
from evsim.interface._given import Path, labels_of
from evsim.interface._summary import Summary

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

    from evsim.reports.recorded import Recorded


class Result(Shown):
    """A stored run; its `repr` is a short table.

    `path`: of its file; `settings`: what was asked for, every choice made; `count`: the samples;
    `predictions`, `labels` (samples,), labels None where there are none; `work[part][fact]`: one
    number, the sum over samples (peak: the largest).
    """

    def __init__(self, path: str, recorded: Recorded, seconds: float):
        self.path, self.recorded, self.seconds = path, recorded, seconds
        run = recorded.run
        self.settings, self.parts, self.count, self.work = (
            run.settings,
            run.parts,
            run.count,
            run.work,
        )
        self.predictions, self.labels, self.order = run.predictions, run.labels, recorded.order

    @property
    def name(self) -> str:
        """What the network is called: by its attribute, else by its file."""
        network = self.settings.get("network_path")
        return self.settings.get("name") or (FilePath(network).stem if network else "network")

    @property
    def samples(self) -> list[int]:
        """The indices of the samples in their data."""
        return list(range(self.recorded.first_sample, self.recorded.first_sample + self.count))

    @called
    def accuracy(self, labels: Any = None) -> float:
        """The fraction of samples decided as labelled; `labels`: None: those of the data."""
        if labels is None and self.labels is None:
            raise EvsimError("the result has none: accuracy(labels) takes them", "labels")
        known = self.labels if labels is None else labels_of(labels, self.count)
        return float((self.predictions == known).mean())

    @called
    def accuracy_by_timestep(self) -> np.ndarray:
        """(timesteps,): the fraction decided as labelled at the end of each timestep."""
        if self.recorded.accuracy_by_timestep is None:
            raise EvsimError("the result has none", "labels")
        return self.recorded.accuracy_by_timestep

    def counts(
        self, accumulate: str = "direct", update: str = "clock", input: str = "recompute"
    ) -> dict[str, Any]:
        """Actions by part and in total under a machine, sums over samples: Python integers."""
        return self.recorded.run.counts(accumulate, update, input)

    @cached_property
    def spikes(self) -> dict[str, np.ndarray]:
        """By population: structured arrays of sample, timestep, neuron, value."""
        if "spikes" not in self.settings["record"].split(","):
            again = "evsim.run(..., record='spikes') keeps them"
            raise EvsimError(f"were not recorded: {again}", "spikes", self.path)
        found = {}
        with hdf5.opened(self.path) as file:
            for name, group in file["spikes"].items():
                table = np.empty(len(group["timestep"]), EVENT)
                for field in EVENT.names or ():
                    table[field] = group[field][()] if field in group else 1.0
                found[name] = table
        return found

    def summary(
        self, accumulate: str = "direct", update: str = "clock", input: str = "recompute"
    ) -> Summary:
        """What `evsim run` printed of it as JSON, under a machine; its `repr` is a short table."""
        own, run = self.settings, self.recorded.run
        found: dict[str, Any] = {
            which: {key: own[f"{which}_{key}"] for key in ("path", "sha256")}
            for which in ("network", "data")
        }
        found |= {"samples": self.count, "first_sample": self.recorded.first_sample}
        found |= {key: own[key] for key in ("timesteps", "seed", "dtype", "coding")}
        curve = self.recorded.accuracy_by_timestep
        found["accuracy"] = self.recorded.accuracy
        found["accuracy_by_timestep"] = None if curve is None else curve.tolist()
        found |= {"predictions": self.predictions.tolist(), "synapses": own["synapses"]}
        found["seconds"] = self.seconds
        found["work"] = {
            name: {fact: int(n[0]) for fact, n in facts.items()} for name, facts in run.work.items()
        }
        found["counts"] = self.counts(accumulate, update, input)
        return Summary(found, parts=self.parts, order=self.order, name=self.name)

    def overview(self) -> Overview:
        """The short table of the stored run."""
        return self.summary().overview()

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
def load_result(path: Path) -> Result:
    """Read a result file, or the folder OUT.part of an unfinished run. Raises EvsimError."""
    from evsim.reports.recorded import read
    from evsim.store.assemble import as_file

    with as_file(path) as file:
        recorded = read(file)
        with hdf5.opened(file) as content:
            seconds = content.attrs.get("seconds", 0.0)
    return Result(os.fspath(path), recorded, float(seconds))
