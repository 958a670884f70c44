"""evsim.report: stored runs side by side, as one page."""

from __future__ import annotations

import contextlib
import html
import os
from pathlib import Path as FilePath
from typing import Any

from evsim.base.errors import EvsimError, mismatch
from evsim.base.overview import Overview, Shown
from evsim.chip.prices import DEFAULT
from evsim.chip.profile import Profile
from evsim.counting.machine import chosen
from evsim.interface._call import called
from evsim.interface._given import Path, is_path, profile_of, several
from evsim.interface._stored import as_result_file
from evsim.interface.check import Findings
from evsim.interface.results import Result
from evsim.interface.runs import Run


class Page(Shown):
    """A page of HTML that holds everything it shows; a notebook shows it. `html`: its text."""

    def __init__(self, text: str, names: list[str]):
        self.html, self.names = text, names

    @called
    def save(self, path: Path, overwrite: bool = False) -> None:
        """Write the page, whole or not at all. Raises EvsimError."""
        from evsim.reports.page import check_target, write

        target = FilePath(os.fspath(path))
        check_target(target, [], overwrite)
        write(target, self.html)

    def overview(self) -> Overview:
        """Which results it shows, and its size."""
        title = f"report of {', '.join(self.names)}: {len(self.html):,} characters of HTML"
        return Overview(title, notes=["save(path) writes it"])

    def _repr_html_(self) -> str:
        style = "width:100%; height:40em; border:0"
        return f'<iframe srcdoc="{html.escape(self.html)}" style="{style}"></iframe>'


@called
def report(
    results: Run | Result | Path | list[Any] | tuple[Any, ...],
    out: Path | None = None,
    *,
    checks: Findings | Path | list[Any] | tuple[Any, ...] = (),
    prices: Profile | Path | list[Profile | Path] | tuple[Profile | Path, ...] = DEFAULT,
    title: str | None = None,
    accumulate: str | None = None,
    update: str | None = None,
    input: str | None = None,
    overwrite: bool = False,
) -> Page:
    """Runs side by side, as one page that needs no network; what `evsim report` does.

    `results`: one or several, each a Run, a Result, or the path of a result file. `out`: write the
    page to a file, too. `checks`: what `evsim.check` found, or files with what the command `check`
    prints as JSON, to show beside them. `prices`: one profile or several, whose prices make
    energies; `accumulate`, `update`, `input`: choices of the machine in place of theirs. `title`:
    of the page; None: the network's name. Raises EvsimError.
    """
    from evsim.reports.page import check_target, render, write
    from evsim.reports.recorded import read

    machine = chosen(accumulate, update, input)
    named = [prices] if isinstance(prices, Profile) else several(prices)
    profiles = [profile_of(name, "prices") for name in dict.fromkeys(named)]
    given = [results] if isinstance(results, Run | Result) else several(results)
    if not given:
        raise mismatch("none", "one result or several", "results")
    found = [checks] if isinstance(checks, Findings) else several(checks)
    if out is not None:
        sources = [FilePath(os.fspath(one)) for one in (*given, *found) if is_path(one)]
        check_target(FilePath(os.fspath(out)), sources, overwrite)
    shown = [_assumptions(one) for one in found]
    recorded, names = [], []
    with contextlib.ExitStack() as stack:
        for one in given:
            name, path = stack.enter_context(as_result_file(one, "results"))
            try:
                recorded.append(read(path))
            except EvsimError as error:
                raise EvsimError(error.problem, error.place, name) from None
            names.append(name)
        page = Page(render(recorded, profiles, machine, shown, title or ""), names)
    if out is not None:
        write(FilePath(os.fspath(out)), page.html)
    return page


def _assumptions(given: Any) -> dict[str, Any]:
    """What a check found, as the page takes it."""
    import json
    import tempfile

    from evsim.reports.broken import assumptions

    if is_path(given):
        return assumptions(FilePath(os.fspath(given)))
    with tempfile.TemporaryDirectory() as folder:
        path = FilePath(folder) / "check.json"
        network = given["network"] | {"path": given["network"]["path"] or "in memory"}
        path.write_text(json.dumps(given | {"network": network}))
        return assumptions(path)
