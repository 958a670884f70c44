"""Queues of a declared depth: what is lost is lost in the results, too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.actions import actions_of_set
from oracles.geometry import listening, neurons
from oracles.naive import simulate
from support import build
from support.effort import examples
from support.law import assert_equal
from support.places import ROOT
from support.queues import QUEUES, cores_of, queue_of
from support.strategies import cases
from support.window_networks import online_cases, window_cases

import evsim
from evsim import EvsimError
from evsim.engine.queue import Queue
from evsim.formats.result import load


def law(case, queue):
    """What the oracle says; a shared queue fills in the order in which populations are visited."""
    depth, policy, *cores = queue
    shared = []
    if cores:
        stages = build.network(case.network).stages
        order = [name for stage in stages for name in stage.populations]
        shared = [order, cores_of(case, *cores)]
    return simulate(**case._asdict(), queue=(depth, policy, *shared))


@examples(150)
@given(cases(), QUEUES)
def test_a_run_with_queues_equals_the_law(case, queue):
    record = law(case, queue)
    assert_equal(build.run(case, queue=queue_of(case, *queue)), record, case)


@examples(60)
@given(st.one_of(window_cases(), online_cases()), QUEUES)
def test_switch_events_that_are_lost_are_missed(case, queue):
    record = law(case, queue)
    assert_equal(build.run(case, queue=queue_of(case, *queue)), record, case)


@examples(60)
@given(cases(codings=("constant",)), QUEUES, st.sampled_from(["direct", "buffer", "register"]))
def test_a_cached_input_is_what_the_first_delivery_brought(case, queue, accumulate):
    record = law(case, queue)
    run = build.run(case, queue=queue_of(case, *queue), record=())
    parts = run.counts(accumulate, input="cached")["parts"]
    plain = run.counts(accumulate)["parts"]
    populations, later = case.network["populations"], dict.fromkeys(case.network["populations"], 0)
    for name, fields in case.network["synapses"].items():
        if fields["source"] == case.network["input"]:
            facts, target = record.facts[name], fields["target"]
            gated = populations[target]["kind"] == "maxpool"
            once = {"arrivals": facts["first_arrivals"], "macs": facts["first_macs"], "synops": 0}
            wanted = actions_of_set(fields, once, accumulate, gated)
            assert parts[name] == dict.fromkeys(parts[name], 0) | wanted
            left = facts["after_first"] * neurons(listening(populations[target]))
            later[target] = max(later[target], left)
    for name in populations.keys() - {case.network["input"]}:
        found = {a: n - plain[name][a] for a, n in parts[name].items() if n != plain[name][a]}
        again = {a: later[name] for a in ("current_read", "commit_add") if later[name]}
        assert found == again, name


def test_a_cached_input_that_loses_more_later(tmp_path):
    # Three inputs, and from timestep 1 on a spike of n itself, before them in the queue of three.
    network = evsim.Network(
        {
            "in": evsim.neuron_kinds()["input"](shape=(3,)),
            "n": evsim.neuron_kinds()["iaf"](shape=(1,), threshold=np.array(1.0)),
        },
        {
            "back": evsim.synapse_kinds()["identity"](source="n", target="n", delay=1),
            "from": evsim.synapse_kinds()["dense"](source="in", target="n", weight=np.ones((3, 1))),
        },
        output="n",
    )
    queue = Queue(3, "drop_new", shared=True)
    run = evsim.run(network, np.ones((1, 3)), coding="constant", timesteps=2, queue=queue)
    assert run.work["from"]["arrivals"].tolist() == [5]
    run.save(tmp_path / "run.h5")
    for counted in (run, load(tmp_path / "run.h5")):
        parts = counted.counts(input="cached")["parts"]
        found = {action: n for action, n in parts["from"].items() if n}
        same = ("event_pop", "synaptic_mac", "weight_read", "potential_read", "potential_write")
        assert found == dict.fromkeys(same, 3)
        assert (parts["n"]["current_read"], parts["in"]["event_push"]) == (1, 3)


@examples(40)
@given(cases(), QUEUES, st.integers(1, 5))
def test_no_window_changes_what_is_lost(case, queue, window):
    whole = build.run(case, queue=queue_of(case, *queue))
    assert build.outcome(
        build.run(case, queue=queue_of(case, *queue), window=window)
    ) == build.outcome(whole)


@examples(40)
@given(cases(), st.booleans())
def test_a_queue_deep_enough_changes_nothing(case, shared):
    free = build.run(case)
    queued = build.run(case, queue=Queue(10**6, shared=shared))
    for name, facts in queued.work.items():
        first = ("first_arrivals", "first_macs", "after_first")
        for fact in ("dropped", "dropped_synops", "stalled"):
            assert not facts.pop(fact, np.zeros(1)).any()
        assert {f: n.tolist() for f, n in facts.items() if f not in first} == {
            f: n.tolist() for f, n in free.work[name].items()
        }
    assert queued.predictions_by_timestep.tolist() == free.predictions_by_timestep.tolist()


def test_a_queue_that_must_not_overflow_ends_the_run():
    network = evsim.load(ROOT / "networks" / "digits-dense.h5")
    images = evsim.open_data(ROOT / "data" / "digits_test.h5").images[:1]
    with pytest.raises(EvsimError, match=r"synapses/.*events at timestep \d+, expected at most 3"):
        evsim.run(network, images, queue=Queue(3, "error"))


@pytest.mark.parametrize(
    ("depth", "waited", "arrivals"),
    [(3, 2, {"in-a": 5, "a-b": 0}), (6, 0, {"in-a": 5, "a-b": 1}), (9, 0, {"in-a": 5, "a-b": 4})],
)
def test_events_from_outside_wait_and_those_from_inside_are_lost(depth, waited, arrivals):
    """Five events a timestep from outside, four from inside, in one queue; three timesteps."""
    ones = {"threshold": 1, "bias": 1}
    populations = {
        "in": {"kind": "input", "shape": (5,)},
        "a": {"kind": "iaf", "shape": (4,), **ones},
        "b": {"kind": "iaf", "shape": (2,), **ones},
    }
    sets = {
        "in-a": {"kind": "dense", "source": "in", "target": "a", "weight": np.zeros((5, 4))},
        "a-b": {"kind": "dense", "source": "a", "target": "b", "weight": np.zeros((4, 2))},
    }
    network = {"input": "in", "output": "b", "populations": populations, "synapses": sets}
    queue = Queue(depth, "drop_new", shared=True, policies={"in": "stall"})
    run = evsim.run(build.network(network), np.ones((1, 5)), timesteps=3, queue=queue)
    for name, n in arrivals.items():
        assert run.work[name]["arrivals"].tolist() == [3 * n]
    assert run.work["in-a"]["stalled"].tolist() == [3 * waited]
    assert run.work["in-a"]["dropped"].tolist() == [0]
    assert run.work["a-b"]["dropped"].tolist() == [3 * (4 - arrivals["a-b"])]
    assert run.work["a-b"]["stalled"].tolist() == [0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "depth: found 0, expected at least 1"),
        ((4, "drop"), "policy: found 'drop', expected"),
        ((4, "drop_old", None, True), "policy: found 'drop_old', expected another one"),
        ((4, "stall", None, True, None, {"in": "drop_old"}), "policies/in: found 'drop_old', exp"),
        ((4, "stall", None, False, None, {"in": "drip_new"}), "did you mean 'drop_new'"),
    ],
)
def test_bad_queues(arguments, message):
    with pytest.raises(EvsimError, match=message):
        Queue(*arguments)
