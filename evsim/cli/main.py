"""The commands."""

from __future__ import annotations

import importlib
import os
from functools import cache
from typing import Annotated

import typer

from evsim.base import interruption
from evsim.base.errors import EvsimError, mismatch
from evsim.base.kernel import UNKEPT
from evsim.base.screen import ReaderGone, complain, show_waiting, tell, trace
from evsim.base.version import __version__
from evsim.cli import translate as translate
from evsim.studies.job import Interrupted

COMMANDS = (
    *("run", "info", "ann", "convert", "compare", "quantize", "cost", "check", "chips", "report"),
    *("demo", "warm"),
)

COMPLETION = "_EVSIM_COMPLETE"

app = typer.Typer(
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    help="Event-driven simulation of spiking networks that counts every access and addition.",
)


def _tell_version(asked: bool) -> None:
    if asked:
        tell(f"evsim {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_tell_version, is_eager=True, help="Show the version and exit."
    ),
]


@app.callback()
def _options(version: Version = False) -> None:
    pass


class Command(typer.core.TyperCommand):
    """A command; an option given twice is a mistake: the last one would win in silence."""

    def parse_args(self, ctx, args):
        *_, given = self.make_parser(ctx).parse_args(list(args))
        for option in given:
            takes_one = option.param_type_name == "option" and not option.is_flag
            if takes_one and not option.multiple and given.count(option) > 1:
                raise mismatch("two values", "one: it is given twice", option.opts[-1])
        return super().parse_args(ctx, args)


def run_command(arguments: list[str]) -> int:
    """Run one command line; returns its exit status."""
    interruption.forget()
    show_waiting(not {"--quiet", "--json"} & set(arguments))
    status = _status_of(arguments)
    if UNKEPT and not {"--quiet", "--json"} & set(arguments):
        what = "compiled kernels cannot be kept, every command compiles them again"
        complain(f"{what} (NUMBA_CACHE_DIR names another folder): {UNKEPT[0]}", status)
    UNKEPT.clear()
    return status


def _status_of(arguments: list[str]) -> int:
    try:
        if COMPLETION in os.environ:  # a shell asks how a line goes on
            _command().main(arguments, "evsim", complete_var=COMPLETION, standalone_mode=False)
            return 0
        with _command().make_context("evsim", arguments or ["--help"]) as context:
            _command().invoke(context)
    except (KeyboardInterrupt, typer.Abort, Interrupted) as error:
        return complain(translate.in_options(str(error)) or "interrupted", interruption.status())
    except ReaderGone:
        raise
    except Exception as error:
        if not interruption.was_raised():
            return _ended(error, arguments)
    if interruption.was_raised():  # and lost by a library
        return complain("interrupted", interruption.status())
    return 0


def _ended(error: Exception, arguments: list[str]) -> int:
    """The exit status of a command that ends on an exception; says what is wrong."""
    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, EvsimError):
        command = _command().commands.get(arguments[0]) if arguments else None
        return complain(str(translate.of_command(error, command)), 2)
    if isinstance(error, MemoryError):
        return complain("out of memory: fewer --jobs or a smaller --memory may help", 2)
    if hasattr(error, "format_message"):  # a usage error, whichever typer raised it
        return complain(error.format_message(), 2)
    if isinstance(error, OSError) and error.strerror:  # the system refuses: no bug of ours
        file = f"{error.filename}: " if error.filename else ""
        return complain(f"{file}{error.strerror}", 2)
    if os.environ.get("EVSIM_DEBUG") == "1":
        trace(error)
    what = f"{type(error).__name__}: {str(error)[:200]}"
    return complain(f"internal error, please report it (EVSIM_DEBUG=1 shows where): {what}", 70)


@cache
def _command():
    for name in COMMANDS:
        module = importlib.import_module(f"evsim.cli.commands.{name}")
        examples = "\n\n".join(f"  {example}" for example in module.EXAMPLES)
        app.command(
            cls=Command,
            epilog=f"Examples:\n\n{examples}" if module.EXAMPLES[1:] else f"Example:\n\n{examples}",
            context_settings={"help_option_names": ["-h", "--help"]},
        )(getattr(module, name))
    return typer.main.get_command(app)
