"""What other tools would have reported for a run, beside the exact count, and why they differ.

Computed from the facts of a run and the network it ran; what follows from neither is None. The
formulas are those of the tools' sources: SNN Toolbox 0.6.0, SpikingJelly 2.0.0, NeuroBench 2.3.0,
sinabs 3.1.3, syops 0.0.5, and Norse as merged in June 2026 (pull request 444).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from evsim.base.errors import Parameter, mismatch, nearest
from evsim.counting.described import role_of
from evsim.counting.facts import INPUT, READOUT, is_set
from evsim.engine.settings import values_of
from evsim.studies.averages import Averaged, averages

SPIKES, SIGNS, GRADED = "+1", "+1 and -1", "graded"  # what the events of a source may be
SAME = "the same"
AVERAGES = "averages of spikes are fed to it, which the run does not record"


@dataclass(frozen=True)
class Seen:
    """A set as the tools see it: a layer, and what it was fed; sums over samples and timesteps."""

    part: object  # the set
    kind: str
    events: str  # SPIKES, SIGNS or GRADED
    from_input: bool
    arrivals: int
    exact: int  # synaptic operations, of spikes and graded events
    zeros: int  # those of weight 0
    sources: int  # neurons of the source
    targets: int  # places of the target
    bias: bool | None  # of the target; None: nobody can say which of several sets has it
    pooled: int  # size of the windows of all pools since the last weights, 1 without
    calls: int  # samples x timesteps
    dense: int  # multiply-accumulates of one call without zeros, padding included
    averaged: Averaged | None  # what it is fed, where it has an average pool folded into it
    valued: float | None  # of a constant input: the sum of its values, each times what it meets
    summed: float | None  # of a constant input: the sum of its values


Counted = tuple[str, float | None, str]  # AC, MAC or SynOp; how many; why not the exact number


@dataclass(frozen=True)
class Convention:
    """How a tool counts a set, and the unit it reports in."""

    count: object  # Seen -> Counted
    unit: str
    per_sample: bool = False
    per_timestep: bool = False
    chains_only: bool = False
    neurons: bool = False  # counts an operation per neuron and timestep
    averages: bool = False  # depends on what folded average pools give
    values: bool = False  # sums the values of a constant input


def conventions(name: str) -> Convention:
    """The convention of a tool by its name; EvsimError with the nearest name."""
    if name not in CONVENTIONS:
        expected = f"one of {', '.join(CONVENTIONS)}{nearest(name, CONVENTIONS)}"
        raise mismatch(repr(name), expected, Parameter("convention"))
    return CONVENTIONS[name]


def reported(tools: Iterable[str], run, inputs, *, jobs, memory: int, quiet: bool) -> list[dict]:
    """What each of several tools would have reported for a `Run` over `inputs`.

    Where that depends on the averages of folded pools, the samples are run once more.
    """
    averaged: dict[str, Averaged] = {}
    if any(conventions(tool).averages for tool in tools):
        how = {"jobs": jobs, "memory": memory, "quiet": quiet}
        averaged = averages(run.network, run.settings, inputs, **how)
    return [convention(tool, run, inputs, averaged) for tool in tools]


def convention(name: str, run, inputs, averaged: Mapping[str, Averaged] | None = None) -> dict:
    """What a tool would have reported for a `Run` over `inputs`, in the tool's own unit.

    `averaged`: what `evsim.studies.averages.averages` counted of the run, where pools are folded.

    `exact` stands beside every number in the same unit. `reported` is None where it does not
    follow from what the run recorded; `total` then is over the other parts, `complete` false:
    `covered` is their share of the exact number, and there is no `ratio`.
    """
    tool, network, samples = conventions(name), run.network, run.count
    over = (samples if tool.per_sample else 1) * (
        run.settings.timesteps if tool.per_timestep else 1
    )
    branches = tool.chains_only and _branches(network)
    events, rows, averaged = _events(run, inputs), {}, averaged or {}
    for part in network.order:
        if is_set(run.parts[part]):
            values = _constant(run, part, inputs) if tool.values else (None, None)
            seen = _seen(run, part, events, values, averaged.get(part))
            what, number, reason = ("", None, branches) if branches else tool.count(seen)
            exact = seen.exact
        elif tool.neurons and role_of(run.parts[part]) not in (INPUT, READOUT):
            exact, (what, number, reason) = 0, _updates(run, part)
        else:
            continue
        reason = SAME if number == exact else reason
        number = None if number is None else _per(number, over)
        rows[part] = {"what": what, "reported": number, "exact": _per(exact, over)}
        rows[part]["reason"] = reason
    derived = [row for row in rows.values() if row["reported"] is not None]
    complete = len(derived) == len(rows)
    total = dict.fromkeys(sorted({row["what"] for row in derived}), 0)
    for row in derived:
        total[row["what"]] += row["reported"]
    reported, exact = (sum(row[key] for row in derived) for key in ("reported", "exact"))
    every = sum(row["exact"] for row in rows.values())
    return {
        "name": name,
        "unit": tool.unit,
        "parts": rows,
        "total": {
            "by_kind": total,
            "reported": reported if derived else None,
            "exact": exact if derived else None,
            "ratio": reported / exact if complete and exact else None,
            "complete": complete,
            "covered": exact / every if every else None,
        },
    }


def _per(number, over: int):
    """A quotient, whole where it is."""
    return number // over if isinstance(number, int) and number % over == 0 else number / over


def _branches(network) -> str:
    """Why a tool that follows one chain of layers cannot count this network, or nothing."""
    sources = [part.source for part in network.synapses.values()]
    targets = [part.target for part in network.synapses.values()]
    chain = len(set(sources)) == len(sources) and len(set(targets)) == len(targets)
    return "" if chain else "layers with branches are not followed"


def _events(run, inputs) -> dict[str, str]:
    """Which values the events of every population may have."""
    network, settings, found = run.network, run.settings, {}
    for name in network.populations:
        origin = network.origin(name)
        part = network.populations[origin]
        if network.graded(origin, settings.graded_input):
            found[name] = GRADED
        elif origin != network.input:
            found[name] = SIGNS if part.valued else SPIKES
        elif found.get(origin) is None:
            found[name] = SIGNS if _negative(part, inputs, settings) else SPIKES
        else:
            found[name] = found[origin]
    return found


def _negative(part, inputs, settings) -> bool:
    """Whether an event of the input may be -1."""
    if settings.coding in ("latency", "switch"):
        return settings.coding == "switch"
    for index in range(len(inputs)):
        values = values_of(part, inputs, index, np.dtype(settings.dtype))
        values = values[2] if isinstance(values, tuple) else values
        if (values < 0).any():
            return True
    return False


def _seen(run, name: str, events: dict[str, str], values: tuple, averaged: Averaged | None) -> Seen:
    network, described = run.network, run.parts[name]
    part, facts = network.synapses[name], run.work[name]
    source, target = network.ends(part)
    bias = run.parts[part.target]["bias"]
    return Seen(
        part=part,
        kind="prepool" if getattr(part, "prepool", (1, 1)) != (1, 1) else part.kind,
        events=events[part.source],
        from_input=network.origin(part.source) == network.input,
        arrivals=int(facts["arrivals"].sum()),
        exact=int((facts["synops"] + facts["macs"]).sum()),
        zeros=int(facts["zero_synops"].sum()),
        sources=source.neurons,
        targets=target.neurons,
        bias=None if bias and len(network.incoming(part.target)) > 1 else bias,
        pooled=_pooled(network, part.source),
        calls=run.count * run.settings.timesteps,
        dense=described["nominal_macs"],
        averaged=averaged if events[part.source] == SPIKES else None,
        valued=values[0],
        summed=values[1],
    )


def _constant(run, name: str, inputs) -> tuple[float | None, float | None]:
    """Of a set that a constant input feeds: values times fan-out, and values, summed over all.

    (None, None) of another set.
    """
    part, network, settings = run.network.synapses[name], run.network, run.settings
    if part.source != network.input or settings.coding != "constant":
        return None, None
    source, dtype = network.populations[part.source], np.dtype(settings.dtype)
    values = np.zeros(source.neurons)
    for index in range(len(inputs)):
        values += np.ravel(values_of(source, inputs, index, dtype)).astype(np.float64)
    values *= max(0, settings.timesteps - part.delay)
    fan_out = np.asarray(network.connections[name].fan_out, np.float64)
    return float(values @ fan_out), float(values.sum())


def _pooled(network, population: str) -> int:
    """The product of the windows of the pools that lead to a population one after the other."""
    found = 1
    for _ in network.synapses:  # pools may form a cycle
        into = [network.synapses[name] for name in network.incoming(population)]
        if len(into) != 1 or into[0].kind != "pool":
            break
        found, population = found * prod(into[0].kernel), into[0].source
    return found


def _no_layer(seen: Seen) -> Counted:
    if seen.kind == "prepool":
        return "", None, AVERAGES
    return "", None, f"the tool has no layer for a set of kind {seen.kind!r}"


def _unweighted(seen: Seen) -> bool:
    return seen.kind in ("pool", "identity") and seen.part.weights() is None


def _snntoolbox(seen: Seen) -> Counted:
    if seen.events == GRADED and seen.from_input:
        return "SynOp", 0, "a constant input is no synaptic operation there, but a neuron operation"
    if seen.kind == "dense":
        return "SynOp", seen.arrivals * seen.targets, ""
    if seen.kind == "pool":
        return "SynOp", seen.arrivals, "one per spike, however many windows overlap"
    if seen.kind == "prepool":
        return "", None, "pools are neurons there, as `pooling=neurons` makes them"
    if seen.kind != "conv":
        return _no_layer(seen)
    if seen.part.stride != (1, 1):
        reason = "its fan-out of a strided layer is per position, which sums of spikes lack"
        return "SynOp", None, reason
    height, width, depth, out = seen.part.weight.shape
    depthwise = depth == 1 and seen.part.groups == out > 1
    each = height * width * (1 if depthwise else out)
    return "SynOp", seen.arrivals * each, "whole kernels at borders too, groups ignored"


def _spikingjelly(seen: Seen) -> Counted:
    if _unweighted(seen):
        return "SynOp", 0, "pools and shortcuts are no synaptic operations there"
    if seen.kind not in ("conv", "dense") and seen.averaged is None:
        return _no_layer(seen)
    binary = bool(np.isin(seen.part.weights(), (0, 1)).all())
    if seen.averaged is not None:
        if binary:
            return "SynOp", None, "weights are all 0 or 1 and averages are not: it counts weights"
        reason = "averages count only in a call, of one sample, in which all are 0 or 1"
        return "SynOp", seen.averaged.ones, reason
    if seen.events == SPIKES:
        number = seen.exact - seen.zeros if binary else seen.exact
        return "SynOp", number, "weights are all 0 or 1, and its product skips the zeros"
    if binary:
        return "SynOp", None, "weights are all 0 or 1 and the input is not: it counts the weights"
    if seen.events == SIGNS:
        return "SynOp", None, "spikes only in a call whose values are all 0 or 1"
    return "SynOp", 0, "input other than 0 and 1 is counted as MACs elsewhere"


def _neurobench(seen: Seen) -> Counted:
    if _unweighted(seen):
        return "AC", 0, "pools and additions are not counted"
    if seen.averaged is not None:
        return "MAC", seen.averaged.products, "averages that are not 0 are multiplied"
    if seen.kind == "prepool":
        return "MAC", None, "averages are no spikes, and how many are not 0 is not recorded"
    what = "MAC" if seen.events == GRADED else "AC"
    return what, seen.exact - seen.zeros, "weights of 0 are not counted"


def _sinabs(seen: Seen) -> Counted:
    if _unweighted(seen):
        return "SynOp", 0, "only convolutions and linear layers are counted"
    if seen.kind not in ("conv", "dense", "prepool"):  # a pool's average times its size is the sum
        return _no_layer(seen)
    if seen.valued is not None:
        return "SynOp", seen.valued, "it sums the values of a constant input"
    if seen.events != SPIKES:
        return "SynOp", None, "it sums the values of events, which the run does not record"
    return "SynOp", seen.exact * seen.pooled, f"times the {seen.pooled} inputs of pools before it"


def _syops(seen: Seen) -> Counted:
    if seen.kind == "identity" and _unweighted(seen):
        return "AC", 0, "additions outside of layers are not seen"
    if seen.kind not in ("conv", "dense", "pool") and seen.averaged is None:
        return _no_layer(seen)
    if seen.events == SIGNS:
        return "", None, "ACs only in a call of at most two values from 0 to 1"
    if seen.bias is None:
        return "", None, "the bias may be that of any of several layers"
    if seen.kind == "pool":
        each, rule = seen.sources, "one per input"
    else:
        each, rule = seen.dense + seen.bias * seen.targets, "padding"
        rule = "dense operations" + (", biases" if seen.bias else "") + " and padding"
    if seen.averaged is not None:
        averaged = seen.averaged
        spikes = each * averaged.two_valued_spikes / averaged.area / averaged.values
        if not averaged.many_valued_calls:
            return "AC", spikes, f"{rule} times the mean average"
        number = spikes + each * averaged.many_valued_calls
        return "AC, MAC", number, f"{rule}; MACs in a call of more than two different averages"
    if seen.events == GRADED:
        return "MAC", each * seen.calls, f"{rule}, whatever is 0"
    number, rest = divmod(each * seen.arrivals, seen.sources)
    return "AC", number + (rest / seen.sources if rest else 0), f"{rule} times the mean rate"


def _updates(run, name: str) -> Counted:
    """What syops counts of neurons."""
    if not run.network.populations[name].common:
        return "", None, f"the tool has no neuron of kind {run.parts[name]['kind']!r}"
    updates = int(run.work[name]["updates"].sum())
    return "AC", updates, "an AC per neuron and timestep, which is no synaptic operation"


def _norse(seen: Seen) -> Counted:
    if _unweighted(seen):
        return "SynOp", 0, "only convolutions and linear layers are counted"
    if seen.kind not in ("conv", "dense") and seen.averaged is None:
        return _no_layer(seen)
    if seen.events != SPIKES and seen.summed is None:
        return "SynOp", None, "it sums the values of events, which the run does not record"
    each = seen.targets
    if seen.part.kind == "conv":
        height, width, _, out = seen.part.weight.shape
        each = height * width * out // seen.part.groups
    fed = seen.arrivals if seen.summed is None else seen.summed
    if seen.averaged is not None:
        fed = seen.averaged.spikes / seen.averaged.area
    return "SynOp", fed * each, "whole kernels for every spike, borders and strides ignored"


SUM = "sum of all samples and timesteps"
PER_SAMPLE = "per sample (mean), over all timesteps"
CONVENTIONS = {
    "snntoolbox": Convention(_snntoolbox, f"{PER_SAMPLE}; its logs show millions", True),
    "spikingjelly": Convention(_spikingjelly, SUM, averages=True),
    "neurobench": Convention(_neurobench, PER_SAMPLE, True, averages=True),
    "sinabs": Convention(
        _sinabs, "mean of samples and timesteps", True, True, chains_only=True, values=True
    ),
    "syops": Convention(
        _syops, f"{PER_SAMPLE}, one sample a batch", True, neurons=True, averages=True
    ),
    "norse": Convention(_norse, SUM, averages=True, values=True),
}
