"""A user's mistake in one line: file, place, found, expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np


class Parameter(str):
    """The name of a parameter of the Python interface, where it is the place of an error.

    The command line shows it as the option that it is there.
    """


class EvsimError(Exception):
    """A user's mistake in a file or a call, told in one line.

    `problem` says what was found and expected; a parameter is named in it between backquotes, with
    a value as in `scheme=ttfs`. `place`: where in the file, or a `Parameter`; "" where it is not
    known. `file`: a path, or "".
    """

    def __init__(self, problem: str, place: str = "", file: str = ""):
        self.problem, self.place, self.file = problem, place, str(file or "")
        super().__init__(problem)

    def within(self, place: str = "", file: str = "") -> EvsimError:
        """This error at a place inside `place`, and with `file` where it does not name one yet."""
        joined = f"{place}/{self.place}" if place and self.place else place or self.place
        return EvsimError(self.problem, joined, self.file or file)

    def __str__(self) -> str:
        text = ": ".join(part for part in (self.file, self.place, self.problem) if part)
        return " ".join(text.split())


LONGEST = 1000  # characters of a name that may be meant for another


def mismatch(found: Any, expected: Any, place: str = "") -> EvsimError:
    """The error "found ..., expected ..." of a value that is not what it should be.

    `place`: where in the file, or a `Parameter`; "" where it is not known.
    """
    return EvsimError(f"found {found}, expected {expected}", place)


def nearest(name: Any, known: Iterable[str]) -> str:
    """' (did you mean ...?)' with the known name most like `name`, or nothing."""
    if not isinstance(name, str) or len(name) > LONGEST:
        return ""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def shown(value: Any) -> str:
    """A value as an error message shows it: short, on one line."""
    if isinstance(value, np.ndarray):
        if value.size > 6:
            return f"{value.dtype} of shape {value.shape}"
        value = value.tolist()
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # too many digits, too many lists in each other
        text = f"{type(value).__name__} too large to show"
    return text if len(text) <= 60 else text[:57] + "..."
