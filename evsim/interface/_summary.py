"""The short table of a run: what its parts did in a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evsim.base.overview import Overview
from evsim.counting.described import role_of
from evsim.counting.facts import INPUT, NEURON, is_set
from evsim.counting.machine import ADDITIONS, M3, SYNOPS
from evsim.interface._record import Record

COLUMNS = ("part", "kind", "spikes", "synops", "additions", "accesses (M3)")


def overview_of(
    name: str, found: Mapping[str, Any], parts: Mapping[str, dict], order: Sequence[str]
) -> Overview:
    """The mean of a sample by part; `found` as the command `run` prints it, parts in `order`."""
    samples, counts, rows = found["samples"], found["counts"], []
    for part in order:
        actions, facts, kind = counts["parts"][part], found["work"][part], parts[part]["kind"]
        spikes = synops = None
        if is_set(parts[part]):
            synops = sum(actions[action] for action in SYNOPS) / samples
        elif role_of(parts[part]) in (INPUT, NEURON):
            spikes = facts["spikes"] / samples
        sums = (
            sum(n for action, n in actions.items() if action in of) / samples
            for of in (ADDITIONS, M3)
        )
        rows.append((part, kind, spikes, synops, *sums))
    total = counts["total"]
    work = total["synaptic_add"] + total["synaptic_mac"]
    means = [work, total["additions"], total["memory_accesses"]["M3"]]
    spikes = sum(facts.get("spikes", 0) for facts in found["work"].values())
    rows.append(("total", "", spikes / samples, *(float(n / samples) for n in means)))
    title = f"{name}: {samples:,} samples, {found['timesteps']} timesteps, {found['coding']}"
    if found["accuracy"] is not None:
        title += f", accuracy {100 * found['accuracy']:.2f} %"
    rows = [
        (part, kind, *(None if n is None else float(n) for n in own)) for part, kind, *own in rows
    ]
    machine = ", ".join(counts["machine"].values())
    return Overview(title, COLUMNS, rows, [f"mean of a sample; machine: {machine}"])


class Summary(Record):
    """A run under a machine, with the keys that `evsim run` prints as JSON."""

    def __init__(self, found: Mapping[str, Any], parts: dict, order: Sequence[str], name: str):
        super().__init__(found)
        self._about = name, parts, order

    def overview(self) -> Overview:
        """The mean of a sample by part."""
        name, parts, order = self._about
        return overview_of(name, self, parts, order)
