"""Durations: what cores do one after the other, the slowest of them, and pipelines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evsim.chip.latency import Timing, folded
from evsim.chip.placement import Load
from evsim.chip.profile.time import Steps, Time


class Two:
    """Two cores, one population on each."""

    count = 2

    def __init__(self):
        self.cores = {"a": np.array([0]), "b": np.array([1])}


def loads(timesteps):
    counts = st.lists(
        st.lists(st.integers(0, 9), min_size=2, max_size=2), min_size=timesteps, max_size=timesteps
    )
    return st.builds(Load, *[counts.map(lambda rows: np.array(rows))] * 4)


def slowest(load, t, prices, lanes, idle):
    """The time of the slowest core in a timestep, in plain arithmetic."""
    each = []
    for core in range(2):
        turns = load.synops[t, core] // lanes + (load.synops[t, core] % lanes > 0)
        update = prices["idle_update"] if idle else prices["update"]
        each.append(
            load.pops[t, core] * (prices["pop"] + prices["event"])
            + turns * prices["synapse"]
            + load.updates[t, core] * update
            + load.pushes[t, core] * prices["push"]
        )
    return max(each) + prices["barrier"]


PRICES = {
    "pop": 2.0,
    "event": 1.0,
    "synapse": 3.0,
    "update": 5.0,
    "idle_update": 1.0,
    "push": 7.0,
    "barrier": 11.0,
}


@given(loads(5), st.integers(1, 4))
def test_the_slowest_core_ends_a_timestep(load, lanes):
    timing = Timing(Time(lanes=lanes, cycles=Steps(**PRICES)), Two(), 5)
    timing.take(timing.measure(load))
    found = timing.as_dict()
    assert found["unit"] == "cycles"
    assert "inferences_per_second" not in found
    assert found["latency"] == sum(slowest(load, t, PRICES, lanes, False) for t in range(5))
    assert found["latency_low"] == sum(slowest(load, t, PRICES, lanes, True) for t in range(5))
    assert found["interval"] == found["latency"]


@given(loads(6), st.integers(1, 6))
def test_samples_in_a_pipeline_share_timesteps(load, period):
    timing = Timing(Time(clock_hz=1e9, cycles=Steps(synapse=1)), Two(), period)
    timing.take(timing.measure(load))
    shared = np.zeros((period, 2), int)
    for sample in range(6):  # one enters every period; the last timesteps are the steady state
        for t in range(6):
            at = sample * period + t - 5 * period
            if 0 <= at < period:
                shared[at] += load.synops[t]
    found = timing.as_dict()
    assert found["interval"] == shared.max(axis=1).sum()
    assert found["latency"] == load.synops.max(axis=1).sum()
    if found["interval"]:
        assert found["inferences_per_second"] == 1e9 / found["interval"]


def test_ranges_are_ranges_and_the_bottleneck_is_named():
    load = Load(*(np.array([[1, 4]]) * factor for factor in (1, 10, 0, 0)))
    timing = Timing(Time(ns=Steps(synapse=(2.0, 3.0), pop=1.0)), Two(), 1)
    timing.take(timing.measure(load))
    found = timing.as_dict()
    assert (found["latency_low"], found["latency"]) == (84, 124)
    assert found["bottleneck_core"] == 1
    assert found["populations"] == ["b"]
    assert found["bound_by"] == "synapse"
    assert found["unit"] == "ns"


def test_a_chip_that_says_nothing_takes_no_time():
    timing = Timing(Time(), Two(), 1)
    timing.take(timing.measure(Load(*[np.ones((1, 2), int)] * 4)))
    assert timing.as_dict() == {}


def test_a_period_that_does_not_divide():
    load = Load(*[np.array([[1, 0], [2, 0], [4, 0]])] * 4)
    assert folded(load, 2).pops.tolist() == [[5, 0], [2, 0]]
    with pytest.raises(ZeroDivisionError):
        folded(load, 0)
