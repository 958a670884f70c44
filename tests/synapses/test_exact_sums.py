"""Sums to the bit: wide rows, random numbers, floats off every grid, neurons by hand."""

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.naive import simulate
from support import build
from support.descriptions import CONSTANT, flat, join, one_weight
from support.effort import examples
from support.law import assert_equal
from support.strategies import Case

import evsim

compiled = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too slow without compiling")

# Wide rows, against plain sums


GRIDS = {
    "float32": (np.float32, np.float32),
    "float64": (np.float64, np.float32),
    "int8": (np.float32, np.int8),
    "int16": (np.float32, np.int16),
    "int32": (np.float32, np.int32),
}


def grid(dtype, *shape):
    """Weights whose sums are exact: 64ths, or integers that need their type."""
    random = np.random.default_rng(sum(shape))
    if np.dtype(dtype).kind == "f":
        return (random.integers(-64, 65, shape) / 64).astype(dtype)
    high = min(np.iinfo(dtype).max, 40_000)
    return random.integers(-high - 1, high + 1, shape).astype(dtype)


def dense(weight):
    """A readout that sums the rows of a dense set."""
    network = one_weight(flat("readout", weight.shape[1]))
    network["populations"]["in"]["shape"] = weight.shape[:1]
    network["synapses"]["s"]["weight"] = weight
    return network


def events_where(happens, values, shape):
    """Events of one sample where `happens` (timesteps, neurons), `values` by turns; also dense."""
    t, neuron = np.nonzero(happens)
    about = {"shape": shape, "samples": 1, "timesteps": len(happens)}
    value = np.resize(np.array(values, np.float64), t.size)
    events = evsim.Events(np.zeros(t.size, np.int64), t, neuron, value, **about)
    sent = np.zeros(happens.shape)
    sent[t, neuron] = value
    return events, sent


@compiled
@pytest.mark.parametrize("values", [[1], [1, -1, -1]], ids=["ones", "signs"])
@pytest.mark.parametrize("columns", [1, 64, 65, 128, 200])
@pytest.mark.parametrize("name", GRIDS)
def test_wide_dense_rows(name, columns, values):
    dtype, weights = GRIDS[name]
    rows, timesteps = 300, 480
    weight = grid(weights, rows, columns)
    # 0, 1, 7, 8, 9, ... arrivals, and then so many that more than one list is needed.
    arrivals = np.resize([0, 1, 7, 8, 9, 16, 127, 128, 129, 256, 300, 300], timesteps)
    order = np.random.default_rng(3).permuted(np.tile(np.arange(rows), (timesteps, 1)), axis=1)
    happens = order < np.where(np.arange(timesteps) > 12, 299, arrivals)[:, None]
    events, sent = events_where(happens, values, (rows,))
    network = build.network(dense(weight))
    run = evsim.run(network, events, dtype=np.dtype(dtype).name, record=("trace",))
    block = evsim.run(network, events, dtype=np.dtype(dtype).name)
    wanted = (sent @ weight.astype(np.float64)).cumsum(axis=0)
    assert np.array_equal(run.trace["n"][0], wanted)
    assert np.array_equal(block.potential[0], wanted[-1])
    assert block.work["s"]["rows"].tolist() == [happens.sum()]
    assert block.work["s"]["zero_synops"].tolist() == [(happens @ (weight == 0).sum(axis=1)).sum()]


@compiled
@pytest.mark.parametrize("values", [[1], [1, -1, -1]], ids=["ones", "signs"])
@pytest.mark.parametrize("name", GRIDS)
def test_wide_convolutions(name, values):
    dtype, weights = GRIDS[name]
    timesteps, (height, width, depth), out = 40, (8, 8, 9), 64
    weight = grid(weights, 3, 3, depth, out)
    happens = np.random.default_rng(4).random((timesteps, height * width * depth)) < 0.95
    events, sent = events_where(happens, values, (height, width, depth))
    image = np.pad(sent.reshape(timesteps, height, width, depth), [(0, 0), (1, 1), (1, 1), (0, 0)])
    wanted = sum(
        image[:, a : a + height, b : b + width] @ weight[a, b].astype(np.float64)
        for a in range(3)
        for b in range(3)
    )
    network = one_weight({"kind": "readout", "shape": (height, width, out)})
    network["populations"]["in"]["shape"] = (height, width, depth)
    network["synapses"]["s"] |= {"kind": "conv", "weight": weight, "padding": (1, 1, 1, 1)}
    run = evsim.run(build.network(network), events, dtype=np.dtype(dtype).name)
    assert np.array_equal(run.potential[0], wanted.sum(axis=0).ravel())
    assert run.work["s"]["rows"][0] > 131072


