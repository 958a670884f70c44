"""One run of a command: settings, progress, interruption, and what is printed of it."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import numpy as np

from evsim.base import screen
from evsim.base.errors import EvsimError, Parameter, mismatch
from evsim.base.interruption import Handling
from evsim.cluster import cluster_of
from evsim.engine.plan import Plan
from evsim.engine.settings import settle
from evsim.engine.simulation import Stopped
from evsim.engine.threads import input_of, simulate, warm
from evsim.engine.totals import Totals
from evsim.formats.result import header_of
from evsim.store import Store, identity
from evsim.store.result import ResultStore
from evsim.studies.summary import latency, summary


class Interrupted(Exception):
    """A run that Ctrl-C or SIGTERM ended; its text says what is kept."""


def byte_count(text: str) -> int:
    """The number of bytes that a text such as 512M or 2G means; EvsimError for another."""
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
    digits = text.upper().removesuffix("B")
    unit = units.get(digits[-1:], 1)
    digits = digits[:-1] if unit > 1 else digits
    if not digits.isdecimal() or not int(digits):
        raise mismatch(repr(text), "a number of bytes such as 512M or 2G", Parameter("memory"))
    return int(digits) * unit


def sample_range(text: str | None, length: int) -> slice:
    """The samples that a text a:b means of `length`, as a slice; None stands for all.

    Past the end is clipped; raises EvsimError where none is left, or the text is no range.
    """
    if text is None:
        return slice(0, length)
    first, colon, last = text.partition(":")
    if not colon or not all(end == "" or end.isdecimal() for end in (first, last)):
        raise mismatch(repr(text), "a range such as 0:100, 100: or :100", Parameter("samples"))
    start, stop = int(first or 0), min(int(last or length), length)
    if start >= stop:
        raise mismatch(
            repr(text), f"a range that is not empty, within {length}", Parameter("samples")
        )
    return slice(start, stop)


class Job:
    """One run of a command: what is run, and what is said of it.

    `shortened`: the beginning of a longer run, so that later events are left out without a word.
    """

    def __init__(
        self, network, data, *, samples=None, record=(), queue=None, shortened=False, **choices
    ):
        self.network, self.data = network, data
        self.queue, self.shortened = queue, shortened
        some = sample_range(samples, data.samples)
        if data.images is None:
            self.inputs = data.events[some]
        else:
            self.inputs = data.images.part(some)
        try:
            settings = settle(network, self.inputs, first_sample=some.start, **choices)
        except EvsimError as error:
            raise self._settled(error, choices) from None
        self.settings = settings
        self.labels = None if data.labels is None else self._labels(some)
        self.run = Totals(network, settings, record, self.labels)

    def _settled(self, error: EvsimError, choices: dict) -> EvsimError:
        """An error of a setting, with where the setting comes from."""
        if error.place == "data":
            place = "/events/shape" if self.data.images is None else "/images"
            return EvsimError(error.problem, place, self.data.path)
        if choices.get(error.place) is not None:
            return EvsimError(error.problem, Parameter(error.place))
        return EvsimError(error.problem, f"/{error.place}", self.network.path)

    def _labels(self, some: slice):
        labels = self.data.labels[some]
        outputs = self.network.populations[self.network.output].neurons
        if labels.min() < 0 or labels.max() >= outputs:
            found = f"labels from {labels.min()} to {labels.max()}"
            expected = f"0 to {outputs - 1}, the neurons of the output population"
            raise EvsimError(f"found {found}, expected {expected}", "/labels", self.data.path)
        return labels

    def result_store(self, out, overwrite: bool, resume: bool, quiet=False) -> ResultStore:
        """Where the samples go on their way to the result file `out`."""
        paths = {"data_path": self.data.path, "data_sha256": self._hashed()}
        say = silent if quiet else screen.say
        store = ResultStore(out, self.run, paths, say, self.labels, overwrite, resume)
        store.verify = self.data.verify
        return store

    def folder_store(self, folder: Path, quiet=False, **more) -> Store:
        """Where the samples stay, so that the same job goes on with them; `more` is part of it."""
        about = header_of(self.run, self.network, self.data.path, self._hashed())
        about["network_sha256"] = self.network.digest
        about |= {"queue": repr(self.queue), **more}
        folder.mkdir(exist_ok=True)
        store = Store(folder / identity(about), about, silent if quiet else screen.say)
        store.verify = self.data.verify
        return store

    def _hashed(self) -> str:
        """The SHA-256 of the data, which takes as long as reading all of it."""
        with screen.waiting(f"hashing {self.data.path}"):
            return self.data.sha256

    def simulate(
        self, jobs, memory, *, quiet=False, observer=None, store=None, cluster=None
    ) -> None:
        """Run all samples with a progress bar; what is finished is in the `store`, if there is one.

        With a `cluster` (or a Dask client) its workers do it, on at most `jobs` threads each.

        An `observer` takes every sample in order. Before, its method `measure`, where it has one,
        sees what was recorded, and the arrays that it gives, by name, are what is kept of that.
        """
        stop = threading.Event()
        with contextlib.closing(store) if store else contextlib.nullcontext(), interrupting(stop):
            self._say_what_is_left_out()
            with self._located():
                limits = {"memory": memory, "queue": self.queue}
                limits["scratch"] = store and store.folder
                with screen.waiting("preparing the network"):
                    plan = Plan(self.network, self.settings, record=self.run.record, **limits)
                done = np.zeros(self.settings.samples, bool) if store is None else store.done.copy()
                todo = np.flatnonzero(~done).tolist()
                cluster = cluster and cluster_of(cluster)
                if todo and (cluster is None or cluster.local):
                    values = input_of(plan, self.inputs, self.settings, todo[0])
                    with screen.waiting("loading kernels"), announced_compilation(quiet):
                        warm(plan, values)
            begin = time.perf_counter()
            if store:
                store.begin()
            measure = getattr(observer, "measure", None)
            asked = plan, self.inputs, self.settings, jobs, stop, todo, measure
            if cluster is None:
                what, found = "samples", simulate(*asked)
            else:
                limits |= {"record": self.run.record, "scratch": None}  # a folder here, not there
                say = silent if quiet else screen.say
                own = {"data": self.data.path, "store": store, "say": say}
                what, found = cluster, cluster.simulate(*asked, limits=limits, **own)
            counts = self.settings.samples, int(done.sum())
            shown = progress(found, *counts, quiet, store, what)
            try:
                with self._located(), contextlib.closing(found), contextlib.closing(shown):
                    for sample in in_order(self.settings.first_sample, done, store, shown):
                        self.run.add(sample)
                        if observer:
                            observer.take(sample)
            except Stopped:
                raise Interrupted(self._left(store)) from None
            self.run.seconds = time.perf_counter() - begin
            with screen.waiting(f"checking that {self.data.path} is unchanged"):
                self.data.verify()
            if store:
                with screen.waiting("writing the result"):
                    store.finish()
                self.run.seconds = store.seconds

    @contextlib.contextmanager
    def _located(self):
        """Errors inside name their file: the data's images, or else the network."""
        try:
            yield
        except EvsimError as error:
            at_data = error.place.startswith(("/images", "/events"))
            raise error.within(file=(self.data if at_data else self.network).path) from None

    def _left(self, store) -> str:
        if store is None:
            return f"interrupted: {self.run.count} of {self.settings.samples} samples were finished"
        store.interrupted = True
        store.flush()
        done = f"{int(store.done.sum())} of {self.settings.samples} samples"
        return f"interrupted: {done} are in {store.folder}, {store.again}"

    def _say_what_is_left_out(self) -> None:
        if self.data.images is None and not self.shortened:
            late = self.inputs.at_or_after(self.settings.timesteps)
            if late:
                text = f"{late} events at or after timestep {self.settings.timesteps}"
                screen.say(f"{text} are not simulated")

    @property
    def latency(self) -> dict[str, int]:
        """How many timesteps a sample takes, and after how many the next may follow it."""
        return latency(self.run)

    def summary(self, machine: dict) -> dict:
        """What the command `run` prints as JSON."""
        return summary(self.run, self.data, machine)


