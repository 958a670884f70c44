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
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from evsim.base.course import Course, time_left
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


class Output:
    """Standard output for lines and tables, which fit a terminal unless `wide`.

    Where it is no terminal, or `wide`, every line is as long as it needs to be. `hint`: how to see
    all of a table that was made to fit.
    """

    def __init__(self, wide: bool = False, hint: str = ""):
        self.hint = hint
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
        for line in draw(shown, self.width, self.hint):
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
    with _lock, contextlib.suppress(OSError):
        _clear()
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


# What takes long: waiting without a count, and bars

PATIENCE, TICK = 0.5, 0.5  # seconds until it is said what is waited for, and again
_lock = threading.RLock()
_waited = ""  # what is said on the last line of the terminal
_shows_waiting = False


def show_waiting(shown: bool) -> None:
    """Whether `waiting` says anything: in a command on a terminal it does, unless it is quiet."""
    global _shows_waiting
    _shows_waiting = shown and sys.stderr.isatty()


@contextlib.contextmanager
def waiting(what: str):
    """Say on a terminal what is being done, and for how many seconds, while it takes long.

    A line that was begun gets dots instead. Not for what has a bar; inside of another one nothing
    is said.
    """
    global _shows_waiting
    if not _shows_waiting:
        yield
        return
    over, begin, shown = threading.Event(), time.perf_counter(), printable(what, CELL)

    def tick() -> None:
        pause = PATIENCE
        while not over.wait(pause):
            pause = TICK
            with _lock:
                if over.is_set():
                    return
                if _begun:
                    _print_error(".", whole=False)
                else:
                    _show_waiting(f"{shown} ... {time.perf_counter() - begin:.0f} s")

    teller = threading.Thread(target=tick, daemon=True)
    _shows_waiting = False
    teller.start()
    try:
        yield
    finally:
        over.set()
        _shows_waiting = True
        with _lock:
            _clear()


def _show_waiting(text: str) -> None:
    global _waited
    _waited = text[: shutil.get_terminal_size().columns - 1]
    with contextlib.suppress(OSError):
        print(f"\r\x1b[K{_waited}", end="", file=sys.stderr, flush=True)


def _clear() -> None:
    """Take what is waited for off the terminal."""
    global _waited
    if _waited:
        _waited = ""
        with contextlib.suppress(OSError):
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


_course: Course | None = None


@contextlib.contextmanager
def course(weights: Sequence[float] = ()):
    """While this lasts every bar is that of a run of the course."""
    global _course
    before, _course = _course, Course(weights)
    try:
        yield _course
    finally:
        _course = before


def more_runs(weights: Sequence[float]) -> None:
    """So many more runs are to come in the course, if there is one."""
    if _course:
        _course.more(weights)


@dataclass(frozen=True)
class _Printable:
    """The text of something, whenever it is asked for, behind which run it is."""

    what: object
    runs: Course

    def __str__(self) -> str:
        return printable(f"{self.runs.label}{self.what}")


@contextlib.contextmanager
def bar(what, quiet: bool, start: int = 0):
    """A function to call with how much is done, and of how much; a bar shows it on a terminal.

    `what` is done: a text, or something whose text is asked for again and again. Inside of a
    `course` it is its next run.
    """
    runs = _course or Course([1.0])
    runs.begin_run()
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.fields[what]}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[count]}"),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[left]}"),
    )
    begin = time.perf_counter()
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        fields = {"count": "", "rate": "", "left": "", "what": _Printable(what, runs)}
        task = shown.add_task("", completed=start, total=None, **fields)

        def show(done: int, total: int) -> None:
            rate = (done - start) / (time.perf_counter() - begin)
            runs.part = (done - start) / (total - start) if total > start else 1.0
            fields = {"rate": f"{rate:,.1f} per second" if rate else ""}
            fields |= {"count": f"{done:,}/{total:,}", "left": time_left(runs.left)}
            shown.update(task, completed=done, total=total, **fields)

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
