"""Opening a file in a child process first, where the HDF5 library may hang or crash.

A damaged file can make the library loop, take all memory or fault; the child then ends and the
command says so. On systems without fork files are opened directly.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from evsim.parts import EvsimError

SECONDS = 20  # for opening any file, beyond the time its size takes to read
BYTES = 2 << 30  # of memory, beyond a few times its size
READ_RATE = 20 << 20  # bytes a second that even a slow disk gives


def guarded(path, read: Callable):
    """read(path), tried in a child with limits of time and memory before it is done here."""
    if hasattr(os, "fork") and Path(path).is_file() and "EVSIM_NO_GUARD" not in os.environ:
        _try(Path(path), read)
    return read(path)


def _try(path: Path, read: Callable) -> None:
    size = path.stat().st_size
    seconds = SECONDS + size // READ_RATE
    child = os.fork()
    if child == 0:
        _be_the_child(path, read, seconds, BYTES + 8 * size)
    ends = time.monotonic() + seconds + 5
    while time.monotonic() < ends:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        time.sleep(0.002)
    else:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        late = os.WTERMSIG(status) in (signal.SIGALRM, signal.SIGKILL, signal.SIGXCPU)
        what = f"takes more than {seconds} s" if late else "crashes the HDF5 library"
        raise EvsimError(f"a damaged HDF5 file (reading it {what})", file=str(path))


def _be_the_child(path: Path, read: Callable, seconds: int, memory: int) -> None:
    """Read and exit; only a hang or a crash matters, errors are reported by the parent."""
    import resource

    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
        in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (in_use + memory, in_use + memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        sys.stderr = sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        os.dup2(sys.stderr.fileno(), 2)
        read(path)
    except BaseException:
        pass
    finally:
        os._exit(0)
