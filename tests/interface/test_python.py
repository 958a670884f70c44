"""What a Python user meets: natural arguments, short tables, mistakes in one line, Ctrl-C."""

import ast
import importlib
import inspect
import signal

import numpy as np
import pytest
from support.places import ROOT

import evsim
from evsim.base.overview import Overview
from evsim.engine import threads

DIGITS = ROOT / "data" / "digits_test.h5"
NETWORK = ROOT / "networks" / "digits-dense.h5"
FUNCTIONS = ("read", "ann", "convert", "run", "quantize", "check", "cost", "compare", "report")
FUNCTIONS += ("load_result", "nir_export", "load", "save", "open_data", "info", "warm")


@pytest.fixture(scope="module")
def run():
    return evsim.run(NETWORK, DIGITS, samples=slice(0, 5), record="spikes")


def test_names_for_editors_are_those_at_hand():
    """What type checkers see is what there is; every kind has a name."""
    tree = ast.parse((ROOT / "evsim" / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname or alias.name for node in block.body for alias in node.names}
    assert sorted(seen) == sorted(evsim.__all__)
    kinds = {**evsim.neuron_kinds(), **evsim.synapse_kinds()}
    for name, kind in kinds.items():
        assert getattr(evsim, name.capitalize()) is kind
        assert name.capitalize() in evsim.__all__
    assert set(evsim.__all__) <= set(dir(evsim))
    for name in evsim.__all__:
        assert getattr(evsim, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = evsim.Nothing


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_documented_and_hinted(name):
    function = getattr(evsim, name)
    assert len(inspect.getdoc(function)) > 40
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(p.annotation is not p.empty for p in signature.parameters.values())


@pytest.mark.parametrize("name", ["ann", "quantize", "check", "compare", "convert", "run"])
def test_options_of_a_command_are_parameters(name):
    command = getattr(importlib.import_module(f"evsim.cli.commands.{name}"), name)
    options = set(inspect.signature(command).parameters)
    renamed = {"claim": "claims", "chip": "chips", "convention": "conventions"}
    renamed |= {"input_machine": "input", "quiet": "progress"}
    of_commands = {"as_json", "resume", "cluster_writes", "wide"}
    of_summaries = {"accumulate", "update", "input_machine", "out", "overwrite"}
    parameters = set(inspect.signature(getattr(evsim, name)).parameters)
    for option in options - of_commands - (of_summaries if name == "run" else set()):
        if not (name == "convert" and option == "network"):
            assert {option, renamed.get(option, option)} & parameters, option


def test_samples_as_anybody_would_say_them():
    expected = evsim.run(NETWORK, DIGITS, samples="0:3").predictions.tolist()
    for samples in (slice(0, 3), slice(3), range(3), 3, np.int64(3), ":3"):
        assert evsim.run(NETWORK, DIGITS, samples=samples).predictions.tolist() == expected
    with evsim.open_data(DIGITS) as data:
        for source in (data, data.images, data.images[:10]):
            found = evsim.run(NETWORK, source, samples=slice(0, 3), memory="64M")
            assert found.predictions.tolist() == expected
        array = data.images[:10]
    late = evsim.run(NETWORK, array, samples=slice(7, 10), coding="poisson", timesteps=8)
    file = evsim.run(NETWORK, DIGITS, samples=slice(7, 10), coding="poisson", timesteps=8)
    assert np.array_equal(late.potential, file.potential)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"record": "spike"}, "record: found 'spike', expected one of spikes, trace, queues"),
        ({"memory": "5 potatoes"}, "memory: found '5 potatoes', expected a number of bytes"),
        ({"memory": 0}, "memory: found 0"),
        ({"samples": "5"}, "samples: found '5', expected a range such as 0:100"),
        ({"samples": slice(0, 5, 2)}, "samples: found slice(0, 5, 2)"),
        ({"samples": slice(-5, None)}, "samples: found slice(-5, None, None)"),
        ({"timesteps": 0}, "timesteps: found 0"),
        ({"jobs": 0}, "jobs: found 0"),
        ({"labels": [1, 2]}, "labels: found int64 of shape (2,)"),
        ({"conventions": "spikingjellies"}, "conventions: found 'spikingjellies'"),
    ],
)
def test_a_mistake_names_its_parameter(asked, said):
    with pytest.raises(evsim.EvsimError) as error:
        evsim.run(NETWORK, DIGITS, **asked)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: evsim.run(3, DIGITS), "network: found 3, expected a Network, or the path"),
        (lambda: evsim.run(NETWORK, 3), "data: found 3, expected the path of data"),
        (lambda: evsim.run("none.h5", DIGITS), "none.h5: no such file"),
        (lambda: evsim.cost(3, "loihi"), "result: found 3, expected a Run, a Result"),
        (lambda: evsim.check(NETWORK, DIGITS, chip="lohi"), "chip: found 'lohi'"),
        (lambda: evsim.quantize(NETWORK), "bits: found none"),
        (lambda: evsim.quantize(NETWORK, bits=4, out=NETWORK), f"{NETWORK}: exists already (`ov"),
        (lambda: evsim.read(3), "model: found 3, expected the path of a trainer's file"),
        (lambda: evsim.read("m.h5", reset="none"), "reset: found 'none'"),
        (lambda: evsim.read("m.h5", std=(1, 0)), "std: found (1, 0), expected a number, or one"),
        (lambda: evsim.ann(evsim.load(NETWORK), DIGITS), "model: found a spiking network"),
        (lambda: evsim.convert(evsim.load(NETWORK), scheme="none"), "scheme: found 'none'"),
        (lambda: evsim.compare([], DIGITS), "networks: found none"),
        (lambda: evsim.report([]), "results: found none"),
        (lambda: evsim.run(NETWORK, DIGITS, samples=2).accuracy([1]), "labels: found int64"),
        (lambda: evsim.run(NETWORK, DIGITS, samples=2).to_pandas("all"), "what: found 'all'"),
    ],
)
def test_a_wrong_argument_is_told(wrong, said):
    with pytest.raises(evsim.EvsimError) as error:
        wrong()
    assert str(error.value).startswith(said), str(error.value)
    assert "--" not in str(error.value)


