"""The commands."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from functools import cache

import typer

from evsim.job import Interrupted
from evsim.parts import EvsimError

COMMANDS = (
    *("run", "info", "ann", "convert", "compare", "quantize", "cost", "check", "report"),
    *("demo", "warm"),
)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    help="Event-driven simulation of spiking networks that counts every access and addition.",
)


def run_command(arguments: list[str]) -> int:
    """Run one command line; returns its exit status."""
    try:
        with _command().make_context("evsim", arguments or ["--help"]) as context:
            _command().invoke(context)
    except EvsimError as error:
        return complain(str(error), 2)
    except typer.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort, Interrupted) as error:
        return complain(str(error) or "interrupted", 130)
    except BrokenPipeError:
        raise
    except MemoryError:
        return complain("out of memory: fewer --jobs or a smaller --memory may help", 2)
    except Exception as error:
        if hasattr(error, "format_message"):  # a usage error, whichever typer raised it
            return complain(error.format_message(), 2)
        if isinstance(error, OSError) and error.strerror:  # the system refuses: no bug of ours
            return complain(f"{error.filename or 'standard output'}: {error.strerror}", 2)
        if os.environ.get("EVSIM_DEBUG") == "1":
            traceback.print_exc()
        what = f"{type(error).__name__}: {str(error)[:200]}"
        return complain(f"internal error, please report it (EVSIM_DEBUG=1 shows where): {what}", 70)
    return 0


@cache
def _command():
    for name in COMMANDS:
        app.command()(getattr(importlib.import_module(f"evsim.commands.{name}"), name))
    return typer.main.get_command(app)


def complain(line: str, status: int) -> int:
    """Say what is wrong on standard error, in one line; returns the exit status."""
    line = "".join(c if c.isprintable() else "?" for c in " ".join(line.split()))
    print(f"evsim: {line}", file=sys.stderr)
    return status
