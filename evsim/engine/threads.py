"""Many samples, each on one of some threads; together where each is little."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from evsim.base.errors import EvsimError
from evsim.base.processors import thread_count
from evsim.engine.plan import Plan
from evsim.engine.sample import Sample
from evsim.engine.settings import Settings, values_of
from evsim.engine.simulation import Simulation, Stopped
from evsim.engine.workspace import Workspace


def warm(plan: Plan, values) -> None:
    """Advance a sample, or two together, by a timestep: compiles, or loads, every kernel it calls.

    Neurons that decide at the end of a window need all timesteps for that.
    """
    with contextlib.suppress(EvsimError):  # the run meets it too, where it is no other sample's
        samples = min(plan.batch, 2)  # how many makes no difference to kernels
        given = range(samples), samples * [values], Workspace(), threading.Event()
        one = Simulation(plan.for_samples(samples), *given)
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


class Finished(NamedTuple):
    """Samples that were run together, and the mistake of the one after them, if it has one."""

    samples: list[Sample]
    error: EvsimError | None = None


def run_together(
    plan: Plan,
    together: Plan,
    indices: Sequence[int],
    values: Sequence,
    workspace: Workspace,
    stop: threading.Event,
) -> Finished:
    """Run as many samples as the plan `together` is for; by the plan for one sample one by one
    where they differ or one has a mistake."""
    if together.samples > 1 and len({plan.coding.signed(value) for value in values}) == 1:
        with contextlib.suppress(EvsimError):  # alone, the sample that has it says so
            return Finished(Simulation(together, indices, values, workspace, stop).run())
    finished = Finished([])
    for index, value in zip(indices, values, strict=True):
        try:
            sample = run_alone(plan, index, value, workspace, stop)
        except EvsimError as error:
            return finished._replace(error=error)
        finished.samples.append(sample)
    return finished


def run_alone(
    plan: Plan, index: int, values, workspace: Workspace, stop: threading.Event
) -> Sample:
    """Run one sample; of all its mistakes the first is raised, whatever is advanced in one go."""
    given = [index], [values], workspace, stop
    try:
        [sample] = Simulation(plan, *given).run()
    except EvsimError:
        stepwise = copy.copy(plan)
        stepwise.span = 1
        Simulation(stepwise, *given).run()
        raise
    return sample


def _measured(sample: Sample, measure: Callable) -> Sample:
    """A sample with what `measure` keeps of it, in place of what was recorded."""
    dropped: dict[str, dict] = {"spikes": {}, "trace": {}, "queues": {}, "arrivals": {}}
    return replace(sample, **dropped, measured=measure(sample))


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

    def some(together: Plan, indices: Sequence[int], values: Sequence) -> Finished:
        workspace = workspaces.setdefault(threading.get_ident(), Workspace())
        finished = run_together(plan, together, indices, values, workspace, stop)
        if measure is not None:
            finished.samples[:] = [_measured(sample, measure) for sample in finished.samples]
        return finished

    samples = range(settings.samples) if samples is None else samples
    jobs = max(1, min(thread_count(jobs), len(samples)))
    rounds = -(-len(samples) // (jobs * plan.batch))  # in which all threads have as much to do
    batch = -(-len(samples) // max(jobs * rounds, 1))
    pending: deque[Future] = deque()
    todo = iter(samples)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while not stop.is_set():
                while len(pending) < 2 * jobs and (places := list(islice(todo, batch))):
                    values = [input_of(plan, inputs, settings, index) for index in places]
                    indices = [settings.first_sample + index for index in places]
                    pending.append(
                        pool.submit(some, plan.for_samples(len(places)), indices, values)
                    )
                if not pending:
                    return
                try:
                    finished = pending[0].result(timeout=0.1)
                except TimeoutError:
                    continue
                pending.popleft()
                yield from finished.samples
                if finished.error is not None:
                    raise finished.error
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
        for future in pending:
            if future.cancelled() or future.exception() is not None:
                break
            finished = future.result()
            yield from finished.samples
            if finished.error is not None:
                break
        raise Stopped
