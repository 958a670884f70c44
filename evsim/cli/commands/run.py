"""evsim run"""

from __future__ import annotations

from pathlib import Path

from evsim.base.errors import mismatch
from evsim.base.screen import say, tell_json
from evsim.cli import files
from evsim.cli import options as options
from evsim.cli import translate as translate
from evsim.counting.machine import chosen
from evsim.studies.chance import is_near_chance
from evsim.studies.job import Job, byte_count

EXAMPLES = (
    "evsim run networks/digits-conv.h5 data/digits_test.h5 -T 32",
    "evsim run networks/digits-conv.h5 data/digits_test.h5 --out r.h5 --record spikes",
)
Record = options.option(
    str | None,
    panel=options.OUTPUT,
    metavar="NAME[,NAME...]",
    help="what --out keeps beside the counts: any of spikes,trace,queues,ranges",
    default="nothing",
)
Out = options.option(
    Path | None,
    panel=options.OUTPUT,
    metavar="FILE",
    help="write a result, which cost, report and info read",
    default="none is written",
)
Convention = options.option(
    list[str] | None,
    panel=options.COUNTED,
    metavar="TOOL",
    autocompletion=lambda: _tools(),
    help="also what this other tool would have counted; again for another",
    default="none",
)


def run(
    network: options.NetworkFile,
    data: options.DataFile,
    timesteps: options.Timesteps = None,
    coding: options.Coding = None,
    samples: options.Samples = None,
    seed: options.Seed = None,
    jobs: options.Jobs = None,
    dtype: options.Dtype = "float32",
    memory: options.Memory = "512M",
    accumulate: options.Accumulate = "direct",
    update: options.Update = "clock",
    input_machine: options.InputMachine = "recompute",
    record: Record = None,
    out: Out = None,
    convention: Convention = None,
    cluster: options.Cluster = None,
    cluster_writes: options.ClusterWrites = False,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    wide: options.Wide = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Simulate, count, decide: a network over images or events."""
    from evsim.cluster import opened as opened_cluster
    from evsim.formats.data import open_data
    from evsim.formats.network import load
    from evsim.reports.conventions import show as show_convention
    from evsim.reports.run import show
    from evsim.studies import other_tools as conventions
    from evsim.studies.silence import silence

    machine, room = chosen(accumulate, update, input_machine), byte_count(memory)
    tools = tuple(dict.fromkeys(convention or ()))
    for tool in tools:
        conventions.conventions(tool)
    loaded = files.opened(network, load, "NETWORK")
    if cluster_writes and out is None:
        raise mismatch("no --out", "the file whose part workers write", "--cluster-writes")
    with (
        files.opened(data, open_data, "DATA") as opened,
        opened_cluster(cluster, cluster_writes) as workers,
    ):
        if as_json:
            opened.begin_digest()
        job = Job(
            loaded,
            opened,
            timesteps=timesteps,
            coding=coding,
            seed=seed,
            dtype=dtype,
            samples=samples,
            record=_recordings(record, out),
        )
        if resume and out is None:
            raise mismatch("no --out", "the file whose part is resumed", "--resume")
        store = out and job.result_store(out, overwrite, resume, quiet or as_json)
        how = {"quiet": quiet or as_json, "cluster": workers}
        job.simulate(jobs, room, store=store, **how)
        how = {"jobs": jobs, "memory": room, "quiet": quiet or as_json}
        reported = conventions.reported(tools, job.run, job.inputs, **how)
        found = {"conventions": reported} if reported else {}
        if len(reported) == 1:
            found["convention"] = reported[0]
        if not (quiet or as_json):
            _say_guessing(job)
        if as_json:
            tell_json(job.summary(machine) | found)
        elif not quiet:
            screen = options.output(wide)
            show(screen, job, machine)
            if silent := silence(job.network, job.run.work):
                screen.print(translate.in_options(silent))
            for one in reported:
                show_convention(screen, one)


def _say_guessing(job: Job) -> None:
    """Say what may be wrong where the accuracy is that of guessing."""
    if job.labels is None:
        return
    outputs = job.network.populations[job.network.output].neurons
    correct = int((job.run.predictions == job.labels).sum())
    if is_near_chance(correct, job.run.count, outputs):
        say(
            f"this is guessing one of {outputs} classes: more timesteps (-T) may help; else see "
            "whether evsim ann guesses as well, and convert with the --scale, --mean, --std and "
            "--bgr of the training"
        )


def _tools() -> list[str]:
    """The names of other tools, for a shell that completes one."""
    from evsim.studies.other_tools import CONVENTIONS

    return list(CONVENTIONS)


def _recordings(record: str | None, out: Path | None) -> tuple[str, ...]:
    from evsim.engine.settings import RECORDS

    names = () if record is None else tuple(dict.fromkeys(record.split(",")))
    for name in names:
        if name not in RECORDS:
            raise mismatch(repr(name), f"any of {', '.join(RECORDS)}", "--record")
    if names and out is None:
        raise mismatch("no --out", "a file for what is recorded", "--record")
    return names
