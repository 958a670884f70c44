"""What the sums of integer populations did in a run, and the widths they need."""

from __future__ import annotations

from evsim.base.width import LEAST, bits_for


def sums_of(run) -> dict[str, dict]:
    """What the sums of every population that reports them did in a run, or in a stored one.

    By population: the declared `width`, `lowest` and `highest` sum of its potential before it was
    brought into the width, `bits` that hold them, the threshold and the other fields (None where
    sums left their width, as everything after the first of them would be another run with more
    bits), `overflows`, and sample, timestep and neuron of the `first`. With a width of currents
    `current_width`, `current_lowest`, `current_highest` and `current_bits` too.
    """
    found = {}
    for name, ranges in run.ranges.items():
        part, work = run.parts[name], run.work[name]
        row = {"width": part.get("potential_bits"), "overflows": 0, "first": None}
        if "overflows" in work:
            row["overflows"] = int(work["overflows"].sum())
        if row["overflows"]:
            where = map(int, run.first_overflow(name))
            row["first"] = dict(zip(("sample", "timestep", "neuron"), where, strict=True))
        row |= {"lowest": int(ranges[:, 0].min()), "highest": int(ranges[:, 1].max())}
        bits = bits_for(row["lowest"], row["highest"], part.get("potential_signed", True))
        row["bits"] = None if row["overflows"] else max(bits, part["field_bits"], LEAST)
        if "current_bits" in part:
            lowest, highest = int(ranges[:, 2].min()), int(ranges[:, 3].max())
            bits = None if row["overflows"] else max(bits_for(lowest, highest), LEAST)
            row |= {"current_width": part["current_bits"], "current_lowest": lowest}
            row |= {"current_highest": highest, "current_bits": bits}
        found[name] = row
    return found
