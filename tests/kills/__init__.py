"""Commands that are killed: at an event of the interpreter, at a system call, or after a time."""

import ctypes
import os
import random
import signal
import sys
import time
from pathlib import Path

from evsim.cli.main import run_command
from evsim.store import shards
from evsim.store.shards import Damaged, Shard
from evsim.studies import job

EVENTS = {  # of the interpreter: about how often a short run does it
    "open": 150,
    "os.rename": 12,
    "os.remove": 20,
    "os.link": 1,
    "os.mkdir": 1,
    "os.rmdir": 1,
    "os.listdir": 20,
}
TOLD = "told.txt"  # what a command says on standard error
SYSTEM_CALLS = 3000  # of the main thread of a short run, about
TRACE_ME, NEXT_SYSTEM_CALL = 0, 24  # what `ptrace` is asked for


def forked(action):
    """Run `action` in a child whose errors go to a file; returns its number."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            silent = os.open(os.devnull, os.O_RDWR)
            told = os.open(TOLD, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream, target in enumerate((silent, silent, told)):
                os.dup2(target, stream)
            status = action()
        finally:
            os._exit(status)
    return child


def ended(child) -> bool:
    """Wait for a child; returns whether it was killed. Any other end than 0 and 1 is an error."""
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) in (0, 1), Path(TOLD).read_text()
    assert not os.WIFSIGNALED(status) or os.WTERMSIG(status) == signal.SIGKILL, status
    return os.WIFSIGNALED(status)


def killed(line: str, event: str, number: int) -> bool:
    """Kill a command as it is about to do `event` for the `number`th time, if it comes so far."""

    def action():
        count, own = 0, os.getpid()

        def hook(name, _):
            nonlocal count
            count += name == event and os.getpid() == own  # not of a child that reads a file first
            if name == event and count == number:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        return run_command(line.split())

    return ended(forked(action))


def killed_after(line: str, seconds: float) -> bool:
    """Kill a command after a time, if it has not ended."""
    child = forked(lambda: run_command(line.split()))
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return ended(child)


def killed_at(line: str, number: int) -> bool:
    """Kill a command as its main thread enters or leaves the `number`th system call."""
    trace = ctypes.CDLL(None, use_errno=True).ptrace
    trace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]

    def action():
        trace(TRACE_ME, 0, None, None)
        os.kill(os.getpid(), signal.SIGSTOP)
        return run_command(line.split())

    child = forked(action)
    _, status = os.waitpid(child, 0)
    for _ in range(number):
        if not os.WIFSTOPPED(status):
            assert os.WEXITSTATUS(status) in (0, 1), Path(TOLD).read_text()
            return False
        sent = os.WSTOPSIG(status)
        passed = None if sent in (signal.SIGTRAP, signal.SIGSTOP) else sent
        assert trace(NEXT_SYSTEM_CALL, child, None, passed) == 0
        _, status = os.waitpid(child, 0)
    if not os.WIFSTOPPED(status):
        return False
    os.kill(child, signal.SIGKILL)
    return ended(child)


def somewhere(chance: random.Random, line: str) -> tuple[str, bool]:
    """Kill a command somewhere: the way that was chosen, and whether the command came so far."""
    way = chance.choice(("event", "system call", "time"))
    if way == "time":
        return way, killed_after(line, chance.expovariate(8))
    if way == "system call":
        return way, killed_at(line, chance.randint(1, 2 * SYSTEM_CALLS))
    event = chance.choice(list(EVENTS))
    return way, killed(line, event, chance.randint(1, EVENTS[event]))


def whole_samples(folder: Path) -> set[tuple[str, int]]:
    """(folder, sample) of all that whole shards in a folder and the folders in it have."""
    found = set()
    for path in folder.rglob(f"0*{shards.SUFFIX}"):
        try:
            with Shard(path) as shard:
                found |= {(str(path.parent), index) for index in shard["samples"].tolist()}
        except Damaged:
            pass
    return found


class Simulated:
    """While it is entered: the (folder, sample) that jobs in this process simulate."""

    def __enter__(self):
        self.samples, self.before = set(), (job.simulate, job.Job.simulate)

        def simulate(plan, inputs, settings, jobs, stop, samples, *more):
            own = {(self.folder, settings.first_sample + index) for index in samples}
            self.samples |= own
            return self.before[0](plan, inputs, settings, jobs, stop, samples, *more)

        def of_job(owner, *arguments, store=None, **more):
            self.folder = str(store and store.folder)
            return self.before[1](owner, *arguments, store=store, **more)

        job.simulate, job.Job.simulate = simulate, of_job
        return self

    def __exit__(self, *_):
        job.simulate, job.Job.simulate = self.before
