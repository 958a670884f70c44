"""The commands that read trainers' files: info, ann, convert, compare."""

import json

import h5py
import numpy as np
import pytest
from support.torch_files import TOPOLOGY, hdf5, small

import evsim
from evsim.conversion.units import stored

OPTIONS = ("--topology", "small.toml")
CONVERT = "convert m.h5 -o n.h5 --topology small.toml"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Weights, their topology and labelled images, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVSIM_NO_GUARD", "1")
    (tmp_path / "small.toml").write_text(TOPOLOGY)
    random = np.random.default_rng(3)
    state = small()
    for key in ("conv1.weight", "fc.weight"):
        state[key] = np.float32(random.normal(size=state[key].shape) / 4)
    hdf5(tmp_path / "m.h5", state)
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["images"] = random.integers(0, 256, (40, 4, 4, 3), np.uint8)
        file["labels"] = random.integers(0, 10, 40)
    return tmp_path


@pytest.fixture
def command(folder, command):
    """Commands beside weights, their topology and images."""
    return command


def converted(command, *more):
    return command("convert", "m.h5", "-o", "n.h5", *OPTIONS, "--calibrate", "d.h5", *more)


def test_ann_says_what_is_right(command):
    status, out, _ = command("ann", "m.h5", "d.h5", *OPTIONS, "--json")
    found = json.loads(out)
    assert status == 0
    assert found.keys() == {"samples", "correct", "accuracy", "predictions"}
    assert found["samples"] == len(found["predictions"]) == 40
    assert found["accuracy"] == found["correct"] / 40
    some = json.loads(command("ann", "m.h5", "d.h5", *OPTIONS, "--json", "--samples", "5:9")[1])
    assert some["predictions"] == found["predictions"][5:9]
    status, out, err = command("ann", "m.h5", "d.h5", *OPTIONS)
    assert f"40 samples, accuracy {100 * found['accuracy']:.2f} %" in out
    assert "layers matched by name" in err


def test_the_scaling_becomes_part_of_the_network(command, folder):
    scaling = ("--scale", "128", "--mean", ".1,.2,.3", "--std", "1,2,3")
    assert converted(command, *scaling)[0] == 0
    network = evsim.load(folder / "n.h5")
    part = network.populations[network.input]
    assert (part.scale, part.mean.tolist(), part.std.tolist()) == (128, [0.1, 0.2, 0.3], [1, 2, 3])
    run = json.loads(command("run", "n.h5", "d.h5", "-T", "400", "--json")[1])
    ann = json.loads(command("ann", "m.h5", "d.h5", *OPTIONS, *scaling, "--json")[1])
    same = np.mean(np.array(run["predictions"]) == ann["predictions"])
    assert same > 0.9


def test_blue_first_is_red_last(command, folder):
    with h5py.File("d.h5") as file, h5py.File("reversed.h5", "w") as other:
        other["images"], other["labels"] = file["images"][()][..., ::-1], file["labels"][()]
    scaling = ("--mean", ".1,.2,.3")
    plain = command("ann", "m.h5", "d.h5", *OPTIONS, *scaling, "--json")[1]
    assert command("ann", "m.h5", "reversed.h5", *OPTIONS, *scaling, "--bgr", "--json")[1] == plain


def test_a_converted_network_says_which_layer_is_which(command, folder):
    status, out, err = converted(command, "--json", "--method", "mmse", "--per-channel")
    found = json.loads(out)
    assert (status, err) == (0, "")
    assert found["network"] == "n.h5"
    [unit] = stored("n.h5")
    assert (unit.population, unit.layer) == ("conv1", "relu")
    assert [row["population"] for row in found["units"]] == ["conv1"]
    assert unit.scale.shape == (4,)
    assert converted(command)[0] == 2  # it exists
    assert converted(command, "--overwrite", "--quiet") == (0, "", "")


@pytest.mark.parametrize("method", ["max", "percentile", "spike-norm", "mmse"])
def test_every_method_is_a_choice(method, command):
    assert converted(command, "--method", method, "--samples", ":10", "-T", "8", "--quiet")[0] == 0
    assert json.loads(command("run", "n.h5", "d.h5", "--json")[1])["timesteps"] == 8


def test_potentials_that_start_at_0_start_at_0(command, folder):
    assert converted(command, "--v-init", "0", "--quiet") == (0, "", "")
    assert evsim.load("n.h5").populations["conv1"].v_init == 0
    line = ("--scheme", "switch", "--window", "8", "--overwrite", "--quiet")
    assert converted(command, *line, "--rounding", "0") == (0, "", "")
    assert evsim.load("n.h5").populations["conv1"].rounding == 0


