"""Several networks, and perhaps the artificial one they come from, on the same samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evsim.convert.diagnose import Diagnosis, agreement
from evsim.convert.units import stored
from evsim.job import Job, sample_range
from evsim.parts import EvsimError, mismatch
from evsim.report import diagnosis as report
from evsim.report import tables

COLUMNS = ("network", "accuracy", "timesteps", "spikes", "synops", "macs", "additions")
COLUMNS += ("M1", "M2", "M3", "seconds")


class Comparison:
    """What the networks give on the samples `samples` (a:b or None) of an open data file."""

    def __init__(self, data, samples: str | None):
        self.data, self.samples = data, samples
        self.some = sample_range(samples, data.samples)
        self.labels = None if data.labels is None else data.labels[self.some]
        self.model, self.ann, self.right = None, None, None
        self.networks: list[dict] = []
        self.diagnoses: dict[str, Diagnosis] = {}

    def add_artificial(self, model, path: str, jobs: int | None, finished) -> None:
        """Run the artificial network; every network added later is compared with it."""
        if self.data.images is None:
            error = mismatch("events", "images, which an artificial network takes", "/events")
            raise error.within(file=self.data.path)
        predictions = model.predictions(
            self.data.images.part(self.some),
            first_sample=self.some.start,
            jobs=jobs,
            finished=finished,
        )
        self.model, self.ann = model, {"path": path, "predictions": predictions.tolist()}
        self.ann["accuracy"] = None
        if self.labels is not None:
            self.right = predictions == self.labels
            self.ann["accuracy"] = float(self.right.mean())

    def add(self, network, machine: dict, jobs, memory: int, quiet: bool, **choices) -> None:
        """Run a network over the samples."""
        units = stored(network.path) if self.right is not None else []
        record = ("rates",) if units else ()
        job = Job(network, self.data, samples=self.samples, record=record, **choices)
        diagnosis = None
        if units:
            images = self.data.images.part(self.some)
            diagnosis = Diagnosis(self.model, network, units, images, job.labels)
            self.diagnoses[network.path] = diagnosis
        job.simulate(jobs, memory, quiet=quiet, observe=diagnosis and diagnosis.add)
        if diagnosis:
            diagnosis.finish()
        self.networks.append(self._row(job, machine, diagnosis))

    def _row(self, job: Job, machine: dict, diagnosis: Diagnosis | None) -> dict:
        run, total = job.run, job.run.counts(**machine)["total"]
        samples = len(run.samples)
        each = {"spikes": sum(int(f["spikes"].sum()) for f in run.work.values() if "spikes" in f)}
        each |= {"synops": total["synaptic_add"], "macs": total["synaptic_mac"]}
        each |= {"additions": total["additions"], **total["memory_accesses"]}
        row = {"network": job.network.path, "accuracy": None}
        row |= {"timesteps": job.settings.timesteps}
        row |= {name: n / samples for name, n in each.items()} | {"seconds": run.seconds}
        row |= {"predictions": run.predictions.tolist(), "accuracy_by_timestep": None}
        if self.labels is not None:
            row["accuracy"] = run.accuracy(self.labels)
            row["accuracy_by_timestep"] = run.accuracy_by_timestep(self.labels).tolist()
        if self.right is not None:
            row["agreement"] = agreement(self.right, run.predictions == self.labels)
        if diagnosis:
            row |= report.as_dict(diagnosis)
        return row

    def as_dict(self) -> dict:
        """What `compare --json` prints."""
        data = {"path": self.data.path, "sha256": self.data.sha256}
        first, count = self.some.start, self.some.stop - self.some.start
        found = {"data": data, "samples": count, "first_sample": first}
        return found | {"ann": self.ann, "networks": self.networks}

    def show(self) -> None:
        """Print the networks side by side, then the layers of each beside the artificial one."""
        out, rows = tables.Output(), []
        if self.ann:
            accuracy = self.ann["accuracy"]
            blank = [""] * (len(COLUMNS) - 2)
            rows.append([_name(self.ann["path"]) + " (ANN)", _percent(accuracy), *blank])
        for row in self.networks:
            numbers = [f"{row[name]:,.{0 if row[name] >= 1000 else 1}f}" for name in COLUMNS[3:]]
            first = [_name(row["network"]), _percent(row["accuracy"]), str(row["timesteps"])]
            rows.append(first + numbers)
        out.print(tables.table("Per inference (mean over samples)", list(COLUMNS), rows))
        for row in self.networks:
            if row["accuracy_by_timestep"] is None:
                continue
            out.print(f"{_name(row['network'])}:", soft_wrap=True)
            if row["network"] in self.diagnoses:
                report.show(out, self.diagnoses[row["network"]])
                continue
            ann = self.ann and self.ann["accuracy"]
            out.print(tables.accuracy_table(np.array(row["accuracy_by_timestep"]), ann))
            if "agreement" in row:
                both = (f"{what}: {n}" for what, n in row["agreement"].items())
                out.print(", ".join(both), soft_wrap=True)

    def draw(self, path: Path) -> None:
        """Write the picture of each diagnosis: to `path`, further ones to names with a number."""
        if not self.diagnoses:
            expected = "one that evsim converted from the model of --ann, and labels"
            raise EvsimError(f"no network to draw, expected {expected}", "--picture")
        for k, diagnosis in enumerate(self.diagnoses.values(), 1):
            own = path if k == 1 else path.with_name(f"{path.stem}-{k}{path.suffix}")
            report.draw(diagnosis, own)


def _name(path: str) -> str:
    return Path(path).stem


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else tables.percent(fraction)
