"""The names of parameters in messages, as the options of the command line.

The library names parameters: `Parameter("threshold_scale")` as the place of an error, and
`overwrite` or `scheme=ttfs` between backquotes in the text of an error or a note. Whoever typed a
command reads --threshold-scale, --overwrite and --scheme ttfs.
"""

from __future__ import annotations

import re

from evsim.base.errors import EvsimError, Parameter

NAMED = re.compile(r"`([a-z][a-z_]*)(?:=([\w.]+))?`")


def option(parameter: str) -> str:
    """The option that a parameter is on the command line."""
    return parameter if parameter.startswith("-") else f"--{parameter.replace('_', '-')}"


def in_options(text: str) -> str:
    """A message whose parameters are told as options."""
    return NAMED.sub(
        lambda named: " ".join([option(named[1]), *filter(None, [named[2]])]),
        text,
    )


def everywhere(told):
    """Lists and dictionaries whose texts tell parameters as options."""
    if isinstance(told, dict):
        return {name: everywhere(value) for name, value in told.items()}
    if isinstance(told, list | tuple):
        return [everywhere(value) for value in told]
    return in_options(told) if isinstance(told, str) else told


def of_command(error: EvsimError, command) -> EvsimError:
    """An error as a user of `command` reads it; None: the command is not known.

    A place in no file that has the name of one of its options is that option, too.
    """
    options = _options(command) if command else {}
    place = error.place
    if isinstance(place, Parameter):
        place = options.get(place, option(place))
    elif not error.file:
        place = options.get(place, place)
    return EvsimError(in_options(error.problem), place, error.file)


def _options(command) -> dict[str, str]:
    """The options of a command by the names of its parameters, and by their own."""
    options = {}
    for parameter in command.params:
        longest = max(parameter.opts, key=len)
        if longest.startswith("--"):
            options[parameter.name] = longest
            options[longest.removeprefix("--").replace("-", "_")] = longest
    return options
