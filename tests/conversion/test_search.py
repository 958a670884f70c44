"""The search: its regressions and kernels against plain ones, what it promises against a run."""

import contextlib
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.layers import layer
from support.effort import examples

import evsim
from evsim.artificial.maps import Matrix, Taps
from evsim.artificial.model import INPUT, Model
from evsim.base.errors import EvsimError
from evsim.conversion import convert, convert_by_search
from evsim.conversion._artificial import largest_of_windows, values_of_nodes
from evsim.conversion._fit import count_spikes, fit, restored, starts_of
from evsim.conversion._fold import fold
from evsim.conversion._graph import Node
from evsim.conversion._least_squares import _rows, refitted, ridge_regression, some_of
from evsim.conversion._search import Search
from evsim.conversion._walk import Choices
from evsim.conversion._work import Work
from evsim.engine.simulation import Stopped
from evsim.neurons.input import Input
from evsim.store import stages
from evsim.store.stages import Stages


def network_with_a_pool(seed=0, average=False):
    """Two convolutions with a pool between them, a join and a dense layer."""
    random = np.random.default_rng(seed)

    def weight(*shape):
        return np.float32(random.normal(size=shape) / np.sqrt(np.prod(shape[:-1]) / 2))

    same = {"padding": (1, 1, 1, 1)}
    layers = {
        "c0": layer("conv", INPUT, weight=weight(3, 3, 2, 6), bias=weight(6) / 4, **same),
        "r0": layer("relu", "c0"),
        "p": layer(
            "pool", "r0", kernel=(2, 2), stride=(2, 2), operation="average" if average else "max"
        ),
        "c1": layer("conv", "p", weight=weight(3, 3, 6, 6), **same),
        "r1": layer("relu", "c1"),
        "c2": layer("conv", "r1", weight=weight(3, 3, 6, 6), bias=weight(6) / 4, **same),
        "sum": layer("add", "c2", "p"),
        "r2": layer("relu", "sum"),
        "flat": layer("flatten", "r2"),
        "out": layer("dense", "flat", weight=weight(96, 4)),
    }
    model = Model(layers, Input(shape=(8, 8, 2), scale=1))
    return model, np.float32(random.random((48, 8, 8, 2)))


def searched(seed=0, jobs=2, average=False, labels=None):
    """A search on the small network."""
    model, images = network_with_a_pool(seed, average)
    choices = Choices("subtract", 0.5, "constant", 8, 0, 0, {})
    return Search(fold(model, "prepool"), model, images, labels, choices, Work.of(jobs))


@examples(100)
@given(seed=st.integers(0, 2**32 - 1))
def test_spikes_are_counted_as_a_plain_loop_does(seed):
    random = np.random.default_rng(seed)
    timesteps, positions, channels = random.integers(1, 8, 3)
    currents = np.float32(random.integers(-8, 9, (timesteps, positions, channels)) / 8)
    bias = np.float32(random.integers(-4, 5, (positions, channels)) / 8)
    threshold = np.float32(random.integers(1, 9, channels) / 4)
    first, start = np.float32(random.integers(-4, 5, channels) / 8), int(random.integers(0, 4))
    spikes = np.zeros(channels, np.int64)
    count_spikes(currents, bias, threshold, first, start, np.empty_like(first), spikes)
    expected, v = np.zeros(channels, np.int64), np.tile(np.float64(first), (positions, 1))
    for t, current in enumerate(currents):
        v = v + current + bias
        fired = (v >= threshold) & (t >= start)
        v -= fired * threshold
        expected += fired.sum(axis=0)
    np.testing.assert_array_equal(spikes, expected)


