"""Options and arguments that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evsim.base.errors import mismatch
from evsim.base.screen import Output

SIMULATED = "What is simulated"  # the groups of options in every --help
COUNTED = "What is counted, and priced"
RUNNING = "How it is run"
OUTPUT = "Output"


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


def option(kind, *names: str, panel: str, help: str, default=None, **more):
    """An option of a type: `default` says what happens without it, where that is no value."""
    more |= {} if default is None else {"show_default": default}
    return Annotated[kind, typer.Option(*names, help=help, rich_help_panel=panel, **more)]


def flag(*names: str, panel: str, help: str):
    """An option without a value."""
    return Annotated[bool, typer.Option(*names, help=help, rich_help_panel=panel)]


NetworkFile = Annotated[Path, typer.Argument(help="network file", show_default=False)]
NewNetwork = option(
    Path, "-o", "--out", panel=OUTPUT, metavar="FILE", help="the network file to write"
)
DataFile = Annotated[Path, typer.Argument(help="images or events", show_default=False)]

Samples = option(
    str | None,
    "--samples",
    panel=SIMULATED,
    metavar="A:B",
    help="only these samples, such as 0:100, 100: or :100",
    default="all",
)
Timesteps = option(
    int | None,
    "-T",
    "--timesteps",
    panel=SIMULATED,
    help="timesteps of a sample",
    default="the network's, or the event file's, or 64",
    **whole("--timesteps", 1),
)
Coding = option(
    str | None,
    panel=SIMULATED,
    metavar="NAME",
    help="how images become events: constant, poisson, latency or switch",
    default="the network's, or constant",
)
_seed = {"panel": SIMULATED, "help": "of random numbers", **whole("--seed", 0)}
Seed = option(int | None, default="0, or the network's", **_seed)
OwnSeed = option(int | None, default="0", **_seed)
Jobs = option(
    int | None,
    panel=RUNNING,
    help="threads that compute samples",
    default="the cores",
    **whole("--jobs", 1),
)
Dtype = option(
    str, panel=RUNNING, metavar="NAME", help="of potentials and weights: float32 or float64"
)
Memory = option(
    str, panel=RUNNING, metavar="BYTES", help="budget of a thread for events, such as 512M or 2G"
)
Accumulate = option(
    str,
    panel=COUNTED,
    metavar="HOW",
    help="where additions meet: direct (in potentials), buffer (in currents) or register",
)
Update = option(
    str, panel=COUNTED, metavar="WHEN", help="of neurons: clock (all) or active (those with input)"
)
InputMachine = option(
    str,
    "--input",
    panel=COUNTED,
    metavar="HOW",
    help="constant images: recompute their currents at every timestep, or keep them cached",
)
_as_the_chip = "as the chip does"
OwnAccumulate = option(
    str | None,
    "--accumulate",
    panel=COUNTED,
    metavar="HOW",
    help="where additions meet: direct, buffer or register",
    default=_as_the_chip,
)
OwnUpdate = option(
    str | None,
    "--update",
    panel=COUNTED,
    metavar="WHEN",
    help="of neurons: clock or active",
    default=_as_the_chip,
)
OwnInput = option(
    str | None,
    "--input",
    panel=COUNTED,
    metavar="HOW",
    help="constant images: recompute or cached",
    default=_as_the_chip,
)
_profile = {"metavar": "NAME|FILE", "autocompletion": lambda: chips(), "panel": COUNTED}
Chip = option(str, help="its profile: a name of evsim chips, or a TOML file", **_profile)
Chips = option(list[str], "--chip", help="price under this profile; again for another", **_profile)
Prices = option(str, help="the profile whose prices are taken", **_profile)
Keep = option(
    Path | None,
    panel=RUNNING,
    metavar="FOLDER",
    help="where finished samples stay; the same command goes on with them",
    default="nothing is kept",
)
Cluster = option(
    str | None,
    panel=RUNNING,
    metavar="WHERE",
    help="run on Dask workers: local, local:N, tcp://HOST:PORT or a scheduler's file",
    default="in this process",
)
ClusterWrites = flag(
    "--cluster-writes", panel=RUNNING, help="workers write samples to a folder that they share"
)
Resume = flag("--resume", panel=RUNNING, help="go on with what is finished in OUT.part")
Overwrite = flag("--overwrite", panel=OUTPUT, help="replace the file that is there")
Wide = flag("--wide", panel=OUTPUT, help="tables whole, also where they are wider than the screen")
AsJson = flag("--json", panel=OUTPUT, help="print one JSON object and nothing else")
Quiet = flag("--quiet", panel=OUTPUT, help="print nothing but errors")


def output(wide: bool) -> Output:
    """Where a command prints its tables."""
    return Output(wide, "--wide shows all")


def chips() -> list[str]:
    """The names of chips, for a shell that completes one."""
    from evsim.chip.profile import shipped

    return list(shipped())


def check_writes(writes: bool, keep: Path | None) -> None:
    """Raise an error where workers are to write samples and there is no folder for them."""
    if writes and keep is None:
        raise mismatch("no --keep", "the folder that workers write to", "--cluster-writes")


def profile(name: str, parameter: str = "prices"):
    """The profile of a chip: one that comes with evsim, or a file, which may be anybody's."""
    from evsim.chip.profile import Profile, find
    from evsim.formats.guard import guarded

    return guarded(find(name, parameter), Profile.read, text=True)
