"""PyTorch's weights: every container and wrapper gives the same network; what is wrong is said."""

import argparse
import json
import pathlib
import pickle
import re
import tomllib
import zipfile

import h5py
import numpy as np
import pytest
from support import torch_files
from support.places import ROOT
from support.torch_files import TOPOLOGY, hdf5, safetensors, small, wanted

from evsim.base.errors import EvsimError
from evsim.cli.main import run_command
from evsim.formats import trainers
from evsim.formats.trainers import Options

X = np.random.default_rng(5).random((3, 4, 4, 3), dtype=np.float32)


@pytest.fixture
def topology(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(TOPOLOGY)
    return str(path)


def outputs(path, topology):
    model = trainers.read(path, Options(topology=topology)).result()
    return model.forward(X)[model.output]


@pytest.mark.parametrize("track_order", [False, True])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("prefix", ["", "module.", "state_dict.module.", "_orig_mod.", "model."])
def test_a_state_dict_in_hdf5(prefix, nested, track_order, tmp_path, topology):
    path = hdf5(tmp_path / "m.h5", small(1, prefix), nested, track_order)
    assert np.allclose(outputs(path, topology), wanted(small(1), X), rtol=1e-5)


def test_a_state_dict_as_safetensors(tmp_path, topology):
    path = safetensors(tmp_path / "m.safetensors", small(2))
    assert np.allclose(outputs(path, topology), wanted(small(2), X), rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_weights_of_other_widths(dtype, tmp_path, topology):
    state = {k: v if v.dtype.kind == "i" else v.astype(dtype) for k, v in small(3).items()}
    for path in (hdf5(tmp_path / "m.h5", state), safetensors(tmp_path / "m.safetensors", state)):
        assert np.allclose(outputs(path, topology), wanted(state, X), rtol=1e-5)


def test_bfloat16_is_the_upper_half_of_float32(tmp_path, topology):
    halves = {k: v.view(np.uint32) >> 16 for k, v in small(4).items() if v.dtype == np.float32}
    rounded = {k: (v << 16).view(np.float32) for k, v in halves.items()}
    state = {k: np.uint16(v).view(np.float16) for k, v in halves.items()}

    def change(header):
        for key in state:
            header[key]["dtype"] = "BF16"

    path = safetensors(tmp_path / "m.safetensors", state, change)
    assert np.allclose(outputs(path, topology), wanted(rounded, X), rtol=1e-5)


def test_other_names_are_matched_by_order_and_shape(tmp_path, topology):
    renamed = {"conv1": "features.0", "bn1": "features.1", "fc": "classifier"}
    state = {}
    for key, value in small(5).items():
        layer, _, role = key.partition(".")
        state[f"{renamed[layer]}.{role}"] = value
    path = hdf5(tmp_path / "m.h5", state)
    assert np.allclose(outputs(path, topology), wanted(small(5), X), rtol=1e-5)
    notes = trainers.read(path, Options(topology=topology)).notes
    assert any("features.0 is conv1" in note and "order and shape" in note for note in notes)


def test_what_is_no_weight_is_left_out_and_said(tmp_path, topology):
    state = small(6) | {"relu.mem": np.zeros(3, "f4"), "optimizer.state.0": np.zeros(2, "f4")}
    path = hdf5(tmp_path / "m.h5", state)
    assert np.allclose(outputs(path, topology), wanted(small(6), X), rtol=1e-5)
    assert any("left out: " in note for note in trainers.read(path, Options(topology)).notes)


def test_a_checkpoint_of_a_training_run(tmp_path, topology):
    state = small(7, "state_dict.module.")
    state |= {"best_acc": np.array(0.9), "arch": "small", "epoch": np.array(5)}
    state |= {"optimizer.state.0.exp_avg": np.zeros(2, "f4"), "ema.conv1.weight": np.zeros(3, "f4")}
    path = hdf5(tmp_path / "m.h5", state)
    assert np.allclose(outputs(path, topology), wanted(small(7), X), rtol=1e-5)
    notes = trainers.read(path, Options(topology=topology)).notes
    assert any("arch, best_acc, ema.conv1.weight, ..." in note for note in notes)


def test_one_linear_layer_saved_alone(tmp_path):
    state = {"weight": np.float32([[1, 2], [3, 4], [5, 6]]), "bias": np.float32([1, 0, 0])}
    model = trainers.read(hdf5(tmp_path / "m.h5", state), Options(topology="mlp")).result()
    assert model.forward(np.float32([[1, 10]]))[model.output].tolist() == [[22, 43, 65]]


def test_the_order_of_a_file_is_that_in_which_it_was_written(tmp_path):
    state = {"z.weight": np.ones((3, 2), "f4"), "a.weight": np.ones((3, 3), "f4")}
    for kept, order in ((True, ["z", "a"]), (False, ["a", "z"])):
        reading = trainers.read(hdf5(tmp_path / "m.h5", state, track_order=kept))
        assert [row["layer"] for row in reading.layers] == order


def exporting():
    """The script of docs/guide/trainers.md, section "From PyTorch"."""
    text = (ROOT / "docs" / "guide" / "trainers.md").read_text()
    return re.search(r"## From PyTorch.*?```python\n(.*?)```", text, re.DOTALL)[1]


def parameters(state):
    """A state of tensors that still know their gradients."""
    import torch

    return {k: torch.nn.Parameter(v) if v.is_floating_point() else v for k, v in state.items()}


def in_a_namespace(state):
    """A checkpoint with the settings of a training run beside the weights."""
    return {
        "args": argparse.Namespace(lr=0.1),
        "epoch": 3,
        "net": state,
        "optimizer": {"state": {}},
    }


@pytest.mark.parametrize(
    "wrap",
    [
        dict,
        parameters,
        lambda state: {"epoch": 3, "state_dict": state},
        lambda state: {"model_state_dict": state, "loss": 0.5},
        lambda state: {"model": state, "ema": {"module": {k: 0 * v for k, v in state.items()}}},
        lambda state: {"ema": {"module": state, "decay": 0.9}, "best": [1, 2]},
        in_a_namespace,
    ],
)
def test_a_network_of_pytorch_gives_the_same(wrap, tmp_path, topology, monkeypatch):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    net = torch.nn.Sequential()
    net.conv1 = torch.nn.Conv2d(3, 4, 3, padding=1, bias=False)
    net.bn1, net.relu, net.flatten = torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten()
    net.fc = torch.nn.Linear(64, 10)
    net.bn1.running_mean += 0.3
    net.bn1.running_var *= 2
    monkeypatch.chdir(tmp_path)
    torch.save(wrap(net.state_dict()), "model.pt")
    exec(exporting(), {})
    net.eval()
    with torch.no_grad():
        expected = net(torch.tensor(X.transpose(0, 3, 1, 2))).numpy()
    assert np.allclose(outputs("model.h5", topology), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, {"state": {0: {"exp_avg": 1}}}, [1, 2]])
def test_the_script_writes_no_file_without_weights(content, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    torch.save(content, "model.pt")
    with pytest.raises(SystemExit, match="no weights"):
        exec(exporting(), {})
    assert not (tmp_path / "model.h5").exists()


def test_the_script_runs_no_program_of_the_file(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    torch.save({"model": {"a.weight": torch.ones(2, 2)}, "made": pathlib.Path}, "model.pt")
    with pytest.raises(pickle.UnpicklingError, match="Path"):
        exec(exporting(), {})
    assert not (tmp_path / "model.h5").exists()


def test_the_scripts_of_the_pages_are_python():
    for text in (exporting(), tracing()):
        compile(text, "page", "exec")


def tracing():
    """The script of the tutorial that writes layers and weights in one file."""
    text = (ROOT / "docs" / "tutorials" / "pytorch.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return next(block for block in blocks if "symbolic_trace" in block)


def networks():
    """Networks like those of the literature, small: with shortcuts, pools of both kinds, groups."""
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        def __init__(self, inputs, out, stride):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(inputs, out, 3, stride, 1), nn.BatchNorm2d(out)
            self.conv2, self.bn2 = nn.Conv2d(out, out, 3, padding=1), nn.BatchNorm2d(out)
            self.relu, self.downsample = nn.ReLU(), nn.Conv2d(inputs, out, 1, stride)

        def forward(self, x):
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            y += self.downsample(x)
            return functional.relu(y)

    class Views(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1, padding="same")
            self.pool, self.last = nn.MaxPool2d(2), nn.Linear(54, 5)

        def forward(self, x):
            x = functional.relu6(self.pool(self.first(x)))
            x = torch.cat([x, self.second(x)], dim=1)
            return self.last(x.view(x.size(0), -1))

    import torch

    end = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    yield nn.Sequential(nn.Conv2d(3, 4, 3), Block(4, 4, 1), Block(4, 8, 2), *end)
    convs = (nn.Conv2d(3, 6, 3, groups=3, bias=False), nn.BatchNorm2d(6), nn.ReLU())
    pool = nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)
    rest = (nn.Linear(96, 8), nn.BatchNorm1d(8), nn.Softmax(1))
    yield nn.Sequential(*convs, nn.Dropout(), pool, nn.Flatten(), *rest)
    yield Views()


def test_a_traced_network_brings_its_layers(tmp_path):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    scope = {}
    exec(tracing(), scope)
    for network in networks():
        for layer in network.modules():
            if hasattr(layer, "running_var"):
                layer.running_mean.uniform_(-0.5, 0.5)
                layer.running_var.uniform_(0.5, 2)
        scope["export"](network, tmp_path / "m.h5", (8, 8, 3))
        x = np.float32(np.random.default_rng(0).normal(size=(3, 8, 8, 3)))
        with torch.no_grad():
            wanted = network(torch.tensor(x.transpose(0, 3, 1, 2).copy())).numpy()
        model = trainers.read(tmp_path / "m.h5").result()
        np.testing.assert_allclose(model.forward(x)[model.output], wanted, rtol=0, atol=1e-5)


def test_what_cannot_be_traced_is_refused(tmp_path):
    torch = pytest.importorskip("torch")
    scope = {}
    exec(tracing(), scope)

    class Other(torch.nn.Module):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def forward(self, x):
            return self.function(x)

    functions = (lambda x: x + 1, lambda x: x[:, :, ::2], lambda x: torch.cat([x, x], 2))
    modules = [Other(function) for function in functions]
    modules += [torch.nn.GELU(), torch.nn.Conv2d(3, 4, 3, padding_mode="reflect", padding=1)]
    for module in modules:
        with pytest.raises(SystemExit, match="evsim has no layer for"):
            scope["export"](torch.nn.Sequential(module), tmp_path / "m.h5", (8, 8, 3))
        assert not (tmp_path / "m.h5").exists()


def with_layers(path, text):
    """The small state_dict with a text as its layers."""
    hdf5(path, small())
    with h5py.File(path, "a") as file:
        file.attrs["topology"] = text
    return path


def test_a_file_may_hold_its_layers(tmp_path, topology):
    content = json.dumps(tomllib.loads(TOPOLOGY))
    path = with_layers(tmp_path / "m.h5", content)
    model = trainers.read(path).result()
    np.testing.assert_allclose(model.forward(X)[model.output], wanted(small(), X), rtol=1e-5)
    with pytest.raises(EvsimError, match="contradicts the file: the file holds its own topology"):
        trainers.read(path, Options(topology=topology))
    other = Options(topology="mlp", force=True)
    with pytest.raises(EvsimError, match="left over"):
        trainers.read(path, other)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "topology: found no JSON"),
        ("[" * 100_000, "topology: found no JSON"),
        ("[]", "topology: found [], expected a definition of layers in JSON"),
        (3, "topology: found"),
        ("{}", "topology: missing field 'layers'"),
        ('{"layers": [{"name": "a", "kind": "cnv"}]}', "layers[0]/kind: found 'cnv'"),
        ('{"layers": [], "depth": 1}', "topology: found unknown field 'depth'"),
        ('{"extends": "../x"}', "topology/extends: found '../x'"),
    ],
)
def test_layers_that_are_none(text, said, tmp_path):
    with pytest.raises(EvsimError) as error:
        trainers.read(with_layers(tmp_path / "m.h5", text))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "an HDF5 file with nothing in it, expected one of: "),
        (["b", "a"], "an HDF5 file of no known layout (it has 'a', 'b'), expected one of: "),
        (list("abcdef"), "(it has 'a', 'b', 'c', 'd', ...), expected one of: "),
    ],
)
def test_hdf5_that_nobody_knows_is_told_what_was_looked_for(names, said, tmp_path, command):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        for name in names:
            file[name] = np.zeros(3)
    for words in (["info"], ["ann", "data/digits_test.h5"]):
        status, out, err = command(words[0], tmp_path / "m.h5", *words[1:])
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert said in err
        for mark in ("model_config", "NIRGraph", "layer/0", "conv1.weight"):
            assert mark in err
        assert ("datasets images or events" in err) == (words == ["info"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"conv1.weight": np.zeros((4, 5, 3, 3), "f4")}, "layers/conv1: found an input of shape"),
        ({"fc.weight": np.zeros((10, 60), "f4")}, "layers/fc: found an input of shape (64,)"),
        ({"fc.weight": np.full((10, 64), np.nan, "f4")}, "fc.weight: found NaN or infinity"),
        ({"conv1.weight": np.zeros((4, 3, 3, 3), "i4")}, "conv1.weight: found dtype int32"),
        (
            {"fc.weight": np.full((10, 64), 1e39)},
            "fc.weight: found 1e+39, expected values",
        ),
        ({"bn1.running_var": np.ones(9, "f4")}, "layers/bn1/variance: found 9 values, expected 4"),
        ({"bn1.running_var": -np.ones(4, "f4")}, "layers/bn1/variance: found -1.0, expected a var"),
        ({"bn1.weight": np.ones((4, 1), "f4")}, "convolutions, linear layers and batch norm work"),
        ({"conv1.parametrizations.weight.original0": np.ones(3, "f4")}, "linear layers and batch"),
        ({"extra.weight": np.zeros((7, 5), "f4")}, "1 left over: extra (weight (5, 7))"),
        ({"rnn.weight_ih_l0": np.zeros((7, 5), "f4")}, "convolutions, linear layers and batch"),
        ({"norm.weight": np.zeros(5, "f4")}, "convolutions, linear layers and batch norm work"),
        ({"up.weight": np.zeros((2, 2, 2, 2, 2), "f4")}, "convolutions, linear layers and batch"),
    ],
)
def test_weights_that_do_not_fit(change, said, tmp_path, topology):
    path = hdf5(tmp_path / "m.h5", small() | change)
    with pytest.raises(EvsimError) as error:
        trainers.read(path, Options(topology=topology)).result()
    assert said in str(error.value)
    missing = {k: v for k, v in small().items() if not k.startswith("fc")}
    with pytest.raises(EvsimError, match="layers/fc: the file has no weights left"):
        trainers.read(hdf5(tmp_path / "n.h5", missing), Options(topology=topology)).result()
    missing = {k: v for k, v in small().items() if not k.endswith("running_var")}
    with pytest.raises(EvsimError, match="bn1: missing running_var"):
        trainers.read(hdf5(tmp_path / "n.h5", missing), Options(topology=topology)).result()


