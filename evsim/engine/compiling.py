"""Compiling kernels in several processes: what is called is noted first, without compiling it."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numba
from numba.core import event
from numba.core.dispatcher import Dispatcher

from evsim.base.interruption import fork
from evsim.base.kernel import UNKEPT

Called = dict[Dispatcher, set[tuple]]  # by kernel the types of arguments that it is called with


def called_by(work: Callable[[], None]) -> Called:
    """What `work` calls of the kernels of all modules that are loaded, run as plain Python.

    Kernels that only kernels call are left out: they are compiled with those.
    """
    called: Called = {}
    with _replaced(called), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sums that wrap, which kernels do in silence
        work()
    return called


@contextmanager
def _replaced(called: Called) -> Iterator[None]:
    """While it is entered, kernels are plain Python and note how they are called."""
    running = []

    def noting(kernel: Dispatcher) -> Callable:
        def note(*given):
            if not running:
                called.setdefault(kernel, set()).add(tuple(map(numba.typeof, given)))
            running.append(kernel)
            try:
                return kernel.py_func(*given)
            finally:
                running.pop()

        return note

    modules = [module for name, module in sys.modules.items() if name.startswith("evsim.")]
    kernels = [
        (module, name, value)
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, Dispatcher)
    ]
    try:
        for module, name, kernel in kernels:
            setattr(module, name, noting(kernel))
        yield
    finally:
        for module, name, kernel in kernels:
            setattr(module, name, kernel)


def compile_called(called: Called, processes: int, tell: Callable[[], None]) -> bool:
    """Compile kernels in child processes, which keep them in files; returns whether all are kept.

    `tell` is called for each that is compiled. Nothing is where processes cannot be forked. The
    kernels of one file are one task, as they share kernels that only they call.
    """
    files: dict[str, list] = {}
    for kernel, signatures in called.items():
        files.setdefault(kernel.__module__, []).extend((kernel, types) for types in signatures)
    # The largest tasks first, so that the last ones to be finished are small.
    tasks = sorted(files.values(), key=lambda task: -sum(len(k.__code__.co_code) for k, _ in task))
    if not hasattr(os, "fork") or processes < 2 or not tasks:
        return False
    todo, give = os.pipe()
    heard, say = os.pipe()
    children, failed = [], False
    try:
        os.write(give, bytes(range(len(tasks))))
        os.close(give)
        for _ in range(min(processes, len(tasks))):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # no thread of ours has a lock
                child, release = fork()
            if child == 0:
                _be_the_child(tasks, todo, say)
            children.append(child)
            release()
        os.close(say)
        while told := os.read(heard, 1 << 10):
            for _ in told:
                tell()
        while children:
            failed |= os.waitpid(children.pop(), 0)[1] != 0
    finally:
        for child in children:  # an interruption came
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        for end in (todo, heard):
            os.close(end)
    return not failed


def _be_the_child(tasks: list, todo: int, say: int) -> None:
    """Compile one task after the other, and exit; the parent meets errors itself."""
    status, nowhere = 1, os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in (1, 2):  # those that listen in the parent would print what it prints
            os.dup2(nowhere, stream)
        telling = _Telling(say)
        with event.install_listener("numba:compile", telling):
            while number := os.read(todo, 1):
                for kernel, types in tasks[number[0]]:
                    kernel.compile(types)
                if UNKEPT:
                    break
            else:
                status = 0
    except BaseException:
        pass
    finally:
        os._exit(status)


class _Telling(event.Listener):
    """Writes a byte for each kernel that begins to be compiled."""

    def __init__(self, say: int):
        self.say = say

    def on_start(self, event):
        os.write(self.say, b".")

    def on_end(self, event):
        pass
