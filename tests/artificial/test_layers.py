"""Layers of artificial networks against sums written out, and their sums' independence."""

from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.layers import RULES, layer
from oracles.stimulus import uniform
from support.effort import examples
from support.layers import a_conv, a_dense, a_pool, grid, others

from evsim.artificial.layers import Key, conv, dense, layer_kinds, pool, stochastic
from evsim.base.errors import EvsimError

SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("make", [a_conv, a_pool, a_dense])
def test_a_layer_equals_its_sum_written_out(make):
    @examples(120)
    @given(SEEDS)
    def check(seed):
        record, x = make(np.random.default_rng(seed))
        shape = record.shape(x.shape[1:])
        found = record.forward(x)
        assert found.dtype == np.float32
        assert found.shape == (len(x), *shape)
        wanted = RULES[record.kind](record, shape, np.float64(x))
        if record.kind == "pool" and record.operation == "average":  # the area is on no grid
            assert np.allclose(found, wanted, rtol=1e-6, atol=1e-7)
        else:
            assert np.array_equal(found, wanted)

    check()


@pytest.mark.parametrize("make", [a_conv, a_pool, a_dense])
def test_a_sample_s_result_depends_on_nothing_else(make):
    @examples(60)
    @given(SEEDS)
    def check(seed):
        random = np.random.default_rng(seed)
        record, x = make(random)
        x = np.float32(random.normal(size=(5, *x.shape[1:])))  # off the grid: order shows
        together = record.forward(x)
        for k in range(5):
            assert np.array_equal(together[k], record.forward(x[k : k + 1])[0])
        assert np.array_equal(together[::-1], record.forward(x[::-1]))

    check()


@pytest.mark.parametrize("multiplier", [1, 2])
def test_depthwise_convolutions(multiplier):
    random = np.random.default_rng(multiplier)
    record = layer("conv", "x", weight=grid(random, 3, 3, 1, 5 * multiplier), groups=5)
    x = grid(random, 2, 6, 5, 5)
    wanted = RULES["conv"](record, record.shape(x.shape[1:]), np.float64(x))
    assert np.array_equal(record.forward(x), wanted)


@examples(60)
@given(SEEDS)
def test_the_other_layers_equal_their_definitions(seed):
    kinds = {"conv", "pool", "dense"}
    for record, values in others(np.random.default_rng(seed)):
        shape = record.shape(*(x.shape[1:] for x in values))
        found = record.forward(*values)
        wanted = RULES[record.kind](record, shape, *map(np.float64, values))
        assert (found.dtype, found.shape) == (np.float32, (len(values[0]), *shape))
        if record.kind == "softmax":
            assert np.allclose(found, wanted, rtol=1e-6)
        else:
            assert np.array_equal(found, wanted)
        kinds.add(record.kind)
    assert kinds == set(RULES) == set(layer_kinds())


def test_stochastic_neurons_draw_as_runs_do():
    x = np.linspace(-3, 3, 12, dtype=np.float32).reshape(2, 2, 3)
    samples = np.array([7, 2**31])
    key = Key(seed=2**40 + 5, samples=samples, repetition=3, layer=4)
    for probability, output in (("sigmoid", "unipolar"), ("hardtanh", "bipolar")):
        record = layer("stochastic", "x", probability=probability, output=output)
        z = np.float64(x)
        p = 1 / (1 + np.exp(-z)) if probability == "sigmoid" else (np.clip(z, -1, 1) + 1) / 2
        u = [[uniform(key.seed, j, 3, int(s), 4) for j in range(6)] for s in samples]
        fires = np.array(u).reshape(x.shape) < p
        low = 0 if output == "unipolar" else -1
        assert np.array_equal(record.forward(x, key=key), np.where(fires, 1, low))
        still = layer("stochastic", "x", probability=probability, output=output, sampled=False)
        assert np.array_equal(still.forward(x), np.where(p > 0.5, 1, low))


