"""evsim report"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evsim.chip.prices import DEFAULT
from evsim.cli import options as options
from evsim.counting.machine import chosen

EXAMPLES = (
    "evsim report r.h5 other.h5 -o page.html",
    "evsim report r.h5 -o page.html --check loihi.json --prices loihi",
)
Page = options.option(
    Path, "-o", "--out", panel=options.OUTPUT, metavar="FILE", help="the HTML page to write"
)
Checks = options.option(
    list[Path] | None,
    panel=options.OUTPUT,
    metavar="FILE",
    help="also show what evsim check --json printed into this file; again for another",
    default="none",
)
Prices = options.option(
    list[str] | None,
    panel=options.COUNTED,
    metavar="NAME|FILE",
    autocompletion=options.chips,
    help="the profile whose prices are taken; again for another",
    default=DEFAULT,
)
Title = options.option(
    str | None,
    panel=options.OUTPUT,
    metavar="TEXT",
    help="the heading of the page",
    default="the network's name",
)


def report(
    results: Annotated[list[Path], typer.Argument(help="result files", show_default=False)],
    page: Page,
    check: Checks = None,
    prices: Prices = None,
    title: Title = None,
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

    machine = chosen(accumulate, update, input_machine)
    check_target(page, [*results, *(check or ())], overwrite)
    profiles = [options.profile(name) for name in dict.fromkeys(prices or [DEFAULT])]
    checks = [assumptions(path) for path in check or ()]
    recorded = []
    for path in results:
        with as_file(path) as file:
            recorded.append(guarded(file, read))
    write(page, render(recorded, profiles, machine, checks, title or ""))
