"""Whether a network fits a chip, as far as that shows before a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.base.arrays import address
from evsim.chip.placement import Placement
from evsim.chip.profile import Profile
from evsim.chip.profile.numeric import Format
from evsim.chip.profile.schedule import STEPS
from evsim.network.network import Network

NOT_SIMULATED = "not simulated"


@dataclass(frozen=True)
class Finding:
    """One assumption about a chip: what was measured, its limit, and the margin to it."""

    assumption: str
    holds: bool | None  # None: the chip says nothing, or it was not measured
    measured: float | str | None
    limit: float | str | None
    margin: float | None = None
    place: str = ""


def within(assumption: str, measured: float, limit: float | None, place: str = "") -> Finding:
    """The finding that what was `measured` is at most its `limit`, None: there is none."""
    holds = None if limit is None else bool(measured <= limit)
    margin = None if limit is None else limit - measured
    return Finding(assumption, holds, measured, limit, margin, place)


def fit(profile: Profile, placement: Placement) -> list[Finding]:
    """Whether a network fits a chip: capacity, formats of numbers, schedule and memories."""
    network = placement.network
    findings = [*_capacity(profile, placement), *_formats(profile, network)]
    return [*findings, *_schedule(profile, network), *_memories(profile, network)]


def _capacity(profile: Profile, placement: Placement) -> list[Finding]:
    """Cores, and what the fullest of them holds; fan-in, fan-out and delay of the network.

    Synapse bits are of a core that stores every synapse by itself, as crossbars and lists of
    synapses do: sharing, by a convolution or between sets, saves none of them.
    """
    network, capacity, rows = placement.network, profile.capacity, []
    if capacity.neurons_per_core is not None:
        rows.append(within("cores", placement.count, capacity.cores))
        bits = np.zeros(placement.count)
        into, out = np.zeros((2, placement.count), np.int64)
        width = profile.numeric.weight
        for name, part in network.synapses.items():
            counted = placement.synapses[name]
            bits += counted.sum(axis=0) * (width.bits if width else part.weight_bits)
            into += np.asarray((counted > 0).sum(axis=0)).ravel()
            if part.source != network.input:
                cores = np.asarray((counted > 0).sum(axis=1)).ravel()
                np.add.at(out, placement.cores[part.source], cores)
        fullest = {"synapse_bits": bits, "in_axons": into, "out_axons": out}
        for what, measured in fullest.items():
            core = int(measured.argmax()) if measured.size else 0
            limit = getattr(capacity, f"{what}_per_core")
            name = f"{what.replace('_', ' ')} of a core"
            rows.append(within(name, int(measured[core]), limit, f"core {core}"))
    for what, where in (("fan_in", _fan_in(network)), ("fan_out", _fan_out(network))):
        name = max(where, key=where.get, default="")
        rows.append(
            within(what.replace("_", " "), where.get(name, 0), getattr(capacity, what), name)
        )
    delays = {name: part.delay for name, part in network.synapses.items()}
    name = max(delays, key=delays.get, default="")
    rows.append(within("delay", delays.get(name, 0), capacity.delay, name))
    return rows


def _formats(profile: Profile, network: Network) -> list[Finding]:
    """Whether weights and thresholds are integers of the chip's widths, events single spikes."""
    rows, numeric = [], profile.numeric
    for name, part in network.synapses.items() if numeric.weight else ():
        weights, limit = part.weights(), bits_of(numeric.weight)
        if weights is None:
            continue
        if weights.dtype.kind != "i":
            rows.append(Finding("weights", False, str(weights.dtype), limit, None, name))
            continue
        ends = int(weights.min(initial=0)), int(weights.max(initial=0))
        fits = numeric.weight.least <= ends[0] and ends[1] <= numeric.weight.most
        rows.append(Finding("weights", fits, f"{ends[0]} to {ends[1]}", limit, None, name))
    for name, part in network.populations.items() if numeric.threshold else ():
        threshold = getattr(part, "threshold", None)
        if threshold is not None:
            whole = bool((threshold == np.trunc(threshold)).all())
            fits = whole and float(threshold.max()) <= numeric.threshold.most
            limit = bits_of(numeric.threshold)
            rows.append(Finding("threshold", fits, float(threshold.max()), limit, None, name))
    for name, part in network.populations.items() if numeric.weight else ():
        if part.beyond_chips:
            limit = "one spike in a timestep, reset at once"
            rows.append(Finding("law of the neurons", False, part.beyond_chips, limit, None, name))
    return rows


