"""The language of topologies: what it says, and every mistake in one line."""

# ruff: noqa: E501  the table of mistakes has a line each

import numpy as np
import pytest
from support.bundles import convs, definition_of, denses

from evsim.base.errors import EvsimError
from evsim.formats.trainers._trainer import Bundle


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("layers = [", "found no TOML"),
        ('layers = [{ name = "a", kind = "cnov" }]', "layers[0]/kind: found 'cnov'"),
        ('layers = [{ name = "a", kind = "conv", kernl = 3 }]', "unknown field 'kernl'"),
        ('layers = [{ kind = "conv" }]', "layers[0]/name: found None, expected a name"),
        ('layers = [{ name = "a", use = "b" }]', "layers[0]/use: found 'b'"),
        ('layers = [{ name = "a", kind = "$k" }]', "found the parameter '$k'"),
        ('layers = 3', "layers: found 3, expected a list of layers"),
        ('title = 3\nlayers = []', "title: found 3, expected text"),
        ('layer = []', "found unknown field 'layer'"),
        ('title = "x"', "missing field 'layers'"),
        ('input = [0]\nlayers = []', "input: found [0]"),
        ('extends = "t"', "8 definitions that extend each other"),
        ('extends = "none"', "cannot be read: No such file"),
        ('layers = [{ name = "a", kind = "relu" }, { name = "a", kind = "relu" }]', "layers[1]/name: found a layer 'a' again"),
        ('layers = [{ name = "a", kind = "relu", sources = ["b"] }]', "sources: found 'b'"),
        ('layers = [{ name = "a", use = "r", repeat = 1e9 }]\n[blocks.r]\nlayers = []', "repeat: found 1000000000.0"),
        ('layers = [{ name = "a{i}", use = "r", repeat = 9000 }]\n[blocks.r]\nlayers = [{ name = "x{i}", use = "s", repeat = 9000 }]\n[blocks.s]\nlayers = [{ name = "y", kind = "relu" }]', "more than 10000 layers and blocks"),
        ('layers = [{ name = "a", use = "r" }]\n[blocks.r]\nlayers = [{ name = "x", use = "r" }]', "deep in each other"),
        ('input = [3, 3, 3]\nlayers = [{ name = "c", kind = "conv", padding = "full" }]', "padding: found 'full'"),
        ('input = [3, 3, 3]\nlayers = [{ name = "c", kind = "conv", channels = 5 }]', "found channels 4 in the weights, expected 5"),
        ('input = [3, 3, 3]\nlayers = [{ name = "c", kind = "conv", kernel = 5 }]', "found kernel (3, 3) in the weights"),
        ('input = [3, 3, 3]\nlayers = [{ name = "c", kind = "conv", weights = "ternary" }]', "weights: found 'ternary'"),
        ('input = [3, 3, 3]\nlayers = [{ name = "d", kind = "dense" }]', "1 left over: l0 (weight (3, 3, 3, 4))"),
        ('layers = [{ name = "c", kind = "conv" }]', "the shape of the image is not known"),
        ('layers = [{ name = "c", kind = "conv", stride = [1, 0] }]', "layers[0]/stride: found [1, 0]"),
        ('layers = [{ name = "c", kind = "conv", padding = [1, 2, 3] }]', "layers[0]/padding: found [1, 2, 3]"),
        ('layers = [{ name = "n", kind = "normalize", epsilon = "1e-5" }]', "layers[0]/epsilon: found '1e-5'"),
        ('layers = [{ name = "r", kind = "relu", ceiling = nan }]', "layers[0]/ceiling: found nan"),
        ('layers = [{ name = "p", kind = "pool" }]', "missing field 'kernel'"),
        ('layers = [{ name = "p", kind = "pool", kernel = 2, operation = "avg" }]', "layers[0]/operation: found 'avg'"),
        ('layers = [{ name = "p", kind = "pool", kernel = 2, ceil = 1 }]', "layers[0]/ceil: found 1, expected true or false"),
        ('layers = [{ name = "i", kind = "identity", widen = 0 }]', "layers[0]/widen: found 0"),
        ('layers = [{ name = "a", kind = "add", stride = 2 }]', "unknown field 'stride', expected none"),
        ('layers = [{ name = "r", kind = "relu", optional = true }]', "expected false for kind 'relu'"),
        ('layers = [{ name = "input", kind = "relu" }]', "layers[0]/name: found a layer 'input', expected another"),
        ('layers = [{ name = "a", kind = "relu", sources = "input" }]', "sources: found 'input', expected a list"),
        ('layers = [{ name = "a", use = "r", width = 3 }]\n[blocks.r]\nlayers = []', "unknown field 'width'"),
        ('layers = [{ name = "a", use = "r" }]\n[blocks.r]\nlayers = [{ name = "x", kind = "rule" }]', "layers[0]/blocks.r/layers[0]/kind: found 'rule'"),
        ('layers = [{ name = "a", use = "r" }]\nblocks = { r = 3 }', "layers[0]/blocks.r: found 3, expected a table"),
        ('layers = [{ name = "a{i}", use = "r", repeat = 9000 }]\n[blocks.r]\nlayers = [{ name = "x{i}", use = "s", repeat = 9000 }]\n[blocks.s]\nlayers = []', "more than 10000"),
        ('extends = "../t"', "extends: found '../t'"),
        ('extends = 3', "extends: found 3, expected text"),
    ],
)  # fmt: skip
def test_definitions_that_are_wrong(text, said):
    with pytest.raises(EvsimError) as error:
        definition_of(text, list(convs(4)))
    assert said in str(error.value)
    if "in the weights" not in said and "left" not in said and "shape" not in said:
        assert ".toml: " in str(error.value)
    assert "\n" not in str(error.value)


