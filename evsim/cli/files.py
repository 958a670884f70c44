"""Opening the files that a command names, and saying which is which where they are swapped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from evsim.base.errors import EvsimError, mismatch
from evsim.base.screen import waiting

WORDS = {  # what a file can be
    "network": "a network",
    "data": "a data file",
    "result": "a result",
    "model": "a trainer's file",
    "chip": "a chip's profile",
    "definition": "a definition of layers",
}
ROLES = {  # an argument: what it should be, what a file of that kind is called here
    "NETWORK": ("network", "a network"),
    "DATA": ("data", "images or events"),
    "MODEL": ("model", "a trainer's file"),
    "RESULT": ("result", "a result"),
}
ADVICE = {  # (argument, what was given): what to do
    ("NETWORK", "data"): "NETWORK comes first, then DATA",
    ("NETWORK", "model"): "evsim convert makes one of it",
    ("NETWORK", "result"): "it comes from evsim run, and evsim info says of which network",
    ("NETWORK", "chip"): "a chip comes with --chip",
    ("NETWORK", "definition"): "--topology of evsim convert takes it, with trained weights",
    ("DATA", "network"): "NETWORK comes first, then DATA",
    ("DATA", "model"): "what was trained comes first, then DATA",
    ("DATA", "chip"): "a chip comes with --chip",
    ("MODEL", "data"): "MODEL comes first, then DATA",
    ("MODEL", "network"): "it is converted already: evsim run takes it",
    ("MODEL", "definition"): "it has no weights; --topology takes it beside them",
    ("RESULT", "network"): "evsim run NETWORK DATA --out RESULT makes one",
    ("RESULT", "data"): "evsim run NETWORK DATA --out RESULT makes one",
}


def opened(path: Path, read: Callable, role: str):
    """read(path), guarded; where the file is another than the argument `role` wants, says which."""
    from evsim.formats.guard import guarded

    try:
        with waiting(f"reading {path}"):
            return guarded(path, read)
    except EvsimError as error:
        raise swapped(path, role) or error from None


def swapped(path: Path, role: str) -> EvsimError | None:
    """The error of a file that is something else than the argument `role`; None if it is not."""
    from evsim.formats.guard import guarded
    from evsim.formats.recognize import recognized

    wanted, expected = ROLES[role]
    try:
        found = guarded(path, recognized)
    except EvsimError:  # a damaged file: what was said of it stays
        return None
    if found in ("", wanted):
        return None
    advice = ADVICE.get((role, found))
    expected += f" ({advice})" if advice else ""
    return mismatch(WORDS[found], expected).within(file=str(path))
