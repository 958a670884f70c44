"""Keras files that cannot be read: one line says what and where."""

import copy
import json
import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import keras_files as k
from support.effort import examples
from support.keras_files import (
    CONV,
    EYE,
    JUNK,
    KERNELS,
    NUMBERS,
    branches,
    normal,
    places,
    small,
    write_2,
)

from evsim.base.errors import EvsimError
from evsim.formats import trainers
from evsim.formats.trainers import keras


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (k.layer("Lambda", "bad", function=["cGlja2xl", None, None]), "Lambda .* refused"),
        (k.layer("LSTM", "bad", units=3), "LSTM.* is not supported"),
        (k.layer("Conv1D", "bad"), "Conv2D with a height of 1"),
        (k.layer("PReLU", "bad"), "ReLU works"),
        (k.layer("LeakyReLU", "bad", alpha=0.1), "negative slope"),
        (k.layer("ReLU", "bad", threshold=0.5), "threshold"),
        (k.layer("Multiply", "bad"), "Add, Average and Concatenate work"),
        (k.layer("Activation", "bad", activation="tanh"), "'tanh' .* relu"),
        (k.layer("Conv2D", "bad", activation="sigmoid", **CONV), "'sigmoid' .* relu"),
        (k.layer("Reshape", "bad", target_shape=[2, 8, 2]), "Reshape"),
        (k.layer("BatchNormalization", "bad", axis=1), "axis 1"),
        (k.layer("BatchNormalization", "bad", mode=1), "mode 0"),
        (k.layer("Merge", "bad", mode="mul"), "'mul'"),
        (k.layer("Conv2DD", "bad"), "did you mean 'Conv2D'"),
        (k.layer("QuantizeWrapperV2", "bad"), "QuantizeWrapperV2"),
    ],
)
def test_unsupported_layers_are_named(tmp_path, entry, words):
    tail = k.layer("Lambda", "later")
    layers = [k.layer("Conv2D", "c", **CONV), entry, k.layer("Flatten", "f"), tail]
    weights = {**EYE, "bad": EYE["c"] if entry["class_name"] == "Conv2D" else {}}
    reading = trainers.read(small(layers, weights, tmp_path / "f"))
    assert [place for place, _ in reading.unsupported] == ["layers/bad", "layers/later"]
    with pytest.raises(EvsimError, match=words) as error:
        reading.result()
    assert error.value.place == "layers/bad"
    assert [row["layer"] for row in reading.layers] == ["c", "bad", "f", "later"]


def test_a_sigmoid_at_the_end_leaves_the_decision(tmp_path):
    for units in (1, 3):
        weights = {"d": {"kernel": normal(32, units), "bias": normal(units)}}
        layers = [k.layer("Flatten", "f"), k.layer("Dense", "d", units=units, activation="sigmoid")]
        reading = trainers.read(small(layers, weights, tmp_path / "f"))
        assert bool(reading.unsupported) == (units == 1)
        assert bool(reading.notes) == (units == 3)


def test_shapes_of_the_whole_model_that_cannot_be_read(tmp_path):
    twice = branches("old")
    twice["config"]["layers"][2]["inbound_nodes"] *= 2
    outputs = branches("old")
    outputs["config"]["output_layers"].append(["a", 0, 0])
    unknown = branches("old")
    unknown["config"]["layers"][0]["config"]["batch_input_shape"] = [None, None, None, 2]
    subclassed = {"class_name": "MyModel", "config": {}}
    for model, words in [
        (twice, "called 2 times"),
        (outputs, "2 outputs"),
        (unknown, "fixed shape"),
        (subclassed, "MyModel"),
    ]:
        path = k.legacy(tmp_path / "f", model, {**KERNELS, "join": {}})
        with pytest.raises(EvsimError, match=words):
            trainers.read(path).result()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (k.layer("Cropping2D", "bad", cropping=[[2, 2], [0, 0]]), "margins: found 0 x 4 positions"),
        (
            k.layer("Cropping2D", "bad", cropping=-1),
            "cropping: found -1, expected rows and columns",
        ),
        (k.layer("Permute", "bad", dims=[1, 1, 2]), "dims: found .*, expected the axes 1 to 3"),
        (k.layer("Permute", "bad", dims=[2, 1]), "dims: found .*, expected the axes 1 to 3"),
    ],
)
def test_settings_that_do_not_fit(tmp_path, entry, words):
    with pytest.raises(EvsimError, match=words):
        trainers.read(small([k.layer("Conv2D", "c", **CONV), entry], EYE, tmp_path / "f")).result()


def damaged(change):
    numbers = copy.deepcopy(NUMBERS)
    change(numbers)
    return numbers


def nan(numbers):
    numbers["conv_b"]["kernel"][1, 2, 3, 4] = np.nan


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (nan, r"conv_b/conv_b/kernel:0: found nan at index \[1, 2, 3, 4\]"),
        (
            lambda n: n["dense_b"].pop("bias"),
            "layers/dense_b: found 1 arrays .*kernel.*, expected 2",
        ),
        (lambda n: n.pop("dense_b"), "weights of layer 'dense_b' .did you mean 'dense_a'"),
        (lambda n: n.update(more={"kernel": np.ones(2)}), "more/kernel.*configuration"),
        (
            lambda n: n["conv_a"].update(kernel=np.ones((3, 3, 4, 3), np.float32)),
            r"conv_a/kernel:0: found shape \(3, 3, 4, 3\), expected \(3, 3, 3, 4\) for the kernel",
        ),
        (
            lambda n: n["dense_a"].update(bias=np.ones(6, int)),
            "dense_a/bias:0: found dtype int64, expected floating-point",
        ),
    ],
)
def test_weights_that_do_not_fit(tmp_path, change, words):
    model = k.sequential(k.layers_2())
    path = k.legacy(tmp_path / "f", model, damaged(change), version="2.2.4", backend="tensorflow")
    with pytest.raises(EvsimError, match=words):
        trainers.read(path)


