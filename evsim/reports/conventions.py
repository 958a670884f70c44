"""The numbers of other tools beside the exact ones, as a table."""

from __future__ import annotations

from evsim.base.screen import Output, Table


def show(out: Output, found: dict) -> None:
    """Print what `evsim.studies.other_tools.convention` gave."""
    total, rows = found["total"], []
    for name, row in found["parts"].items():
        numbers = _shown(row["reported"]), _shown(row["exact"])
        rows.append([name, row["what"], *numbers, _ratio(row), row["reason"]])
    kinds = ", ".join(f"{what} {_shown(n)}" for what, n in total["by_kind"].items())
    kinds = kinds if len(total["by_kind"]) > 1 else ""
    label, ratio = "total", _ratio(total)
    if not total["complete"]:  # what is left may agree, and says nothing of what is not known
        share = "" if total["covered"] is None else f"{100 * total['covered']:.1f} % "
        label, ratio = f"total, {share}known", ""
    rows.append([label, "", _shown(total["reported"]), _shown(total["exact"]), ratio, kinds])
    columns = ["part", "operation", found["name"], "exact", "ratio", "why"]
    title = f"As {found['name']} would report it: {found['unit']}"
    out.print(Table(title, columns, rows, left=("operation", "why")))


def _shown(number) -> str:
    if number is None:
        return "not known"
    return f"{number:,}" if isinstance(number, int) else f"{number:,.1f}"


def _ratio(row: dict) -> str:
    if row["reported"] is None or not row["exact"]:
        return ""
    return f"{row['reported'] / row['exact']:.3f}"
