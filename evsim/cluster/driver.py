"""A run on a cluster: slices go to workers, finished samples come back.

The client decides which worker takes which slice: it knows how fast each is, so it notices who
hangs, and what is late is begun once more elsewhere. Every sample is the same wherever it is run,
so of several outcomes of a slice the first is taken.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from evsim.base.errors import EvsimError
from evsim.cluster import worker as remote
from evsim.cluster.inputs import held
from evsim.cluster.link import GONE, Link, Lost, Raised
from evsim.cluster.slices import DEATHS, Slice, Slices, fitting
from evsim.cluster.worker import Assignment, Outcome, Part, Source
from evsim.cluster.workers import GREETING, PREPARING, READY, REFUSED, SLICE, Attempt, Worker
from evsim.engine.plan import Plan
from evsim.engine.sample import Sample
from evsim.engine.settings import Settings
from evsim.engine.simulation import Stopped
from evsim.engine.threads import input_of
from evsim.store.samples import size

LOOK = 0.5  # seconds between looks at who is there, and
LOOK_EACH = 0.005  # more for every worker
AHEAD = 256 << 20  # bytes of samples that may be waiting for an earlier one
GRACE = 3.0  # seconds for workers to hand over what they have, after Ctrl-C
ALONE = 10.0  # seconds without a worker, after which that is said
NETWORKS = 2  # that stay on the workers


class Driver:
    """One run on a cluster; `samples` yields what `threads.simulate` does, as slices arrive.

    `limits`: of the plan, memory, record, queue and window. `data`: the path of the inputs' file,
    if there is one; workers that have the same file read it. `store`: gets what arrives before it
    is yielded; where the cluster's workers write its shards, samples come without recordings. `say`
    takes a line for the user. Raises EvsimError, and Stopped when `stop` was set.
    """

    def __init__(
        self,
        cluster,
        plan: Plan,
        inputs,
        settings: Settings,
        jobs: int | None,
        stop: threading.Event,
        todo: Sequence[int] | None = None,
        measure: Callable | None = None,
        *,
        limits: dict,
        data: str | None = None,
        store=None,
        say: Callable[[str], None] = lambda line: None,
    ):
        self.cluster, self.link, self.plan = cluster, Link(cluster.client, stop), plan
        self.inputs, self.settings, self.stop = inputs, settings, stop
        self.say = say
        self.store = store
        todo = range(settings.samples) if todo is None else todo
        self.sample = todo[0] if len(todo) else None  # with which workers make themselves ready
        self.slices = Slices(todo)
        self.workers: dict[str, Worker] = {}
        self.looked, self.met, self.alone = float("-inf"), time.monotonic(), False
        self.error: BaseException | None = None
        self.refused: EvsimError | None = None  # the last worker that was, and why
        self.early: list[tuple[int, int]] = []  # (place, bytes) of samples beyond the frontier
        self.bytes = self.input_bytes = 0.0  # of a sample, and of its input
        self.versions = remote.greeting()
        source = None if data is None else Source.of(data, settings)
        writes = store and cluster.writes
        folder = (os.path.abspath(store.folder), store.identity) if writes else None
        about = uuid.uuid4().hex, settings, limits, jobs, measure, source, folder
        self.assignment = Assignment(*about)
        self.travelled: tuple | None = None  # network and assignment, on the cluster

    def samples(self) -> Iterator[Sample]:
        """Finished samples as they arrive; those of one slice are in order."""
        try:
            while not self.slices.finished and not self.stop.is_set():
                self._look()
                self._hand_out()
                yield from self._arriving()
            if self.stop.is_set():
                self.link.halt(self._attempts())
                end = time.monotonic() + GRACE
                while self._attempts() and time.monotonic() < end:
                    yield from self._arriving()
                raise Stopped
            if self.error is not None:
                raise self.error
        except Exception as error:
            if self.link.closed and not isinstance(error, EvsimError | Stopped):
                raise self.link.gone from None
            raise
        finally:
            self.link.cancel(self._attempts())

    def _attempts(self) -> list[Attempt]:
        return [attempt for worker in self.workers.values() for attempt in worker.attempts]

    # Who is there

    def _look(self) -> None:
        """See which workers have come, have gone or hang."""
        now = time.monotonic()
        if now - self.looked < LOOK + LOOK_EACH * len(self.workers):
            return
        self.looked, present = now, self.link.workers()
        if present is None:
            return
        for address in [address for address in self.workers if address not in present]:
            self._gone(self.workers.pop(address))
        for address, facts in present.items():
            if address not in self.workers:
                worker = self.workers[address] = Worker(address, facts["nthreads"])
                self.link.ask(GREETING, worker, remote.greeting)
        if any(worker.state in (PREPARING, READY) for worker in self.workers.values()):
            self.met, self.alone = now, False
        elif now - self.met > ALONE:
            if self.workers and all(w.state == REFUSED for w in self.workers.values()):
                raise self.refused
            if not self.alone:
                self.say(f"{self.link.place} has no worker that answers; waiting for one")
            self.alone = True
        pace = self.pace
        for worker in self.workers.values():
            if not worker.hangs and worker.overdue(pace):
                worker.hangs = True
                self.say(f"{worker.address} is silent; what it has begun is begun again elsewhere")
                for attempt in worker.attempts:
                    self.slices.repeat(attempt.part)
        self._tell()

    def _gone(self, worker: Worker) -> None:
        """A worker has gone: its slices begin again elsewhere."""
        for attempt in list(worker.attempts):
            self._drop(attempt)
            if not attempt.ended:  # which of them it ran is not known for sure
                self._died(attempt.part, f"worker {worker.address} has gone")
            self._again(attempt.part)

    def _died(self, part: Slice, reason: str, error: BaseException | None = None) -> None:
        """A worker has failed at a slice; after some the slice is taken to be the reason."""
        if part.done:
            return
        part.deaths += 1
        if part.deaths < DEATHS:
            self.say(f"{reason}; {self._named(part)} begin again elsewhere")
        elif error is not None and not isinstance(error, OSError | MemoryError):
            self._fail(part.first, error)  # ours
        else:
            problem = f"{DEATHS} workers failed as they ran them, the last: {reason}"
            self._fail(part.first, EvsimError(problem, self._named(part)))

    def _named(self, part: Slice) -> str:
        first = self.settings.first_sample
        return f"samples {first + part.first} to {first + part.last - 1}"

    @property
    def pace(self) -> float | None:
        """Seconds a sample of one thread, the median of all workers; None before the first."""
        known = [w.pace * w.threads for w in self.workers.values() if w.pace is not None]
        return median(known) if known else None

    def _tell(self) -> None:
        states = [worker.state for worker in self.workers.values()]
        ready, coming = states.count(READY), states.count(GREETING) + states.count(PREPARING)
        text = f"{ready} worker{'' if ready == 1 else 's'}"
        self.cluster.state = f"{text}, {coming} getting ready" if coming else text

    # What they are asked for

    def _sent(self) -> tuple:
        """The network and the assignment on the cluster, from where every worker gets them."""
        if self.travelled is None or any(
            assignment.status in GONE for assignment in self.travelled
        ):
            networks, digest = self.cluster.networks, self.plan.network.digest
            network = networks.pop(digest, None)
            if network is None or network.status in GONE:
                network = self.link.scatter(f"evsim-network-{digest}", self.plan.network)
            networks[digest] = network
            while len(networks) > NETWORKS:
                del networks[next(iter(networks))]
            assignment = self.link.scatter(f"evsim-run-{self.assignment.name}", self.assignment)
            self.travelled = network, assignment
        return self.travelled

    def _prepare(self, worker: Worker) -> None:
        """Let a worker make itself ready."""
        worker.state, values = PREPARING, None
        with contextlib.suppress(EvsimError):  # it is found again in its turn
            values = input_of(self.plan, self.inputs, self.settings, self.sample)
        self.link.ask(PREPARING, worker, remote.prepare, *self._sent(), values)

    def _hand_out(self) -> None:
        """Give slices to workers that have room for them, first to those that have none."""
        new = sum(waiting for _, waiting in self.early) < AHEAD
        ready = sum(worker.state == READY for worker in self.workers.values())
        for worker in sorted(self.workers.values(), key=lambda worker: len(worker.attempts)):
            if worker.free:
                travels = self.bytes + (0 if worker.reads else self.input_bytes)
                left = self.slices.left
                count = fitting(worker.threads, worker.pace, worker.last, left, ready, travels)
                alone = not worker.attempts
                part = self.slices.next(count, new, alone) or (
                    self._late(worker) if alone else None
                )
                if part is not None:
                    self._give(worker, part)

    def _give(self, worker: Worker, part: Slice) -> None:
        """Ask a worker for a slice; one with an input that cannot be read ends before it."""
        inputs = None
        if not worker.reads:
            ends = part.first, part.last
            inputs, size, error = held(self.plan, self.inputs, self.settings, *ends)
            if error is not None:
                part.last = part.first + len(inputs)
                self._fail(part.last, error)
            if part.done:
                return
            self.input_bytes = size / len(part)
        name = f"evsim-{self._named(part).replace(' ', '-')}-{uuid.uuid4().hex}"
        ready = sum(other.state == READY for other in self.workers.values())
        asked = Part(name, part.first, len(part), 1 / ready, inputs, part.brings)
        given = *self._sent(), asked, worker.threads
        attempt = self.link.ask(SLICE, worker, remote.work, *given, part=part, name=name)
        worker.attempts.append(attempt)
        part.attempts.append(attempt)

    def _late(self, worker: Worker) -> Slice | None:
        """A slice that an idle worker would be done with before the one that has it."""
        pace, late = self.pace, []
        for part in self.slices.open:
            if len(part.attempts) == 1 and not part.attempts[0].ended:
                [other] = part.attempts
                left = other.worker.ends_in(other, pace)
                here = worker.expected(len(part), pace)
                if left is not None and here is not None and left > here:
                    late.append((left - here, part))
        return max(late, key=lambda row: row[0])[1] if late else None

    # What they answer

    def _arriving(self) -> Iterator[Sample]:
        """The samples that arrive in a while."""
        for attempt, answer in self.link.answers():
            if attempt.what == SLICE:
                yield from self._slice_ended(attempt, answer)
            elif self.workers.get(attempt.worker.address) is attempt.worker:
                self._greeted(attempt, answer)
                self._tell()

    def _greeted(self, attempt: Attempt, answer) -> None:
        """A worker has greeted, or is ready."""
        worker = attempt.worker
        if isinstance(answer, Lost):  # what it was sent is lost; a worker that is gone is seen soon
            worker.state = GREETING
            self.link.ask(GREETING, worker, remote.greeting)
        elif isinstance(answer, Raised):
            expected = attempt.what == GREETING or isinstance(answer.error, OSError | MemoryError)
            if not expected:
                raise answer.error
            self._refuse(worker, str(answer))
        elif attempt.what == PREPARING:
            worker.state, worker.reads = READY, answer
        else:
            other = [name for name, ours in self.versions.items() if answer.get(name) != ours]
            if other:
                ours, theirs = self.versions[other[0]], answer.get(other[0])
                self._refuse(worker, f"{other[0]} {theirs}, expected {ours} as here")
            else:
                self._prepare(worker)

    def _refuse(self, worker: Worker, reason: str) -> None:
        worker.state = REFUSED
        self.refused = EvsimError(f"refused as a worker: {reason}", file=worker.address)
        self.say(str(self.refused))

    def _slice_ended(self, attempt: Attempt, outcome) -> Iterator[Sample]:
        """A slice has its outcome, or has to be begun again."""
        worker, part = attempt.worker, attempt.part
        if attempt not in worker.attempts:
            return  # it was given up
        self._drop(attempt)
        worker.hangs = False
        if isinstance(outcome, Raised):
            self._died(part, f"worker {worker.address}: {outcome}", outcome.error)
        if isinstance(outcome, Raised | Lost) or part.done:
            self._again(part)
            return
        if outcome.count:
            worker.pace, worker.last = outcome.seconds / outcome.count, outcome.count
            self.bytes = outcome.size / outcome.count
        whole = outcome.count == len(part) or outcome.error is not None or self.stop.is_set()
        if not whole or not self._is_seen(worker, outcome):
            part.brings = part.brings or whole
            self._again(part)
            return
        if outcome.error is not None:
            self._fail(part.first + outcome.count, outcome.error)
        if not part.done:
            self.slices.finish(part)
        self._give_up(part)
        yield from self._taken(outcome, part)

    def _is_seen(self, worker: Worker, outcome: Outcome) -> bool:
        """Whether the shard that a worker wrote is there for the client, too."""
        if outcome.unwritten:
            self.say(
                f"{worker.address} writes no shard, its samples come here: {outcome.unwritten}"
            )
        if outcome.shard and not (self.store.folder / outcome.shard).exists():
            self.say(f"{worker.address} wrote a shard that is not seen here")
            return False
        return True

    def _taken(self, outcome: Outcome, part: Slice) -> Iterator[Sample]:
        """The samples of an outcome, which are in the store by then."""
        if not outcome.count:
            return
        samples = outcome.samples
        if self.store:
            self.store.adopt(outcome.arrays, outcome.took, outcome.shard is not None)
        bytes_held = size(samples[0].without_recordings()) * len(samples)
        frontier = part.last if self.slices.finished else self.slices.frontier
        self.early = [(p, n) for p, n in [*self.early, (part.first, bytes_held)] if p > frontier]
        yield from samples

    def _fail(self, place: int, error: BaseException) -> None:
        """A mistake at a place: what is before it is done, what is after it is not wanted."""
        if self.slices.limit is None or place < self.slices.limit:
            self.error = error
            for part in self.slices.stop_at(place):
                self._give_up(part)

    def _again(self, part: Slice) -> None:
        """A slice is to be begun again, unless another worker has it."""
        if not part.attempts:
            self.slices.repeat(part)

    def _give_up(self, part: Slice) -> None:
        """End all attempts at a slice; one of a worker that hangs stays, as a sign of life."""
        if part.attempts:
            self.link.halt(part.attempts)
        for attempt in list(part.attempts):
            if not attempt.worker.hangs:
                self._drop(attempt)

    def _drop(self, attempt: Attempt) -> None:
        """Forget an attempt."""
        of_worker = attempt.worker.attempts
        first = of_worker and of_worker[0] is attempt
        for attempts in (of_worker, attempt.part.attempts):
            if attempt in attempts:
                attempts.remove(attempt)
        if first and of_worker:
            of_worker[0].since = time.monotonic()
        self.link.release(attempt)
