"""What `evsim quantize` prints."""

from __future__ import annotations

from evsim.base.screen import Output, Table
from evsim.reports.tables import number, percent


def show(out: Output, found: dict) -> None:
    """Print the units of a network in fixed point, and how its runs compare."""
    coding = found["coding"] and f": for coding {found['coding']}"
    out.print(f"{found['network']}{coding or ''}")
    for name, reason in found["floats"].items():
        out.print(f"{name}: floating-point neurons, as {reason}")
    if found["compare"]:
        sign = {"ge": ">=", "gt": ">"}[found["compare"]]
        out.print(f"neurons fire where v {sign} threshold, as the chip's do")
    for note in found["notes"]:
        out.print(note)
    if found["units"]:
        out.print(_units(found["units"]))
    if "runs" in found:
        out.print(_runs(found["runs"], found["samples"]))
        out.print(_sums(found["sums"]))


def _units(rows: list[dict]):
    lines = []
    for row in rows:
        low, high = row["lowest_threshold"], row["highest_threshold"]
        threshold = "" if low is None else number(low)
        threshold += "" if low == high else f" to {number(high)}"
        unit = f"{row['smallest_unit']:.4g}"
        if row["largest_unit"] != row["smallest_unit"]:
            unit += f" to {row['largest_unit']:.4g}"
        lines.append([row["population"], row["kind"], unit, threshold, str(row["bits"] or 32)])
    columns = ["population", "kind", "unit", "threshold", "bits of potential"]
    return Table("Fixed point: what an integer stands for", columns, lines, left=("kind",))


def _runs(rows: list[dict], samples: int):
    lines = [
        [
            row["run"],
            "" if row["accuracy"] is None else percent(row["accuracy"]),
            percent(row["same_decisions"]),
            f"{row['spikes']:,.1f}",
            number(row["overflows"]),
        ]
        for row in rows
    ]
    columns = ["network", "accuracy", "decided as it was", "spikes per inference", "overflows"]
    return Table(f"On {samples:,} samples", columns, lines)


def _sums(rows: list[dict]):
    lines = []
    for row in rows:
        first = row["first"] or {}
        smallest = str(row["smallest_bits"])
        if "smallest_current_bits" in row:
            smallest += f", currents {row['smallest_current_bits']}"
        lines.append(
            [
                row["population"],
                f"{row['spikes_as_it_was']:,.1f}",
                f"{row['spikes']:,.1f}",
                str(row["width"] or 32),
                f"{number(row['lowest'])} to {number(row['highest'])}",
                number(row["overflows"]),
                ", ".join(str(place) for place in first.values()),
                smallest,
            ]
        )
    columns = ["population", "spikes before", "now", "bits", "sums", "overflows"]
    columns += ["first: sample, timestep, neuron", "smallest bits"]
    return Table("Populations of integers", columns, lines, left=(columns[6],))
