"""The numbers of other tools beside the exact ones, as a table."""

from __future__ import annotations

from evsim.report import tables


def show(found: dict) -> None:
    """Print what `evsim.conventions.convention` gave."""
    total, rows = found["total"], []
    for name, row in found["parts"].items():
        numbers = _shown(row["reported"]), _shown(row["exact"])
        rows.append([name, row["what"], *numbers, _ratio(row), row["reason"]])
    kinds = ", ".join(f"{what} {_shown(n)}" for what, n in total["by_kind"].items())
    label = "total" if total["complete"] else "total of what follows from the run"
    kinds = kinds if len(total["by_kind"]) > 1 else ""
    rows.append(
        [label, "", _shown(total["reported"]), _shown(total["exact"]), _ratio(total), kinds]
    )
    columns = ["part", "operation", found["name"], "exact", "ratio", "why"]
    title = f"As {found['name']} would report it: {found['unit']}"
    table = tables.table(title, columns, rows)
    table.columns[-1].justify = "left"
    tables.Output().print(table)


def _shown(number) -> str:
    if number is None:
        return "not known"
    return f"{number:,}" if isinstance(number, int) else f"{number:,.1f}"


def _ratio(row: dict) -> str:
    if row["reported"] is None or not row["exact"]:
        return ""
    return f"{row['reported'] / row['exact']:.3f}"
