"""Result files: what they hold, and which run may go on with a part of one."""

import contextlib
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.commands import run
from support.files import content, images, network, put, touch

import evsim
from evsim.counting.facts import POPULATION_FACTS, SET_FACTS
from evsim.engine import recording
from evsim.formats import result
from evsim.store import assemble, shards
from evsim.studies.job import Job


def test_what_a_result_holds(files):
    assert run("run n.h5 e.h5 --out r.h5 --record spikes,trace,queues --samples 1:5 -T 18") == 0
    data = evsim.open_data("e.h5")
    ran = evsim.run(
        evsim.load("n.h5"), data.events[1:5], timesteps=18, record=("spikes", "trace", "queues")
    )
    with h5py.File("r.h5") as file:
        about = dict(file.attrs)
        assert (about["format"], about["version"]) == ("evsim-result", 1)
        settings = json.loads(about["settings"])
        for name, value in {"timesteps": 18, "coding": "events", "seed": 0, "dtype": "float32",
                            "first_sample": 1, "samples": 4, "input": "in", "output": "out",
                            "network_path": "n.h5", "data_path": "e.h5",
                            "network_sha256": evsim.load("n.h5").sha256,
                            "data_sha256": data.sha256}.items():  # fmt: skip
            assert settings[name] == value
            assert about[name] == value
        assert {"evsim", "numpy", "numba", "h5py", "python"} <= set(json.loads(about["versions"]))
        assert about["seconds"] > 0
        assert file["samples"][()].tolist() == [1, 2, 3, 4]
        assert file["labels"][()].tolist() == data.labels[1:5].tolist()
        assert file["predictions"][()].tolist() == ran.predictions.tolist()
        by_timestep = file["predictions_by_timestep"][()]
        assert by_timestep.tolist() == ran.predictions_by_timestep.tolist()
        assert file["potential/out"][()].tolist() == ran.potential.tolist()
        assert set(file["work"]) == set(ran.work) == set(file["parts"])
        for name, facts in ran.work.items():
            assert set(facts) == set(SET_FACTS if "-" in name else POPULATION_FACTS)
            for fact, counted in facts.items():
                assert file[f"work/{name}/{fact}"].dtype == np.int64
                assert file[f"work/{name}/{fact}"][()].tolist() == counted.tolist()
        assert set(file["trace"]) == {"a", "b", "c", "out"}
        for name, trace in ran.trace.items():
            assert file[f"trace/{name}"].dtype == trace.dtype
            assert file[f"trace/{name}"][()].tolist() == trace.tolist()
        assert file["trace/out"][:, -1].tolist() == file["potential/out"][()].tolist()
        assert set(file["queue"]) == {"in-a", "a-b", "b-b", "b-c", "c-out"}
        for name in file["queue"]:
            arrivals = file[f"work/{name}/arrivals"][()]
            assert file[f"queue/{name}"].shape == (4, 18)
            assert file[f"queue/{name}"][()].sum(axis=1).tolist() == arrivals.tolist()
        assert set(file["spikes"]) == {"in", "a", "b", "c"}
        for name, spikes in ran.spikes.items():
            for field in ("sample", "timestep", "neuron", "value"):
                assert file[f"spikes/{name}/{field}"][()].tolist() == spikes[field].tolist()


def test_parts_say_what_a_machine_needs(files):
    network("n.h5", put("populations/b/bias", 0.25))
    assert run("run n.h5 d.h5 --out r.h5 -T 2 --quiet") == 0
    with h5py.File("r.h5") as file:
        parts = {name: dict(group.attrs) for name, group in file["parts"].items()}
    assert set(parts) == {"in", "a", "b", "c", "out", "in-a", "a-b", "b-b", "b-c", "c-out"}

    def say(name, **expected):
        assert {key: parts[name][key] for key in expected} == expected

    say("in", kind="input", neurons=32, bias=False, leak=False, reset="")
    say("a", kind="iaf", neurons=48, bias=True, leak=False, reset="subtract", slope=False)
    say("b", kind="lif", neurons=12, bias=True, leak=True, reset="subtract", firing="")
    say("out", kind="readout", neurons=3, bias=False, leak=False, reset="")
    say("in-a", kind="conv", source="in", target="a", delay=0, weighted=True, row_length=3)
    say("a-b", kind="pool", synapses=48, weighted=False, row_length=0)
    say("b-b", kind="identity", delay=2, synapses=12, weighted=True, row_length=1)
    say("b-c", kind="dense", synapses=12 * 32, row_length=32)
    say("c-out", kind="sparse", synapses=32, row_length=0)


