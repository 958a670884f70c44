"""Conversion to passes: every layer of a ReLU or stochastic network in one timestep."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from oracles.layers import Builder, Plain, forward, layer
from oracles.layers import model as random_model
from support.effort import examples
from support.torch_files import TOPOLOGY, hdf5, small

import evsim
from evsim import EvsimError
from evsim.artificial.model import INPUT, Model
from evsim.conversion import convert_to_passes
from evsim.neurons.input import Input


def images_for(model, samples=3):
    shape = (samples, *model.input.shape)
    return np.float32(np.random.default_rng(0).integers(-4, 5, shape) / 4)


def end_of(model):
    """The last layer but for a softmax."""
    end = model.output
    while model.layers[end].kind == "softmax":
        end = model.layers[end].sources[0]
    return end


def passes(model, **options):
    """The network of a model, where there is one."""
    try:
        return convert_to_passes(model, **options).network
    except EvsimError as error:
        known = ("without a ReLU", "a factor of", "a bias for each position")
        assume(not any(words in str(error) for words in known))
        raise


@examples(150)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.sampled_from(["prepool", "neurons"]))
@example(4414, 2, "prepool")  # a max pool behind an average pool
def test_one_timestep_of_a_relu_network_is_the_network(seed, steps, pooling):
    model = random_model(Plain(seed), steps)
    network = passes(model, pooling=pooling)
    x = images_for(model)
    run = evsim.run(network, x, dtype="float64")
    expected = forward(model, x)[end_of(model)].reshape(3, -1)
    assert run.settings.timesteps == 1
    np.testing.assert_allclose(run.potential, expected, rtol=1e-4, atol=1e-4)
    twice = evsim.run(network, x, dtype="float64", timesteps=2)
    np.testing.assert_allclose(twice.potential, 2 * run.potential)


def stochastic_model(seed=0, **fields):
    """conv, max pool, norm, stochastic; average pool; dense, stochastic; dense."""
    build = Builder(seed)
    build.shapes[INPUT] = (4, 4, 2)
    at = build.put("conv", INPUT, weight=build.numbers(3, 3, 2, 3), padding=(1,) * 4)
    at = build.put("pool", at, operation="max", kernel=(2, 2))
    at = build.put("stochastic", build.normalize(at, positive=True), **fields)
    at = build.put("pool", at, operation="average", kernel=(2, 2))
    at = build.put("flatten", at)
    at = build.put("dense", at, weight=build.numbers(3, 5), bias=build.numbers(5))
    at = build.put("stochastic", at, **fields)
    build.put("dense", at, weight=build.numbers(5, 3), bias=build.numbers(3))
    return Model(build.layers, Input(shape=(4, 4, 2), scale=1))


@pytest.mark.parametrize("output", ["unipolar", "bipolar"])
@pytest.mark.parametrize("probability", ["sigmoid", "hardtanh"])
def test_what_is_not_sampled_is_the_network(probability, output):
    fields = {"probability": probability, "output": output, "sampled": False}
    for seed in range(20):
        model = stochastic_model(seed, **fields)
        network, x = convert_to_passes(model).network, images_for(model)
        [pooled] = [p for p in network.populations.values() if getattr(p, "pool", (1, 1)) != (1, 1)]
        assert (pooled.kind, pooled.pool, pooled.shape) == ("stochastic", (2, 2), (2, 2, 3))
        assert (pooled.probability, pooled.output, pooled.sampled) == (probability, output, False)
        run = evsim.run(network, x, timesteps=3)
        expected = forward(model, x)[model.output]
        np.testing.assert_allclose(run.potential, 3 * expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("output", ["unipolar", "bipolar"])
@pytest.mark.parametrize("probability", ["sigmoid", "hardtanh"])
def test_passes_average_to_the_probability(probability, output):
    z = np.linspace(-1.5, 1.5, 7, dtype=np.float32)
    identity = np.eye(7, dtype=np.float32)
    layers = {
        "d": layer("dense", INPUT, weight=identity),
        "s": layer("stochastic", "d", probability=probability, output=output),
        "out": layer("dense", "s", weight=identity),
    }
    network = convert_to_passes(Model(layers, Input(shape=(7,), scale=1)), timesteps=4000).network
    mean = evsim.run(network, z[None]).potential[0] / 4000
    p = 1 / (1 + np.exp(-z)) if probability == "sigmoid" else (np.clip(z, -1, 1) + 1) / 2
    p = p if output == "unipolar" else 2 * p - 1
    assert np.abs(mean - p).max() < 5 / np.sqrt(4000)
    assert (mean[[0, -1]] == p[[0, -1]]).all() == (probability == "hardtanh")


def test_the_first_timesteps_are_those_of_a_shorter_run():
    model = stochastic_model(3)
    x = images_for(model)
    runs = [evsim.run(convert_to_passes(model, timesteps=t, seed=9).network, x) for t in (2, 16)]
    assert np.array_equal(runs[0].predictions_by_timestep, runs[1].predictions_by_timestep[:, :2])
    assert runs[0].settings.seed == 9


def binary_model(gain=1.0, pool=False, bias=None, magnitude=0.25):
    """conv of binary weights, perhaps a max pool, norm, stochastic, dense of binary weights."""
    random = np.random.default_rng(5)
    signs = np.float32(np.where(random.random((3, 3, 2, 4)) < 0.5, -1, 1))
    layers = {"c": layer("conv", INPUT, weight=signs * np.float32(magnitude), padding=(1,) * 4)}
    at = "c"
    if pool:
        layers["p"] = layer("pool", at, operation="max", kernel=(2, 2))
        at = "p"
    if gain != 1.0:
        ones = np.ones(4, np.float32)
        norm = {"gamma": np.float32([1, gain, 1, 2]), "beta": ones, "mean": ones, "variance": ones}
        layers["n"] = layer("normalize", at, **norm, epsilon=0.0)
        at = "n"
    layers["s"] = layer("stochastic", at, output="bipolar", sampled=False)
    size = 16 if pool else 64
    layers["f"] = layer("flatten", "s")
    weight = np.float32(np.where(random.random((size, 3)) < 0.5, -1, 1))
    layers["out"] = layer("dense", "f", weight=weight, bias=bias)
    return Model(layers, Input(shape=(4, 4, 2), scale=1)), signs, weight


@pytest.mark.parametrize("gain", [2.0, -2.0])
def test_binary_weights_are_bits_and_a_scale(gain, tmp_path):
    model, signs, weight = binary_model(gain, bias=np.float32([0.5, 0, 0]))
    network = convert_to_passes(model).network
    conv, dense = (network.synapses[name] for name in ("input-c", "c-out"))
    assert conv.bits == dense.bits == 1
    turned = np.array([1, np.sign(gain), 1, 1])
    assert np.array_equal(conv.weight, signs * turned)
    assert conv.scale.tolist() == [0.25, 0.5, 0.25, 0.5]
    assert np.array_equal(dense.weight, weight)
    assert dense.scale == 1  # the readout has a bias that is no whole number
    evsim.save(network, tmp_path / "n.h5")
    with h5py.File(tmp_path / "n.h5") as file:
        assert file["synapses/input-c/weight"].dtype == np.uint8
        assert file["synapses/input-c/weight"].size == 3 * 3 * 2
    x = images_for(model)
    found = evsim.run(evsim.load(tmp_path / "n.h5"), x)
    counts = found.counts()
    for name in ("input-c", "c-out"):
        assert counts["weight_bits"][name] == counts["parts"][name]["weight_read"] > 0
    np.testing.assert_allclose(found.potential, forward(model, x)["out"], rtol=1e-5)


def test_bits_without_a_scale_are_integers():
    model = binary_model(magnitude=1.0)[0]
    network = convert_to_passes(model).network
    assert network.synapses["c-out"].scale is network.synapses["input-c"].scale is None
    assert network.integer_populations(graded_input=True) == {network.output}
    x = images_for(model)
    assert np.array_equal(evsim.run(network, x).potential, forward(model, x)["out"])


def test_a_negative_gain_does_not_come_through_a_max_pool():
    convert_to_passes(binary_model(2.0, pool=True)[0])
    with pytest.raises(EvsimError, match="layers/n: found a factor of -2 for channel 1 between"):
        convert_to_passes(binary_model(-2.0, pool=True)[0])


def with_layer(name, **fields):
    """The stochastic model with fields of a layer replaced."""
    model = stochastic_model()
    [found] = [n for n in model.layers if n.startswith(name)][:1]
    return {**model.layers, found: replace(model.layers[found], **fields)}


def test_what_cannot_be_passes_names_the_layer():
    def mistake(layers):
        with pytest.raises(EvsimError) as caught:
            convert_to_passes(Model(layers, Input(shape=(4, 4, 2), scale=1)))
        return str(caught.value)

    uneven = {"kernel": (3, 3), "stride": (1, 1)}
    found = mistake(with_layer("pool1", **uneven))
    assert found.startswith("layers/pool1: found windows of (3, 3) with stride (1, 1) over (4, 4)")
    behind = {"operation": "max", "kernel": (2, 2), "stride": (2, 2)}
    found = mistake(with_layer("pool4", **behind))
    assert found.startswith("layers/pool4: found a max pool behind stochastic neurons")
    layers = {
        "d": layer("flatten", INPUT),
        "r": layer("relu", "d", ceiling=np.float32(1)),
        "out": layer("dense", "r", weight=np.ones((32, 2), np.float32)),
    }
    assert mistake(layers).startswith("layers/r: found a clipped or quantised ReLU")
    with pytest.raises(EvsimError, match="timesteps: found 0"):
        convert_to_passes(stochastic_model(), timesteps=0)


@pytest.fixture
def command(inside, command):
    """Commands beside a trainer's file."""
    (inside / "relu.toml").write_text(TOPOLOGY)
    (inside / "drawn.toml").write_text(TOPOLOGY.replace('kind = "relu"', 'kind = "stochastic"'))
    signs = TOPOLOGY.replace("padding = 1", 'padding = 1, weights = "binary"')
    (inside / "binary.toml").write_text(signs)
    hdf5(inside / "m.h5", small())
    with h5py.File(inside / "d.h5", "w") as file:
        file["images"] = np.random.default_rng(3).integers(0, 256, (20, 4, 4, 3), np.uint8)
        file["labels"] = np.arange(20) % 10
    return command