def spoil(**changes):
    return lambda header: header["fc.bias"].update(changes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (spoil(dtype="F8"), "fc.bias/dtype: found 'F8', expected one of F64"),
        (spoil(shape=[11]), "fc.bias: found 40 bytes, expected 44"),
        (spoil(shape="x"), "fc.bias/shape: found 'x', expected whole numbers"),
        (spoil(data_offsets=[0, 40]), "without gap"),
        (spoil(data_offsets=[4, 2]), "two ascending whole numbers"),
        (spoil(dtype=["F32"]), "fc.bias/dtype: found ['F32'], expected one of F64"),
        (spoil(shape=[-10]), "fc.bias/shape: found [-10], expected whole numbers"),
        (spoil(shape=[True] * 10), "fc.bias/shape: found"),
        (lambda h: h.pop("fc.bias"), "40 bytes after the last array, expected none"),
        (spoil(data_offsets=None), "two ascending whole numbers"),
        (lambda h: h.update(x=3), "header/'x': found 3, expected dtype, shape"),
        (lambda h: h.update(y={"dtype": "F32", "shape": [9**9], "data_offsets": [3096, 9**11]}),
         "found bytes up to"),
    ],
)  # fmt: skip
def test_damaged_safetensors(change, said, tmp_path, topology):
    state = {k: v for k, v in small().items() if v.dtype == np.float32}
    path = safetensors(tmp_path / "m.safetensors", state, change)
    with pytest.raises(EvsimError) as error:
        trainers.read(path, Options(topology=topology)).result()
    assert said in str(error.value)


