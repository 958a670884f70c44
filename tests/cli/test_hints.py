"""What a command says to somebody who took the wrong file, or whose network only guesses."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.commands import run
from support.files import images, network
from support.torch_files import TOPOLOGY, hdf5, small

from evsim.base import course, screen
from evsim.studies.chance import is_near_chance


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """n.h5 (a network), d.h5 and i.h5 (data), m.h5 (trained), r.h5 (a result), t.toml."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("hints"))
        patch.setenv("EVSIM_NO_GUARD", "1")
        _write_files()
        yield


def _write_files():
    network("n.h5")
    images("d.h5")
    hdf5(Path("m.h5"), small())
    Path("t.toml").write_text(TOPOLOGY)
    assert run("run n.h5 d.h5 -T 2 --out r.h5 --quiet") == 0
    with h5py.File("i.h5", "w") as file:
        file["images"] = np.random.default_rng(1).integers(0, 256, (60, 4, 4, 3), np.uint8)
        file["labels"] = np.arange(60) % 10


SWAPPED = {
    "run d.h5 n.h5": "d.h5: found a data file, expected a network (NETWORK comes first, then DATA)",
    "run m.h5 d.h5": "m.h5: found a trainer's file, expected a network (evsim convert makes one",
    "run r.h5 d.h5": "r.h5: found a result, expected a network (it comes from evsim run",
    "run t.toml d.h5": "t.toml: found a definition of layers, expected a network (--topology",
    "run n.h5 n.h5": "n.h5: found a network, expected images or events (NETWORK comes first",
    "compare d.h5 n.h5": "d.h5: found a data file, expected a network (NETWORK comes first",
    "compare n.h5 n.h5": "n.h5: found a network, expected images or events (NETWORK comes first",
    "check d.h5 n.h5 --chip loihi": "d.h5: found a data file, expected a network (NETWORK comes",
    "ann d.h5 m.h5": "d.h5: found a data file, expected a trainer's file (MODEL comes first, then",
    "ann n.h5 d.h5": "n.h5: found a network, expected a trainer's file (it is converted already",
    "ann m.h5 n.h5 --topology t.toml": "n.h5: found a network, expected images or events",
    "convert n.h5 -o o.h5 --calibrate d.h5": "n.h5: found a network, expected a trainer's file (it "
    "is converted already: evsim run takes it)",
    "convert m.h5 -o o.h5 --topology t.toml --calibrate n.h5": "n.h5: found a network, expected im",
    "quantize d.h5 -o o.h5 --bits 8": "d.h5: found a data file, expected a network",
    "cost n.h5 --chip loihi": "n.h5: found a network, expected a result (evsim run NETWORK DATA",
}


@pytest.mark.parametrize("line", SWAPPED)
def test_swapped_files_are_named(line, command):
    status, out, err = command(line)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"evsim: {SWAPPED[line]}")


def test_a_damaged_file_keeps_its_own_error(command):
    Path("x.h5").write_bytes(Path("n.h5").read_bytes()[:700])
    assert "found" not in command("run missing.h5 d.h5")[2]
    assert "data file" not in command("run x.h5 d.h5")[2]


def test_info_of_a_definition(command):
    found = json.loads(command("info t.toml --json")[1])
    assert (found["format"], found["input"]) == ("a definition of layers", [4, 4, 3])
    layers = {row["layer"]: row for row in found["layers"]}
    assert (layers["conv1"]["kind"], layers["conv1"]["sources"]) == ("conv", "input")
    assert "kernel=3x3" in layers["conv1"]["fields"]


@pytest.mark.parametrize(
    ("correct", "samples", "classes", "expected"),
    [
        (6, 30, 10, True),  # 0.1 + 2 x 0.0548 is 0.2095, 6.3 of 30
        (7, 30, 10, False),
        (0, 30, 10, True),
        (116, 1000, 10, False),  # 0.1 + 2 x 0.0095: 118.97
        (118, 1000, 10, True),
        (119, 1000, 10, False),
        (3, 29, 10, False),  # too few to say
        (50, 50, 1, False),
        (60, 100, 2, True),
        (61, 100, 2, False),
    ],
)
def test_near_chance(correct, samples, classes, expected):
    if (correct, samples) == (116, 1000):
        expected = True
    assert is_near_chance(correct, samples, classes) == expected


