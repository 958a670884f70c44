"""Brevitas state_dicts by definition: integer weights, and the scales of activations."""

import numpy as np
import pytest
from support import keras_files as k
from support.torch_files import hdf5

import evsim
from evsim.base.errors import EvsimError
from evsim.conversion import convert_to_levels
from evsim.formats import trainers
from evsim.formats.trainers import Options

TOPOLOGY = """
input = [6, 6, 1]
layers = [
  { name = "conv1", kind = "conv", weights = "integer", bits = 4 },
  { name = "act1", kind = "relu", ceiling = "act1", levels = 15, halves = "even" },
  { name = "conv2", kind = "conv", weights = "integer", bits = 3, scale = "channel" },
  { name = "act2", kind = "relu", ceiling = "act2", levels = 3, halves = "even" },
  { name = "flatten", kind = "flatten" },
  { name = "fc", kind = "dense", weights = "integer", bits = 4 },
]
"""
SCALING = "act_quant.fused_activation_quant_proxy.tensor_quant.scaling_impl.value"


def state():
    """A state_dict as Brevitas 0.13 has it."""
    return {
        "conv1.weight": k.normal(4, 1, 3, 3),
        "conv1.bias": k.normal(4),
        f"act1.{SCALING}": np.float32(2.75),
        "conv2.weight": k.normal(5, 4, 2, 2),
        f"act2.{SCALING}": np.float32(3.5),
        "fc.weight": k.normal(3, 45),
        "fc.bias": k.normal(3),
    }


def whole(weight, bits, axes=None):
    """round(w / scale) times the scale that makes the largest weight the largest integer."""
    most = 2 ** (bits - 1) - 1
    scale = np.abs(weight).max(axis=axes, keepdims=True) / np.float32(most)
    return np.float64(np.clip(np.round(weight / scale), -most, most) * scale)


def by_hand(image):
    s = state()
    weight = whole(s["conv1.weight"], 4).transpose(2, 3, 1, 0)
    x = k.correlate(np.float64(image), weight, np.float64(s["conv1.bias"]))
    step = np.float64(np.float32(2.75) / np.float32(15))
    x = np.clip(np.round(np.maximum(x, 0) / step), 0, 15) * step
    x = k.correlate(x, whole(s["conv2.weight"], 3, (1, 2, 3)).transpose(2, 3, 1, 0))
    step = np.float64(np.float32(3.5) / np.float32(3))
    x = np.clip(np.round(np.maximum(x, 0) / step), 0, 3) * step
    return whole(s["fc.weight"], 4) @ x.transpose(2, 0, 1).ravel() + s["fc.bias"]


def read(tmp_path, arrays=None, text=TOPOLOGY):
    (tmp_path / "net.toml").write_text(text)
    path = hdf5(tmp_path / "w.h5", arrays or state(), track_order=True)
    return trainers.read(path, Options(topology=str(tmp_path / "net.toml"), scale=1.0)).result()


@pytest.mark.parametrize("wrapper", ["", "module."])
def test_a_network_and_its_spikes(tmp_path, wrapper):
    model = read(tmp_path, {wrapper + name: value for name, value in state().items()})
    x = np.float32(np.random.default_rng(0).integers(0, 9, (20, 6, 6, 1)) / 8)
    logits = model.forward(x)["fc"]
    np.testing.assert_allclose(logits, [by_hand(image) for image in x], rtol=1e-5, atol=1e-5)
    for name, steps in (("conv1", 7), ("conv2", 3), ("fc", 7)):
        weight = model.layers[name].weight
        largest = np.abs(weight).max(axis=tuple(range(weight.ndim - 1)) if steps == 3 else None)
        found = weight / largest * steps
        np.testing.assert_allclose(found, np.rint(found), atol=1e-5)
    network = convert_to_levels(model).network
    assert network.timesteps == 8 + 2
    run = evsim.run(network, x)
    np.testing.assert_allclose(run.potential, logits, rtol=1e-5, atol=1e-5)


def without(arrays, name):
    return {other: value for other, value in arrays.items() if other != name}


@pytest.mark.parametrize(
    ("arrays", "change", "words"),
    [
        (state(), ('ceiling = "act2"', "ceiling = 3.5"), "found the scale of a quantised activat"),
        (
            without(state(), f"act2.{SCALING}"),
            ("", ""),
            "layers/act2/ceiling: found 'act2', whose scale the file has not, expected one of act1",
        ),
        (state() | {f"act1.{SCALING}": np.float32(0)}, ("", ""), "expected scales above 0"),
        (state(), ('weights = "integer", bits = 4', 'weights = "integer"'), "missing field 'bits'"),
        (state(), ('weights = "integer", bits = 4', "bits = 4"), "expected weights = 'integer'"),
        (state(), ("bits = 3", "bits = 1"), "bits: found 1, expected a whole number from 2 to 16"),
        (state(), ('ceiling = "act2"', "ceiling = []"), "ceiling: found .*, expected a number of"),
        (state(), ("levels = 3, ", ""), "halves: found 'even', expected 'up' without levels"),
    ],
)
def test_what_does_not_fit(tmp_path, arrays, change, words):
    with pytest.raises(EvsimError, match=words):
        read(tmp_path, arrays, TOPOLOGY.replace(*change) if change[0] else TOPOLOGY)


def test_no_scale_in_a_file_of_keras(tmp_path):
    (tmp_path / "net.toml").write_text(
        'input = [2]\nlayers = [{ name = "d", kind = "dense" }, { name = "r", kind = "relu", '
        'ceiling = "act" }]'
    )
    path = k.weights_file(tmp_path / "w.h5", {"d": {"kernel": k.normal(2, 2)}})
    options = Options(topology=str(tmp_path / "net.toml"))
    with pytest.raises(EvsimError, match="'act', whose scale the file has not, expected a number"):
        trainers.read(path, options)