def test_arrays_of_the_right_shape_are_proposed(tmp_path):
    numbers = damaged(lambda n: n.update(dense_a=n["dense_b"], dense_b=n["dense_a"]))
    path = k.legacy(tmp_path / "f", k.sequential(k.layers_2()), numbers, version="2.2.4")
    expected = r"expected \(10, 6\) for the kernel of Dense \(of that shape: .*/dense_b/kernel:0\)"
    with pytest.raises(EvsimError, match=expected):
        trainers.read(path)


def test_names_that_lead_nowhere(tmp_path):
    path = write_2(tmp_path / "f")
    with h5py.File(path, "a") as file:
        file["model_weights/conv_a"].attrs["weight_names"] = k.text(
            ["conv_a/kernel", "conv_a/bias:0"]
        )
    with pytest.raises(EvsimError, match=r"conv_a/kernel: .*did you mean 'kernel:0'"):
        trainers.read(path)
    with h5py.File(path, "a") as file:
        file["model_weights"].attrs["layer_names"] = k.text(["conv_c"])
    with pytest.raises(EvsimError, match=r"conv_c: .*did you mean"):
        trainers.read(path)


def test_links_out_of_the_file_are_refused(tmp_path):
    path = write_2(tmp_path / "f")
    with h5py.File(path, "a") as file:
        del file["model_weights/conv_a/conv_a/kernel:0"]
        file["model_weights/conv_a/conv_a/kernel:0"] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(EvsimError, match="link"):
        trainers.read(path)


def test_archives_that_are_refused(tmp_path):
    path, model = tmp_path / "f.keras", k.functional(k.layers_2(), "new")
    weights = k.memory(lambda file: k.numbered(file, NUMBERS, k.KINDS))

    def refused(words):
        with pytest.raises(EvsimError, match=words) as error:
            trainers.read(path)
        assert "\n" not in str(error.value)
        assert str(path) in str(error.value)

    k.archive(path, model, bytes(1 << 25), zipfile.ZIP_DEFLATED)
    refused("damaged")  # all zeros: no HDF5 file, and not larger than zip can pack
    k.archive(path, " " * (1 << 27), weights, zipfile.ZIP_DEFLATED)
    refused("config.json: found 134217728 bytes declared")
    k.archive(path, model, weights, **{"../evil": "x"})
    refused("'../evil'")
    k.archive(path, model, weights[:5000])
    refused("model.weights.h5: .*damaged")
    k.archive(path, '{"class_name": ' * 3000, weights)
    refused("config.json: found (broken JSON|JSON nested)")
    k.archive(path, "[" * 100_000, weights)
    refused("nested too deeply")
    k.archive(path, model, weights)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused("damaged zip archive")
    spoilt = bytearray(whole)
    spoilt[len(whole) // 3] ^= 255
    path.write_bytes(spoilt)
    refused("damaged zip archive")
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("config.json", json.dumps(model))
        zipped.writestr("model.weights.npz", "x")
    refused("model.weights.npz: .*HDF5")


def test_what_keras_has_not_written_is_not_claimed(tmp_path):
    torch = tmp_path / "nested.h5"
    with h5py.File(torch, "w") as file:
        file["layers/0/weight"] = np.ones((2, 2))
        file["layers/1/weight"] = np.ones((2, 2))
    archive = tmp_path / "model.pt"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("archive/data.pkl", b"\x80")
    outside = tmp_path / "links.h5"
    with h5py.File(outside, "w") as file:
        file["layers"] = h5py.ExternalLink(str(torch), "/layers")
    for path in (torch, archive, outside):
        with trainers.Source.opened(path) as source:
            assert keras.claims(source) is None


def test_models_that_keras_1_merged_are_not_taken_for_one(tmp_path):
    merge = k.layer("Merge", "m", mode="sum", layers=[{"class_name": "Sequential", "config": []}])
    path = small([merge, k.layer("Conv2D", "c", **CONV)], EYE, tmp_path / "f")
    with pytest.raises(EvsimError, match="layers/m"):
        trainers.read(path).result()


@examples(100)
@given(st.data())
def test_any_configuration_is_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzzed.h5"
    style = data.draw(st.sampled_from(["sequential", "old", "new", "keras1"]))
    if style == "keras1":
        model = k.sequential(k.layers_1("th"), 1)
    else:
        model = (
            k.sequential(k.layers_2())
            if style == "sequential"
            else k.functional(k.layers_2(), style)
        )
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.sampled_from(list(places(model))[1:]))
        inner = model
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = data.draw(JUNK)
    k.legacy(path, model, NUMBERS, version="2.2.4")
    reason = ""
    try:
        trainers.read(path).result()
    except EvsimError as error:
        reason = str(error)
    assert "damaged" not in reason  # what a bug in the reader would be reported as
