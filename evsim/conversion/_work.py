"""How a calibration works: on how many threads, what it keeps, and how it is stopped."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from evsim.base.processors import thread_count
from evsim.engine.simulation import Stopped
from evsim.store.stages import Held


@dataclass(frozen=True)
class Work:
    """The threads (None: as many as cores), where what is finished is kept, and who is told.

    `progress` is called with what is done and in all; once `stop` is set, Stopped is raised soon.
    """

    jobs: int | None = None
    progress: Callable[[int, int], None] = lambda done, total: None
    kept: Held = field(default_factory=Held)
    stop: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(cls, jobs: int | None, **given) -> Work:
        """Work on so many threads (None: cores); fields given as None keep their defaults."""
        return cls(jobs, **{name: value for name, value in given.items() if value is not None})

    def check(self) -> None:
        """Raise Stopped if the work was asked to stop."""
        if self.stop.is_set():
            raise Stopped

    def each(self, action: Callable, things: Sequence, told=lambda done: None) -> Iterator:
        """action(thing) of all things, in order, computed on the threads, not many of them ahead.

        `told` is called with how many are done.
        """

        def one(thing):
            self.check()
            return action(thing)

        jobs = max(1, min(thread_count(self.jobs), len(things)))
        with ThreadPoolExecutor(jobs) as pool:
            try:
                ahead, todo = deque(), iter(things)
                for done in range(1, len(things) + 1):
                    ahead += [pool.submit(one, t) for t in islice(todo, 2 * jobs - len(ahead))]
                    yield ahead.popleft().result()
                    told(done)
            finally:
                pool.shutdown(cancel_futures=True)
