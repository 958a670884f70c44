"""Reading a file in a child process first, where the HDF5 library may hang or crash.

A damaged file can make the library loop, take all memory or fault, and a file of any format can
be made so that reading it takes hours; the child then ends and the command says so. What the child
could not read is not read again. On systems without fork files are read directly.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import select
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from evsim.base.errors import EvsimError, Parameter, mismatch
from evsim.base.interruption import fork
from evsim.formats._hdf5 import format_of
from evsim.formats.sources import split

SECONDS = 20  # for reading any file, beyond the time its size takes to read
BYTES = 2 << 30  # of memory, beyond a few times its size
TEXT = (5, 256 << 20)  # the same for what people write by hand
READ_RATE = 20 << 20  # bytes a second that even a slow disk gives
ANYWAY = "EVSIM_NO_GUARD=1 reads it without limits"


def guarded(path, read: Callable, text: bool = False):
    """read(path), tried in a child with limits of time and memory before it is done here.

    `text`: it is a file that people write by hand, small and soon read.
    """
    file, _ = split(path)
    if hasattr(os, "fork") and os.path.isfile(file) and "EVSIM_NO_GUARD" not in os.environ:
        _try(Path(file), lambda _: read(path), *(TEXT if text else (SECONDS, BYTES)))
    return read(path)


def _try(path: Path, read: Callable, seconds: float, memory: int) -> None:
    size = path.stat().st_size
    seconds, memory = seconds + size // READ_RATE, memory + 8 * size
    reader, writer = os.pipe()
    import h5py  # noqa: F401  here, so that the child need not

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads of ours hold no lock
        child, release = fork()
    if child == 0:
        _be_the_child(path, read, seconds, memory, writer)
    try:
        release()
        os.close(writer)
        in_time, _, _ = select.select([reader], [], [], seconds)
        said = b""
        while in_time and (more := os.read(reader, 1 << 16)):
            said += more
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader)
    if not in_time:
        found = f"a file that takes more than {seconds} s to read ({ANYWAY})"
    elif not said:
        format = format_of(path)
        library = "the HDF5 library" if format == "HDF5 file" else "evsim"
        found = f"a damaged {format} (reading it crashes {library})"
    elif said == b"memory":
        found = f"a file that takes more than {memory / 1e9:.1f} GB to read ({ANYWAY})"
    elif error := json.loads(said):
        problem, place, file, is_parameter = error
        raise EvsimError(problem, Parameter(place) if is_parameter else place, file)
    else:
        return
    raise mismatch(found, f"a whole {format_of(path)}").within(file=str(path))


def _be_the_child(path: Path, read: Callable, seconds: float, memory: int, writer: int) -> None:
    """Read, say the error if there is one, and exit; the parent meets our own bugs itself."""
    said = b"null"
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(seconds) + 5)  # should the parent be gone
        _limit(memory)
        faulthandler.disable()
        sys.stderr = sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        os.dup2(sys.stderr.fileno(), 2)
        read(path)
    except EvsimError as error:
        out_of_memory = isinstance(error.__cause__, MemoryError)
        place = error.place
        reason = error.problem, place, error.file, isinstance(place, Parameter)
        said = b"memory" if out_of_memory else json.dumps(reason).encode()
    except MemoryError:
        said = b"memory"
    except BaseException:
        pass
    finally:
        os.write(writer, said)
        os._exit(0)


def _limit(memory: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # not every system tells
        in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (in_use + memory, in_use + memory))