def test_a_header_that_is_cut_or_no_json(tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes((100).to_bytes(8, "little") + b"{" + b"x" * 20)
    with pytest.raises(EvsimError, match="found a header of 100 bytes, expected at most 21"):
        trainers.read(path)
    path.write_bytes((21).to_bytes(8, "little") + b"{" + b"x" * 20)
    with pytest.raises(EvsimError, match="found no JSON"):
        trainers.read(path)
    text = b'{"a": 1, "a": 2}'
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(EvsimError, match="header: found 'a' twice"):
        trainers.read(path)
    path.write_bytes((2).to_bytes(8, "little") + b"{}")
    with pytest.raises(EvsimError, match="found no weights, expected keys such as"):
        trainers.read(path)


def test_an_array_without_values(tmp_path, topology):
    path = safetensors(tmp_path / "m.safetensors", small() | {"fc.bias": np.zeros(0, "f4")})
    with pytest.raises(EvsimError, match="layers/fc/bias: found shape"):
        trainers.read(path, Options(topology=topology)).result()


def test_keys_that_a_file_gives_twice(tmp_path):
    path = hdf5(tmp_path / "m.h5", small())
    with h5py.File(path, "a") as file:
        file["conv1/weight"] = np.zeros((4, 3, 3, 3), "f4")
    with pytest.raises(EvsimError, match=r"the key 'conv1\.weight' twice"):
        trainers.read(path)


def test_links_that_lead_elsewhere_or_in_circles(tmp_path):
    path = hdf5(tmp_path / "m.h5", small())
    with h5py.File(path, "a") as file:
        file["more.weight"] = h5py.SoftLink("/fc.weight")
    with pytest.raises(EvsimError, match="soft or external link"):
        trainers.read(path)
    path = hdf5(tmp_path / "c.h5", small())
    with h5py.File(path, "a") as file:
        group = file.create_group("g")
        for name in ("a", "b", "c"):
            group[name] = group
    with pytest.raises(EvsimError, match="groups nested more than"):
        trainers.read(path)


def test_more_arrays_than_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("evsim.formats.trainers.pytorch.MOST", 3)
    hdf5(tmp_path / "m.h5", {f"layer.{n}.weight": np.zeros(1) for n in range(4)})
    with pytest.raises(EvsimError, match="found 4 names, expected at most 3"):
        trainers.read(tmp_path / "m.h5")


@pytest.mark.parametrize("command", ["ann", "convert", "info"])
def test_pickles_are_refused(command, tmp_path, capsys):
    for name in ("model.pth", "model.zip", "checkpoint"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("model/data.pkl", b"\x80\x02}q\x00.")
    for name in ("old.pt", "pytorch_model.bin"):
        (tmp_path / name).write_bytes(b"\x80\x02}q\x00.")
    (tmp_path / "cut.pt").write_bytes(b"PK\x03\x04 and no more")
    pickles = ("model.pth", "model.zip", "checkpoint", "old.pt", "pytorch_model.bin", "cut.pt")
    for name in pickles:
        arguments = {"ann": ["d.h5"], "convert": ["-o", str(tmp_path / "n.h5")], "info": []}
        assert run_command([command, str(tmp_path / name), *arguments[command]]) == 2
        said = capsys.readouterr().err
        assert "found a pickle, which can run any program" in said
        assert "From PyTorch" in said
        assert said.count("\n") == 1
    assert not (tmp_path / "n.h5").exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model.keras", {"a.txt": b"x"}, "found a zip archive of no known layout"),
        ("weights.npz", {"conv1.npy": b"x"}, "found a zip archive of no known layout"),
        ("weights.bin", b"\x01\x02\x03", "found a file of another format"),
        ("nothing.h5", b"", "found an empty file"),
    ],
)
def test_what_is_neither_a_pickle_nor_known(name, content, said, tmp_path):
    if isinstance(content, dict):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for entry, text in content.items():
                archive.writestr(entry, text)
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(EvsimError) as error:
        trainers.read(tmp_path / name)
    assert said in str(error.value)
    assert "which can run any program" not in str(error.value)


def test_a_file_of_keras_and_nir_at_once(tmp_path, capsys):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = "{}"
        file.create_group("node")["type"] = "NIRGraph"
    assert run_command(["info", str(tmp_path / "m.h5")]) == 2
    said = capsys.readouterr().err
    assert "Keras" in said
    assert "NIR" in said
    assert said.count("\n") == 1


def test_a_file_that_two_readers_claim(tmp_path, capsys):
    path = hdf5(tmp_path / "m.h5", small())
    with h5py.File(path, "a") as file:
        file.create_group("layer/0")
    assert run_command(["info", str(path)]) == 2
    said = capsys.readouterr().err
    assert "PyTorch state_dict (HDF5)" in said
    assert "lava-dl" in said
    assert "expected a file of one format" in said


def test_weights_alone_ask_for_a_topology(tmp_path, capsys):
    path = torch_files.hdf5(tmp_path / "m.h5", small())
    assert run_command(["ann", str(path), "d.h5"]) == 2
    assert "name it with --topology" in capsys.readouterr().err
    assert run_command(["info", str(path)]) == 0
    out = capsys.readouterr().out
    assert "conv1" in out
    assert "--topology" in out