def test_long_rows_are_stored_in_pieces(files, monkeypatch):
    options = "-T 50 --quiet --record trace,queues"
    assert run(f"run n.h5 d.h5 {options} --out whole.h5") == 0
    monkeypatch.setattr(assemble, "LONG", 1000)
    assert run(f"run n.h5 d.h5 {options} --out r.h5") == 0
    with h5py.File("r.h5") as file:
        assert file["trace/a"].chunks == (1, 5, 48)  # of 50 x 48 x 4 bytes, in 10 pieces
    assert content("r.h5") == content("whole.h5")
    with monkeypatch.context() as patch:
        for module, name in ((shards, "BLOCK"), (recording, "MUCH")):  # and none of them in memory
            patch.setattr(module, name, 1000)
        assert run(f"run n.h5 d.h5 {options},spikes --out s.h5") == 0
        assert run(f"run n.h5 d.h5 {options},spikes --out l.h5 --memory 1 --jobs 2") == 0
    assert run(f"run n.h5 d.h5 {options},spikes --out whole.h5 --overwrite") == 0
    assert content("s.h5") == content("l.h5") == content("whole.h5")


def test_a_recording_for_which_there_is_no_disk(files, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "full")

    monkeypatch.setattr(recording, "MUCH", 1000)
    monkeypatch.setattr(recording.tempfile, "TemporaryFile", full)
    for what in ("spikes", "trace"):
        assert run(f"run n.h5 d.h5 -T 50 --record {what} --out r.h5 --json") == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert "r.h5.part" in err
        assert "cannot be written: No space left on device" in err
        assert not list(files.glob("r.h5*"))


def test_spikes_are_an_event_file(files):
    assert run("run n.h5 e.h5 --out r.h5 --record spikes --samples 2: --quiet") == 0
    with h5py.File("r.h5") as file, h5py.File("spikes.h5", "w") as copy:
        file.copy("spikes/in", copy, "events")
    again, data = evsim.open_data("spikes.h5").events, evsim.open_data("e.h5").events
    assert (again.shape, again.samples, again.timesteps) == ((4, 4, 2), 6, 20)
    for index in range(6):
        found, expected = again.of(index), data.of(index)
        if index < 2:
            assert found[0].size == 0
        else:
            assert [c.tolist() for c in found] == [c.tolist() for c in expected]


def test_graded_events_are_not_recorded(files):
    assert run("run n.h5 d.h5 --out r.h5 --record spikes -T 3 --quiet") == 0
    with h5py.File("r.h5") as file:
        assert set(file["spikes"]) == {"a", "b", "c"}


def test_a_stored_run_counts_like_the_run(files):
    assert run("run n.h5 d.h5 --out r.h5 -T 9 --quiet") == 0
    ran = evsim.run(evsim.load("n.h5"), evsim.open_data("d.h5").images, timesteps=9)
    stored = result.load("r.h5")
    for machine in ({}, {"accumulate": "buffer", "update": "active", "input": "cached"}):
        assert stored.counts(**machine) == ran.counts(**machine)
    ran.save("s.h5")
    assert result.load("s.h5").counts() == ran.counts()
    assert not Path("s.h5.part").exists()
    with pytest.raises(evsim.EvsimError, match=r"s\.h5: exists already"):
        ran.save("s.h5")


@pytest.mark.parametrize("line", ["d.h5", "d.h5 --coding poisson --seed 3", "e.h5"])
def test_slices_and_threads_change_nothing(line, files):
    options = "--record spikes,trace,queues -T 8 --quiet"
    for name, more in (("whole", "--jobs 1"), ("two", "--jobs 2"), ("small", "--memory 1")):
        assert run(f"run n.h5 {line} --out {name}.h5 {options} {more}") == 0
    assert content("whole.h5") == content("two.h5") == content("small.h5")
    for name, some in (("first", "0:2"), ("last", "2:6")):
        assert run(f"run n.h5 {line} --out {name}.h5 {options} --samples {some}") == 0
    with h5py.File("whole.h5") as whole, h5py.File("first.h5") as a, h5py.File("last.h5") as b:
        places = []
        whole.visit(places.append)
        datasets = [p for p in places if isinstance(whole[p], h5py.Dataset)]
        assert len(datasets) > 80
        for place in datasets:
            if place.startswith("accesses"):
                continue
            joined = np.concatenate([a[place][()], b[place][()]])
            assert joined.tolist() == whole[place][()].tolist(), place


