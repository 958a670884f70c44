"""Max pools: the law by hand, on windows of every geometry, and what it costs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.geometry import axis_length, connections
from oracles.naive import simulate
from support import build
from support.effort import examples
from support.law import MACHINES, assert_equal, assert_tallied, events_of
from support.strategies import Case

T = 6
ONE = {"kernel": (2, 2), "stride": (2, 2)}  # a window of four sources
IN, OUT = "in", "out"


def pooled(shape, target, fields, delay=0):
    """Events onto a max pool, which is the output."""
    pool = {"kind": "pool", "source": IN, "target": OUT, "delay": delay, **fields}
    populations = {
        IN: {"kind": "input", "shape": shape},
        OUT: {"kind": "maxpool", "shape": target},
    }
    return {"input": IN, "output": OUT, "populations": populations, "synapses": {"p": pool}}


def case_of(events, shape=(2, 2, 1), target=(1, 1, 1), fields=ONE, graded=None, delay=0):
    network = pooled(shape, target, fields, delay)
    return Case(network, sorted(events), T, "events", graded=graded)


# events of four sources in one window; what the pool sends; how many sums are read again
BY_HAND = {
    "the first of several, once": ([(0, 0, 1), (0, 3, 1), (1, 2, 1)], [(0, 0, 1)], 0),
    "what another one had told": (
        [(0, 0, 1), (1, 1, 1), (2, 1, 1), (3, 0, 1)],
        [(0, 0, 1), (2, 0, 1)],
        0,
    ),
    "silent sources are at 0": ([(0, 0, -1), (1, 1, -1), (2, 2, -1)], [], 0),
    "below 0 when all are": (
        [(0, 0, -1), (0, 1, -1), (1, 2, -1), (2, 3, -1), (4, 1, 1)],
        [(2, 0, -1), (4, 0, 1)],
        3,
    ),
    "one of two at the top falls": ([(0, 0, 1), (0, 1, 1), (1, 1, -1)], [(0, 0, 1)], 0),
    "the only one falls": ([(0, 1, 1), (2, 1, -1)], [(0, 0, 1), (2, 0, -1)], 3),
    "both fall at once": (
        [(0, 0, 1), (0, 1, 1), (2, 0, -1), (2, 1, -1)],
        [(0, 0, 1), (2, 0, -1)],
        3,
    ),
    "another one rises to it as it falls": (
        [(0, 0, 1), (1, 0, -1), (1, 3, 1)],
        [(0, 0, 1)],
        0,
    ),
    "the same with the one that rises in front": (
        [(0, 3, 1), (1, 0, 1), (1, 3, -1)],
        [(0, 0, 1)],
        0,
    ),
    "it falls to the next": (
        [(0, 0, 1), (1, 0, 1), (1, 1, 1), (2, 0, -1), (3, 1, -1)],
        [(0, 0, 1), (1, 0, 1), (2, 0, -1)],
        3,
    ),
    "values": (
        [(0, 0, 0.5), (1, 1, 2), (2, 1, -1.75), (3, 0, 0.25)],
        [(0, 0, 0.5), (1, 0, 1.5), (2, 0, -1.5), (3, 0, 0.25)],
        3,
    ),
    "two rise, and the larger counts": (
        [(0, 0, 1.5), (0, 1, 3), (1, 0, 2), (1, 1, -0.25), (1, 2, 3.25)],
        [(0, 0, 3), (1, 0, 0.5)],
        0,
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name):
    events, sent, rescanned = BY_HAND[name]
    case = case_of(events)
    run, record = build.run(case), simulate(**case._asdict())
    assert events_of(run, OUT) == record.spikes[OUT] == sent
    facts = {fact: int(n[0]) for fact, n in run.work[OUT].items()}
    assert facts["gate_updates"] == len(events)
    assert facts["rescanned"] == rescanned
    actions = run.counts("register")["parts"]
    assert actions[OUT]["compare"] == len(events) + rescanned
    assert actions[OUT]["potential_read"] == rescanned
    assert actions["p"]["potential_read"] == actions["p"]["potential_write"] == len(events)
    assert_tallied(run, record, case, *MACHINES)


def test_at_the_border_only_the_sources_that_are_there_are_read_again():
    # Windows of 1, 2 and 1 of the two sources in a row; places beyond the border are not at 0.
    fields = {"kernel": (1, 2), "stride": (1, 1), "padding": (0, 0, 1, 1)}
    events = [(0, 0, -1), (1, 1, 1), (2, 1, -1), (3, 1, -1)]
    run = build.run(case_of(events, (1, 2, 1), (1, 3, 1), fields))
    assert events_of(run, OUT) == [
        *[(0, 0, -1), (1, 1, 1), (1, 2, 1), (2, 1, -1), (2, 2, -1), (3, 1, -1), (3, 2, -1)],
    ]
    assert run.work[OUT]["rescanned"].tolist() == [2]  # twice the window of both
    assert run.work[OUT]["touched"].tolist() == [8]


@st.composite
def geometries(draw):
    """Shapes of source and target and the fields of a pool: overlaps, gaps, windows of nothing."""
    sizes, axes = (draw(st.integers(1, 5)), draw(st.integers(1, 5))), []
    for size in sizes:
        kernel, stride = draw(st.integers(1, 4)), draw(st.integers(1, 4))
        lead, trail = draw(st.integers(0, 5)), draw(st.integers(0, 3))
        if size + lead + trail < kernel:
            lead = kernel
        axes.append(
            (kernel, stride, lead, trail, axis_length(size, kernel, stride, lead, trail, 1))
        )
    kernel, stride, lead, trail, length = zip(*axes, strict=True)
    channels = draw(st.integers(1, 3))
    fields = {"kernel": kernel, "stride": stride}
    fields["padding"] = (lead[0], trail[0], lead[1], trail[1])
    return (*sizes, channels), (*length, channels), fields


VALUES = {
    "spikes": [1],
    "signs": [1, -1],
    "values": [1, -1, 0.5, -2.25, 3],
    "values off the grid": [0.1, -0.1, 1 / 3, 7.7, -1e-3],
}


@st.composite
def stimuli(draw):
    shape, target, fields = draw(geometries())
    count = int(np.prod(shape))
    places = st.tuples(st.integers(0, T - 1), st.integers(0, count - 1))
    chosen = sorted(draw(st.sets(places, max_size=min(60, T * count))))
    values = st.sampled_from(VALUES[draw(st.sampled_from(sorted(VALUES)))])
    events = [(t, j, draw(values)) for t, j in chosen]
    graded = draw(st.sampled_from([None, True]))
    return case_of(events, shape, target, fields, graded, draw(st.integers(0, 2)))


@examples(150)
@given(stimuli(), st.sampled_from(MACHINES), st.sampled_from(["float32", "float64"]))
def test_every_geometry_equals_the_law(case, machine, dtype):
    record = simulate(**case._asdict(), dtype=np.dtype(dtype).type)
    run = build.run(case, dtype=dtype)
    assert_equal(run, record, case)
    if all(value % 0.25 == 0 for _, _, value in case.inputs):
        assert_tallied(run, record, case, machine)


@examples(60)
@given(stimuli())
def test_what_is_sent_adds_up_to_the_largest_sum(case):
    shape, target = (part["shape"] for part in case.network["populations"].values())
    [pool] = case.network["synapses"].values()
    arrived = np.zeros((T, int(np.prod(shape))))
    for t, j, value in case.inputs:
        if t + pool["delay"] < T:
            arrived[t + pool["delay"], j] += np.float32(value)
    sums, told = arrived.cumsum(axis=0), np.zeros((T, int(np.prod(target))))
    for t, j, value in events_of(build.run(case), OUT):
        told[t, j] = value
    wires = connections(pool, shape, target)
    for j, found in enumerate(told.cumsum(axis=0).T):
        members = [i for i, own in enumerate(wires) if any(s.target == j for s in own)]
        expected = sums[:, members].max(axis=1) if members else np.zeros(T)
        np.testing.assert_allclose(found, expected, atol=1e-4)


@examples(60)
@given(stimuli(), st.integers(1, 4))
def test_no_span_changes_a_bit(case, span):
    assert build.outcome(build.run(case, window=span)) == build.outcome(build.run(case))