@pytest.mark.parametrize("rows", [5, 40])  # less than there are columns, or more
def test_a_ridge_regression_is_least_squares_with_a_penalty(rows):
    random = np.random.default_rng(1)
    x, y, ridge = random.normal(size=(rows, 12)), random.normal(size=(rows, 3)), 0.3
    change, offset = ridge_regression(x, y, ridge)
    centred = x - x.mean(axis=0)
    penalty = np.sqrt(ridge * (centred**2).sum() / 12)
    stacked = np.concatenate([centred, penalty * np.eye(12)])
    target = np.concatenate([y - y.mean(axis=0), np.zeros((12, 3))])
    expected = np.linalg.lstsq(stacked, target, rcond=None)[0]
    np.testing.assert_allclose(change, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(offset, y.mean(axis=0) - x.mean(axis=0) @ expected, atol=1e-12)


MAPS = {
    "plain": Taps(before=(7, 6, 3), after=(5, 4, 4), weight=np.ones((3, 3, 3, 4))),
    "strided": Taps(
        before=(7, 6, 3),
        after=(4, 3, 4),
        weight=np.ones((3, 2, 3, 4)),
        stride=(2, 2),
        padding=(1, 1, 0, 1),
    ),
    "dilated": Taps(
        before=(7, 6, 3), after=(3, 2, 4), weight=np.ones((3, 3, 3, 4)), dilation=(2, 2)
    ),
    "pooled": Taps(
        before=(9, 8, 3),
        after=(4, 4, 4),
        weight=np.ones((3, 3, 3, 4)),
        prepool=(2, 2),
        padding=(1, 1, 1, 1),
    ),
    "matrix": Matrix(before=(4, 4, 2), after=(5,), weight=np.ones((32, 5))),
    "pooled matrix": Matrix(before=(4, 4, 2), after=(5,), weight=np.ones((8, 5)), prepool=(2, 2)),
}


@pytest.mark.parametrize("name", MAPS)
def test_rows_times_weights_are_the_map(name):
    random = np.random.default_rng(2)
    map = replace(MAPS[name], weight=random.normal(size=MAPS[name].weight.shape))
    x = random.normal(size=(3, *map.before))
    expected = map.apply(x).reshape(-1, map.after[-1])
    chosen = some_of(len(expected), 9)
    found = _rows(map, x, chosen) @ map.weight.reshape(-1, map.after[-1])
    np.testing.assert_allclose(found, expected[chosen], atol=1e-12)


def test_weights_make_up_for_what_arrives():
    random = np.random.default_rng(3)
    weight = random.normal(size=(3, 3, 2, 4))
    map = Taps(before=(6, 6, 2), after=(4, 4, 4), weight=weight)
    node = Node(name="n", kind="neurons", shape=(4, 4, 4), terms=(("a", map),))
    due = random.normal(size=(40, 6, 6, 2))
    same = refitted(node, {"a": due}, {"a": due}, 0.1)
    np.testing.assert_allclose(same.terms[0][1].weight, weight, atol=1e-12)
    assert np.abs(same.offset).max() < 1e-12
    double = refitted(node, {"a": due}, {"a": due / 2 - 1}, 1e-9)  # half arrives, less one
    np.testing.assert_allclose(double.terms[0][1].weight, 2 * weight, rtol=1e-6)
    np.testing.assert_allclose(double.offset, 2 * weight.sum(axis=(0, 1, 2)), rtol=1e-6)


def test_places_are_all_over_and_each_once():
    for places, most in ((10, 20), (1024, 100), (16384 * 3, 4096)):
        some = some_of(places, most)
        assert len(some) == min(places, most)
        assert len(np.unique(some % 32)) == min(32, len(some))  # a stride would see one column


@pytest.mark.parametrize("average", [False, True])
def test_what_nodes_stand_for_is_what_layers_give(average):
    model, images = network_with_a_pool(average=average)
    graph = fold(model, "prepool")
    values = values_of_nodes(graph, model, images[:5], Work.of(1))
    layers = {node.name: node.layer for node in graph.nodes.values() if node.layer}
    results = model.forward(images[:5], [*layers.values(), "out"])
    for name, layer_name in layers.items():
        expected = results[layer_name].reshape(values[name].shape)
        np.testing.assert_allclose(values[name], expected, atol=1e-5)
    np.testing.assert_allclose(values[graph.output.name], results["out"], atol=1e-5)
    assert average or "maxpool" in {node.kind for node in graph.nodes.values()}


def test_the_largest_of_windows_is_that_of_the_layer():
    x = np.float32(np.random.default_rng(4).random((3, 7, 8, 2)))
    pool = {"kernel": (3, 2), "stride": (2, 3), "padding": (1, 0, 1, 1)}
    expected = layer("pool", INPUT, operation="max", **pool).forward(x)
    map = type("Pool", (), {**pool, "after": expected.shape[1:]})
    np.testing.assert_array_equal(largest_of_windows(map, x), expected)


def test_later_layers_begin_later():
    graph = fold(network_with_a_pool()[0], "prepool")
    depths = graph.depths()
    last = depths[graph.output.name]
    assert last == 4
    for alpha in (0, 0.5, 0.75):
        for name, start in starts_of(graph, alpha, 10).items():
            assert start == int(alpha * 10 * max(depths[name] - 1, 0) / (last - 1))


def test_a_trial_is_what_a_run_of_its_network_does():
    search = searched()
    trial, fitted = search.best(8)
    network = search.network(fitted, 8)
    run = evsim.run(network, search.others, timesteps=8)
    np.testing.assert_array_equal(run.predictions, trial.decisions)
    for fact in ("spikes", "synops", "macs"):
        total = sum(facts[fact].sum() for facts in run.work.values() if fact in facts)
        assert total / len(search.others) == getattr(trial, fact)
    assert min(t.error for t in search.tried.values()) == trial.error
    assert not set(search.fitted_to) & set(search.held_back)


def test_fitting_brings_outputs_nearer():
    errors = np.zeros(2)
    for seed in range(3):
        search, (model, images) = searched(seed), network_with_a_pool(seed)
        found = convert_by_search(model, images, timesteps=8), convert(model, images, timesteps=8)
        outputs = [evsim.run(f.network, search.others, timesteps=8).potential / 8 for f in found]
        errors += [((o - search.outputs) ** 2).sum() for o in outputs]
    assert errors[0] < errors[1]


def test_any_number_of_threads_gives_the_same_bits():
    model, images = network_with_a_pool()
    one, two = (convert_by_search(model, images, timesteps=6, jobs=jobs).network for jobs in (1, 2))
    assert equal(one, two)


def equal(one, other) -> bool:
    """Whether two networks have the same arrays."""
    parts = zip(
        [*one.populations.values(), *one.synapses.values()],
        [*other.populations.values(), *other.synapses.values()],
        strict=True,
    )
    return all(
        all(np.array_equal(a, b) for a, b in zip(vars(x).values(), vars(y).values(), strict=True))
        for x, y in parts
    )


def test_what_was_fitted_is_restored_from_its_arrays():
    search = searched()
    choices = Choices("subtract", 0.5, "constant", 8, 0, 0, starts_of(search.graph, 0.5, 8))
    given = search.model, search.images, search.artificial, choices, search.work
    fitted = fit("f", search.graph, *given)
    again = restored(search.graph, fitted.starts, fitted.arrays(search.graph))
    assert equal(search.network(fitted, 8), search.network(again, 8))


def test_it_goes_on_where_it_was_ended(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stages, "PATIENCE", 0)
    model, images = network_with_a_pool()
    whole = convert_by_search(model, images, timesteps=6).network

    class Ending(Stages):
        def put(self, name, arrays):
            self.left -= 1
            if not self.left:
                raise Stopped
            super().put(name, arrays)

    ended = 0
    for resume in (False, *[True] * 50):
        kept = Ending("n.h5", {}, resume=resume)
        kept.left = 60
        with contextlib.suppress(Stopped), kept:
            assert equal(convert_by_search(model, images, timesteps=6, kept=kept).network, whole)
            break
        ended += 1
    assert 1 < ended < 50


def test_the_fewest_timesteps_that_lose_so_little():
    search, asked = searched(), []

    class Known:
        decisions = None

    def trial(timesteps, alpha):
        asked.append(timesteps)
        known = Known()
        known.timesteps = timesteps
        return known

    search.trial, search.lost = trial, lambda known: 100 / known.timesteps
    for loss, timesteps in ((26, 4), (13, 8), (12, 12), (5, 24), (0.5, 256)):
        assert search.smallest(loss) == timesteps
    with pytest.raises(EvsimError, match="a loss of"):
        search.smallest(0.1)


def test_channels_that_are_always_0_are_named():
    model, images = network_with_a_pool()
    layers = dict(model.layers)
    layers["c0"] = replace(layers["c0"], bias=layers["c0"].bias - 100 * np.eye(6)[2])
    model = Model(layers, model.input)
    made = convert_by_search(model, images, timesteps=4)
    said = [note for note in made.notes if "are 0 for all images" in note]
    assert any(note.startswith("'r0': 1 of 6 channels") for note in said), made.notes
    assert len(said) == len(set(said))


def test_too_few_timesteps_are_called_so(monkeypatch):
    monkeypatch.setattr(Search, "lost", lambda self, trial: 24 / trial.timesteps)
    model, images = network_with_a_pool()
    for timesteps, enough in ((4, 12), (8, 24), (24, None)):
        found = convert_by_search(model, images, timesteps=timesteps).found
        assert (found.enough and found.enough.timesteps) == enough
        said = f"T = {timesteps} is too small: {enough} would keep"
        assert (said in found.sentences()[-1]) == (enough is not None)
        assert found.as_dict()["chosen"]["timesteps"] == timesteps


def test_without_labels_a_lost_point_is_another_decision():
    model, images = network_with_a_pool()
    labels = model.predictions(images)
    labels[::3] += 1
    with_labels = convert_by_search(model, images, labels=labels, timesteps=4).found
    without = convert_by_search(model, images, timesteps=4).found
    assert without.artificial == 1
    assert with_labels.artificial == (labels == model.predictions(images))[3::4].mean()
    chosen = without.chosen.decisions == model.predictions(images)[3::4]
    assert without.right[without.chosen] == chosen.mean()


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ("-T 0", "--timesteps"),
        ("--target-loss -1", "--target-loss"),
        ("--target-loss 101", "--target-loss"),
        ("--target-loss 1 -T 8", "--target-loss"),
        ("--target-loss 1 --method mmse", "--target-loss"),
        ("--method search --per-channel", "--per-channel"),
        ("--method search --scheme burst", "--method"),
        ("--scheme switch --window 8 --target-loss 1", "--target-loss"),
        ("--method search --reset zero", "--method"),
    ],
)
def test_what_does_not_fit_is_one_line(choices, said, command, tmp_path):
    line = "convert networks/trained-digits.h5 --topology digits --calibrate data/digits_train.h5"
    status, out, error = command(f"{line} -o {tmp_path}/n.h5 {choices}")
    assert (status, out) == (2, "")
    assert error.count("\n") == 1
    assert said in error
    assert not list(tmp_path.iterdir())


