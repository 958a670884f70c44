"""evsim cost"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from evsim.base.screen import tell_json
from evsim.cli import files
from evsim.cli import options as options
from evsim.counting.machine import chosen

EXAMPLES = ("evsim cost r.h5 --chip loihi --chip truenorth",)


def cost(
    result: Annotated[Path, typer.Argument(help="result file of evsim run", show_default=False)],
    chip: options.Chips,
    accumulate: options.OwnAccumulate = None,
    update: options.OwnUpdate = None,
    input_machine: options.OwnInput = None,
    wide: options.Wide = False,
    as_json: options.AsJson = False,
) -> None:
    """What a stored run costs on chips, side by side, without simulating again."""
    from evsim.formats import result as results
    from evsim.formats._hdf5 import reading
    from evsim.reports.cost import show
    from evsim.store.assemble import as_file
    from evsim.studies.cost import described

    machine = chosen(accumulate, update, input_machine)
    profiles = [options.profile(name, "chip") for name in dict.fromkeys(chip)]
    with as_file(result) as path:
        stored = files.opened(path, partial(results.load, histograms=False), "RESULT")
    with reading(result):  # facts that do not fit each other are a damaged file
        found = described(stored, str(result), profiles, machine)
    if as_json:
        tell_json(found)
    else:
        show(options.output(wide), found)
