"""The order of colours: a network that takes blue first, fed with red first."""

import numpy as np
import pytest
from oracles import layers as layer_oracle

from evsim.artificial.model import Model
from evsim.base.errors import EvsimError
from evsim.formats.trainers import Options
from evsim.formats.trainers._input import input_of, reversed_channels
from evsim.neurons.input import Input

SHAPE = (4, 5, 3)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def layer(kind, *sources, **fields):
    return layer_oracle.KINDS[kind](sources=sources, **fields)


def depthwise(name="input"):
    return layer("conv", name, weight=normal(2, 2, 1, 6), bias=normal(6), groups=3)


BRANCHES = {
    "conv": {"c": layer("conv", "input", weight=normal(2, 3, 3, 4))},
    "dense": {"d": layer("dense", "input", weight=normal(60, 4))},
    "hwc": {"f": layer("flatten", "input"), "d": layer("dense", "f", weight=normal(60, 4))},
    "chw": {
        "f": layer("flatten", "input", order="chw"),
        "d": layer("dense", "f", weight=normal(60, 4)),
    },
    "depthwise": {"w": depthwise(), "c": layer("conv", "w", weight=normal(1, 1, 6, 2))},
    "per channel": {
        "p": layer("pad", "input", padding=(1, 0, 0, 2)),
        "n": layer("normalize", "p", gamma=normal(3), beta=normal(3, seed=1), epsilon=0.1),
        "r": layer("relu", "n", ceiling=abs(normal(3)) + 0.1),
        "m": layer("pool", "r", operation="max", kernel=(2, 2)),
        "f": layer("flatten", "m"),
        "d": layer("dense", "f", weight=normal(2 * 3 * 3, 4)),
    },
    "joins": {
        "a": layer("conv", "input", weight=normal(1, 1, 3, 2)),
        "s": layer("add", "input", "input"),
        "j": layer("concatenate", "a", "s", "input"),
        "c": layer("conv", "j", weight=normal(2, 2, 8, 3)),
    },
}


@pytest.mark.parametrize("branch", BRANCHES)
def test_reversed_weights_and_images_give_the_same(branch):
    layers = BRANCHES[branch]
    image = Input(shape=SHAPE)
    x = normal(2, *SHAPE, seed=9)
    model = Model(layers, image)
    turned = Model(reversed_channels(layers, SHAPE), image)
    expected = layer_oracle.forward(model, x[..., ::-1])[model.output]
    found = layer_oracle.forward(turned, x)[turned.output]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    straight = layer_oracle.forward(model, x)[model.output]
    assert abs(straight - expected).max() > 1e-3


def test_images_of_one_colour_have_no_order():
    with pytest.raises(EvsimError, match=r"^bgr: "):
        reversed_channels(BRANCHES["conv"], (4, 5, 1))


def test_what_mixes_both_orders_is_an_error():
    layers = {
        "a": layer("conv", "input", weight=normal(1, 1, 3, 3)),
        "s": layer("add", "input", "a"),
    }
    with pytest.raises(EvsimError, match="layers/s"):
        reversed_channels(layers, SHAPE)


def test_options_replace_what_the_file_says():
    image = input_of(SHAPE, Options(), scale=2.0, mean=[1.0, 2.0, 3.0])
    assert (image.scale, image.mean.tolist(), image.std) == (2.0, [1.0, 2.0, 3.0], 1.0)
    options = Options(scale=1.0, mean=(4.0, 5.0, 6.0), std=(2.0,), bgr=True)
    image = input_of(SHAPE, options, scale=2.0, mean=[1.0, 2.0, 3.0])
    assert (image.scale, image.mean.tolist(), image.std) == (1.0, [6.0, 5.0, 4.0], 2.0)
