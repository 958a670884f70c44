"""The commands: what they print where, and every exit status."""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.files import images, network, network_parts, put, write
from support.places import ROOT

from evsim.cli.main import run_command

EVSIM = [sys.executable, "-m", "evsim"]


@pytest.fixture
def command(files, command):
    """Commands beside a network and data."""
    return command


def child(*arguments, **options):
    """Run a command in a process of its own."""
    options = {"capture_output": True, "text": True, "timeout": 60, **options}
    return subprocess.run([*EVSIM, *arguments], **options)


WRONG = {
    "simulate": "No such command 'simulate'.",
    "run": "Missing argument 'network'.",
    "run n.h5": "Missing argument 'data'.",
    "run n.h5 d.h5 e.h5": "Got unexpected extra argument",
    "run n.h5 d.h5 --time 3": "No such option: --time",
    "run n.h5 d.h5 -T": "Option '-T' requires an argument.",
    "run n.h5 d.h5 -T many": "--timesteps: found 'many', expected a whole number of at least 1",
    "run n.h5 d.h5 -T 1.5": "--timesteps: found '1.5', expected a whole number of at least 1",
    "run n.h5 d.h5 -T 0": "--timesteps: found '0', expected a whole number of at least 1",
    "run n.h5 d.h5 -T -3": "--timesteps: found '-3', expected a whole number of at least 1",
    "run n.h5 d.h5 --seed -1": "--seed: found '-1', expected a whole number of at least 0",
    "run n.h5 d.h5 --jobs 0": "--jobs: found '0', expected a whole number of at least 1",
    "run n.h5 d.h5 --dtype int8": "--dtype: found 'int8', expected float32 or float64",
    "run n.h5 d.h5 --memory lots": "--memory: found 'lots', expected a number of bytes such as",
    "run n.h5 d.h5 --memory 0": "--memory: found '0', expected a number of bytes such as 512M or",
    "run n.h5 d.h5 --memory -1G": "--memory: found '-1G', expected a number of bytes such as 512M",
    "run n.h5 d.h5 --memory ²G": "--memory: found '²G', expected a number of bytes such as 512M or",
    "run n.h5 d.h5 --samples 3": "--samples: found '3', expected a range such as 0:100, 100: or",
    "run n.h5 d.h5 --samples a:b": "--samples: found 'a:b', expected a range such as 0:100, 100:",
    "run n.h5 d.h5 --samples ²:": "--samples: found '²:', expected a range such as 0:100, 100: or ",
    "run n.h5 d.h5 --samples -2:": "--samples: found '-2:', expected a range such as 0:100, 100:",
    "run n.h5 d.h5 --samples 0:4:2": "--samples: found '0:4:2', expected a range such as 0:100,",
    "run n.h5 d.h5 --samples 3:3": "--samples: found '3:3', expected a range that is not empty,",
    "run n.h5 d.h5 --samples 6:": "--samples: found '6:', expected a range that is not empty,",
    "run n.h5 d.h5 --coding poison": "--coding: found 'poison', expected one of constant, events, ",
    "run n.h5 d.h5 --coding events": "--coding: found 'events', expected a coding of images (the",
    "run n.h5 e.h5 --coding poisson": "--coding: found 'poisson' with a file of events, expected",
    "run n.h5 e.h5 --coding poison": "--coding: found 'poison', expected one of constant, events, ",
    "run n.h5 d.h5 --accumulate slow": "--accumulate: found 'slow', expected one of direct, buffer",
    "run n.h5 d.h5 --update never": "--update: found 'never', expected one of clock, active",
    "run n.h5 d.h5 --coding poisson --coding constant": "--coding: found two values, expected one",
    "run n.h5 d.h5 -T 4 --timesteps 4": "--timesteps: found two values, expected one",
    "check n.h5 d.h5 --chip loihi --chip odin": "--chip: found two values, expected one",
    "run n.h5 d.h5 --input twice": "--input: found 'twice', expected one of recompute, cached",
    "run n.h5 d.h5 --record spikes": "--record: found no --out, expected a file for what is",
    "run n.h5 d.h5 --record spike": "--record: found 'spike', expected any of spikes, trace,",
    "run n.h5 d.h5 --record spikes, --out r.h5": "--record: found '', expected any of spikes,",
    "run n.h5 d.h5 --resume": "--resume: found no --out, expected the file whose part is resumed",
    "run n.h5 d.h5 --resume --out r.h5": "r.h5.part: no such folder, expected a part to resume",
    "run n.h5 d.h5 --out n.h5": "n.h5: exists already (--overwrite replaces it)",
    "run n.h5 d.h5 --out .": ".: is a folder",
    "run n.h5 d.h5 --out no/r.h5": "no/r.h5: cannot be written: no such folder",
    "run n.h5 d.h5 --out n.h5/r.h5": "n.h5/r.h5: cannot be written: no such folder",
    "info": "Missing argument 'file'.",
    "info n.h5 d.h5": "Got unexpected extra argument",
    "warm n.h5": "Got unexpected extra argument",
    "demo --every": "No such option: --every",
}  # fmt: skip


