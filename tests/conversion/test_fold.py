"""Folding: the nodes compute what the layers compute, exactly."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles.layers import KINDS, forward, layer, models
from support.effort import examples

from evsim import EvsimError
from evsim.artificial.model import INPUT, Model
from evsim.conversion._fold import fold
from evsim.neurons.input import Input


def evaluate(graph, x):
    """The activations of all nodes for scaled values x, in float64."""
    found = {INPUT: np.float64(x)}
    for node in graph.nodes.values():
        if node.kind == "input":
            continue
        if node.kind == "maxpool":
            found[node.name] = maxima(found[node.source], node.terms[0][1])
            continue
        total = sum(map.apply(found[source]) for source, map in node.terms)
        total = total if node.offset is None else total + node.offset
        if node.kind == "neurons":
            total = np.maximum(total, 0)
            total = total if node.ceiling is None else np.minimum(total, node.ceiling)
            if node.levels:
                steps = np.floor(total / node.ceiling * node.levels + node.rounding)
                total = np.minimum(steps, node.levels) * node.ceiling / node.levels
        found[node.name] = total
    return found


def maxima(x, windows):
    top, bottom, left, right = windows.padding
    room = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=-np.inf)
    y = np.empty((len(x), *windows.after))
    for a in range(windows.after[0]):
        for b in range(windows.after[1]):
            rows = slice(a * windows.stride[0], a * windows.stride[0] + windows.kernel[0])
            columns = slice(b * windows.stride[1], b * windows.stride[1] + windows.kernel[1])
            y[:, a, b] = room[:, rows, columns].max(axis=(1, 2))
    return y


def values_for(model, seed=0, samples=2):
    shape = (samples, *model.input.shape)
    return np.random.default_rng(seed).integers(-4, 5, shape) / 4


def check(model, pooling="prepool", **tolerance):
    """The folded model equals the model, at the output and at every node with a layer."""
    x = values_for(model)
    expected = forward(model, x)
    graph = fold(model, pooling)
    found = evaluate(graph, x)
    end = model.output
    while model.layers[end].kind in ("softmax", "relu"):
        end = model.layers[end].sources[0]
    pairs = [(graph.output.name, end)]
    pairs += [(node.name, node.layer) for node in graph.nodes.values() if node.layer]
    for name, place in pairs:
        size = np.abs(expected[place]).max(initial=1)
        flat = found[name].reshape(len(x), -1)
        np.testing.assert_allclose(
            flat, expected[place].reshape(len(x), -1), rtol=0, atol=1e-11 * size
        )
    return graph


@examples(120)
@given(models(), st.sampled_from(["prepool", "neurons"]))
def test_the_folded_model_is_the_model(model, pooling):
    try:
        check(model, pooling)
    except EvsimError as error:  # what cannot be folded is refused, and says why
        refused = "without a ReLU", "a factor of"
        assume(not any(words in str(error) for words in refused))
        raise


def model_of(shape, **records):
    return Model(records, Input(shape=shape, scale=1))


def grid(*shape, seed=0):
    return np.float32(np.random.default_rng(seed).integers(-4, 5, shape) / 4)


def head(source, size, classes=3):
    return layer("dense", source, weight=grid(size, classes, seed=9))


def test_normalisation_after_a_rectifier_is_exact_at_a_padded_border():
    model = model_of(
        (4, 4, 2),
        r=layer("relu", INPUT),
        n=layer("normalize", "r", gamma=[2, -1], beta=[3, 1]),
        c=layer("conv", "n", weight=grid(3, 3, 2, 2), padding=(1, 1, 1, 1)),
        s=layer("relu", "c"),
        d=head("s", 32),
    )
    graph = check(model)
    assert graph.nodes["c"].offset.shape == (4, 4, 2)
    assert list(graph.nodes) == [INPUT, "r", "c", "d"]


def test_two_normalisations_and_a_bias_are_one_sum():
    model = model_of(
        (3, 3, 1),
        c=layer("conv", INPUT, weight=grid(2, 2, 1, 2), bias=grid(2)),
        n=layer("normalize", "c", gamma=[2, -1], mean=[1, 0]),
        m=layer("normalize", "n", gamma=0.5, beta=[1, -1], variance=4.0),
        r=layer("relu", "m"),
        d=head("r", 8),
    )
    assert check(model).nodes["c"].offset.shape == (2,)


def test_an_average_pool_costs_nothing_or_has_neurons():
    model = model_of(
        (6, 7, 2),
        r=layer("relu", INPUT),
        p=layer("pool", "r", kernel=(2, 2)),
        c=layer("conv", "p", weight=grid(2, 2, 2, 2)),
        s=layer("relu", "c"),
        q=layer("pool", "s", kernel=(2, 2)),
        d=head("q", 2),
    )
    assert list(check(model).nodes) == [INPUT, "r", "c", "d"]
    graph = check(model, "neurons")
    assert list(graph.nodes) == [INPUT, "r", "p", "c", "q", "d"]
    assert graph.nodes["p"].layer == "p"


@pytest.mark.parametrize(
    "options",
    [
        {"kernel": (3, 3), "stride": (2, 2)},
        {"kernel": (2, 2), "padding": (1, 1, 1, 1)},
        {"kernel": (3, 3), "padding": (1, 1, 1, 1), "count_padding": False},
        {"kernel": (2, 2), "stride": (2, 2), "ceil": True},
    ],
)
def test_average_pools_that_do_not_fold(options):
    layers = {
        "r": layer("relu", INPUT),
        "p": layer("pool", "r", **options),
        "c": layer("conv", "p", weight=grid(2, 2, 2, 2)),
    }
    shape = model_of((5, 5, 2), **layers).shapes["c"]
    model = model_of((5, 5, 2), **layers, s=layer("relu", "c"), d=head("s", int(np.prod(shape))))
    assert check(model).nodes["p"].kind == "pool"


def test_an_average_pool_of_sums_becomes_part_of_the_convolution():
    model = model_of(
        (6, 6, 2),
        c=layer("conv", INPUT, weight=grid(3, 3, 2, 2), padding=(1, 1, 1, 1), bias=grid(2)),
        p=layer("pool", "c", kernel=(2, 2)),
        r=layer("relu", "p"),
        d=head("r", 18),
    )
    map = check(model).nodes["c"].terms[0][1]
    assert map.weight.shape == (4, 4, 2, 2)
    assert map.stride == (2, 2)


def test_a_depthwise_and_a_pointwise_convolution_are_one():
    model = model_of(
        (4, 4, 2),
        a=layer("conv", INPUT, weight=grid(3, 3, 1, 4), groups=2, padding=(1, 1, 1, 1)),
        b=layer("conv", "a", weight=grid(1, 1, 4, 3)),
        r=layer("relu", "b"),
        d=head("r", 48),
    )
    assert check(model).nodes["b"].terms[0][1].weight.shape == (3, 3, 2, 3)


def test_two_dense_layers_without_activation_are_one():
    model = model_of(
        (5,),
        a=layer("dense", INPUT, weight=grid(5, 7), bias=grid(7)),
        b=layer("dense", "a", weight=grid(7, 3), bias=grid(3)),
    )
    assert check(model).nodes["b"].terms[0][1].weight.shape == (5, 3)


@pytest.mark.parametrize("order", ["hwc", "chw"])
def test_the_order_of_a_flatten_reaches_the_dense_layer_behind(order):
    model = model_of(
        (2, 3, 2),
        f=layer("flatten", INPUT, order=order),
        n=layer("normalize", "f", gamma=np.arange(1, 13) / 4, beta=np.arange(12) / 4),
        r=layer("relu", "n"),
        d=head("r", 12),
    )
    graph = check(model)
    assert graph.nodes["r"].shape == (2, 3, 2)
    assert graph.nodes["r"].layer == ("r" if order == "hwc" else "")


def test_a_max_pool_before_the_rectifier_comes_behind_it():
    model = model_of(
        (4, 4, 1),
        c=layer("conv", INPUT, weight=grid(3, 3, 1, 2), padding=(1, 1, 1, 1)),
        p=layer("pool", "c", operation="max", kernel=(3, 3), stride=(2, 2), padding=(1, 0, 1, 0)),
        n=layer("normalize", "p", gamma=[2, 0], beta=[1, 1]),
        r=layer("relu", "n"),
        d=head("r", 8),
    )
    graph = check(model)
    assert [node.kind for node in graph.nodes.values()] == [
        "input",
        "neurons",
        "maxpool",
        "readout",
    ]
    assert (graph.nodes["c"].layer, graph.nodes["p"].layer) == ("", "r")


def test_concatenated_maps_reach_a_convolution_as_sets_of_their_own():
    model = model_of(
        (3, 3, 1),
        a=layer("conv", INPUT, weight=grid(1, 1, 1, 2)),
        r=layer("relu", "a"),
        b=layer("conv", INPUT, weight=grid(3, 3, 1, 1), padding=(1, 1, 1, 1)),
        s=layer("relu", "b"),
        j=layer("concatenate", "r", "s"),
        c=layer("conv", "j", weight=grid(2, 2, 3, 2)),
        t=layer("relu", "c"),
        d=head("t", 8),
    )
    graph = check(model)
    assert [(source, map.weight.shape) for source, map in graph.nodes["c"].terms] == [
        ("a", (2, 2, 2, 2)),
        ("b", (2, 2, 1, 2)),
    ]


def test_a_join_is_one_population_named_after_it():
    model = model_of(
        (4, 4, 1),
        c=layer("conv", INPUT, weight=grid(1, 1, 1, 2)),
        r=layer("relu", "c"),
        e=layer("conv", "r", weight=grid(3, 3, 2, 4), stride=(2, 2), padding=(1, 1, 1, 1)),
        i=layer("identity", "r", channels=4, stride=(2, 2), channel_offset=1),
        j=layer("add", "e", "i"),
        s=layer("relu", "j"),
        g=layer("pool", "s", kernel=(2, 2)),
        f=layer("flatten", "g"),
    )
    graph = check(model)
    assert list(graph.nodes) == [INPUT, "c", "j", "f"]
    shortcut = graph.nodes["j"].terms[1][1]
    assert (shortcut.stride, shortcut.offset) == ((2, 2), 1)


def test_a_rectified_last_layer_is_read_before_its_rectifier():
    model = model_of((4,), d=head(INPUT, 4), r=layer("relu", "d"))
    graph = check(model)
    assert graph.output.kind == "readout"
    assert "ReLU of the last layer, 'r'" in graph.notes[0]


def refused(expected_place, model):
    with pytest.raises(EvsimError) as caught:
        fold(model)
    assert caught.value.place == f"layers/{expected_place}"
    return str(caught.value)


def test_a_negative_factor_behind_a_max_pool_is_named_with_its_channel():
    model = model_of(
        (4, 4, 1),
        c=layer("conv", INPUT, weight=grid(1, 1, 1, 3)),
        p=layer("pool", "c", operation="max", kernel=(2, 2)),
        n=layer("normalize", "p", gamma=[1, 1, -0.5]),
        r=layer("relu", "n"),
        d=head("r", 12),
    )
    said = refused("n", model)
    assert "a factor of -0.5 for channel 2" in said
    assert "ReLU before the max pool" in said


def test_a_max_pool_of_sums_without_rectifier_is_refused():
    model = model_of(
        (4, 4, 1),
        c=layer("conv", INPUT, weight=grid(1, 1, 1, 3)),
        p=layer("pool", "c", operation="max", kernel=(2, 2)),
        d=head("p", 12),
    )
    assert "max pool 'p'" in refused("d", model)


@pytest.mark.parametrize("kind", ["stochastic", "softmax"])
def test_a_layer_without_spiking_form_is_refused(kind):
    assert kind in KINDS
    model = model_of((4,), s=layer(kind, INPUT), d=head("s", 4))
    said = refused("s", model)
    assert repr(kind) in said
    assert "ReLU" in said


def test_linear_layers_that_cannot_be_one_are_refused():
    weight = np.ones((3, 3, 64, 64), np.float32)
    pads = (1, 1, 1, 1)
    model = model_of(
        (32, 32, 64),
        a=layer("conv", INPUT, weight=weight, padding=pads),
        b=layer("conv", "a", weight=weight, padding=pads),
    )
    said = refused("b", model)
    assert "an activation between them would work" in said