def test_what_does_not_fit_is_said():
    conv_layer = layer("conv", "x", weight=np.zeros((3, 3, 2, 4), np.float32))
    with pytest.raises(EvsimError, match=r"input of shape \(4, 4, 3\), expected 2 channels"):
        conv_layer.shape((4, 4, 3))
    with pytest.raises(EvsimError, match="output of 0 x 2 positions, expected at least 1 x 1"):
        conv_layer.shape((2, 4, 2))
    with pytest.raises(EvsimError, match="bias: found shape"):
        layer("dense", "x", weight=np.zeros((3, 2), np.float32), bias=np.zeros(3, np.float32))
    for kind, shape in (("dense", (0, 2)), ("conv", (3, 3, 0, 4))):
        with pytest.raises(EvsimError, match=r"weight: found shape .*, expected no empty axis"):
            layer(kind, "x", weight=np.zeros(shape, np.float32))
    with pytest.raises(EvsimError, match=r"padding: found \(0, 0, 0, 2\), expected less than"):
        layer("pool", "x", operation="max", kernel=(2, 2), padding=(0, 0, 0, 2))
    with pytest.raises(EvsimError, match="epsilon: found 2 values, expected as many"):
        layer("normalize", "x", variance=np.ones(3), epsilon=np.ones(2))
    with pytest.raises(EvsimError, match="rounding: found 2 values, expected 1 or 3"):
        layer("relu", "x", ceiling=1.0, levels=4, rounding=np.ones(2)).shape((3,))
    with pytest.raises(EvsimError, match="expected equal shapes"):
        layer("add", "x", "y").shape((3,), (4,))
    with pytest.raises(EvsimError, match="expected 4 values, as the weight has rows"):
        layer("dense", "x", weight=np.zeros((4, 2), np.float32)).shape((3,))


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="without compiling there are no signatures")
def test_kernels_are_compiled_once():
    random = np.random.default_rng(0)
    for make in (a_conv, a_pool, a_dense):
        record, x = make(random)
        record.forward(x)
    test_depthwise_convolutions(1)
    test_stochastic_neurons_draw_as_runs_do()
    from evsim.artificial.layers import _product

    kernels = [_product.product, conv.gather, conv.depthwise, pool.slide, stochastic.uniform]
    assert {len(kernel.signatures) for kernel in kernels} == {1}
    assert dense.Dense.kind in layer_kinds()


@examples(60)
@given(SEEDS)
def test_layers_equal_those_of_pytorch(seed):
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(seed)
    record, x = a_conv(random)
    seen = torch.nn.functional.pad(
        torch.tensor(x.transpose(0, 3, 1, 2)), (*record.padding[2:], *record.padding[:2])
    )
    weight = torch.tensor(record.weight.transpose(3, 2, 0, 1).copy())
    bias = None if record.bias is None else torch.tensor(record.bias.copy())
    geometry = {"stride": record.stride, "dilation": record.dilation, "groups": record.groups}
    wanted = torch.nn.functional.conv2d(seen, weight, bias, **geometry).numpy()
    assert np.allclose(record.forward(x), wanted.transpose(0, 2, 3, 1), atol=1e-5)
    record, x = a_pool(random)
    pads = record.padding[::2]
    record = replace(record, padding=(pads[0], pads[0], pads[1], pads[1]))
    seen = torch.tensor(x.transpose(0, 3, 1, 2))
    geometry = {"kernel_size": record.kernel, "stride": record.stride, "padding": pads}
    geometry["ceil_mode"] = record.ceil
    if record.operation == "max":
        wanted = torch.nn.functional.max_pool2d(seen, **geometry)
    else:
        wanted = torch.nn.functional.avg_pool2d(
            seen, **geometry, count_include_pad=record.count_padding
        )
    assert np.allclose(record.forward(x), wanted.numpy().transpose(0, 2, 3, 1), atol=1e-6)
