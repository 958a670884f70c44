"""Samples that are finished are kept in shards, immutable files, so that no kill can lose them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.engine.sample import Sample
from evsim.store import shards
from evsim.store.lock import Lock
from evsim.store.samples import arrays_of, samples_of, size
from evsim.store.shards import Damaged, Shard

ABOUT = "settings.json"
LABELS = "labels"
BYTES = 16 << 20  # of memory that waits to be a shard, unless one sample has more
LEAST, MOST = 0.5, 60.0  # seconds between shards,
SHARE = 0.01  # of the time that a run has taken may be lost, of its time goes to shards
AGAIN = "`overwrite` begins again"


class Store:
    """The finished samples of a run, in a folder that one process writes.

    `about`: what was asked for; a folder is gone on with only if all of it is the same, but for
    paths. `fresh`: what is there goes. `say` is called with what a user should know, line by line.
    Samples may come in any order, but those of a shard follow each other. `done` says of every
    sample from the first one on whether a shard has it; a shard that is damaged is none. Raises
    EvsimError.
    """

    def __init__(self, folder, about: dict, say, labels=None, fresh: bool = False):
        self.folder, self.say = Path(folder), say
        self.about = json.loads(json.dumps(about, default=_plain))
        self.waiting: list[Sample] = []
        self.bytes, self.seconds, self.cost = 0, 0.0, 0.0
        self.interrupted = False  # what is there may be gone on with, be it nothing
        self.verify = lambda: None  # raises an error where samples are of data that have changed
        self.begun = self.written = time.monotonic()
        self.first = about["first_sample"]
        self.done = np.zeros(about["samples"], bool)
        self.labels = labels
        with self._writing():
            self.lock = Lock(self.folder, say)
        try:
            with self._writing():
                self._open(fresh)
            self.lock.tell()
        except BaseException:
            if fresh:
                self.remove()
            self.lock.release()
            raise

    def _open(self, fresh: bool) -> None:
        kept = self.folder / ABOUT
        for path in self.folder.glob(f"*{shards.TEMPORARY}"):
            path.unlink()  # half-written, by a process that is no more
        if fresh:
            self.remove()
        if not kept.exists():  # shards without it are told by their names
            if self.labels is not None:
                shards.write(self.folder, f"{LABELS}.{self.identity}", {LABELS: self.labels})
            shards.write_whole(kept, json.dumps(self.about).encode())
        else:
            check_about(self.folder, self.about)
            self.about = read_about(self.folder)  # with the paths of the beginning
        for path, first, last in self._shards():
            try:
                with Shard(path) as shard:
                    self.seconds += float(shard["seconds"])
            except (Damaged, OSError, ValueError, KeyError):
                self.say(f"{path}: damaged; samples {first} to {last - 1} are computed again")
                path.unlink()
            else:
                self.done[first - self.first : last - self.first] = True

    @contextlib.contextmanager
    def _writing(self):
        """What the system refuses is said in one line."""
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise EvsimError(f"cannot be written: {reason}", file=str(self.folder)) from None

    @property
    def identity(self) -> str:
        """A short text that the names of this run's shards end with, and those of no other run."""
        return identity(self.about)

    def _shards(self) -> list[tuple[Path, int, int]]:
        """(path, first sample, the one after the last) of all shards of this run, in order."""
        return shards_of(self.folder, self.identity)

    again = "the same command goes on with them"

    def begin(self) -> None:
        """Take the time from now on: the simulation begins."""
        self.begun = self.written = time.monotonic()

    def finish(self) -> None:
        """Write what is waiting, as all samples are there."""
        self.flush()

    def append(self, sample: Sample) -> None:
        """Take a finished sample; it is on disk after a while, at the latest with `close`."""
        if self.waiting and sample.index != self.waiting[-1].index + 1:
            self.flush()
        self.waiting.append(sample)
        self.bytes += size(sample)
        now = time.monotonic()
        patience = min(max(LEAST, SHARE * (now - self.begun), self.cost / SHARE), MOST)
        if now - self.written >= patience or self.bytes >= BYTES:
            self.flush()

    def has(self, index: int) -> bool:
        """Whether a shard has the sample `index`."""
        return bool(self.done[index - self.first])

    def adopt(self, arrays: Mapping[str, np.ndarray], seconds: float, written: bool) -> None:
        """Take a shard of samples that were simulated elsewhere: its arrays, as of `arrays_of`.

        `seconds`: the share of the run's time that they took. `written`: another process has
        written the shard into the folder already.
        """
        self.verify()
        self.lock.check()
        if not written:
            with self._writing():
                write_arrays(self.folder, self.identity, arrays, seconds)
        first, last = arrays["samples"][[0, -1]].tolist()
        self.done[first - self.first : last + 1 - self.first] = True
        self.seconds += seconds

    def flush(self) -> None:
        """Write what is waiting: all together, or one by one where the disk is almost full."""
        samples, self.waiting, self.bytes = self.waiting, [], 0
        if not samples:
            return
        begin = time.monotonic()
        self.verify()
        self.lock.check()
        with self._writing():
            try:
                self._write(samples)
            except OSError:
                for sample in samples:
                    self._write([sample])
        self.cost = time.monotonic() - begin

    def _write(self, samples: list[Sample]) -> None:
        now = time.monotonic()
        write(self.folder, self.identity, samples, now - self.written)
        self.seconds += now - self.written
        self.written = now
        first = samples[0].index - self.first
        self.done[first : first + len(samples)] = True

    @property
    def pieces(self) -> list[tuple[Path, int, int]]:
        """What to read of every shard: (path, first sample, the one after the last), in order.

        Each sample is there once, also where two shards have it.
        """
        return pieces_of(self.folder, self.identity)

    def samples(self) -> Iterator[Sample]:
        """All samples that shards have now, in order, without recordings."""
        return self._read(self.pieces)

    def _read(self, pieces) -> Iterator[Sample]:
        for path, first, last in pieces:
            with self._reading(path), Shard(path, checked=False) as shard:
                yield from samples_of(shard, first, last)

    @contextlib.contextmanager
    def _reading(self, path: Path):
        try:
            yield
        except (OSError, Damaged, KeyError, ValueError) as error:
            raise mismatch(f"a damaged shard ({error})", AGAIN).within(file=str(path)) from None

    def close(self) -> None:
        """Write what is waiting and give the folder back, which goes if it is of no use."""
        try:
            self.flush()
        finally:
            if not self.done.any() and not self.interrupted:
                self.remove()
            self.lock.release()

    def remove(self) -> None:
        """Remove all that is in the folder; `close` then removes it."""
        for path in [*self.folder.glob(f"*{shards.SUFFIX}"), self.folder / ABOUT]:
            path.unlink(missing_ok=True)


