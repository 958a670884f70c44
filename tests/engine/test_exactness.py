"""Integer networks: exact at every width, and an error where a number leaves int32."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.naive import simulate
from oracles.stimulus import uniform
from support import build
from support.descriptions import flat, join, one_weight
from support.effort import examples
from support.law import assert_equal
from support.strategies import Case

import evsim

TOP = 2**31 - 1


def spikes_in(neuron, weights, **fields):
    """Spiking inputs on one population by a dense set with these weights."""
    network = one_weight(neuron, weights=np.int32, **fields)
    network["populations"]["in"]["shape"] = (len(weights),)
    network["synapses"]["s"]["weight"] = weights
    return network


def at_once(count, timesteps=1, value=1):
    """Events of so many neurons at each of some timesteps."""
    return [(t, j, value) for t in range(timesteps) for j in range(count)]


# Integers


INTEGERS = {
    "dense": lambda draw: join("dense", "in", "n", weight=draw(8, 12)),
    "conv": lambda draw: join("conv", "in", "n", weight=draw(1, 1, 2, 3)),
    "groups": lambda draw: join("conv", "in", "n", weight=draw(1, 1, 1, 4), groups=2),
    "identity": lambda draw: join("identity", "in", "n", weight=draw(2), channel_offset=1),
    "sparse": lambda draw: join(
        "sparse",
        "in",
        "n",
        data=draw(5),
        indices=np.array([1, 11, 2, 0, 7]),
        indptr=np.array([0, 2, 2, 3, 3, 3, 3, 4, 5]),
    ),
}


@pytest.mark.parametrize("scale", [None, 0.25, "per channel"])
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64])
@pytest.mark.parametrize("kind", INTEGERS)
def test_integers_of_every_width(kind, dtype, scale):
    random = np.random.default_rng(7)
    info = np.iinfo(dtype)
    low, high = max(info.min, -(2**21)), min(info.max, 2**21)

    def draw(*shape):
        return random.choice([low, low + 1, -1, 0, 1, high - 1, high], shape).astype(dtype)

    fields = INTEGERS[kind](draw)
    target = (2, 2, 4 if kind == "groups" else 3)
    if scale:
        fields["scale"] = 2.0**-3 if scale == 0.25 else 2.0 ** -np.arange(target[-1])
        if scale != 0.25 and kind in ("dense", "sparse"):
            fields["scale"] = np.resize(fields["scale"], 12)
    network = {
        "input": "in",
        "output": "n",
        "populations": {
            "in": {"kind": "input", "shape": (2, 2, 2)},
            "n": {"kind": "readout", "shape": target},
        },
        "synapses": {"s": fields},
    }
    events = [(t, j, random.choice([1, -1]).item()) for t, j, _ in at_once(8, 6)]
    case = Case(network, [e for e in events if random.random() < 0.6], 6, "events")
    record = simulate(**case._asdict())
    assert record.trace["n"].dtype == (np.float32 if scale else np.int32)
    assert record.trace["n"].any()
    assert_equal(build.run(case), record, case)


def test_weights_of_one_bit(tmp_path):
    signs = np.where(np.random.default_rng(2).random((9, 13)) < 0.5, -1, 1).astype(np.int8)
    network = spikes_in(flat("readout", 13), signs, bits=1)
    evsim.save(build.network(network), tmp_path / "n.h5")
    case = Case(network, at_once(9, 2), 2, "events")
    found = evsim.run(evsim.load(tmp_path / "n.h5"), build.inputs(case), timesteps=2)
    assert found.potential.tolist() == (2 * signs.sum(axis=0, dtype=np.int32))[None].tolist()
    assert_equal(build.run(case), simulate(**case._asdict()), case)


# Weights, fields of a neuron, events, the timestep and what overflows at it.
OVERFLOWS = {
    "a current": ([2**30, 2**30], {}, at_once(2), 0, f"current of {2**31}"),
    "a current below": ([-(2**31), -1], {}, at_once(2), 0, f"current of {-(2**31) - 1}"),
    "events of -1": ([-(2**30), -(2**30)], {}, at_once(2, value=-1), 0, f"current of {2**31}"),
    "a potential": ([2**30, 0], {}, [(0, 0, 1), (3, 0, 1)], 3, f"potential of {2**31}"),
    "a bias": ([0, 0], {"bias": 2**30}, [], 1, f"potential of {2**31}"),
    "a rest": ([1, 0], {"v_init": TOP}, [(2, 0, 1)], 2, f"potential of {2**31}"),
    "late": ([2**22, 0], {}, at_once(1, 520), 511, f"potential of {2**31}"),
    "late below": ([-(2**22), 0], {}, at_once(1, 520), 512, f"potential of {-(2**31) - 2**22}"),
    "after a reset": (
        [10, 0],
        {"kind": "iaf", "threshold": 1, "reset": "zero", "v_reset": 5 - 2**31},
        [(0, 0, 1), (7, 0, -1)],
        7,
        f"potential of {-(2**31) - 5}",
    ),
    "above a threshold": (
        [2**30, 2**30 - 1],
        {"kind": "iaf", "threshold": 1, "start": 9},
        [*at_once(2), (5, 0, 1)],
        5,
        f"potential of {TOP + 2**30}",
    ),
    "while resting": (
        [2**30, 2**30],
        {"kind": "iaf", "threshold": 1, "refractory": 3},
        [(0, 0, 1), *((2, j, 1) for j in (0, 1))],
        2,
        f"current of {2**31}",
    ),
    "a scaled current": ([2**30, 2**30], {}, [(2, 0, 1), (4, 0, 1), (4, 1, 1)], 4, "from 's'"),
}


@pytest.mark.parametrize("record", [(), ("trace",)])
@pytest.mark.parametrize("name", OVERFLOWS)
def test_an_overflow_names_its_place(name, record):
    weights, fields, events, timestep, found = OVERFLOWS[name]
    scale = {"scale": 0.5} if "scaled" in name else {}
    network = spikes_in(flat("readout", 1) | fields, np.array(weights)[:, None], **scale)
    case = Case(network, events, timestep + 3, "events", False, sample=5)
    with pytest.raises(OverflowError):
        simulate(**case._asdict())
    for window in (None, 1, 1000):
        with pytest.raises(evsim.EvsimError) as error:
            build.run(case, record=record, window=window)
        assert str(error.value).startswith("populations/n, sample 5: ")
        assert f"at timestep {timestep}, neuron 0" in str(error.value)
        assert found in str(error.value)
    early = case._replace(timesteps=timestep) if timestep else case._replace(inputs=[], timesteps=1)
    options = {"record": ("spikes", "trace", "queues")}
    assert_equal(build.run(early, **options), simulate(**early._asdict()), early)


def test_the_ends_of_int32_are_inside():
    weights = np.array([[TOP, -TOP], [0, -1]])
    case = Case(spikes_in(flat("readout", 2), weights), at_once(2), 3, "events")
    assert build.run(case).trace["n"][0].tolist() == [[TOP, -TOP - 1]] * 3
    scaled = Case(spikes_in(flat("readout", 2), weights, scale=1.0), at_once(2), 2, "events")
    assert build.run(scaled).trace["n"][0].tolist() == [[2.0**31, -(2.0**31)]] * 2


def test_stateless_sums_leave_int32_where_the_law_says():
    for kind, weights, bias, found, place in (
        ("analog", [[0, TOP - 4], [0, 0]], 5, f"sum of {TOP + 1} at timestep 0", "neuron 0"),
        ("stochastic", [[-TOP, -TOP], [0, 0]], -2, f"sum of {-TOP - 2} at timestep 0", "neuron 0"),
        ("stochastic", [[0, 2**30], [0, 2**30]], 0, f"current of {2**31} at timestep 3", "place 1"),
    ):
        neuron = flat(kind, 1) | {"shape": (1, 1, 1), "pool": (1, 2), "bias": bias}
        network = spikes_in(neuron, np.array(weights))
        case = Case(network, [(0, 0, 1), (3, 0, 1), (3, 1, 1)], 5, "events", False)
        least = case._replace(inputs=[(0, 1, 1)])
        assert_equal(build.run(least), simulate(**least._asdict()), least)
        with pytest.raises(OverflowError):
            simulate(**case._asdict())
        for window in (None, 1, 2):
            with pytest.raises(evsim.EvsimError) as error:
                build.run(case, window=window)
            said = f"populations/n, sample 0: found a {found}, {place}, expected values within"
            assert str(error.value).startswith(said)


NEAR = [TOP, -TOP, 2**30, -(2**30), 2**29 - 1, 3, -3]


@examples(60)
@given(st.lists(st.sampled_from(NEAR), min_size=3, max_size=3), st.data())
def test_overflow_is_raised_where_the_law_raises_it(weights, data):
    fields = {
        "threshold": data.draw(st.sampled_from([1, 2**30, TOP])),
        "bias": data.draw(st.sampled_from([0, 1, -(2**28)])),
        "reset": data.draw(st.sampled_from(["subtract", "zero"])),
        "v_reset": data.draw(st.sampled_from([0, -TOP])),
        "refractory": data.draw(st.integers(0, 1)),
    }
    events = st.tuples(st.integers(0, 5), st.integers(0, 2))
    chosen = sorted(data.draw(st.sets(events, max_size=9)))
    signs = data.draw(st.sampled_from([(1,), (1, -1)]))
    events = [(t, j, signs[k % len(signs)]) for k, (t, j) in enumerate(chosen)]
    network = spikes_in(flat("iaf", 1) | fields, np.array(weights)[:, None])
    case = Case(network, events, 6, "events", False)
    try:
        record = simulate(**case._asdict())
    except OverflowError:
        with pytest.raises(evsim.EvsimError, match="within int32"):
            build.run(case, record=())
    else:
        assert_equal(build.run(case), record, case)
        untraced = build.run(case, record=())
        for name, facts in record.facts.items():
            assert {fact: int(n[0]) for fact, n in untraced.work[name].items()} == facts


WRONG = {
    "threshold": 1.5,
    "bias": 0.25,
    "v_init": -0.5,
    "v_min": -(2.0**40),
    "v_reset": 0.5,
    "leak": 0.5,
    "compare": "gt",  # above the largest potential there is
}


@pytest.mark.parametrize("field", WRONG)
def test_a_field_that_does_not_fit_an_integer_population(field):
    neuron = flat("lif", 1, threshold=TOP, leak=1.0) | {field: WRONG[field]}
    case = Case(spikes_in(neuron, np.array([[1]])), at_once(1), 2, "events")
    with pytest.raises(evsim.EvsimError) as error:
        build.run(case)
    assert str(error.value).startswith(f"populations/n/{field.replace('compare', 'threshold')}: ")
    graded = case._replace(graded=True)  # a float population takes all of them
    assert_equal(build.run(graded), simulate(**graded._asdict()), graded)


def test_no_other_sample_is_blamed():
    # Both inputs spike in sample 0, not in sample 5: only the first overflows.
    weights = np.array([[2**30], [2**30]])
    network = build.network(spikes_in(flat("readout", 1), weights))
    image = np.full((1, 2), 0.5, np.float32)

    def all_spike(seed, sample):
        return all(uniform(seed, j, 0, sample, 0) < 0.5 for j in (0, 1))

    seed = next(s for s in range(99) if all_spike(s, 0) and not all_spike(s, 5))
    options = {"timesteps": 1, "coding": "poisson", "seed": seed}
    with pytest.raises(evsim.EvsimError, match="sample 0"):
        evsim.run(network, image, **options)
    assert evsim.run(network, image, first_sample=5, **options).potential.dtype == np.int32
