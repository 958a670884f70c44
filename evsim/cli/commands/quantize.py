"""evsim quantize"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from evsim.base.errors import EvsimError, mismatch
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
DATA = ("samples", "timesteps", "seed", "jobs", "keep", "cluster")  # options that are of --data
WIDTHS = ("current_bits", "readout_bits", "overflow", "overflow_at")  # of --potential-bits


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
    from evsim.cluster import opened as opened_cluster
    from evsim.formats.data import open_data
    from evsim.formats.guard import guarded
    from evsim.formats.network import load, save
    from evsim.studies.quantized import Comparison, described

    given = dict(locals())
    if chip is not None:
        _take_widths(chip, given)
    _check(given)
    loaded = guarded(network, load)
    with guarded(data, open_data) if data else contextlib.nullcontext() as opened:
        made = _made(loaded, opened, given)
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


def _made(network, data, given: dict):
    """The network in fixed point; an error names the option that it comes from."""
    from evsim.studies.quantized import fixed_point

    names = ("bits", "per_channel", "coding", "potential_bits", "potential_signed", *WIDTHS)
    choices = {name: given[name] for name in names if given.get(name) is not None}
    if data is not None and data.images is None:
        choices["graded"] = data.events.graded
    try:
        return fixed_point(network, **choices)
    except EvsimError as error:
        option = error.place.rpartition("/")[2]
        if given.get(option) is not None:
            raise EvsimError(error.problem, f"--{option.replace('_', '-')}") from None
        raise error.within(file=network.path) from None


def _take_widths(chip: str, given: dict) -> None:
    """Take over the widths of a chip for options that are not given."""
    from evsim.chip.restrict import widths_of

    profile = options.profile(chip, "chip")
    numeric = profile.numeric
    widths = widths_of(numeric)
    if numeric.membrane is None:
        expected = "a profile with [numeric.membrane]"
        raise mismatch(f"no widths of potentials in profile {profile.name!r}", expected, "--chip")
    widths["potential_bits"] = numeric.membrane.bits
    if numeric.weight is not None and numeric.weight.signed:
        widths["bits"] = numeric.weight.bits
    elif numeric.weight is not None and given["bits"] is None:
        found = f"weights of {numeric.weight.bits} bits without a sign in profile {profile.name!r}"
        raise mismatch(found, "--bits beside it, with the sign", "--chip")
    given |= {name: value for name, value in widths.items() if given.get(name) is None}


def _check(given: dict) -> None:
    """Raise an error for options that do not belong together, or a file that is in the way."""
    if given["out"].exists() and not given["overwrite"]:
        raise EvsimError("exists already (--overwrite replaces it)", file=str(given["out"]))
    if given["bits"] is None and given["potential_bits"] is None:
        raise mismatch("none", "the bits of weights, or --potential-bits", "--bits")
    if given["bits"] is None and given["per_channel"]:
        raise mismatch("no --bits", "the bits of weights", "--per-channel")
    for names, needed in ((WIDTHS, "potential_bits"), (DATA, "data")):
        for name in names:
            if given[name] is not None and given[needed] is None:
                option = f"--{needed.replace('_', '-')}"
                raise mismatch(f"no {option}", "it", f"--{name.replace('_', '-')}")
