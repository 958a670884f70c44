"""Options and arguments that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evsim.base.errors import mismatch


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


def is_asked(value) -> bool:
    """Whether the value of an option was given: 0 was, though it equals False."""
    return value is not None and value is not False


Samples = Annotated[str | None, typer.Option("--samples", metavar="A:B", help="half-open range")]
Timesteps = Annotated[int | None, typer.Option("-T", "--timesteps", **whole("--timesteps", 1))]
Coding = Annotated[str | None, typer.Option(help="constant, poisson, latency or events")]
_seed = whole("--seed", 0)
Seed = Annotated[int | None, typer.Option(help="of random numbers [0, or the network's]", **_seed)]
OwnSeed = Annotated[int | None, typer.Option(help="of random numbers [0]", **_seed)]
Jobs = Annotated[int | None, typer.Option(help=r"threads \[cores]", **whole("--jobs", 1))]
Dtype = Annotated[str, typer.Option(help="float32 or float64")]
Memory = Annotated[str, typer.Option(help="budget for events per thread")]
Accumulate = Annotated[str, typer.Option(help="direct, buffer or register")]
Update = Annotated[str, typer.Option(help="clock or active")]
InputMachine = Annotated[str, typer.Option("--input", help="recompute or cached")]
OwnAccumulate = Annotated[str | None, typer.Option("--accumulate", help=r"\[as the chip does]")]
OwnUpdate = Annotated[str | None, typer.Option("--update", help=r"\[as the chip does]")]
OwnInput = Annotated[str | None, typer.Option("--input", help=r"\[as the chip does]")]
Keep = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="finished samples stay there; the same command goes on"),
]
Cluster = Annotated[
    str | None,
    typer.Option(metavar="WHERE", help="local, local:N, tcp://HOST:PORT or a scheduler's file"),
]
ClusterWrites = Annotated[
    bool, typer.Option("--cluster-writes", help="workers write samples to a folder they share")
]
Overwrite = Annotated[bool, typer.Option("--overwrite")]
AsJson = Annotated[bool, typer.Option("--json")]
Quiet = Annotated[bool, typer.Option("--quiet", help="print nothing but errors")]
DataFile = Annotated[Path, typer.Argument(help="images or events", show_default=False)]


def check_writes(writes: bool, keep: Path | None) -> None:
    """Raise an error where workers are to write samples and there is no folder for them."""
    if writes and keep is None:
        raise mismatch("no --keep", "the folder that workers write to", "--cluster-writes")


def profile(name: str, parameter: str = "prices"):
    """The profile of a chip: one that comes with evsim, or a file, which may be anybody's."""
    from evsim.chip.profile import Profile, find
    from evsim.formats.guard import guarded

    return guarded(find(name, parameter), Profile.read, text=True)


def checked_machine(accumulate: str, update: str, input: str) -> dict[str, str]:
    """The machine of the options --accumulate, --update and --input."""
    return _checked({"accumulate": accumulate, "update": update, "input": input})


def chosen_machine(accumulate: str | None, update: str | None, input: str | None) -> dict[str, str]:
    """Those of these options that are given; they take the place of the chip's own."""
    given = {"accumulate": accumulate, "update": update, "input": input}
    return _checked({name: value for name, value in given.items() if value is not None})


def _checked(machine: dict[str, str]) -> dict[str, str]:
    from evsim.base.errors import EvsimError
    from evsim.counting.machine import Machine

    try:
        Machine(**machine)
    except EvsimError as error:
        raise EvsimError(error.problem, f"--{error.place}") from None
    return machine
