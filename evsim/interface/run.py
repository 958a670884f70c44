"""evsim.run: simulate, count, decide."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from evsim.base.errors import EvsimError, mismatch, nearest, shown
from evsim.engine.events import Events
from evsim.engine.plan import MEMORY, Plan
from evsim.engine.queue import Queue
from evsim.engine.sample import Sample
from evsim.engine.settings import RECORDS, settle
from evsim.engine.simulation import Stopped
from evsim.engine.threads import input_of, simulate, warm
from evsim.formats.data import Data, Images, open_data
from evsim.interface._call import called
from evsim.interface._given import (
    Names,
    Path,
    Samples,
    bytes_of,
    is_path,
    labels_of,
    names_of,
    network_of,
    samples_text,
)
from evsim.interface.runs import Run, Source
from evsim.network.network import Network


@called
def run(
    network: Network | Path,
    data: Any,
    *,
    timesteps: int | None = None,
    coding: str | None = None,
    samples: Samples = None,
    labels: Any = None,
    seed: int | None = None,
    first_sample: int | None = None,
    dtype: str = "float32",
    jobs: int | None = None,
    memory: int | str = MEMORY,
    record: Names = (),
    conventions: Names = (),
    window: int | None = None,
    queue: Queue | None = None,
    cluster: Any = None,
    progress: bool = False,
) -> Run:
    """Simulate every sample of data; what `evsim run` does.

    `network`: a Network, or the path of a network file. `data`: the path of data, open data, raw
    images (samples, ...) or Events; `samples`: those to run, such as slice(0, 500) or "0:500".
    `labels`: the classes of the samples, where the data have none. `first_sample`: the index of
    the first sample in its data file, which random numbers depend on; None: that of the data, of
    an array 0. `record`: any of "spikes", "trace", "queues", "ranges". `conventions`: tools whose
    own count is told in the summary. `jobs`: threads (default: cores). `memory` (events per
    thread: bytes, or "512M") and `window` (timesteps) never change a result. `queue`: what becomes
    of events where more arrive in a timestep than it holds; without one queues are endless.
    `cluster`: a Dask client, whose workers run the samples, on at most `jobs` threads each.
    `progress`: show a bar. Ctrl-C ends the run; what it returns then has the finished samples.
    Raises EvsimError.
    """
    for name, value in (("jobs", jobs), ("window", window)):
        if value is not None and (not isinstance(value, int | np.integer) or value < 1):
            raise mismatch(value, "a whole number of at least 1", name)
    memory, recorded = bytes_of(memory), names_of(record)
    for name in recorded:
        if name not in RECORDS:
            raise mismatch(
                repr(name), f"one of {', '.join(RECORDS)}{nearest(name, RECORDS)}", "record"
            )
    tools = _checked_tools(conventions)
    network = network_of(network)
    choices: dict[str, Any] = {"timesteps": timesteps, "coding": coding, "seed": seed}
    choices["dtype"] = dtype
    with _chosen(data, samples, labels, first_sample) as chosen:
        inputs, known, first, source, verify = chosen
        try:
            settings = settle(network, inputs, first_sample=first, **choices)
        except EvsimError as error:
            raise error.within(file=(source.path or "") if error.place == "data" else "") from None
        limits: dict[str, Any] = {
            "memory": memory,
            "record": recorded,
            "span": window,
            "queue": queue,
        }
        plan = Plan(network, settings, **limits)
        found = Run(network, settings, recorded)
        found.source = source
        if known is not None:
            found._labels = _checked_labels(network, known, source)
        _simulated(found, plan, inputs, (jobs, cluster, limits, progress))
        verify()
        if tools:
            from evsim.studies.other_tools import convention, reported

            if found.interrupted or queue is not None:  # another run would not be this one
                found.conventions = [convention(tool, found, inputs) for tool in tools]
            else:
                how: dict[str, Any] = {"jobs": jobs, "memory": memory, "quiet": not progress}
                found.conventions = reported(tools, found, inputs, **how)
    return found


def _checked_tools(given: Names) -> tuple[str, ...]:
    tools = names_of(given)
    if tools:
        from evsim.studies.other_tools import conventions

        for tool in tools:
            try:
                conventions(tool)
            except EvsimError as error:
                raise EvsimError(error.problem, "conventions") from None
    return tools


def _checked_labels(network: Network, labels: np.ndarray, source: Source) -> np.ndarray:
    outputs = network.populations[network.output].neurons
    if labels.size and (labels.min() < 0 or labels.max() >= outputs):
        found = f"labels from {labels.min()} to {labels.max()}"
        expected = f"0 to {outputs - 1}, the neurons of the output population"
        raise mismatch(found, expected, "labels").within(file=source.path or "")
    return labels


@contextlib.contextmanager
def _chosen(data: Any, samples: Samples, labels: Any, first: int | None) -> Iterator[tuple]:
    """The samples that are run: inputs, labels, the first one's index, where they are from, and
    what raises an error where their files have changed."""
    from evsim.studies.job import sample_range

    with contextlib.ExitStack() as stack:
        if is_path(data):
            data = stack.enter_context(open_data(data))
        source, known = Source(), labels
        inputs: Any
        verify: Callable[[], None] = lambda: None  # noqa: E731
        if isinstance(data, Data):
            held = data.path != ""
            source = Source(data.path if held else None, data.origin if held else None)
            verify, inputs = data.verify, data.inputs
            known = data.labels if labels is None else labels
        else:
            inputs = data if isinstance(data, Events | Images) else np.asarray(data)
            if isinstance(inputs, np.ndarray) and inputs.ndim < 2:
                expected = "the path of data, images (samples, ...) or Events"
                raise mismatch(shown(data), expected, "data")
        length = len(inputs)
        if known is not None and labels is not None:
            known = np.asarray(labels)
        if samples is not None:
            some = sample_range(samples_text(samples), length)
            if known is not None and len(known) == length:
                known = known[some]
            inputs = inputs.part(some) if isinstance(inputs, Images) else inputs[some]
        if known is not None:
            known = labels_of(known, len(inputs))
        if first is None:
            own = isinstance(inputs, Events | Images)
            first = inputs.first if own else (some.start if samples is not None else 0)
        yield inputs, known, first, source, verify


def _simulated(found: Run, plan: Plan, inputs: Any, how: tuple) -> None:
    """Add the samples of a run, or those that are finished when Ctrl-C comes."""
    from evsim.base import screen
    from evsim.base.interruption import Interruption
    from evsim.studies.job import announced_compilation, counted, interrupting

    jobs, cluster, limits, progress = how
    settings, stop, count = found.settings, threading.Event(), found.settings.samples
    with announced_compilation(not progress):
        if cluster is None:
            warm(plan, input_of(plan, inputs, settings, 0))
    asked = plan, inputs, settings, jobs, stop
    begin = time.perf_counter()
    with contextlib.suppress(Stopped, Interruption), interrupting(stop):
        if cluster is None:
            arriving: Iterator[Sample] = simulate(*asked)
        else:
            from evsim.cluster import cluster_of

            arriving = cluster_of(cluster).simulate(*asked, limits=limits)
        with counted("samples", count, not progress) as finished:
            if cluster is None:
                for sample in arriving:
                    found.add(sample)
                    finished(1)
            else:
                some = []
                with contextlib.suppress(Stopped):
                    for sample in arriving:
                        some.append(sample)
                        finished(1)
                for sample in sorted(some, key=lambda sample: sample.index):
                    found.add(sample)
    found.seconds = time.perf_counter() - begin
    if stop.is_set() and found.count < count:
        if not found.count:
            raise KeyboardInterrupt(f"interrupted: none of {count} samples was finished")
        found.interrupted = True
        screen.say(f"interrupted: the run holds the {found.count} of {count} samples that are done")
