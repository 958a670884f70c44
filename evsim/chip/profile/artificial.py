"""A network as an artificial one: every set is used once, with graded values.

Both are counted by one machine. Exact are a set's own synapses, nominal are full kernels at
borders, as the literature has it; a comparison takes both networks in the same way.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import numpy as np

from evsim.counting import machine as counting
from evsim.counting.described import facts_of, own_facts, role_of
from evsim.counting.facts import INPUT, NEURON, POOL, Facts, is_set
from evsim.counting.machine import Machine

COUNTED = ("exact", "nominal")


def artificial(parts: dict[str, dict], counted: str, machine: Machine) -> dict | None:
    """What `counts` gives for one inference of the artificial network; None if it has a cycle.

    Weighted sets multiply, others add; a neuron is updated once, adds its bias and compares (ReLU),
    sends one value along each set and neither leaks nor resets. An average pool that is part of a
    set (prepool) is not counted, for either network.
    """
    sets = {name: part for name, part in parts.items() if is_set(part)}
    graph = {name: set() for name in parts if name not in sets}
    for part in sets.values():
        graph[part["target"]].add(part["source"])
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError:
        return None
    changed = {name: part if name in sets else _rectified(part) for name, part in parts.items()}
    facts = {name: dict.fromkeys(facts_of(part), 0) for name, part in changed.items()}
    for name, part in sets.items():
        source, target = parts[part["source"]], parts[part["target"]]
        facts[name]["arrivals"] = source["neurons"]
        facts[part["source"]]["pushes"] += source["neurons"]
        if role_of(target) == POOL:
            facts[part["target"]]["gate_updates"] += part["synapses"]
        else:
            kind = "macs" if part["weighted"] else "synops"
            facts[name][kind] = connections(parts, name, counted) // part.get("cell", 1)
    for name, part in changed.items():
        if name not in sets and role_of(part) not in (INPUT, POOL):
            updates = part.get("places", part["neurons"])
            facts[name] |= dict.fromkeys(("updates", "active_updates", "touched"), updates)
            facts[name]["spikes"] = part["neurons"]
    work = {
        name: {fact: np.array([n]) for fact, n in counted_facts.items()}
        for name, counted_facts in facts.items()
    }
    return counting.counts(changed, work, machine, 1, None, {})


def nominal_work(parts: dict[str, dict], work: Facts) -> Facts:
    """The facts of a run with nominal synaptic operations in place of the exact ones."""
    changed = dict(work)
    for name, part in parts.items():
        if is_set(part) and part["nominal_fan_out"] >= 0:
            kind = "macs" if work[name]["macs"].any() else "synops"
            nominal = work[name]["arrivals"] * part["nominal_fan_out"]
            changed[name] = work[name] | {kind: nominal}
    return changed


def connections(parts: dict[str, dict], name: str, counted: str) -> int:
    """The synapses of a set, those of full kernels if `counted` is nominal."""
    part = parts[name]
    if counted == "nominal" and part["nominal_macs"]:
        return part["nominal_macs"] * part.get("cell", 1)
    if counted == "nominal" and part["nominal_fan_out"] >= 0:
        return parts[part["source"]]["neurons"] * part["nominal_fan_out"]
    return part["synapses"]


def _rectified(part: dict) -> dict:
    """A population that takes the sum and its bias and rectifies it."""
    bias = part["bias"] or part.get("current_bias", False)
    plain = {"leak": False, "current_leak": False, "current_bias": False, "slope": False}
    role, words = role_of(part), {"reset": "", "facts": own_facts(part), "actions": ""}
    if role == NEURON:
        words |= {"kind": "analog", "facts": ""}
    return part | plain | words | {"role": role, "bias": bias}
