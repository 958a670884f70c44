"""evsim info"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evsim.base.screen import tell_json
from evsim.cli import translate as translate


def info(
    file: Annotated[Path, typer.Argument(help="network, data, result or trainer's file")],
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """What a file holds."""
    from evsim.formats.guard import guarded
    from evsim.reports.info import describe
    from evsim.reports.tables import show
    from evsim.store.assemble import as_file

    with as_file(file) as path:
        found = guarded(path, describe) | {"file": str(file)}
    for name in ("notes", "unsupported"):
        if name in found:
            found[name] = translate.everywhere(found[name])
    if as_json:
        tell_json(found)
    else:
        show(found)
