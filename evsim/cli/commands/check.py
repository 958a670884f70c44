"""evsim check"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from evsim.base.errors import mismatch
from evsim.base.screen import tell_json, waiting
from evsim.cli import files, translate
from evsim.cli import options as options

EXAMPLES = (
    "evsim check networks/digits-conv.h5 --chip loihi",
    "evsim check networks/digits-conv.h5 data/digits_test.h5 --chip loihi --claim 'cores <= 4'",
)
Claims = options.option(
    list[str] | None,
    "--claim",
    panel=options.SIMULATED,
    metavar="EXPR",
    help="what must hold, such as 'accuracy >= 0.9'; again for another",
    default="the profile's",
)
Placing = options.option(
    str,
    panel=options.COUNTED,
    metavar="in_order|balanced",
    help="neurons on cores: one core after the other is filled, or each layer is spread evenly",
)
OF_DATA = ("claim", "timesteps", "coding", "samples", "seed", "jobs", "keep", "cluster")


def check(
    network: options.NetworkFile,
    data: Annotated[
        Path | None,
        typer.Argument(
            help="images or events; without: what can be told without a run", show_default=False
        ),
    ] = None,
    *,
    chip: options.Chip,
    claim: Claims = None,
    placing: Placing = "in_order",
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
    wide: options.Wide = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Do the assumptions about a chip hold for this network on these data?"""
    given = dict(locals())
    from evsim.chip.restrict import placed
    from evsim.formats.network import load
    from evsim.reports.answer import Answer, answer
    from evsim.reports.check import show, show_capacity
    from evsim.studies.capacity import Capacity
    from evsim.studies.silence import silence

    profile = options.profile(chip, "chip")
    loaded = files.opened(network, load, "NETWORK")
    with waiting("placing neurons on cores"):
        placement = placed(loaded, profile, placing)
    if data is None:
        for name in OF_DATA:
            if given[name] is not None:
                raise mismatch("no data", "DATA, which comes second", f"--{name}")
        checked = Capacity(profile, placement)
        with waiting("counting synapses of cores"):
            _ = checked.findings
    else:
        checked = _simulated(loaded, placement, profile, given)
        with waiting("counting synapses of cores"):
            _ = checked.findings
    found = translate.everywhere(asdict(answer(checked.findings)))
    if as_json:
        tell_json(checked.as_dict() | {"answer": found})
    elif not quiet:
        screen = options.output(wide)
        (show_capacity if data is None else show)(screen, checked, Answer(**found))
        work = {} if data is None else checked.job.run.work
        if work and (silent := silence(checked.job.network, work)):
            screen.print(translate.in_options(silent))
    if not checked.holds:
        raise typer.Exit(1)


def _simulated(network, placement, profile, given: dict):
    """The check of a run over data."""
    from evsim.cluster import opened as opened_cluster
    from evsim.formats.data import open_data
    from evsim.studies.check import checked
    from evsim.studies.job import byte_count

    options.check_writes(given["cluster_writes"], given["keep"])
    how = {name: given[name] for name in ("timesteps", "coding", "seed", "dtype")}
    how |= {"samples": given["samples"], "jobs": given["jobs"], "folder": given["keep"]}
    how |= {"claims": given["claim"] or (), "memory": byte_count(given["memory"])}
    how["quiet"] = given["quiet"] or given["as_json"]
    with (
        files.opened(given["data"], open_data, "DATA") as opened,
        opened_cluster(given["cluster"], given["cluster_writes"]) as workers,
    ):
        if given["as_json"]:
            opened.begin_digest()
        return checked(network, opened, profile, placement, cluster=workers, **how)
