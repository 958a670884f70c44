"""What --probe says of a network whose images were prepared otherwise in its training."""

import json

import h5py
import numpy as np
import pytest
from support import keras_files
from support.files import events
from support.places import ROOT
from support.torch_files import TOPOLOGY, hdf5

import evsim
from evsim.base.errors import EvsimError

DIGITS = ["ann", ROOT / "networks" / "trained-digits.h5", ROOT / "data" / "digits_test.h5"]
DIGITS += ["--topology", "digits"]
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
BLUE_FIRST = {name: values[::-1] for name, values in IMAGENET.items()}
TRAINED = {  # how the images were prepared
    "as they are": {"scale": 1.0},
    "from -1 to 1": {"scale": 127.5, "mean": 1.0},
    "blue first, ImageNet": {"bgr": True, **BLUE_FIRST},
    "Theano": {"flip_kernels": True},
    "Theano, blue first, Caffe": {
        "bgr": True,
        "flip_kernels": True,
        "scale": 1.0,
        "mean": [103.939, 116.779, 123.68],
    },
}


@pytest.fixture
def model(inside):
    """A Keras file that does not say which backend wrote it, and images."""
    layers, numbers = keras_files.layers_2(), keras_files.arrays(seed=38)  # all classes are decided
    keras_files.legacy("m.h5", keras_files.sequential(layers), numbers)
    shown = np.random.default_rng(3).integers(0, 256, (150, *keras_files.SHAPE), np.uint8)
    labelled("i.h5", shown, None)
    return shown


def labelled(path, images, labels):
    """A data file."""
    with h5py.File(path, "w") as file:
        file["images"] = images
        if labels is not None:
            file["labels"] = np.asarray(labels)


def plain(value):
    """Options with lists for tuples."""
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("trained", TRAINED.values(), ids=TRAINED)
def test_what_was_done_in_training_is_found(trained, model):
    right = evsim.ann("m.h5", "i.h5", **trained).predictions
    assert len(set(right)) > 1
    found = evsim.ann("m.h5", model, labels=right, probe=True)
    assert plain(found.probe["best"]["options"]) == plain(trained)
    assert found.probe["best"]["accuracy"] == 1
    assert not found.probe["guesses"]


def test_every_row_is_what_ann_says_with_its_options(model):
    right = evsim.ann("m.h5", "i.h5", **IMAGENET).predictions
    probed = evsim.ann("m.h5", model, labels=right, probe=True, bgr=True)
    given = evsim.ann("m.h5", model, labels=right, bgr=True)
    assert (probed.predictions, probed.accuracy) == (given.predictions, given.accuracy)
    trials = [trial for trial in probed.probe["trials"] if trial["remedy"] is None]
    assert len(trials) > 30
    few = slice(0, 100)  # 150 samples: the stride is 1
    for trial in [*trials[:9], *trials[9::4]]:
        samples = None if trial["samples"] == 150 else few
        labels = None if samples is None else right
        told = evsim.ann("m.h5", model, labels=labels or right, samples=samples, **trial["options"])
        assert (told.samples, told.correct) == (trial["samples"], trial["correct"]), trial
    accuracies = [t["accuracy"] for t in probed.probe["trials"] if t["samples"] == 150]
    assert accuracies == sorted(accuracies, reverse=True)
    assert [t["given"] for t in probed.probe["trials"]].count(True) == 1


def test_what_is_as_good_is_named(model):
    few = model[:30]
    right = evsim.ann("m.h5", few, **IMAGENET).predictions
    probe = evsim.ann("m.h5", few, labels=right, probe=True).probe
    rows = {trial["name"]: trial for trial in probe["trials"][:20]}  # all on all of the images
    for name, trial in rows.items():
        others = evsim.ann("m.h5", few, **trial["options"]).predictions
        lost = sum(other != mine for other, mine in zip(others, right, strict=True))
        if name != probe["best"]["name"] and trial["remedy"] is None:  # the best is always right
            assert (name in probe["alike"]) == (lost <= 2 * np.sqrt(lost)), name
    assert probe["alike"]


def test_images_of_floats_take_the_divisor_in_mean_and_deviation(model):
    right = evsim.ann("m.h5", model, scale=255, **IMAGENET).predictions
    found = evsim.ann("m.h5", np.float32(model), labels=right, probe=True)
    best = found.probe["best"]
    assert "scale" not in best["options"]
    assert best["accuracy"] > 0.95  # rounded otherwise
    told = evsim.ann("m.h5", np.float32(model), labels=right, **best["options"])
    assert told.accuracy == best["accuracy"]


