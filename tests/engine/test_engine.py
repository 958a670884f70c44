"""The engine equals the law written as plain loops: spikes, potentials, facts and actions."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.naive import simulate
from support import build
from support.effort import examples
from support.law import MACHINES, assert_equal, assert_tallied, events_of, sent
from support.strategies import cases

from evsim.engine.plan import Plan
from evsim.engine.settings import settle
from evsim.engine.threads import simulate as simulated


@examples(200)
@given(cases())
def test_the_engine_equals_the_law(case):
    record = simulate(**case._asdict())
    assert_equal(build.run(case), record, case)


@pytest.mark.slow
@examples(2000)
@given(cases())
def test_a_thousand_cases_equal_the_law(case):
    assert_equal(build.run(case), simulate(**case._asdict()), case)


@pytest.mark.slow
@examples(100)
@given(cases(), st.integers(1, 8), st.integers(1, 4))
def test_no_window_changes_a_bit(case, window, jobs):
    record = simulate(**case._asdict())
    assert_equal(build.run(case, window=window, jobs=jobs), record, case)
    untraced = build.run(case, window=window, record=("spikes", "queues"))
    whole = build.run(case, record=("spikes", "queues"))
    for run in (untraced, whole):
        assert {n: events_of(run, n) for n in run.spikes} == {
            n: [tuple(map(float, e)) for e in record.spikes[n]] for n in run.spikes
        }
        for name, facts in record.facts.items():
            assert {f: n.tolist() for f, n in run.work[name].items()} == {
                f: [n] for f, n in facts.items()
            }, name


@examples(60)
@given(cases(), st.integers(1, 8))
def test_rates_are_of_events_sent(case, window):
    record = simulate(**case._asdict())
    network, inputs = build.network(case.network), build.inputs(case)
    given = {n: getattr(case, n) for n in ("timesteps", "coding", "seed")}
    settings = settle(network, inputs, first_sample=case.sample, **given)
    plan = Plan(network, settings, record=("rates",), span=window)
    [sample] = simulated(plan, inputs, settings, 1, threading.Event())
    silent = {n for n, part in case.network["populations"].items() if part["kind"] == "readout"}
    assert set(sample.rates) == set(case.network["populations"]) - silent
    for name, rates in sample.rates.items():
        assert (rates == sent(record, case.network, name) / case.timesteps).all(), name


@examples(60)
@given(cases(), st.sampled_from(MACHINES))
def test_actions_equal_those_of_a_simulator_that_tallies(case, machine):
    run = build.run(case, record=())
    assert_tallied(run, simulate(**case._asdict()), case, machine)
    parts = run.counts(*machine)["parts"]
    assert {type(n) for part in parts.values() for n in part.values()} == {int}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@examples(60)
@given(case=cases())
def test_both_dtypes_agree_on_a_grid(dtype, case):
    record = simulate(**case._asdict(), dtype=np.dtype(dtype).type)
    assert_equal(build.run(case, dtype=dtype), record, case)
