"""Temporal switch coding equals the law written as plain loops, timestep by timestep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.geometry import per_neuron
from oracles.naive import is_integer, simulate
from support import build
from support.effort import examples
from support.law import MACHINES, assert_equal, assert_tallied, events_of
from support.window_networks import online_cases, window_cases


def any_cases():
    """Every rule: windows, all layers together, one some timesteps after the other."""
    return st.one_of(window_cases(), online_cases(), window_cases(online=True))


@examples(120)
@given(window_cases())
def test_a_window_equals_the_law(case):
    record = simulate(**case._asdict())
    assert_equal(build.run(case), record, case)


@examples(100)
@given(online_cases())
def test_switching_online_equals_the_law(case):
    record = simulate(**case._asdict())
    assert_equal(build.run(case), record, case)


@examples(150)
@given(window_cases(online=True))
def test_switching_some_timesteps_after_the_sources_equals_the_law(case):
    record = simulate(**case._asdict())
    assert_equal(build.run(case), record, case)


@pytest.mark.slow
@examples(4000)
@given(any_cases())
def test_thousands_of_cases_equal_the_law(case):
    assert_equal(build.run(case), simulate(**case._asdict()), case)


@pytest.mark.slow
@examples(60)
@given(any_cases(), st.integers(1, 9), st.integers(1, 4))
def test_no_window_of_the_engine_changes_a_bit(case, window, jobs):
    record = simulate(**case._asdict())
    assert_equal(build.run(case, window=window, jobs=jobs), record, case)
    for options in ({"window": window}, {}):
        run = build.run(case, record=("spikes",), **options)
        for name, facts in record.facts.items():
            assert {f: n.tolist() for f, n in run.work[name].items()} == {
                f: [n] for f, n in facts.items()
            }, name
        for name in run.spikes:
            assert events_of(run, name) == [tuple(map(float, e)) for e in record.spikes[name]]
        assert run.predictions_by_timestep[0].tolist() == record.decisions


@examples(50)
@given(any_cases(), st.sampled_from(MACHINES))
def test_actions_equal_those_of_a_simulator_that_tallies(case, machine):
    assert_tallied(build.run(case, record=()), simulate(**case._asdict()), case, machine)


@examples(40)
@given(any_cases())
def test_skipping_neurons_that_are_not_active_changes_nothing(case):
    lazy, full = (simulate(**case._asdict(), lazy=lazy) for lazy in (True, False))
    assert lazy.spikes == full.spikes
    assert lazy.decisions == full.decisions


@examples(40)
@given(window_cases())
def test_no_neuron_sends_more_than_two_events(case):
    run = build.run(case)
    for events in run.spikes.values():
        assert np.bincount(events["neuron"]).max(initial=0) <= 2
    assert run.counts()["accesses_per_synapse"]["M1"]["max"] <= 2


def online_a_window_later(fields):
    """What decides as a population of the rule of windows does."""
    own = {name: value for name, value in fields.items() if name != "rounding"}
    v_init, threshold = (per_neuron(fields.get(n, 0), fields["shape"]) for n in FIELDS)
    lift = fields.get("rounding", 0)
    own["v_init"] = np.array([v + lift * x for v, x in zip(v_init, threshold, strict=True)])
    return own | {"firing": "online", "delta": fields["window"]}


FIELDS = ("v_init", "threshold")


@examples(80)
@given(window_cases())
def test_a_whole_window_later_switching_online_is_the_rule_of_windows(case):
    """With a delta of N all has arrived when a neuron decides; on a grid that is the same."""
    windows, online = {}, {}
    for name, fields in case.network["populations"].items():
        windows[name] = online[name] = dict(fields)
        if fields["kind"] == "switch":
            if is_integer(case.network, name, False):
                windows[name].pop("rounding", 0)  # half a threshold need not be a whole number
            online[name] = online_a_window_later(windows[name])
    found = [
        build.run(case._replace(network=case.network | {"populations": populations}))
        for populations in (windows, online)
    ]
    spikes = [{name: events_of(run, name) for name in run.spikes} for run in found]
    assert spikes[0] == spikes[1]
    assert found[0].predictions_by_timestep.tolist() == found[1].predictions_by_timestep.tolist()
    assert found[0].potential.tolist() == found[1].potential.tolist()
