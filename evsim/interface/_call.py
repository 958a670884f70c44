"""How a mistake, or Ctrl-C, reaches who called a function from Python."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from evsim.base.errors import EvsimError

OPTION = re.compile(r"--([a-z]+(?:-[a-z]+)*)")
P = ParamSpec("P")
R = TypeVar("R")


def called(function: Callable[P, R]) -> Callable[P, R]:
    """The function; an EvsimError of it names the parameter, not the option of a command.

    An interrupted run raises KeyboardInterrupt, which says how much was finished.
    """

    @functools.wraps(function)
    def inner(*given: P.args, **named: P.kwargs) -> R:
        from evsim.studies.job import Interrupted

        try:
            return function(*given, **named)
        except EvsimError as error:
            raise in_python(error) from None
        except Interrupted as error:
            raise KeyboardInterrupt(str(error)) from None

    return inner


def in_python(error: EvsimError) -> EvsimError:
    """The error with parameters in place of options: `samples` for `--samples`."""
    return EvsimError(_named(error.problem), _named(error.place), error.file)


def _named(text: str) -> str:
    return OPTION.sub(lambda found: found[1].replace("-", "_"), text)
