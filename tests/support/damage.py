"""Damaged files, and what reading them does."""

import faulthandler
import os
import pickle
import signal

import numpy as np

from evsim import EvsimError
from evsim.formats import guard

SECONDS = 2  # for one file
BYTES = 1 << 30  # of memory, beyond what is in use


def damaged(content: bytes, seed: int) -> bytes:
    """The content with some bytes changed, or cut off."""
    rng = np.random.default_rng(seed)
    changed = np.frombuffer(content, np.uint8).copy()
    kind = rng.integers(8)
    if kind == 0:
        return content[: rng.integers(len(content))]
    if kind == 1:  # a field of an index or a header
        start = rng.integers(len(content) - 8)
        changed[start : start + 8] = rng.choice([0, 255, 128])
    else:
        places = rng.integers(len(content), size=rng.integers(1, 5))
        changed[places] ^= rng.integers(1, 256, places.size).astype(np.uint8)
    return changed.tobytes()


def outcomes(content, read, seeds, path):
    """What reading each damaged file did: None, the line of an EvsimError, or what is wrong.

    Files are read in a child; where that dies, the file is to blame and another child goes on.
    """
    found = {}
    while len(found) < len(seeds):
        todo = seeds[len(found) :]
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(reader)
                _read_all(content, read, todo, path, writer)
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            while True:
                try:
                    seed, said = pickle.load(pipe)
                except EOFError:
                    break
                found[seed] = said
        _, status = os.waitpid(child, 0)
        if len(found) < len(seeds):
            assert os.WIFSIGNALED(status), "the child must finish or be killed"
            found[seeds[len(found)]] = signal.Signals(os.WTERMSIG(status))
    return found


def _read_all(content, read, seeds, path, writer):
    guard._limit(BYTES)
    faulthandler.disable()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    with os.fdopen(writer, "wb") as pipe:
        for seed in seeds:
            path.write_bytes(damaged(content, seed))
            signal.alarm(SECONDS)
            said = None
            try:
                read(path)
            except EvsimError as error:
                said = str(error)
            except BaseException as error:
                said = error.__class__
            pickle.dump((seed, said), pipe)
            pipe.flush()