@pytest.mark.parametrize("line", WRONG)
@pytest.mark.parametrize("as_json", ["", " --json"], ids=["", "json"])
def test_a_wrong_command_is_one_line(line, as_json, command, files):
    before = sorted(files.iterdir())
    status, out, err = command(line.replace("d.h5", "d.h5" + as_json, 1))
    assert (status, out) == (2, "")
    assert err.lower().startswith(f"evsim: {WRONG[line]}".lower())
    assert (err.count("\n"), err[-1]) == (1, "\n")
    assert sorted(files.iterdir()) == before


def test_a_result_is_not_written_over(command, files):
    assert command("run n.h5 d.h5 --out r.h5 -T 3 --quiet") == (0, "", "")
    before = Path("r.h5").read_bytes()
    status, out, err = command("run n.h5 d.h5 --out r.h5 -T 3 --json")
    assert (status, out) == (2, "")
    assert err == "evsim: r.h5: exists already (--overwrite replaces it)\n"
    assert Path("r.h5").read_bytes() == before
    assert command("run n.h5 d.h5 --out r.h5 -T 4 --overwrite --quiet")[0] == 0
    with h5py.File("r.h5") as file:
        assert file.attrs["timesteps"] == 4
    assert not Path("r.h5.part").exists()


def test_a_part_is_not_written_over(command, files):
    Path("r.h5.part").write_text("somebody's")
    status, out, err = command("run n.h5 d.h5 --out r.h5 -T 3")
    assert (status, out) == (2, "")
    expected = "is of an older evsim or of something else, expected the folder of a part"
    assert err == f"evsim: r.h5.part: {expected}\n"
    assert Path("r.h5.part").read_text() == "somebody's"
    Path("r.h5.part").unlink()
    Path("r.h5.part").mkdir()
    Path("r.h5.part/settings.json").write_text("somebody's")
    status, out, err = command("run n.h5 d.h5 --out r.h5 -T 3")
    assert (status, out) == (2, "")
    expected = "r.h5.part: exists already (--resume goes on with it, --overwrite replaces it)"
    assert err == f"evsim: {expected}\n"
    status, _, err = command("run n.h5 d.h5 --out r.h5 -T 3 --resume")
    expected = "r.h5.part/settings.json: found other content, expected the settings of a run "
    expected += "(--overwrite begins again)"
    assert (status, err) == (2, f"evsim: {expected}\n")
    assert Path("r.h5.part/settings.json").read_text() == "somebody's"
    assert command("run n.h5 d.h5 --out r.h5 -T 3 --overwrite --quiet") == (0, "", "")
    assert not Path("r.h5.part").exists()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder where nobody can write")
