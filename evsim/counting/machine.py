"""What a machine makes of the facts of a run. Exact integers only.

Count actions, price later: a run records facts, a machine turns facts into actions.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from evsim.base.errors import mismatch
from evsim.counting.described import own_actions, resets_of, role_of, sloped
from evsim.counting.facts import POOL, Facts, is_set

ACTIONS = {
    "event_pop": "an event is taken from a queue",
    "event_push": "an event is put into a queue",
    "synaptic_add": "a weight is added",
    "synaptic_mac": "a weight is multiplied by a graded value and added",
    "weight_read": "a weight is read",
    "index_read": "an index of a sparse matrix is read",
    "current_read": "a current is read",
    "current_write": "a current is written",
    "potential_read": "a membrane potential is read",
    "potential_write": "a membrane potential is written",
    "commit_add": "a current is added to a potential",
    "bias_read": "a bias is read",
    "bias_add": "a bias is added",
    "compare": "a potential is compared with a threshold",
    "leak": "a potential is multiplied by a leak",
    "reset_subtract": "a threshold is subtracted",
    "reset_write": "a potential is set to its reset value, part of the update's write",
    "random_draw": "a random number is drawn",
    "slope_read": "a slope is read",
    "slope_write": "a slope is written",
    "slope_add": "a slope is added to a potential",
    "prediction_multiply": "slope and bias are multiplied by what is left of the time to listen",
    "prediction_add": "the product is added to a potential, for a decision",
    "state_read": "a number that a kind keeps in memory beside its potential is read",
    "state_write": "such a number is written",
    "state_multiply": "such a number is multiplied",
    "state_add": "something is added to such a number, or it to something",
}
UPDATES = {  # what a machine updates: no actions, but what several actions belong to
    "active_update": "an active neuron is updated",
    "idle_update": "a neuron that is not active is updated",
}
ADDITIONS = ("synaptic_add", "commit_add", "bias_add", "reset_subtract", "slope_add")
ADDITIONS += ("prediction_add", "state_add")  # 0 wherever the five above are all there is
SYNOPS = ("synaptic_add", "synaptic_mac")
ACCUMULATOR = tuple(
    f"{where}_{what}" for where in ("current", "potential", "slope") for what in ("read", "write")
)
M3 = ("weight_read", "index_read", "bias_read", *ACCUMULATOR, "state_read", "state_write")
M3 += ("event_pop", "event_push")


@dataclass(frozen=True)
class Machine:
    """Where an arriving weight goes, which neurons are updated, how a constant input is taken."""

    accumulate: str = "direct"
    update: str = "clock"
    input: str = "recompute"

    def __post_init__(self):
        for name, value in asdict(self).items():
            allowed = CHOICES[name]
            if value not in allowed:
                raise mismatch(repr(value), f"one of {', '.join(allowed)}", name)


CHOICES = {
    "accumulate": ("direct", "buffer", "register"),
    "update": ("clock", "active"),
    "input": ("recompute", "cached"),
}


def chosen(
    accumulate: str | None = None, update: str | None = None, input: str | None = None
) -> dict[str, str]:
    """The choices of a machine that are given, checked; None: not given."""
    given = {"accumulate": accumulate, "update": update, "input": input}
    given = {name: value for name, value in given.items() if value is not None}
    Machine(**given)
    return given


def set_actions(part: dict, facts: dict, machine: Machine, target: dict) -> dict[str, np.ndarray]:
    """The actions of a set into a population, per sample."""
    additions = facts["synops"] + facts["macs"]
    done = {
        "event_pop": facts["arrivals"],
        "synaptic_add": facts["synops"],
        "synaptic_mac": facts["macs"],
    }
    if part["weighted"]:
        done["weight_read"] = additions
    if part["kind"] == "sparse":
        done["index_read"] = 2 * facts["arrivals"] + additions
    where = {"direct": "potential", "buffer": "current"}.get(machine.accumulate)
    if role_of(target) == POOL:  # the running sums, whatever the machine
        where = "potential"
    elif target.get("current_leak"):  # the synaptic current takes the potential's place
        where = where and "current"
    elif sloped(target) and where == "potential":
        where = "slope"
    if where:
        done[f"{where}_read"] = done[f"{where}_write"] = additions
    return done


def population_actions(part: dict, facts: dict, machine: Machine) -> dict[str, np.ndarray]:
    """The actions of a population, per sample."""
    if role_of(part) == POOL:
        return _pool_actions(facts)
    updates = facts["updates" if machine.update == "clock" else "active_updates"]
    done = {
        "event_push": facts["pushes"],
        "random_draw": facts["draws"],
        "potential_read": updates,
        "potential_write": updates,
    }
    if machine.accumulate != "direct":
        done["commit_add"] = updates
    if machine.accumulate == "buffer":
        done["current_read"] = updates
        done["current_write"] = facts["touched"]
    if part.get("current_leak"):  # a second state: read, decay, add to the potential, write
        cleared = done.get("current_write", 0)
        done["current_read"] = done.get("current_read", 0) + updates
        done["current_write"] = cleared + updates
        done["commit_add"] = done.get("commit_add", 0) + updates
        done["leak"] = updates
    if sloped(part):  # the slope is what the arrivals change; the potential takes it every time
        done["slope_read"] = done["slope_add"] = updates
        if machine.accumulate != "direct":
            done["slope_write"] = updates
    if "predictions" in facts:
        predictions = facts["predictions" if machine.update == "clock" else "active_predictions"]
        done["prediction_multiply"] = done["prediction_add"] = predictions
    biases = int(part["bias"]) + int(part.get("current_bias", False))
    if biases:
        done["bias_read"] = done["bias_add"] = biases * updates
    if part["compares"]:
        done["compare"] = updates
    if part["leak"]:
        done["leak"] = done.get("leak", 0) + updates
    if part["reset"]:
        resets = facts[resets_of(part)]
        done["reset_subtract" if part["reset"] == "subtract" else "reset_write"] = resets
    for action, fact in own_actions(part):
        done[action] = done.get(action, 0) + (updates if fact == "updates" else facts[fact])
    return done


def _pool_actions(facts: dict) -> dict[str, np.ndarray]:
    """The actions of a max pool; an old result says nothing of sums that were read again."""
    done = {"event_push": facts["pushes"], "compare": facts["gate_updates"]}
    if "rescanned" in facts:
        done["potential_read"] = facts["rescanned"]
        done["compare"] = done["compare"] + facts["rescanned"]
    return done


def actions_per_sample(
    parts: dict[str, dict],
    work: Facts,
    machine: Machine,
    timesteps: int,
    constant: str | None,
    later: dict[str, np.ndarray] | None = None,
) -> dict[str, dict[str, np.ndarray]]:
    """The actions of every part, per sample, all names present.

    `constant` is the input population where its coding is `constant`, for `input = "cached"`.
    `work` may hold sums over samples instead, if `later` does, too: all else is linear in facts.
    """
    done = {}
    for name, part in parts.items():
        if is_set(part):
            done[name] = set_actions(part, work[name], machine, parts[part["target"]])
        else:
            done[name] = population_actions(part, work[name], machine)
    if machine.input == "cached" and constant is not None:
        later = later_timesteps(parts, work, timesteps, constant) if later is None else later
        _cache_input(parts, work, machine, timesteps, constant, later, done)
    zero = np.zeros_like(next(iter(work.values()))["touched"])
    return {
        name: {action: counted.get(action, zero) for action in ACTIONS}
        for name, counted in done.items()
    }


def later_timesteps(parts: dict[str, dict], work: Facts, timesteps: int, constant: str) -> dict:
    """By target of a constant input: timesteps after the first delivery, the most of its sets."""
    found: dict[str, np.ndarray] = {}
    for name, part in parts.items():
        if is_set(part) and part["source"] == constant and timesteps > part["delay"]:
            own, target = work[name], part["target"]
            left = own.get("after_first")  # where queues lose events in some timesteps
            if left is None:
                left = (own["arrivals"] > 0) * (timesteps - part["delay"] - 1)
            found[target] = np.maximum(found.get(target, 0), left)
    return found


def _cache_input(parts, work, machine, timesteps, constant, later, done) -> None:
    """Count the first delivering timestep of a constant input only, and adding it up again."""
    spikes = work[constant]["spikes"]
    done[constant]["event_push"] = np.zeros_like(spikes)
    for name, part in parts.items():
        if not is_set(part) or part["source"] != constant:
            continue
        delivering, own, target = max(timesteps - part["delay"], 0), work[name], part["target"]
        if "first_arrivals" in own:  # the queue may have lost others in every timestep
            arrivals, macs = own["first_arrivals"], own["first_macs"]
            once = {"arrivals": arrivals, "macs": macs, "synops": np.zeros_like(macs)}
            done[name] = set_actions(part, once, machine, parts[target])
        else:
            done[name] = {a: n // max(delivering, 1) for a, n in done[name].items()}
        if delivering:
            done[constant]["event_push"] = done[constant]["event_push"] + spikes // timesteps
    for target, left in later.items():
        places = parts[target].get("places", parts[target]["neurons"])
        for action in ("current_read", "commit_add"):
            done[target][action] = done[target].get(action, 0) + left * places


def counts(
    parts: dict[str, dict],
    work: Facts,
    machine: Machine,
    timesteps: int,
    constant: str | None,
    histograms: dict[str, np.ndarray],
    samples: int | None = None,
    later: dict[str, np.ndarray] | None = None,
) -> dict:
    """Actions by part, their totals, per synapse, and beside them the nominal numbers.

    Sums over samples, Python integers. `histograms[part][k]`: how many synapses of a set carried,
    how many neurons of a population sent k events in a sample, over all samples. `work` has a
    value per sample; or sums over so many `samples`, with those of `later_timesteps`.
    """
    per_sample = actions_per_sample(parts, work, machine, timesteps, constant, later)
    by_part = {
        name: {action: int(n.sum()) for action, n in done.items()}
        for name, done in per_sample.items()
    }
    total = {action: sum(done[action] for done in by_part.values()) for action in ACTIONS}
    total["additions"] = sum(total[action] for action in ADDITIONS)
    m1 = total["weight_read"]
    m2 = m1 + sum(
        by_part[name][action] for name in parts if is_set(parts[name]) for action in ACCUMULATOR
    )
    m3 = sum(total[action] for action in M3)
    total["memory_accesses"] = {"M1": m1, "M2": m2, "M3": m3}
    samples = len(next(iter(work.values()))["touched"]) if samples is None else samples
    synapses = sum(part["synapses"] for part in parts.values() if is_set(part))
    over = samples * synapses
    sets = [name for name in histograms if is_set(parts[name])]
    populations = [name for name in histograms if not is_set(parts[name])]
    each = {"additions": total["additions"], "M1": m1, "M2": m2, "M3": m3}
    return {
        "machine": asdict(machine),
        "parts": by_part,
        "total": total,
        "per_synapse": {name: n / over if over else 0.0 for name, n in each.items()},
        "accesses_per_synapse": _histograms(parts, machine, histograms),
        "additions_per_synapse": _distribution(histograms, dict.fromkeys(sets, 1)),
        "events_per_neuron": _distribution(histograms, dict.fromkeys(populations, 1)),
        "weight_bits": {
            name: by_part[name]["weight_read"] * part.get("weight_bits", 0)
            for name, part in parts.items()
            if is_set(part)
        },
        "updates": {
            name: _updates(work[name], machine) for name, part in parts.items() if not is_set(part)
        },
        "nominal": {
            name: _nominal(part, work[name], samples)
            for name, part in parts.items()
            if is_set(part)
        },
    }


def _updates(facts: dict, machine: Machine) -> dict[str, int]:
    """How many neurons a machine updates, the active and the idle ones."""
    active, every = int(facts["active_updates"].sum()), int(facts["updates"].sum())
    idle = every - active if machine.update == "clock" else 0
    return dict(zip(UPDATES, (active, idle), strict=True))


def _nominal(part: dict, facts: dict, samples: int) -> dict[str, int]:
    """What the literature counts: full kernels at borders."""
    exact = int((facts["synops"] + facts["macs"]).sum())
    each = part["nominal_fan_out"]
    synops = exact if each < 0 else int(facts["arrivals"].sum()) * each
    return {"synops": synops, "macs": part["nominal_macs"] * samples}


def _histograms(parts, machine: Machine, histograms) -> dict:
    """Accesses of one synapse in one sample, for M1 and M2."""
    views = {}
    for view in ("M1", "M2"):
        each = {}
        for name in filter(lambda name: is_set(parts[name]), histograms):
            each[name] = int(parts[name]["weighted"])
            gate = role_of(parts[parts[name]["target"]]) == POOL
            if view == "M2" and (gate or machine.accumulate != "register"):
                each[name] += 2
        views[view] = _distribution(histograms, each)
    return views


def _distribution(histograms, each: dict[str, int]) -> dict:
    """Maximum, mean and histogram of so many of something per event, over some parts."""
    found: dict[int, int] = {}
    for name, factor in each.items():
        for events in np.flatnonzero(histograms[name]):
            key = int(events) * factor
            found[key] = found.get(key, 0) + int(histograms[name][events])
    total = sum(found.values())
    return {
        "max": max(found, default=0),
        "mean": sum(key * n for key, n in found.items()) / total if total else 0.0,
        "histogram": {str(key): found[key] for key in sorted(found)},
    }
