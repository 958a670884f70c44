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
    from evsim.report.tables import show
    from evsim.store.assemble import as_file

    with as_file(file) as path:
        found = guarded(path, describe) | {"file": str(file)}
    if as_json:
        print(json.dumps(found))
    else:
        show(found)
