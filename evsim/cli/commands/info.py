"""evsim info"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evsim.base.screen import tell_json, waiting
from evsim.cli import options as options
from evsim.cli import translate as translate

EXAMPLES = (
    "evsim info networks/digits-conv.h5",
    "evsim info data/digits_test.h5 --json",
    "evsim info loihi",
    "evsim info networks/lenet5.toml",
)


def info(
    file: Annotated[
        Path,
        typer.Argument(
            help="network, data, result, trainer's file, chip (name or TOML), definition (TOML)",
            show_default=False,
        ),
    ],
    wide: options.Wide = False,
    as_json: options.AsJson = False,
) -> None:
    """What a file holds: parts, shapes, what is unsupported; or what a chip can answer."""
    from evsim.chip.profile import shipped
    from evsim.formats.guard import guarded
    from evsim.reports.info import describe
    from evsim.reports.tables import show
    from evsim.store.assemble import as_file

    chips = shipped()
    if not file.exists() and str(file) in chips:
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
