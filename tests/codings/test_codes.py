"""Codings and kinds that others compare with, each against the closed form of what it sends."""

from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.naive import simulate
from support import build
from support.effort import examples
from support.kinds import cases
from support.law import MACHINES, assert_equal, assert_tallied
from support.strategies import Case

import evsim
from evsim.artificial.layers.dense import Dense
from evsim.artificial.layers.relu import Relu
from evsim.artificial.model import INPUT, Model
from evsim.conversion import convert
from evsim.neurons.input import Input


def network(neuron, weight=1.0, inputs=1, **attributes):
    """`inputs` input neurons, each on one neuron of its own through the same weight."""
    description = {
        "input": "in",
        "output": "n",
        "populations": {"in": {"kind": "input", "shape": (inputs,)}, "n": neuron},
        "synapses": {
            "s": {
                "kind": "identity",
                "source": "in",
                "target": "n",
                "weight": np.full(inputs, weight, np.float32),
            }
        },
    }
    return build.network(description, **attributes)


def sent(run, name):
    """[(timestep, neuron, value)] of the first sample."""
    return [tuple(e)[1:] for e in run.spikes[name].tolist()]


@pytest.mark.parametrize("kind", ["signed", "burst", "phase"])
def test_a_lazy_machine_sends_the_same(kind):
    skipped = 0
    for form, case in cases("neurons", kind):
        dtype = np.dtype(form.dtype).type
        lazy, all_of_it = (simulate(**case._asdict(), dtype=dtype, lazy=lazy) for lazy in (1, 0))
        assert lazy.spikes == all_of_it.spikes
        assert (lazy.trace["n"] == all_of_it.trace["n"]).all()
        skipped += lazy.facts["n"]["updates"] - lazy.facts["n"]["active_updates"]
    assert skipped > 0


def test_a_threshold_too_small_for_float32():
    fields = {"shape": (1,), "threshold": 1e-40}
    image = np.ones((1, 1))
    for neuron in (
        {"kind": "phase", "period": 30},
        {"kind": "signed", "negative_threshold": 1e-50},
    ):
        one = network(fields | neuron)
        assert evsim.run(one, image, timesteps=2, dtype="float64").settings.dtype == "float64"
        with pytest.raises(evsim.EvsimError, match="threshold: found 1e-40, expected one that is"):
            evsim.run(one, image, timesteps=2)


# Coding latency


LATE = [(1.0, 0), (7.0, 0), (0.5, 2), (0.25, 3), (0.125, 4), (2**-20, 4)]  # T = 5


