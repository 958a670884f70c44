"""A network in fixed point beside the one it comes from, on the same samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evsim.base.errors import EvsimError, Parameter, mismatch
from evsim.base.screen import course
from evsim.chip.profile import Profile
from evsim.chip.restrict import widths_of
from evsim.conversion.integers import Quantized, bounded, graded_input, quantize, rebuilt
from evsim.counting.widths import sums_of
from evsim.network.network import Network
from evsim.studies.job import Job, byte_count

WIDEST = 32
DATA = ("samples", "timesteps", "seed", "jobs", "keep", "cluster")  # options that are of --data
WIDTHS = ("current_bits", "readout_bits", "overflow", "overflow_at")  # of --potential-bits


def fixed_point(
    network: Network,
    *,
    bits: int | None = None,
    per_channel: bool = False,
    potential_bits: int | None = None,
    coding: str | None = None,
    graded: bool | None = None,
    overflow: str = "saturate",
    compare: str | None = None,
    most_threshold: int | None = None,
    **widths,
) -> Quantized:
    """The network with weights of `bits` (None: it has whole ones), and with widths if given.

    `graded`: whether the input sends values; None: as under the coding. `widths`: current_bits,
    readout_bits, overflow_at. `compare`: where neurons fire, v >= (ge) or > (gt) threshold; None:
    as they did. `most_threshold`: the largest that a chip holds.
    """
    if compare is not None:
        network = comparing(network, compare)
    if bits is None:
        changed = {} if coding is None else {"coding": coding}
        parts = network.populations, network.synapses
        network = rebuilt(network, *parts, **changed)
        made = Quantized(network, {}, floats_of(network, graded))
    else:
        how = {"per_channel": per_channel, "potential_bits": potential_bits, "coding": coding}
        made = quantize(network, bits, graded=graded, most_threshold=most_threshold, **how)
    if potential_bits is None:
        return made
    narrow = bounded(made.network, potential_bits, overflow=overflow, graded=graded, **widths)
    return Quantized(narrow, made.units, made.floats)


def comparing(network: Network, compare: str) -> Network:
    """The network whose neurons fire where v >= (ge) or v > (gt) threshold."""
    populations = {
        name: replace(part, compare=compare)
        if part.takes_width and getattr(part, "compare", compare) != compare
        else part
        for name, part in network.populations.items()
    }
    made = rebuilt(network, populations, network.synapses)
    made.path = getattr(network, "path", None)
    return made


def floats_of(network: Network, graded: bool | None) -> dict[str, str]:
    """The populations with a potential that are none of integers, each with the reason."""
    graded = graded_input(network) if graded is None else graded
    integers = network.integer_populations(graded)
    kinds = {name for name, part in network.populations.items() if part.takes_width}
    return dict.fromkeys(sorted(kinds - integers), "not all that reaches it is whole")


def widest(network: Network) -> Network:
    """The network without overflows: all widths are those of int32, and a sum beyond is an error.

    Without any width it is the network itself. Where a sum is brought into a width stays as it is.
    """
    if not any(part.bounded for part in network.populations.values()):
        return network
    populations = dict(network.populations)
    for name, part in populations.items():
        if part.bounded:
            wide = {"potential_bits": WIDEST, "potential_signed": True, "overflow": "error"}
            wide["current_bits"] = WIDEST if part.current_bits else None
            populations[name] = replace(part, **wide)
    made = rebuilt(network, populations, network.synapses)
    made.path = getattr(network, "path", None)
    return made


def described(made: Quantized, given: dict) -> dict:
    """What is said of a network in fixed point: populations with their units and thresholds.

    `given`: the choices it was made with, as `take_widths` completes them.
    """
    network, rows = made.network, []
    for name, unit in made.units.items():
        part = network.populations[name]
        threshold = getattr(part, "threshold", None)
        rows.append(
            {
                "population": name,
                "kind": part.kind,
                "smallest_unit": float(unit.min()),
                "largest_unit": float(unit.max()),
                "lowest_threshold": None if threshold is None else int(np.min(threshold)),
                "highest_threshold": None if threshold is None else int(np.max(threshold)),
                "bits": part.potential_bits,
            }
        )
    said = {"coding": network.coding, "floats": made.floats, "units": rows}
    return said | {"compare": given.get("compare"), "notes": given.get("notes", [])}


def made_of(network: Network, data, given: dict) -> Quantized:
    """The network in fixed point; an error names the option that it comes from."""
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
            raise EvsimError(error.problem, Parameter(option)) from None
        raise error.within(file=network.path) from None


def take_widths(profile: Profile, given: dict) -> None:
    """Take over the widths of a chip for options that are not given."""
    numeric = profile.numeric
    widths = widths_of(numeric)
    if numeric.membrane is None:
        expected = "a profile with [numeric.membrane]"
        raise mismatch(
            f"no widths of potentials in profile {profile.name!r}", expected, Parameter("chip")
        )
    widths["potential_bits"] = numeric.membrane.bits
    if numeric.weight is not None and numeric.weight.signed:
        widths["bits"] = numeric.weight.bits
    elif numeric.weight is not None and given["bits"] is None:
        found = f"weights of {numeric.weight.bits} bits without a sign in profile {profile.name!r}"
        raise mismatch(found, "`bits` beside it, with the sign", Parameter("chip"))
    if numeric.threshold is not None:
        widths["most_threshold"] = numeric.threshold.most
    widths["compare"] = profile.schedule.compare
    given |= {name: value for name, value in widths.items() if given.get(name) is None}
    given["notes"] = list(_left_broken(profile, given["bits"]))


def _left_broken(profile: Profile, bits: int | None):
    """What `evsim check` will call broken, as no integers of these widths settle it."""
    width = profile.numeric.weight
    if bits is not None and width is not None and not (width.signed and bits <= width.bits):
        sign = "" if width.signed else ", unsigned"
        yield (
            f"weights of {bits} bits with a sign; {profile.name} has {width.bits} bits{sign}: "
            f"evsim check calls weights beyond that broken"
        )


def check_given(given: dict) -> None:
    """Raise an error for options that do not belong together."""
    if given["bits"] is None and given["potential_bits"] is None:
        raise mismatch("none", "the bits of weights, or `potential_bits`", Parameter("bits"))
    if given["bits"] is None and given["per_channel"]:
        raise mismatch("no `bits`", "the bits of weights", Parameter("per_channel"))
    for names, needed in ((WIDTHS, "potential_bits"), (DATA, "data")):
        for name in names:
            if given[name] is not None and given[needed] is None:
                raise mismatch(f"no `{needed}`", "it", Parameter(name))


class Comparison:
    """The network as it was, in fixed point without overflows, and with them."""

    def __init__(
        self,
        network: Network,
        made: Quantized,
        data,
        choices: dict,
        quiet: bool,
        folder=None,
        cluster=None,
    ):
        choices = {**choices, "coding": made.network.coding if data.images is not None else None}
        jobs = choices.pop("jobs")
        self.jobs = {}
        wide = widest(made.network)  # itself, where nothing has a width
        bounded = any(part.bounded for part in made.network.populations.values())
        networks = {"as it was": network, "integers without overflow": wide}
        if bounded:
            networks["integers of these widths"] = made.network
        with course([1] * len(networks)):
            for name, one in networks.items():
                job = Job(one, data, record=("ranges",), **choices)
                store = folder and job.folder_store(folder, quiet)
                how = {"quiet": quiet, "cluster": cluster}
                job.simulate(jobs, byte_count("512M"), store=store, **how)
                self.jobs[name] = job

    def as_dict(self) -> dict:
        """Accuracy, spikes and overflows of each, and of every population sums and widths."""
        jobs, runs = self.jobs, []
        for name, job in jobs.items():
            run = job.run
            spikes = sum(int(f["spikes"].sum()) for f in run.work.values() if "spikes" in f)
            overflows = sum(row["overflows"] for row in sums_of(run).values())
            first = jobs["as it was"].run.predictions
            runs.append(
                {
                    "run": name,
                    "accuracy": None if job.labels is None else run.accuracy,
                    "same_decisions": float((run.predictions == first).mean()),
                    "spikes": spikes / run.count,
                    "overflows": overflows,
                }
            )
        *_, last = jobs.values()
        free = sums_of(jobs["integers without overflow"].run)
        rows = []
        for name, row in sums_of(last.run).items():
            own = {"population": name, **row}
            spikes = {
                key: int(job.run.work[name]["spikes"].sum()) / job.run.count
                for key, job in (("spikes_as_it_was", jobs["as it was"]), ("spikes", last))
            }
            own |= {"smallest_bits": free[name]["bits"]} | spikes
            if "current_bits" in free[name]:
                own["smallest_current_bits"] = free[name]["current_bits"]
            rows.append(own)
        return {"samples": last.run.count, "runs": runs, "sums": rows}
