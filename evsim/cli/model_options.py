"""What the commands that read a trainer's file share: its options, and the model itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evsim.base.errors import EvsimError, mismatch
from evsim.base.screen import say
from evsim.cli import files
from evsim.cli import options as options
from evsim.cli import translate as translate


def number(option: str, fraction: bool = False, closed: bool = False):
    """What reads a number above 0, or a fraction from 0 to below 1, or to 1 where `closed`."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if fraction and not (0 <= value < 1 or (closed and value == 1)):
            expected = f"a fraction from 0 to {'1' if closed else 'below 1'}"
            raise mismatch(repr(text), expected, option)
        if not fraction and not 0 < value < float("inf"):
            raise mismatch(repr(text), "a number above 0", option)
        return value

    return {"parser": read, "metavar": "X"}


def points(option: str):
    """What reads points of accuracy, 0 to 100."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 100:
            raise mismatch(repr(text), "points of accuracy, 0 to 100", option)
        return value

    return {"parser": read, "metavar": "X"}


def _list(option: str, above: float = -float("inf")):
    def read(text: str) -> tuple[float, ...]:
        try:
            values = tuple(float(word) for word in text.split(","))
        except ValueError:
            raise mismatch(repr(text), "numbers with commas between them", option) from None
        if not all(above < value < float("inf") for value in values):
            kind = "numbers" if above < 0 else f"numbers above {above}"
            raise mismatch(repr(text), f"{kind} with commas between them", option)
        return values

    return {"parser": read, "metavar": "A,B,C"}


PANEL = "What the trainer's file does not say"
ModelFile = Annotated[Path, typer.Argument(help="trainer's file", show_default=False)]
Topology = options.option(
    str | None,
    panel=PANEL,
    metavar="NAME|FILE",
    autocompletion=lambda: _topologies(),
    help="the layers, where the file holds weights alone: a name in networks/, a TOML file, or "
    "JSON of Keras",
    default="the file's",
)
Scale = options.option(
    float | None,
    panel=PANEL,
    help="the model takes pixels / X",
    default="255, or the file's",
    **number("--scale"),
)
Mean = options.option(
    tuple | None, panel=PANEL, help="then - A,B,C, by channel", default="0", **_list("--mean")
)
Std = options.option(
    tuple | None, panel=PANEL, help="then / A,B,C, by channel", default="1", **_list("--std", 0)
)
Bgr = options.flag("--bgr", panel=PANEL, help="the model takes blue first")
FlipKernels = options.flag(
    "--flip-kernels", panel=PANEL, help="Theano wrote it, whose kernels are turned around"
)
Dt = options.option(
    float | None,
    panel=PANEL,
    help="seconds of a timestep (NIR)",
    default="guessed from the file",
    **number("--dt"),
)
Reset = options.option(
    str | None,
    panel=PANEL,
    metavar="subtract|zero",
    help="of a potential after firing",
    default="the file's, or subtract",
)
Compare = options.option(
    str | None,
    panel=PANEL,
    metavar="ge|gt",
    help="fire where v >= or > threshold (lava-dl, whose versions differ)",
    default="by the age of the file",
)
BiasStart = options.option(
    int | None,
    panel=PANEL,
    help="the first timestep with a bias (lava-dl)",
    default="the file's",
    **options.whole("--bias-start", 0),
)
SkipEncoder = options.flag(
    "--skip-encoder", panel=PANEL, help="the data are the spikes of its input layer (lava-dl)"
)
Like = options.option(
    str | None,
    panel=PANEL,
    metavar="TOOL",
    help="neurons fire as those of snntorch, sinabs, norse, spikingjelly, rockpool (NIR), lava",
    default="as the format says",
)
Force = options.flag("--force", panel=PANEL, help="options may contradict the file")


def _topologies() -> list[str]:
    """The names of shipped definitions, for a shell that completes one."""
    from evsim.base.shipped import shipped

    return sorted(path.stem for path in shipped("networks").glob("*.toml"))


def read(path: Path, given: dict):
    """What the reader of a trainer's file made of it; an error where that cannot be had.

    `given`: the parameters of a command by name, its options of such a file among them.
    """
    from evsim.formats import trainers
    from evsim.formats.guard import guarded
    from evsim.formats.trainers._topology import checked, find

    choices = trainers.Options(**trainers.Options.among(given))
    if choices.topology is not None:
        guarded(find(choices.topology), checked, text=True)
    reading = files.opened(path, lambda path: trainers.read(path, choices), "MODEL")
    try:
        reading.result()
    except EvsimError as error:
        raise error.within(file=str(path)) from None
    return reading


def artificial(path: Path, given: dict):
    """What the reader made of a file with an artificial network; EvsimError for a spiking one."""
    reading = read(path, given)
    if hasattr(reading.content, "populations"):
        expected = "an artificial one (convert this one, then run it)"
        raise mismatch(f"a spiking network, {reading.format}", expected).within(file=str(path))
    return reading


def tell(reading, silent: bool) -> None:
    """Say on standard error what the reader decided, when all went well."""
    for note in () if silent else reading.notes:
        say(translate.in_options(note))