def test_latency_by_hand():
    values = np.array([[x for x, _ in LATE] + [0.0, -1.0]])
    silent = network({"kind": "readout", "shape": (8,)}, inputs=8)
    run = evsim.run(silent, values, timesteps=5, coding="latency", record=("spikes",))
    assert sent(run, "in") == sorted((t, j, 1.0) for j, (_, t) in enumerate(LATE))
    assert run.work["s"]["synops"] == [len(LATE)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@examples(60)
@given(
    values=st.lists(st.floats(-0.25, 1.25), min_size=1, max_size=30),
    timesteps=st.integers(1, 300),
    window=st.integers(1, 50),
)
def test_latency_is_its_equation_for_any_window(dtype, values, timesteps, window):
    silent = network({"kind": "readout", "shape": (len(values),)}, inputs=len(values))
    options = {"timesteps": timesteps, "coding": "latency", "record": ("spikes",), "dtype": dtype}
    found = sent(evsim.run(silent, np.array([values]), window=window, **options), "in")
    rounded = np.array(values).astype(dtype).tolist()  # once, to the dtype of the run
    times = {j: floor((1 - min(x, 1)) * (timesteps - 1) + 0.5) for j, x in enumerate(rounded)}
    assert found == sorted((t, j, 1.0) for j, t in times.items() if rounded[j] > 0)


def test_latency_takes_the_timesteps_of_the_run():
    silent = network({"kind": "readout", "shape": (2,)}, inputs=2, window=5)
    options = {"timesteps": 12, "coding": "latency", "record": ("spikes",)}
    run = evsim.run(silent, np.array([[1.0, 2**-20]]), **options)
    assert sent(run, "in") == [(0, 0, 1.0), (11, 1, 1.0)]


# Signed neurons: what was sent too early is taken back, so that the sum is that of a rectifier

QUIET = 80  # timesteps without a current, in which all that can be is sent or taken back


def driven(neuron, currents, timesteps, **options):
    """The run of one neuron that these currents reach, one in each timestep."""
    some = [(t, value) for t, value in enumerate(currents) if value]
    events = evsim.Events(
        np.zeros(len(some), int),
        np.array([t for t, _ in some], int),
        np.zeros(len(some), int),
        np.array([value for _, value in some], float),
        shape=(1,),
        samples=1,
        timesteps=len(currents),
        graded=True,
    )
    record = ("spikes", "trace")
    return evsim.run(
        network({"shape": (1,), **neuron}), events, timesteps=timesteps, record=record, **options
    )


def settled(neuron, currents):
    """(sum of the event values, potential) of one neuron after these currents and silence."""
    run = driven(neuron, currents, len(currents) + QUIET)
    return sum(value for _, _, value in sent(run, "n")), run.trace["n"][0, -1, 0]


def test_signed_neurons_by_hand():
    currents = [1.0, 1.0, -1.0, -1.0]
    assert settled({"kind": "iaf", "threshold": 1}, currents) == (2, -2)
    assert settled({"kind": "signed", "threshold": 1}, currents) == (0, 0)
    # Nothing is taken back that was not sent.
    assert settled({"kind": "signed", "threshold": 1}, [-3.0, 0.5]) == (0, -2.5)


sixtyfourths = st.integers(-128, 128).map(lambda n: n / 64)


@examples(150)
@given(
    currents=st.lists(sixtyfourths, min_size=1, max_size=8),
    v_init=st.sampled_from([0, 0.125, 0.5]),
    threshold=st.sampled_from([0.25, 0.5, 1.0]),
)
def test_a_signed_neuron_sends_what_a_rectifier_of_the_sum_would(currents, v_init, threshold):
    # Where the negative threshold is one step of the grid, v ends in [0, threshold).
    fields = {"kind": "signed", "threshold": threshold, "v_init": v_init}
    total, _ = settled(fields | {"negative_threshold": 1 / 64}, currents)
    assert total == max(floor((v_init + sum(currents)) / threshold), 0)
    # Elsewhere it is at most so much above, and one of the two next to the quotient if the same.
    total, potential = settled(fields, currents)
    assert total * threshold + potential == v_init + sum(currents)
    assert total == 0 or -threshold < potential < threshold


# Burst neurons: all that is there goes out, the faster the more it is


def test_bursts_by_hand():
    # 7 = 1 + 2 + 4; 8 has 1 left after it, which waits for the burst to be over.
    whole = {7: [1, 2, 4], 8: [1, 2, 4, 0, 1], 12.5: [1, 2, 4, 0, 1, 2, 0, 1, 0, 1]}
    for charge, values in whole.items():
        one = network({"kind": "burst", "shape": (1,), "threshold": 0.5, "v_init": charge / 2})
        run = evsim.run(one, np.zeros((1, 1)), timesteps=12, record=("spikes", "trace"))
        assert sent(run, "n") == [(t, 0, float(g)) for t, g in enumerate(values) if g]
        charge -= sum(values)
        assert run.trace["n"][0, -1, 0] == charge / 2
        events = sum(g > 0 for g in values)
        assert run.counts()["parts"]["n"]["reset_subtract"] == events


positive = st.lists(st.integers(0, 300).map(lambda n: n / 64), min_size=1, max_size=8)
half = st.sampled_from([0, 0.125, 0.5])


@examples(100)
@given(currents=positive, v_init=half, threshold=st.sampled_from([0.25, 0.5, 1.0]))
def test_a_burst_neuron_sends_the_quotient_of_positive_currents(currents, v_init, threshold):
    for rule in ({}, {"rule": "count"}, {"most": 4}, {"rule": "count", "most": 3}):
        fields = {"kind": "burst", "threshold": threshold, "v_init": v_init, **rule}
        total, potential = settled(fields, currents)
        assert total == floor((v_init + sum(currents)) / threshold)
        assert potential == v_init + sum(currents) - threshold * total


@examples(60)
@given(count=st.integers(1, 20))
def test_a_burst_of_n_timesteps_is_two_to_the_n_less_one(count):
    one = network({"kind": "burst", "shape": (1,), "threshold": 1, "v_init": 2**count - 1})
    run = evsim.run(one, np.zeros((1, 1)), timesteps=count, record=("spikes", "trace"))
    assert sent(run, "n") == [(t, 0, 2.0**t) for t in range(count)]
    assert run.trace["n"][0, -1, 0] == 0


@examples(60)
@given(currents=positive, v_init=half)
def test_with_rule_count_the_quotient_is_sent_at_once(currents, v_init):
    fields = {"kind": "burst", "threshold": 0.5, "v_init": v_init, "rule": "count"}
    run = driven(fields, currents, len(currents))
    so_far = np.zeros(len(currents))
    for t, _, value in sent(run, "n"):
        so_far[t:] += value
    assert so_far.tolist() == [floor(v) for v in (v_init + np.cumsum(currents)) / 0.5]


# Phase neurons: a period sends the bits of a value, the largest first


@examples(150)
@given(
    value=st.integers(-40, 700).map(lambda n: n / 256),
    period=st.integers(1, 10),
    periods=st.integers(1, 3),
    threshold=st.sampled_from([0.25, 1.0, 2.0]),
    late=st.integers(0, 2),
)
def test_a_period_is_a_binary_expansion(value, period, periods, threshold, late):
    # The whole value arrives at the first timestep of a period.
    fields = {"kind": "phase", "period": period, "threshold": threshold}
    currents = [0.0] * (late * period) + [value * threshold]
    run = driven(fields, currents, (late + periods) * period)
    events = sent(run, "n")
    first = [2.0 ** -(1 + t % period) for t, _, _ in events if t < (late + 1) * period]
    bits = min(max(floor(value * 2**period), 0), 2**period - 1)  # clipped to what a period holds
    assert first == [2.0**-k for k in range(1, period + 1) if bits >> (period - k) & 1]
    total = sum(g for _, _, g in events)
    most = periods * (2**period - 1)
    assert total == min(max(floor(value * 2**period), 0), most) / 2**period
    assert run.trace["n"][0, -1, 0] == (value - total) * threshold


def test_an_integer_phase_population_halves_whole_thresholds():
    weight = np.array([[5]], np.int8)
    description = {
        "input": "in",
        "output": "n",
        "populations": {"in": {"kind": "input", "shape": (1,)}},
        "synapses": {"s": {"kind": "dense", "source": "in", "target": "n", "weight": weight}},
    }
    one = evsim.Events(*[np.zeros(1, int)] * 3, shape=(1,), samples=1, timesteps=3)
    options = {"timesteps": 3, "record": ("spikes", "trace")}
    for threshold, period in ((8, 3), (4, 3)):
        neuron = {"kind": "phase", "shape": (1,), "threshold": threshold, "period": period}
        description["populations"]["n"] = neuron
        if threshold == 8:  # 5 / 8 is 1/2 + 1/8
            run = evsim.run(build.network(description), one, **options)
            assert sent(run, "n") == [(0, 0, 0.5), (2, 0, 0.125)]
            assert run.trace["n"].dtype == np.int32
        else:
            with pytest.raises(evsim.EvsimError, match=r"threshold at g = 2\^-3: found 0.5"):
                evsim.run(build.network(description), one, **options)


# Time to first spike in windows: an artificial network with quantised rectifiers

WHOLE = {"theta": 3, "bias": [-2, 0, 3], "rounding": 0}
GRID = {"theta": 0.75, "bias": [-0.25, 0.125, 0.5], "rounding": 0.5}


def first_spike_network(window, arithmetic, seed):
    """in -> a -> b -> out, and the shortcuts in -> b and a -> out, a window later."""
    random = np.random.default_rng(seed)
    fields = {"threshold": arithmetic["theta"], "window": window, "kind": "ttfs"}
    fields |= {"rounding": arithmetic["rounding"]}
    biases = random.choice(arithmetic["bias"], (2, 4))
    populations = {
        "in": {"kind": "input", "shape": (5,)},
        "a": {**fields, "shape": (4,), "start": window, "bias": biases[0]},
        "b": {**fields, "shape": (4,), "start": 2 * window, "bias": biases[1]},
        "out": {"kind": "readout", "shape": (3,), "current_leak": 1},
    }
    delays = {"in-a": 1, "in-b": window + 1, "a-b": 0, "b-out": 0, "a-out": window}
    synapses = {}
    for name, delay in delays.items():
        source, target = name.split("-")
        size = [populations[end]["shape"][0] for end in (source, target)]
        weight = random.integers(-6, 10, size, endpoint=True)
        into_readout = target == "out" or arithmetic is GRID  # which takes no whole numbers
        weight = (weight / 8).astype(np.float32) if into_readout else weight.astype(np.int8)
        ends = {"source": source, "target": target, "delay": delay}
        synapses[name] = {"kind": "dense", "weight": weight, **ends}
    return {"input": "in", "output": "out", "populations": populations, "synapses": synapses}


def values_of(network, image):
    """What every population of such a network stands for: whole numbers, then the readout."""
    sets = network["synapses"]
    most = network["populations"]["a"]["window"] - 1
    found = {"in": [most - floor((1 - min(x, 1)) * most + 0.5) if x > 0 else 0 for x in image]}
    for name in ("a", "b", "out"):
        own = network["populations"][name]
        into = [s for s in sets.values() if s["target"] == name]
        v = sum(np.array(found[s["source"]]) @ s["weight"].astype(float) for s in into)
        if name != "out":
            v = v + most * own["bias"]
            v = np.clip(np.floor(v / own["threshold"] + own["rounding"]), 0, most)
        found[name] = v.tolist()
    return found


images = st.lists(st.integers(-2, 10).map(lambda n: n / 8), min_size=5, max_size=5)
arithmetics = st.sampled_from([WHOLE, GRID])


@examples(80)
@given(image=images, window=st.integers(2, 17), arithmetic=arithmetics, seed=st.integers(0, 999))
def test_first_spikes_are_a_network_of_quantised_rectifiers(image, window, arithmetic, seed):
    description = first_spike_network(window, arithmetic, seed)
    network = build.network(description)
    assert network.window == window
    run = evsim.run(network, np.array([image]), coding="latency", record=("spikes", "trace"))
    assert run.settings.timesteps == 3 * window
    assert run.trace["a"].dtype == (np.int32 if arithmetic is WHOLE else np.float32)
    values = values_of(description, image)
    for name, start in (("a", window), ("b", 2 * window)):
        left = {j: start + window - t for t, j, _ in sent(run, name)}
        assert len(left) == len(sent(run, name))  # one event at most
        assert [left.get(j, 0) for j in range(4)] == values[name]
    assert run.potential[0].tolist() == values["out"]
    for name, own in description["synapses"].items():  # one addition per active input and synapse
        active = np.count_nonzero(values[own["source"]])
        if own["source"] != "in":
            assert run.work[name]["synops"] == [active * own["weight"].shape[1]]
    assert run.work["a"]["updates"] == [4 * window]


@examples(40)
@given(
    image=images,
    window=st.integers(2, 4),
    arithmetic=arithmetics,
    seed=st.integers(0, 999),
    coding=st.just("latency"),
    machine=st.sampled_from(MACHINES),
)
def test_first_spikes_equal_the_law(image, window, arithmetic, seed, coding, machine):
    network = first_spike_network(window, arithmetic, seed)
    case = Case(network, np.array(image), 3 * window, coding)
    record = simulate(**case._asdict())
    assert simulate(**case._asdict(), lazy=True).spikes == record.spikes
    for length in (None, 1, 3):
        run = build.run(case, window=length)
        assert_equal(run, record, case)
    assert_tallied(run, record, case, machine)


@examples(60)
@given(potential=st.integers(-50, 300), levels=st.sampled_from([1, 2, 4, 8, 16]))
def test_a_first_spike_is_the_quantised_rectifier_of_the_artificial_network(potential, levels):
    v = np.float32(potential / 16)
    neuron = {"kind": "ttfs", "shape": (1,), "threshold": 0.5, "v_init": v}
    one = network(neuron | {"window": levels + 1, "start": levels + 1})
    run = evsim.run(one, np.zeros((1, 1)), coding="latency", record=("spikes",))
    relu = Relu(sources="x", ceiling=0.5 * levels, levels=levels, rounding=0.5)
    left = [2 * (levels + 1) - t for t, _, _ in sent(run, "n")]
    assert 0.5 * sum(left) == relu.forward(v[None])[0]


BAD_WINDOWS = {
    "too early": ({"a": {"start": 3}}, "start: found 3, expected at least the window, 4"),
    "no window": ({"a": {"window": 1}}, "window: found 1, expected a whole number of at least 2"),
    "another": ({"a": {"window": 3}}, "populations/b/window: found 4, expected 3, as elsewhere"),
    "late": ({"b": {"start": 9}}, "synapses/a-b: found a window that arrives in timesteps 4 to 7,"),
    "delay": ({"a_b": {"delay": 1}}, "a window that arrives in timesteps 5 to 8, expected 4 to 7,"),
    "rates": ({"a": {"kind": "iaf", "threshold": 1}}, "synapses/a-b: found a source of kind 'iaf'"),
    "rounding": ({"a": {"rounding": 1}}, "rounding: found 1, expected values from 0 to below 1"),
}


@pytest.mark.parametrize(("changes", "message"), BAD_WINDOWS.values(), ids=BAD_WINDOWS)
def test_windows_that_do_not_line_up(changes, message):
    network = first_spike_network(4, GRID, 0)
    for part, fields in changes.items():
        folder = "synapses" if "_" in part else "populations"
        own = network[folder][part.replace("_", "-")]
        own.update(fields)
        for name in ("window", "start", "rounding") if own.get("kind") == "iaf" else ():
            own.pop(name)
    with pytest.raises(evsim.EvsimError) as error:
        build.network(network)
    assert message in str(error.value)


def behind_a_max_pool(delay):
    """a -> pool -> b, where the first window of a begins at 4 and that of b at 8."""
    network = first_spike_network(4, GRID, 0)
    network["populations"]["a"]["shape"] = (2, 2, 1)
    network["populations"]["pool"] = {"kind": "maxpool", "shape": (1, 2, 1)}
    pool = {"kind": "pool", "source": "a", "target": "pool", "kernel": (2, 1), "delay": delay}
    network["synapses"]["a-pool"] = pool
    weight = np.eye(2, 4, dtype=np.float32)
    network["synapses"]["a-b"] |= {"source": "pool", "weight": weight}
    return network


def test_a_max_pool_of_first_spikes_sends_the_earliest():
    network = behind_a_max_pool(0)
    image = np.arange(5)[None] / 4
    record = simulate(network, image[0], 12, "latency")
    run = evsim.run(build.network(network), image, coding="latency", record=("spikes",))
    found = [(t, j) for t, j, _ in sent(run, "pool")]
    first = [min([t for t, j, _ in sent(run, "a") if j % 2 == i], default=None) for i in (0, 1)]
    assert found == sorted((t, j) for j, t in enumerate(first) if t is not None)
    assert run.predictions.tolist() == [record.decision]
    with pytest.raises(evsim.EvsimError, match="window that arrives in timesteps 5 to 8, expected"):
        build.network(behind_a_max_pool(1))


def test_a_run_ends_with_the_last_window():
    network = first_spike_network(4, GRID, 0)
    image = np.zeros((1, 5))
    with pytest.raises(evsim.EvsimError, match="timesteps: found 13, expected 12"):
        evsim.run(build.network(network), image, coding="latency", timesteps=13)
    with pytest.raises(evsim.EvsimError, match="window: found 4, expected 5"):
        build.network(network, window=5)
    assert build.network(network, window=4).window == 4


# QCFS: a rectifier with a ceiling (their lambda), levels (L) and rounding 1/2; no kind of its own


@examples(60)
@given(
    currents=st.lists(st.integers(-40, 160).map(lambda n: n / 32), min_size=1, max_size=6),
    ceiling=st.sampled_from([0.5, 1.0, 2.0]),
    levels=st.sampled_from([1, 2, 4, 8]),
    timesteps=st.integers(1, 20),
)
def test_quantisation_clip_floor_shift(currents, ceiling, levels, timesteps):
    # Bu et al. 2022: lambda clip(floor(z L / lambda + 1/2) / L, 0, 1); converted, at any T,
    # theta clip(floor((z T + theta / 2) / theta) / T, 0, 1): the same at T = L.
    x, many = np.array([currents], np.float32), len(currents)
    layers = {
        "a": Dense(sources=(INPUT,), weight=np.eye(many, dtype=np.float32)),
        "r": Relu(sources=("a",), ceiling=ceiling, levels=levels, rounding=0.5),
        "out": Dense(sources=("r",), weight=np.eye(many, dtype=np.float32)),
    }
    model = Model(layers, Input(shape=(many,), scale=1))

    def qcfs(steps):
        return [
            ceiling * min(max(floor(z * steps / ceiling + 0.5) / steps, 0), 1) for z in currents
        ]

    assert Relu(sources=("a",), ceiling=ceiling, levels=levels).forward(x)[0].tolist() == (
        qcfs(levels)
    )
    made = convert(model, timesteps=timesteps, balance="thresholds")
    for steps in (timesteps, levels):
        run = evsim.run(made.network, x, timesteps=steps, record=("spikes",))
        [hidden] = set(run.spikes) - {"input", made.network.input}
        counts = np.bincount(run.spikes[hidden]["neuron"], minlength=many)
        assert (ceiling * counts / steps).tolist() == qcfs(steps)