def _schedule(profile: Profile, network: Network) -> list[Finding]:
    """Whether the chip takes the steps that are simulated, in the same order."""
    rows, schedule = [], profile.schedule
    if schedule.order:
        simulated = [step for step in STEPS if step in schedule.order]
        alike = list(schedule.order) == simulated
        orders = ", ".join(simulated), ", ".join(schedule.order)
        rows.append(Finding("order of an update", alike, *orders))
    if schedule.update == "per_event":
        limit = "after each event"
        rows.append(Finding("updates", None, "after each timestep", limit, None, NOT_SIMULATED))
    if schedule.events == "arrival":
        rows.append(
            Finding("order of events", None, "by source", "by arrival", None, NOT_SIMULATED)
        )
    for name, part in network.populations.items() if schedule.compare else ():
        compare = getattr(part, "compare", None)
        if isinstance(compare, str):
            alike = compare == schedule.compare
            rows.append(Finding("compare", alike, compare, schedule.compare, None, name))
    return rows


def _memories(profile: Profile, network: Network) -> list[Finding]:
    """Whether what a memory of known size holds fits into it, where it is the only one.

    It holds an array that sets share once. On a chip of several cores every core would hold the
    arrays, or parts of them, that its neurons use, shared ones again on each: nothing is said of
    such memories.
    """
    rows = []
    for memory in profile.memories:
        if memory.size_kib is None or (profile.capacity.cores or 1) > 1:
            continue
        bits = [_bits(what, profile, network) for what in memory.holds if what != "event"]
        if bits and None not in bits:
            needed = sum(bits) / 8192
            rows.append(within(f"memory {memory.name}, KiB", needed, memory.size_kib))
    return rows


def _bits(what: str, profile: Profile, network: Network) -> int | None:
    """The bits that the network needs of something, None where a width is not known."""
    numeric = profile.numeric
    if what == "weight":
        arrays: dict[tuple, int] = {}  # shared ones once
        for part in network.synapses.values():
            weights = part.weights()
            if weights is not None:
                bits = weights.size * (numeric.weight.bits if numeric.weight else part.weight_bits)
                arrays[address(weights)] = max(bits, arrays.get(address(weights), 0))
        return sum(arrays.values())
    width = {"current": numeric.accumulator, "potential": numeric.membrane}.get(what)
    neurons = sum(p.neurons for n, p in network.populations.items() if n != network.input)
    return neurons * width.bits if width else None


def bits_of(format: Format) -> str:
    """The width of a numeric format in words: "8 bits", or "8 bits, unsigned"."""
    return f"{format.bits} bits{'' if format.signed else ', unsigned'}"


def _fan_out(network: Network) -> dict[str, int]:
    """By population: the most synapses of one of its neurons."""
    most: dict[str, int] = {}
    for name in network.populations:
        sets = [
            network.connections[s].fan_out for s, p in network.synapses.items() if p.source == name
        ]
        if sets:
            most[name] = int(np.sum(sets, axis=0).max(initial=0))
    return most


def _fan_in(network: Network) -> dict[str, int]:
    """By population: the most synapses onto one of its neurons."""
    from evsim.base.kernel import SPARE
    from evsim.engine.stream import Slice
    from evsim.engine.weights import Weights
    from evsim.engine.workspace import Workspace

    most: dict[str, int] = {}
    for name in network.populations:
        total = 0
        for set_name in network.incoming(name):
            part = network.synapses[set_name]
            source, target = network.ends(part)
            deliver = part.counting().connect(source, target).start(Weights())
            channels = np.tile(np.arange(source.channels, dtype=np.int32), source.positions)
            offsets = np.arange(source.positions + 1, dtype=np.int64) * source.channels
            counts = np.zeros((1, target.positions, target.channels), np.int32)
            width = 1 if network.connections[set_name].whole_positions else target.channels
            marks = np.zeros((1, target.positions, width), np.uint8)
            events = Slice(np.concatenate([channels, np.zeros(SPARE, np.int32)]), None, offsets)
            deliver(events, counts, marks, Workspace())
            total = total + counts
        if network.incoming(name):
            most[name] = int(np.max(total))
    return most
