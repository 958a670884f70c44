"""evsim quantize"""

from __future__ import annotations

import contextlib
from pathlib import Path

from evsim.base.errors import EvsimError, mismatch
from evsim.base.screen import course, tell_json, waiting
from evsim.cli import files
from evsim.cli import options as options

EXAMPLES = (
    "evsim quantize networks/digits-dense.h5 -o int8.h5 --bits 8 --data data/digits_test.h5",
    "evsim quantize networks/digits-conv.h5 -o loihi.h5 --chip loihi",
)
PANEL = "Widths"
Out = options.option(
    Path, "-o", "--out", panel=options.OUTPUT, metavar="FILE", help="the network file to write"
)
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
    panel=options.SIMULATED,
    metavar="DATA",
    help="images or events to compare on: as it was, in integers, in these widths",
    default="nothing is run",
)
DATA = ("samples", "timesteps", "seed", "jobs", "keep", "cluster")  # options that are of --data
WIDTHS = ("current_bits", "readout_bits", "overflow", "overflow_at")  # of --potential-bits


def quantize(
    network: options.NetworkFile,
    out: Out,
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
    from evsim.cluster import opened as opened_cluster
    from evsim.formats.data import open_data
    from evsim.formats.network import load, save
    from evsim.studies.quantized import Comparison, described

    given = dict(locals())
    if chip is not None:
        _take_widths(chip, given)
    _check(given)
    loaded = files.opened(network, load, "NETWORK")
    with files.opened(data, open_data, "DATA") if data else contextlib.nullcontext() as opened:
        with waiting("making integers"):
            made = _made(loaded, opened, given)
        found = {"network": str(out), **described(made), "compare": given.get("compare")}
        found["notes"] = given.get("notes", [])
        if data is not None:
            made.network.path = str(out)
            run = {name: given[name] for name in ("samples", "timesteps", "seed", "jobs")}
            silent = quiet or as_json
            options.check_writes(cluster_writes, keep)
            with opened_cluster(cluster, cluster_writes) as workers:
                runs = [1] * (2 + any(p.bounded for p in made.network.populations.values()))
                with course(runs):
                    compared = Comparison(loaded, made, opened, run, silent, keep, workers)
            found |= compared.as_dict()
    save(made.network, out, overwrite)
    if as_json:
        tell_json(found)
    elif not quiet:
        from evsim.reports.widths import show

        show(options.output(wide), found)


def _made(network, data, given: dict):
    """The network in fixed point; an error names the option that it comes from."""
    from evsim.studies.quantized import fixed_point

    names = ("bits", "per_channel", "coding", "potential_bits", "potential_signed", *WIDTHS)
    names += ("compare", "most_threshold")
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
    if numeric.threshold is not None:
        widths["most_threshold"] = numeric.threshold.most
    widths["compare"] = profile.schedule.compare
    given |= {name: value for name, value in widths.items() if given.get(name) is None}
    given["notes"] = list(_left_broken(profile, given["bits"]))


def _left_broken(profile, bits: int | None):
    """What `evsim check` will call broken, as no integers of these widths settle it."""
    width = profile.numeric.weight
    if bits is not None and width is not None and not (width.signed and bits <= width.bits):
        sign = "" if width.signed else ", unsigned"
        yield (
            f"weights of {bits} bits with a sign; {profile.name} has {width.bits} bits{sign}: "
            f"evsim check calls weights beyond that broken"
        )


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
