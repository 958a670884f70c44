"""Conversions keep what is finished, can be ended anywhere, and do not grow with their images."""

import contextlib
import os
import random
import re
import resource
import signal
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from support.kept import LINE, LONGEST, WAYS, digest, files, gone_on, killed, main

from evsim.conversion import _scales, _walk, convert
from evsim.conversion._statistics import Percentile, Selection
from evsim.engine.simulation import Stopped
from evsim.formats.trainers import Options, read
from evsim.store import shards, stages
from evsim.store.lock import Lock
from evsim.store.stages import Held, Stages


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The files of the small model, in the working directory; nothing waits to be written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVSIM_NO_GUARD", "1")
    monkeypatch.setattr(stages, "PATIENCE", 0)
    monkeypatch.setattr(_walk, "GROUPS", 5)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # a kill is no loss of power
    files(tmp_path)
    return tmp_path


@pytest.fixture
def command(folder, command):
    """Commands beside the files of the small model."""
    return command


@pytest.mark.parametrize("way", WAYS)
def test_networks_are_what_they_were_when_memory_held_everything(way, folder, command):
    assert command(LINE + way) == (0, "", "")
    assert digest("n.h5") == WAYS[way]
    assert not list(folder.glob("n.h5?*"))


class Counting(Stages):
    """Stops after so many things are kept; how often each was."""

    def __init__(self, *given, stop=None, **more):
        super().__init__(*given, **more)
        self.left, self.count = stop, []

    def put(self, name, arrays):
        if self.left is not None and len(self.count) == self.left:
            raise Stopped
        super().put(name, arrays)
        self.count.append(name)


def test_nothing_that_is_kept_is_computed_again(folder):
    model = read("m.h5", Options(topology="kept.toml")).content
    images = np.random.default_rng(2).integers(0, 256, (40, 6, 6, 2), np.uint8)
    choices = {"method": "spike-norm", "correct_bias": True, "timesteps": 8, "jobs": 1}
    whole = Counting("w.h5", {})
    with whole:
        expected = convert(model, images, **choices, kept=whole).network
    twin = convert(model, images, **choices, kept=Held()).network
    every, resume = [], False
    while True:
        part = Counting("n.h5", {}, resume=resume, stop=40)
        with contextlib.suppress(Stopped), part:
            found = convert(model, images, **choices, kept=part).network
            break
        every, resume = every + part.count, True
    every += part.count
    assert len(every) == len(set(every))
    assert set(every) == set(whole.count)
    for network in (found, twin):
        for name, population in expected.populations.items():
            other = network.populations[name]
            assert np.array_equal(getattr(other, "bias", 0), getattr(population, "bias", 0))
        for name, part in expected.synapses.items():
            assert (network.synapses[name].weights() == part.weights()).all()


@pytest.mark.parametrize("call", range(5, 100, 31))
def test_killed_at_a_call_it_goes_on(call, folder):
    line = LINE + LONGEST
    assert killed(line, call=call) in (None, 0)
    gone_on(line)
    assert digest("n.h5") == WAYS[LONGEST]
    assert not list(folder.glob("n.h5?*"))


@pytest.mark.slow
def test_killed_at_random_it_goes_on(capsys):
    before = Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVSIM_NO_GUARD", "1")
        patch.setattr(stages, "PATIENCE", 0)
        patch.setattr(os, "fsync", lambda descriptor: None)
        try:
            main(25)
        finally:
            os.chdir(before)
    assert re.match(r"2\d kills; ", capsys.readouterr().out)


