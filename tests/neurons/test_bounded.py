"""Integers of a declared width: the engine equals plain loops, sum by sum."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.naive import simulate
from support import build
from support.effort import examples
from support.law import MACHINES, assert_equal, assert_sums, assert_tallied
from support.strategies import bounded_cases

from evsim.base.errors import EvsimError


@examples(300)
@given(bounded_cases())
def test_widths_equal_the_law(case):
    record = simulate(**case._asdict())
    run = build.run(case)
    assert_equal(run, record, case)
    assert_sums(run, record)


@pytest.mark.slow
@examples(2000)
@given(bounded_cases())
def test_a_thousand_widths_equal_the_law(case):
    record, run = simulate(**case._asdict()), build.run(case)
    assert_equal(run, record, case)
    assert_sums(run, record)


@pytest.mark.slow
@examples(100)
@given(bounded_cases(), st.integers(1, 8))
def test_no_window_changes_what_widths_do(case, window):
    record = simulate(**case._asdict())
    for found in (build.run(case, window=window), build.run(case, record=("spikes", "queues"))):
        for name, facts in record.facts.items():
            assert {f: n.tolist() for f, n in found.work[name].items()} == {
                f: [n] for f, n in facts.items()
            }, name
        assert_sums(found, record)
        assert found.predictions_by_timestep[0].tolist() == list(record.decisions)


@examples(60)
@given(bounded_cases(), st.sampled_from(MACHINES))
def test_actions_of_widths_equal_those_of_a_simulator_that_tallies(case, machine):
    assert_tallied(build.run(case, record=()), simulate(**case._asdict()), case, machine)


@pytest.mark.slow
@examples(100)
@given(bounded_cases())
def test_an_overflow_is_an_error_where_the_law_says_so(case):
    for fields in case.network["populations"].values():
        if "potential_bits" in fields:
            fields["overflow"] = "error"
    try:
        record = simulate(**case._asdict())
    except OverflowError:
        with pytest.raises(EvsimError, match=r"sample \d+: found a sum beyond \d+ bits"):
            build.run(case)
    else:
        assert_sums(build.run(case), record)
