"""Talking to workers through a Dask client."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
import uuid
from collections.abc import Iterator

import dask
from distributed import KilledWorker

from evsim.base.errors import EvsimError
from evsim.cluster import worker as remote
from evsim.cluster.workers import PATIENCE, Attempt, Worker
from evsim.engine.simulation import Stopped

SILENCE = 60  # seconds after which a scheduler is taken to have gone
WAIT = 10  # seconds for something to reach a worker, before that is tried again
TURN = 0.1  # seconds to wait for an answer
FETCHES = 4  # results that are fetched at once; the others wait on their workers
LARGE = {"distributed.admin.large-graph-warning-threshold": "1TiB"}  # inputs that travel are meant
GONE = ("cancelled", "lost")


class Raised(Exception):
    """What a function raised on a worker: `error`."""

    def __init__(self, error: BaseException):
        self.error = error
        super().__init__(f"{type(error).__name__}: {' '.join(str(error).split())}"[:300])


class Lost(Exception):
    """An answer that does not come: its worker is gone, or what it was sent."""


class Link:
    """Asks workers for something; `answers` yields what they give, as it comes."""

    def __init__(self, client, stop: threading.Event):
        self.client, self.stop = client, stop
        self.place = getattr(client.scheduler, "address", "") or "the cluster"  # of the scheduler
        self.answered = time.monotonic()  # the scheduler did
        self.arrived: queue.SimpleQueue = queue.SimpleQueue()
        self.waiting: list[Attempt] = []  # whose results are to be fetched
        self.fetching = 0

    def workers(self) -> dict[str, dict] | None:
        """What the scheduler knows of every worker, by address; None where it does not answer now.

        Raises EvsimError if it has gone.
        """
        if self.client.status == "running":
            with contextlib.suppress(OSError, asyncio.TimeoutError, asyncio.CancelledError):
                workers = self.client.scheduler_info()["workers"]
                self.answered = time.monotonic()
                return workers
        if self.closed or time.monotonic() - self.answered > SILENCE:
            raise self.gone
        return None

    @property
    def closed(self) -> bool:
        """Whether nothing can be asked for any more."""
        return self.client.status in ("closing", "closed")

    @property
    def gone(self) -> EvsimError:
        """The error of a scheduler that is not there any more."""
        return EvsimError("the scheduler has gone", file=self.place)

    def scatter(self, name: str, content):
        """Bring something to the cluster, from where each worker that needs it gets it once."""
        name = f"{name}-{uuid.uuid4().hex[:8]}"
        while not self.stop.is_set():
            if self.workers():
                with contextlib.suppress(OSError, asyncio.TimeoutError, asyncio.CancelledError):
                    return self.client.scatter({name: content}, timeout=WAIT)[name]
            time.sleep(TURN)
        raise Stopped

    def ask(self, what: str, worker: Worker, function, *given, part=None, name="") -> Attempt:
        """Let a worker, and no other, call a function."""
        name = name or f"evsim-{what}-{uuid.uuid4().hex}"
        with dask.config.set(LARGE):
            future = self.client.submit(
                function, *given, key=name, workers=[worker.address], pure=False, retries=0
            )
        attempt = Attempt(what, worker, future, name, part)
        future.add_done_callback(lambda _: self.arrived.put((attempt, None)))
        return attempt

    def answers(self) -> Iterator[tuple[Attempt, object]]:
        """(attempt, what it gave, or Raised or Lost) of all that arrive in a while."""
        with contextlib.suppress(queue.Empty):
            attempt, content = self.arrived.get(timeout=TURN)
            while True:
                if content is None:
                    status = attempt.future.status
                    if status == "finished":
                        attempt.ended = True
                        self.waiting.append(attempt)
                    elif status == "error":
                        error = attempt.future.exception()
                        killed = isinstance(error, KilledWorker)  # one that came back, each time
                        yield attempt, Raised(OSError("has gone") if killed else error)
                    else:
                        yield attempt, Lost(status)
                else:
                    self.fetching -= 1
                    if content.cancelled() or content.exception():
                        yield attempt, Lost("it was not fetched")
                    else:
                        yield attempt, content.result()
                self._fetch()
                attempt, content = self.arrived.get_nowait()

    def _fetch(self) -> None:
        while self.waiting and self.fetching < FETCHES:
            attempt = self.waiting.pop(0)
            self.fetching += 1

            async def result(future=attempt.future):
                return await asyncio.wait_for(_awaited(future), PATIENCE)

            attempt.fetch = self._soon(result())
            attempt.fetch.add_done_callback(lambda got, of=attempt: self.arrived.put((of, got)))

    def _soon(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.client.loop.asyncio_loop)

    def halt(self, attempts: list[Attempt]) -> None:
        """Let workers end attempts with what they have; does not wait for it."""
        names: dict[str, list[str]] = {}
        for attempt in attempts:
            names.setdefault(attempt.worker.address, []).append(attempt.name)

        async def ask(address: str):
            with contextlib.suppress(Exception):
                halted = names[address]
                await self.client.run(remote.halt, halted, workers=[address], on_error="ignore")

        for address in names:
            self._soon(ask(address))

    def release(self, attempt: Attempt) -> None:
        """Forget an attempt: its result is not fetched, and the workers may drop it."""
        if attempt.fetch is not None:
            attempt.fetch.cancel()  # from a worker that is gone it would never come
        attempt.future.release()

    def cancel(self, attempts: list[Attempt]) -> None:
        """Take attempts back: workers end those that run and drop those that wait."""
        self.halt(attempts)
        with contextlib.suppress(Exception):
            self.client.cancel([attempt.future for attempt in attempts], force=True)


async def _awaited(future):
    return await future
