"""A run as tables."""

from __future__ import annotations

from pathlib import Path

from evsim.base.screen import Output
from evsim.counting.widths import sums_of
from evsim.reports import tables
from evsim.studies.job import Job


def show(out: Output, job: Job, machine: dict) -> None:
    """Print the run as tables."""
    run, settings = job.run, job.settings
    samples, network = run.count, job.network
    name = network.name or Path(network.path).stem
    rate = samples / run.seconds if run.seconds else 0
    out.print(
        f"{name}: {samples} samples, {settings.timesteps} timesteps, coding {settings.coding}, "
        f"{network.synapse_count:,} synapses, {run.seconds:.2f} s ({rate:,.0f} samples/s)"
    )
    _show_windows(job, out)
    if job.labels is not None:
        right = int((run.predictions == job.labels).sum())
        accuracy, ann = run.accuracy, network.ann_accuracy
        beside = "" if ann is None else f", the artificial network {tables.percent(ann)}"
        out.print(f"accuracy {tables.percent(accuracy)} ({right} of {samples}){beside}")
        out.print(tables.accuracy_table(run.accuracy_by_timestep, ann))
    counts = run.counts(**machine)
    if run.ranges:
        out.print(tables.width_table(sums_of(run)))
    rows = network.order, run.parts, run.work, counts, samples, settings.timesteps
    out.print(tables.layer_table(*rows))
    out.print(tables.total_table(counts, samples, network.synapse_count))


def _show_windows(job: Job, out: Output) -> None:
    """Print what only networks of switch events have."""
    schedule, work = job.network.schedule, job.run.work
    if schedule is not None and schedule.timesteps:
        windows = f"windows of {schedule.window}"
        if schedule.period == schedule.window:
            windows = f"{schedule.timesteps // schedule.window} {windows}"
        out.print(
            f"latency {schedule.timesteps} timesteps ({windows}); pipelined, a sample every "
            f"{schedule.period}"
        )
    for fact, text in (
        ("clipped", "inputs beyond [-1, 1], clipped"),
        ("near", "durations next to another one: rounding errors may decide"),
    ):
        count = sum(int(facts[fact].sum()) for facts in work.values() if fact in facts)
        if count:
            out.print(f"{count:,} {text}")
