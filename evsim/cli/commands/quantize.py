"""evsim quantize"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from evsim.base.errors import EvsimError
from evsim.base.screen import tell_json
from evsim.cli import options as options

Bits = Annotated[int | None, typer.Option(help="of a weight", **options.whole("--bits", 2))]
PotentialBits = Annotated[int | None, typer.Option(**options.whole("--potential-bits", 2))]
CurrentBits = Annotated[int | None, typer.Option(**options.whole("--current-bits", 2))]
ReadoutBits = Annotated[
    int | None, typer.Option(help=r"of a readout \[int32]", **options.whole("--readout-bits", 2))
]
Overflow = Annotated[str | None, typer.Option(metavar="error|saturate|wrap")]
OverflowAt = Annotated[str | None, typer.Option(metavar="commit|each_add")]


def quantize(
    network: Annotated[Path, typer.Argument(help="network file", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="network file to write")],
    bits: Bits = None,
    per_channel: Annotated[bool, typer.Option("--per-channel")] = False,
    potential_bits: PotentialBits = None,
    current_bits: CurrentBits = None,
    readout_bits: ReadoutBits = None,
    overflow: Overflow = None,
    overflow_at: OverflowAt = None,
    chip: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="whose widths hold where none is given")
    ] = None,
    coding: options.Coding = None,
    data: Annotated[Path | None, typer.Option(help="images or events to compare on")] = None,
    samples: options.Samples = None,
    timesteps: options.Timesteps = None,
    seed: options.Seed = None,
    jobs: options.Jobs = None,
    keep: options.Keep = None,
    cluster: options.Cluster = None,
    cluster_writes: options.ClusterWrites = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Fixed point: weights, thresholds and potentials as integers of declared widths."""
    given = dict(locals())
    from evsim.cluster import opened as opened_cluster
    from evsim.formats.data import open_data
    from evsim.formats.guard import guarded
    from evsim.formats.network import load, save
    from evsim.studies.quantized import Comparison, check_given, described, made_of, take_widths

    if chip is not None:
        take_widths(options.profile(chip, "chip"), given)
    if out.exists() and not overwrite:
        raise EvsimError("exists already (--overwrite replaces it)", file=str(out))
    check_given(given)
    loaded = guarded(network, load)
    with guarded(data, open_data) if data else contextlib.nullcontext() as opened:
        made = made_of(loaded, opened, given)
        found = {"network": str(out), **described(made)}
        if data is not None:
            made.network.path = str(out)
            run = {name: given[name] for name in ("samples", "timesteps", "seed", "jobs")}
            silent = quiet or as_json
            options.check_writes(cluster_writes, keep)
            with opened_cluster(cluster, cluster_writes) as workers:
                compared = Comparison(loaded, made, opened, run, silent, keep, workers)
            found |= compared.as_dict()
    save(made.network, out, overwrite)
    if as_json:
        tell_json(found)
    elif not quiet:
        from evsim.reports.widths import show

        show(found)
