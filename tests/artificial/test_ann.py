"""Artificial networks as graphs: order, batches, what is given and wanted, what goes wrong."""

import h5py
import numpy as np
import pytest
from oracles.layers import forward, layer

import evsim
from evsim.artificial.model import Model
from evsim.base.errors import EvsimError
from evsim.neurons.input import Input


def model(**scaling):
    """Two branches that are added and concatenated, then classified."""
    random = np.random.default_rng(0)

    def weight(*shape):
        return np.float32(random.integers(-4, 5, shape) / 8)

    layers = {
        "output": layer("dense", "flat", weight=weight(4 * 4 * 6, 5)),
        "flat": layer("flatten", "both", order="chw"),
        "both": layer("concatenate", "sum", "a"),
        "sum": layer("add", "a", "b"),
        "a": layer("conv", "input", weight=weight(3, 3, 2, 3), padding=(1, 1, 1, 1)),
        "b": layer("conv", "act", weight=weight(1, 1, 3, 3)),
        "act": layer("relu", "a"),
    }
    return Model(layers, Input(shape=(4, 4, 2), **scaling))


def images(count=7):
    return np.random.default_rng(1).integers(0, 9, (count, 4, 4, 2)).astype(np.uint8)


def test_a_graph_runs_sources_first():
    made = model(scale=8)
    assert made.output == "output"
    values = made.scaled(images())
    wanted = forward(made, values)
    found = made.forward(values, made.layers)
    for name in made.layers:
        assert np.array_equal(found[name], wanted[name]), name
    assert made.forward(values).keys() == {"output"}


def test_neither_batches_nor_threads_change_a_bit(monkeypatch):
    made, raw = model(mean=0.3, std=0.7), images()
    whole = made.forward(made.scaled(raw), ["output", "both"], jobs=1)
    for jobs in (2, 3, 20):
        again = made.forward(made.scaled(raw), ["output", "both"], jobs=jobs)
        assert all(np.array_equal(whole[name], again[name]) for name in whole)
    monkeypatch.setattr("evsim.artificial.model.BATCH", 4 * 4 * 4 * 6 * 2)  # two samples
    parts = list(made.activations(raw, ["output", "both"]))
    assert [part.stop - part.start for part, _ in parts] == [2, 2, 2, 1]
    for name in whole:
        assert np.array_equal(np.concatenate([found[name] for _, found in parts]), whole[name])


def test_what_is_given_is_not_computed():
    made = model()
    values = made.scaled(images())
    found = made.forward(values, ["a", "sum"])
    given = {"sum": found["sum"] * 2, "a": found["a"] * 0}
    both = made.forward(values, ["both"], given)["both"]
    assert np.array_equal(both, np.concatenate([given["sum"], given["a"]], axis=-1))
    assert np.array_equal(made.forward(values, ["a"], {"a": given["a"]})["a"], given["a"])


def test_predictions_of_arrays_and_of_files(tmp_path):
    made, raw = model(), images()
    wanted = made.forward(made.scaled(raw))["output"].argmax(axis=1)
    done = []
    assert np.array_equal(made.predictions(raw, finished=done.append), wanted)
    assert sum(done) == 7
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["images"] = raw
    with evsim.open_data(tmp_path / "d.h5") as data:
        assert np.array_equal(made.predictions(data.images), wanted)
        assert np.array_equal(made.predictions(data.images.part(slice(2, 5))), wanted[2:5])


