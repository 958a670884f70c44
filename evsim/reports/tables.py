"""What the commands print."""

from __future__ import annotations

import numpy as np

from evsim.base.screen import Output, Table
from evsim.chip.profile.amounts import Amount
from evsim.counting.described import role_of
from evsim.counting.facts import NEURON, READOUT, is_set
from evsim.counting.machine import ADDITIONS, M3, SYNOPS


def show(out: Output, found: dict) -> None:
    """Print what was found: a line for each value, a table for each list of rows."""
    for name, value in found.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            columns = list(value[0])
            rows = [["" if v is None else _shown(v) for v in row.values()] for row in value]
            texts = (n for n in columns if all(isinstance(row[n], str | bool) for row in value))
            out.print(Table(name, columns, rows, left=tuple(texts)))
        elif value not in (None, []):
            out.print(f"{name}: {_shown(value)}")


def _shown(value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list) and all(isinstance(item, int) for item in value):
        return " x ".join(map(str, value))
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return str(value)


def number(n: int) -> str:
    """An integer with thin groups of three."""
    return f"{n:,}"


def amount(value: Amount, digits: int = 4) -> str:
    """A number, or a range of numbers."""
    if isinstance(value, tuple):
        return f"{value[0]:.{digits}g} to {value[1]:.{digits}g}"
    return f"{value:.{digits}g}"


def percent(fraction: float) -> str:
    """A fraction in percent."""
    return f"{100 * fraction:.2f} %"


def accuracy_table(by_timestep: np.ndarray, ann: float | None, where: str = "") -> Table:
    """Accuracy at timesteps 1, 2, 4, ..., T; `where`: what the title says beside that."""
    last = len(by_timestep)
    steps = sorted({2**k for k in range(last.bit_length()) if 2**k <= last} | {last})
    rows = [["accuracy", *(percent(by_timestep[t - 1]) for t in steps)]]
    if ann is not None:
        gaps = [f"{100 * (by_timestep[t - 1] - ann):+.2f}" for t in steps]
        rows.append(["points to the ANN", *gaps])
    return Table(f"Accuracy against timesteps{where}", ["timesteps", *map(str, steps)], rows)


def layer_table(
    order: list[str], parts: dict, work: dict, counts: dict, samples: int, timesteps: int
) -> Table:
    """Per part: spikes, firing rate, additions and memory accesses of one sample on average."""
    rows = []
    for name in order:
        part = parts[name]
        actions = counts["parts"][name]
        additions = sum(n for action, n in actions.items() if action in ADDITIONS)
        accesses = sum(n for action, n in actions.items() if action in M3)
        spikes = rate = synops = ""
        if is_set(part):
            synops = f"{sum(actions[action] for action in SYNOPS) / samples:,.1f}"
        elif role_of(part) != READOUT:
            total = int(work[name]["spikes"].sum())
            spikes = f"{total / samples:,.1f}"
            if role_of(part) == NEURON:
                rate = percent(total / (samples * part["neurons"] * timesteps))
        shown = f"{additions / samples:,.1f}", f"{accesses / samples:,.1f}"
        rows.append([name, part["kind"], spikes, rate, synops, *shown])
    columns = ["part", "kind", "spikes", "firing rate", "synops", "additions", "memory accesses"]
    spare = ("kind", "additions", "firing rate")
    return Table("Per inference (mean over samples)", columns, rows, spare=spare)


def width_table(sums: dict[str, dict]) -> Table:
    """Per population of integers: the extremes of its sums and the overflows."""
    rows = []
    for name, row in sums.items():
        for prefix in ("", "current_") if "current_width" in row else ("",):
            width, bits = row[f"{prefix}width"], row[f"{prefix}bits"]
            extremes = number(row[f"{prefix}lowest"]), number(row[f"{prefix}highest"])
            first = row["first"] and ", ".join(f"{k} {v}" for k, v in row["first"].items())
            overflows = number(row["overflows"]), first or ""
            rows.append(
                [
                    f"{name}, currents" if prefix else name,
                    str(width or ""),
                    *extremes,
                    *(("", "") if prefix else overflows),
                    "more" if bits is None else str(bits),
                ]
            )
    columns = ["population", "bits", "lowest sum", "highest sum", "overflows", "first", "enough"]
    title = "Sums of integers, before they are brought into the bits"
    return Table(title, columns, rows, left=("first",))


def total_table(counts: dict, samples: int, synapses: int) -> Table:
    """Additions and memory accesses: per inference, per synapse, and the most of one synapse."""
    total, each = counts["total"], counts["per_synapse"]
    views = {"additions": ("additions", total["additions"], "")}
    meaning = {"M1": "weights", "M2": "and accumulators", "M3": "and updates, queues, indices"}
    for view, what in meaning.items():
        most = counts["accesses_per_synapse"].get(view, {}).get("max", "")
        views[view] = (f"accesses {view} ({what})", total["memory_accesses"][view], str(most))
    rows = [
        [label, f"{n / samples:,.1f}", f"{each[view]:.3f}", most]
        for view, (label, n, most) in views.items()
    ]
    macs, nominal = total["synaptic_mac"], sum(n["synops"] for n in counts["nominal"].values())
    exact = total["synaptic_add"] + macs
    rows.append(
        [
            "multiply-accumulates",
            f"{macs / samples:,.1f}",
            f"{macs / samples / synapses:.3f}" if synapses else "",
            "",
        ]
    )
    bits = sum(counts["weight_bits"].values())
    rows.append(["weight bits read", f"{bits / samples:,.1f}", "", ""])
    rows.append(["synaptic operations, exact", f"{exact / samples:,.1f}", "", ""])
    rows.append(["the same counted nominally", f"{nominal / samples:,.1f}", "", ""])
    machine = ", ".join(counts["machine"].values())
    columns = ["total", "per inference", "per synapse", "most of one synapse"]
    return Table(f"Totals (machine: {machine})", columns, rows)
