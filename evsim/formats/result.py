"""Results as HDF5 files of format "evsim-result", written sample by sample."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from evsim import counts as counting
from evsim.counts import facts_of, is_set
from evsim.formats import _hdf5 as hdf5
from evsim.parts import EvsimError, mismatch

FORMAT, VERSION = "evsim-result", 1
CHUNK = 1 << 13  # bytes that a growing dataset is stored in, at least
LONG = 64 << 20  # and at most, by rows: HDF5 takes chunks of less than 4 GB
PATIENCE = 0.5  # seconds between writes: one takes some 20 ms, more than a small sample
NODE = 4 << 10  # bytes that the index of a dataset takes, and again for every 32 chunks
HEADER = 64 << 10  # bytes that attributes and empty groups take, at most
EVENT_FIELDS = ("sample", "timestep", "neuron", "value")


class ResultFile:
    """A result on its way to disk: `<path>.part`, renamed to `path` when it is complete.

    `header`: the resolved settings; a part is resumed only with the same ones. `done`: the whole
    samples in the file. /samples is written last, so its length says how many are whole.
    """

    def __init__(self, path, run, header: dict, *, labels=None, overwrite=False, resume=False):
        import h5py

        self.path, self.run, self.labels, self.done = Path(path), run, labels, 0
        self.part = Path(f"{self.path}.part")
        self.waiting, self.written = [], -math.inf
        self.datasets: dict = {}
        _check_target(self.path, self.part, overwrite, resume)
        resume = resume and self._check_part(header)
        room = HEADER + (len(run.parts) << 12)
        self.file = None
        try:
            if not resume:
                hdf5.hold(self.part, 0, room)
            self.file = h5py.File(self.part, "r+" if resume else "w")
            with hdf5.room(self.file, self.part, room):
                self._shorten() if resume else self._begin(header)
        except Exception as error:
            if self.file:
                self.file.close()
            if not resume:
                self.part.unlink(missing_ok=True)
            if isinstance(error, EvsimError):
                raise error.within(file=str(self.part)) from None
            raise self._unwritable(error) from None

    def _unwritable(self, error: Exception) -> EvsimError:
        code = getattr(error, "errno", None)
        reason = os.strerror(code) if code else " ".join(str(error).split())[:200]
        return EvsimError(f"cannot be written: {reason}", file=str(self.part))

    def _check_part(self, header: dict) -> bool:
        """Whether the part, which must be of the same run, holds a finished sample."""
        with hdf5.opened(self.part) as file:
            hdf5.check_format(file, FORMAT)
            found = json.loads(hdf5.attribute(file, "settings"))
            for name, value in json.loads(json.dumps(header)).items():
                if found.get(name) != value and not name.endswith("_path"):
                    expected = f"{value!r}, as this run has (--overwrite begins again)"
                    raise mismatch(repr(found.get(name)), expected, name)
            return "samples" in file and len(_stored(file).predictions) > 0

    def _shorten(self) -> None:
        """Drop what a torn sample left behind."""
        self.done = len(self.file["samples"])
        for dataset, place in _growing(self.file):
            length = self.done
            if place[0] == "spikes":
                length = int(self.file["work"][place[1]]["spikes"][: self.done].sum())
            if len(dataset) < length:
                expected = f"{length} (--overwrite begins again)"
                raise mismatch(f"{len(dataset)} rows", expected, "/".join(place))
            dataset.resize(length, axis=0)

    def _begin(self, header: dict) -> None:
        file, run = self.file, self.run
        file.attrs.update(format=FORMAT, version=VERSION, settings=json.dumps(header))
        file.attrs.update({k: v for k, v in header.items() if v is not None})
        versions = {name: version(name) for name in ("numpy", "numba", "h5py")}
        versions |= {"evsim": header["evsim"], "python": platform.python_version()}
        file.attrs["versions"] = json.dumps(versions)
        for name, part in run.parts.items():
            file.create_group(f"parts/{name}").attrs.update(part)

    def restore(self) -> None:
        """Give the run what the part holds of its samples, without their recordings."""
        with hdf5.reading(self.part):
            self._restore()

    def _restore(self) -> None:
        from evsim.sample import Sample

        file, done = self.file, self.done
        output = self.run.network.output
        by_timestep = file["predictions_by_timestep"][:done]
        potential, indices = file[f"potential/{output}"][:done], file["samples"][:done]
        work = {n: {f: d[:done] for f, d in g.items()} for n, g in file["work"].items()}
        histograms = {n: d[:done] for n, d in file.get("accesses", {}).items()}
        widths = [
            {n: d[:done] for n, d in file.get(place, {}).items()}
            for place in ("ranges", "first_overflows")
        ]
        for i in range(done):
            sample = Sample(
                int(indices[i]),
                {n: {f: int(d[i]) for f, d in facts.items()} for n, facts in work.items()},
                {n: d[i] for n, d in histograms.items()},
                potential[i],
                by_timestep[i],
                ranges={n: d[i] for n, d in widths[0].items()},
                first_overflows={n: d[i] for n, d in widths[1].items()},
            )
            self.run.add(sample, keep=False)

    def append(self, sample) -> None:
        """Take a finished sample; it is on disk at once, or after 0.5 s if samples are quick.

        A full disk leaves the samples before it whole.
        """
        self.waiting.append(sample)
        if time.monotonic() - self.written >= PATIENCE:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting: all together, or one by one where the disk is almost full."""
        samples, self.waiting = self.waiting, []
        if not samples:
            return
        try:
            try:
                self._write(samples)
            except OSError:
                for sample in samples:
                    self._write([sample])
        except OSError as error:
            raise self._unwritable(error) from None
        self.written = time.monotonic()

    def _write(self, samples) -> None:
        """Add samples, which become whole together; OSError where the disk has no room."""
        content = [self._content(sample, self.done + i) for i, sample in enumerate(samples)]
        joined = {
            place: np.concatenate([found[place] for found in content]) for place in content[0]
        }
        room = HEADER + sum(self._growth(place, rows) for place, rows in joined.items())
        with hdf5.room(self.file, self.part, room):
            for place, rows in joined.items():
                self._extend(place, rows)
            self.file.flush()
            self._extend("samples", np.array([sample.index for sample in samples]))
        self.done += len(samples)

    def _content(self, sample, row: int) -> dict[str, np.ndarray]:
        output = self.run.network.output
        content = {
            "predictions": sample.decisions[-1:],
            "predictions_by_timestep": sample.decisions[None],
            f"potential/{output}": sample.potential[None],
        }
        if self.labels is not None:
            content["labels"] = self.labels[row : row + 1]
        for name, facts in sample.facts.items():
            content |= {f"work/{name}/{fact}": np.array([n]) for fact, n in facts.items()}
        content |= {f"accesses/{name}": rows[None] for name, rows in sample.histograms.items()}
        content |= {f"ranges/{name}": rows[None] for name, rows in sample.ranges.items()}
        firsts = sample.first_overflows.items()
        content |= {f"first_overflows/{name}": rows[None] for name, rows in firsts}
        content |= {f"trace/{name}": rows[None] for name, rows in sample.trace.items()}
        content |= {f"queue/{name}": rows[None] for name, rows in sample.queues.items()}
        for name, (timesteps, neurons, values) in sample.spikes.items():
            columns = (np.full(len(timesteps), sample.index), timesteps, neurons, values)
            for field, column in zip(EVENT_FIELDS, columns, strict=True):
                content[f"spikes/{name}/{field}"] = column
        return content

    def _growth(self, place: str, rows: np.ndarray) -> int:
        """At most so many bytes the file grows by with these rows."""
        dataset = self._found(place)
        before, chunk = 0 if dataset is None else len(dataset), _chunk(rows)
        chunks = -(-(before + len(rows)) // chunk[0]) - -(-before // chunk[0])
        if rows.ndim > 1:
            chunks *= -(-rows.shape[1] // chunk[1])
        new = NODE if chunks or dataset is None else 0
        return new + chunks * (NODE // 32 + math.prod(chunk) * rows.itemsize)

    def _found(self, place: str):
        if place not in self.datasets and place in self.file:
            self.datasets[place] = self.file[place]
        return self.datasets.get(place)

    def _extend(self, place: str, rows: np.ndarray) -> None:
        dataset = self._found(place)
        if dataset is None:
            rest = rows.shape[1:]
            dataset = self.datasets[place] = self.file.create_dataset(
                place,
                shape=(0, *rest),
                maxshape=(None, *rest),
                chunks=_chunk(rows),
                dtype=rows.dtype,
            )
            if place.startswith("spikes/"):
                self._describe_events(place.split("/")[1], dataset.parent)
        if len(rows):
            dataset.resize(len(dataset) + len(rows), axis=0)
            dataset[-len(rows) :] = rows

    def _describe_events(self, name: str, group) -> None:
        settings, part = self.run.settings, self.run.network.populations[name]
        group.attrs["shape"] = part.shape
        group.attrs["samples"] = settings.first_sample + settings.samples
        group.attrs["timesteps"] = settings.timesteps

    def finish(self, **facts) -> None:
        """Add the last attributes and give the file its name."""
        self.flush()
        try:
            with hdf5.room(self.file, self.part, HEADER):
                self.file.attrs.update(facts)
            self.file.close()
            self.part.replace(self.path)
        except OSError as error:
            raise self._unwritable(error) from None

    def close(self) -> None:
        """Leave a part that holds what is finished."""
        try:
            if self.file:
                self.flush()
        finally:
            self.file.close()


def _chunk(rows: np.ndarray) -> tuple[int, ...]:
    """What a growing dataset of such rows is stored in: some rows, or a part of a long one."""
    rest = rows.shape[1:]
    row_bytes = max(1, math.prod(rest) * rows.itemsize)
    if row_bytes > LONG:
        return (1, max(1, rest[0] * LONG // row_bytes), *rest[1:])
    return (max(1, CHUNK // row_bytes), *rest)


def _growing(file):
    """(dataset, its path in pieces) of all that grows with the samples."""
    found = []
    file.visititems(
        lambda name, thing: (
            found.append((thing, name.split("/")))
            if getattr(thing, "maxshape", None) and thing.maxshape[0] is None
            else None
        )
    )
    return found


def _check_target(path: Path, part: Path, overwrite: bool, resume: bool) -> None:
    if path.is_dir() or not path.parent.is_dir():
        problem = "is a folder" if path.is_dir() else "cannot be written: no such folder"
        raise EvsimError(problem, file=str(path))
    if resume and not part.exists():
        raise EvsimError("no such file, expected a part to resume", file=str(part))
    if path.exists() and not overwrite:
        raise EvsimError("exists already (--overwrite replaces it)", file=str(path))
    if part.exists() and not (overwrite or resume):
        problem = "exists already (--resume goes on with it, --overwrite replaces it)"
        raise EvsimError(problem, file=str(part))


def save(run, path, overwrite: bool = False, labels=None) -> None:
    """Write a whole run that is in memory."""
    header = header_of(run, run.network, None, None)
    file = ResultFile(path, run, header, labels=labels, overwrite=overwrite)
    try:
        for sample in run.finished:
            file.append(sample)
        file.finish(seconds=run.seconds)
    finally:
        file.close()
        file.part.unlink(missing_ok=True)


def header_of(run, network, data_path, data_sha256) -> dict:
    """The resolved settings of a run, as a result file keeps and `--resume` compares them."""
    from evsim import __version__

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
    """A result file's content: enough to count again under any machine."""

    settings: dict
    parts: dict[str, dict]
    work: counting.Facts
    histograms: dict[str, np.ndarray]
    predictions: np.ndarray
    labels: np.ndarray | None
    samples: np.ndarray
    ranges: dict[str, np.ndarray]  # as of a run
    first_overflows: dict[str, np.ndarray]

    def counts(self, accumulate="direct", update="clock", input="recompute") -> dict:
        """Actions by part and in total under a machine, sums over samples: Python integers."""
        constant = self.settings["input"] if self.settings["coding"] == "constant" else None
        machine = counting.Machine(accumulate, update, input)
        timesteps = self.settings["timesteps"]
        return counting.counts(self.parts, self.work, machine, timesteps, constant, self.histograms)


def load(path, histograms: bool = True) -> StoredRun:
    """Read a result file, or a part of one; without `histograms` its facts, which are small."""
    with hdf5.opened(path) as file:
        hdf5.check_format(file, FORMAT)
        hdf5.names(file)
        if "samples" not in file:
            raise mismatch("no finished sample", "at least one")
        return _stored(file, histograms)


def _stored(file, histograms: bool = True) -> StoredRun:
    done, read = len(file["samples"]), hdf5.Arrays()

    def column(place: str) -> np.ndarray:
        rows = read(file[place], place)
        if rows.dtype.kind not in "iu" or len(rows) < done:
            raise mismatch(f"{len(rows)} rows of {rows.dtype}", f"{done} of integers", place)
        return rows[:done]

    parts = {
        name: {a: _python(hdf5.attribute(part, a)) for a in part.attrs}
        for name, part in file["parts"].items()
    }
    facts = {
        name: dict(facts_of(part["kind"], is_set(part), "potential_bits" in part))
        for name, part in parts.items()
    }
    for name, found in facts.items():  # of a coding or of queues, too
        found |= dict.fromkeys(hdf5.names(file["work"][name], f"/work/{name}"))
    accesses = hdf5.names(file["accesses"], "/accesses") if histograms else ()
    ranges, firsts = (
        {name: column(f"/{place}/{name}") for name in hdf5.names(file[place], f"/{place}")}
        if place in file
        else {}
        for place in ("ranges", "first_overflows")
    )
    return StoredRun(
        json.loads(hdf5.attribute(file, "settings")),
        parts,
        {n: {fact: column(f"/work/{n}/{fact}") for fact in facts[n]} for n in parts},
        {name: column(f"/accesses/{name}").sum(axis=0) for name in accesses},
        column("/predictions"),
        column("/labels") if "labels" in file else None,
        column("/samples"),
        ranges,
        firsts,
    )


def _python(value):
    return value.item() if isinstance(value, np.ndarray) else value
