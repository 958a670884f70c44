"""The tally: worked by hand, and equal to the table of actions applied to the naive facts."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from oracles.actions import actions_of_population, actions_of_set
from oracles.geometry import listening, neurons
from oracles.naive import SET_FACTS, simulate
from oracles.tally import ACTIONS, measure, tally
from support.interface_example import interface_network
from support.strategies import cases

MACHINES = list(
    product(("direct", "buffer", "register"), ("clock", "active"), ("recompute", "cached"))
)


def test_tally_by_hand():
    # One input on one neuron, x = 1, weight 3/4, threshold 1, T = 3, refractory 1, sparse:
    # v = 3/4; 3/2 fires, 1/2; rests.
    network = {
        "input": "in",
        "output": "n",
        "populations": {
            "in": {"kind": "input", "shape": (1,)},
            "n": {"kind": "iaf", "shape": (1,), "threshold": 1, "bias": 0.0, "refractory": 1},
        },
        "synapses": {
            "s": {
                "kind": "sparse",
                "source": "in",
                "target": "n",
                "data": np.array([0.75]),
                "indices": np.array([0]),
                "indptr": np.array([0, 1]),
            }
        },
    }

    def booked(**machine):
        actions, spikes = measure(network, np.array([1.0]), 3, "constant", **machine)
        assert spikes["n"] == [(1, 0, 1)]
        return {
            part: {name: count for name, count in own.items() if count}
            for part, own in actions.items()
        }

    whole = {"event_pop": 3, "synaptic_mac": 3, "weight_read": 3, "index_read": 9}
    update = {"bias_read": 3, "bias_add": 3, "compare": 3, "reset_subtract": 1}
    update |= {"potential_read": 3, "potential_write": 3}
    assert booked() == {
        "in": {"event_push": 3},
        "s": whole | {"potential_read": 3, "potential_write": 3},
        "n": update,
    }
    assert booked(accumulate="buffer") == {
        "in": {"event_push": 3},
        "s": whole | {"current_read": 3, "current_write": 3},
        "n": update | {"current_read": 3, "current_write": 3, "commit_add": 3},
    }
    # Cached: one delivery, and one read and addition at each of the two timesteps after it.
    assert booked(accumulate="register", input="cached") == {
        "in": {"event_push": 1},
        "s": {"event_pop": 1, "synaptic_mac": 1, "weight_read": 1, "index_read": 3},
        "n": update | {"current_read": 2, "commit_add": 5},
    }


def test_interface_example():
    # One timestep; events in the interior (9 taps), at the edge (6) and in two corners (4 each)
    # reach all 32 neurons.
    network = interface_network()
    events = [(0, 3, 1), (0, 5, 1), (0, 13, 1), (0, 15, 1)]
    record = simulate(network, events, 1, "events")
    assert sum(sum(histogram.values()) for histogram in record.accesses.values()) == 264
    assert record.facts["conv1"] == dict(zip(SET_FACTS, (4, 0, 46, 0, 0, 23, 32), strict=True))
    assert (record.facts["hidden"]["updates"], record.facts["hidden"]["touched"]) == (32, 32)
    assert record.decision == 0
    actions = tally(network, events, 1, "events")
    totals = {action: sum(part[action] for part in actions.values()) for action in ACTIONS}
    accumulator = actions["conv1"]["potential_read"] + actions["conv1"]["potential_write"]
    ends = ("_read", "_write", "_pop", "_push")
    accesses = [name for name in ACTIONS if name.endswith(ends) and name != "reset_write"]
    assert totals["synaptic_add"] == totals["weight_read"] == 46
    assert totals["weight_read"] + accumulator == 138
    assert sum(totals[name] for name in accesses) == 214


def first_delivery_only(facts, queue):
    """Under coding `constant` every delivering timestep is as much work as the first."""
    deliveries = sum(events > 0 for events in queue)
    return {name: count // deliveries if deliveries else 0 for name, count in facts.items()}


def actions_from_facts(case, record, accumulate, update, input):
    """The table of actions applied to facts, and the rule for cached inputs."""
    populations, sets = case.network["populations"], case.network["synapses"]
    facts = {name: dict(own) for name, own in record.facts.items()}
    cached_reads = dict.fromkeys(populations, 0)
    if input == "cached" and case.coding == "constant":
        starts, pushes = {}, 0
        for name, fields in sets.items():
            if fields["source"] != case.network["input"]:
                continue
            queue = record.queue[name]
            facts[name] = first_delivery_only(facts[name], queue)
            pushes += facts[name]["arrivals"]
            start = next((t for t, events in enumerate(queue) if events), case.timesteps)
            starts.setdefault(fields["target"], []).append(start)
        facts[case.network["input"]]["pushes"] = pushes
        for target, firsts in starts.items():
            later = max(case.timesteps - min(firsts) - 1, 0)
            cached_reads[target] = later * neurons(listening(populations[target]))
    actions = {}
    for name, own in sets.items():
        gated = populations[own["target"]]["kind"] == "maxpool"
        actions[name] = actions_of_set(own, facts[name], accumulate, gated)
    for name, fields in populations.items():
        actions[name] = actions_of_population(fields, facts[name], accumulate, update)
        actions[name]["current_read"] += cached_reads[name]
        actions[name]["commit_add"] += cached_reads[name]
    return actions


@pytest.mark.slow  # tests/engine/test_engine.py compares the same through the engine's facts
@settings(deadline=None, max_examples=60)
@given(cases())
def test_actions_are_the_table_applied_to_facts(case):
    record = simulate(**case._asdict())
    for accumulate, update, input in MACHINES:
        machine = {"accumulate": accumulate, "update": update, "input": input}
        actions, spikes = measure(**case._asdict(), **machine)
        assert actions == actions_from_facts(case, record, **machine)
        assert spikes == record.spikes
