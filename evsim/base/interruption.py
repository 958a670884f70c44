"""Ctrl-C and SIGTERM: a command ends in one line with 130 or 143, and keeps what is finished.

The first signal of a command is a KeyboardInterrupt in its main thread, or what `Handling` makes of
it. A library may lose that exception, in a callback or in an import of its own: it is raised again
where Python tells, and else the command ends on whatever error comes of it. Once asked, a command
has a second: what comes then ends it at once. Imports little: it comes before everything else.
"""

from __future__ import annotations

import _signal as signal  # which makes enumerations of it, for milliseconds without our handlers
import _thread
import os
import sys
import time

SIGNALS = signal.SIGINT, signal.SIGTERM
SAME = 1.0  # seconds within which signals are one wish: impatient fingers, a shell and a terminal

_asked: tuple[int, float] | None = None  # the first signal, and when it came
_raised = False  # as an exception
_of_command = False  # the process is a command: else it is somebody's, who has more to do


class Interruption(KeyboardInterrupt):
    """A signal. Where a KeyboardInterrupt itself passes through `exec` of a text, as libraries call
    it when they are imported, Python ends by SIGINT in the end, whatever is made of it."""


def forget() -> None:
    """Forget signals that came before: a command begins."""
    global _asked, _raised
    _asked, _raised = None, False


def status() -> int:
    """The exit status of an interrupted command: 128 + the number of the first signal."""
    return 128 + (_asked[0] if _asked else signal.SIGINT)


def was_raised() -> bool:
    """Whether an Interruption was raised: an error after it may be what became of it."""
    return _raised


def begin() -> None:
    """From here on a command that is starting ends at once: nothing is begun yet."""
    global _of_command
    _of_command = True
    sys.unraisablehook = _raise_again
    _handle(_leave)


def go_on() -> None:
    """From here on a signal is an Interruption."""
    _handle(_raise)


def finish() -> None:
    """From here on nothing but the exit status is left to do."""
    _handle(signal.SIG_IGN)


class Handling:
    """While it is entered, a first signal calls `stop` instead of raising anything.

    Where nothing was raised that came of `stop`, an Interruption is, at the end.
    """

    def __init__(self, stop):
        self.stop, self.came, self.before = stop, False, None

    def __enter__(self):
        import threading

        if threading.current_thread() is threading.main_thread():  # else none comes here
            self.before = [signal.getsignal(number) for number in SIGNALS]
            _handle(self._first)
        return self

    def __exit__(self, kind, error, trace):
        if self.before:
            for number, handler in zip(SIGNALS, self.before, strict=True):
                signal.signal(number, handler)
        if self.came and kind is None:
            raise Interruption

    def _first(self, number, _):
        if self.came:
            _again(number)
        else:
            self.came = True
            _note(number)
            self.stop()


def fork():
    """os.fork, as (pid, release); the child ends on a signal like any other process.

    Signals wait until the parent calls `release`, where it is ready to end its child.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    def release():
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    child = -1
    try:
        child = os.fork()
        if child == 0:
            _handle(signal.SIG_DFL)
    finally:
        if child <= 0:
            release()
    return child, release


def _handle(handler) -> None:
    for number in SIGNALS:
        signal.signal(number, handler)


def _raise(number, _) -> None:
    global _raised
    if _asked:
        _again(number)
    else:
        _note(number)
        _raised = True
        raise Interruption


def _note(number: int) -> None:
    global _asked
    _asked = number, time.monotonic()


def _again(number: int) -> None:
    """A second signal ends a command, unless it is of the same wish as the first.

    Who called us from Python has more to do: there it is an Interruption.
    """
    if time.monotonic() - _asked[1] > SAME:
        if not _of_command:
            raise Interruption
        _leave(number)


def _leave(number, _=None) -> None:
    """End the process now."""
    finish()  # one line is enough
    line = b"evsim: interrupted\n"
    if os.isatty(2):
        line = b"\x1b[?25h\r" + line  # a bar hides the cursor
    try:
        os.write(2, line)
    finally:
        os._exit(128 + number)


def _raise_again(unraisable) -> None:
    """An interruption that Python could raise nowhere comes again as soon as it can be raised.

    Nothing else that comes here is said: a signal that came just when it began to be ignored is
    one, and no command has a use for the others.
    """
    if issubclass(unraisable.exc_type, KeyboardInterrupt) and _asked:
        number = _asked[0]
        forget()
        _thread.start_new_thread(_send, (number,))
    elif os.environ.get("EVSIM_DEBUG") == "1":
        sys.__unraisablehook__(unraisable)


def _send(number: int) -> None:
    import threading

    time.sleep(0.01)  # until the hook has returned, which can raise nothing either
    signal.pthread_kill(threading.main_thread().ident, number)
