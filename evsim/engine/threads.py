"""Many samples, each on one of some threads."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from dataclasses import replace

from evsim.base.errors import EvsimError
from evsim.base.processors import thread_count
from evsim.engine.plan import Plan
from evsim.engine.sample import Sample
from evsim.engine.settings import Settings, values_of
from evsim.engine.simulation import Simulation, Stopped
from evsim.engine.workspace import Workspace


def warm(plan: Plan, values) -> None:
    """Advance one sample by a timestep: compiles, or loads, every kernel it calls.

    Neurons that decide at the end of a window need all timesteps for that.
    """
    with contextlib.suppress(EvsimError):  # the run meets it too, where it is no other sample's
        one = Simulation(plan, 0, values, Workspace(), threading.Event())
        schedule = plan.network.schedule
        whole = plan.starts or (schedule and schedule.timesteps)
        one.advance_all(plan.timesteps if whole else 1)


def input_of(plan: Plan, inputs, settings: Settings, index: int):
    """What is coded of one sample; an error names it."""
    name, sample = plan.network.input, settings.first_sample + index
    try:
        return values_of(plan.network.populations[name], inputs, index, plan.dtype)
    except EvsimError as error:
        place = error.place or f"populations/{name}"
        if "sample" not in place:
            place = f"{place}, sample {sample}"
        raise EvsimError(error.problem, place, error.file) from None


def simulate(
    plan: Plan,
    inputs,
    settings: Settings,
    jobs: int | None,
    stop: threading.Event,
    samples: Sequence[int] | None = None,
    measure: Callable | None = None,
) -> Iterator[Sample]:
    """Run samples (None: all; else by place in `inputs`) on `jobs` threads, yield them in order.

    Where there is `measure`, it sees a sample with what was recorded, which is then dropped; what
    it returns is in `measured`. When `stop` is set, what is finished is still yielded, then
    Stopped is raised.
    """
    workspaces: dict[int, Workspace] = {}

    def one(index: int, values) -> Sample:
        workspace = workspaces.setdefault(threading.get_ident(), Workspace())
        try:
            sample = Simulation(plan, index, values, workspace, stop).run()
        except EvsimError:  # of all mistakes the first, whatever was advanced in one go
            stepwise = copy.copy(plan)
            stepwise.span = 1
            Simulation(stepwise, index, values, workspace, stop).run()
            raise
        if measure is not None:
            measured = measure(sample)
            kept = {"spikes": {}, "trace": {}, "queues": {}, "arrivals": {}, "measured": measured}
            sample = replace(sample, **kept)
        return sample

    samples = range(settings.samples) if samples is None else samples
    jobs = max(1, min(thread_count(jobs), len(samples)))
    pending: deque[Future] = deque()
    todo = iter(samples)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while not stop.is_set():
                while len(pending) < 2 * jobs and (index := next(todo, None)) is not None:
                    values = input_of(plan, inputs, settings, index)
                    pending.append(pool.submit(one, settings.first_sample + index, values))
                if not pending:
                    return
                try:
                    sample = pending[0].result(timeout=0.1)
                except TimeoutError:
                    continue
                pending.popleft()
                yield sample
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
        for future in pending:
            if future.cancelled() or future.exception() is not None:
                break
            yield future.result()
        raise Stopped
