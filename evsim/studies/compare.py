"""Several networks, and perhaps the artificial one they come from, on the same samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.base import screen
from evsim.base.errors import Parameter, mismatch
from evsim.chip.prices import Profile, microjoule, price
from evsim.chip.profile.amounts import high, quotient
from evsim.conversion.units import Unit, stored
from evsim.counting.described import role_of
from evsim.counting.facts import NEURON
from evsim.engine.totals import Decisions, Totals
from evsim.network.network import Network
from evsim.studies.artificial import decided
from evsim.studies.diagnosis import Diagnosis, agreement
from evsim.studies.job import Job, sample_range

COSTS = ("timesteps", "additions", "M1", "M2", "M3", "energy_uj")  # less is better
POINTS = 0.005  # half a point of accuracy: what counts as the same
ROUNDING = 1e-9


def settled(by_timestep: np.ndarray) -> int:
    """The first timestep from which on accuracy stays within half a point of the last one."""
    outside = np.flatnonzero(np.abs(by_timestep - by_timestep[-1]) > POINTS + ROUNDING)
    return int(outside[-1]) + 2 if outside.size else 1


def reached(by_timestep: np.ndarray, accuracy: float) -> int | None:
    """The first timestep with at least this accuracy, or None."""
    enough = np.flatnonzero(by_timestep >= accuracy - ROUNDING)
    return int(enough[0]) + 1 if enough.size else None


@dataclass
class Column:
    """A network of the comparison: what is said of it, and its runs by number of timesteps."""

    network: Network
    choices: dict
    row: dict
    decisions: Decisions
    runs: dict[int, dict]
    may_be_shortened: bool


class Comparison:
    """What the networks give on the samples `samples` (a:b or None) of an open data file.

    `machine` turns facts into actions, `profile` prices them; `how` holds jobs, memory (bytes)
    and quiet of every run. Finished samples are kept in `folder`, if it is given.
    """

    def __init__(
        self, data, samples: str | None, machine: dict, profile: Profile, folder=None, **how
    ):
        self.data, self.samples, self.folder = data, samples, folder
        self.machine, self.profile, self.how = machine, profile, how
        self.some = sample_range(samples, data.samples)
        self.labels = None if data.labels is None else data.labels[self.some]
        self.model, self.ann, self.right = None, None, None
        self.columns: list[Column] = []
        self.diagnoses: dict[str, Diagnosis] = {}
        self.matched: float | None = None

    def run_all(
        self, networks: list[tuple], choices: dict, model=None, path="", curves=False
    ) -> None:
        """Run `networks`, pairs of what the table calls one and itself, and `model` before them.

        `choices`: timesteps, coding, seed and dtype; `path`: what the table calls the artificial
        network; `curves`: as of `finish`, for a picture.
        """
        if curves and self.labels is None:
            raise mismatch("no labels", "labels, to draw accuracy", Parameter("picture"))
        whole = [choices["timesteps"] or network.timesteps or 64 for _, network in networks]
        with screen.course([1] * (model is not None) + whole):
            if model is not None:
                self.add_artificial(model, path)
            for label, network in networks:
                self.add(network, label, **choices)
            self.finish(curves)

    def add_artificial(self, model, path: str) -> None:
        """Run the artificial network; every network added later is compared with it."""
        if self.data.images is None:
            error = mismatch("events", "images, which an artificial network takes", "/events")
            raise error.within(file=self.data.path)
        how = {"jobs": self.how["jobs"], "quiet": self.how["quiet"]}
        predictions, _ = decided(model, self.data, self.samples, **how)
        self.model, self.ann = model, {"path": path, "predictions": predictions.tolist()}
        self.ann["accuracy"] = None
        if self.labels is not None:
            self.right = predictions == self.labels
            self.ann["accuracy"] = float(self.right.mean())

    def add(self, network: Network, label: str | None = None, **choices) -> None:
        """Run a network over the samples; `label`: what it is called, else by its path."""
        units = _units(network) if self.right is not None else []
        record = ("rates",) if units else ()
        job = Job(network, self.data, samples=self.samples, record=record, **choices)
        diagnosis = None
        if units:
            images = self.data.images.part(self.some)
            diagnosis = Diagnosis(self.model, network, units, images, job.labels)
            self.diagnoses[label or network.path] = diagnosis
        self._simulate(job, diagnosis)
        if diagnosis:
            diagnosis.finish()
        column = Column(
            network,
            choices,
            self._row(job, diagnosis, label or network.path),
            job.run.decisions,
            runs={job.settings.timesteps: self._costs(job.run)},
            may_be_shortened=network.window is None,
        )
        self.columns.append(column)

    def _simulate(self, job: Job, observer=None) -> None:
        store = self.folder and job.folder_store(self.folder, self.how["quiet"])
        job.simulate(**self.how, observer=observer, store=store)

    def _row(self, job: Job, diagnosis: Diagnosis | None, label: str) -> dict:
        run = job.run
        row = {"network": label, "accuracy": None}
        row |= {"timesteps": job.settings.timesteps}
        row |= {"timesteps_to_final": None, "timesteps_to_best": None}
        row |= self._costs(run) | {"seconds": run.seconds}
        row |= self._energy(run)
        row |= {"predictions": run.predictions.tolist(), "accuracy_by_timestep": None}
        row["matched"] = None
        if self.labels is not None:
            row["accuracy"] = run.accuracy
            by_timestep = run.accuracy_by_timestep
            row["accuracy_by_timestep"] = by_timestep.tolist()
            row["timesteps_to_final"] = settled(by_timestep)
        if self.right is not None:
            row["agreement"] = agreement(self.right, run.predictions == self.labels)
        if diagnosis:
            row |= diagnosis.as_dict()
        return row

    def _costs(self, run: Totals) -> dict:
        """What a run costs, mean over samples; peak and most weight reads: the largest of any."""
        counts, samples = run.counts(**self.machine), run.count
        total, work = counts["total"], run.work
        spikes = {name: int(f["spikes"].sum()) for name, f in work.items() if "spikes" in f}
        neurons = [name for name in spikes if role_of(run.parts[name]) == NEURON]
        count = sum(run.parts[name]["neurons"] for name in neurons)
        each = {"spikes": sum(spikes.values()), "synops": total["synaptic_add"]}
        each |= {"macs": total["synaptic_mac"], "additions": total["additions"]}
        found = {name: n / samples for name, n in (each | total["memory_accesses"]).items()}
        of_neurons = sum(spikes[name] for name in neurons)
        found["spikes_per_neuron"] = of_neurons / samples / count if count else None
        found["most_weight_reads"] = counts["accesses_per_synapse"]["M1"]["max"]
        found["peak"] = max(int(work[name]["peak"].max()) for name in spikes)
        priced = price(counts, self.profile)
        found["energy_uj"] = microjoule(priced["total"], samples)
        found["unpriced"] = [*priced["unpriced"], *priced["left_out"]]
        found["energy_uj_by_action"] = {
            name: microjoule(pj, samples) for name, pj in priced["actions"].items()
        }
        return found

    def _energy(self, run: Totals) -> dict:
        """Energy in microjoule an inference by part and by evidence of the price."""
        priced = price(run.counts(**self.machine), self.profile)
        return {
            f"energy_uj_by_{of}": {
                name: microjoule(pj, run.count) for name, pj in priced[key].items()
            }
            for of, key in (("part", "parts"), ("evidence", "evidence"))
        }

    def finish(self, curves: bool = False) -> None:
        """Set the networks side by side; `curves`: also run each at T / 2, T / 4, ..."""
        rows = [column.row for column in self.columns]
        for row in rows:
            row["relative"] = relative(row, rows[0])
        if self.labels is not None:
            screen.more_runs(self._planned(curves))
            best = self.ann["accuracy"] if self.ann else max(row["accuracy"] for row in rows)
            for row in rows:
                by_timestep = np.array(row["accuracy_by_timestep"])
                row["timesteps_to_best"] = reached(by_timestep, best - POINTS)
            self._match()
            for column in self.columns if curves else ():
                timesteps = column.row["timesteps"]
                while column.may_be_shortened and (timesteps := timesteps // 2):
                    self._shortened(column, timesteps)
        for column in self.columns:
            runs = sorted(column.runs.items())
            column.row["runs"] = [
                {"timesteps": t, "accuracy": self._accuracy(column, t)} | run for t, run in runs
            ]

    def _planned(self, curves: bool) -> list[int]:
        """The timesteps of every run that is still to come."""
        planned = []
        for column in self.columns:
            whole = column.row["timesteps"]
            wanted = {whole >> k for k in range(1, whole.bit_length())} if curves else set()
            if len(self.columns) > 1:
                by_timestep = np.array(column.row["accuracy_by_timestep"])
                wanted.add(reached(by_timestep, self._accuracy_to_match()))
            if column.may_be_shortened:
                planned += wanted - {None, *column.runs}
        return planned

    def _accuracy_to_match(self) -> float:
        """Half a point below the accuracy of the first network."""
        return max(0.0, self.columns[0].row["accuracy"] - POINTS)

    def _match(self) -> None:
        """What every network costs where it first reaches what the first one reaches in the end."""
        if len(self.columns) < 2:
            return
        self.matched = self._accuracy_to_match()
        for column in self.columns:
            column.row["matched"] = self._matched(column)
        first = self.columns[0].row["matched"]
        for column in self.columns:
            matched = column.row["matched"]
            matched["relative"] = matched["timesteps"] and relative(matched, first)

    def _matched(self, column: Column) -> dict:
        whole = column.row["timesteps"]
        timesteps = reached(np.array(column.row["accuracy_by_timestep"]), self.matched)
        run, how = None, "whole run"
        if timesteps not in (None, whole):
            run = self._shortened(column, timesteps)
            how = "run again" if run else "whole run, not to be shortened"
        if run is None and (timesteps is None or column.row["accuracy"] < self.matched - ROUNDING):
            return {"timesteps": None, "accuracy": None, "counted": "not reached"}
        timesteps = timesteps if run else whole
        found = {"timesteps": timesteps, "accuracy": self._accuracy(column, timesteps)}
        return found | {"counted": how} | (run or column.runs[whole])

    def _accuracy(self, column: Column, timesteps: int) -> float | None:
        by_timestep = column.row["accuracy_by_timestep"]
        return by_timestep and by_timestep[timesteps - 1]

    def _shortened(self, column: Column, timesteps: int) -> dict | None:
        """What a run of fewer timesteps costs; None where it is not the beginning of the whole.

        It is not where the network has a window, or decides otherwise than the whole run did then.
        """
        if not column.may_be_shortened or timesteps in column.runs:
            return column.runs.get(timesteps)
        choices = column.choices | {"timesteps": timesteps}
        job = Job(column.network, self.data, samples=self.samples, shortened=True, **choices)
        self._simulate(job)
        if not job.run.decisions.begins(column.decisions):
            column.may_be_shortened = False
            column.runs = {t: run for t, run in column.runs.items() if t == column.row["timesteps"]}
            return None
        return column.runs.setdefault(timesteps, self._costs(job.run))

    def as_dict(self) -> dict:
        """What the command `compare` prints as JSON."""
        data = {"path": self.data.path, "sha256": self.data.sha256}
        first, count = self.some.start, self.some.stop - self.some.start
        found = {"data": data, "samples": count, "first_sample": first, "ann": self.ann}
        found |= {"profile": self.profile.name, "matched_accuracy": self.matched}
        return found | {"networks": [column.row for column in self.columns]}


def _units(network: Network) -> list[Unit]:
    """The units of a converted network: in memory, or in its file."""
    return list(network.units) or (stored(network.path) if network.path else [])


def relative(row: dict, first: dict) -> dict:
    """What a network takes as a multiple of what the first one takes; None where unknown."""
    found = {}
    for name in COSTS:
        known = row.get(name) is not None and first.get(name)
        if name == "energy_uj":
            if row.get("unpriced") and first.get("unpriced"):
                known = False  # the ratio of two lower bounds says nothing
            found[name] = _energy_ratio(row, first) if known else None
        else:
            found[name] = row[name] / first[name] if known else None
    return found


def _energy_ratio(row: dict, first: dict):
    """The ratio of two energies; where a price is a range, it is the same one in both."""
    if not isinstance(row["energy_uj"], tuple) and not isinstance(first["energy_uj"], tuple):
        return row["energy_uj"] / first["energy_uj"]
    both = [
        (row["energy_uj_by_action"][name], pj) for name, pj in first["energy_uj_by_action"].items()
    ]
    tops = [(high(one), high(other)) for one, other in both]
    prices = [_share(one if high(one) else other) for one, other in both]
    return quotient([one for one, _ in tops], [other for _, other in tops], prices)


def _share(amount):
    """A range as a part of its upper end."""
    return (amount[0] / amount[1], 1.0) if isinstance(amount, tuple) else 1.0