def identity(about: dict) -> str:
    """A digest of settings, 12 hexadecimal digits; paths in them do not matter."""
    asked = {name: value for name, value in about.items() if not name.endswith("_path")}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]


def write(folder: Path, identity: str, samples: list[Sample], seconds: float) -> Path:
    """Write samples that follow each other as a shard; returns its path, raises OSError.

    `identity`: of their run; `seconds`: how much of its time they took.
    """
    return write_arrays(folder, identity, arrays_of(samples), seconds)


def write_arrays(folder: Path, identity: str, arrays, seconds: float) -> Path:
    """Write a shard of the `arrays` that `arrays_of` made of samples; otherwise as `write`."""
    first, last = arrays["samples"][[0, -1]].tolist()
    name = f"{first:010d}-{last + 1:010d}.{identity}"
    return shards.write(folder, name, arrays | {"seconds": np.array(seconds)})


def pieces_of(folder: Path, identity: str) -> list[tuple[Path, int, int]]:
    """What to read of a run's shards: (path of one, first sample, the one after the last).

    In order, each sample once, also where two shards have it.
    """
    pieces, following = [], 0
    for path, first, last in shards_of(folder, identity):
        if last > following:
            pieces.append((path, max(first, following), last))
            following = last
    return pieces


def shards_of(folder: Path, identity: str) -> list[tuple[Path, int, int]]:
    """The shards of a run in a folder, in order: (path, first sample, the one after the last)."""
    rows = []
    for name, path in shards.listed(folder):
        samples, _, run = name.partition(".")
        first, _, last = samples.partition("-")
        if run == identity and first.isdecimal() and last.isdecimal():
            rows.append((path, int(first), int(last)))
    return sorted(rows, key=lambda row: row[1:])


def read_about(folder: Path) -> dict:
    """The settings of the run whose samples are in a folder; EvsimError if they are damaged."""
    try:
        about = json.loads((folder / ABOUT).read_text())
    except OSError as error:
        raise EvsimError(f"cannot be read: {error.strerror}", file=str(folder / ABOUT)) from None
    except (ValueError, RecursionError):
        about = None
    if not isinstance(about, dict):
        expected = f"the settings of a run ({AGAIN})"
        raise mismatch("other content", expected).within(file=str(folder / ABOUT))
    return about


def check_about(folder: Path, about: dict) -> None:
    """Raise EvsimError unless a folder is of a run with these settings; paths may differ."""
    stored = read_about(folder)
    for name, value in about.items():
        if stored.get(name) != value and not name.endswith("_path"):
            expected = f"{value!r}, as this run has ({AGAIN})"
            raise mismatch(repr(stored.get(name)), expected, name).within(file=str(folder))


def readable_pieces(folder: Path) -> tuple[list[tuple[Path, int, int]], dict]:
    """The pieces of the run whose samples are in a folder, and its labels, whoever writes there."""
    name_of_run = identity(read_about(folder))
    labels = {}
    for name, path in shards.listed(folder):
        if name == f"{LABELS}.{name_of_run}":
            with contextlib.suppress(Damaged), Shard(path) as shard:
                labels[LABELS] = shard[LABELS]
    return pieces_of(folder, name_of_run), labels


def _plain(value):
    """What NumPy has of a number, as JSON takes it."""
    return value.tolist()