def test_a_place_where_nobody_can_write(command):
    status, out, err = command("run n.h5 d.h5 --out /proc/r.h5")
    assert (status, out) == (2, "")
    assert err == "evsim: /proc/r.h5.part: cannot be written: No such file or directory\n"


INTEGER = {
    "threshold": put("populations/c/threshold", 1.5),
    "bias": put("populations/c/bias", np.r_[np.zeros(31), 0.5]),
    "v_init": put("populations/c/v_init", 0.25),
    "v_min": put("populations/c/v_min", -0.5),
    "v_reset": lambda f: f["populations/c"].attrs.update(v_reset=-0.5, reset="zero"),
}


@pytest.mark.parametrize("field", INTEGER)
def test_an_integer_population_takes_whole_numbers(field, command):
    network("n.h5", INTEGER[field])
    status, out, err = command("run n.h5 d.h5 --json")
    assert (status, out) == (2, "")
    assert err.startswith(f"evsim: n.h5: populations/c/{field}: found ")
    assert err.endswith("expected whole numbers within int32 (the population is an integer one)\n")


def test_an_integer_population_does_not_leak(command):
    lif = {"kind": "lif", "leak": 0.5}
    network("n.h5", lambda f: f["populations/c"].attrs.update(lif))
    expected = "found 0.5, expected a leak of 1 (the population is an integer one)"
    assert command("run n.h5 d.h5") == (2, "", f"evsim: n.h5: populations/c/leak: {expected}\n")


FLOAT32 = {
    "populations/a/bias": (1e39, "1e+39, expected values within float32"),
    "populations/b/threshold": (1e300, "1e+300, expected values within float32"),
    "populations/b/v_init": (-1e300, "-1e+300, expected values within float32"),
    "populations/a/threshold": (1e-300, "1e-300, expected a threshold above 0 in float32"),
}


@pytest.mark.parametrize("place", FLOAT32)
def test_values_that_float32_does_not_hold(place, command):
    value, line = FLOAT32[place]
    network("n.h5", put(place, value))
    assert command("run n.h5 d.h5 -T 2 --json") == (2, "", f"evsim: n.h5: {place}: found {line}\n")
    assert command("run n.h5 d.h5 -T 2 --quiet --dtype float64") == (0, "", "")


def test_an_image_that_float32_does_not_hold(command):
    network("n.h5", put("populations/in/std", 1e-300))
    status, out, err = command("run n.h5 d.h5 -T 2 --json")
    assert (status, out) == (2, "")
    assert "e+299 after scaling, neuron" in err
    assert err.endswith(", expected finite numbers in float32\n")


def test_int32_overflow_names_population_sample_and_timestep(command):
    network("n.h5", put("populations/c/bias", 2**30), put("populations/c/threshold", 2**31 - 1))
    status, out, err = command("run n.h5 d.h5 --samples 3: --json --jobs 1")
    assert (status, out) == (2, "")
    assert err.startswith("evsim: n.h5: populations/c, sample 3: found a potential of ")
    assert "at timestep 1, neuron" in err
    assert err.endswith("expected values within int32\n")


def test_json_is_one_object_and_nothing_else(command):
    status, out, err = command("run n.h5 d.h5 --json -T 7 --samples 1:5 --out r.h5")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert out.count("\n") == 1
    assert set(found) == {
        "network", "data", "samples", "first_sample", "timesteps", "seed", "dtype", "coding",
        "accuracy", "accuracy_by_timestep", "predictions", "synapses", "seconds", "work", "counts",
        "latency",
    }  # fmt: skip
    assert (found["samples"], found["first_sample"], found["timesteps"]) == (4, 1, 7)
    assert (found["coding"], found["dtype"], found["seed"]) == ("constant", "float32", 0)
    assert (len(found["predictions"]), len(found["accuracy_by_timestep"])) == (4, 7)
    assert found["accuracy"] == found["accuracy_by_timestep"][-1]
    assert found["network"]["path"] == "n.h5"
    assert len(found["data"]["sha256"]) == 64


