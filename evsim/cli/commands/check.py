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
    from evsim.cluster import opened as opened_cluster
    from evsim.formats.data import open_data
    from evsim.formats.guard import guarded
    from evsim.formats.network import load
    from evsim.studies.check import checked
    from evsim.studies.job import byte_count

    profile = options.profile(chip, "chip")
    loaded = guarded(network, load)
    options.check_writes(cluster_writes, keep)
    how = {"jobs": jobs, "memory": byte_count(memory), "quiet": quiet or as_json, "folder": keep}
    how |= {"timesteps": timesteps, "coding": coding, "seed": seed, "dtype": dtype}
    with guarded(data, open_data) as opened, opened_cluster(cluster, cluster_writes) as workers:
        if as_json:
            opened.begin_digest()
        found = checked(
            loaded,
            opened,
            profile,
            claims=claim or (),
            placing=placing,
            samples=samples,
            cluster=workers,
            **how,
        )
    if as_json:
        tell_json(found.as_dict())
    elif not quiet:
        from evsim.reports.check import show

        show(found)
    if not found.holds:
        raise typer.Exit(1)
