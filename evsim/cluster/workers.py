"""The workers of a cluster, as the client sees them, and what is on its way to them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from evsim.cluster.slices import Slice

SLOTS = 2  # slices that a worker has: one that it runs, one that waits for it
PATIENCE = 60.0  # seconds at least, and
TIMES = 4.0  # times what is expected, after which a worker that is silent is taken to hang
LATE = 1.5  # times what is expected, after which nobody knows when it ends

GREETING, PREPARING, READY, REFUSED = "greeting", "preparing", "ready", "refused"
SLICE = "slice"


@dataclass(eq=False)
class Worker:
    """A worker: its state, its speed, its slices."""

    address: str
    threads: int
    state: str = GREETING
    reads: bool = False  # whether it has the data file
    hangs: bool = False
    pace: float | None = None  # seconds a sample
    last: int = 1  # samples of its last slice
    attempts: list[Attempt] = field(default_factory=list)  # of slices, the one that runs first

    @property
    def free(self) -> bool:
        """Whether it takes another slice; one of which workers may have died is run alone."""
        room = 1 if any(attempt.part.deaths for attempt in self.attempts) else SLOTS
        return self.state == READY and not self.hangs and len(self.attempts) < room

    def expected(self, count: int, pace: float | None) -> float | None:
        """Seconds that so many samples take; `pace`: of a sample on a thread anywhere."""
        if self.pace is not None:
            return count * self.pace
        return None if pace is None else count * pace / self.threads

    def overdue(self, pace: float | None) -> bool:
        """Whether what it runs has taken several times as long as expected."""
        if not self.attempts or self.attempts[0].ended:
            return False
        first = self.attempts[0]
        expected = self.expected(len(first.part), pace)
        late = time.monotonic() - first.since
        return expected is not None and late > max(PATIENCE, TIMES * expected)

    def ends_in(self, attempt: Attempt, pace: float | None) -> float | None:
        """Seconds until it should be done with one of its slices; None: not known."""
        left = 0.0
        for waiting in self.attempts:
            expected = self.expected(len(waiting.part), pace)
            if expected is None:
                return None
            if waiting is self.attempts[0]:
                gone = time.monotonic() - waiting.since
                left = max(expected - gone, 0.0) if gone < LATE * expected else float("inf")
            else:
                left += expected
            if waiting is attempt:
                break
        return left


@dataclass(eq=False)
class Attempt:
    """Something that a worker was asked for: its greeting, its preparation or a slice."""

    what: str
    worker: Worker
    future: object
    name: str
    part: Slice | None = None
    since: float = field(default_factory=time.monotonic)  # it runs, or waits to
    ended: bool = False  # the result is there, or
    fetch: object | None = None  # on its way
