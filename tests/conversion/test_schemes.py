"""Conversion to other codes than rates: the same weights, another kind of neuron."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.layers import forward, layer
from support.effort import examples

import evsim
from evsim import EvsimError
from evsim.artificial.model import INPUT, Model
from evsim.conversion import convert
from evsim.neurons.input import Input


def residual_model(seed, levels=None, size=6):
    """in -> a -> b, and a + b -> out, on a grid; rectifiers quantised where `levels` are given."""
    random = np.random.default_rng(seed)

    def weights(outputs):
        return {
            "weight": (random.integers(-6, 11, (size, outputs)) / 16).astype(np.float32),
            "bias": (random.integers(-4, 5, outputs) / 16).astype(np.float32),
        }

    def rectifier(source):
        ceiling = {"ceiling": [1.0, 2.0] * (size // 2), "levels": levels} if levels else {}
        return layer("relu", source, **ceiling)

    layers = {
        "a": layer("dense", INPUT, **weights(size)),
        "ra": rectifier("a"),
        "b": layer("dense", "ra", **weights(size)),
        "rb": rectifier("b"),
        "sum": layer("add", "ra", "rb"),
        "out": layer("dense", "sum", **weights(3)),
    }
    return Model(layers, Input(shape=(size,), scale=1))


@examples(60)
@given(
    seed=st.integers(0, 999),
    levels=st.sampled_from([1, 2, 4, 8]),
    balance=st.sampled_from(["weights", "thresholds"]),
)
def test_ttfs_is_the_quantised_network_exactly(seed, levels, balance):
    model = residual_model(seed, levels)
    x = np.float32(np.random.default_rng(seed).integers(0, levels + 1, (5, 6)) / levels)
    network = convert(model, x, scheme="ttfs", window=levels + 1, balance=balance).network
    assert (network.coding, network.window) == ("latency", levels + 1)
    run = evsim.run(network, x, record=("spikes",))
    assert run.settings.timesteps == 3 * (levels + 1)
    assert (run.potential / levels == forward(model, x)["out"]).all()
    hidden = [name for name, part in network.populations.items() if part.kind == "ttfs"]
    assert len(hidden) == 2
    for name in hidden:  # one event at most of each neuron and sample
        events = run.spikes[name]
        assert np.unique(events[["sample", "neuron"]]).size == events.size


PERIOD = 6


@pytest.mark.parametrize("scheme", ["rate", "signed", "burst", "phase"])
@examples(10)
@given(seed=st.integers(0, 999))
def test_what_a_network_sends_approaches_the_activations(scheme, seed):
    model = residual_model(seed)
    x = np.float32(np.random.default_rng(seed).integers(0, 9, (5, 6)) / 8)
    expected, errors = forward(model, x)["out"], []
    window = PERIOD if scheme == "phase" else None
    for timesteps in (10 * PERIOD, 200 * PERIOD):
        made = convert(model, x, scheme=scheme, window=window, method="max", timesteps=timesteps)
        kinds = {part.kind for part in made.network.populations.values()}
        assert kinds == {"input", "readout", "iaf" if scheme == "rate" else scheme}
        run = evsim.run(made.network, x)
        assert run.settings.timesteps == timesteps
        found = run.potential / timesteps * (window or 1)
        errors.append(np.abs(found - expected).max() / np.abs(expected).max())
    # In a period a neuron of `phase` tells at most 1 - 2^-period of its scale, in both layers.
    untold = 2 * 2.0**-PERIOD if scheme == "phase" else 0
    assert errors[0] < 0.5
    assert errors[1] < 0.02 + untold


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"scheme": "spikes"}, "scheme: found 'spikes', expected one of rate"),
        ({"window": 8}, "window: found 8, expected none with scheme 'rate'"),
        ({"scheme": "signed", "window": 8}, "window: found 8, expected none with scheme 'signed'"),
        ({"scheme": "ttfs", "window": 1}, "window: found 1, expected at least 2"),
        ({"scheme": "ttfs", "timesteps": 9}, "timesteps: found 9, expected none"),
        ({"scheme": "ttfs", "coding": "poisson"}, "coding: found 'poisson', expected 'latency'"),
        ({"scheme": "burst", "reset": "zero"}, "reset: found 'zero', expected another choice"),
        ({"scheme": "signed", "method": "spike-norm"}, "method: found 'spike-norm'"),
        ({"scheme": "phase", "correct_bias": True}, "correct_bias: found True"),
        ({"scheme": "phase", "stagger": 1}, "stagger: found 1, expected 0 with scheme 'phase'"),
    ],
)
def test_choices_that_do_not_fit_a_scheme(choices, said):
    x = np.ones((2, 6), np.float32)
    with pytest.raises(EvsimError) as caught:
        convert(residual_model(0), x, **choices)
    assert said in str(caught.value)


def test_ttfs_takes_inputs_from_0_to_1_only():
    for model, x in product((residual_model(0), residual_model(0, 4)), (-0.5, 1.5)):
        with pytest.raises(EvsimError, match=r"sample 1: found inputs from .* in \[0, 1\]"):
            convert(model, np.float32([[1] * 6, [x] * 6]), scheme="ttfs")
    model = residual_model(0)
    shifted = Model(model.layers, Input(shape=(6,), mean=0.5))
    with pytest.raises(EvsimError, match="a mean or std of the input"):
        convert(shifted, np.ones((2, 6), np.float32), scheme="ttfs")


def pooled_model(seed, levels=None):
    """in, max pool -> conv -> max pool of windows that overlap -> dense, on a grid."""
    random = np.random.default_rng(seed)
    ceiling = {"ceiling": [1.0, 2.0], "levels": levels} if levels else {}
    kernels = (random.integers(-6, 11, (2, 2, 1, 2)) / 16).astype(np.float32)
    layers = {
        "first": layer("pool", INPUT, kernel=(2, 2), operation="max"),
        "a": layer("conv", "first", weight=kernels, bias=np.float32([0.125, -0.25])),
        "ra": layer("relu", "a", **ceiling),
        "max": layer("pool", "ra", kernel=(2, 2), stride=(1, 1), operation="max"),
        "flat": layer("flatten", "max"),
        "out": layer("dense", "flat", weight=np.float32(random.integers(-6, 11, (8, 3)) / 16)),
    }
    return Model(layers, Input(shape=(8, 8, 1), scale=1))


def images_of(seed, levels):
    return np.float32(np.random.default_rng(seed).integers(0, levels + 1, (4, 8, 8, 1)) / levels)


@examples(20)
@given(seed=st.integers(0, 999), levels=st.sampled_from([1, 4, 8]))
def test_ttfs_with_max_pools_is_the_quantised_network_exactly(seed, levels):
    model, x = pooled_model(seed, levels), images_of(seed, levels)
    network = convert(model, x, scheme="ttfs", window=levels + 1).network
    run = evsim.run(network, x)
    assert run.settings.timesteps == 2 * (levels + 1)
    assert (run.potential / levels == forward(model, x)["out"]).all()
    pools = [name for name, part in network.populations.items() if part.kind == "maxpool"]
    assert len(pools) == 2


@pytest.mark.parametrize("scheme", ["rate", "signed", "burst", "phase"])
def test_max_pools_approach_the_activations(scheme):
    model, x = pooled_model(7), images_of(7, 8)
    expected, window = forward(model, x)["out"], PERIOD if scheme == "phase" else None
    timesteps = 100 * PERIOD
    made = convert(model, x, scheme=scheme, window=window, method="max", timesteps=timesteps)
    run = evsim.run(made.network, x)
    found = run.potential / timesteps * (window or 1)
    assert np.abs(found - expected).max() < 0.04 * np.abs(expected).max()
