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
import shutil
import sys
import time
from dataclasses import dataclass

from evsim.base.table import Table, draw, wrapped

ROWS = 500  # of a table that are printed on a terminal
LINE, CELL, MESSAGE = 20_000, 500, 2_000  # characters that are printed of each
WHOLE = 100_000  # rows where the screen is no limit
PLAIN_FRAME = str.maketrans("┏━┳┓┃┡╇┩│└─┴┘…", "+-++|+++|+-++~")  # where an encoding has no other
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


def tell_json(found) -> None:
    """Print what was found as one line of JSON; a number that is not finite is null."""
    try:
        text = json.dumps(found, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(found), allow_nan=False)
    print(text)


def _finite(found):
    if isinstance(found, dict):
        return {name: _finite(value) for name, value in found.items()}
    if isinstance(found, list | tuple):
        return [_finite(value) for value in found]
    return None if isinstance(found, float) and not math.isfinite(found) else found


class Output:
    """Standard output for lines and tables, which fit a terminal unless `wide`.

    Where it is no terminal, or `wide`, every line is as long as it needs to be.
    """

    def __init__(self, wide: bool = False):
        self.width = None if wide else terminal_width()
        self._bold = sys.stdout.isatty() and os.name != "nt" and os.environ.get("TERM") != "dumb"
        self._most = WHOLE if self.width is None else ROWS

    def print(self, what: str | Table) -> None:
        """Print a line, broken between words where the screen ends, or a table."""
        if isinstance(what, str):
            for line in wrapped(printable(what, LINE), self.width):
                self._print(line)
            return
        shown = Table(
            _cell(what.title),
            [*map(_cell, what.columns)],
            [[*map(_cell, row)] for row in what.rows[: self._most]],
            tuple(map(_cell, what.left)),
            tuple(map(_cell, what.spare)),
        )
        for line in draw(shown, self.width):
            self._print(f"\x1b[1m{line.text}\x1b[0m" if line.heads and self._bold else line.text)
        if len(what.rows) > self._most:
            self._print(f"... and {len(what.rows) - self._most:,} more")

    def _print(self, line: str) -> None:
        print(line if _has_frames() else line.translate(PLAIN_FRAME))


def terminal_width() -> int | None:
    """The cells of a line of standard output; None where it is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _has_frames() -> bool:
    """Whether standard output can show what frames are made of."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return encoding.lower().replace("-", "").startswith("utf")


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
    """Say where in the source an error was raised."""
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
    """Nobody reads standard output any more."""


class _StandardOutput(io.FileIO):
    """Standard output, whose errors are told from those of files."""

    def write(self, content):
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
