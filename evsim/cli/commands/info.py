"""evsim info"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evsim.base.screen import tell, tell_json, waiting
from evsim.cli import options as options
from evsim.cli import translate as translate

EXAMPLES = (
    "evsim info networks/digits-conv.h5",
    "evsim info data/digits_test.h5 --json",
    "evsim info loihi",
    "evsim info networks/lenet5.toml",
    "evsim info networks/trained-digits.h5 --draft layers.toml",
)


Draft = options.option(
    Path | None,
    "--draft",
    panel=options.OUTPUT,
    metavar="TOML",
    help="write a first definition of layers to a new file, for weights that come without",
    default="none",
)


def info(
    file: Annotated[
        Path,
        typer.Argument(
            help="network, data, result, trainer's file, chip (name or TOML), definition (TOML)",
            show_default=False,
        ),
    ],
    draft: Draft = None,
    wide: options.Wide = False,
    as_json: options.AsJson = False,
) -> None:
    """What a file holds: parts, shapes, what is unsupported; or what a chip can answer."""
    from evsim.chip.profile import shipped
    from evsim.formats.guard import guarded
    from evsim.reports.info import describe
    from evsim.reports.tables import show
    from evsim.store.assemble import as_file

    if draft is not None:
        _draft(file, draft, as_json)
        return
    chips = shipped()
    if str(file) in chips and not file.exists():
        found = describe(chips[str(file)])
    else:
        text = file.suffix == ".toml"
        with as_file(file) as path, waiting(f"reading {file}"):
            found = guarded(path, describe, text=text) | {"file": str(file)}
    for name in ("notes", "unsupported"):
        if name in found:
            found[name] = translate.everywhere(found[name])
    if as_json:
        tell_json(found)
    else:
        show(options.output(wide), found)


def _draft(file: Path, toml: Path, as_json: bool) -> None:
    """Write the drafted definition, and say what of it is guessed."""
    from evsim.formats.guard import guarded
    from evsim.reports.info import write_draft

    with waiting(f"reading {file}"):
        found = translate.everywhere(write_draft(file, toml, guarded))
    if as_json:
        tell_json(found)
        return
    first, *rest = found["notes"]
    for line in (f"{toml}: {first}", *rest):
        tell(line)