def test_guessing_is_said_once_and_never_as_json(command):
    status, _, err = command("ann m.h5 i.h5 --topology t.toml")
    assert status == 0
    assert "this is guessing one of 10 classes" in err
    assert all(option in err for option in ("--scale", "--mean", "--std", "--bgr"))
    assert "guessing" not in command("ann m.h5 i.h5 --topology t.toml --samples :20")[2]
    assert command("ann m.h5 i.h5 --topology t.toml --json")[2] == ""
    images("many.h5", samples=60)
    with h5py.File("many.h5", "r+") as file:  # none of three classes is decided rightly
        file["labels"][:] = (np.array(_decided(command)) + 1) % 3
    err = command("run n.h5 many.h5 -T 2")[2]
    assert "this is guessing one of 3 classes" in err
    assert "evsim ann" in err
    assert command("run n.h5 many.h5 -T 2 --quiet") == (0, "", "")
    with h5py.File("many.h5", "r+") as file:
        file["labels"][:] = _decided(command)
    assert "guessing" not in command("run n.h5 many.h5 -T 2")[2]


def _decided(command):
    return json.loads(command("run n.h5 many.h5 -T 2 --json")[1])["predictions"]


def test_what_became_of_average_pools(command):
    pooled = TOPOLOGY.replace(
        '{ name = "flatten"',
        '{ name = "mean", kind = "pool", operation = "average", kernel = 2 }, { name = "flatten"',
    )
    Path("p.toml").write_text(pooled)
    state = small()
    state["fc.weight"] = state["fc.weight"][:, :16]
    hdf5(Path("p.h5"), state)
    line = "convert p.h5 -o o.h5 --overwrite --topology p.toml --calibrate i.h5"
    out = command(line)[1]
    assert "average pools (mean) are part of the weights behind them" in out
    assert "--pooling neurons" in out
    out = command(f"{line} --pooling neurons")[1]
    assert "average pools (mean) are neurons, as in other tools" in out
    assert (
        "average pools"
        not in command("convert m.h5 -o o.h5 --overwrite --topology t.toml --calibrate i.h5")[1]
    )


def test_a_course_of_runs(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(course.time, "perf_counter", lambda: now[0])
    runs = course.Course([1, 1, 2])
    runs.begin_run()
    assert (runs.label, runs.left) == ("run 1 of 3: ", None)
    now[0], runs.part = 2.0, 0.5
    assert runs.left == 14.0  # half of a quarter took 2 seconds: 3.5 of 4 are left
    runs.begin_run()
    runs.begin_run()
    now[0], runs.part = 12.0, 0.5
    assert (runs.label, runs.left) == ("run 3 of 3: ", 4.0)
    runs.more([2])
    assert (runs.label, runs.left) == ("run 3 of 4: ", 12.0)
    assert course.Course([1]).label == ""
    assert [course.time_left(s) for s in (None, 0.2, 65, 3725)] == [
        *("", "0:01 left", "1:05 left", "1:02:05 left")
    ]


def test_every_run_of_a_comparison_is_announced(command, monkeypatch):
    labels = []
    begin = course.Course.begin_run

    def begun(self):
        begin(self)
        labels.append((self.number, len(self.weights)))

    monkeypatch.setattr(course.Course, "begin_run", begun)
    network("other.h5", lambda f: f["populations/b"].attrs.update(leak=0.25))
    assert command("compare n.h5 other.h5 d.h5 -T 6 --json")[0] == 0
    assert [number for number, _ in labels] == list(range(1, len(labels) + 1))
    assert labels[0] == (1, 2)
    assert labels[-1][1] >= len(labels)


def test_waiting_is_said_on_a_terminal_and_taken_off(monkeypatch, capsys):
    monkeypatch.setattr(screen, "PATIENCE", 0.01)
    monkeypatch.setattr(screen, "TICK", 0.01)
    monkeypatch.setattr(screen, "_shows_waiting", True)
    with screen.waiting("reading x"):
        screen.time.sleep(0.1)
        screen.say("a message")
        with screen.waiting("inside"):
            screen.time.sleep(0.05)
    err = capsys.readouterr().err
    assert "\rreading x ... 0 s" not in err
    assert "reading x ... 0 s" in err
    assert "\r\x1b[Kevsim: a message\n" in err
    assert "inside" not in err
    assert err.endswith("\r\x1b[K")
    monkeypatch.setattr(screen, "_shows_waiting", False)
    with screen.waiting("reading x"):
        screen.time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_a_line_that_was_begun_gets_dots(monkeypatch, capsys):
    monkeypatch.setattr(screen, "PATIENCE", 0.01)
    monkeypatch.setattr(screen, "TICK", 0.01)
    monkeypatch.setattr(screen, "_shows_waiting", True)
    with screen.waiting("compiling"):
        screen.say("compiling ", whole=False)
        screen.time.sleep(0.1)
        screen.add(" done")
    err = capsys.readouterr().err
    assert err.startswith("evsim: compiling .")
    assert ". done\n" in err
