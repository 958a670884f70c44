"""Hybrid networks: ReLU layers that stay as they are between layers of rates."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles.layers import Builder, Plain, forward, layer
from oracles.layers import model as random_model
from oracles.rates import rates
from support.blocks import images, small
from support.effort import examples

import evsim
from evsim import EvsimError
from evsim.artificial.model import INPUT, Model
from evsim.conversion import convert
from evsim.conversion._build import build
from evsim.conversion._scales import spread
from evsim.conversion._stochastic import hybrid
from evsim.neurons.input import Input


def images_for(model, samples=3):
    shape = (samples, *model.input.shape)
    return np.float32(np.random.default_rng(0).integers(-4, 5, shape) / 4)


def relus(model):
    """The ReLUs that lead to the end, which they are not."""
    end = model.output
    while model.layers[end].kind in ("softmax", "relu"):
        end = model.layers[end].sources[0]
    needed, ahead = set(), [end]
    while ahead:
        name = ahead.pop()
        if name not in needed and name != INPUT:
            needed.add(name)
            ahead += model.layers[name].sources
    return [name for name in model.layers if name in needed and model.layers[name].kind == "relu"]


@examples(80)
@given(
    st.integers(0, 9999),
    st.sampled_from(["weights", "thresholds"]),
    st.sampled_from(["prepool", "neurons"]),
)
def test_activations_and_rates_times_scales_are_the_artificial_network(seed, balance, pooling):
    random = np.random.default_rng(seed)
    model = random_model(Plain(seed), int(random.integers(1, 6)))
    analog = [name for name in relus(model) if random.integers(2)]
    try:
        graph = hybrid(model, pooling, analog)
    except EvsimError as error:
        known = ("without a ReLU", "a factor of", "a bias for each position")
        assume(not any(words in str(error) for words in known))
        raise
    scales = {n.name: np.asarray(2.0 ** random.integers(-2, 3)) for n in graph.measured}
    scales = spread(graph, scales, 1.0)
    network = build(graph, scales, model.input, balance=balance)
    x = images_for(model)
    expected, found = forward(model, x), rates(network, x)
    for node in graph.nodes.values():
        if node.layer:
            wanted = expected[node.layer].reshape(len(x), -1)
            own = np.resize(scales[node.name], node.channels)
            own = np.broadcast_to(own, node.shape).ravel()
            np.testing.assert_allclose(found[node.name] * own, wanted, rtol=1e-5, atol=1e-5)
        if node.kind in ("pool", "maxpool"):  # neurons of spikes
            assert graph.nodes[node.source].kind != "analog"
    kinds = {p.kind for p in network.populations.values()}
    assert ("analog" in kinds) == bool(analog)
    assert {n.measured for n in graph.measured} == set(relus(model)) - set(analog)


def three_layers():
    random = np.random.default_rng(3)

    def dense(source, inputs, outputs):
        weight = np.float32(random.integers(-4, 9, (inputs, outputs)) / 8)
        return layer("dense", source, weight=weight, bias=np.float32([0.25, -0.5] * (outputs // 2)))

    layers = {"a": dense(INPUT, 6, 8), "first": layer("relu", "a")}
    layers |= {"b": dense("first", 8, 8), "second": layer("relu", "b")}
    layers |= {"out": dense("second", 8, 4)}
    return Model(layers, Input(shape=(6,), scale=1))


@pytest.mark.parametrize("method", ["max", "spike-norm", "mmse"])
def test_an_analog_first_layer_is_exact_and_the_rest_rates(method):
    model = three_layers()
    x = np.float32(np.random.default_rng(1).integers(0, 9, (5, 6)) / 8)
    made = convert(model, x, analog=("first",), method=method, timesteps=8, correct_bias=True)
    kinds = {name: part.kind for name, part in made.network.populations.items()}
    assert kinds == {"input": "input", "a": "analog", "b": "iaf", "out": "readout"}
    assert [unit.population for unit in made.units] == ["b"]
    if method != "mmse":  # what arrives is the same at every timestep
        assert made.units[0].scale == forward(model, x)["second"].max()
    run = evsim.run(made.network, x, record=("spikes",))
    expected = forward(model, x)["first"]
    found, events = np.zeros((5, 8, 8)), run.spikes["a"]
    found[events["sample"], events["timestep"], events["neuron"]] = events["value"]
    assert (found == expected[:, None]).all()
    assert (run.work["a-b"]["synops"] == 0).all()
    assert (run.work["a-b"]["macs"] == 8 * 8 * (expected > 0).sum(axis=1)).all()


@pytest.mark.parametrize("method", ["max", "spike-norm"])
def test_analog_neurons_behind_rates_send_activations(method):
    model = three_layers()
    x = np.float32(np.random.default_rng(1).integers(0, 9, (5, 6)) / 8)
    network = convert(model, x, analog=("second",), method=method).network
    assert {name: part.kind for name, part in network.populations.items()}["b"] == "analog"
    assert (network.synapses["b-out"].weight == model.layers["out"].weight).all()
    scale = forward(model, x)["first"].max()
    np.testing.assert_allclose(
        network.synapses["a-b"].weight, model.layers["b"].weight * scale, rtol=1e-6
    )


def test_spike_norm_behind_analog_neurons_behind_rates():
    model = three_layers()
    layers = dict(model.layers)
    out = layers.pop("out")
    layers["c"] = replace(layers["b"], sources=("second",))
    layers["third"] = layer("relu", "c")
    layers["out"] = replace(out, sources=("third",))
    model = Model(layers, model.input)
    x = np.float32(np.random.default_rng(1).integers(0, 9, (5, 6)) / 8)
    made = convert(model, x, analog=("second",), method="spike-norm", timesteps=16)
    run = evsim.run(made.network, x, record=("spikes",))
    events, sent = run.spikes["b"], np.zeros((5, 16, 8))
    sent[events["sample"], events["timestep"], events["neuron"]] = events["value"]
    largest = (sent @ np.float64(layers["c"].weight) + layers["c"].bias).max()
    scales = {unit.population: unit.scale for unit in made.units}
    np.testing.assert_allclose(scales["c"], largest, rtol=1e-6)


def test_neurons_that_average_analog_ones_are_analog():
    made = Builder(0)
    made.layers, made.shapes = {}, {INPUT: (4, 4, 1)}
    relu = made.put("relu", made.put("conv", INPUT, weight=made.numbers(3, 3, 1, 2)))
    pool = made.put("pool", relu, operation="average", kernel=(2, 2), stride=(1, 1))
    made.put("dense", pool, weight=made.numbers(2, 3))
    model = Model(made.layers, Input(shape=(4, 4, 1), scale=1))
    x = np.abs(images_for(model))
    network = convert(model, x, analog=(relu,), pooling="neurons").network
    assert network.populations[pool].kind == "analog"
    run = evsim.run(network, x, timesteps=1)
    assert (run.potential == forward(model, x)[model.output]).all()


def test_a_hybrid_network_approaches_the_artificial_one():
    model = three_layers()
    x = np.float32(np.random.default_rng(1).integers(0, 9, (5, 6)) / 8)
    network = convert(model, x, analog=("first",), method="max").network
    error = []
    for timesteps in (16, 1024):
        run = evsim.run(network, x, timesteps=timesteps)
        error.append(np.abs(run.potential / timesteps - forward(model, x)["out"]).max())
    assert error[1] < error[0] / 16


def test_a_max_pool_is_on_the_current_of_analog_neurons():
    made = Builder(0)
    made.layers, made.shapes = {}, {INPUT: (4, 4, 1)}
    weight = np.float32(np.random.default_rng(0).integers(-4, 5, (3, 3, 1, 2)) / 4)
    conv = made.put("conv", INPUT, weight=weight, padding=(1, 1, 1, 1))
    relu = made.put("relu", conv)
    pool = made.put("pool", relu, operation="max", kernel=(2, 2))
    dense = made.put("dense", pool, weight=np.eye(8, dtype=np.float32))
    second = made.put("relu", dense)
    made.put("dense", second, weight=np.eye(8, dtype=np.float32))
    model = Model(made.layers, Input(shape=(4, 4, 1), scale=1))
    x = images_for(model)
    network = convert(model, x, analog=(relu,)).network
    parts = [part for part in network.populations.values() if part.kind == "analog"]
    assert [part.pool for part in parts] == [(2, 2)]
    run = evsim.run(network, x, timesteps=2, record=("spikes",))
    events = run.spikes[pool]
    found = np.zeros((len(x), 2, 8))
    found[events["sample"], events["timestep"], events["neuron"]] = events["value"]
    assert (found == forward(model, x)[pool].reshape(len(x), 1, 8)).all()


def test_a_block_that_runs_several_times_stays_as_it_is():
    with pytest.raises(EvsimError, match="analog: found a model with a block that has turns"):
        convert(small("vgg2x4", "replace"), images(), analog=("conv1.relu",))


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({"analog": ("frist",)}, "analog: found 'frist', expected a ReLU layer in front of the "
         "last (did you mean 'first'?)"),
        ({"analog": ("b",)}, "analog: found 'b', expected a ReLU layer"),
        ({"analog": ("first",), "scheme": "burst"}, "scheme: found scheme 'burst'"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(choices, expected):
    model = three_layers()
    with pytest.raises(EvsimError) as error:
        convert(model, np.zeros((2, 6), np.float32), **choices)
    assert str(error.value).startswith(expected)
    assert "\n" not in str(error.value)