OTHER = {
    "-T 3": "timesteps: found 4, expected 3, as this run has (--overwrite begins again)",
    "-T 4 --seed 1": "seed: found 0, expected 1, as this run has (--overwrite begins again)",
    "-T 4 --dtype float64": "dtype: found 'float32', expected 'float64', as this run has",
    "-T 4 --coding poisson": "coding: found 'constant', expected 'poisson', as this run has",
    "-T 4 --samples :5": "samples: found 6, expected 5, as this run has",
    "-T 4 --record queues": "record: found '', expected 'queues', as this run has",
}


@pytest.fixture
def part(files):
    """A part that holds two of six samples."""
    images("two.h5", touch("images", lambda i: i))
    opened = Job(evsim.load("n.h5"), evsim.open_data("d.h5"), timesteps=4)
    ran = evsim.run(opened.network, opened.data.images, timesteps=4)
    with contextlib.closing(opened.result_store("r.h5", False, False)) as store:
        for sample in ran.finished[:2]:
            store.append(sample)
    return Path("r.h5.part")


@pytest.mark.parametrize("options", OTHER)
def test_another_run_does_not_go_on(options, part, capsys):
    before = {path.name: path.read_bytes() for path in part.iterdir()}
    assert run(f"run n.h5 d.h5 --out r.h5 --resume --json {options}") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"evsim: r.h5.part: {OTHER[options]}")
    assert {path.name: path.read_bytes() for path in part.iterdir()} == before


def test_another_network_or_data_does_not_go_on(part, capsys):
    network("n.h5", put("populations/b/leak", 0.75))
    assert run("run n.h5 d.h5 --out r.h5 --resume -T 4 --json") == 2
    assert capsys.readouterr().err.startswith("evsim: r.h5.part: network_sha256: found '")
    network("n.h5")
    images("d.h5", touch("labels", lambda n: n[::-1]))
    assert run("run n.h5 d.h5 --out r.h5 --resume -T 4 --json") == 2
    assert "data_sha256: found '" in capsys.readouterr().err


def test_info_of_a_result_and_of_a_part(part, capsys):
    assert run("info r.h5.part --json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["finished samples"], found["samples"]) == ("evsim-result", 2, 6)
    assert found["file"] == "r.h5.part"
    for line in ("cost r.h5.part --chip loihi --json", "report r.h5.part -o page.html"):
        assert run(line) == 0
    capsys.readouterr()
    assert run("run n.h5 d.h5 --out r.h5 --resume -T 4 --json") == 0
    ran = json.loads(capsys.readouterr().out)
    assert ran["samples"] == 6
    assert run("info r.h5 --json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["finished samples"] == 6
    assert found["accuracy"] == ran["accuracy"]
    assert found["additions"] == ran["counts"]["total"]["additions"]


SPOILT = {
    "no samples": (lambda f: f.__delitem__("samples"), "found no finished sample, expected at"),
    "no work": (lambda f: f.__delitem__("work"), "found a damaged HDF5 file ("),
    "no fact": (lambda f: f["work/a"].__delitem__("spikes"), "found a damaged HDF5 file ("),
    "no settings": (lambda f: f.attrs.pop("settings"), "found a damaged HDF5 file ("),
    "settings": (put("settings", "[1"), "found a damaged HDF5 file ("),
    "newer": (put("version", 2), "version: found version 2, expected version 1"),
    "text": (put("work/a/spikes", np.array([b"x", b"y"])), "/work/a/spikes: found 2 rows of |S1,"),
    "a row": (put("work/a/spikes", np.ones(1, int)), "/work/a/spikes: found 1 rows of int64,"),
    "a row less": (lambda f: f["labels"].resize(1, axis=0), "/labels: found 1 rows of int64"),
    "no kind": (lambda f: f["parts/in-a"].attrs.pop("kind"), "found a damaged HDF5 file ('kind')"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_result_is_one_line(name, files, capsys):
    change, expected = SPOILT[name]
    assert run("run n.h5 d.h5 --out r.h5 -T 4 --samples :2 --quiet") == 0
    with h5py.File("r.h5", "r+") as file:
        change(file)
    for line in ("info r.h5 --json", "report r.h5 -o page.html"):
        status = run(line)
        out, err = capsys.readouterr()
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"evsim: r.h5: {expected}")