@compiled
@pytest.mark.parametrize("columns", [64, 65])
@pytest.mark.parametrize("value", [-128, 127])
def test_bytes_do_not_overflow_where_they_are_summed(value, columns):
    weight = np.full((1300, columns), value, np.int8)
    network = build.network(dense(weight))
    counts = [1300, 1299, 1153, 128, 129, 127, 256]
    happens = np.arange(1300)[None, :] < np.array(counts)[:, None]
    events, _ = events_where(happens, [1], (1300,))
    run = evsim.run(network, events, record=("trace",))
    wanted = np.cumsum(counts)[:, None] * np.full(columns, value)
    assert run.trace["n"][0].tolist() == wanted.tolist()
    assert evsim.run(network, events).potential[0].tolist() == wanted[-1].tolist()
    minus, _ = events_where(happens, [-1], (1300,))
    assert evsim.run(network, minus).potential[0].tolist() == (-wanted[-1]).tolist()


# Random numbers


@pytest.mark.parametrize("seed", [0, 2**32 - 1, 2**32, 0x299F31D0A4093822, 2**64 - 1])
@pytest.mark.parametrize("sample", [0, 9, 2**31 + 7, 2**32 - 1])
def test_poisson_draws_those_of_the_law(seed, sample):
    network = one_weight(flat("iaf", 2, threshold=2.0))
    network["populations"]["a"] = network["populations"].pop("n")  # the input is the second name
    network["populations"]["in"]["shape"] = (2, 1, 3)
    weight = np.array([[1, -1], [1, 1], [0.5, 0.25]] * 2, np.float32)
    network["synapses"]["s"] |= {"weight": weight, "target": "a"}
    network["output"] = "a"
    image = np.array([0.5, -0.5, 1.0, -2.0, 0.0, 2.0**-31]).reshape(2, 1, 3)
    case = Case(network, image, 12, "poisson", None, seed, sample)
    for dtype in ("float32", "float64"):
        record = simulate(**case._asdict(), dtype=np.dtype(dtype).type)
        assert {value for _, _, value in record.spikes["in"]} == {1, -1}
        for window in (None, 5):
            assert_equal(build.run(case, dtype=dtype, window=window), record, case)


def test_samples_past_the_last_index_of_a_draw_are_an_error():
    network, images = build.network(dense(np.ones((1, 1)))), np.zeros((2, 1))
    assert evsim.run(network, images, first_sample=2**32 - 2).samples == [2**32 - 2, 2**32 - 1]
    for first in (2**32 - 1, -1):
        with pytest.raises(evsim.EvsimError, match="first_sample"):
            evsim.run(network, images, first_sample=first)


# Floats off every grid


def off_grid(seed, dtype):
    """A network with every kind of sum, a cycle and odd numbers everywhere."""
    random = np.random.default_rng(seed)

    def odd(*shape):
        return random.normal(0.05, 0.3, shape).astype(dtype)

    shape, half = {"shape": (6, 6, 4)}, (3, 3, 4)
    populations = {
        "in": {"kind": "input", **shape, "mean": 0.1, "std": 0.7},
        "a": {"kind": "lif", "shape": (6, 6, 64), "threshold": 0.3, "leak": 0.9, "bias": odd(64)},
        "b": {"kind": "iaf", **shape, "threshold": abs(odd(4)) + 0.1, "v_init": 0.01},
        "c": {"kind": "lif", "shape": half, "threshold": 0.2, "leak": 0.7, "refractory": 1},
        "d": {"kind": "iaf", "shape": (70,), "threshold": 0.7, "reset": "zero", "v_min": -0.3},
        "out": {"kind": "readout", "shape": (5,), "leak": 0.95},
    }
    sparse = random.random((70, 5)) < 0.5
    sets = {
        "in-a": {"kind": "conv", "weight": odd(3, 3, 4, 64), "padding": (1, 1, 1, 1)},
        "a-b": {"kind": "conv", "weight": odd(3, 3, 16, 4), "padding": (1, 1, 1, 1), "groups": 4},
        "in-b": {"kind": "identity", "weight": odd(4), "delay": 1},
        "b-c": {"kind": "pool", "kernel": (3, 3), "stride": (2, 2), "padding": (1, 0, 1, 0)},
        "c-d": {"kind": "dense", "weight": odd(36, 70)},
        "d-c": {"kind": "dense", "weight": odd(70, 36), "delay": 3},
        "a-d": {
            "kind": "dense",
            "weight": random.integers(-15, 16, (4 * 64, 70)).astype(np.int8),
            "prepool": (3, 3),
            "scale": 0.02,
        },
        "d-out": {
            "kind": "sparse",
            "data": odd(sparse.sum()),
            "indices": np.nonzero(sparse)[1],
            "indptr": np.concatenate([[0], sparse.sum(axis=1).cumsum()]),
        },
    }
    for name, fields in sets.items():
        fields["source"], fields["target"] = name.split("-")
    return {"input": "in", "output": "out", "populations": populations, "synapses": sets}


