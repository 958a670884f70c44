"""How Ctrl-C reaches who called a function from Python."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def called(function: Callable[P, R]) -> Callable[P, R]:
    """The function; where a run in it was interrupted, KeyboardInterrupt says what was finished."""

    @functools.wraps(function)
    def inner(*given: P.args, **named: P.kwargs) -> R:
        from evsim.studies.job import Interrupted

        try:
            return function(*given, **named)
        except Interrupted as error:
            raise KeyboardInterrupt(str(error)) from None

    return inner
