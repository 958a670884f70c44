"""Layers of Keras, each against its definition in Keras's manual."""

import numpy as np
import pytest
from support import keras_files as k
from support.keras_files import (
    CONV,
    EYE,
    IMAGES,
    KERNELS,
    NUMBERS,
    branches,
    normal,
    results,
    small,
)

import evsim
from evsim.base.errors import EvsimError
from evsim.conversion import convert_to_passes
from evsim.formats import trainers
from evsim.formats.trainers import Options


@pytest.mark.parametrize("backend", ["tensorflow", "theano"])
@pytest.mark.parametrize("kind", ["conv", "max", "average"])
def test_same_padding(tmp_path, backend, kind):
    """Against the trainers' own words: TensorFlow pads what is missing, the odd one at the end;
    Theano pads kernel // 2 (pools: kernel - 1, or - 2 if odd) at both ends and cuts."""
    for n, size, stride in [(6, 3, 2), (7, 3, 2), (5, 2, 1), (6, 2, 2), (6, 4, 3), (8, 5, 3)]:
        x = normal(n, n, 1, seed=n) + 5
        window = normal(size, size, 1, 1) if kind == "conv" else None
        out = -(-n // stride)
        if backend == "tensorflow":
            total = max((out - 1) * stride + size - n, 0)
            lead, trail = total // 2, total - total // 2
        else:
            lead = size - 2 if size > 2 and size % 2 else size - 1
            lead = trail = size // 2 if kind == "conv" else lead
        fill = 0.0 if kind == "conv" else np.nan
        padded = np.pad(np.float64(x), ((lead, trail), (lead, trail), (0, 0)), constant_values=fill)
        expected = np.empty((out, out))
        for a in range(out):
            for b in range(out):
                seen = padded[a * stride :, b * stride :][:size, :size, 0]
                if kind == "conv":
                    weight = window[::-1, ::-1, 0, 0] if backend == "theano" else window[..., 0, 0]
                    expected[a, b] = (seen * weight).sum()
                else:
                    expected[a, b] = np.nanmax(seen) if kind == "max" else np.nanmean(seen)
        settings = {"strides": [stride] * 2, "padding": "same", "data_format": "channels_last"}
        if kind == "conv":
            entry = k.layer(
                "Conv2D", "l", filters=1, kernel_size=[size] * 2, use_bias=False, **settings
            )
        else:
            name = "MaxPooling2D" if kind == "max" else "AveragePooling2D"
            entry = k.layer(name, "l", pool_size=[size] * 2, **settings)
        weights = {"l": {"kernel": window}} if kind == "conv" else {}
        path = small([entry], weights, tmp_path / "f", x.shape, backend=backend)
        model = trainers.read(path).result()
        np.testing.assert_allclose(results(model, x[None])[0, ..., 0], expected, rtol=1e-6)


@pytest.mark.parametrize("backend", ["tensorflow", "theano"])
def test_depthwise_separable_and_grouped(tmp_path, backend):
    """With Theano only the ordinary convolutions are stored flipped."""
    turn = -1 if backend == "theano" else 1
    depth, point, bias = normal(2, 3, 2, 3), normal(1, 1, 6, 5), normal(5)
    grouped = normal(1, 2, 2, 4)
    layers = [
        k.layer("SeparableConv2D", "s", filters=5, kernel_size=[2, 3], depth_multiplier=3),
        k.layer("Conv2D", "g", filters=4, kernel_size=[1, 2], groups=1, use_bias=False),
        k.layer("DepthwiseConv2D", "d", kernel_size=[2, 1], use_bias=False),
        k.layer("Conv2D", "h", filters=4, kernel_size=[1, 1], groups=2, use_bias=False),
    ]
    wide, pairs = normal(1, 2, 5, 4), normal(2, 1, 4, 1)
    weights = {
        "s": {"depthwise_kernel": depth, "pointwise_kernel": point, "bias": bias},
        "g": {"kernel": wide[::turn, ::turn]},
        "d": {"depthwise_kernel": pairs},
        "h": {"kernel": grouped[:, :1]},
    }
    path = small(layers, weights, tmp_path / "f", (4, 5, 2), backend=backend)
    x = np.float64(IMAGES[0, :4, :5, :2])
    parts = [k.correlate(x[..., c : c + 1], depth[:, :, c : c + 1]) for c in range(2)]
    middle = [p.reshape(3, 3, 1, 3) for p in parts]
    y = np.concatenate(middle, axis=2).reshape(3, 3, 6)
    y = k.correlate(k.correlate(y, point, bias), wide)
    y = np.concatenate(
        [k.correlate(y[..., c : c + 1], pairs[:, :, c : c + 1]) for c in range(4)], axis=2
    )
    y = np.concatenate(
        [
            k.correlate(y[..., 2 * g : 2 * g + 2], grouped[:, :1, :, 2 * g : 2 * g + 2])
            for g in range(2)
        ],
        axis=2,
    )
    model = trainers.read(path).result()
    np.testing.assert_allclose(results(model, np.float32(x)[None])[0], y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("style", ["old", "new"])
@pytest.mark.parametrize(
    ("kind", "settings", "join"),
    [
        ("Add", {}, lambda a, b: a + b),
        ("Merge", {"mode": "sum"}, lambda a, b: a + b),
        ("Average", {}, lambda a, b: (a + b) / 2),
        ("Merge", {"mode": "ave"}, lambda a, b: (a + b) / 2),
        ("Concatenate", {"axis": -1}, lambda a, b: np.concatenate([a, b], -1)),
        ("Merge", {"mode": "concat", "concat_axis": 3}, lambda a, b: np.concatenate([a, b], -1)),
    ],
)
def test_joins(tmp_path, style, kind, settings, join):
    path = k.legacy(tmp_path / "f", branches(style, kind, **settings), {**KERNELS, "join": {}})
    x = np.float64(IMAGES[0, :4, :4, :2])
    a = x @ KERNELS["a"]["kernel"][0, 0]
    expected = join(a, a @ KERNELS["b"]["kernel"][0, 0])
    model = trainers.read(path).result()
    np.testing.assert_allclose(results(model, np.float32(x)[None])[0], expected, rtol=1e-9)
    spikes = evsim.run(convert_to_passes(model).network, np.float32(x)[None]).potential
    np.testing.assert_allclose(spikes.reshape(expected.shape), expected, rtol=1e-5, atol=1e-6)


def test_an_average_of_three(tmp_path):
    model = branches("old", "Average")
    layers = model["config"]["layers"]
    layers[3]["inbound_nodes"] = [k.call("old", "a", "b", "a")]
    path = k.legacy(tmp_path / "f", model, {**KERNELS, "join": {}})
    x = np.float64(IMAGES[0, :4, :4, :2])
    a = x @ KERNELS["a"]["kernel"][0, 0]
    expected = (2 * a + a @ KERNELS["b"]["kernel"][0, 0]) / 3
    found = results(trainers.read(path).result(), np.float32(x)[None])[0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_vectors_from_maps(tmp_path):
    """A matrix that Flatten takes, a global pool, a Reshape that only flattens."""
    weights = {"d": {"kernel": normal(20, 3), "bias": normal(3)}}
    dense = k.layer("Dense", "d", units=3, activation="linear")
    path = small([k.layer("Flatten", "f"), dense], weights, tmp_path / "f", (4, 5))
    x = normal(2, 4, 5)
    model = trainers.read(path).result()
    expected = x.reshape(2, 20) @ np.float64(weights["d"]["kernel"]) + weights["d"]["bias"]
    np.testing.assert_allclose(results(model, x[..., None]), expected, rtol=1e-6)
    path = small([k.layer("GlobalAveragePooling2D", "g")], {}, tmp_path / "g", (4, 5, 2))
    model = trainers.read(path).result()
    x = normal(2, 4, 5, 2)
    np.testing.assert_allclose(results(model, x), np.float64(x).mean((1, 2)), rtol=1e-9)
    path = small(
        [k.layer("Reshape", "r", target_shape=[-1]), dense], weights, tmp_path / "h", (2, 5, 2)
    )
    x = normal(2, 2, 5, 2)
    expected = x.reshape(2, 20) @ np.float64(weights["d"]["kernel"]) + weights["d"]["bias"]
    np.testing.assert_allclose(results(trainers.read(path).result(), x), expected, rtol=1e-6)


def test_the_image_takes_the_shape_that_reshape_gives_it(tmp_path):
    layers = [
        k.layer("Reshape", "r", target_shape=[2, -1, 2]),
        k.layer("Conv2D", "c", filters=2, kernel_size=[2, 1], use_bias=False),
    ]
    weights = {"c": {"kernel": normal(2, 1, 2, 2)}}
    model = trainers.read(small(layers, weights, tmp_path / "f", (12,))).result()
    assert model.input.shape == (2, 3, 2)
    x = normal(2, 3, 2)
    expected = k.correlate(np.float64(x), weights["c"]["kernel"])
    np.testing.assert_allclose(results(model, x[None])[0], expected, rtol=1e-6)


def test_a_pool_of_one_position_may_be_a_map_again(tmp_path):
    """As MobileNet has it: global pool, Reshape, 1x1 convolution, Reshape."""
    layers = [
        k.layer("GlobalAveragePooling2D", "g"),
        k.layer("Reshape", "r", target_shape=[1, 1, 2]),
        k.layer("Dropout", "o", rate=0.1),
        k.layer("Conv2D", "c", filters=3, kernel_size=[1, 1], use_bias=False),
        k.layer("Reshape", "s", target_shape=[3]),
    ]
    weights = {"c": {"kernel": normal(1, 1, 2, 3)}}
    model = trainers.read(small(layers, weights, tmp_path / "f")).result()
    x = normal(1, 4, 4, 2)
    expected = np.float64(x).mean((1, 2)) @ weights["c"]["kernel"][0, 0]
    np.testing.assert_allclose(results(model, x), expected, rtol=1e-6)
    assert model.shapes[model.output] == (3,)


def test_values_that_keras_wraps(tmp_path):
    """Tuples, shapes and NumPy's numbers, and names with slashes; the state of a Dropout."""
    shape = {"class_name": "TensorShape", "items": [None, 4, 4, 2]}
    six = {"class_name": "__numpy__", "config": {"value": 6.0, "dtype": "float32"}}
    layers = [
        k.layer("Dropout", "drop", rate=0.5),
        k.layer(
            "Conv2D",
            "block/conv",
            filters=2,
            kernel_size={"class_name": "__tuple__", "items": [1, 1]},
            use_bias=False,
            activation={"class_name": "function", "config": "linear"},
        ),
        k.layer("ReLU", "relu", max_value=six, negative_slope=0.0),
    ]
    layers[0]["config"]["batch_input_shape"] = None
    model = k.sequential(layers)
    model["config"]["build_input_shape"] = shape
    numbers = {
        "drop": {"seed_generator_state": np.arange(2, dtype=np.uint32)},
        "block/conv": {"kernel": 9 * np.eye(2, dtype=np.float32)[None, None]},
        "relu": {},
    }
    found = trainers.read(k.legacy(tmp_path / "f", model, numbers, style="theano")).result()
    assert list(found.layers) == ["block.conv", "relu"]
    x = np.float64(normal(1, 4, 4, 2))
    assert np.array_equal(results(found, x), np.clip(9.0 * x, 0, 6))


def test_scaling_in_the_network(tmp_path):
    layers = [
        k.layer("Rescaling", "r", scale=1 / 127.5, offset=-1),
        k.layer("Normalization", "n", axis=-1, mean=[[0.5, 0.25]], variance=[[4.0, 0.25]]),
        k.layer("Conv2D", "c", filters=2, kernel_size=[1, 1], use_bias=False),
    ]
    path = small(layers, {"c": {"kernel": np.eye(2)[None, None]}}, tmp_path / "f")
    model = trainers.read(path).result()
    raw = np.random.default_rng(3).integers(0, 256, (2, 4, 4, 2), np.uint8)
    expected = (raw / 127.5 - 1 - [0.5, 0.25]) / [2.0, 0.5]
    np.testing.assert_allclose(results(model, model.scaled(raw)), expected, rtol=1e-5)
    with pytest.raises(EvsimError, match="scale"):
        trainers.read(path, Options(scale=255.0))


def test_optional_arrays_of_batch_normalisation(tmp_path):
    for scale in (True, False):
        for center in (True, False):
            entry = k.layer("BatchNormalization", "n", scale=scale, center=center, epsilon=0.5)
            arrays = {"gamma": normal(2), "beta": normal(2, seed=6)}
            own = {n: v for n, v in arrays.items() if (scale if n == "gamma" else center)}
            own |= {"moving_mean": normal(2, seed=7), "moving_variance": normal(2, seed=8) ** 2}
            path = small([entry], {"n": own}, tmp_path / "f")
            x = normal(1, 4, 4, 2)
            y = (x - own["moving_mean"]) / np.sqrt(own["moving_variance"] + 0.5)
            y = y * own.get("gamma", 1) + own.get("beta", 0)
            np.testing.assert_allclose(results(trainers.read(path).result(), x), y, rtol=1e-5)


def test_half_precision_of_two_kinds(tmp_path):
    path = tmp_path / "f.keras"

    def write(file):
        k.numbered(file, NUMBERS, k.KINDS)
        kernel = NUMBERS["dense_b"]["kernel"]
        del file["layers/dense_1/vars/0"]
        bits = (kernel.view(np.uint32) >> 16).astype(np.uint16)
        file["layers/dense_1/vars/0"] = bits
        file["layers/dense_1/vars/0"].attrs["dtype"] = "bfloat16"

    k.archive(path, k.functional(k.layers_2(), "new"), k.memory(write))
    model = trainers.read(path).result()
    bits = NUMBERS["dense_b"]["kernel"].view(np.uint32) & 0xFFFF0000
    assert np.array_equal(model.layers["dense_b"].weight, bits.view(np.float32))


@pytest.mark.parametrize(
    ("cropping", "margins"),
    [(1, (1, 1, 1, 1)), ([1, 2], (1, 1, 2, 2)), ([[1, 0], [0, 2]], (1, 0, 0, 2))],
)
def test_what_is_cut_off(tmp_path, cropping, margins):
    layers = [k.layer("Cropping2D", "cut", cropping=cropping), k.layer("Conv2D", "c", **CONV)]
    model = trainers.read(small(layers, EYE, tmp_path / "f", (5, 7, 2))).result()
    x, (top, bottom, left, right) = normal(2, 5, 7, 2), margins
    assert np.array_equal(model.forward(x)["c"], x[:, top : 5 - bottom, left : 7 - right])


@pytest.mark.parametrize("dims", [[1, 2, 3], [2, 1, 3], [3, 1, 2], [2, 3, 1]])
@pytest.mark.parametrize("first", [False, True])
def test_axes_in_another_order(tmp_path, dims, first):
    """Keras's axes, whatever the order of channels: a matrix of the flattened values shows them."""
    form = {"data_format": "channels_first" if first else "channels_last"}
    shape = (2, 3, 4)
    layers = [
        k.layer("ZeroPadding2D", "z", padding=0, **form),  # says the order of channels
        k.layer("Permute", "p", dims=dims),
        k.layer("Reshape", "r", target_shape=[24]),
        k.layer("Dense", "d", units=24, use_bias=False),
    ]
    weights = {"d": {"kernel": np.eye(24, dtype=np.float32)}}
    model = trainers.read(small(layers, weights, tmp_path / "f", shape)).result()
    x = normal(2, *shape)
    expected = x.transpose(0, *dims).reshape(2, 24)
    own = x.transpose(0, 2, 3, 1) if first else x
    assert np.array_equal(model.forward(np.ascontiguousarray(own))["d"], expected)


def test_a_matrix_turned(tmp_path):
    weights = {"d": {"kernel": np.eye(12, dtype=np.float32)}}
    dense = k.layer("Dense", "d", units=12, use_bias=False)
    layers = [k.layer("Permute", "p", dims=[2, 1]), k.layer("Flatten", "f"), dense]
    model = trainers.read(small(layers, weights, tmp_path / "f", (3, 4))).result()
    x = normal(1, 3, 4)
    assert np.array_equal(model.forward(x[..., None])["d"][0], x[0].T.ravel())


def test_layers_that_move_neurons_become_spikes(tmp_path):
    """Cut, turned and averaged, in front of and behind a rectifier."""
    layers = [
        k.layer("Conv2D", "a", **CONV),
        k.layer("ReLU", "r"),
        k.layer("Cropping2D", "cut", cropping=[[1, 0], [0, 1]]),
        k.layer("Permute", "p", dims=[2, 3, 1]),
        k.layer("Flatten", "f"),
        k.layer("Dense", "d", units=3, use_bias=False),
    ]
    weights = {"a": {"kernel": normal(1, 1, 2, 2)}, "d": {"kernel": normal(18, 3)}}
    model = trainers.read(small(layers, weights, tmp_path / "f")).result()
    network = convert_to_passes(model).network
    x = normal(3, 4, 4, 2)
    found = evsim.run(network, x).potential
    np.testing.assert_allclose(found, model.forward(x)["d"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("flag", [True, 1])
def test_ones_and_zeros_for_true_and_false(tmp_path, flag):
    """As MLPerf Tiny's wake-word network has it."""
    layers = [
        k.layer("Conv2D", "c", filters=2, kernel_size=[1, 1], use_bias=flag),
        k.layer("BatchNormalization", "n", scale=type(flag)(False), center=flag),
    ]
    norm = {"beta": normal(2), "moving_mean": normal(2), "moving_variance": normal(2) ** 2}
    weights = {"c": {"kernel": normal(1, 1, 2, 2), "bias": normal(2)}, "n": norm}
    model = trainers.read(small(layers, weights, tmp_path / "f")).result()
    assert model.layers["c"].bias is not None
    assert float(model.layers["n"].gamma) == 1
    layers[0]["config"]["use_bias"] = 2
    with pytest.raises(EvsimError, match="use_bias: found 2, expected true or false"):
        trainers.read(small(layers, weights, tmp_path / "g")).result()
