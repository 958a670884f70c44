"""evsim check"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from evsim.commands import _options as options

Claims = Annotated[
    list[str] | None, typer.Option("--claim", metavar="EXPR", help="such as 'accuracy >= 0.9'")
]


def check(
    network: Annotated[Path, typer.Argument(help="network file", show_default=False)],
    data: options.DataFile,
    chip: Annotated[str, typer.Option(metavar="NAME|FILE", help="its profile")],
    claim: Claims = None,
    placing: Annotated[
        str, typer.Option(help="neurons on cores: in_order or balanced")
    ] = "in_order",
    timesteps: options.Timesteps = None,
    coding: options.Coding = None,
    samples: options.Samples = None,
    seed: options.Seed = None,
    jobs: options.Jobs = None,
    dtype: options.Dtype = "float32",
    memory: options.Memory = "512M",
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Do the assumptions about a chip hold for this network on these data?"""
    from evsim.checking import RECORD, Check, queue_of
    from evsim.formats.data import open_data
    from evsim.formats.guard import guarded
    from evsim.formats.native import load
    from evsim.hardware import Profile, find
    from evsim.job import Job, byte_count
    from evsim.parts import EvsimError

    profile = Profile.read(find(chip, "--chip"))
    loaded = guarded(network, load)
    choices = {"timesteps": timesteps, "coding": coding, "seed": seed, "dtype": dtype}
    with guarded(data, open_data) as opened:
        choices |= {"record": RECORD, "queue": queue_of(profile, loaded)}

        def prepared(samples: str | None) -> tuple[Job, Check]:
            job = Job(loaded, opened, samples=samples, **choices)
            try:
                return job, Check(loaded, profile, placing, claim or [], job.settings.timesteps)
            except EvsimError as error:
                place = {"placing": "--placing"}.get(error.place, error.place)
                raise EvsimError(error.problem, place, error.file) from None

        def findings_of(job: Job, checked: Check):
            limits = jobs, byte_count(memory)
            job.simulate(*limits, quiet=quiet or as_json, observe=checked.observe)
            return checked.finish(job)

        job, checked = prepared(samples)
        if checked.claims and job.settings.samples > 1:  # what they name is known after one sample
            first = job.settings.first_sample
            findings_of(*prepared(f"{first}:{first + 1}"))
        findings = findings_of(job, checked)
    if as_json:
        print(json.dumps(checked.as_dict(findings, job)))
    elif not quiet:
        from evsim.report.check import show

        show(checked, findings, job)
    if any(finding.holds is False for finding in findings):
        raise typer.Exit(1)
