"""What every preparation of the images gives an artificial network, as a table."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from evsim.base.screen import Output, Table
from evsim.reports.tables import number, percent


def show(out: Output, found: dict, command: Sequence[str]) -> None:
    """Print what `evsim.studies.probe` found; `command`: the words that options are added to."""
    trials, best = found["trials"], found["best"]
    most = max(trial["samples"] for trial in trials)
    rows = [
        [
            trial["name"],
            percent(trial["accuracy"]),
            f"{100 * trial['error']:.2f}",
            shlex.join(words(trial["options"])) or "none",
        ]
        for trial in trials
        if trial["samples"] == most
    ]
    columns = ["images are taken as", "accuracy", "+-", "options"]
    title = f"Accuracy by what is done with the images, on {number(most)} of them"
    out.print(Table(title, columns, rows, left=("options",)))
    others = [trial for trial in trials if trial["samples"] < most]
    if others:
        top = max(others, key=lambda trial: trial["accuracy"])
        few = f"on {number(top['samples'])} images: at most {percent(top['accuracy'])}"
        out.print(f"{len(others)} more, {few} ({top['name']})")
    if best is None:
        out.print(f"nothing tried is better by more than chance{_else(found['guesses'])}")
        return
    out.print(f"better than as given by more than chance: {best['name']}")
    if found["alike"]:
        out.print(f"not worse by more than chance: {'; '.join(found['alike'])}")
    if best["remedy"]:
        out.print(best["remedy"])
    out.print(shlex.join([*command, *words(best["options"])]))


def _else(guesses: bool) -> str:
    """What else may be wrong, where all that was tried guesses."""
    if not guesses:
        return ""
    return (
        ", and all of it is guessing: are these the layers of the training, and are classes "
        "numbered as in it?"
    )


def words(options: dict) -> list[str]:
    """Options of a trainer's file as the words of a command line."""
    found = []
    for name, value in options.items():
        found.append(f"--{name.replace('_', '-')}")
        if value is not True:
            values = value if isinstance(value, list | tuple) else [value]
            found.append(",".join(one if isinstance(one, str) else f"{one:.10g}" for one in values))
    return found
