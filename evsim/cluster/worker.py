"""What is done on a worker: its greeting, its preparation, slices of samples.

Functions and records of this file travel by name and content through Dask.
"""

from __future__ import annotations

import hashlib
import os
import platform
import stat
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from evsim import store
from evsim.base.errors import EvsimError
from evsim.engine.events import Events
from evsim.engine.plan import Plan
from evsim.engine.sample import Sample
from evsim.engine.settings import Settings
from evsim.engine.simulation import Stopped
from evsim.engine.threads import simulate, warm
from evsim.formats.data import Data, open_data
from evsim.network.network import Network
from evsim.store.samples import arrays_of, samples_of

KEPT = 2  # runs whose preparation a worker keeps


@dataclass(frozen=True)
class Source:
    """A data file, and which of its samples are the inputs of a run."""

    name: str  # as the user gave it
    path: str
    size: int  # bytes
    time: int  # of its last change, ns
    first: int
    last: int

    @classmethod
    def of(cls, path: str, settings: Settings) -> Source | None:
        """The source at `path`; None where it is no file."""
        stamp = _stamp(path)
        if stamp is None:
            return None
        last = settings.first_sample + settings.samples
        return cls(path, os.path.abspath(path), *stamp, settings.first_sample, last)

    def data(self) -> Data | None:
        """The file, opened, if there is the same one here."""
        if _stamp(self.path) != (self.size, self.time):
            return None
        try:
            return open_data(self.path)
        except EvsimError:
            return None


def _stamp(path: str) -> tuple[int, int] | None:
    """The size of a file and when it was last changed; None where there is none."""
    try:
        state = os.stat(path)
    except OSError:
        return None
    return (state.st_size, state.st_mtime_ns) if stat.S_ISREG(state.st_mode) else None


@dataclass(frozen=True)
class Assignment:
    """All of a run but its network; it travels once to each worker."""

    name: str
    settings: Settings
    limits: Mapping  # memory, record, queue, window of its plan
    jobs: int | None  # threads of a worker, at most
    measure: Callable | None
    source: Source | None
    folder: tuple[str, str] | None  # where workers write shards, and whose identity these have


@dataclass(frozen=True)
class Part:
    """A slice of samples, from place `first` on; `inputs` are theirs, where they travel."""

    name: str
    first: int
    count: int
    share: float  # of a second of this worker, in the time of the run
    inputs: object | None = None
    brings: bool = False  # the samples come back whole, whatever the assignment says


@dataclass(frozen=True)
class Outcome:
    """What a slice gave: samples from its first on, perhaps not all, and why not."""

    arrays: dict[str, np.ndarray]  # of the samples
    count: int
    seconds: float
    took: float  # of the time of the run
    size: int  # bytes of all that was simulated
    error: EvsimError | None = None
    shard: str | None = None  # the name of the file that has them
    unwritten: str = ""  # why there is none

    @property
    def samples(self) -> list[Sample]:
        """The finished samples, made of the arrays of the outcome."""
        if not self.count:
            return []
        first = int(self.arrays["samples"][0])
        return list(samples_of(Arrays(self.arrays), first, first + self.count, recorded=True))


class Arrays(dict):
    """The arrays of a shard in memory, by place, with what `samples_of` asks of a `Shard`."""

    @property
    def places(self) -> list[str]:
        """The places of all arrays, in order."""
        return list(self)


@cache
def greeting() -> dict[str, str]:
    """What must be the same on all workers, by name, as it was when this process began to work."""
    import numba

    from evsim.base.version import __version__

    digest, root = hashlib.sha256(), Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return {
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "evsim": __version__,
        "Numba": numba.__version__,
        "NumPy": np.__version__,
        "evsim's source": digest.hexdigest()[:12],
    }


