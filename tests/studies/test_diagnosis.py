"""What a diagnosis says of a network with one layer that a wrong threshold destroys."""

import dataclasses
import json

import h5py
import numpy as np
import pytest
from support.places import ROOT

import evsim
from evsim.base.screen import Output
from evsim.reports import diagnosis as report
from evsim.studies.converted import diagnosed, held_back

TRAINED, TRAIN = ROOT / "networks" / "trained-digits.h5", ROOT / "data" / "digits_train.h5"
CONVERT = ["convert", TRAINED, "-o", "n.h5", "--topology", "digits", "--calibrate", TRAIN]
CONVERT += ["-T", "16", "--diagnose", "--picture", "p.svg", "--overwrite"]


@pytest.fixture(scope="module")
def converted():
    """A model, its network at T = 32, calibrated on 300 images."""
    model = evsim.read(TRAINED, topology="digits")
    return model, evsim.convert(model, TRAIN, samples=":300", timesteps=32)


def damaged(network, factor):
    """The network with the thresholds of its second layer multiplied."""
    part = network.populations["conv2"]
    other = dataclasses.replace(part, threshold=part.threshold * np.float32(factor))
    ends = {"input": network.input, "output": network.output, "timesteps": 32}
    return evsim.Network({**network.populations, "conv2": other}, network.synapses, **ends)


def diagnosis(model, network, units, calibrated_with):
    """The diagnosis on at most 60 images."""
    with evsim.open_data(TRAIN) as data:
        if calibrated_with.stop == 300:
            data.images, data.labels = data.images.part(slice(0, 360)), data.labels[:360]
        return diagnosed(model, network, units, data, calibrated_with, jobs=1, quiet=True)


def test_a_layer_with_a_wrong_threshold_is_named(converted, capsys):
    model, network = converted
    found = diagnosis(model, damaged(network, 0.6), network.units, slice(0, 300))
    assert found.first_loss() is None  # nothing is lost by more than chance, and yet:
    told = found.as_dict()
    rows = {row["population"]: row["error"] for row in told["layers"]}
    assert rows["conv2"] > 0.5
    jump = {"population": "conv2", "from": rows["conv1"], "to": rows["conv2"]}
    assert told["error_jump"] == jump
    report.show(Output(), found)
    out = " ".join(capsys.readouterr().out.split())
    percents = f"from {100 * rows['conv1']:.1f} % to {100 * rows['conv2']:.1f} %"
    assert f"the error of activations grows most at 'conv2': {percents}" in out
    assert "nowhere" not in out


def test_what_is_lost_in_all_is_told_with_its_error(converted, capsys):
    model, network = converted
    found = diagnosis(model, damaged(network, 0.05), network.units, slice(0, 300))
    ann, spiking = found.right
    lost, gained = int((ann & ~spiking).sum()), int((~ann & spiking).sum())
    assert lost > 5
    told = found.as_dict()["accuracy_lost"]
    assert told["fraction"] == pytest.approx((lost - gained) / 60)
    differences = ann.astype(float) - spiking  # of each sample: 1 lost, -1 gained, 0 neither
    assert told["error"] == pytest.approx(differences.std() / np.sqrt(60))
    assert told["more_than_chance"]
    report.show(Output(), found)
    out = " ".join(capsys.readouterr().out.split())
    points = f"{100 * told['fraction']:.2f} +- {100 * told['error']:.2f} points"
    assert f"accuracy lost in all: {points}" in out
    assert "accuracy is lost from 'conv2' on" in out
    sound = diagnosis(model, network, network.units, slice(0, 300))
    assert not sound.as_dict()["accuracy_lost"]["more_than_chance"]
    report.show(Output(), sound)
    assert "points, no more than chance: " in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("samples", "calibrated_with", "expected"),
    [
        (2000, (0, 600), (600, 1200)),
        (700, (0, 600), (600, 700)),
        (700, (100, 700), (0, 100)),
        (2000, (1200, 2000), (600, 1200)),
        (2000, (100, 500), (500, 1100)),
        (629, (0, 600), None),  # 29 others say nothing
        (630, (0, 600), (600, 630)),
        (40, (0, 40), None),
    ],
)
def test_images_are_held_back(samples, calibrated_with, expected):
    found = held_back(samples, slice(*calibrated_with))
    assert found == (None if expected is None else slice(*expected))


@pytest.mark.slow
def test_the_images_are_named(inside, command):
    status, out, _ = command(*CONVERT, "--samples", "1000:")
    with h5py.File(TRAIN) as file:
        last = len(file["images"]) - 1
    assert status == 0
    text = " ".join(out.split())
    assert "Firing rates beside activations, on held-back images" in text
    assert f"images: samples 400 to 999 of {TRAIN}, none of which calibrated" in text
    told = json.loads(command(*CONVERT, "--samples", "1000:", "--json")[1])
    about = {"path": str(TRAIN), "first_sample": 400, "samples": 600, "calibrated": False}
    assert told["images"] == about
    assert told["samples"] == 600
    assert "on_calibration_images" not in told
    out = " ".join(command(*CONVERT, "--samples", ":")[1].split())
    assert f"images: samples 0 to {last} of {TRAIN}, all of which calibrated" in out