def test_json_without_labels(command):
    images("d.h5", put("labels", None))
    found = json.loads(command("run n.h5 d.h5 --json -T 2")[1])
    assert (found["accuracy"], found["accuracy_by_timestep"]) == (None, None)


def test_choices_come_from_the_command_then_the_network_then_the_events(command):
    def settings(line):
        found = json.loads(command(f"run n.h5 {line} --json")[1])
        return found["timesteps"], found["coding"], found["seed"]

    assert settings("e.h5") == (20, "events", 0)
    assert settings("d.h5 --samples :1") == (64, "constant", 0)
    network("n.h5", lambda f: f.attrs.update(timesteps=5, coding="poisson", seed=9))
    assert settings("e.h5") == (5, "events", 9)
    assert settings("d.h5") == (5, "poisson", 9)
    assert settings("d.h5 -T 3 --coding constant --seed 0") == (3, "constant", 0)


def test_late_events_are_said_once(command):
    late = "are not simulated\n"
    status, _, err = command("run n.h5 e.h5 -T 10 --json")
    assert (status, err.count(late), err.count("\n")) == (0, 1, 1)
    for timesteps in (20, 30):
        assert command(f"run n.h5 e.h5 -T {timesteps} --json")[2] == ""


def test_tables(command):
    status, out, _ = command("run n.h5 d.h5 -T 4")
    assert status == 0
    assert out.startswith("n: 6 samples, 4 timesteps, coding constant, ")
    for words in (
        "accuracy ",
        "Per inference",
        "in-a",
        "Totals (machine: direct, clock, recompute",
    ):
        assert words in out
    assert command("run n.h5 d.h5 -T 4 --quiet") == (0, "", "")


def test_markup_in_a_name_is_text(command):
    network("n.h5", put("name", "[bold]n[/x] :bug:"), put("description", "[/] [link=x]"))
    assert command("run n.h5 d.h5 -T 2")[1].startswith("[bold]n[/x] :bug:: 6 samples")
    assert "description: [/] [link=x]\n" in command("info n.h5")[1]


def test_info_of_a_network(command):
    found = json.loads(command("info n.h5 --json")[1])
    assert (found["input"], found["output"], found["synapses"]) == ("in", "out", 1076)
    assert found["windows"] == "b: 2 timesteps"
    assert found["order of visits"] == "in, a, b, c, out"
    assert [p["population"] for p in found["populations"] if p["integer"]] == ["c"]
    sets = {s["set"]: (s["kind"], s["delay"], s["weights"], s["dtype"]) for s in found["sets"]}
    assert sets["b-b"] == ("identity", 2, 3, "float32")
    assert sets["a-b"] == ("pool", 0, 0, None)
    assert sum(s["synapses"] for s in found["sets"]) == 1076
    assert "populations" in command("info n.h5")[1]


def test_info_of_data(command):
    found = json.loads(command("info d.h5 --json")[1])
    assert (found["samples"], found["images"], found["dtype"]) == (6, [4, 4, 2], "float32")
    found = json.loads(command("info e.h5 --json")[1])
    assert (found["samples"], found["shape"], found["timesteps"]) == (6, [4, 4, 2], 20)
    assert (found["graded"], found["labels"]) == (False, "0 to 2")


def test_an_internal_error_asks_to_be_reported(command, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("of\nours")

    monkeypatch.setattr("evsim.cli.commands.run.Job", broken)
    monkeypatch.delenv("EVSIM_DEBUG", raising=False)
    line = "evsim: internal error, please report it (EVSIM_DEBUG=1 shows where): "
    line += "ZeroDivisionError: of ours\n"
    assert command("run n.h5 d.h5 --json") == (70, "", line)
    monkeypatch.setenv("EVSIM_DEBUG", "1")
    status, out, err = command("run n.h5 d.h5 --json")
    assert (status, out) == (70, "")
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.endswith(line)


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 2, "out of memory: fewer --jobs or a smaller --memory may help"),
        (OSError(5, "Input/output error", "d.h5"), 2, "d.h5: Input/output error"),
    ],
)
def test_what_the_system_does_is_no_bug_of_ours(error, status, line, command, monkeypatch):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr("evsim.cli.commands.run.Job", fails)
    assert command("run n.h5 d.h5 --json") == (status, "", f"evsim: {line}\n")


