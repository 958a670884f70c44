"""evsim info"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def info(
    file: Annotated[Path, typer.Argument(help="network, data, result or trainer's file")],
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """What a file holds."""
    from evsim.formats.guard import guarded
    from evsim.report.info import describe
    from evsim.report.tables import Output, table

    found = guarded(file, describe)
    if as_json:
        print(json.dumps(found))
        return
    out = Output()
    for name, value in found.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            columns = list(value[0])
            rows = [["" if v is None else _shown(v) for v in row.values()] for row in value]
            out.print(table(name, columns, rows))
        elif value is not None:
            out.print(f"{name}: {_shown(value)}", soft_wrap=True)


def _shown(value) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list):
        return " x ".join(map(str, value))
    return str(value)
