"""Images of another size or range than the network's: an error, and a doubt."""

import json

import h5py
import numpy as np
import pytest
from support import keras_files as k

import evsim
from evsim import EvsimError
from evsim.neurons.input import Input
from evsim.studies.doubts import about_classes, about_range


def image_input(**fields):
    return Input(shape=(2, 2, 1), **fields)


def pixels(values, dtype):
    return np.resize(np.array(values, dtype), (5, 2, 2, 1))


@pytest.mark.parametrize(
    ("images", "input", "words"),
    [
        (pixels([0, 255], np.float32), image_input(), "floats up to 255, which are taken as they"),
        (pixels([0, 1], np.uint8), image_input(), "whole numbers up to 1, 0.0039 after a division"),
        (pixels([0, 65535], np.uint16), image_input(), "up to 65535, 2.6e+02 after a division"),
        (pixels([0, 1 / 255], np.float32), image_input(), "floats up to 0.0039"),
        (
            pixels([0, 1], np.float64),
            image_input(scale=2.0, mean=120.0),
            "up to 1, which are taken as they are; the network takes about 0 to 240",
        ),
    ],
)
def test_a_range_that_is_odd(images, input, words):
    assert words in about_range(input, images)
    assert "\n" not in about_range(input, images)


@pytest.mark.parametrize(
    ("images", "input"),
    [
        (pixels([0, 255], np.uint8), image_input()),
        (pixels([0, 200], np.uint8), image_input(scale=127.5, mean=1.0)),
        (pixels([0, 1], np.float32), image_input()),
        (pixels([-3.5, 4], np.float32), image_input()),
        (pixels([0, 255], np.float32), image_input(scale=1.0)),  # it was said
        (pixels([0, 16], np.uint8), image_input(scale=16.0)),
        (pixels([0, 255], np.float32), image_input(scale=2.0, mean=[120.0])),
        (pixels([0], np.uint8), image_input()),
        (np.zeros((0, 2, 2, 1), np.uint8), image_input()),
    ],
)
def test_a_range_that_is_not(images, input):
    assert about_range(input, images) is None


def files(tmp_path, images):
    """A network for images of 4 x 4 x 2, and data."""
    layers = [
        k.layer("Conv2D", "c", **k.CONV),
        k.layer("ReLU", "r"),
        k.layer("Flatten", "f"),
        k.layer("Dense", "d", units=3, use_bias=False),
    ]
    weights = {**k.EYE, "d": {"kernel": k.normal(32, 3)}}
    model = k.small(layers, weights, tmp_path / "m.h5")
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["images"], file["labels"] = images, np.zeros(len(images), np.int64)
    return model, tmp_path / "d.h5"


RANDOM = np.random.default_rng(0)


def test_the_doubt_is_told(tmp_path, command):
    model, data = files(tmp_path, np.float32(RANDOM.uniform(0, 255, (40, 4, 4, 2))))
    status, _, said = command("ann", model, data)
    assert status == 0
    assert "were they scaled in training as here? (--scale, --mean)" in said
    _, out, quiet = command("ann", model, data, "--json")
    assert quiet == ""
    assert json.loads(out)["samples"] == 40
    network = tmp_path / "n.h5"
    status, out, _ = command("convert", model, "-o", network, "--calibrate", data, "--json")
    assert status == 0
    assert "were they scaled in training" in " ".join(json.loads(out)["notes"])
    made = evsim.convert(str(model), str(data))
    assert any("floats up to" in note for note in made.notes)
    model, data = files(tmp_path, RANDOM.integers(0, 256, (40, 4, 4, 2), np.uint8))
    assert "in training" not in command("ann", model, data, "--samples", ":5")[2]


@pytest.mark.parametrize("shape", [(4, 4, 3), (4, 5)])
def test_images_of_another_size(tmp_path, command, shape):
    model, data = files(tmp_path, RANDOM.integers(0, 256, (5, *shape), np.uint8))
    for words in (("ann", model, data), ("convert", model, "-o", "n.h5", "--calibrate", data)):
        status, out, said = command(*words)
        assert (status, out) == (2, "")
        assert said.count("\n") == 1
        assert f"d.h5: images: found samples of shape {shape}, expected shape (4, 4, 2)" in said
    with pytest.raises(EvsimError, match=r"expected shape \(4, 4, 2\)"):
        evsim.ann(str(model), str(data))


def test_the_first_images_of_a_sorted_file_are_of_few_classes():
    labels = np.repeat(np.arange(10), 20)
    assert "2 of 10 classes" in about_classes(labels, slice(0, 30))
    assert about_classes(labels[::20], slice(0, 10)) is None
    assert about_classes(None, slice(0, 10)) is None