def test_what_was_not_recorded_says_how_it_would_be(run):
    assert set(run.spikes) == {"hidden1", "hidden2"}
    for name in ("trace", "queues"):
        with pytest.raises(evsim.EvsimError, match=f"record='{name}'"):
            getattr(run, name)


def test_labels_where_the_data_have_none(run, tmp_path):
    with evsim.open_data(DIGITS) as data:
        array, labels = data.images[:5], data.labels[:5]
    bare = evsim.run(NETWORK, array)
    with pytest.raises(evsim.EvsimError, match="labels"):
        bare.accuracy()
    assert bare.accuracy(labels) == bare.accuracy(DIGITS) == run.accuracy()
    assert evsim.run(NETWORK, array, labels=labels).accuracy() == run.accuracy()


def test_everything_shows_itself(run, tmp_path):
    run.save(tmp_path / "r.h5")
    network, result = evsim.load(NETWORK), evsim.load_result(tmp_path / "r.h5")
    with evsim.open_data(DIGITS) as data:
        shown = [network, data, run, result, run.summary(), evsim.cost(run, "loihi")]
        shown += [evsim.check(network, data, chip="loihi", samples=1), evsim.info(NETWORK)]
        for thing in shown:
            text = repr(thing)
            assert 1 <= len(text.splitlines()) <= 40
            assert "<table>" in thing._repr_html_()
    assert "hidden1" in repr(network)
    assert "accuracy 100.00 %" in repr(run)
    with pytest.raises(AttributeError, match="did you mean 'accuracy'"):
        _ = run.summary().acuracy


