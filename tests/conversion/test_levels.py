"""Conversion by levels: a quantised network's very results, from populations one after another."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles.layers import Builder, forward, layer
from oracles.layers import model as random_model
from support.effort import examples
from support.torch_files import hdf5

import evsim
from evsim import EvsimError
from evsim.artificial.model import INPUT, Model
from evsim.base.arrays import address
from evsim.conversion import (
    convert,
    convert_to_levels,
    convert_to_passes,
    convert_to_switches,
)
from evsim.neurons.input import Input


class Quantised(Builder):
    """Models all of whose activations are quantised, on a grid where every sum is exact."""

    def relu(self, source):
        if self.chance(25):
            fixed = {"probability": "hardtanh", "sampled": False}
            fixed |= {"output": self.pick(["unipolar", "bipolar"])}
            return self.put("stochastic", source, compare=self.pick(["gt", "ge"]), **fixed)
        levels = self.whole(1, 7)
        fields = {"levels": levels, "ceiling": levels * 2.0 ** self.whole(-2, 1)}
        if self.chance(50):
            return self.put("relu", source, halves="even", **fields)
        return self.put("relu", source, rounding=self.pick([0.0, 0.25, 0.5]), **fields)

    def pool(self, source, operation):
        height, width, _ = self.shapes[source]
        if operation == "average":  # of four, on the grid
            fits = min(height, width) > 1
            return self.put("pool", source, operation="average", kernel=(2, 2)) if fits else source
        return super().pool(source, "max")


def images_for(model, samples=3):
    shape = (samples, *model.input.shape)
    return np.float32(np.random.default_rng(0).integers(-4, 5, shape) / 4)


def end_of(model):
    end = model.output
    while model.layers[end].kind in ("softmax", "relu", "stochastic"):
        end = model.layers[end].sources[0]
    return end


def levels_of(model):
    """The network of a model, where there is one."""
    try:
        return convert_to_levels(model).network
    except EvsimError as error:
        known = ("without a ReLU", "a factor of", "image and of levels", "list of more than")
        assume(not any(words in str(error) for words in known))
        raise


@examples(8)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_the_readout_is_the_artificial_network(seed, steps):
    model = random_model(Quantised(seed), steps)
    network = levels_of(model)
    x = images_for(model)
    expected = forward(model, x)[end_of(model)].reshape(3, -1)
    run = evsim.run(network, x, dtype="float64")
    np.testing.assert_allclose(run.potential, expected, rtol=1e-6, atol=1e-6)


def deep(halves, levels=(15, 3, 7)):
    """A convolution, a dense layer and another, each with so many levels of a quarter."""
    random = np.random.default_rng(5)

    def weight(*shape):
        return np.float32(random.integers(-4, 5, shape) / 4)

    def relu(source, n):
        return layer("relu", source, ceiling=n / 4, levels=n, halves=halves)

    layers = {
        "c": layer("conv", INPUT, weight=weight(3, 3, 1, 4), bias=weight(4)),
        "r": relu("c", levels[0]),
        "p": layer("pool", "r", operation="average", kernel=(2, 2)),
        "d": layer("dense", "p", weight=weight(16, 12), bias=weight(12)),
        "s": relu("d", levels[1]),
        "e": layer("dense", "s", weight=weight(12, 9), bias=weight(9)),
        "t": relu("e", levels[2]),
        "out": layer("dense", "t", weight=weight(9, 5), bias=weight(5)),
    }
    return Model(layers, Input(shape=(6, 6, 1), scale=1))


@pytest.mark.parametrize(("halves", "timesteps"), [("up", 15 + 3 + 7), ("even", 8 + 2 + 4)])
def test_logits_image_by_image(halves, timesteps):
    """Several layers of different bits, thirty images, every logit to the last bit."""
    model = deep(halves)
    made = convert_to_levels(model)
    x = np.float32(np.random.default_rng(1).integers(-16, 17, (30, 6, 6, 1)) / 8)
    expected = model.forward(x)["out"]
    run = evsim.run(made.network, x)
    assert run.settings.timesteps == timesteps
    assert np.array_equal(run.potential, expected)
    assert len({*run.predictions.tolist()}) > 1
    pair = [part for part in made.network.synapses.values() if part.source == "input"]
    assert len({address(part.weight) for part in pair}) == 1  # two populations, one array
    other = deep("even" if halves == "up" else "up")
    assert not np.array_equal(run.potential, other.forward(x)["out"])  # halves are met
    assert any("halves" in note for note in made.notes) == (halves == "even")


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_a_relu_of_b_bits_takes_2_to_the_b_minus_1_timesteps(bits):
    """The last level is reached, and one above it is not, in exactly so many timesteps."""
    levels = 2**bits - 1
    layers = {
        "a": layer("dense", INPUT, weight=np.ones((1, 1), np.float32)),
        "r": layer("relu", "a", ceiling=levels / 8, levels=levels),
        "out": layer("dense", "r", weight=np.ones((1, 1), np.float32)),
    }
    model = Model(layers, Input(shape=(1,), scale=1))
    network = convert_to_levels(model).network
    assert network.timesteps == levels
    x = np.float32(np.arange(-8, 2 * 8 * levels)[:, None] / 64)
    run = evsim.run(network, x)
    assert np.array_equal(run.potential, forward(model, x)["out"])
    assert run.work["a"]["spikes"].max() == levels


@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("scheme", ["switch", "ttfs", "levels"])
def test_windows_of_2_to_the_b_timesteps_are_exact_too(scheme, bits):
    """Where the image has b bits, as every layer has; weights are real numbers."""
    random, levels = np.random.default_rng(bits), 2**bits - 1
    sizes, layers, last = [12, 20, 15, 6], {}, INPUT
    for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        weight = np.float32(random.normal(size=(inputs, outputs)) / 2)
        bias = np.float32(random.normal(size=outputs) / 4)
        layers[f"d{number}"] = layer("dense", last, weight=weight, bias=bias)
        layers[f"r{number}"] = layer("relu", f"d{number}", ceiling=1.5, levels=levels)
        last = f"r{number}"
    del layers[last]
    model = Model(layers, Input(shape=(12,), scale=1))
    x = np.float32(random.integers(0, levels + 1, (40, 12))) / np.float32(levels)
    expected = forward(model, x)["d2"]
    if scheme == "levels":
        network, scale = convert_to_levels(model).network, 1
    elif scheme == "switch":
        network, scale = convert_to_switches(model, x, window=levels + 1).network, levels
    else:
        network, scale = convert(model, x, scheme="ttfs", window=levels + 1).network, levels
    run = evsim.run(network, x, dtype="float64")
    np.testing.assert_allclose(run.potential / scale, expected, rtol=1e-5, atol=1e-5)
    assert np.array_equal(run.predictions, expected.argmax(1))


def signs():
    """Two layers of binary weights behind signs, whose sums are 0 again and again."""
    random = np.random.default_rng(3)
    fixed = {"probability": "hardtanh", "output": "bipolar", "sampled": False, "compare": "ge"}

    def weight(*shape):
        return np.float32(random.choice([-1, 1], shape))

    layers = {
        "c": layer("conv", INPUT, weight=weight(3, 3, 2, 8)),
        "s": layer("stochastic", "c", **fixed),
        "d": layer("conv", "s", weight=weight(3, 3, 8, 8), padding=(1, 1, 1, 1)),
        "t": layer("stochastic", "d", **fixed),
        "out": layer("dense", "t", weight=weight(128, 4)),
    }
    return Model(layers, Input(shape=(6, 6, 2), scale=1))


@pytest.mark.parametrize("way", [convert_to_levels, convert_to_passes])
def test_signs_of_sums_that_are_0(way):
    model, x = signs(), np.float32(np.random.default_rng(4).integers(-1, 2, (25, 6, 6, 2)))
    results = model.forward(x, ["c", "d", "out"])
    assert (results["c"] == 0).any()
    assert (results["d"] == 0).any()
    network = way(model).network
    run = evsim.run(network, x)
    assert np.array_equal(run.potential, results["out"])
    bits = {name: part.bits for name, part in network.synapses.items()}
    assert set(bits.values()) == {1}  # binary weights are bits


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"r": layer("relu", "c")}, "layers/r: found a ReLU without levels, expected quantised"),
        (
            {"r": layer("relu", "c", ceiling=1.0, levels=3, rounding=1.5)},
            "layers/r: found 1.5, expected a rounding below 1 with `scheme=levels`",
        ),
        (
            {"r": layer("stochastic", "c")},
            "layers/r: found draws, expected none with `scheme=levels`",
        ),
        (
            {"p": layer("add", "r", INPUT), "q": layer("relu", "p", ceiling=1.0, levels=3)},
            "found sums of the image and of levels in one layer, expected one or the other",
        ),
    ],
)
def test_what_is_not_exact_is_said(change, words):
    layers = {
        "c": layer("conv", INPUT, weight=np.ones((1, 1, 1, 1), np.float32)),
        "r": layer("relu", "c", ceiling=1.0, levels=3),
        **change,
    }
    last = list(layers)[-1]
    layers["out"] = layer("dense", last, weight=np.ones((4, 2), np.float32))
    with pytest.raises(EvsimError) as caught:
        convert_to_levels(Model(layers, Input(shape=(2, 2, 1))))
    assert words in str(caught.value)


def test_of_a_command(tmp_path, command):
    """Without images; other schemes say that they round halves up."""
    state = {"1.weight": np.float32([[1, -0.5], [0.5, 1]]), "1.bias": np.float32([0.25, 0])}
    state |= {"2.weight": np.float32([[1, 2], [-1, 1]])}
    weights, topology = tmp_path / "w.h5", tmp_path / "net.toml"
    hdf5(weights, state, track_order=True)
    topology.write_text(
        """input = [2]
        layers = [
          { name = "1", kind = "dense" },
          { name = "r", kind = "relu", ceiling = 1.5, levels = 3, halves = "even" },
          { name = "2", kind = "dense" },
        ]"""
    )
    words = ("convert", weights, "--topology", topology, "-o", tmp_path / "n.h5", "--json")
    status, out, said = command(*words, "--scheme", "levels")
    assert (status, said) == (0, "")
    assert any("2 timesteps, some" in note for note in json.loads(out)["notes"])
    x = np.float32(np.random.default_rng(0).integers(-8, 9, (20, 2)) / 8)
    network = evsim.load(tmp_path / "n.h5")
    assert network.populations["1.odd"].stop == 2
    expected = evsim.read(weights, topology=str(topology)).forward(x)["2"]
    assert np.array_equal(evsim.run(network, x).potential, expected)
    made = evsim.convert(weights, topology=str(topology), scheme="levels")
    assert np.array_equal(evsim.run(made, x).potential, expected)
    status, _, said = command(*words, "--scheme", "levels", "-T", "8", "--overwrite")
    assert status == 2
    assert "found --scheme levels, expected no such option" in said
    rates = evsim.convert(weights, x, topology=str(topology), timesteps=3)
    assert any("spikes here round them up" in note for note in rates.notes)