@pytest.mark.slow
@compiled
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("coding", ["constant", "poisson"])
def test_the_same_bits_however_it_is_run(coding, dtype):
    network = build.network(off_grid(5, np.float64))
    images = np.random.default_rng(6).normal(0.3, 0.4, (5, 6, 6, 4))
    options = {"timesteps": 17, "coding": coding, "seed": 3, "dtype": dtype}
    options["record"] = ("spikes", "queues")

    def outcomes(some=slice(0, 5), **how):
        run = evsim.run(network, images[some], first_sample=some.start, **options, **how)
        return [build.outcome(run, place) for place in range(len(run.samples))]

    whole = outcomes(jobs=1)
    assert all(sum(own["facts"][n]["spikes"] for own in whole) > 99 for n in "abcd")
    for how in ({"jobs": 2}, {"jobs": 3}, {"window": 1}, {"window": 5}, {"window": 99}):
        assert outcomes(**how) == whole
    for memory in (1, 20_000, 10**9):
        assert outcomes(memory=memory, jobs=2) == whole
    for some in (slice(0, 2), slice(2, 5), slice(4, 5)):
        assert outcomes(some) == whole[some]
    traced = build.outcome(evsim.run(network, images[:1], **options | {"record": ("trace",)}))
    assert all(traced[own] == whole[0][own] for own in ("potential", "facts", "decisions"))


ODD = st.floats(-2, 2, width=32).filter(lambda x: x == 0 or abs(x) > 1e-6)
POSITIVE = st.floats(0.01, 1)


@examples(80)
@given(st.data(), st.sampled_from(["float32", "float64"]))
def test_nothing_is_fused_or_reordered(data, dtype):
    # One arrival per neuron and timestep: the sum has one order, and any bit must be the law's.
    neuron = flat(data.draw(st.sampled_from(["lif", "readout"])), 3, leak=data.draw(POSITIVE))
    neuron |= {"bias": np.array(data.draw(st.lists(ODD, min_size=3, max_size=3)))}
    if neuron["kind"] == "lif":
        neuron |= {"threshold": data.draw(POSITIVE), "refractory": data.draw(st.integers(0, 1))}
        neuron |= {"compare": data.draw(st.sampled_from(["ge", "gt"]))}
    network = one_weight(neuron)
    network["populations"]["in"]["shape"] = (3,)
    weight = np.array(data.draw(st.lists(ODD, min_size=3, max_size=3)))
    network["synapses"] = {"s": join("identity", "in", "n", weight=weight)}
    image = np.array(data.draw(st.lists(ODD, min_size=3, max_size=3)))
    case = Case(network, image, 9, data.draw(st.sampled_from(["constant", "poisson"])))
    record = simulate(**case._asdict(), dtype=np.dtype(dtype).type)
    assert_equal(build.run(case, dtype=dtype), record, case)


# Neurons


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("fields", "trace", "spikes"), CONSTANT.values(), ids=CONSTANT)
def test_neuron_by_hand(fields, trace, spikes, dtype):
    threshold = {} if fields.get("kind") == "readout" else {"threshold": 1}
    network = build.network(one_weight(flat("iaf", 1) | threshold | fields))
    options = {"timesteps": len(trace), "coding": "constant", "dtype": dtype}
    run = evsim.run(network, np.array([[0.75]]), record=("trace", "spikes"), **options)
    assert run.trace["n"][0, :, 0].tolist() == trace
    for window in (None, 1, 2):
        run = evsim.run(network, np.array([[0.75]]), record=("spikes",), window=window, **options)
        if spikes:
            assert run.spikes["n"]["timestep"].tolist() == spikes
        if "n" not in run.spikes:
            assert run.potential[0, 0] == trace[-1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("compare", "spikes"), [("ge", [0, 1, 2]), ("gt", [1])])
def test_equal_to_a_threshold_that_is_rounded(compare, spikes, dtype):
    # 0.1 is no float: v and the threshold are rounded alike, so v is at the threshold exactly.
    neuron = flat("iaf", 1, threshold=0.1, compare=compare, reset="zero")
    case = Case(one_weight(neuron, 0.1, weights=np.float64), np.array([1.0]), 3, "constant")
    run = build.run(case, dtype=dtype)
    assert run.spikes["n"]["timestep"].tolist() == spikes
    assert_equal(run, simulate(**case._asdict(), dtype=np.dtype(dtype).type), case)