def test_texts_of_files_are_no_markup():
    about = Overview("<b>\x1b[31m", ("a",), [("<script>",)] * 100, ["<i>"])
    assert "\x1b" not in about.text()
    assert "<script>" not in about.html()
    assert "<i>" not in about.html()
    assert "... 77 more" in about.text()
    assert len(about.text().splitlines()) < 30


def test_parts_show_their_fields():
    part = evsim.Iaf(shape=(2,), threshold=1.0)
    assert repr(part) == "Iaf(shape=(2,), threshold=1.0)"
    dense = evsim.Dense(source="a", target="b", weight=np.zeros((10, 20), np.float32))
    assert repr(dense) == "Dense(source='a', target='b', weight=<float32 (10, 20)>)"


def test_a_network_of_parts():
    network = evsim.Network(
        {
            "in": evsim.Input(shape=(2,)),
            "h": evsim.Iaf(shape=(2,), threshold=1.0),
            "out": evsim.Readout(shape=(2,)),
        },
        {
            "in-h": evsim.Dense(source="in", target="h", weight=np.eye(2)),
            "h-out": evsim.Dense(source="h", target="out", weight=np.eye(2)),
        },
    )
    pictures = np.array([[250, 3], [3, 250]], np.uint8)
    found = evsim.run(network, pictures, labels=[0, 1], timesteps=10)
    assert found.accuracy() == 1
    assert evsim.check(network, pictures, chip="loihi", labels=[0, 1])["values"]["accuracy"] == 1
    made = evsim.quantize(network, bits=4, data=pictures, labels=[0, 1])
    assert made.made["runs"][0]["accuracy"] == 1


def test_pictures(run, tmp_path):
    from matplotlib.figure import Figure

    figure = run.plot(tmp_path / "p.png")
    assert isinstance(figure, Figure)
    assert (tmp_path / "p.png").read_bytes()[:4] == figure._repr_png_()[:4] == b"\x89PNG"
    with pytest.raises(evsim.EvsimError, match="cannot be written"):
        run.plot(tmp_path / "p.docx")


def test_tables_of_pandas(run):
    pandas = pytest.importorskip("pandas")
    frame = run.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame["prediction"].tolist() == run.predictions.tolist()
    assert frame["right"].mean() == run.accuracy()
    assert len(run.to_pandas("spikes")) == sum(map(len, run.spikes.values()))
    assert set(run.to_pandas("parts")["part"]) == set(run.work)


def test_an_interrupted_run_has_what_was_finished(capsys, monkeypatch):

    asked, plain = [], threads.values_of

    def values_of(part, inputs, index, dtype):
        asked.append(index)
        if index == 150:  # of the third batch: some have been finished
            signal.raise_signal(signal.SIGINT)
        return plain(part, inputs, index, dtype)

    monkeypatch.setattr(threads, "values_of", values_of)
    run = evsim.run(NETWORK, DIGITS, samples=200, jobs=1)
    assert run.interrupted
    assert 0 < run.count < 200
    assert f"the run holds the {run.count} of 200 samples" in capsys.readouterr().err
    assert "interrupted" in repr(run)
    assert len(run.predictions) == len(run.labels) == run.count
    monkeypatch.setattr(threads, "values_of", plain)
    whole = evsim.run(NETWORK, DIGITS, samples=run.count)
    assert np.array_equal(whole.potential, run.potential)


def test_an_interrupted_study_is_a_keyboard_interrupt(monkeypatch):

    plain = threads.values_of

    def later(part, inputs, index, dtype):
        if index == 30:
            signal.raise_signal(signal.SIGINT)
        return plain(part, inputs, index, dtype)

    monkeypatch.setattr(threads, "values_of", later)
    with pytest.raises(KeyboardInterrupt, match="samples were finished"):
        evsim.check(NETWORK, DIGITS, chip="loihi", jobs=1)