class Ready:
    """A run made ready on this worker: its plan, its inputs if they are here, compiled kernels."""

    def __init__(self, network: Network, assignment: Assignment):
        self.plan = Plan(network, assignment.settings, **assignment.limits)
        self.inputs, source = None, assignment.source
        self.data = source and source.data()
        if self.data is not None:
            inputs, samples = self.data.inputs, slice(source.first, source.last)
            self.inputs = inputs[samples] if isinstance(inputs, Events) else inputs.part(samples)


_lock = threading.Lock()  # one slice at a time: it takes all threads of the worker
_ready: dict[str, Ready] = {}
_stops: dict[str, threading.Event] = {}
_halted: set[str] = set()


def _made_ready(network: Network, assignment: Assignment) -> Ready:
    if assignment.name not in _ready:
        while len(_ready) >= KEPT:
            del _ready[next(iter(_ready))]
        _ready[assignment.name] = Ready(network, assignment)
    return _ready[assignment.name]


def prepare(network: Network, assignment: Assignment, values) -> bool:
    """Make a run ready, kernels too; `values`: of one sample. Returns whether data are read here.

    Mistakes are left to the slices, which are in order.
    """
    with _lock:
        ready = _made_ready(network, assignment)
        warm(ready.plan, values)
        return ready.inputs is not None


def halt(names: list[str]) -> None:
    """Let slices that are running, or to be run, end with what they have."""
    for name in names:
        if name in _stops:
            _stops[name].set()
        _halted.add(name)


def work(network: Network, assignment: Assignment, part: Part, threads: int) -> Outcome:
    """Simulate the samples of a slice on `threads` threads, or as many as are to be used."""
    with _lock:
        stop = _stops[part.name] = threading.Event()
        if part.name in _halted:
            stop.set()
        try:
            return _work(network, assignment, part, threads, stop)
        finally:
            del _stops[part.name]
            _halted.discard(part.name)


def _work(network, assignment: Assignment, part: Part, threads: int, stop) -> Outcome:
    ready, settings = _made_ready(network, assignment), assignment.settings
    inputs, places = ready.inputs, range(part.first, part.first + part.count)
    if part.inputs is not None:
        place = {"first_sample": settings.first_sample + part.first, "samples": part.count}
        inputs, settings, places = part.inputs, replace(settings, **place), range(part.count)
    elif inputs is None:
        raise OSError("the data file that was here is here no more")
    jobs = min(threads, assignment.jobs or threads)
    samples, error, begin = [], None, time.perf_counter()
    measure = assignment.measure
    with closing(simulate(ready.plan, inputs, settings, jobs, stop, places, measure)) as simulated:
        try:
            samples.extend(simulated)
        except Stopped:
            pass
        except EvsimError as mistake:
            error = mistake
            if assignment.source and error.file == assignment.source.path:
                error.file = assignment.source.name
    seconds = time.perf_counter() - begin
    if part.inputs is None:
        try:
            ready.data.verify()
        except EvsimError as mistake:  # of a file that has changed meanwhile nothing counts
            samples, error = [], mistake
    return _told(assignment, part, samples, seconds, error)


def _told(assignment: Assignment, part: Part, samples, seconds: float, error) -> Outcome:
    """What comes back of a slice: all, or what is small where a shard has all."""
    arrays = arrays_of(samples) if samples else {}
    size = sum(array.nbytes for array in arrays.values())
    shard, unwritten, took = None, "", seconds * part.share
    if assignment.folder and samples and not part.brings:
        folder, identity = Path(assignment.folder[0]), assignment.folder[1]
        try:
            if store.identity(store.read_about(folder)) != identity:
                raise EvsimError("is of another run here", file=str(folder))
            shard = store.write_arrays(folder, identity, arrays, took).name
        except (OSError, EvsimError) as refused:
            unwritten = str(refused)
        else:
            light = [sample.without_recordings() for sample in samples]
            arrays = arrays_of(light)
    return Outcome(arrays, len(samples), seconds, took, size, error, shard, unwritten)
