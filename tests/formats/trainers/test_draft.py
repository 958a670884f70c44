"""Definitions drafted from names and shapes: they read, and are right but for what they mark."""

import json

import h5py
import numpy as np
import pytest
from support.keras_files import weights_file
from support.real import real
from support.torch_files import hdf5

from evsim.base.errors import EvsimError
from evsim.formats import trainers
from evsim.formats.trainers import Options
from evsim.formats.trainers._definition import Definition
from evsim.formats.trainers._topology import find
from evsim.reports.info import draft


@pytest.fixture(autouse=True)
def one_definition(monkeypatch):
    """One definition ships: to try all of them takes time."""
    known = {"digits": Definition.read(find("digits"))}
    monkeypatch.setattr("evsim.formats.trainers._draft._known", lambda: known)


def model_of(path, toml, change=("", "")):
    """The model of a file with its draft, written to a TOML file after a change."""
    text, _ = draft(path)
    toml.write_text(text.replace(*change) if change[0] else text)
    return trainers.read(path, Options(topology=str(toml))).result()


def kinds(model):
    """The kinds of a model's layers, pools and rectifiers by a letter."""
    return " ".join(layer.kind[:4] for layer in model.layers.values())


def conv(name, inputs, out, kernel=3):
    """A convolution without bias."""
    weight = np.random.default_rng(out).normal(0, 0.3, (out, inputs, kernel, kernel))
    return {f"{name}.weight": np.float32(weight)}


def norm(name, size):
    """A batch normalisation."""
    roles = ("weight", "bias", "running_mean", "running_var")
    random = np.random.default_rng(size)
    return {f"{name}.{role}": np.float32(random.uniform(0.5, 1, size)) for role in roles}


def dense(name, inputs, out):
    """A matrix without bias."""
    weight = np.random.default_rng(out).normal(0, 0.1, (out, inputs))
    return {f"{name}.weight": np.float32(weight)}


def test_numbers_in_a_row_say_where_pools_are(tmp_path):
    state = conv("features.0", 3, 4) | norm("features.1", 4)
    state |= conv("features.3", 4, 4) | norm("features.4", 4)  # then a ReLU and a pool
    state |= conv("features.7", 4, 8) | norm("features.8", 8)
    state |= dense("classifier.0", 8 * 8 * 8, 10) | dense("classifier.2", 10, 5)
    model = model_of(hdf5(tmp_path / "m.h5", state), tmp_path / "t.toml")
    wanted = "conv norm relu conv norm relu pool conv norm relu pool flat dens relu dens"
    assert model.input.shape == (32, 32, 3)
    assert kinds(model) == wanted


def test_a_pool_may_stand_before_the_batch_norm(tmp_path):
    state = conv("0", 3, 4) | norm("1", 4) | conv("3", 4, 4) | norm("5", 4)
    state |= dense("8", 4 * 16 * 16, 6) | norm("9", 6) | dense("11", 6, 5)
    model = model_of(hdf5(tmp_path / "m.h5", state), tmp_path / "t.toml")
    assert kinds(model) == "conv norm relu conv pool norm relu flat dens norm relu dens"


def test_a_file_that_kept_its_order_is_believed(tmp_path):
    state = norm("first", 3) | conv("a", 3, 4) | conv("Z", 4, 6, 1) | dense("b", 384, 5)
    path = hdf5(tmp_path / "m.h5", state, track_order=True)
    assert (
        kinds(model_of(path, tmp_path / "t.toml")) == "norm conv relu pool conv relu pool flat dens"
    )


def test_groups_and_uneven_kernels_are_those_of_the_weights(tmp_path):
    state = conv("conv1", 1, 8, 5) | conv("conv2", 1, 8) | conv("conv3", 8, 16, 1)
    state |= dense("fc", 16 * 49, 10)
    model = model_of(hdf5(tmp_path / "m.h5", state), tmp_path / "t.toml")
    assert model.input.shape == (28, 28, 1)
    assert model.layers["conv2"].groups == 8
    assert model.layers["conv1"].padding == (2, 2, 2, 2)


def test_dense_layers_alone(tmp_path):
    state = dense("fc1", 12, 8) | dense("fc2", 8, 8) | dense("fc10", 8, 3)
    model = model_of(hdf5(tmp_path / "m.h5", state), tmp_path / "t.toml")
    assert list(model.layers) == ["fc1", "relu1", "fc2", "relu2", "fc10"]


def test_the_trained_digits_differ_in_what_is_marked_alone(tmp_path):
    path, change = "networks/trained-digits.h5", ('operation = "max"', 'operation = "average"')
    text, notes = draft(path)
    pools = [line for line in text.splitlines() if 'kind = "pool"' in line]
    assert all('# guessed: "max" or "average"' in line for line in pools)
    assert notes[-1] == "they also fit definitions that ship: digits"
    model = model_of(path, tmp_path / "t.toml", change)
    wanted = trainers.read(path, Options(topology="digits")).result()
    with h5py.File("data/digits_test.h5") as file:
        images = file["images"][:50]
    assert model.predictions(images).tolist() == wanted.predictions(images).tolist()


def blocks(widths, shortcut, stem=3):
    """The state of a network of residual blocks of two convolutions."""
    state = conv("conv1", 3, widths[0], stem) | norm("bn1", widths[0])
    inputs = widths[0]
    for stage, out in enumerate(widths, 1):
        for number in range(2):
            name = f"layer{stage}.{number}"
            state |= conv(f"{name}.conv1", inputs, out) | norm(f"{name}.bn1", out)
            state |= conv(f"{name}.conv2", out, out) | norm(f"{name}.bn2", out)
            if inputs != out and shortcut:
                state |= conv(f"{name}.{shortcut}.0", inputs, out, 1) | norm(
                    f"{name}.{shortcut}.1", out
                )
            inputs = out
    return state