def pytorch(large=1.0):
    """A PyTorch file of a convolution, whose values are `large`, and a dense layer behind it."""
    random = np.random.default_rng(1)
    state = {"conv1.weight": random.normal(size=(4, 3, 3, 3)), "conv1.bias": random.normal(size=4)}
    state |= {"fc.weight": random.normal(size=(10, 64)), "fc.bias": random.normal(size=10)}
    factors = {"conv1.weight": large, "conv1.bias": large, "fc.weight": 1 / large}
    hdf5("m.h5", {name: np.float32(v * factors.get(name, 1)) for name, v in state.items()})
    return random.integers(0, 256, (120, 4, 4, 3), np.uint8)


def test_what_no_option_changes_has_a_remedy(inside):
    shown = pytorch()
    lines = [line for line in TOPOLOGY.splitlines() if "bn1" not in line]
    for name, order in (("chw", ""), ("hwc", ', order = "hwc"')):
        text = "\n".join(lines).replace('kind = "flatten"', f'kind = "flatten"{order}')
        (inside / f"{name}.toml").write_text(text)
    right = evsim.ann("m.h5", shown, topology="hwc.toml").predictions
    best = evsim.ann("m.h5", shown, labels=right, topology="chw.toml", probe=True).probe["best"]
    assert (best["accuracy"], best["options"]) == (1, {})
    assert 'order = "hwc"' in best["remedy"]
    lying = np.ascontiguousarray(shown.swapaxes(1, 2))
    best = evsim.ann("m.h5", lying, labels=right, topology="hwc.toml", probe=True).probe["best"]
    assert (best["accuracy"], best["name"]) == (1, "rows and columns exchanged")


def test_a_scaling_that_overflows_is_wrong_and_no_more(inside):
    shown = pytorch(large=1e36)
    (inside / "t.toml").write_text("\n".join(x for x in TOPOLOGY.splitlines() if "bn1" not in x))
    right = evsim.ann("m.h5", shown, topology="t.toml").predictions
    found = evsim.ann("m.h5", shown, labels=right, topology="t.toml", probe=True, mean=0.5)
    assert found.probe["best"]["accuracy"] == 1
    assert min(trial["correct"] for trial in found.probe["trials"]) == 0
    with pytest.raises(EvsimError, match="expected finite values"):
        evsim.ann("m.h5", shown, labels=right, topology="t.toml", probe=True, scale=1)


def test_the_command_to_use_is_printed(command):
    status, out, err = command(*DIGITS, "--mean", "2.5", "--probe")
    assert status == 0
    assert "guessing" not in err
    assert "better than as given by more than chance: 0 to 1, as they are" in out
    *_, line = out.splitlines()
    assert line.startswith("evsim ann ")
    assert line.endswith("digits_test.h5 --topology digits")
    status, out, _ = command(*line.split()[1:], "--json")
    assert (status, json.loads(out)["accuracy"] > 0.99) == (0, True)
    out = command(*DIGITS, "--probe")[1]
    assert out.splitlines()[-1] == "nothing tried is better by more than chance"
    assert "--probe tries them" in command(*DIGITS, "--mean", "2.5")[2]


def test_the_record_has_what_the_command_prints(command):
    told = json.loads(command(*DIGITS, "--probe", "--samples", "20:60", "--json")[1])
    found = evsim.ann(DIGITS[1], DIGITS[2], topology="digits", samples="20:60", probe=True)
    assert plain(found) == told
    plainly = evsim.ann(DIGITS[1], DIGITS[2], topology="digits", samples="20:60")
    assert plainly.predictions == told["predictions"]
    assert told["samples"] == 40
    assert "0 to 255" in repr(found)


def test_labels_that_nothing_explains(model):
    found = evsim.ann("m.h5", model, labels=np.arange(150) % 3, probe=True)
    assert found.probe["guesses"] == (found.probe["trials"][0]["correct"] <= 61)


def test_mistakes_are_told_in_a_line(model, command):
    told = command("ann", "m.h5", "i.h5", "--probe")
    assert told == (
        2,
        "",
        "evsim: i.h5: /labels: found no labels, expected labels, to try against\n",
    )
    events("e.h5")
    told = command("ann", "m.h5", "e.h5", "--probe")
    assert told == (2, "", "evsim: e.h5: /events: found events, expected images\n")
    read = evsim.read("m.h5")
    with pytest.raises(EvsimError, match="probe: found a model that is read already, expected the"):
        evsim.ann(read, model, labels=np.zeros(150, int), probe=True)
    labelled("small.h5", model[:, :5], np.zeros(150, int))
    status, out, err = command("ann", "m.h5", "small.h5", "--probe")
    assert (status, out) == (2, "")
    assert "small.h5: images: found samples of shape (5, 6, 3), expected" in err
