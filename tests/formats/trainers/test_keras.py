"""Keras files of every layout: the same numbers in each give the same network."""

import json

import h5py
import numpy as np
import pytest
from support import keras_files as k
from support.keras_files import IMAGES, NUMBERS, results, write_2
from support.real import real

from evsim.artificial.model import Model
from evsim.base.errors import EvsimError
from evsim.formats import trainers
from evsim.formats.trainers import Options

EXPECTED = np.stack([k.outputs(NUMBERS, image) for image in IMAGES])


def write_1(path, ordering, flipped, **more):
    numbers = k.stored(
        NUMBERS,
        flipped=flipped,
        oihw=ordering == "th",
        rows="chw" if ordering == "th" else "hwc",
    )
    model = k.sequential(k.layers_1(ordering), 1)
    return k.legacy(path, model, numbers, style="keras1", version="1.0.7", **more)


def write_theano(path):
    numbers = k.stored(NUMBERS, flipped=True, rows="chw")
    model = k.sequential(k.layers_2(True, flatten=False), 1)
    return k.legacy(path, model, numbers, version="2.0.4", backend="theano", style="theano")


def write_archive(path, **more):
    options = {"kinds": k.KINDS, **more}
    weights = k.memory(lambda file: k.numbered(file, NUMBERS, **options))
    return k.archive(path, k.functional(k.layers_2(), "new"), weights)


FLIP = Options(flip_kernels=True)