def test_passes_of_a_stochastic_network_draw_anew():
    layers = {
        "draw": layer("stochastic", "input"),
        "output": layer("dense", "draw", weight=np.eye(4, 2, dtype=np.float32)),
    }
    made = Model(layers, Input(shape=(4,)))
    raw = np.zeros((40, 4), np.float32)  # a half each
    one = made.predictions(raw)
    assert set(one) == {0, 1}
    assert np.array_equal(one, made.predictions(raw))
    assert not np.array_equal(one, made.predictions(raw, seed=1))
    assert np.array_equal(one[10:], made.predictions(raw[10:], first_sample=10))
    values = made.scaled(raw)
    summed = sum(made.forward(values, repetition=k)["output"] for k in range(5))
    assert np.array_equal(made.predictions(raw, passes=5), summed.argmax(axis=1))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda x: x[..., :1], "images: found samples of shape (4, 4, 1), expected shape (4, 4, "),
        (lambda x: x[:0], "images: found no samples, expected at least one"),
        (lambda x: np.where(np.arange(7)[:, None, None, None] == 3, np.nan, np.float32(x)),
         "images, sample 3: found NaN or infinity"),
        (lambda x: np.float32(x) * np.float32(4e37), "layers/a, images, sample 0: found NaN"),
    ],
)  # fmt: skip
def test_images_that_cannot_be_taken(spoil, said):
    with pytest.raises(EvsimError) as error, np.errstate(all="ignore"):
        model().predictions(spoil(images()))
    assert said in str(error.value)


def test_graphs_that_are_wrong():
    with pytest.raises(EvsimError, match="did you mean 'input'"):
        Model({"a": layer("relu", "inpt")}, Input(shape=(3,)))
    with pytest.raises(EvsimError, match="a cycle"):
        Model({"a": layer("relu", "b"), "b": layer("relu", "a")}, Input(shape=(3,)))
    with pytest.raises(EvsimError, match="2 layers that no other takes, expected one"):
        Model({"a": layer("relu", "input"), "b": layer("relu", "input")}, Input(shape=(3,)))
    with pytest.raises(EvsimError, match="did you mean 'output'"):
        model().forward(model().scaled(images()), ["outptu"])
    with pytest.raises(EvsimError, match="layers/a: found an input of shape"):
        Model({"a": layer("conv", "input", weight=np.zeros((1, 1, 2, 2), "f4"))}, Input(shape=(3,)))


@pytest.mark.parametrize(
    ("kind", "fields", "weight"),
    [
        ("relu", {}, -3e38),
        ("relu", {"ceiling": np.float32(1)}, 3e38),
        ("pool", {"operation": "max", "kernel": (1, 1)}, -3e38),
        ("stochastic", {}, 3e38),
    ],
)
def test_what_is_not_finite_is_found_where_it_arises(kind, fields, weight):
    """Also where the layers behind it make it finite again."""
    layers = {
        "a": layer("conv", "input", weight=np.full((1, 1, 1, 1), weight, np.float32)),
        "b": layer(kind, "a", **fields),
    }
    raw = np.ones((5, 1, 1, 1), np.float32)
    raw[3] = 9
    made = Model(layers, Input(shape=(1, 1, 1)))
    for jobs in (1, 2):
        with pytest.raises(EvsimError, match="layers/a, images, sample 13: found NaN or infinity"):
            made.predictions(raw, first_sample=10, jobs=jobs)


def test_layers_keep_their_order():
    named = {name: layer("relu", source) for name, source in zip("dcba", ("input", *"dcb"))}  # noqa: B905
    made = Model(named, Input(shape=(3,)))
    assert list(made.layers) == list("dcba")
    backwards = Model(dict(reversed(named.items())), Input(shape=(3,)))
    assert list(backwards.layers) == list("dcba")
    branches = {
        "first": layer("relu", "input"),
        "deep": layer("relu", "first"),
        "short": layer("relu", "input"),
        "sum": layer("add", "deep", "short"),
    }
    assert list(Model(branches, Input(shape=(3,))).layers) == list(branches)


def test_names_and_sizes_that_no_model_can_have():
    with pytest.raises(EvsimError, match="layers/input: found a layer of the image's name"):
        Model({"input": layer("relu", "input")}, Input(shape=(3,)))
    huge = {"p": layer("pad", "input", padding=(60_000, 0, 60_000, 0))}
    with pytest.raises(EvsimError, match="layers/p: found a result of shape"):
        Model(huge, Input(shape=(3, 3, 1)))
    values = np.zeros((7, 4, 4, 2), np.float32)
    with pytest.raises(EvsimError, match="layers/a: found values of shape"):
        model().forward(values, given={"a": values})
