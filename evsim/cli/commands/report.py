"""evsim report"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evsim.chip.prices import DEFAULT
from evsim.cli import options as options


def report(
    results: Annotated[list[Path], typer.Argument(help="result files", show_default=False)],
    page: Annotated[Path, typer.Option("-o", "--out", help="HTML page to write")],
    check: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="of evsim check --json, to show")
    ] = None,
    prices: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|FILE", help=f"of actions; may be repeated \\[{DEFAULT}]"),
    ] = None,
    title: Annotated[str | None, typer.Option(help=r"of the page \[the network's name]")] = None,
    accumulate: options.OwnAccumulate = None,
    update: options.OwnUpdate = None,
    input_machine: options.OwnInput = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Stored runs side by side, as one page that needs no network."""
    from evsim.formats.guard import guarded
    from evsim.reports.broken import assumptions
    from evsim.reports.page import check_target, render, write
    from evsim.reports.recorded import read
    from evsim.store.assemble import as_file

    machine = options.chosen_machine(accumulate, update, input_machine)
    check_target(page, [*results, *(check or ())], overwrite)
    profiles = [options.profile(name) for name in dict.fromkeys(prices or [DEFAULT])]
    checks = [assumptions(path) for path in check or ()]
    recorded = []
    for path in results:
        with as_file(path) as file:
            recorded.append(guarded(file, read))
    write(page, render(recorded, profiles, machine, checks, title or ""))
