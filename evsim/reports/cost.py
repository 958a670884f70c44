"""A stored run on several chips, as tables. `found` is what `cost` prints as JSON."""

from __future__ import annotations

from evsim.base.screen import Output, Table
from evsim.chip.profile.amounts import high, low
from evsim.reports import tables

SHARES = ("price", "pj", "count", "energy_uj", "share", "plus_10_percent_uj", "evidence")
BESIDE = ("macs", "ann_energy_uj", "energy_uj", "ratio", "spikes_per_synapse")
BESIDE += ("break_even_spikes_per_synapse",)
BOUNDS = {"ratio": "bound", "break_even_spikes_per_synapse": "break_even_bound"}
BOUNDS |= {"energy_uj": "lower_bound", "ann_energy_uj": "ann_lower_bound"}


def show(out: Output, found: dict) -> None:
    """Print the tables."""
    chips = found["chips"]
    about = f"{found['samples']:,} samples, {found['timesteps']} timesteps"
    out.print(f"{found['result']}: {about}, not simulated again")
    names = [chip["chip"] for chip in chips]
    body = [
        ["machine", *(", ".join(chip["machine"].values()) for chip in chips)],
        ["energy_uj", *map(_total, chips)],
        ["weakest_evidence", *(chip["weakest_evidence"] or "" for chip in chips)],
    ]
    out.print(Table("Per inference (mean over samples)", ["", *names], body))
    by_action = [{row["action"]: row for row in chip["actions"]} for chip in chips]
    actions = list(dict.fromkeys(name for rows in by_action for name in rows))
    body = [[name, *(_paid(rows.get(name)) for rows in by_action)] for name in actions]
    title = "energy_uj by action (included: in another price)"
    out.print(Table(title, ["action", *names], body))
    parts = list(chips[0]["energy_uj_by_part"])
    body = [[part, *(tables.amount(c["energy_uj_by_part"][part]) for c in chips)] for part in parts]
    out.print(Table("energy_uj by part", ["part", *names], body))
    for chip in chips:
        _prices(out, chip)
    body = [
        [chip["chip"], row["counted"], *(_beside(row, name) for name in BESIDE), row["why"]]
        for chip in chips
        for row in chip["break_even"]
    ]
    columns = ["chip", "counted", "ANN MACs", "ANN uJ", "SNN uJ", "SNN / ANN"]
    columns += ["spikes/synapse", "break-even", ""]
    out.print(Table("Beside the artificial network on the same chip", columns, body, left=("",)))


def _prices(out, chip: dict) -> None:
    """Print what every price contributes, and what has none."""
    body = [[_share(row, name) for name in SHARES] for row in chip["prices"]]
    spare = ("plus_10_percent_uj", "evidence", "count")
    out.print(Table(f"Prices of {chip['chip']} ({chip['title']})", list(SHARES), body, spare=spare))
    if chip["unpriced"]:
        open_ = (f"{name} ({n:,.1f})" for name, n in chip["unpriced"].items())
        out.print(f"{chip['chip']}: no price for {', '.join(open_)}")
    for line in chip["left_out"]:
        out.print(f"{chip['chip']}: left out: {line}")


def _total(chip: dict) -> str:
    bound = "at least " if chip["lower_bound"] else ""
    return bound + tables.amount(chip["energy_uj"])


def _paid(row: dict | None) -> str:
    if row is None:
        return ""
    return row["paid"] if row["energy_uj"] is None else tables.amount(row["energy_uj"])


def _share(row: dict, name: str) -> str:
    value = row[name]
    if value is None or isinstance(value, str):
        return value or ""
    if name == "share":
        least, most = (f"{100 * end(value):.1f}" for end in (low, high))
        return f"{least} %" if least == most else f"{least} to {most} %"
    return f"{value:,.1f}" if name == "count" else tables.amount(value)


def _beside(row: dict, name: str) -> str:
    value = row[name]
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    bound = row.get(BOUNDS.get(name), "")
    if isinstance(bound, bool):
        bound = "at least" if bound else ""
    return f"{bound} {tables.amount(value)}".strip()