def test_help_is_no_error(command):
    for line in ("", "--help", "run --help"):
        status, out, err = command(line)
        assert (status, err) == (0, "")
        assert "evsim" in out


def test_python_m_evsim(files):
    done = child("info", "n.h5", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["format"] == "evsim-network"
    done = child("info", "nothing.h5", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "evsim: nothing.h5: no such file\n"


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["tables", "json"])
def test_nobody_reads_our_output(options, files):
    reader, writer = os.pipe()
    os.close(reader)
    done = child("info", "n.h5", *options, capture_output=False, stdout=writer, stderr=-1)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_our_output_does_not_fit(files):
    with open("/dev/full", "w") as full:
        done = child("info", "n.h5", "--json", capture_output=False, stdout=full, stderr=-1)
    line = "evsim: standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, line)


@pytest.mark.slow
def test_output_in_ascii(files):
    put("name", "réseau ☃")(h5py.File("n.h5", "r+"))
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for line in ("info n.h5", "run n.h5 d.h5 -T 2"):
        done = child(*line.split(), env=environment)
        assert done.returncode == 0, done.stderr
        assert "r?seau ?" in done.stdout


@pytest.mark.slow
def test_kernels_are_compiled_once(files):
    parts = {place: network_parts()[place] for place in ("/", "populations/in", "populations/out")}
    dense = {
        "kind": "dense",
        "source": "in",
        "target": "out",
        "weight": np.ones((32, 3), np.float32),
    }
    write("small.h5", {**parts, "synapses/in-out": dense})
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(files / "cache")}
    line = ["run", "small.h5", "d.h5", "-T", "2", "--samples", ":1"]
    first, second = (child(*line, env=environment) for _ in range(2))
    assert first.returncode == second.returncode == 0
    assert first.stderr.startswith("evsim: compiling kernels, once for this machine ... done in ")
    assert first.stderr.count("\n") == 1
    assert second.stderr == ""


@pytest.mark.slow
def test_demo_of_all_networks(capsys, tmp_path, monkeypatch):
    (tmp_path / "networks").symlink_to(ROOT / "networks")
    (tmp_path / "data").mkdir()
    folders = [ROOT / "data", tmp_path / "data"]
    every, some = (folder / "digits_test.h5" for folder in folders)
    with h5py.File(every) as source, h5py.File(some, "w") as target:
        target["images"], target["labels"] = source["images"][:20], source["labels"][:20]
    monkeypatch.setattr("evsim.cli.commands.demo.shipped", lambda folder: tmp_path / folder)
    assert run_command(["demo", "--all"]) == 0
    out, err = capsys.readouterr()
    names = sorted(p.stem for p in (ROOT / "networks").glob("digits-*.h5") if "." not in p.stem)
    lines = [f"evsim: {name}, {k} of {len(names)}" for k, name in enumerate(names, 1)]
    assert [line for line in err.splitlines() if " of " in line] == lines
    rows = {cells[0]: cells for line in out.splitlines() if (cells := line.strip("│ ").split())}
    for name in names:
        with h5py.File(ROOT / "networks" / f"{name}.golden.h5") as golden:
            right = (golden["predictions"][:20] == golden["labels"][:20]).mean()
        assert f"{100 * right:.2f}" in rows[name.removeprefix("digits-")]


def test_demo(capsys):
    assert run_command(["demo"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "digits-conv: 360 samples, 64 timesteps, coding constant, 131,040 synapses"
    )
    assert "accuracy 98.61 % (355 of 360), the artificial network 99.17 %" in out
    assert "accesses M1 (weights)" in out
