"""Shards, locks and what becomes of both when processes die."""

import ast
import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from kills import Simulated, killed, whole_samples
from kills.__main__ import COMMANDS, kills
from support.commands import run
from support.files import content, images

from evsim import store
from evsim.base.errors import EvsimError
from evsim.store import lock as locks
from evsim.store import result, shards
from evsim.store.lock import Lock
from evsim.store.shards import Damaged, Shard

OPTIONS = "-T 4 --record spikes,trace,queues,ranges --quiet"


@pytest.fixture
def said():
    """What a lock tells its user."""
    return []


def test_a_shard_is_read_as_it_was_written(tmp_path):
    arrays = {
        "work/a": np.arange(5),
        "trace/b": np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)[:, ::-1],
        "empty": np.empty((0, 3), np.int8),
        "one": np.array(2.5),
        "words": np.array(["a\tb", "c"]),
    }
    path = shards.write(tmp_path, "0-2.x", arrays)
    assert list(shards.listed(tmp_path)) == [("0-2.x", path)]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    with Shard(path) as shard:
        assert shard.places == list(arrays)
        for place, array in arrays.items():
            found = shard[place]
            assert (found.dtype, found.shape) == (array.dtype, array.shape)
            assert found.tolist() == array.tolist()
        [rows] = shard.blocks("trace/b", 1, 2)
        assert rows.tolist() == arrays["trace/b"][1:].tolist()


def test_shards_are_read_by_threads_while_kernels_are_compiled(tmp_path, monkeypatch):
    """Nothing parses Python there: that is not safe in threads before Python 3.11.8."""
    path = shards.write(tmp_path, "0-2.x", {"a": np.arange(5)})

    def refuse(*_, **__):
        raise AssertionError("parsed")

    monkeypatch.setattr(ast, "parse", refuse)
    with Shard(path) as shard:
        assert shard["a"].tolist() == list(range(5))
        assert next(shard.blocks("a", 1, 3)).tolist() == [1, 2]


def test_every_flipped_byte_of_a_shard_is_found(tmp_path):
    path = shards.write(tmp_path, "0-2.x", {"a": np.arange(5)})
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(Damaged):
            Shard(path)
    path.write_bytes(whole[:-1])
    with pytest.raises(Damaged):
        Shard(path)


def test_a_shard_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def refuse(_):
        raise OSError(5, "broken")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="broken"):
        shards.write(tmp_path, "0-2.x", {"a": np.arange(5)})
    assert not list(tmp_path.iterdir())


# Locks


def test_one_writes_at_a_time(tmp_path, said):
    folder = tmp_path / "part"
    first = Lock(folder, said.append)
    with pytest.raises(EvsimError, match=f"written by process {os.getpid()} on .* since 2"):
        Lock(folder, said.append)
    first.check()
    first.release()
    assert not folder.exists()
    Lock(folder, said.append).release()
    assert not said


def left_behind(folder, **changes):
    """A lock whose owner is no more, or looks as if."""
    folder.mkdir()
    own = locks._self() | {"process": 2**22 + 1, "began": "7"} | changes
    (folder / "lock.3").write_text(json.dumps(own))


def test_a_dead_owner_is_followed(tmp_path, said):
    left_behind(tmp_path / "part")
    own = Lock(tmp_path / "part", said.append)
    own.tell()
    assert own.path.name == "lock.4"
    [line] = said
    assert "taken over from process 4194305 on" in line
    own.release()
    assert not (tmp_path / "part").exists()


def test_a_process_of_the_same_number_is_another_one(tmp_path, said):
    left_behind(tmp_path / "part", process=os.getpid())
    own = Lock(tmp_path / "part", said.append)
    own.tell()
    own.release()
    assert "taken over" in said[0]


@pytest.mark.parametrize("changes", [{"host": "elsewhere"}, {"machine": "another boot"}, None])
def test_an_owner_elsewhere_is_watched(tmp_path, said, monkeypatch, changes):
    monkeypatch.setattr(locks, "WATCH", 0.3)
    monkeypatch.setattr(locks, "BEAT", 0.1)
    left_behind(tmp_path / "part", **(changes or {}))
    path = tmp_path / "part/lock.3"
    if changes is None:  # what it says is damaged
        path.write_text("{")
    ended = threading.Event()

    def live():
        while not ended.wait(0.05):
            os.utime(path)

    thread = threading.Thread(target=live)
    thread.start()
    with pytest.raises(EvsimError, match="is being written by"):
        Lock(tmp_path / "part", said.append)
    ended.set()
    thread.join()
    own = Lock(tmp_path / "part", said.append)
    own.tell()
    own.release()
    assert ["watching" in line for line in said] == [True, True, False]


