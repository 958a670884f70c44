"""Results as HDF5 files of format "evsim-result", written sample by sample."""

from __future__ import annotations

import errno
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
from evsim.formats import _hdf5 as hdf5
from evsim.parts import EvsimError, mismatch

FORMAT, VERSION = "evsim-result", 1
CHUNK = 1 << 13  # bytes that a growing dataset is stored in, at least
PATIENCE = 0.5  # seconds between writes: one takes some 20 ms, more than a small sample
EVENT_FIELDS = ("sample", "timestep", "neuron", "value")


class ResultFile:
    """A result on its way to disk: `<path>.part`, renamed to `path` when it is complete.

    `header`: the resolved settings; a part is resumed only with the same ones. `done`: the whole
    samples in the file. /samples is written last, so its length says how many are whole.
    """

    def __init__(self, path, run, header: dict, *, labels=None, overwrite=False, resume=False):
        import h5py

        self.path, self.run, self.labels, self.done = Path(path), run, labels, 0
        self.part = self.path.with_name(self.path.name + ".part")
        self.waiting, self.written = [], -math.inf
        self.datasets: dict = {}
        _check_target(self.path, self.part, overwrite, resume)
        try:
            if resume:
                self._check_part(header)
                self.file = h5py.File(self.part, "r+")
                self._shorten()
            else:
                self.file = h5py.File(self.part, "w")
                self._begin(header)
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> EvsimError:
        reason = os.strerror(error.errno) if error.errno else " ".join(str(error).split())[:200]
        return EvsimError(f"cannot be written: {reason}", file=str(self.part))

    def _check_part(self, header: dict) -> None:
        with hdf5.opened(self.part) as file:
            hdf5.check_format(file, FORMAT)
            if "samples" not in file:
                raise EvsimError("found no finished sample, expected one (use --overwrite)")
            found = json.loads(hdf5.attribute(file, "settings"))
            for name, value in json.loads(json.dumps(header)).items():
                if found.get(name) != value:
                    raise mismatch(repr(found.get(name)), f"{value!r} as this run has", name)

    def _shorten(self) -> None:
        """Drop what a torn sample left behind."""
        self.done = len(self.file["samples"])
        for dataset, place in _growing(self.file):
            length = self.done
            if place[0] == "spikes":
                length = int(self.file["work"][place[1]]["spikes"][: self.done].sum())
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
        file.flush()

    def restore(self) -> None:
        """Give the run what the part holds of its samples, without their recordings."""
        from evsim.engine import Sample

        file, done = self.file, self.done
        output = self.run.network.output
        by_timestep = file["predictions_by_timestep"][:done]
        potential, indices = file[f"potential/{output}"][:done], file["samples"][:done]
        work = {n: {f: d[:done] for f, d in g.items()} for n, g in file["work"].items()}
        histograms = {n: d[:done] for n, d in file.get("accesses", {}).items()}
        for i in range(done):
            sample = Sample(
                int(indices[i]),
                {n: {f: int(d[i]) for f, d in facts.items()} for n, facts in work.items()},
                {n: d[i] for n, d in histograms.items()},
                potential[i],
                by_timestep[i],
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
        """Write what is waiting. All samples of one write become whole together."""
        samples, self.waiting = self.waiting, []
        if not samples:
            return
        content = [self._content(sample, self.done + i) for i, sample in enumerate(samples)]
        joined = {
            place: np.concatenate([found[place] for found in content]) for place in content[0]
        }
        try:
            self._reserve(joined)
            for place, rows in joined.items():
                self._extend(place, rows)
            self.file.flush()
            self._extend("samples", np.array([sample.index for sample in samples]))
            self.file.flush()
        except OSError as error:
            raise self._unwritable(error) from None
        self.done += len(samples)
        self.written = time.monotonic()

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
        content |= {f"trace/{name}": rows[None] for name, rows in sample.trace.items()}
        content |= {f"queue/{name}": rows[None] for name, rows in sample.queues.items()}
        for name, (timesteps, neurons, values) in sample.spikes.items():
            columns = (np.full(len(timesteps), sample.index), timesteps, neurons, values)
            for field, column in zip(EVENT_FIELDS, columns, strict=True):
                content[f"spikes/{name}/{field}"] = column
        return content

    def _reserve(self, content) -> None:
        """Make sure that the disk takes the sample before HDF5 is told of it."""
        if not hasattr(os, "posix_fallocate"):
            return
        chunks = (2 * max(CHUNK, r.nbytes // max(len(r), 1)) for r in content.values())
        room = sum(rows.nbytes for rows in content.values()) + sum(chunks)
        descriptor = os.open(self.part, os.O_RDWR)
        try:
            size = os.fstat(descriptor).st_size
            os.posix_fallocate(descriptor, size, room)
            os.ftruncate(descriptor, size)
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.EINVAL):
                return
            os.ftruncate(descriptor, size)
            raise
        finally:
            os.close(descriptor)

    def _extend(self, place: str, rows: np.ndarray) -> None:
        if place not in self.datasets and place in self.file:
            self.datasets[place] = self.file[place]
        if place not in self.datasets:
            rest = rows.shape[1:]
            row_bytes = max(1, int(np.prod(rest, dtype=np.int64)) * rows.itemsize)
            dataset = self.datasets[place] = self.file.create_dataset(
                place,
                shape=(0, *rest),
                maxshape=(None, *rest),
                chunks=(max(1, CHUNK // row_bytes), *rest),
                dtype=rows.dtype,
            )
            if place.startswith("spikes/"):
                self._describe_events(place.split("/")[1], dataset.parent)
        dataset = self.datasets[place]
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


def save(run, path, overwrite: bool = False) -> None:
    """Write a whole run that is in memory."""
    header = header_of(run, run.network, None, None)
    file = ResultFile(path, run, header, overwrite=overwrite)
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

    def counts(self, accumulate="direct", update="clock", input="recompute") -> dict:
        """Actions by part and in total under a machine, sums over samples: Python integers."""
        constant = self.settings["input"] if self.settings["coding"] == "constant" else None
        machine = counting.Machine(accumulate, update, input)
        timesteps = self.settings["timesteps"]
        return counting.counts(self.parts, self.work, machine, timesteps, constant, self.histograms)


def load(path) -> StoredRun:
    """Read a result file, or a part of one."""
    with hdf5.opened(path) as file:
        hdf5.check_format(file, FORMAT)
        done = len(file["samples"])
        return StoredRun(
            json.loads(hdf5.attribute(file, "settings")),
            {
                n: {a: _python(hdf5.attribute(g, a)) for a in g.attrs}
                for n, g in file["parts"].items()
            },
            {n: {fact: d[:done] for fact, d in facts.items()} for n, facts in file["work"].items()},
            {n: d[:done].sum(axis=0) for n, d in file.get("accesses", {}).items()},
            file["predictions"][:done],
            file["labels"][:done] if "labels" in file else None,
        )


def _python(value):
    return value.item() if isinstance(value, np.ndarray) else value
