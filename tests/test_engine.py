"""The engine equals the law written as plain loops: spikes, potentials, facts and actions."""

import threading
from itertools import product

import build
import numpy as np
import pytest
from effort import examples
from geometry import neurons
from hypothesis import given
from hypothesis import strategies as st
from naive import simulate
from strategies import cases
from tally import measure

from evsim.engine.plan import Plan
from evsim.engine.settings import settle
from evsim.engine.threads import simulate as simulated

MACHINES = list(
    product(("direct", "buffer", "register"), ("clock", "active"), ("recompute", "cached"))
)


def events_of(run, name):
    return [(e["timestep"], e["neuron"], e["value"]) for e in run.spikes[name]]


def sent(record, network, name):
    """How many events each neuron of a population sent, whether they arrived anywhere or not."""
    count = neurons(network["populations"][name]["shape"])
    return np.bincount([j for _, j, _ in record.spikes[name]], minlength=count)


def assert_equal(run, record, case):
    """Everything that a run gives is what the oracle says."""
    network = case.network
    for name, facts in record.facts.items():
        assert {f: n.tolist() for f, n in run.work[name].items()} == {
            f: [n] for f, n in facts.items()
        }, name
    for name in run.spikes:
        assert events_of(run, name) == [tuple(map(float, e)) for e in record.spikes[name]], name
    silent = {name for name, part in network["populations"].items() if part["kind"] == "readout"}
    graded = {network["input"]} if run.settings.graded_input else set()
    assert set(run.spikes) == set(network["populations"]) - silent - graded
    assert set(run.trace) == set(record.trace)
    for name, trace in record.trace.items():
        assert run.trace[name].dtype == trace.dtype
        np.testing.assert_array_equal(run.trace[name][0], trace, err_msg=name)
    for name, queue in record.queue.items():
        assert run.queues[name][0].tolist() == list(queue)
    for name, accesses in record.accesses.items():
        found = {int(k): int(n) for k, n in enumerate(run.histograms[name]) if n}
        assert found == {k: n for k, n in accesses.items() if n}, name
    for name in set(network["populations"]) - silent:
        each = sent(record, network, name)
        found = np.trim_zeros(run.histograms[name], "b")
        assert found.tolist() == np.bincount(each).tolist(), name
    assert run.predictions_by_timestep[0].tolist() == list(record.decisions)
    assert run.predictions.tolist() == [record.decision]


def assert_tallied(run, record, case, *machines):
    """The actions of a run are those that a simulator tallies, and its events are the law's."""
    for machine in machines:
        own = dict(zip(("accumulate", "update", "input"), machine, strict=True))
        actions, spikes = measure(**case._asdict(), **own)
        assert spikes == record.spikes
        assert run.counts(*machine)["parts"] == actions


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
