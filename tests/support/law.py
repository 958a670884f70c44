"""What a run gives, compared with what the oracles say."""

from itertools import product

import numpy as np
from oracles.geometry import neurons
from oracles.tally import measure

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


def assert_sums(run, record):
    """What is said of the sums of every population is what the oracle says."""
    assert set(run.ranges) == set(record.sums)
    for name, sums in record.sums.items():
        found = [x for s in sums for x in (s.lowest, s.highest)]
        assert run.ranges[name].tolist() == [found], name
        if name in run.first_overflows:
            first = min((s.first for s in sums if s.overflows), default=(-1, -1))
            assert tuple(run.first_overflows[name][0].tolist()) == first, name