def test_a_definition_of_one_s_own_extends_one_that_is_shipped():
    text = 'extends = "vgg5"\nparameters = { pool = "max" }\n'
    model = definition_of(text, [*convs(6, 7, 8), *denses(512, 9, 10)])
    pools = [layer.operation for layer in model.layers.values() if layer.kind == "pool"]
    assert pools == ["max", "max"]


def test_padding_that_keeps_the_size():
    text = 'input = [7, 6, 3]\nlayers = [{ name = "c", kind = "conv", padding = "same", dilation = 2 }]'
    model = definition_of(text, list(convs(2, kernel=4)))
    assert model.layers["c"].padding == (3, 3, 3, 3)
    assert model.shapes["c"] == (7, 6, 2)
    model = definition_of(text.replace("dilation = 2", "dilation = 1"), list(convs(2, kernel=4)))
    assert model.layers["c"].padding == (1, 2, 1, 2)  # the odd one at the end, as PyTorch
    assert model.shapes["c"] == (7, 6, 2)


def test_binary_weights():
    bundles = [*convs(4, inputs=1, kernel=1), *denses(4, 3)]
    weight = np.float32([[[[0.5, -1, 0, -0.25]]]])
    bundles[0].arrays["weight"] = weight
    model = definition_of(
        'input = [1, 1, 1]\nlayers = [{ name = "c", kind = "conv", weights = "sign" }, '
        '{ name = "d", kind = "dense" }]',
        bundles,
    )
    assert np.array_equal(model.layers["c"].weight, np.float32([[[[0.5, -1, 0, -0.25]]]]))
    bundles = [Bundle("c", {"weight": np.float32([[[[1], [-2], [0]]]])}), *denses(1, 3)]
    model = definition_of(
        'input = [1, 1, 3]\nlayers = [{ name = "c", kind = "conv", weights = "sign" }, '
        '{ name = "d", kind = "dense" }]',
        bundles,
    )
    assert np.array_equal(model.layers["c"].weight.ravel(), [1, -1, 1])