def interrupting(stop: threading.Event):
    """A context in which Ctrl-C and SIGTERM set `stop`, so that nothing is left half-written."""
    return Handling(stop.set)


def silent(line: str) -> None:
    """Say nothing of a line."""


def progress(finished, total: int, done: int, quiet: bool, store=None, what="samples"):
    """The finished samples, which `store` takes, with a bar of rate and time left on a terminal."""
    with counted(what, total, quiet, done) as count:
        for sample in finished:
            if store and not store.has(sample.index):
                store.append(sample)
            yield sample
            count(1)


def in_order(first: int, done: np.ndarray, store, arriving):
    """All samples from index `first` on: from the store where `done`, else as they arrive."""
    kept, held = store and store.samples(), {}
    for index, stored in enumerate(done, first):
        if stored:
            yield next(kept)
            continue
        while index not in held:
            sample = next(arriving)
            held[sample.index] = sample if sample.index == index else sample.without_recordings()
        yield held.pop(index)
    for _ in arriving:
        raise AssertionError("a sample more than was asked for")


@contextlib.contextmanager
def counted(what, total: int, quiet: bool, done: int = 0):
    """A function to call with how many more are finished; a bar shows them on a terminal."""
    with screen.bar(what, quiet, done) as show:

        def count(more: int) -> None:
            nonlocal done
            done += more
            show(done, total)

        show(done, total)
        yield count


@contextlib.contextmanager
def announced_compilation(quiet: bool):
    """Say on standard error that kernels are compiled, while they are; cached ones are not.

    As `announcer.said` are, and all of which `announcer.hear` is called.
    """
    from numba.core import event

    class Announcer(event.Listener):
        said = 0

        def hear(self):
            self.said += 1
            if self.said == 1 and not quiet:
                screen.say("compiling kernels, once for this machine ...", whole=False)

        def on_start(self, happening):
            self.hear()

        def on_end(self, happening):
            pass

    announcer = Announcer()
    begin = time.perf_counter()
    with event.install_listener("numba:compile", announcer):
        yield announcer
    if announcer.said and not quiet:
        screen.add(f" done in {time.perf_counter() - begin:.1f} s")
