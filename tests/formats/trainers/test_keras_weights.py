"""Keras files of weights alone: the same numbers in each give the same bundles."""

import h5py
import numpy as np
import pytest
from support import keras_files as k
from support.keras_files import NUMBERS, normal, numbered_file, oldest_file, weights_file

from evsim.formats import trainers
from evsim.formats.trainers import Options


@pytest.fixture
def taken(monkeypatch):
    """What the reader hands on to be matched with a topology."""
    found = []

    def apply(bundles, *rest):
        found.extend(bundles)
        return trainers.Reading()

    monkeypatch.setattr("evsim.formats.trainers._topology.apply", apply)
    return found


WEIGHTS = {
    "keras0": (oldest_file, False),
    "keras1-th": (
        lambda p: weights_file(p, k.stored(NUMBERS, oihw=True), style="keras1"),
        False,
    ),
    "keras1-tf": (lambda p: weights_file(p, NUMBERS, style="keras1", pieces=True), False),
    "keras1-theano": (
        lambda p: weights_file(p, k.stored(NUMBERS, oihw=True, flipped=True), style="keras1"),
        True,
    ),
    "keras2": (lambda p: weights_file(p, NUMBERS, keras_version="2.2.4"), False),
    "keras2-theano": (
        lambda p: weights_file(
            p, k.stored(NUMBERS, flipped=True), keras_version="2.0.4", backend="theano"
        ),
        False,
    ),
    "keras3": (numbered_file, False),
    "tf2.13": (lambda p: numbered_file(p, container="_layer_checkpoint_dependencies"), False),
    "windows": (lambda p: numbered_file(p, separator="\\"), False),
}


ROLES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "mean",
    "moving_variance": "variance",
}


@pytest.mark.parametrize("layout", WEIGHTS)
def test_weights_alone_are_the_same_bundles_in_order(layout, tmp_path, taken):
    write, flip = WEIGHTS[layout]
    path = write(tmp_path / "f")
    trainers.read(path, Options(topology="any", flip_kernels=flip))
    expected = [weights for weights in NUMBERS.values() if weights]
    assert len(taken) == len(expected)
    for bundle, weights in zip(taken, expected, strict=True):
        assert list(bundle.arrays) == [ROLES[name] for name in weights]
        for name, value in weights.items():
            np.testing.assert_allclose(bundle.arrays[ROLES[name]], value, rtol=1e-6)
    if layout.startswith(("keras1", "keras2")):
        assert [bundle.name for bundle in taken] == [n for n, w in NUMBERS.items() if w]


def test_weights_alone_need_a_topology(tmp_path):
    reading = trainers.read(numbered_file(tmp_path / "f"))
    assert reading.content is None
    assert "`topology`" in reading.unsupported[0][1]
    assert reading.layers[0] == {
        "layer": "conv2d",
        "kind": "weight",
        "shape": [3, 3, 3, 4],
        "parameters": 108,
    }


def test_depthwise_weights_alone(tmp_path, taken):
    depth, point = normal(2, 3, 2, 3), normal(1, 1, 6, 5)
    numbers = {"a": {"kernel": depth}, "b": {"depthwise": depth, "pointwise": point}}
    path = tmp_path / "f"
    with h5py.File(path, "w") as file:
        kinds = {"a": "depthwise_conv2d", "b": "separable_conv2d"}
        k.numbered(file, numbers, kinds)
    trainers.read(path, Options(topology="any"))
    assert np.array_equal(taken[0].arrays["weight"][:, :, 0, 3:], depth[:, :, 1])
    assert [b.name for b in taken[1:]] == ["separable_conv2d.depthwise", "separable_conv2d"]
    assert np.array_equal(taken[2].arrays["weight"], point)


def test_weights_that_are_no_layer_of_ours(tmp_path, taken):
    numbers = {"a": {"kernel": normal(2, 8), "recurrent_kernel": normal(2, 8), "bias": normal(8)}}
    path = weights_file(tmp_path / "f", numbers, keras_version="2.2.4")
    reading = trainers.read(path, Options(topology="any"))
    ((place, what),) = reading.unsupported
    assert place == "a/a"
    assert "(2, 8)" in what
    assert not taken
