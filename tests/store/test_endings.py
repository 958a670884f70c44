"""Nothing that is finished is lost, whatever ends a run: Ctrl-C, a kill, a full disk."""

import contextlib
import errno
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.commands import run
from support.files import content, finished, images
from support.places import ROOT

import evsim
from evsim.formats import result
from evsim.store import shards
from evsim.store.assemble import as_file
from evsim.studies import job

DIGITS = [str(ROOT / "networks/digits-conv.h5"), str(ROOT / "data/digits_test.h5")]


def start(*options, out="r.h5"):
    """A longer run in a process of its own, once its first sample is on disk."""
    line = [*DIGITS, "-T", "8000", "--samples", ":8", "--out", out, "--record", "spikes", *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "evsim", "run", *line], stdout=-1, stderr=-1, text=True
    )
    begin = time.monotonic()
    while not finished(f"{out}.part"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() - begin < 60
        time.sleep(0.01)
    return process


def goes_on(done, whole):
    """The part holds `done` whole samples, and --resume completes it."""
    assert 0 < done < 8
    with as_file("r.h5.part") as path:
        assert result.load(path).count == done
    network, data = (os.path.relpath(path) for path in DIGITS)  # the same files by another name
    options = "-T 8000 --samples :8 --record spikes --quiet --resume"
    assert run(f"run {network} {data} {options} --out r.h5") == 0
    assert not Path("r.h5.part").exists()
    assert content("r.h5") == whole


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The longer run, uninterrupted."""
    path = tmp_path_factory.mktemp("whole") / "r.h5"
    assert (
        run(f"run {' '.join(DIGITS)} -T 8000 --samples :8 --record spikes --quiet --out {path}")
        == 0
    )
    return content(path)


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished(files, whole):
    process = start("--jobs", "1")
    process.send_signal(signal.SIGINT)
    begin = time.monotonic()
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - begin < 3
    assert (process.returncode, out) == (130, "")
    done = finished("r.h5.part")
    expected = f"{done} of 8 samples are in r.h5.part, --resume goes on with them"
    assert err == f"evsim: interrupted: {expected}\n"
    assert not Path("r.h5").exists()
    goes_on(done, whole)


@pytest.mark.slow
def test_a_killed_run_goes_on(files, whole):
    process = start("--jobs", "1")
    process.kill()
    assert process.communicate(timeout=30)[0] == ""
    assert process.returncode == -signal.SIGKILL
    goes_on(finished("r.h5.part"), whole)


def test_ctrl_c_before_anything_is_finished(files, capsys, monkeypatch):
    def interrupted(*_):
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(job, "warm", interrupted)
        assert run("run n.h5 d.h5 -T 4 --out r.h5 --json") == 130
    said = "interrupted: 0 of 6 samples are in r.h5.part, --resume goes on with them"
    assert capsys.readouterr() == ("", f"evsim: {said}\n")
    assert run("run n.h5 d.h5 -T 4 --out r.h5 --resume --quiet") == 0
    assert run("run n.h5 d.h5 -T 4 --out whole.h5 --quiet") == 0
    assert content("r.h5") == content("whole.h5")


def test_ctrl_c_without_a_file(files, capsys, monkeypatch):
    images("d.h5", samples=300)

    def interrupted(finished, *_):
        for count, sample in enumerate(finished, 1):
            yield sample
            if count == 3:
                os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(job, "progress", interrupted)
    assert run("run n.h5 d.h5 -T 64 --jobs 1 --json") == 130
    out, err = capsys.readouterr()
    assert out == ""
    [done] = re.findall(r"^evsim: interrupted: (\d+) of 300 samples were finished\n$", err)
    assert 3 <= int(done) < 300  # what was advanced together is finished together
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@contextlib.contextmanager
def disk_of(size):
    """No file can grow beyond `size` bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_keeps_whole_samples(files, capsys):
    options = "--record spikes,trace,queues -T 300 --jobs 1"
    images("d.h5", samples=12)
    assert run(f"run n.h5 d.h5 --out whole.h5 {options} --quiet") == 0
    with disk_of(Path("whole.h5").stat().st_size // 2):
        assert run(f"run n.h5 d.h5 --out r.h5 {options} --json") == 2
    out, err = capsys.readouterr()
    assert out == ""
    kept = "the samples are in r.h5.part, --resume goes on with them"
    assert err == f"evsim: r.h5: cannot be written: File too large; {kept}\n"
    assert finished("r.h5.part") == 12
    assert not Path("r.h5").exists()
    assert run(f"run n.h5 d.h5 --out r.h5 {options} --resume --quiet") == 0
    assert content("r.h5") == content("whole.h5")
    assert not Path("r.h5.part").exists()


@pytest.mark.slow
def test_a_disk_that_fills_up_keeps_whole_samples(files, capsys, monkeypatch):
    options = "--record spikes,trace,queues -T 300 --jobs 1"
    images("d.h5", samples=12)
    assert run(f"run n.h5 d.h5 --out whole.h5 {options} --quiet") == 0
    write = shards.write

    def full(folder, name, arrays):
        if finished(folder) + len(arrays.get("samples", ())) > 5:
            raise OSError(errno.ENOSPC, "full")
        return write(folder, name, arrays)

    with monkeypatch.context() as patch:
        patch.setattr(shards, "write", full)
        assert run(f"run n.h5 d.h5 --out r.h5 {options} --json") == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "evsim: r.h5.part: cannot be written: No space left on device\n")
    assert finished("r.h5.part") == 5  # as many as fit, though several were waiting to be written
    assert run(f"run n.h5 d.h5 --out r.h5 {options} --resume --quiet") == 0
    assert content("r.h5") == content("whole.h5")


def test_a_disk_that_is_full_before_the_run(files, capsys):
    with disk_of(5000):
        assert run("run n.h5 d.h5 --out r.h5 --json") == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "evsim: r.h5.part: cannot be written: File too large\n")
    assert not list(files.glob("r.h5*"))
    loaded = evsim.load("n.h5")
    with disk_of(5000), pytest.raises(evsim.EvsimError, match=r"^m\.h5: cannot be written: File "):
        evsim.save(loaded, "m.h5")
    assert not list(files.glob("m.h5*"))
