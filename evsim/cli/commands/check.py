"""evsim check"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evsim.base.screen import tell_json
from evsim.cli import options as options

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
    keep: options.Keep = None,
    cluster: options.Cluster = None,
    cluster_writes: options.ClusterWrites = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Do the assumptions about a chip hold for this network on these data?"""
    from evsim.base.errors import EvsimError
    from evsim.chip.restrict import narrowed, placed, queue_of
    from evsim.cluster import opened as opened_cluster
    from evsim.formats.data import open_data
    from evsim.formats.guard import guarded
    from evsim.formats.network import load
    from evsim.studies.check import RECORD, Check
    from evsim.studies.claims import Claim
    from evsim.studies.job import Job, byte_count
    from evsim.studies.quantized import widest

    profile = options.profile(chip, "chip")
    loaded = guarded(network, load)
    try:
        placement = placed(loaded, profile, placing)
    except EvsimError as error:
        place = {"placing": "--placing"}.get(error.place, error.place)
        raise EvsimError(error.problem, place, error.file) from None
    claims = [Claim(text) for text in (*profile.claims, *(claim or []))]
    queue_name, queue = queue_of(profile, placement)
    limits = {"record": RECORD, "queue": queue}
    choices = {"timesteps": timesteps, "coding": coding, "seed": seed, "dtype": dtype}
    options.check_writes(cluster_writes, keep)
    with guarded(data, open_data) as opened, opened_cluster(cluster, cluster_writes) as workers:
        if as_json:
            opened.begin_digest()

        def simulated(samples: str | None, keep: Path | None = None) -> Check:
            free = Job(widest(loaded), opened, samples=samples, **choices)
            graded = free.settings.graded_input
            narrow, floats = narrowed(loaded, profile.numeric, graded)
            limited = Job(narrow, opened, samples=samples, **limits, **choices)
            checked = Check(limited, free, profile, placement, claims, floats, queue_name)
            first = limited.settings.first_sample
            if claims and limited.settings.samples > 1:  # do they name what there is?
                _ = simulated(f"{first}:{first + 1}").findings
            checked.simulate(jobs, byte_count(memory), quiet or as_json, keep, workers)
            return checked

        checked = simulated(samples, keep)
    if as_json:
        tell_json(checked.as_dict())
    elif not quiet:
        from evsim.reports.check import show

        show(checked)
    if not checked.holds:
        raise typer.Exit(1)
