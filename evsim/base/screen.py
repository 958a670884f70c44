"""Everything that is printed goes through here: results, tables, messages, progress, errors.

Texts come from files that anyone may have made. What is not printable (escape sequences, newlines,
characters that turn the direction of writing or have no width) is replaced, so that no text can
imitate our own lines or command a terminal; nothing in a text is markup.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

ROWS = 500  # of a table that are printed
LINE, CELL, MESSAGE = 20_000, 500, 2_000  # characters that are printed of each
PLAIN = {"highlight": False, "markup": False, "emoji": False}
INVISIBLE = {  # that count as printable: fillers, joiners, variation selectors
    *map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0)),
    *map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))),
}


def printable(text: str, most: int | None = None) -> str:
    """`text` on one line: blanks for its white space, '?' for whatever cannot be seen.

    Of more than `most` characters only these, and how many were left out.
    """
    more = 0 if most is None else len(text) - most
    if more > 0:
        return f"{printable(text[:most])}... and {more:,} more characters"
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if c.isspace() else c if _is_seen(c) else "?" for c in text)


def _is_seen(character: str) -> bool:
    return character.isprintable() and character not in INVISIBLE


# Standard output


def tell(line: str) -> None:
    """Print a line of a result."""
    print(printable(line, LINE))


def tell_json(content) -> None:
    """Print `content` as one line of JSON on standard output; what is not finite is null."""
    try:
        text = json.dumps(content, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(content), allow_nan=False)
    print(text)


def _finite(content):
    if isinstance(content, dict):
        return {name: _finite(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


@dataclass(frozen=True)
class Table:
    """A table: its first column and those named in `left` are text, the others numbers."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: tuple[str, ...] = ()


class Output:
    """Standard output for lines and tables; wide enough for tables where it is no terminal."""

    def __init__(self):
        from rich.console import Console

        self._console = Console(**PLAIN)
        if not self._console.is_terminal:
            self._console = Console(**PLAIN, width=130, color_system=None)

    def print(self, what: str | Table, soft_wrap: bool = False) -> None:
        """Print a line, broken where the screen ends unless `soft_wrap`, or a table."""
        if isinstance(what, str):
            self._console.print(printable(what, LINE), soft_wrap=soft_wrap)
            return
        self._console.print(self._drawn(what))
        if len(what.rows) > ROWS:
            self._console.print(f"... and {len(what.rows) - ROWS:,} more")

    def _drawn(self, table: Table):
        from rich.box import SIMPLE_HEAD
        from rich.table import Table as Drawn

        style = {"title_justify": "left", "title_style": "bold", "header_style": "bold"}
        if self._console.width < 100:  # every column counts
            style |= {"box": SIMPLE_HEAD, "pad_edge": False, "collapse_padding": True}
        drawn = Drawn(title=_cell(table.title), **style)
        for i, column in enumerate(table.columns):
            side = "right" if i and column not in table.left else "left"
            drawn.add_column(_cell(column), justify=side, overflow="fold")
        for row in table.rows[:ROWS]:
            drawn.add_row(*map(_cell, row))
        return drawn


def _cell(text: str) -> str:
    return printable(text, CELL)


# Standard error

_begun = False  # a line without its end


def say(text: str, whole: bool = True) -> None:
    """Print a message on standard error, in one line; not `whole`: `add` prints its end."""
    global _begun
    begun = "\n" if _begun else ""
    _print_error(f"{begun}evsim: {printable(text, MESSAGE)}", whole)


def add(text: str) -> None:
    """Print the end of a line that was begun."""
    if _begun:
        _print_error(printable(text), True)


def _print_error(text: str, whole: bool) -> None:
    """Nobody can be told that standard error takes no more: the exit status stays what it is."""
    global _begun
    _begun = not whole
    with contextlib.suppress(OSError):
        print(text, end="\n" if whole else "", file=sys.stderr, flush=True)


def complain(line: str, status: int) -> int:
    """Say what is wrong on standard error, in one line; returns the exit status."""
    say(" ".join(line.split()))
    return status


def trace(error: BaseException) -> None:
    """Print on standard error where in the source an error was raised."""
    import traceback

    for line in "".join(traceback.format_exception(error)).splitlines():
        _print_error(printable(line, MESSAGE), True)


@dataclass(frozen=True)
class _Printable:
    """The text of something, whenever it is asked for."""

    what: object

    def __str__(self) -> str:
        return printable(str(self.what))


@contextlib.contextmanager
def bar(what, quiet: bool, start: int = 0):
    """A function to call with how much is done, and of how much; a bar shows it on a terminal.

    `what` is done: a text, or something whose text is asked for again and again.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.fields[what]}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    begin = time.perf_counter()
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", completed=start, rate="", what=_Printable(what))

        def show(done: int, total: int) -> None:
            rate = (done - start) / (time.perf_counter() - begin)
            shown.update(task, completed=done, total=total, rate=f"{rate:,.1f} per second")

        yield show


# The streams themselves


class ReaderGone(Exception):
    """Nobody reads standard output any more, as in `evsim info FILE | head`."""


class _StandardOutput(io.FileIO):
    """Standard output, whose errors are told from those of files."""

    def write(self, content):
        """Write bytes; returns how many. Raises ReaderGone where nobody reads them any more."""
        try:
            return super().write(content)
        except BrokenPipeError:
            raise ReaderGone from None
        except OSError as error:
            raise OSError(error.errno, error.strerror, "standard output") from None


def open_streams() -> None:
    """Make the standard streams of a command: also where they are closed, or take no more.

    In place of a closed one nothing else is opened: a file would take what is printed.
    """
    for number, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # 1 cannot be written to: that is an error, as it should be
    if os.name == "posix":
        encoding = sys.stdout.encoding if sys.stdout else None
        buffer = io.BufferedWriter(_StandardOutput(1, "w", closefd=False))
        sys.stdout = io.TextIOWrapper(buffer, encoding, line_buffering=os.isatty(1))
    sys.stdout.reconfigure(errors="replace")  # names may hold what a terminal cannot show
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False, errors="backslashreplace")  # noqa: SIM115


def close_streams(status: int) -> int:
    """Flush the standard streams; returns the exit status, another where output was lost."""
    try:
        sys.stdout.flush()
    except ReaderGone:
        _drop(1)
    except OSError as error:
        if status in (0, 1):  # else there is a line already
            status = complain(f"{error.filename}: {error.strerror}", 2)
        _drop(1)
    try:
        sys.stderr.flush()
    except OSError:
        _drop(2)
    return status


def _drop(number: int) -> None:
    """What a stream still holds goes nowhere, and is no error when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), number)
