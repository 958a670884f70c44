"""What a report takes from a result file beside its counts: decisions, queues, spikes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evsim.base.errors import mismatch, shown
from evsim.counting.facts import is_set
from evsim.formats import _hdf5 as hdf5
from evsim.formats import result
from evsim.formats.result import StoredRun

ROWS = 1024  # samples read at a time
SETTINGS = {  # what a page needs of a header, and the types it may have
    "timesteps": int,
    "samples": int,
    "synapses": int,
    "seed": int,
    "input": str,
    "output": str,
    "coding": str,
    "dtype": str,
    "evsim": str,
    "name": str | None,
    "network_path": str | None,
    "network_sha256": str | None,
    "data_path": str | None,
    "data_sha256": str | None,
    "ann_accuracy": int | float | None,
}


@dataclass(frozen=True)
class Queue:
    """The events that arrive at a set in each timestep: their mean and most over samples."""

    mean: np.ndarray
    most: np.ndarray


@dataclass(frozen=True)
class Recorded:
    """A result file. What was not recorded is None or empty."""

    path: Path
    run: StoredRun
    order: tuple[str, ...]  # parts, sources first
    first_sample: int
    accuracy_by_timestep: np.ndarray | None
    queues: dict[str, Queue]
    spikes: dict[str, np.ndarray]  # of the first sample: (events, 2): timestep, neuron

    @property
    def accuracy(self) -> float | None:
        """The fraction of samples decided as labelled."""
        run = self.run
        return None if run.labels is None else float((run.predictions == run.labels).mean())


def read(path) -> Recorded:
    """Read a result file, or a part of one; raises EvsimError."""
    run = result.load(path)
    with hdf5.opened(path) as file:
        _check_settings(run.settings)
        samples, timesteps = run.count, run.settings["timesteps"]
        return Recorded(
            Path(path),
            run,
            tuple(_order(run.parts, run.settings["input"])),
            run.first_sample,
            _accuracy(file, run.labels, samples, timesteps),
            {name: _queue(dataset, samples, timesteps) for name, dataset in _in(file, "queue")},
            {name: _spikes(file, run, name) for name, _ in _in(file, "spikes")},
        )


def _check_settings(settings) -> None:
    for name, types in SETTINGS.items():
        if not isinstance(settings, dict) or not isinstance(settings.get(name), types):
            found = settings.get(name) if isinstance(settings, dict) else settings
            raise mismatch(shown(found), "a setting as evsim run writes it", f"settings.{name}")
    for name in ("timesteps", "samples"):
        if settings[name] < 1:
            raise mismatch(settings[name], "at least 1", f"settings.{name}")


def _in(file, folder: str):
    group = hdf5.group(file, folder, f"/{folder}")
    for name in hdf5.names(group, f"/{folder}") if group is not None else ():
        yield name, group[name]


def _blocks(dataset, samples: int, timesteps: int):
    """The rows of a dataset (samples, timesteps), some at a time."""
    hdf5.checked(dataset, dataset.name)
    if dataset.ndim != 2 or len(dataset) < samples or dataset.shape[1] != timesteps:
        expected = f"at least {samples} rows of {timesteps}"
        raise mismatch(f"shape {dataset.shape}", expected, dataset.name)
    for first in range(0, samples, ROWS):
        yield first, dataset[first : min(first + ROWS, samples)]


def _accuracy(file, labels, samples: int, timesteps: int) -> np.ndarray | None:
    if labels is None:
        return None
    right = np.zeros(timesteps, np.int64)
    for first, rows in _blocks(file["predictions_by_timestep"], samples, timesteps):
        right += (rows == labels[first : first + len(rows), None]).sum(axis=0)
    return right / samples


def _queue(dataset, samples: int, timesteps: int) -> Queue:
    total, most = np.zeros(timesteps, np.int64), np.zeros(timesteps, np.int64)
    for _, rows in _blocks(dataset, samples, timesteps):
        total += rows.sum(axis=0)
        most = np.maximum(most, rows.max(axis=0))
    return Queue(total / samples, most)


def _spikes(file, run: StoredRun, name: str) -> np.ndarray:
    """The events of the first sample, which are the first of their file."""
    place, columns, group = f"/spikes/{name}", [], file["spikes"][name]
    if name not in run.parts or is_set(run.parts[name]):
        raise mismatch(f"{name!r}", "a population of the network", place)
    count = int(hdf5.checked(file["work"][name]["spikes"], f"/work/{name}/spikes")[0])
    bounds = {"timestep": run.settings["timesteps"], "neuron": run.parts[name]["neurons"]}
    for field, bound in bounds.items():
        dataset = hdf5.checked(group[field], f"{place}/{field}")
        column = dataset[:count]
        if len(column) < count or (count and not 0 <= column.min() <= column.max() < bound):
            expected = f"{count} values from 0 to {bound - 1}"
            raise mismatch("other values", expected, f"{place}/{field}")
        columns.append(column.astype(np.int64))
    return np.stack(columns, axis=1)


def _order(parts: dict[str, dict], first: str):
    """The parts along the sets from the input on, the sets into a population before it."""
    feeds: dict[str, list[str]] = {}
    for name in sorted(parts, reverse=True):
        if is_set(parts[name]):
            feeds.setdefault(parts[name]["source"], []).append(parts[name]["target"])
    done, seen, stack = [], {first}, [(first, iter(feeds.get(first, ())))]
    while stack:  # depth first; a population is done after all that it feeds
        name, targets = stack[-1]
        following = next((t for t in targets if t not in seen), None)
        if following is None:
            done.append(stack.pop()[0])
        else:
            seen.add(following)
            stack.append((following, iter(feeds.get(following, ()))))
    populations = [name for name in sorted(parts) if not is_set(parts[name]) and name not in seen]
    for population in [*done[::-1], *populations]:
        yield from (n for n in sorted(parts) if parts[n].get("target") == population)
        yield population
