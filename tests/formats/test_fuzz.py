"""Damaged files: whatever bytes they hold, reading ends in an EvsimError or in a valid network."""

import faulthandler
import os
import signal
import time

import numpy as np
import pytest
from support.damage import SECONDS, damaged, outcomes
from support.files import events, images, network

import evsim
from evsim import EvsimError
from evsim.chip.prices import DEFAULT, Profile, find
from evsim.cli.main import run_command
from evsim.formats import guard
from evsim.reports import info, recorded
from evsim.reports.page import render


def read_network(path):
    loaded = evsim.load(path)
    for name, connections in loaded.connections.items():
        source, target = loaded.ends(loaded.synapses[name])
        assert connections.fan_out.shape == (source.neurons,)
        assert 0 <= connections.fan_out.min() <= connections.fan_out.max() <= target.neurons


def read_data(path):
    with evsim.open_data(path) as data:
        for index in range(min(data.samples, 10)):
            content = data.inputs.of(index) if data.images is None else data.images[index]
            assert content is not None


def read_result(path):
    profile = Profile.read(find(DEFAULT))
    machine = {"accumulate": "direct", "update": "clock", "input": "recompute"}
    assert render([recorded.read(path)], profile, machine)


def compressed(path):
    """A network file whose weights lie in compressed chunks, its strings outside the heap."""

    def change(file):
        weight = file["synapses/b-c/weight"][()]
        del file["synapses/b-c/weight"]
        layout = {"chunks": (3, 8), "compression": "gzip", "fletcher32": True}
        file.create_dataset("synapses/b-c/weight", data=weight, **layout)
        for thing in (file, *file["populations"].values(), *file["synapses"].values()):
            for name, value in thing.attrs.items():
                if isinstance(value, str):
                    thing.attrs[name] = np.bytes_(value)

    return network(path, change)


def stored(path):
    """A result with recordings."""
    parts = network(path.with_name("n.h5")), images(path.with_name("d.h5"))
    options = ["-T", "4", "--record", "spikes,queues", "--quiet", "--overwrite"]
    assert run_command(["run", *map(str, parts), *options, "--out", str(path)]) == 0
    return path


FUZZED = {
    "network": (network, read_network, range(500, 650)),
    "compressed": (compressed, read_network, range(160, 260)),
    "images": (images, read_data, range(100)),
    "events": (events, read_data, range(100)),
    "result": (stored, read_result, range(20, 40)),
}
MORE = {
    "network": (network, read_network, range(2000)),
    "compressed": (compressed, read_network, range(2000)),
    "images": (images, read_data, range(500)),
    "events": (events, read_data, range(500)),
    "result": (stored, read_result, range(1000)),
}


def fuzz(write, read, seeds, folder, capsys, monkeypatch):
    content = write(folder / "whole.h5").read_bytes()
    path = folder / "x.h5"
    found = outcomes(content, read, seeds, path)
    raised = {seed: said for seed, said in found.items() if isinstance(said, type)}
    assert raised == {}, "neither read nor an EvsimError"
    lines = [said for said in found.values() if isinstance(said, str)]
    assert len(found) // 10 < len(lines) < len(found)
    for line in lines:
        assert line.startswith(f"{path}: ")
        assert "\n" not in line
    monkeypatch.setattr(guard, "SECONDS", SECONDS)
    for seed, died in found.items():
        if isinstance(died, signal.Signals):  # in the HDF5 library: the command outlives it
            path.write_bytes(damaged(content, seed))
            assert run_command(["info", str(path), "--json"]) == 2, (seed, died)
            out, err = capsys.readouterr()
            assert (out, err.count("\n")) == ("", 1)


@pytest.mark.parametrize("name", FUZZED)
def test_damaged_files_end_in_one_line(name, tmp_path, capsys, monkeypatch):
    fuzz(*FUZZED[name], tmp_path, capsys, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE)
def test_many_damaged_files_end_in_one_line(name, tmp_path, capsys, monkeypatch):
    fuzz(*MORE[name], tmp_path, capsys, monkeypatch)


def forever(path):
    while True:
        pass


def crash(path):
    faulthandler.disable()
    os.kill(os.getpid(), signal.SIGSEGV)


def allocate(path):
    return np.ones(1 << 30)


def fill(path):
    raise EvsimError("found more data than memory holds", file=path) from MemoryError()


@pytest.mark.parametrize(
    ("read", "found"),
    [
        (
            forever,
            "a file that takes more than 1 s to read (EVSIM_NO_GUARD=1 reads it without limi",
        ),
        (crash, "a damaged HDF5 file (reading it crashes the HDF5 library), expected a whole HDF5"),
        (
            allocate,
            "a file that takes more than 0.3 GB to read (EVSIM_NO_GUARD=1 reads it without ",
        ),
        (
            fill,
            "a file that takes more than 0.3 GB to read (EVSIM_NO_GUARD=1 reads it without limi",
        ),
    ],
)
def test_a_reader_that_hangs_crashes_or_takes_all_memory(
    read, found, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(guard, "SECONDS", 1)
    monkeypatch.setattr(guard, "BYTES", 1 << 28)
    monkeypatch.setattr(info, "describe", read)
    path = network(tmp_path / "n.h5")
    begin = time.monotonic()
    assert run_command(["info", str(path)]) == 2
    assert time.monotonic() - begin < 10
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"evsim: {path}: found {found}")
    assert err.count("\n") == 1


def test_a_bug_of_ours_is_met_by_the_command_itself(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(info, "describe", lambda path: {}["ours"])
    assert run_command(["info", str(network(tmp_path / "n.h5"))]) == 70
    assert "internal error" in capsys.readouterr().err


def test_ctrl_c_ends_the_child_too(tmp_path):
    path = network(tmp_path / "n.h5")
    children = tmp_path / "pid"

    def read(path):
        children.write_text(str(os.getpid()))
        os.kill(os.getppid(), signal.SIGINT)
        forever(path)

    with pytest.raises(KeyboardInterrupt):
        guard.guarded(path, read)
    with pytest.raises(ProcessLookupError):
        os.kill(int(children.read_text()), 0)


def test_what_a_child_says_is_what_is_said(tmp_path):
    path = tmp_path / "n.h5"
    path.write_text("text")
    with pytest.raises(EvsimError) as error:
        guard.guarded(path, evsim.load)
    assert str(error.value) == f"{path}: found a file of another format, expected an HDF5 file"
    assert guard.guarded(network(path), evsim.load).synapse_count == 1076