def test_residual_blocks_are_those_of_the_definition_that_ships(tmp_path):
    state = blocks([4, 8, 16], "") | dense("linear", 16, 10)
    for stage in (1, 2, 3):  # ResNet-20 has three blocks a stage
        out, name = 2 << stage, f"layer{stage}.2"
        state |= conv(f"{name}.conv1", out, out) | norm(f"{name}.bn1", out)
        state |= conv(f"{name}.conv2", out, out) | norm(f"{name}.bn2", out)
    path = hdf5(tmp_path / "m.h5", state)
    model = model_of(path, tmp_path / "t.toml")
    wanted = trainers.read(path, Options(topology="resnet20")).result()
    x = np.float32(np.random.default_rng(0).uniform(size=(2, 32, 32, 3)))
    np.testing.assert_allclose(
        model.forward(x)[model.output], wanted.forward(x)[wanted.output], rtol=1e-5
    )


@pytest.mark.parametrize(("shortcut", "stem"), [("downsample", 7), ("shortcut", 3)])
def test_shortcuts_with_weights(shortcut, stem, tmp_path):
    state = blocks([4, 8], shortcut, stem) | dense("fc", 8, 10)
    model = model_of(hdf5(tmp_path / "m.h5", state), tmp_path / "t.toml")
    assert model.input.shape == ((224, 224, 3) if stem == 7 else (32, 32, 3))
    side = model.layers[f"layer2.0.{shortcut}.0"]
    assert side.stride == (2, 2) == model.layers["layer2.0.conv1"].stride
    assert model.layers["layer2.0.add"].sources == ("layer2.0.bn2", f"layer2.0.{shortcut}.1")


def test_what_does_not_fit_is_said_and_drafted_all_the_same(tmp_path):
    state = conv("conv1", 3, 4) | dense("fc", 4 * 7 * 13, 10)
    path = hdf5(tmp_path / "m.h5", state)
    text, notes = draft(path)
    assert '{ name = "fc", kind = "dense" }' in text
    assert "the weights do not fit the draft yet: layers/fc" in notes[1]


def test_the_command_writes_a_new_file_alone(tmp_path, command, monkeypatch):
    monkeypatch.setenv("EVSIM_NO_GUARD", "1")  # no children: they would only take time
    toml = tmp_path / "layers.toml"
    line = ("info", "networks/trained-digits.h5", "--draft", toml)
    status, said, _ = command(*line)
    assert status == 0
    assert "8 layers, of 6 something is guessed" in said
    text = toml.read_text()
    assert command(*line, "--json")[0] == 2
    assert "exists already (a draft replaces nothing)" in command(*line)[2]
    assert toml.read_text() == text
    toml.unlink()
    status, said, _ = command(*line, "--json")
    assert (status, json.loads(said)["draft"]) == (0, str(toml))
    missing = command("info", "networks/trained-digits.h5", "--draft", tmp_path / "no/l.toml")
    assert missing[0] == 2
    assert "cannot be written" in missing[2]


@pytest.mark.parametrize(
    ("file", "toml", "what"),
    [
        ("networks/trained-digits.h5", "t.txt", "--draft: found"),
        ("networks/digits-conv.h5", "t.toml", "a file of evsim's own, expected weights without"),
        ("data/digits_test.h5", "t.toml", "expected weights without their layers"),
        ("README.md", "t.toml", "a file of another format, expected weights without"),
        ("gone.h5", "t.toml", "no such file"),
    ],
)
def test_what_has_no_draft(file, toml, what, tmp_path, command):
    status, out, err = command("info", file, "--draft", tmp_path / toml)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert what in err
    assert not (tmp_path / toml).exists()


def test_a_file_with_layers_of_its_own_has_no_draft(tmp_path):
    path = hdf5(tmp_path / "m.h5", dense("fc", 4, 3))
    with h5py.File(path, "a") as file:
        layers = [{"name": "fc", "kind": "dense"}]
        file.attrs["topology"] = json.dumps({"layers": layers})
    with pytest.raises(EvsimError, match="with layers of its own"):
        draft(path)


def test_weights_of_keras_alone(tmp_path):
    numbers = {f"dense_{n}": {"kernel": np.ones((4, 4), "f4")} for n in (1, 2)}
    path = weights_file(tmp_path / "w.h5", numbers, keras_version="2.2.4", backend="tensorflow")
    assert list(model_of(path, tmp_path / "t.toml").layers) == ["dense_1", "relu1", "dense_2"]


@pytest.mark.slow
def test_every_definition_that_ships_is_tried(monkeypatch):
    monkeypatch.undo()
    _, notes = draft("networks/trained-digits.h5")
    assert notes[-1] == "they also fit definitions that ship: digits"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "topology", "operation"),
    [("vgg16", "vgg16", "average"), ("vgg9-relu", "vgg9", "max"), ("resnet20", "resnet20", "max")],
)
def test_real_networks_decide_as_with_the_definition_that_ships(
    file, topology, operation, tmp_path
):
    path = real("networks", f"cifar10-{file}.torch-state.h5")
    change = ('operation = "max"', f'operation = "{operation}"')
    model = model_of(path, tmp_path / "t.toml", change)
    wanted = trainers.read(path, Options(topology=topology)).result()
    x = np.float32(np.random.default_rng(0).uniform(size=(4, 32, 32, 3)))
    np.testing.assert_allclose(
        model.forward(x)[model.output], wanted.forward(x)[wanted.output], rtol=1e-4, atol=1e-5
    )
