"""Samples as the arrays of a shard, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from evsim.engine.sample import Sample
from evsim.store.shards import Shard

SEPARATOR = "\t"  # between a part and a fact: no printable name has it
ROWS = {  # what a shard has of a sample, by name, as rows of one shape; what is recorded comes last
    "accesses": "histograms",
    "ranges": "ranges",
    "first_overflows": "first_overflows",
    "measured": "measured",
    "rates": "rates",
    "trace": "trace",
    "queue": "queues",
}
RECORDED = ("trace", "queue")  # what only the result file takes
EVENTS = ("timestep", "neuron", "value")


OBJECT = 128  # bytes of memory that a number or an array takes beside its content, about


def size(sample: Sample) -> int:
    """About how many bytes of memory a sample takes."""
    arrays = [array for group in ROWS.values() for array in getattr(sample, group).values()]
    arrays += [column for columns in sample.spikes.values() for column in columns]
    objects = len(arrays) + sum(map(len, sample.facts.values()))
    return OBJECT * objects + sum(array.nbytes for array in arrays)


def arrays_of(samples: Sequence[Sample]) -> dict[str, np.ndarray]:
    """The arrays of a shard, by place, of samples that follow each other."""
    first = samples[0]
    names = [(part, fact) for part, facts in first.facts.items() for fact in facts]
    arrays = {
        "samples": np.array([sample.index for sample in samples]),
        "facts": np.array([[s.facts[part][fact] for part, fact in names] for s in samples]),
        "names": np.array([SEPARATOR.join(pair) for pair in names]),
        "decisions": np.stack([sample.decisions for sample in samples]),
        "potential": np.stack([sample.potential for sample in samples]),
    }
    for place, group in ROWS.items():
        for name in getattr(first, group):
            rows = [getattr(sample, group)[name] for sample in samples]
            arrays[f"{place}/{name}"] = np.stack(rows) if len(rows) > 1 else rows[0][None]
    for name in first.spikes:
        columns = [sample.spikes[name] for sample in samples]
        arrays[f"spikes/{name}/count"] = np.array([len(c[0]) for c in columns])
        for k, field in enumerate(EVENTS):
            joined = [events[k] for events in columns]
            arrays[f"spikes/{name}/{field}"] = np.concatenate(joined) if joined[1:] else joined[0]
    return arrays


def samples_of(shard: Shard, first: int, last: int, recorded: bool = False) -> Iterator[Sample]:
    """The samples of a shard from `first` to before `last`; `recorded`: with their recordings."""
    indices, facts = shard["samples"].tolist(), shard["facts"].tolist()
    names = [name.split(SEPARATOR) for name in shard["names"].tolist()]
    decisions, potential = shard["decisions"], shard["potential"]
    rows: dict[str, dict[str, np.ndarray]] = {}
    for place in shard.places:
        group, _, name = place.partition("/")
        if group in ROWS and (recorded or group not in RECORDED):
            rows.setdefault(ROWS[group], {})[name] = shard[place]
    events = _events_of(shard) if recorded else {}
    for i, index in enumerate(indices):
        if first <= index < last:
            counts: dict[str, dict[str, int]] = {}
            for (part, fact), count in zip(names, facts[i], strict=True):
                counts.setdefault(part, {})[fact] = count
            yield Sample(
                index,
                counts,
                potential=potential[i],
                decisions=decisions[i],
                **{"histograms": {}}
                | {group: {n: a[i] for n, a in by_name.items()} for group, by_name in rows.items()},
                spikes={name: columns[i] for name, columns in events.items()},
            )


def _events_of(shard: Shard) -> dict[str, list[tuple]]:
    """By population: the events (timestep, neuron, value) of each sample."""
    events = {}
    for place in shard.places:
        if place.startswith("spikes/") and place.endswith("/count"):
            name = place[len("spikes/") : -len("/count")]
            ends = shard[place].cumsum()[:-1]
            columns = [np.split(shard[f"spikes/{name}/{field}"], ends) for field in EVENTS]
            events[name] = list(zip(*columns, strict=True))
    return events