def test_a_loss_of_0_is_asked_for(command, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(Search, "smallest", lambda self, loss: asked.append(loss) or 4)
    line = "convert networks/trained-digits.h5 --topology digits --calibrate data/digits_train.h5"
    for loss in ("0", "2"):
        words = f"{line} -o {tmp_path}/{loss}.h5 --samples :8 --target-loss {loss} --quiet"
        assert command(words) == (0, "", "")
    assert asked == [0, 2]


@pytest.mark.slow
def test_digits_keep_their_accuracy_by_default(command, tmp_path, monkeypatch):
    line = "convert networks/trained-digits.h5 --topology digits --calibrate data/digits_train.h5"
    for timesteps, points in ((16, 1.5), (32, 0.6)):
        out = tmp_path / f"{timesteps}.h5"
        status, _, error = command(f"{line} -o {out} -T {timesteps} --quiet")
        assert (status, error) == (0, "")
        network = evsim.load(out)
        with evsim.open_data("data/digits_test.h5") as data:
            run = evsim.run(network, data)
        model = evsim.read("networks/trained-digits.h5", topology="digits")
        assert model.accuracy("data/digits_test.h5") - run.accuracy() <= points / 100


def test_a_search_is_the_default_and_other_options_are_not(command, tmp_path):
    line = "convert networks/trained-digits.h5 --topology digits --calibrate data/digits_train.h5"
    for options, search in (("", True), ("--method search", True), ("--stagger 1", False),
                            ("--method percentile", False), ("--scheme burst", False),
                            ("--reset zero", False), ("--balance thresholds", True)):  # fmt: skip
        words = f"{line} -T 4 --samples :60 {options} -o {tmp_path}/n.h5 --overwrite --json"
        status, out, _ = command(words)
        assert status == 0
        assert ("search" in json.loads(out)) == search
