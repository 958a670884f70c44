"""Scales: every method equals its plain version."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles.layers import layer, models
from oracles.rates import matrix, spread
from support.effort import examples

import evsim
from evsim import EvsimError
from evsim.artificial.model import INPUT, Model
from evsim.conversion import convert
from evsim.conversion._build import build
from evsim.conversion._fold import fold
from evsim.conversion._statistics import CANDIDATES, Largest, LeastError, Percentile
from evsim.neurons.input import Input

seeds = st.integers(0, 2**32 - 1)


def activations(seed, samples, positions, channels):
    """Rectified values, many of them 0, some of them equal."""
    values = np.random.default_rng(seed).normal(size=(samples, positions, channels))
    return np.float32(np.maximum(np.round(values, 1), 0))


def in_batches(statistic, values, seed):
    """Let a statistic take in the samples in another order, in batches of any size."""
    random = np.random.default_rng(seed)
    values = values[random.permutation(len(values))]
    while len(values):
        size = random.integers(1, len(values) + 1)
        statistic.add(np.ascontiguousarray(values[:size]))
        values = values[size:]
    return statistic


@examples(200)
@given(
    seeds,
    st.tuples(st.integers(1, 20), st.integers(1, 5), st.integers(1, 4)),
    st.one_of(st.sampled_from([50, 99, 99.9, 100]), st.floats(50, 100)),
    st.booleans(),
)
def test_a_percentile_is_that_of_all_values_whatever_their_order(seed, sizes, percent, each):
    values = activations(seed, *sizes)
    rows = sizes[2] if each else 1
    statistic = Percentile(percent, values.size // rows, rows)
    found = in_batches(statistic, values, seed).result()
    every = np.float64(values.reshape(-1, sizes[2])) if each else np.float64(values).reshape(-1, 1)
    assert (found == np.percentile(every, percent, axis=0)).all()


@examples(50)
@given(seeds, st.tuples(st.integers(1, 20), st.integers(1, 5), st.integers(1, 4)))
def test_the_largest_activation_of_each_channel(seed, sizes):
    values = activations(seed, *sizes)
    found = in_batches(Largest(sizes[2]), values, seed).found
    assert (found == values.max(axis=(0, 1))).all()


def plain_least_error(values, timesteps, start):
    """The scale of one list of values, number by number."""
    top, best = max(values), None
    for k in range(95):
        scale = top * CANDIDATES[k]
        error = 0.0
        for a in values:
            spikes = min(max(np.floor(a / (scale / timesteps) + start), 0), timesteps)
            error += (a - spikes * (scale / timesteps)) ** 2
        if best is None or error < best[0]:
            best = error, scale
    return best[1]


@examples(25)
@given(
    seeds,
    st.tuples(st.integers(1, 6), st.integers(1, 30), st.integers(1, 3)),
    st.sampled_from([1, 4, 16, 64]),
    st.sampled_from([0.0, 0.5]),
)
def test_the_least_squared_error_is_that_of_a_plain_loop(seed, sizes, timesteps, start):
    values = activations(seed, *sizes) + np.float32(0.125)
    statistic = LeastError(values.max(axis=(0, 1)), timesteps, start, True)
    for sample in values:
        statistic.add(sample[None])
    assert len(statistic.result()) == values.shape[2]
    for channel, found in enumerate(statistic.result()):
        numbers = [float(v) for v in values[:, :, channel].ravel()]
        assert found == plain_least_error(numbers, timesteps, start)


@examples(25)
@given(seeds, st.integers(1, 20))
def test_one_scale_for_all_channels_has_the_least_error_of_all(seed, samples):
    values = activations(seed, samples, 4, 3) + np.float32(0.125)
    tops = values.max(axis=(0, 1))
    found = LeastError(tops, 16, 0.5, False)
    found.add(values)
    top = float(tops.max())
    numbers = np.float64(values).ravel()
    errors = []
    for share in CANDIDATES:
        step = top * share / 16
        errors.append(
            ((numbers - np.clip(np.floor(numbers / step + 0.5), 0, 16) * step) ** 2).sum()
        )
    (scale,) = found.result()
    assert np.isclose(errors[int(np.argmin(np.abs(top * CANDIDATES - scale)))], min(errors))


def plain_spike_norm(weights, biases, shortcuts, samples, timesteps, reset, start):
    """Thresholds of a chain of dense layers, each current added up number by number.

    `shortcuts`: for each layer the layer before it whose spikes join it, or None.
    """
    scales, inputs = [], [[list(map(float, x))] * timesteps for x in samples]
    spikes = [inputs]  # by layer, sample, timestep, neuron; those of the image are its values
    unit = [1.0]
    for weight, bias, joined in zip(weights, biases, shortcuts, strict=True):
        currents = []
        for s in range(len(samples)):
            by_time = []
            for t in range(timesteps):
                row = []
                for j in range(weight.shape[1]):
                    total = 0.0
                    for i in range(weight.shape[0]):
                        total += spikes[-1][s][t][i] * float(weight[i, j]) * unit[-1]
                    if joined is not None:
                        total += spikes[joined][s][t][j] * unit[joined]
                    row.append(total + float(bias[j]))
                by_time.append(row)
            currents.append(by_time)
        top = max(c for by_time in currents for row in by_time for c in row)
        top = top if top > 0 else 1.0
        fired = []
        for by_time in currents:
            v, sent = [start * top] * weight.shape[1], []
            for row in by_time:
                out = []
                for j, current in enumerate(row):
                    v[j] += current
                    out.append(1.0 if v[j] >= top else 0.0)
                    if v[j] >= top:
                        v[j] = v[j] - top if reset == "subtract" else 0.0
                sent.append(out)
            fired.append(sent)
        scales.append(top)
        spikes.append(fired)
        unit.append(top)
    return scales


@examples(60)
@given(
    seeds,
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from(["subtract", "zero"]),
    st.sampled_from([0.0, 0.5]),
)
def test_spike_norm_equals_its_plain_version(seed, depth, samples, reset, start):
    random = np.random.default_rng(seed)
    width, timesteps = 4, 7
    weights = [np.float32(random.integers(-2, 3, (width, width)) / 2) for _ in range(depth)]
    biases = [np.float32(random.integers(-1, 2, width) / 2) for _ in range(depth)]
    joins = [None if k < 2 or random.integers(2) else k - 1 for k in range(depth)]
    layers, at = {}, INPUT
    for k, (weight, bias, joined) in enumerate(zip(weights, biases, joins, strict=True)):
        layers[f"d{k}"] = layer("dense", at, weight=weight, bias=bias)
        last = f"d{k}"
        if joined is not None:
            layers[f"j{k}"] = layer("add", last, f"r{joined - 1}")
            last = f"j{k}"
        layers[f"r{k}"] = layer("relu", last)
        at = f"r{k}"
    layers["out"] = layer("dense", at, weight=np.ones((width, 2), np.float32))
    model = Model(layers, Input(shape=(width,), scale=1))
    images = np.float32(random.integers(-2, 3, (samples, width)) / 2)
    options = {"reset": reset, "v_init": start, "timesteps": timesteps}
    made = convert(model, images, method="spike-norm", **options)
    expected = plain_spike_norm(weights, biases, joins, images, timesteps, reset, start)
    assert [float(unit.scale) for unit in made.units] == expected


@examples(40)
@given(models(steps=2), st.booleans(), st.sampled_from(["subtract", "zero"]))
def test_no_current_of_the_whole_network_is_above_a_scale_of_spike_norm(model, each, reset):
    """Convolutions, joins and pools: a scale is the largest current, in a run of all layers."""
    shape = (2, *model.input.shape)
    images = np.float32(np.random.default_rng(1).integers(-4, 5, shape) / 4)
    try:
        graph = fold(model)
    except EvsimError as error:
        assume("without a ReLU" not in str(error) and "a factor of" not in str(error))
        raise
    options = {"per_channel": each, "reset": reset, "timesteps": 6}
    made = convert(model, images, method="spike-norm", **options)
    scales = {INPUT: np.ones(())} | {unit.population: unit.scale for unit in made.units}
    network = build(graph, scales, model.input, balance="activations", reset=reset)
    run = evsim.run(network, images, timesteps=6, record=("spikes",))
    for node in graph.measured:
        part, current = network.populations[node.name], 0
        for name in network.incoming(node.name):
            source = network.synapses[name].source
            current = current + arriving(network, run, source, images) @ matrix(network, name)
        if part.bias is not None:
            current = current + spread(part, "bias")
        tops = current.reshape(-1, part.channels).max(axis=0)
        tops = tops if each else tops.max()[None]
        largest = tops.max()
        wanted = np.where(tops > 0, tops, largest if largest > 0 else 1.0)
        if node.ceiling is not None:
            wanted = np.minimum(wanted, node.ceiling)
        np.testing.assert_allclose(np.atleast_1d(scales[node.name]), wanted, rtol=1e-5)


def arriving(network, run, source, images):
    """The events of a population as (samples, timesteps, neurons)."""
    steps = run.settings.timesteps
    if source == INPUT:
        return np.repeat(images.reshape(len(images), 1, -1), steps, axis=1)
    found = np.zeros((len(images), steps, network.populations[source].neurons))
    events = run.spikes[source]
    found[events["sample"], events["timestep"], events["neuron"]] = events["value"]
    return found


def test_spike_norm_draws_what_a_run_draws():
    """With spikes at random the first threshold is the largest current of that very run."""
    random = np.random.default_rng(5)
    weight = np.float32(random.integers(-4, 5, (6, 5)) / 4)
    layers = {
        "d": layer("dense", INPUT, weight=weight),
        "r": layer("relu", "d"),
        "out": layer("dense", "r", weight=np.ones((5, 2), np.float32)),
    }
    model = Model(layers, Input(shape=(6,), scale=1))
    images = np.float32(random.random((4, 6)))
    options = {"coding": "poisson", "seed": 11, "first_sample": 7, "timesteps": 20}
    made = convert(model, images, method="spike-norm", **options)
    run = evsim.run(
        made.network, images, coding="poisson", seed=11, first_sample=7, record=("spikes",)
    )
    spikes = np.zeros((4, 20, 6))
    events = run.spikes[INPUT]
    spikes[events["sample"] - 7, events["timestep"], events["neuron"]] = events["value"]
    assert float(made.units[0].scale) == (spikes @ np.float64(weight)).max()


def test_all_zero_channels_and_layers_are_named_and_divide_by_nothing():
    weight = np.array([[1, -1], [1, -1]], np.float32)
    layers = {
        "a": layer("dense", INPUT, weight=weight),
        "r": layer("relu", "a"),
        "b": layer("dense", "r", weight=-np.eye(2, dtype=np.float32)),
        "s": layer("relu", "b"),
        "out": layer("dense", "s", weight=np.ones((2, 2), np.float32)),
    }
    model = Model(layers, Input(shape=(2,), scale=1))
    images = np.ones((2, 2), np.float32)
    made = convert(model, images, method="spike-norm", per_channel=True)
    assert [unit.scale.tolist() for unit in made.units] == [[2.0, 2.0], [1.0, 1.0]]
    assert "1 of 2 channels" in made.notes[0]
    assert "'s' is 0 for all images" in made.notes[1]


@pytest.mark.parametrize("method", ["max", "percentile", "mmse", "spike-norm"])
def test_a_ceiling_limits_a_scale_and_levels_are_it(method):
    layers = {
        "a": layer("dense", INPUT, weight=np.eye(3, dtype=np.float32)),
        "r": layer("relu", "a", ceiling=2.0),
        "b": layer("dense", "r", weight=np.eye(3, dtype=np.float32)),
        "s": layer("relu", "b", ceiling=4.0, levels=8, rounding=0.25),
        "out": layer("dense", "s", weight=np.ones((3, 2), np.float32)),
    }
    model = Model(layers, Input(shape=(3,), scale=1))
    images = np.full((4, 3), 3, np.float32)
    made = convert(model, images, method=method, threshold_scale=0.5)
    assert [float(unit.scale) for unit in made.units] == [1.0, 2.0]
    assert made.network.populations["b"].v_init == 0.25