def test_what_a_disk_has_spoilt_is_made_again(command):
    killed(LINE + LONGEST, call=70)
    found = [path for _, path in shards.listed(Path("n.h5.part"))]
    events = [path for path in found if "events" in path.name]
    assert 2 < len(events) < len(found)
    generator = random.Random(1)
    for path in generator.sample(found, len(found) // 3):
        path.write_bytes(path.read_bytes()[:-7])
    events[0].unlink()
    content = bytearray(events[1].read_bytes())
    content[len(content) // 2] ^= 1
    events[1].write_bytes(content)
    assert command(f"{LINE}{LONGEST} --resume") == (0, "", "")
    assert digest("n.h5") == WAYS[LONGEST]


def test_ctrl_c_says_how_to_go_on(folder, command, monkeypatch):
    put = Stages.put

    def interrupted(self, name, arrays):
        put(self, name, arrays)
        if "events" in name:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Stages, "put", interrupted)
        status, out, err = command(f"{LINE}{LONGEST} --jobs 1")
    assert (status, out) == (130, "")
    said_so = "; what is finished is in n.h5.part, --resume goes on with it"
    assert re.fullmatch(rf"evsim: interrupted: step \d+ of \d+{said_so}\n", err)
    assert command(f"{LINE}{LONGEST} --jobs 2 --resume") == (0, "", "")
    assert digest("n.h5") == WAYS[LONGEST]
    monkeypatch.setattr(_scales, "gather", lambda *_: os.kill(os.getpid(), signal.SIGINT))
    monkeypatch.setattr(_scales.Finish, "__call__", lambda *_: exec_stopped())
    assert command(f"{LINE}--method max --overwrite") == (
        130,
        "",
        "evsim: interrupted: nothing was finished\n",
    )
    assert digest("n.h5") == WAYS[LONGEST]
    assert not list(folder.glob("n.h5?*"))


def exec_stopped():
    """What a stopped calibration ends with."""
    raise Stopped


CHANGES = {
    "--percentile 98 --resume": "percentile: found 99.9, expected 98.0, as this ",
    "--samples :9 --resume": "samples: found '0:70', expected '0:9', as this ",
    "--scale 9 --resume": "layers: found '",
    "": "exists already (--resume goes on with it, --overwrite replaces it)",
}


def test_a_part_of_another_command_is_refused(command):
    killed(LINE + LONGEST, call=30)
    before = [path for path in sorted(Path("n.h5.part").iterdir()) if path.stem != "lock"]
    for change, expected in CHANGES.items():
        every = "" if "--samples" in change else "--samples : "
        status, out, err = command(f"{LINE.replace('--samples : ', every)}{LONGEST} {change}")
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"evsim: n.h5.part: {expected}")
        assert sorted(Path("n.h5.part").iterdir()) == before
    assert command(f"{LINE}--method max -T 16 --overwrite") == (0, "", "")
    assert digest("n.h5") == WAYS["--method max -T 16"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"{LINE}--resume", "n.h5.part: no such folder, expected a part to resume"),
        (f"{LINE}-o nowhere/n.h5", "--out: found two values"),
        (
            "convert m.h5 -o n.h5 --topology kept.toml --scheme stochastic --resume",
            "--resume: found --scheme stochastic, expected no such option",
        ),
        (LINE.replace("n.h5", "no/n.h5"), "no/n.h5: cannot be written: no such folder"),
    ],
)
def test_mistakes_are_one_line(line, expected, folder, command):
    status, out, err = command(line)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"evsim: {expected}")
    assert not list(folder.glob("n.h5*"))


def test_what_is_not_ours_is_not_removed(folder, command):
    (folder / "n.h5.part").mkdir()
    (folder / "n.h5.part" / "mine").write_text("mine")
    command(f"{LINE}--method max --overwrite")
    assert (folder / "n.h5.part" / "mine").read_text() == "mine"
    (folder / "n.h5.part" / stages.SETTINGS).write_text("[1")
    status, _, err = command(f"{LINE}--method max --overwrite --resume")
    assert status == 2
    assert err.startswith("evsim: n.h5.part: found a damaged settings.json")
    assert (folder / "n.h5.part" / "mine").read_text() == "mine"


