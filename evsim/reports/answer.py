"""What a check of a chip comes to: one sentence with the cause, and what to do about it.

Parameters are named between backquotes, which the command line tells as its options.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from evsim.chip.fits import Finding
from evsim.reports.tables import percent
from evsim.reports.wording import numeral

OWN_COPY = "in a copy of the profile"
FEWER = f"fewer neurons on a core: `placing=balanced`, or a smaller neurons_per_core {OWN_COPY}"
QUANTIZE = "evsim quantize with `chip` of the same name, and `bits` where it asks for them"
RATES = "fewer events at once: a lower input rate, another `coding`, more timesteps"
CAPACITY = {  # assumption: what is too much, of what; what to do
    "cores": (
        "the network",
        "cores",
        "a smaller network, or `placing=in_order`",
    ),
    "synapse bits of a core": ("", "synapse memory", FEWER),
    "in axons of a core": ("", "inputs", FEWER),
    "out axons of a core": ("", "outputs", FEWER),
    "fan in": ("a neuron", "synapses", "smaller layers or kernels"),
    "fan out": ("a neuron", "synapses it sends over", "smaller layers or kernels"),
    "delay": ("a set", "delay", "a shorter delay"),
}
BROKEN = {  # other assumptions: what is wrong, what to do
    "weights": ("weights are {measured}, where the chip has {limit}", QUANTIZE),
    "threshold": ("a threshold is {measured}, where the chip has {limit}", QUANTIZE),
    "compare": ("neurons fire at {measured} (ge: v >= threshold, gt: v >), on the chip at {limit}",
                QUANTIZE),
    "law of the neurons": ("neurons have {measured}, where the chip has {limit}",
                           "none in evsim: train the network with one spike, reset at once"),
    "order of an update": ("the chip updates in another order: {limit}",
                           "none in evsim: take it as a known difference"),
    "sums beyond their width": ("sums leave the bits of a potential {measured} times",
                                "fewer `bits` of weights, or more bits of potentials"),
    "potentials": ("potentials from {measured}, where the chip has {limit}",
                   "fewer `bits` of weights"),
    "events lost": ("{measured} events find no room in a queue", RATES),
    "timestep, ms": ("the slowest timestep takes {measured} ms, and has {limit}",
                     "fewer neurons on a core, or fewer events"),
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """`verdict` in one sentence with its cause, `remedy` ("" where all holds), what else breaks."""

    verdict: str
    remedy: str
    also: list[str]


def answer(findings: list[Finding]) -> Answer:
    """What the findings come to: capacity first, and of that what is exceeded most."""
    broken = [finding for finding in findings if finding.holds is False]
    if not broken:
        known = sum(finding.holds is not None for finding in findings)
        held = f"all {known} assumptions hold" if known != 1 else "the one assumption holds"
        return Answer(f"fits: {held} that can be checked", "", [])
    capacity = [finding for finding in broken if _is_capacity(finding)]
    first = max(capacity, key=_excess) if capacity else broken[0]
    cause, remedy = _told(first)
    also = Counter(f.assumption for f in broken if f is not first)
    named = [name if n == 1 else f"{name} ({n} times)" for name, n in also.items()]
    verdict = "does not fit" if capacity else "does not hold"
    return Answer(f"{verdict}: {cause}", remedy, named)


def _is_capacity(finding: Finding) -> bool:
    return finding.assumption in CAPACITY or finding.assumption.startswith("memory ")


def _excess(finding: Finding) -> float:
    return finding.measured / finding.limit if finding.limit else float("inf")


def times(excess: float) -> str:
    """How many times as much, so that a little too much is never 1 times."""
    return f"{excess:,.1f} times" if excess >= 1.05 else f"{percent(excess)} of"


def _told(finding: Finding) -> tuple[str, str]:
    """The cause and the remedy of an assumption that is broken."""
    name, place = finding.assumption, finding.place
    figures = {"measured": numeral(finding.measured), "limit": numeral(finding.limit)}
    both = f"({figures['measured']}, it has {figures['limit']})"
    if name in CAPACITY:
        who, what, remedy = CAPACITY[name]
        where = place if not who else f"{who} of {place}" if place else who
        if not finding.limit:
            return f"{where} needs {figures['measured']} of its {what}, and has none", remedy
        return f"{where} needs {times(_excess(finding))} its {what} {both}", remedy
    if name.startswith("memory "):
        memory = name.removeprefix("memory ").removesuffix(", KiB")
        told = f"the network needs {times(_excess(finding))} the memory {memory}, in KiB {both}"
        return told, "a smaller network, fewer bits, or weights that sets share"
    at = f" ({place})" if place else ""
    if name in BROKEN:
        cause, remedy = BROKEN[name]
        return cause.format(**figures) + at, remedy
    if name.startswith("queue "):
        most = f"up to {figures['measured']} events at once, and room for {figures['limit']}"
        return f"{name} meets {most}{at}", RATES
    told = f"the claim {name!r} is missed: {figures['measured']}, not {figures['limit']}"
    return told, "another network or setting, or another claim"
