"""Who may write in a folder: one process, also on network file systems and without `flock`.

A lock is a file `lock.<n>` that names process, host and start. It is made whole by a hard link,
which one of several makers gets, and its time is set again and again while its owner lives. A
process of this host is dead when no process of its number began when it did; one of another host,
or where the system does not tell, when its file was not touched while somebody watched. A dead
owner's lock is not removed but followed by `lock.<n + 1>`, so that two who find it dead cannot
both have it.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from evsim.base.errors import EvsimError, mismatch

BEAT = 2.0  # seconds between signs of life
WATCH = 20.0  # seconds without one after which an owner on another host is taken for dead
TRIES = 20


class Lock:
    """Leave to write in a folder, which is made if there is none; `release` gives it back.

    `say` is called with a line where somebody is watched. `tell` says whose lock was taken over.
    Raises EvsimError where a living process has it, OSError where the folder cannot be written.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]):
        self.folder, self.say = Path(folder), say
        self.dead: dict[Path, str] = {}
        self.path = self._acquire()
        self._ended = threading.Event()
        threading.Thread(target=self._live, daemon=True).start()

    def _acquire(self) -> Path:
        for _ in range(TRIES):
            self.folder.mkdir(exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # the folder goes as its owner ends
                before = _locks(self.folder)
                for path in before:
                    self._check_dead(path)
                number = 1 + max(map(_number, before), default=0)
                path = self.folder / f"lock.{number}"
                if _make(path):
                    others = [p for p in _locks(self.folder) if p != path and p not in before]
                    if not others:
                        return path
                    path.unlink()  # two began at once: neither has it
            time.sleep(random.uniform(0.01, 0.1))
        raise mismatch("several processes that begin at once", "one", str(self.folder))

    def _check_dead(self, path: Path) -> None:
        """Raise an error if the owner of a lock is alive."""
        try:
            content = path.read_text()
        except FileNotFoundError:
            return
        owner = _read(content)
        if owner and owner["began"] and _place(owner) == _place(_self()):
            alive = _began(owner["process"]) == owner["began"]
        else:
            alive = self._beats(path, owner)
        who = _named(owner)
        if alive:
            problem = f"is being written by {who}, expected no other process"
            raise EvsimError(problem, file=str(self.folder))
        self.dead[path] = who

    def _beats(self, path: Path, owner: dict) -> bool:
        """Whether a lock whose owner cannot be asked for is touched while it is watched."""
        who = _named(owner)
        self.say(f"{self.folder}: locked by {who}; watching for {WATCH:.0f} s whether it is alive")
        first, end = _touched(path), time.monotonic() + WATCH
        while time.monotonic() < end:
            time.sleep(BEAT / 4)
            if (now := _touched(path)) != first:
                return now is not None  # None: it has just been given back
        return False

    def tell(self) -> None:
        """Say from whom the folder was taken over."""
        if self.dead:
            who = self.dead[max(self.dead, key=_number)]
            self.say(f"{self.folder}: taken over from {who}, which ended before it was done")

    def _live(self) -> None:
        while not self._ended.wait(BEAT):
            with contextlib.suppress(OSError):
                os.utime(self.path)

    def check(self) -> None:
        """Raise EvsimError if another process has taken this one for dead, and its lock over."""
        if not self.path.exists() or max(map(_number, _locks(self.folder))) != _number(self.path):
            problem = "the lock of this process is gone: removed, or taken over by another one"
            raise EvsimError(problem, file=str(self.folder))

    def release(self) -> None:
        """Give the lock back, and the folder if it is empty."""
        self._ended.set()
        with contextlib.suppress(OSError, ValueError):
            number = _number(self.path)
            if max(map(_number, _locks(self.folder))) == number:  # else it is somebody else's now
                for path in self.folder.glob("lock.*"):
                    path.unlink(missing_ok=True)
                self.folder.rmdir()


def owner(folder: Path) -> str | None:
    """Who writes in a folder, in words: process, host, since when; None where there is no lock."""
    locks = _locks(Path(folder))
    if not locks:
        return None
    with contextlib.suppress(OSError):
        return _named(_read(locks[-1].read_text()))
    return None


def _make(path: Path) -> bool:
    """Make a lock with all that it says, if there is none."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{random.getrandbits(32):08x}.tmp")
    try:
        temporary.write_text(json.dumps(_self()))
        try:
            os.link(temporary, path)
        except (FileExistsError, FileNotFoundError):  # or the temporary name was cleared away
            return False
        except (OSError, AttributeError):  # no hard links here: it may be seen half-written
            with open(path, "x") as file:
                file.write(json.dumps(_self()))
        return True
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)


def _locks(folder: Path) -> list[Path]:
    locks = [p for p in folder.glob("lock.*") if p.suffix[1:].isdecimal()]
    return sorted(locks, key=_number)


def _number(path: Path) -> int:
    return int(path.suffix[1:])


def _self() -> dict:
    """What a lock says of this process."""
    began = _began(os.getpid())
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    machine = f"{_content('/proc/sys/kernel/random/boot_id')} {_link('/proc/self/ns/pid')}"
    names = {"process": os.getpid(), "host": socket.gethostname(), "start": now}
    return names | {"machine": machine, "began": began}


def _place(owner: dict) -> tuple:
    """Where numbers of processes mean the same ones."""
    return owner["host"], owner["machine"]


def _named(owner: dict) -> str:
    if not owner:
        return "a process that left no name"
    return f"process {owner['process']} on {owner['host']} since {owner['start']}"


def _read(content: str) -> dict:
    """What a lock says; nothing where that is damaged."""
    with contextlib.suppress(ValueError):
        said = json.loads(content)
        if isinstance(said, dict) and set(_self()) <= set(said):
            return said
    return {}


def _began(process: int) -> str:
    """When a process began, as its system says; empty where there is none."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    except OSError:
        return ""


def _touched(path: Path) -> int | None:
    """When a lock was last touched; opening it makes a network file system ask its server."""
    try:
        with open(path, "rb") as file:
            return os.fstat(file.fileno()).st_mtime_ns
    except OSError:
        return None


def _content(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