def test_the_command_converts_and_says_what_it_wrote(command):
    line = "convert m.h5 -o n.h5 --scheme stochastic --topology"
    status, out, err = command(f"{line} relu.toml --json")
    assert (status, err) == (0, "")
    assert json.loads(out).keys() == {"network", "neurons", "synapses", "notes"}
    ann = json.loads(command("ann m.h5 d.h5 --topology relu.toml --json")[1])
    run = json.loads(command("run n.h5 d.h5 --json")[1])
    assert (run["predictions"], run["timesteps"]) == (ann["predictions"], 1)
    assert command(f"{line} drawn.toml --overwrite -T 5 --seed 3")[0] == 0
    run = json.loads(command("run n.h5 d.h5 --json")[1])
    assert (run["timesteps"], run["seed"], run["coding"]) == (5, 3, "constant")
    assert "stochastic" in command("info n.h5")[1]


def test_weights_of_one_bit_without_a_scale(command):
    line = "convert m.h5 -o n.h5 --scheme stochastic --topology binary.toml --quiet"
    assert command(line) == (0, "", "")
    network = evsim.load("n.h5")
    part = network.synapses["input-conv1"]
    state = small()
    gain = state["bn1.weight"] / np.sqrt(np.float64(state["bn1.running_var"]) + 1e-5)
    assert part.bits == 1
    np.testing.assert_allclose(part.scale, gain, rtol=1e-6)  # the norm's, times 1
    assert (part.weight == 1).all()  # all of the file's are positive
    info = json.loads(command("info n.h5 --json")[1])
    assert {row["set"]: row["bits"] for row in info["sets"]} == {"conv1-fc": 32, "input-conv1": 1}


@pytest.mark.parametrize(
    "option",
    ["--calibrate d.h5", "--samples :5", "--method max", "--percentile 99", "--per-channel",
     "--threshold-scale 2", "--v-init 0.5", "--balance weights", "--correct-bias", "--stagger 1",
     "--coding poisson", "--diagnose", "--picture p.png", "--reset zero"],
)  # fmt: skip
def test_options_of_rates_are_mistakes(option, command):
    line = f"convert m.h5 -o n.h5 --topology relu.toml --scheme stochastic {option}"
    status, out, err = command(line)
    assert (status, out) == (2, "")
    found = "found --scheme stochastic, expected no such option"
    assert err == f"evsim: {option.split()[0]}: {found}\n"