@pytest.mark.parametrize("option", ["--v-init", "--stagger", "--seed"])
def test_an_option_of_0_is_refused_where_another_number_is(option, command, folder):
    for number in ("0", "0.25" if option == "--v-init" else "1"):
        status, _, err = converted(command, "--scheme", "switch", "--window", "8", option, number)
        assert (status, f"{option}: found --scheme switch" in err) == (2, True)


def test_the_layer_that_loses_accuracy_is_named(command):
    with h5py.File("d.h5", "r+") as file:  # what the artificial network says is right
        found = json.loads(command("ann", "m.h5", "d.h5", *OPTIONS, "--json")[1])
        file["labels"][...] = found["predictions"]
    converted(command, "--threshold-scale", "1000", "--quiet")
    out = command("compare", "n.h5", "d.h5", "--ann", "m.h5", *OPTIONS)[1]
    assert "accuracy is lost from 'conv1' on" in out


def test_a_diagnosis_is_a_table_and_a_picture(command, folder):
    status, out, _ = converted(command, "--diagnose", "--samples", ":12")
    assert status == 0
    assert "Firing rates beside activations, on calibration images" in out
    assert "Accuracy against timesteps, on calibration images" in out
    assert "accuracy lost in all: " in out
    assert (folder / "n.png").read_bytes().startswith(b"\x89PNG")
    status, out, _ = converted(command, "--diagnose", "--picture", "p.svg", "--overwrite", "--json")
    found = json.loads(out)
    assert (folder / "p.svg").exists()
    [layer] = found["layers"]
    assert layer["population"] == "conv1"
    assert layer["correlation"] > 0.95
    assert 0 <= layer["saturated"] + layer["silent"] <= 1
    assert sum(found["agreement"].values()) == found["samples"] == 40
    assert found["on_calibration_images"] is True
    out = command("compare", "n.h5", "d.h5", "--ann", "m.h5", *OPTIONS)[1]
    assert "calibration images" not in out  # what these are is not known there


def test_rates_of_one_layer_are_the_closed_form(command, folder):
    """With constant input a layer's counts are floor(T z / threshold + 1/2), clipped."""
    assert converted(command, "--method", "max", "-T", "16", "--quiet")[0] == 0
    network, data = evsim.load("n.h5"), evsim.open_data("d.h5")
    run = evsim.run(network, data.images[:5], timesteps=16, dtype="float64", record=("spikes",))
    counts = np.zeros((5, 64))
    spikes = run.spikes["conv1"]
    np.add.at(counts, (spikes["sample"], spikes["neuron"]), 1)
    from evsim.formats import trainers

    model = trainers.read("m.h5", trainers.Options(topology="small.toml")).result()
    z = model.forward(model.scaled(data.images[:5]))
    z = model.forward(model.scaled(data.images[:5]), ["relu"])["relu"].reshape(5, -1)
    wanted = np.clip(np.floor(16 * z / stored("n.h5")[0].scale + 0.5), 0, 16)
    assert np.mean(counts == wanted) > 0.995  # float32 activations: a few lie on an edge
    assert np.abs(counts - wanted).max() <= 1


def test_what_cannot_be_converted_names_file_and_layer(command, folder):
    text = (folder / "small.toml").read_text().replace('kind = "relu"', 'kind = "stochastic"')
    (folder / "drawn.toml").write_text(text)
    line = ("convert", "m.h5", "-o", "n.h5", "--topology", "drawn.toml", "--calibrate", "d.h5")
    status, out, err = command(*line)
    assert (status, out) == (2, "")
    assert err.startswith("evsim: m.h5: layers/relu: found a layer of kind 'stochastic'")
    assert not (folder / "n.h5").exists()


def test_a_named_relu_stays_analog(command):
    line = (*CONVERT.split(), "--calibrate", "d.h5", "--analog", "relu", "--json")
    status, out, err = command(*line)
    assert (status, err) == (0, "")
    assert json.loads(out)["units"] == []
    network = evsim.load("n.h5")
    assert {name: part.kind for name, part in network.populations.items()} == {
        "input": "input",
        "conv1": "analog",
        "fc": "readout",
    }
    artificial = json.loads(command("ann", "m.h5", "d.h5", *OPTIONS, "--json")[1])
    spiking = json.loads(command("run", "n.h5", "d.h5", "-T", "1", "--json")[1])
    assert spiking["predictions"] == artificial["predictions"]


