"""Weights of Keras beside the JSON that `to_json` gives: the topology in a file of its own."""

import json

import numpy as np
import pytest
from support import keras_files as k
from support.keras_files import (
    IMAGES,
    NUMBERS,
    numbered_file,
    oldest_file,
    results,
    weights_file,
)
from support.torch_files import hdf5
from support.torch_files import small as small_torch

from evsim.base.errors import EvsimError
from evsim.formats import trainers
from evsim.formats.trainers import Options

EXPECTED = np.stack([k.outputs(NUMBERS, image) for image in IMAGES])
SAVED = {
    "keras2": (
        lambda path: weights_file(path, NUMBERS, keras_version="2.2.4", backend="tensorflow"),
        k.sequential(k.layers_2()),
    ),
    "keras2-theano": (
        lambda path: weights_file(path, k.stored(NUMBERS, flipped=True), keras_version="2.0.4"),
        k.sequential(k.layers_2()) | {"backend": "theano"},
    ),
    "keras3": (numbered_file, k.functional(k.layers_2(), "new")),
}


def written(path, content):
    """A JSON file beside the weights."""
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


@pytest.mark.parametrize("layout", SAVED)
def test_the_layers_are_those_of_the_json(tmp_path, layout):
    write, model = SAVED[layout]
    topology = written(tmp_path / "net.json", model | {"keras_version": "2.4.0"})
    read = trainers.read(write(tmp_path / "w.h5"), Options(topology=topology)).result()
    np.testing.assert_allclose(results(read), EXPECTED, rtol=1e-9)


def test_of_a_command(tmp_path, command, monkeypatch):
    import h5py

    path = weights_file(tmp_path / "w.h5", NUMBERS, keras_version="2.2.4", backend="tensorflow")
    topology = written(tmp_path / "net.json", k.sequential(k.layers_2()))
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["images"] = np.float32(IMAGES)
    words = ("ann", path, tmp_path / "d.h5", "--json", "--topology", topology)
    status, out, said = command(*words)
    assert (status, said) == (0, "")
    assert json.loads(out)["predictions"] == EXPECTED.argmax(1).tolist()
    missing = (*words[:-1], tmp_path / "gone.json")
    status, out, said = command(*missing)
    assert (status, out) == (2, "")
    assert "gone.json: cannot be read: No such file" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", r"net\.json: found broken JSON"),
        ("[1]", r"net\.json: found .*, expected a JSON object"),
        ({"class_name": "Mine", "config": {}}, "a model of class 'Mine': only Sequential"),
        ({"class_name": "Sequential", "config": {"layers": 3}}, "expected a list of layers"),
    ],
)
def test_json_that_is_no_model(tmp_path, content, words):
    path = weights_file(tmp_path / "w.h5", NUMBERS, keras_version="2.2.4")
    options = Options(topology=written(tmp_path / "net.json", content))
    with pytest.raises(EvsimError, match=words):
        trainers.read(path, options).result()


def test_weights_of_other_layers_are_said(tmp_path):
    layers = k.layers_2()
    layers[0]["config"]["name"] = "first"
    path = weights_file(tmp_path / "w.h5", NUMBERS, keras_version="2.2.4")
    options = Options(topology=written(tmp_path / "net.json", k.sequential(layers)))
    with pytest.raises(EvsimError, match="expected weights of layer 'first'"):
        trainers.read(path, options).result()


def test_json_describes_layers_of_keras_only(tmp_path):
    options = Options(topology=written(tmp_path / "net.json", k.sequential(k.layers_2())))
    for path, trainer in (
        (hdf5(tmp_path / "t.h5", small_torch()), "PyTorch"),
        (oldest_file(tmp_path / "o.h5"), "Keras 0.x"),
    ):
        expected = f"found JSON with weights of {trainer}, expected a TOML definition"
        with pytest.raises(EvsimError, match=expected):
            trainers.read(path, options)
    with pytest.raises(EvsimError, match="the file holds its own topology"):
        trainers.read(k.write_2(tmp_path / "m.h5"), options)