def test_who_was_taken_for_dead_stops(tmp_path, said):
    own = Lock(tmp_path / "part", said.append)
    (tmp_path / "part/lock.2").write_text("{}")
    with pytest.raises(EvsimError, match="or taken over by another one"):
        own.check()
    own.release()
    assert (tmp_path / "part/lock.2").exists()


def test_a_file_system_without_hard_links(tmp_path, said, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    own = Lock(tmp_path / "part", said.append)
    with pytest.raises(EvsimError, match="is being written by"):
        Lock(tmp_path / "part", said.append)
    own.release()


@pytest.mark.parametrize("dead", [False, True])
def test_of_many_that_begin_at_once_one_gets_it(tmp_path, said, dead):
    for _ in range(20):
        folder, got, start = tmp_path / "part", [], threading.Barrier(6)
        if dead:
            left_behind(folder)

        def begin(folder=folder, got=got, start=start):
            start.wait()
            with contextlib.suppress(EvsimError):
                got.append(Lock(folder, said.append))

        threads = [threading.Thread(target=begin) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        [own] = got
        own.check()
        own.release()
        assert not folder.exists()


# Runs


def test_a_living_run_is_never_written_over(files, capsys):
    images("d.h5", samples=12)
    assert run(f"run n.h5 d.h5 {OPTIONS} --out whole.h5") == 0
    assert run(f"run n.h5 d.h5 {OPTIONS} --out r.h5 --samples :2") == 0
    before = content("r.h5")
    own = Lock(Path("r.h5.part"), print)
    for more in ("", "--overwrite", "--resume", "--resume --overwrite"):
        assert run(f"run n.h5 d.h5 {OPTIONS} --out r.h5 {more}") == 2
        assert content("r.h5") == before
    err = capsys.readouterr().err
    assert err.count("r.h5.part: is being written by process") == 2
    assert err.count("r.h5: exists already (--overwrite replaces it)") == 2
    own.release()
    assert run(f"run n.h5 d.h5 {OPTIONS} --out r.h5 --overwrite") == 0
    assert content("r.h5") == content("whole.h5")


@pytest.fixture
def eager(monkeypatch):
    """Every sample is a shard."""
    monkeypatch.setattr(store, "MOST", 0)


def test_a_damaged_shard_is_computed_again(files, capsys, eager):
    assert run(f"run n.h5 d.h5 {OPTIONS} --out whole.h5") == 0
    assert killed(f"run n.h5 d.h5 {OPTIONS} --out r.h5 --jobs 1", "os.rename", 5)
    part = Path("r.h5.part")
    found = sorted(part.glob("0*.npz"))
    assert found
    found[0].write_bytes(found[0].read_bytes()[:-9])
    (part / "half.123.tmp").write_bytes(b"half")
    capsys.readouterr()
    assert run(f"run n.h5 d.h5 {OPTIONS} --out r.h5 --resume".replace("--quiet", "")) == 0
    said = capsys.readouterr().err
    assert f"{found[0]}: damaged; samples 0 to " in said
    assert "taken over from process" in said
    assert content("r.h5") == content("whole.h5")
    assert not part.exists()


def test_shards_whose_settings_a_disk_has_lost_are_taken(files, eager):
    assert run(f"run n.h5 d.h5 {OPTIONS} --out whole.h5") == 0
    assert killed(f"run n.h5 d.h5 {OPTIONS} --out r.h5 --jobs 1", "os.rename", 6)
    had = whole_samples(Path("r.h5.part"))
    Path("r.h5.part/settings.json").unlink()
    with Simulated() as again:
        assert run(f"run n.h5 d.h5 {OPTIONS} --out r.h5 --resume") == 0
    assert had
    assert not had & again.samples
    assert content("r.h5") == content("whole.h5")


def test_a_result_made_in_the_meantime_stays(files, monkeypatch, capsys):
    assert run(f"run n.h5 d.h5 {OPTIONS} --out r.h5 --seed 4") == 0
    whole = content("r.h5")
    Path("r.h5").rename("made.h5")
    check = result.ResultStore._check

    def late(self, *arguments):
        check(self, *arguments)
        if not Path("r.h5").exists():
            Path("made.h5").rename("r.h5")

    monkeypatch.setattr(result.ResultStore, "_check", late)
    assert run(f"run n.h5 d.h5 {OPTIONS} --out r.h5") == 2
    assert "r.h5: exists already (--overwrite replaces it)" in capsys.readouterr().err
    assert content("r.h5") == whole
    assert not Path("r.h5.part").exists()


def test_shards_of_another_run_are_not_taken(files, eager):
    assert run(f"run n.h5 d.h5 {OPTIONS} --out whole.h5") == 0
    assert killed(f"run n.h5 d.h5 {OPTIONS} --out r.h5 --seed 3 --jobs 1", "os.rename", 4)
    strange = sorted(Path("r.h5.part").glob("0*.npz"))[0]
    kept = strange.read_bytes()
    assert run(f"run n.h5 d.h5 {OPTIONS} --out r.h5 --overwrite --samples :1") == 0
    assert killed(f"run n.h5 d.h5 {OPTIONS} --out r.h5 --overwrite --jobs 1", "os.rename", 5)
    strange.write_bytes(kept)  # as a process that was taken for dead may leave it
    assert run(f"run n.h5 d.h5 {OPTIONS} --out r.h5 --resume --overwrite") == 0
    assert content("r.h5") == content("whole.h5")


@pytest.mark.slow
def test_two_writers_never_lose_a_result(files):
    images("d.h5", samples=40)
    command = [sys.executable, "-m", "evsim", *f"run n.h5 d.h5 {OPTIONS}".split()]
    assert run(f"run n.h5 d.h5 {OPTIONS} --out whole.h5") == 0
    for k, more in enumerate([["--overwrite"], [], ["--resume"]]):
        two = [
            subprocess.Popen([*command, "--out", f"r{k}.h5", *own], stderr=subprocess.DEVNULL)
            for own in (["--overwrite"], more)
        ]
        ended = [process.wait() for process in two]
        assert 0 in ended
        assert set(ended) <= {0, 2}
        assert content(f"r{k}.h5") == content("whole.h5")
        assert not Path(f"r{k}.h5.part").exists()


def test_what_was_kept_is_not_simulated_again(files, capsys, monkeypatch):
    from evsim.studies import job

    simulated = []
    simulate = job.simulate

    def counted(plan, inputs, settings, jobs, stop, samples, measure):
        simulated.extend(samples)
        return simulate(plan, inputs, settings, jobs, stop, samples, measure)

    monkeypatch.setattr(job, "simulate", counted)
    commands = (
        "check n.h5 d.h5 --chip odin -T 6 --json",
        "check n.h5 d.h5 --chip loihi -T 6 --json --claim accuracy>=0",
        "compare n.h5 n.h5 d.h5 -T 6 --json",
        "quantize n.h5 -o q.h5 --bits 4 --potential-bits 6 --data d.h5 --overwrite --json",
    )
    for line in commands:
        told = []
        for more in ("", "--keep kept", "--keep kept"):
            simulated.clear()
            status = run(f"{line} {more}")
            told.append((status, json.loads(capsys.readouterr().out)))
            for row in told[-1][1].get("networks", ()):
                del row["seconds"]
        assert told[0] == told[1] == told[2]
        assert len(simulated) <= 1  # the first sample, for the names of claims


# Kills


@pytest.mark.slow
def test_a_run_killed_anywhere_goes_on(files, eager):
    """Whatever the event that a run is killed at, a run that goes on has the whole result."""
    line = f"run n.h5 d.h5 {OPTIONS} --out r.h5"
    assert run(line) == 0
    whole = content("r.h5")
    Path("r.h5").unlink()
    for event in ("os.rename", "os.link", "os.rmdir", "os.mkdir"):
        number = came = 1
        while came:
            came = killed(f"{line} --jobs 1", event, number)
            if Path("r.h5.part").exists():
                assert run(f"{line} --resume") == 0
            elif not Path("r.h5").exists():
                assert run(line) == 0
            assert content("r.h5") == whole
            assert not Path("r.h5.part").exists()
            Path("r.h5").unlink()
            number += 1
        assert number > 2


@pytest.mark.parametrize(
    ("count", "names"), [(3, ("run",)), pytest.param(20, COMMANDS, marks=pytest.mark.slow)]
)
def test_random_kills_lose_nothing(count, names, tmp_path, monkeypatch, eager):
    monkeypatch.chdir(tmp_path)
    done, had = kills(count, seed=count, names=names)
    assert done.total() >= count
    assert had.total() > 0
