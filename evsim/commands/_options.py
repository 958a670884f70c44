"""Options and arguments that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evsim.parts import mismatch


def whole(place: str, least: int):
    """What reads a whole number of at least `least` from a command line."""

    def read(text: str) -> int:
        if not text.removeprefix("-").isdecimal() or int(text) < least:
            raise mismatch(repr(text), f"a whole number of at least {least}", place)
        return int(text)

    return {"parser": read, "metavar": "N"}


def names(metavar: str):
    """What reads names with commas between them."""
    return {"parser": lambda text: tuple(text.split(",")), "metavar": f"{metavar}[,{metavar}...]"}


Samples = Annotated[str | None, typer.Option("--samples", metavar="A:B", help="half-open range")]
Timesteps = Annotated[int | None, typer.Option("-T", "--timesteps", **whole("--timesteps", 1))]
Coding = Annotated[str | None, typer.Option(help="constant, poisson, latency or events")]
Seed = Annotated[int | None, typer.Option(help="of the random numbers [0]", **whole("--seed", 0))]
Jobs = Annotated[int | None, typer.Option(help="threads [cores]", **whole("--jobs", 1))]
Dtype = Annotated[str, typer.Option(help="float32 or float64")]
Memory = Annotated[str, typer.Option(help="budget for events per thread")]
Accumulate = Annotated[str, typer.Option(help="direct, buffer or register")]
Update = Annotated[str, typer.Option(help="clock or active")]
InputMachine = Annotated[str, typer.Option("--input", help="recompute or cached")]
Overwrite = Annotated[bool, typer.Option("--overwrite")]
AsJson = Annotated[bool, typer.Option("--json")]
Quiet = Annotated[bool, typer.Option("--quiet", help="print nothing but errors")]
DataFile = Annotated[Path, typer.Argument(help="images or events", show_default=False)]


def checked_machine(accumulate: str, update: str, input: str) -> dict[str, str]:
    """The machine of the options --accumulate, --update and --input."""
    from evsim.counts import Machine
    from evsim.parts import EvsimError

    machine = {"accumulate": accumulate, "update": update, "input": input}
    try:
        Machine(**machine)
    except EvsimError as error:
        raise EvsimError(error.problem, f"--{error.place}") from None
    return machine