@pytest.mark.slow
def test_compare_sets_networks_and_the_ann_side_by_side(command, folder):
    converted(command, "--quiet")
    line = ("convert", "m.h5", "-o", "o.h5", *OPTIONS, "--calibrate", "d.h5", "--quiet")
    command(*line, "--reset", "zero", "-T", "16")
    line = ("compare", "n.h5", "o.h5", "d.h5", "--ann", "m.h5", *OPTIONS, "--samples", ":10")
    status, out, err = command(*line, "--json", "--picture", "c.png")
    assert err == ""
    found = json.loads(out)
    assert status == 0
    assert found["samples"] == len(found["ann"]["predictions"]) == 10
    assert [row["network"] for row in found["networks"]] == ["n.h5", "o.h5"]
    assert [row["timesteps"] for row in found["networks"]] == [64, 16]
    for name, row in zip(("n.h5", "o.h5"), found["networks"], strict=True):
        alone = json.loads(command("run", name, "d.h5", "--samples", ":10", "--json")[1])
        assert row["predictions"] == alone["predictions"]
        assert row["accuracy"] == alone["accuracy"]
        assert row["additions"] == alone["counts"]["total"]["additions"] / 10
        assert row["M3"] == alone["counts"]["total"]["memory_accesses"]["M3"] / 10
        assert sum(row["agreement"].values()) == 10
        assert [layer["population"] for layer in row["layers"]] == ["conv1"]
    assert (folder / "c.png").exists()
    assert (folder / "c-2.png").exists()
    assert (folder / "c-comparison.png").exists()
    status, out, _ = command(*line)
    assert "n" in out
    assert "both right" in out


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{c}", "--calibrate: found none, expected images"),
        ("{c} --calibrate e.h5", "/events: found events"),
        ("{c} --calibrate g.h5", "expected shape (4, 4, 3)"),
        ("{c} --calibrate z.h5", "found no samples"),
        ("{c} --calibrate d.h5 --samples 3:3", "--samples"),
        ("{c} --calibrate d.h5 --method mse", "--method: found 'mse'"),
        ("{c} --calibrate d.h5 --percentile 9", "--percentile: found 9.0"),
        ("{c} --calibrate d.h5 --scheme bursts", "--scheme"),
        ("{c} --calibrate d.h5 --window 8", "--window: found --scheme rate, expected no such"),
        ("{c} --calibrate d.h5 --scheme phase --window 1", "--window"),
        ("{c} --calibrate d.h5 --scheme ttfs -T 9", "--timesteps: found 9"),
        ("{c} --calibrate d.h5 --scheme burst --diagnose", "--diagnose: found --scheme burst"),
        ("{c} --calibrate d.h5 --reset soft", "--reset"),
        ("{c} --calibrate d.h5 --analog relo", "--analog: found 'relo', expected a ReLU layer"),
        ("{c} --calibrate d.h5 --analog relu --scheme burst", "--analog: found --scheme burst"),
        ("convert m.h5 -o n.h5 --topology smal", "--topology: found 'smal'"),
        ("ann m.h5 d.h5 --topology small.toml --mean 1,x", "--mean: found '1,x'"),
        ("ann m.h5 d.h5 --topology small.toml --mean 1,2", "mean"),
        ("ann m.h5 d.h5 --topology small.toml --scale 0", "--scale: found '0'"),
        ("ann m.h5 g.h5 --topology small.toml", "images: found samples of shape (5, 4, 3)"),
        ("ann d.h5 d.h5", "expected a trainer's file"),
        ("compare n.h5 d.h5 --prices horowitz45nm", "--prices: found 'horowitz45nm', expected"),
        ("compare n.h5 d.h5 --prices p.toml", "p.toml: cannot be read"),
        ("compare d.h5 d.h5", "d.h5: found a data file, expected a network (NETWORK"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(line, expected, command, folder):
    from support.files import events

    events("e.h5")
    with h5py.File("g.h5", "w") as file:
        file["images"] = np.zeros((2, 5, 4, 3), np.uint8)
    with h5py.File("z.h5", "w") as file:
        file["images"] = np.zeros((0, 4, 4, 3), np.uint8)
    before = sorted(path.name for path in folder.iterdir())
    status, out, err = command(*line.replace("{c}", CONVERT).split())
    assert (status, out) == (2, "")
    assert err.startswith("evsim: ")
    assert err.count("\n") == 1
    assert expected in err
    assert sorted(path.name for path in folder.iterdir()) == before