LAYOUTS = {
    "keras1-tf": (lambda p: write_1(p, "tf", False), Options()),
    "keras1-th": (lambda p: write_1(p, "th", False), Options()),
    "keras1-theano": (lambda p: write_1(p, "th", True), FLIP),
    "keras1-theano-tf": (lambda p: write_1(p, "tf", True), FLIP),
    "keras1-theano-said": (lambda p: write_1(p, "th", True, backend="theano"), Options()),
    "keras2": (lambda p: write_2(p), Options()),
    "keras2-pieces": (lambda p: write_2(p, pieces=True), Options()),
    "keras2-functional": (lambda p: write_2(p, nested=k.functional(k.layers_2())), Options()),
    "keras2-first": (lambda p: write_2(p, first=True), Options()),
    "keras2-theano": (write_theano, Options()),
    "keras3-h5": (
        lambda p: write_2(p, nested=k.functional(k.layers_2(), "new"), style="theano"),
        Options(),
    ),
    "keras3-zip": (write_archive, Options()),
    "tf2.13-zip": (
        lambda p: write_archive(p, container="_layer_checkpoint_dependencies", step=2),
        Options(),
    ),
    "windows-zip": (lambda p: write_archive(p, separator="\\"), Options()),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_the_same_network(layout, tmp_path):
    write, options = LAYOUTS[layout]
    reading = trainers.read(write(tmp_path / "file"), options)
    model = reading.result()
    assert isinstance(model, Model)
    np.testing.assert_allclose(results(model), EXPECTED, rtol=1e-9)
    rows = {row["layer"]: row for row in reading.layers}
    assert rows["conv_a"]["shape"] == [7, 6, 4]
    assert rows["conv_a"]["parameters"] == 3 * 3 * 3 * 4 + 4
    assert rows["dense_b"] == {
        "layer": "dense_b",
        "kind": "Dense",
        "shape": [3],
        "parameters": 6 * 3 + 3,
    }


def test_flips_and_orders_matter():
    wrong = [
        k.stored(NUMBERS, flipped=True),
        k.stored(NUMBERS, rows="chw"),
        {**NUMBERS, "norm": dict(zip(NUMBERS["norm"], [np.ones(4)] * 4, strict=True))},
    ]
    for numbers in wrong:
        assert abs(k.outputs(numbers, IMAGES[0]) - EXPECTED[0]).max() > 0.01


def test_a_file_that_does_not_name_its_backend_is_asked_about(tmp_path):
    reading = trainers.read(write_1(tmp_path / "f", "th", False))
    assert any("`flip_kernels`" in note for note in reading.notes)
    assert not trainers.read(write_2(tmp_path / "g")).notes


@pytest.mark.parametrize(
    ("options", "word"),
    [({"flip_kernels": True}, "flip_kernels"), ({"topology": "lenet-5"}, "topology")],
)
def test_options_that_contradict_the_file(tmp_path, options, word):
    with pytest.raises(EvsimError, match=word):
        trainers.read(write_2(tmp_path / "f"), Options(**options))


def test_blue_first(tmp_path):
    path = write_2(tmp_path / "f")
    options = Options(bgr=True, scale=1.0, mean=(1.0, 2.0, 3.0), std=(1.0, 2.0, 4.0))
    model = trainers.read(path, options).result()
    raw = np.random.default_rng(2).integers(0, 9, (2, *k.SHAPE), np.uint8)
    scaled = (raw[..., ::-1] - np.array([1.0, 2.0, 3.0])) / np.array([1.0, 2.0, 4.0])
    expected = [k.outputs(NUMBERS, image) for image in scaled]
    np.testing.assert_allclose(results(model, model.scaled(raw)), expected, rtol=1e-5)


def nested_model():
    """The first layers in a model of their own inside a Sequential."""
    inner = k.functional(k.layers_2()[:5])
    inner["config"]["name"] = "body"
    return k.sequential([{**inner, "name": "body"}, *k.layers_2()[5:]])


def test_models_inside_models(tmp_path):
    body = ("conv_a", "norm", "pool", "conv_b")
    weights = {
        f"{layer}/{weight}:0": value for layer in body for weight, value in NUMBERS[layer].items()
    }
    path = tmp_path / "f"
    outer = {name: NUMBERS[name] for name in ("dense_a", "dense_b")}
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(nested_model())
        group = file.create_group("model_weights")
        k.write_weights(group, outer)
        group.attrs["layer_names"] = k.text(["body", "dense_a", "dense_b"])
        inner = group.create_group("body")
        inner.attrs["weight_names"] = k.text(list(weights))
        for name, value in weights.items():
            inner[name] = value
    model = trainers.read(path).result()
    np.testing.assert_allclose(results(model), EXPECTED, rtol=1e-9)
    assert "body.conv_a" in model.layers


def test_models_inside_keras_3_models(tmp_path):
    def write(file):
        inner = {name: NUMBERS[name] for name in ("conv_a", "norm", "pool", "conv_b")}
        k.numbered(file, inner, k.KINDS, container="layers/functional/layers")
        del file["optimizer"]
        k.numbered(file, {n: NUMBERS[n] for n in ("dense_a", "dense_b")}, k.KINDS)

    model = nested_model()
    model["config"]["layers"][0]["class_name"] = "Functional"
    path = k.archive(tmp_path / "f.keras", model, k.memory(write))
    np.testing.assert_allclose(results(trainers.read(path).result()), EXPECTED, rtol=1e-9)


REAL = [
    ("mnist-lenet-avgpool.keras2.h5", "mnist_test.h5", Options(), 9910),
    ("mnist-lenet5.keras2-channelsfirst.h5", "mnist_test.h5", Options(), 9914),
    ("mnist-cnn-maxpool.keras2.14.h5", "mnist_test.h5", Options(), 9940),
    ("mnist-cnn-maxpool.keras3.keras", "mnist_test.h5", Options(), 9780),
    ("fashion-cnn-maxpool.tfkeras2.h5", "fashion_test.h5", Options(), 9122),
    ("cifar10-cnn-avgpool.keras1-theano.h5", "cifar10_test_exact.h5", FLIP, 1725),
    ("cifar10-cnn-bn-maxpool.keras2-theano.h5", "cifar10_test_exact.h5", Options(), 1705),
    ("cifar10-resnet8.keras2.h5", "cifar10_test_exact.h5", Options(scale=1.0), 1809),
    ("mnist-mlp.keras1.weights.h5", "mnist_test.h5", Options(topology="mlp"), 9815),
    ("mnist-mlp.keras3.weights.h5", "mnist_test.h5", Options(topology="mlp"), 9803),
    (
        "mnist-cnn-avgpool.keras1-theano.weights.h5",
        "mnist_test.h5",
        Options(topology="mnist-cnn-avgpool", flip_kernels=True),
        9920,
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("file", "images", "options", "correct"), REAL, ids=[r[0] for r in REAL])
def test_real_files_reach_their_accuracy(file, images, options, correct):
    """0.1 point of 10,000 images, 3 of the 2,077 of CIFAR-10."""
    model = trainers.read(real("networks", file), options).result()
    with h5py.File(real("data", images)) as data:
        raw, labels = data["images"][()], data["labels"][()]
    found = 0
    for batch in model.batches(len(raw)):
        result = model.forward(model.scaled(raw[batch]))[model.output]
        found += int((result.argmax(1) == labels[batch]).sum())
    assert abs(found - correct) <= (10 if len(raw) == 10_000 else 3)
