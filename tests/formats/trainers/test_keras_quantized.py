"""QKeras and Larq: quantisers against what the libraries gave, files in their layouts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.layers import forward
from support import keras_files as k
from support.effort import examples
from support.keras_files import normal, small

import evsim
from evsim.artificial.model import Model
from evsim.base.errors import EvsimError
from evsim.conversion import convert_to_levels, convert_to_passes
from evsim.formats import trainers
from evsim.formats.trainers import Options
from evsim.formats.trainers._keras_quantizers import of_weights, quantizer_of

# What QKeras 0.9.0 and Larq 0.14.0 (TensorFlow 2.21) made of these numbers, two channels each.
KERNEL = np.array(
    [
        [-2.5, 0.3],
        [-1.0, -0.03125],
        [-0.40625, 1.75],
        [-0.03125, 0.0],
        [0.0, -0.7],
        [0.09375, 0.15625],
        [0.46875, 2.0],
        [0.97, -1.4],
    ],
    np.float32,
)
KERNELS = {
    "quantized_bits(4,0,alpha=1)": "-1 .25 -1 0 -.375 .875 0 0 0 -.75 .125 .125 .5 .875 .875 -1",
    "quantized_bits(4,1,1,alpha=1)": "-1.75 .25 -1 0 -.5 1.75 0 0 0 -.75 0 .25 .5 1.75 1 -1.5",
    "quantized_bits(3,2,keep_negative=False,alpha=0.5)": "0 .25 0 0 0 1 0 0 0 0 0 0 .25 1 .5 0",
    "quantized_bits(1,alpha=1)": "-1 1 -1 -1 -1 1 -1 1 1 -1 1 1 1 1 1 -1",
    "quantized_bits(4,0)": "-2.5 .25 -1 0 -.5 1.75 0 0 0 -.75 0 .25 .5 1.75 1 -1.5",
    "quantized_bits(6,2,alpha='auto_po2')": "-1.9375 .3125 -1 -.0625 -.4375 1.75 -.0625 0 0 -.6875 "
    ".125 .1875 .5 1.9375 1 -1.375",
    "binary(alpha=1)": "-1 1 -1 -1 -1 1 -1 1 1 -1 1 1 1 1 1 -1",
    "binary()": "-.5 1 -.5 -1 -.5 1 -.5 1 .5 -1 .5 1 .5 1 .5 -1",
    "binary(use_01=1,alpha=1)": "0 1 0 0 0 1 0 1 1 0 1 1 1 1 1 0",
    "ternary(alpha=1)": "-1 0 -1 0 -1 1 0 0 0 -1 0 0 1 1 1 -1",
    "ternary(threshold=0.5,alpha=1)": "-1 0 -1 0 0 1 0 0 0 -1 0 0 0 1 1 -1",
    "ternary()": "-2 0 0 0 0 2 0 0 0 0 0 0 0 2 0 -2",
    "ste_sign": "-1 1 -1 -1 -1 1 -1 1 1 -1 1 1 1 1 1 -1",
    "approx_sign": "-1 1 -1 -1 -1 1 -1 1 1 -1 1 1 1 1 1 -1",
    "swish_sign": "-1 1 -1 -1 -1 1 -1 1 1 -1 1 1 1 1 1 -1",
    "ste_tern": "-1 1 -1 0 -1 1 0 0 0 -1 1 1 1 1 1 -1",
}
POINTS = "-9 -2.25 -1.5 -.75 -.5 -.33 -.25 -.125 -.03125 0 .03125 .09375 .125 .25 .33 .375 .5 .625 "
POINTS += ".75 .9 1.125 1.5 1.875 2.5 9"
VALUES = np.float32(POINTS.split())
SIGN = "-1 " * 9 + "1 " * 16
ACTIVATIONS = {
    "quantized_relu(4)": "0 " * 11 + ".125 .125 .25 .3125 .375 .5 .625 .75 .875" + " .9375" * 5,
    "quantized_relu(4,2)": "0 " * 13 + ".25 .25 .5 .5 .5 .75 1 1 1.5 2 2.5 3.75",
    "quantized_relu(2,integer=1)": "0 " * 14 + ".5 .5 .5 .5 1 1 1 1.5 1.5 1.5 1.5",
    "quantized_relu(1,1)": "0 " * 17 + "1 " * 8,
    "quantized_bits(3,1)": "-2 -2 -1.5 -1 -.5 -.5" + " 0" * 8 + " .5 .5 .5 .5 1 1 1" + " 1.5" * 4,
    "quantized_bits(4,0,keep_negative=False)": "0 " * 11
    + ".125 .125 .25 .3125 .375 .5 .625 .75 .875"
    + " .9375" * 5,
    "quantized_bits(4,1,alpha=0.5)": "-1 -1 -.75 -.375 -.25 -.125 -.125 0 0 0 0 0 0 .125 .125 .25 "
    ".25 .25 .375 .5 .5 .75 .875 .875 .875",
    "quantized_bits(1)": SIGN,
    "binary": SIGN,
    "binary(alpha=0.5)": "-.5 " * 9 + ".5 " * 16,
    "binary(use_01=True)": "0 " * 9 + "1 " * 16,
    "ternary()": "-1 " * 6 + "0 " * 8 + "1 " * 11,
    "ternary(alpha=2,threshold=0.25)": "-2 " * 7 + "0 " * 6 + "2 " * 12,
    "ste_sign": SIGN,
    "ste_heaviside": "0 " * 10 + "1 " * 15,
}
SCALE = Options(scale=1.0)


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_are_those_of_the_library(name):
    found = of_weights(quantizer_of(name, "here"), KERNEL, True)
    assert found.dtype == np.float32
    assert np.array_equal(found.ravel(), np.float32(KERNELS[name].split()))


def test_filters_of_mean_magnitude():
    found = of_weights(quantizer_of("magnitude_aware_sign", "here"), KERNEL, True)
    size = [0.683750033, 0.792187512]  # the library's
    np.testing.assert_allclose(np.abs(found), np.broadcast_to(size, (8, 2)), rtol=1e-7)
    assert np.array_equal(np.sign(found), of_weights(quantizer_of("ste_sign", ""), KERNEL, True))


def of_values(layers):
    """The model of layers on the values above."""
    layers[0]["config"]["batch_input_shape"] = [None, len(VALUES)]
    numbers = {entry["config"]["name"]: {} for entry in layers}
    return layers, numbers


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("kind", ["QActivation", "Activation"])
def test_activations_are_those_of_the_library(tmp_path, name, kind):
    layers, numbers = of_values([k.layer(kind, "a", activation=name)])
    path = k.legacy(tmp_path / "f", k.sequential(layers), numbers, backend="tensorflow")
    model = trainers.read(path, SCALE).result()
    found = model.forward(VALUES[None])[model.output][0]
    assert np.array_equal(found, np.float32(ACTIVATIONS[name].split()))


def test_dorefa_rounds_its_levels(tmp_path):
    dorefa = {"class_name": "Larq>DoReFa", "config": {"k_bit": 2, "mode": "activations"}}
    layers, numbers = of_values([k.layer("Activation", "a", activation=dorefa)])
    path = k.legacy(tmp_path / "f", k.sequential(layers), numbers, backend="tensorflow")
    model = trainers.read(path, SCALE).result()
    found = model.forward(VALUES[None])[model.output][0]
    expected = np.rint(np.clip(VALUES, 0, 1) * 3) / 3
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def qkeras(name, **config):
    """A quantiser as QKeras saves it."""
    return {"module": "qkeras.quantizers", "class_name": name, "config": config}


BITS = {"bits": 4, "integer": 0, "symmetric": 0, "alpha": 1, "keep_negative": True}
BITS |= {"use_stochastic_rounding": False, "qnoise_factor": 1.0}


def qkeras_layers():
    bits, conv = qkeras("quantized_bits", **BITS), {"strides": [1, 1], "padding": "valid"}
    relu = qkeras("quantized_relu", bits=3, integer=1, use_sigmoid=0, negative_slope=0.0)
    return [
        k.layer(
            "QConv2D",
            "c",
            **{"filters": 4, "kernel_size": [3, 3], "activation": "linear", **conv},
            kernel_quantizer=bits,
            bias_quantizer=bits,
            kernel_range=None,
        ),
        k.layer("QActivation", "r", activation="quantized_relu(4,1)"),
        k.layer("MaxPooling2D", "m", pool_size=[2, 2], strides=[1, 1]),
        k.layer(
            "QDepthwiseConv2D",
            "d",
            **{"kernel_size": [2, 2], "depth_multiplier": 1, "activation": relu, **conv},
            depthwise_quantizer=bits,
            bias_quantizer=bits,
        ),
        k.layer("Flatten", "f"),
        k.layer(
            "QDense",
            "e",
            units=8,
            use_bias=0,
            kernel_quantizer=qkeras("ternary", alpha=1),
            bias_quantizer=None,
            activation="binary(alpha=1)",
        ),
        k.layer(
            "QDense",
            "out",
            units=3,
            kernel_quantizer=qkeras("quantized_bits", **BITS | {"alpha": None}),
            bias_quantizer=bits,
            activation="linear",
        ),
    ]


QKERAS = {
    "c": {"kernel": normal(3, 3, 1, 4) / 2, "bias": normal(4) / 2},
    "d": {"depthwise_kernel": normal(2, 2, 4, 1) / 2, "bias": normal(4) / 2},
    "e": {"kernel": normal(16, 8)},
    "out": {"kernel": normal(8, 3), "bias": normal(3)},
}


def quantised(name, value, kernel=True):
    return np.float64(of_weights(quantizer_of(name, ""), value, kernel))


def by_hand(image):
    """The logits of the network above, place by place from the definitions of its quantisers."""
    bits = "quantized_bits(4,0,alpha=1)"
    x = k.correlate(
        np.float64(image),
        quantised(bits, QKERAS["c"]["kernel"]),
        quantised(bits, QKERAS["c"]["bias"]),
    )
    x = np.clip(np.rint(np.maximum(x, 0) * 8), 0, 15) / 8
    x = np.max([x[a : 3 + a, b : 3 + b] for a in (0, 1) for b in (0, 1)], axis=0)
    kernel, bias = (quantised(bits, QKERAS["d"][n]) for n in ("depthwise_kernel", "bias"))
    x = np.concatenate(
        [k.correlate(x[..., c : c + 1], kernel[:, :, c : c + 1], bias[c]) for c in range(4)], axis=2
    )
    x = np.clip(np.rint(np.maximum(x, 0) * 4), 0, 7) / 4
    x = x.reshape(-1) @ quantised("ternary(alpha=1)", QKERAS["e"]["kernel"])
    x = np.where(x >= 0, 1, -1) @ quantised("quantized_bits(4)", QKERAS["out"]["kernel"])
    return x + quantised(bits, QKERAS["out"]["bias"])


def test_a_qkeras_file_and_its_spikes(tmp_path):
    path = small(qkeras_layers(), QKERAS, tmp_path / "q.h5", (6, 6, 1))
    model = trainers.read(path, SCALE).result()
    x = np.float32(np.random.default_rng(0).integers(0, 17, (20, 6, 6, 1)) / 16)
    expected = np.stack([by_hand(image) for image in x])
    logits = model.forward(x)["out"]
    assert np.array_equal(logits, np.float32(expected))
    network = convert_to_levels(model).network
    run = evsim.run(network, x)
    assert network.timesteps == 8 + 4 + 1  # of 4 bits, of 3 bits, of a sign
    assert np.array_equal(run.potential, logits)


def larq(name, **config):
    return {"class_name": name, "config": {"name": name.lower(), "trainable": True, **config}}


def larq_layers(around=1.0):
    sign, conv = larq("SteSign", clip_value=1.0), {"kernel_size": [3, 3], "use_bias": False}
    norm = {"axis": [3], "epsilon": 1e-3, "scale": False}
    quantised = {"input_quantizer": sign, "kernel_quantizer": sign}
    return [
        k.layer("QuantConv2D", "a", filters=8, padding="same", **conv, kernel_quantizer="ste_sign"),
        k.layer("MaxPooling2D", "p", pool_size=[2, 2]),
        k.layer("BatchNormalization", "n", **norm),
        k.layer(
            "Larq>QuantConv2D",
            "b",
            filters=8,
            padding="same",
            pad_values=around,
            **(conv | quantised),
        ),
        k.layer("Flatten", "f"),
        k.layer("QuantDense", "out", units=3, use_bias=False, **quantised),
    ]


LARQ = {
    "a": {"kernel": normal(3, 3, 2, 8)},
    "n": {"beta": normal(8), "moving_mean": normal(8) * 2, "moving_variance": normal(8) ** 2 + 0.5},
    "b": {"kernel": normal(3, 3, 8, 8, seed=6)},
    "out": {"kernel": normal(72, 3)},
}


@pytest.mark.parametrize("around", [0.0, 1.0])
def test_a_larq_file_and_its_bits(tmp_path, around):
    path = small(larq_layers(around), LARQ, tmp_path / "l.h5", (6, 6, 2))
    model = trainers.read(path, SCALE).result()
    x = np.float32(np.random.default_rng(0).integers(-8, 9, (20, 6, 6, 2)) / 8)

    def sign(value):
        return np.where(value >= 0, 1.0, -1.0)

    norm, expected = LARQ["n"], []
    for image in np.float64(x):
        y = k.correlate(np.pad(image, ((1, 1), (1, 1), (0, 0))), sign(LARQ["a"]["kernel"]))
        y = y.reshape(3, 2, 3, 2, 8).max((1, 3))
        y = (y - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 1e-3) + norm["beta"]
        y = np.pad(sign(y), ((1, 1), (1, 1), (0, 0)), constant_values=around)
        y = sign(k.correlate(y, sign(LARQ["b"]["kernel"])))
        expected.append(y.reshape(-1) @ sign(LARQ["out"]["kernel"]))
    logits = model.forward(x)["out"]
    assert np.array_equal(logits, np.float32(expected))
    assert {len(np.unique(np.abs(model.layers[name].weight))) for name in ("a", "b", "out")} == {1}
    network = convert_to_passes(model).network
    assert np.array_equal(evsim.run(network, x).potential, logits)
    assert {part.bits for part in network.synapses.values()} == {1}
    slow = convert_to_levels(model).network
    assert slow.timesteps == 2
    assert np.array_equal(evsim.run(slow, x).potential, logits)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (qkeras("quantized_bits", **BITS | {"alpha": "auto"}), "alpha 'auto', no whole steps"),
        (qkeras("stochastic_binary", alpha=1), "by stochastic_binary: quantized_bits, binary"),
        (qkeras("bernoulli"), "quantised by bernoulli"),
        (qkeras("quantized_po2", bits=4), "quantised by quantized_po2"),
        (qkeras("quantized_bits", **BITS | {"qnoise_factor": 0.5}), "qnoise_factor"),
        (qkeras("quantized_bits", **BITS | {"bits": 10**6}), "to 1000000 bits: up to 16 work"),
        (qkeras("quantized_bits", **BITS | {"bits": 2.5}), "bits: found 2.5, expected a whole"),
        (qkeras("quantized_bits", **BITS | {"alpha": [1, 2]}), "alpha: found .*, expected 1 or 3"),
        (qkeras("ternary", alpha=1, threshold=-1), "threshold: found -1, expected a number above"),
        ("quantized_bits(4,0,alpha=__import__('os'))", "expected a quantiser with numbers"),
        ("quantized_bits(4", "expected a quantiser with numbers or words in brackets"),
        ({"class_name": "MyOwn", "config": {}}, "quantised by 'MyOwn'"),
        (larq("SteTern", ternary_weight_networks=True), "a threshold_value works"),
        (larq("DoReFa", mode="weights"), "quantised by dorefa_quantizer"),
    ],
)
def test_quantisers_of_weights_that_are_none(tmp_path, setting, words):
    layers = [
        k.layer("QDense", "d", units=3, use_bias=False, kernel_quantizer=setting),
    ]
    path = small(layers, {"d": {"kernel": normal(4, 3)}}, tmp_path / "f", (4,))
    with pytest.raises(EvsimError, match=words):
        trainers.read(path).result()


@pytest.mark.parametrize(
    ("activation", "words"),
    [
        ("quantized_tanh(4)", "quantised by quantized_tanh: quantized_relu"),
        ("quantized_relu(4,negative_slope=0.25)", "negative_slope"),
        ("quantized_relu(4,0,1)", "use_sigmoid"),
        ("quantized_relu(40)", "40 bits: up to 16 work"),
        ("quantized_bits(4,0,1)", "symmetric"),
        ("binary(alpha='auto')", "depends on the batch"),
        (larq("SteTern"), "quantised by ste_tern"),
        (qkeras("quantized_relu", bits=True), "bits: found True, expected a whole"),
        ("hard_tanh", "'hard_tanh' is not supported; relu"),
    ],
)
def test_quantisers_of_activations_that_are_none(tmp_path, activation, words):
    layers = [k.layer("QActivation", "a", activation=activation), k.layer("Flatten", "f")]
    path = small(layers, {}, tmp_path / "f")
    with pytest.raises(EvsimError, match=words) as caught:
        trainers.read(path).result()
    assert caught.value.place.startswith("layers/a")


def test_the_model_equals_its_definition(tmp_path):
    """The forward pass of a file's model, and its oracle in float64."""
    path = small(qkeras_layers(), QKERAS, tmp_path / "q.h5", (6, 6, 1))
    model = trainers.read(path, SCALE).result()
    assert isinstance(model, Model)
    x = np.float32(np.random.default_rng(2).integers(0, 17, (5, 6, 6, 1)) / 16)
    assert np.array_equal(model.forward(x)["out"], forward(model, x)["out"])


QUANTISERS = ("quantized_bits(4)", "binary", "ste_sign", "auto", "quantized_relu(2,1)", "ternary()")


@examples(12)
@given(st.data())
def test_any_quantiser_is_read_or_refused(tmp_path_factory, data):
    layers, numbers, shape = data.draw(
        st.sampled_from([(qkeras_layers(), QKERAS, (6, 6, 1)), (larq_layers(), LARQ, (6, 6, 2))])
    )
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(
            st.sampled_from([p for p in k.places(layers) if len(p) > 2 and p[2] != "name"])
        )
        inner = layers
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = data.draw(k.JUNK | st.sampled_from(QUANTISERS))
    path = tmp_path_factory.getbasetemp() / "quantised.h5"
    reason = ""
    try:
        trainers.read(small(layers, numbers, path, shape)).result()
    except EvsimError as error:
        reason = str(error)
    assert "damaged" not in reason  # what a bug in the reader would be reported as
