"""Conversion: networks whose firing rates stand for activations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.layers import Builder, forward, layer, models
from oracles.layers import model as random_model
from oracles.rates import rates
from support.conversions import folded, images_for, random_scales
from support.effort import examples

import evsim
from evsim import EvsimError
from evsim.artificial.model import INPUT, Model
from evsim.conversion import convert
from evsim.conversion._build import build, unit_of
from evsim.conversion._fold import fold
from evsim.conversion._scales import spread
from evsim.neurons.input import Input


@examples(60)
@given(
    models(),
    st.sampled_from(["weights", "thresholds"]),
    st.sampled_from(["prepool", "neurons"]),
    st.booleans(),
)
def test_rates_of_a_network_times_scales_are_the_activations(model, balance, pooling, each):
    graph = folded(model, pooling)
    scales = random_scales(graph, 1, each)
    network = build(graph, scales, model.input, balance=balance)
    limited = {node.name for node in graph.nodes.values() if node.ceiling is not None}
    x = images_for(model)
    expected, found = forward(model, x), rates(network, x, limited)
    for node in graph.nodes.values():
        if node.layer:
            values = found[node.name].reshape(len(x), -1, node.channels) * scales[node.name]
            close(values, expected[node.layer])
    end = model.output
    while model.layers[end].kind == "softmax":
        end = model.layers[end].sources[0]
    unit = unit_of(graph.output, scales, balance)
    assert unit.ndim == 0  # one factor for all classes: the decision is the same
    close(found[network.output] * unit, expected[end])


@examples(50)
@given(
    models(steps=3), st.sampled_from(["prepool", "neurons"]), st.sampled_from(["subtract", "zero"])
)
def test_weights_and_thresholds_balance_alike(model, pooling, reset):
    """With scales that are powers of two nothing is rounded, and every spike is the same."""
    graph = folded(model, pooling)
    scales = random_scales(graph, 2, False)
    x = images_for(model)
    spikes = []
    for balance in ("weights", "thresholds", "activations"):
        network = build(graph, scales, model.input, balance=balance, reset=reset)
        run = evsim.run(network, x, timesteps=8, record=("spikes",), dtype="float64")
        spikes.append(run)
    for other in spikes[1:]:
        assert other.spikes.keys() == spikes[0].spikes.keys()
        for name, events in spikes[0].spikes.items():
            assert np.array_equal(events, other.spikes[name]), name
        assert (other.predictions == spikes[0].predictions).all()


def one_layer(weight, bias):
    """A dense layer, rectified, and each of its neurons read out."""
    size = weight.shape[1]
    layers = {
        "d": layer("dense", INPUT, weight=weight, bias=bias),
        "r": layer("relu", "d"),
        "out": layer("dense", "r", weight=np.eye(size, dtype=np.float32)),
    }
    return Model(layers, Input(shape=(weight.shape[0],), scale=1))


@examples(80)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.sampled_from([0.25, 0.75, 1.5, 2, 5]),
    st.sampled_from([0, 0.25, 0.5, 0.75]),
    st.sampled_from(["weights", "thresholds"]),
)
def test_one_layer_fires_as_often_as_the_closed_form_says(
    seed, timesteps, threshold, start, balance
):
    random = np.random.default_rng(seed)
    weight = np.float32(random.integers(-8, 9, (5, 6)) / 16)
    bias = np.float32(random.integers(-8, 9, 6) / 16)
    if balance == "weights":
        threshold = 2.0 ** np.round(np.log2(threshold))  # a division that is exact
    model = one_layer(weight, bias)
    scales = spread(fold(model), {"d": np.asarray(threshold)}, 1.0)
    network = build(fold(model), scales, model.input, balance=balance, v_init=start)
    x = np.float32(random.integers(-8, 9, (4, 5)) / 8)
    run = evsim.run(network, x, timesteps=timesteps, record=("spikes",))
    counts = np.zeros((4, 6), int)
    np.add.at(counts, (run.spikes["d"]["sample"], run.spikes["d"]["neuron"]), 1)
    z = np.float64(x) @ np.float64(weight) + bias
    expected = np.clip(np.floor((timesteps * z + start * threshold) / threshold), 0, timesteps)
    fits = (z >= 0) & (z <= threshold)
    assert (counts == expected)[fits].all()
    rate = counts / timesteps * threshold  # so the error is a spike at most
    assert (np.abs(rate - np.clip(z, 0, threshold))[fits] <= threshold / timesteps).all()


@pytest.mark.parametrize("coding", ["constant", "poisson"])
def test_what_a_run_needs_is_in_the_network(coding):
    model = one_layer(np.eye(4, dtype=np.float32), np.zeros(4, np.float32))
    input = Input(shape=(4,), scale=10, mean=0.25, std=2.0)
    model = Model(dict(model.layers), input, description="four lines", notes=("read so",))
    images = np.arange(8, dtype=np.uint8).reshape(2, 4)
    made = convert(model, images, timesteps=12, coding=coding, method="max")
    network = made.network
    assert (network.coding, network.timesteps) == (coding, 12)
    assert network.description == "four lines"
    assert made.notes[0] == "read so"
    part = network.populations[network.input]
    assert (part.scale, part.mean, part.std) == (10, 0.25, 2)
    assert evsim.run(network, images).settings.timesteps == 12


def test_weights_that_nothing_changes_stay_one_array():
    weight = np.float32(np.ones((4, 4)) / 4)
    layers = {
        "a": layer("dense", INPUT, weight=weight),
        "r": layer("relu", "a"),
        "b": layer("dense", "r", weight=weight),
        "s": layer("relu", "b"),
        "out": layer("dense", "s", weight=weight),
    }
    model = Model(layers, Input(shape=(4,), scale=1))
    images = np.ones((2, 4), np.float32)
    network = convert(model, images, balance="thresholds", method="max").network
    assert network.parameters == 16
    assert [s.weight.tolist() for s in network.synapses.values()] == [weight.tolist()] * 3


@pytest.mark.slow
def test_the_network_approaches_the_model_with_time():
    """Deep random models: the mean error of the rates falls with T, towards 0."""
    errors = {16: [], 64: [], 512: []}
    for seed in range(12):
        builder = Builder(seed)
        model = random_model(builder, 3)
        x = images_for(model, seed)
        made = attempt(model, x, method="max", timesteps=1)
        if made is None:
            continue
        expected = forward(model, x)
        for timesteps, found in errors.items():
            for unit in made.units:
                if unit.layer:
                    size = np.abs(expected[unit.layer]).max() or 1
                    counts = counted(made.network, unit.population, x, timesteps)
                    values = counts.reshape(len(x), -1, unit.scale.size) / timesteps * unit.scale
                    difference = values.ravel() - expected[unit.layer].ravel()
                    found.append(np.abs(difference).mean() / size)
    means = {timesteps: np.mean(found) for timesteps, found in errors.items()}
    assert means[64] < means[16] / 2
    assert means[512] < means[64] / 3
    assert means[512] < 0.003


def attempt(model, images, **options):
    """A conversion, or None where a random model is one that cannot be converted."""
    try:
        return convert(model, images, **options)
    except EvsimError as error:
        if any(said in str(error) for said in ("without a ReLU", "a factor of", "not supported")):
            return None
        raise


def counted(network, name, x, timesteps):
    """The spikes of every neuron of a population, in a run."""
    events = evsim.run(network, x, timesteps=timesteps, record=("spikes",)).spikes[name]
    found = np.zeros((len(x), network.populations[name].neurons))
    np.add.at(found, (events["sample"], events["neuron"]), events["value"])
    return found


def test_corrected_biases_make_up_for_what_rates_miss_on_average():
    random, layers, at = np.random.default_rng(0), {}, INPUT
    for k, channels in enumerate([2, 8, 8, 8]):
        weight = random.normal(size=(3, 3, channels, 8)) / np.sqrt(4.5 * channels)
        layers[f"c{k}"] = layer("conv", at, weight=np.float32(weight), padding=(1, 1, 1, 1))
        layers[f"r{k}"] = layer("relu", f"c{k}")
        at = f"r{k}"
    layers["out"] = layer("dense", at, weight=np.ones((800, 2), np.float32))
    model = Model(layers, Input(shape=(10, 10, 2), scale=1))
    x = np.float32(random.normal(size=(8, 10, 10, 2)))
    expected, missed = model.forward(x, [f"r{k}" for k in range(4)]), []
    for correct in (False, True):
        made = convert(model, x, timesteps=8, method="max", stagger=1, correct_bias=correct)
        for unit in made.units:
            rate = counted(made.network, unit.population, x, 8).reshape(-1, 8).mean(axis=0) / 8
            missing = expected[unit.layer].reshape(-1, 8).mean(axis=0) - rate * unit.scale
            missed.append(np.abs(missing).sum() / expected[unit.layer].mean())
    assert sum(missed[4:]) < sum(missed[:4]) / 2


def test_a_staggered_population_waits_for_those_before_it():
    model = model_with_join()
    network = convert(model, np.ones((2, 3), np.float32), method="max", stagger=3).network
    starts = {name: getattr(part, "start", None) for name, part in network.populations.items()}
    assert (starts["a"], starts["b"], starts["j"]) == (0, 3, 6)


def model_with_join():
    """Three rectified layers, the third the sum of the second and the first."""
    weight = np.eye(3, dtype=np.float32)
    return Model(
        {
            "a": layer("dense", INPUT, weight=weight),
            "r": layer("relu", "a"),
            "b": layer("dense", "r", weight=weight),
            "s": layer("relu", "b"),
            "c": layer("dense", "s", weight=weight),
            "j": layer("add", "c", "r"),
            "t": layer("relu", "j"),
            "out": layer("dense", "t", weight=weight),
        },
        Input(shape=(3,), scale=1),
    )


BAD = {
    "method": ("maximum", "did you mean"),
    "reset": ("hard", "subtract"),
    "balance": ("weight", "did you mean 'weights'"),
    "pooling": ("none", "prepool"),
    "coding": ("latency", "constant"),
    "percentile": (49.9, "50 to 100"),
    "threshold_scale": (0, "above 0"),
    "v_init": (1.0, "below 1"),
    "timesteps": (0, "at least 1"),
    "stagger": (-1, "at least 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_choice_is_named(name):
    model = one_layer(np.eye(4, dtype=np.float32), np.zeros(4, np.float32))
    value, said = BAD[name]
    with pytest.raises(EvsimError) as caught:
        convert(model, np.ones((2, 4), np.float32), **{name: value})
    assert caught.value.place == name
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (None, "no images"),
        (np.ones((0, 4), np.float32), "no samples"),
        (np.ones((2, 5), np.float32), "expected shape (4,)"),
        (np.float32([[1, 2, np.nan, 4]]), "NaN or infinity"),
    ],
)
def test_bad_calibration_images_are_refused(images, said):
    model = one_layer(np.eye(4, dtype=np.float32), np.zeros(4, np.float32))
    for method in ("percentile", "spike-norm"):
        with pytest.raises(EvsimError, match="images") as caught:
            convert(model, images, method=method)
        assert said in str(caught.value)


def test_a_quantised_model_needs_no_images():
    layers = {
        "a": layer("dense", INPUT, weight=np.eye(3, dtype=np.float32)),
        "r": layer("relu", "a", ceiling=[1.0, 2.0, 4.0], levels=4),
        "out": layer("dense", "r", weight=np.eye(3, dtype=np.float32)),
    }
    model = Model(layers, Input(shape=(3,), scale=1))
    made = convert(model, timesteps=4)
    assert made.units[0].scale.tolist() == [1, 2, 4]
    x = np.float32(np.random.default_rng(3).integers(-8, 40, (20, 3)) / 8)
    expected = forward(model, x)["out"]  # with T = levels the network is the model, exactly
    assert (evsim.run(made.network, x).potential / 4 == expected).all()


def close(found, expected):
    size = max(float(np.abs(expected).max(initial=0)), 1.0)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=0, atol=2e-5 * size)