@contextlib.contextmanager
def disk_of(size):
    """No file can grow beyond `size` bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_keeps_what_is_finished(folder, command):
    with disk_of(1500):  # less than some events take
        found = command(LINE + LONGEST)
    assert found == (2, "", "evsim: n.h5.part: cannot be written: File too large\n")
    kept = [name for name, _ in shards.listed(folder / "n.h5.part")]
    assert "norm-00001-largest" in kept
    assert not list((folder / "n.h5.part").glob(f"*{shards.TEMPORARY}"))
    assert command(f"{LINE}{LONGEST} --resume") == (0, "", "")
    assert digest("n.h5") == WAYS[LONGEST]


def test_a_folder_that_goes_away_is_one_line(folder, command, monkeypatch):
    put = Stages.put

    def gone(self, name, arrays):
        put(self, name, arrays)
        if "events" in name and self.folder.exists():
            self.folder.rename("away")

    monkeypatch.setattr(Stages, "put", gone)
    found = command(LINE + LONGEST)
    assert found == (2, "", "evsim: n.h5.part: cannot be written: No such file or directory\n")
    assert list(shards.listed(folder / "away"))


@pytest.mark.parametrize("percent", [50, 97, 99.9, 100])
@pytest.mark.parametrize("rows", [1, 3])
def test_counting_finds_the_percentile_that_holding_finds(rows, percent):
    generator = np.random.default_rng(rows)
    values = np.float32(np.exp(3 * generator.normal(size=(50, 7, 3))))
    values[generator.random(values.shape) < 0.4] = 0
    values[::5] = np.round(values[::5])
    held, counted = (kind(percent, values.size // rows, rows) for kind in (Percentile, Selection))
    held.add(values)
    for _ in Selection.DIGITS:
        for first in range(0, 50, 8):
            counted.add(values[first : first + 8])
        counted.turn()
    assert counted.result().tolist() == held.result().tolist()


def test_percentiles_beyond_a_room_are_counted(command, monkeypatch):
    monkeypatch.setattr(_scales, "KEPT", 10)
    way = "--method percentile --percentile 97 --per-channel -T 16"
    assert command(LINE + way) == (0, "", "")
    assert digest("n.h5") == WAYS[way]
    assert killed(f"{LINE}{way} --overwrite", call=10) is None
    assert command(f"{LINE}{way} --resume --overwrite") == (0, "", "")
    assert digest("n.h5") == WAYS[way]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_images(folder, monkeypatch):
    monkeypatch.setattr(_walk, "GROUP", 1)  # a sample at a time
    model = read("m.h5", Options(topology="kept.toml")).content
    images = np.random.default_rng(2).integers(0, 256, (48, 6, 6, 2), np.uint8)
    choices = {"method": "spike-norm", "correct_bias": True, "timesteps": 512, "jobs": 1}

    def peak(samples, kept):
        tracemalloc.start()
        convert(model, images[:samples], **choices, kept=kept)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(8, Held())  # compiles
    held = peak(48, Held()) - peak(8, Held())
    with Stages("few.h5", {}) as few, Stages("many.h5", {}) as many:
        grown = peak(48, many) - peak(8, few)
    assert held > 40 * 8_000, held  # bytes of events that each image has
    assert grown < held / 2, (grown, held)


@contextlib.contextmanager
def held(folder):
    """A lock of another command."""
    own = Lock(folder, print)
    yield own
    own.release()


def test_one_command_writes_at_a_time(command):
    killed(LINE + LONGEST, call=30)
    with held(Path("n.h5.part")) as own:
        for more in ("--resume", "--overwrite"):
            status, out, err = command(f"{LINE}{LONGEST} {more}")
            assert (status, out, err.count("\n")) == (2, "", 1)
            assert err.startswith("evsim: n.h5.part: is being written by process ")
        own.check()
    assert command(f"{LINE}{LONGEST} --resume") == (0, "", "")
    assert digest("n.h5") == WAYS[LONGEST]
    assert not Path("n.h5.part").exists()
