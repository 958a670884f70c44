"""Temporal switch coding equals the law written as plain loops, timestep by timestep."""

import build
import numpy as np
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from naive import simulate
from test_engine import MACHINES, assert_equal, assert_tallied, events_of
from window_networks import online_cases, window_cases


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


@pytest.mark.slow
@examples(4000)
@given(st.one_of(window_cases(), online_cases()))
def test_thousands_of_cases_equal_the_law(case):
    assert_equal(build.run(case), simulate(**case._asdict()), case)


@examples(60)
@given(st.one_of(window_cases(), online_cases()), st.integers(1, 9), st.integers(1, 4))
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
@given(st.one_of(window_cases(), online_cases()), st.sampled_from(MACHINES))
def test_actions_equal_those_of_a_simulator_that_tallies(case, machine):
    assert_tallied(build.run(case, record=()), simulate(**case._asdict()), case, machine)


@examples(40)
@given(st.one_of(window_cases(), online_cases()))
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
