"""evsim quantize"""

from __future__ import annotations

import contextlib
from pathlib import Path

from evsim.base.errors import EvsimError
from evsim.base.screen import tell_json, waiting
from evsim.cli import files
from evsim.cli import options as options

EXAMPLES = (
    "evsim quantize networks/digits-dense.h5 -o int8.h5 --bits 8 --data data/digits_test.h5",
    "evsim quantize networks/digits-conv.h5 -o loihi.h5 --chip loihi",
)
PANEL = "Widths"
Bits = options.option(
    int | None,
    panel=PANEL,
    help="of a weight, with its sign",
    default="weights are whole already",
    **options.whole("--bits", 2),
)
PerChannel = options.flag(
    "--per-channel", panel=PANEL, help="a unit for each channel of a layer, not one for all"
)
PotentialBits = options.option(
    int | None,
    panel=PANEL,
    help="of a potential",
    default="int32",
    **options.whole("--potential-bits", 2),
)
CurrentBits = options.option(
    int | None,
    panel=PANEL,
    help="of a sum of weights, before it reaches the potential",
    default="int32",
    **options.whole("--current-bits", 2),
)
ReadoutBits = options.option(
    int | None,
    panel=PANEL,
    help="of a readout",
    default="int32",
    **options.whole("--readout-bits", 2),
)
Overflow = options.option(
    str | None,
    panel=PANEL,
    metavar="error|saturate|wrap",
    help="what a sum beyond its width becomes",
    default="saturate",
)
OverflowAt = options.option(
    str | None,
    panel=PANEL,
    metavar="commit|each_add",
    help="when: once a timestep, or after each addition",
    default="commit",
)
Chip = options.option(
    str | None,
    panel=PANEL,
    metavar="NAME|FILE",
    autocompletion=options.chips,
    help="the chip whose widths, largest threshold and comparison hold where none is given",
    default="none",
)
Data = options.option(
    Path | None,
    "--data",
    panel=options.SIMULATED,
    metavar="DATA",
    help="images or events to compare on: as it was, in integers, in these widths",
    default="nothing is run",
)


def quantize(
    network: options.NetworkFile,
    out: options.NewNetwork,
    bits: Bits = None,
    per_channel: PerChannel = False,
    potential_bits: PotentialBits = None,
    current_bits: CurrentBits = None,
    readout_bits: ReadoutBits = None,
    overflow: Overflow = None,
    overflow_at: OverflowAt = None,
    chip: Chip = None,
    coding: options.Coding = None,
    data: Data = None,
    samples: options.Samples = None,
    timesteps: options.Timesteps = None,
    seed: options.Seed = None,
    jobs: options.Jobs = None,
    keep: options.Keep = None,
    cluster: options.Cluster = None,
    cluster_writes: options.ClusterWrites = False,
    overwrite: options.Overwrite = False,
    wide: options.Wide = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Fixed point: weights, thresholds and potentials as integers of declared widths."""
    given = dict(locals())
    from evsim.cluster import opened as opened_cluster
    from evsim.formats.data import open_data
    from evsim.formats.network import load, save
    from evsim.studies.quantized import Comparison, check_given, described, made_of, take_widths

    if chip is not None:
        take_widths(options.profile(chip, "chip"), given)
    if out.exists() and not overwrite:
        raise EvsimError("exists already (--overwrite replaces it)", file=str(out))
    check_given(given)
    loaded = files.opened(network, load, "NETWORK")
    with files.opened(data, open_data, "DATA") if data else contextlib.nullcontext() as opened:
        with waiting("making integers"):
            made = made_of(loaded, opened, given)
        found = {"network": str(out), **described(made, given)}
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

        show(options.output(wide), found)
