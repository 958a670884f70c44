"""Two commands never tell two numbers for one thing; each difference that was found, by name."""

import dataclasses
import json
import os
import re

import numpy as np
import pytest
from agreement import DRAWN, compared
from agreement.pages import Tables
from agreement.told import command, summed
from support.effort import QUICK

import evsim
from evsim.engine.queue import Queue
from evsim.formats import result

CASES = int(os.environ.get("EVSIM_CASES", "12" if QUICK else "100"))
SOME = (1, 26)  # the slow test meets everything
TIMED = """schema = "evsim-hw/1"
[time.cycles]
update = 1
[[charge]]
action = ["synaptic_add", "synaptic_mac"]
pj = 1
source = "made up"
evidence = "assumed"
"""


@pytest.fixture(autouse=True)
def no_children(monkeypatch):
    monkeypatch.setenv("EVSIM_NO_GUARD", "1")


@pytest.mark.parametrize("number", SOME)
def test_all_commands_agree(number):
    assert compared(number).differences == []


@pytest.mark.slow
def test_all_commands_agree_on_many_networks():
    """EVSIM_CASES says on how many; in them every kind of part does something."""
    met, wrong = set(), {}
    for number in range(CASES):
        found = compared(number)
        met |= found.met
        if found.differences:
            wrong[number] = found.differences
    assert wrong == {}
    kinds = {f"kind {name}" for name in evsim.neuron_kinds()}
    kinds |= {f"set {name}" for name in evsim.synapse_kinds()}
    if CASES >= 100:
        assert kinds | DRAWN <= met, sorted((kinds | DRAWN) - met)
    if CASES >= 1000:
        assert fields() <= met, sorted(fields() - met)


def fields() -> set[str]:
    """All fields of all kinds, as what is met names them."""
    parts = {**evsim.neuron_kinds(), **evsim.synapse_kinds()}
    found = {f"{k} {f.name}" for k, part in parts.items() for f in dataclasses.fields(part)}
    everywhere = {f"{k} {name}" for k in parts for name in ("shape", "source", "target")}
    return found - everywhere - {"switch firing"}


# what it found


def build(kind: str, **fields):
    return {**evsim.neuron_kinds(), **evsim.synapse_kinds()}[kind].build(fields)


def chain(middle, into, **attributes) -> evsim.Network:
    """An input of 4 x 4, a population, a readout of two."""
    populations = {"in": build("input", shape=(4, 4, 1)), "a": middle}
    populations["out"] = build("readout", shape=(2,))
    ones = np.ones((middle.neurons, 2), np.float32)
    synapses = {"1": into, "2": build("dense", source="a", target="out", weight=ones)}
    return evsim.Network(populations, synapses, **attributes)


def bright(path, samples: int = 1) -> np.ndarray:
    """Images of ones, in a file too."""
    import h5py

    images = np.full((samples, 4, 4, 1), 255, np.uint8)
    with h5py.File(path, "w") as file:
        file["images"] = images
    return images


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bright("d.h5")
    (tmp_path / "chip.toml").write_text(TIMED)
    return tmp_path


def told(*line):
    status, out, err = command(*line)
    assert status in (0, 1), err
    return out


def pooled() -> evsim.Network:
    """The largest of four places each: 16 places, 4 neurons."""
    middle = build("analog", shape=(2, 2, 1), pool=(2, 2))
    into = build("identity", source="in", target="a")
    return chain(middle, into, timesteps=3)


def test_time_takes_as_many_updates_as_are_counted(folder):
    evsim.save(pooled(), "n.h5")
    found = json.loads(told("check", "n.h5", "d.h5", "--chip", "chip.toml", "--json"))
    run = json.loads(told("run", "n.h5", "d.h5", "--json"))
    updates = sum(facts.get("updates", 0) for facts in run["work"].values())
    assert updates == 3 * (16 + 2)
    assert found["time"]["latency"] == updates  # one core, a cycle each; it was 3 * (4 + 2)


def test_spikes_of_a_check_are_those_of_a_comparison(folder):
    evsim.save(pooled(), "n.h5")
    check = json.loads(told("check", "n.h5", "d.h5", "--chip", "chip.toml", "--json"))
    compared = json.loads(told("compare", "n.h5", "d.h5", "--json"))
    assert compared["networks"][0]["spikes"] == 3 * (16 + 4)
    assert check["values"]["spikes"] == 3 * (16 + 4)  # it left out the input's
    assert check["values"]["unconstrained"]["spikes"] == 3 * (16 + 4)


def test_synaptic_operations_are_those_of_the_machine(folder):
    evsim.save(pooled(), "n.h5")
    line = "--input", "cached"
    run = json.loads(told("run", "n.h5", "d.h5", "--out", "r.h5", "--json", *line))
    done = run["counts"]["total"]["synaptic_add"] + run["counts"]["total"]["synaptic_mac"]
    assert done == 16 + 3 * 4 * 2  # the input once, it repeats itself
    told("report", "r.h5", "-o", "page.html", *line)
    rows = Tables.of((folder / "page.html").read_text()).first("Per inference")
    assert rows["Synaptic operations"] == rows["of these multiply-accumulates"] == ["40.0"]
    [row] = re.findall(r"│ 1 .*", told("run", "n.h5", "d.h5", *line))
    assert row.split("│")[5].strip() == "16.0"


def test_a_firing_rate_is_of_neurons_and_timesteps(folder):
    evsim.save(pooled(), "n.h5")
    printed = told("run", "n.h5", "d.h5", "--out", "r.h5")
    [row] = re.findall(r"│ a .*", printed)
    told("report", "r.h5", "-o", "page.html")
    rows = Tables.of((folder / "page.html").read_text()).first("Population")
    assert row.split("│")[4].strip() == "100.00 %"  # it was 25 %: of places
    assert rows["a analog"][2] == "100.00"


def test_a_result_file_gives_back_every_fact(folder):
    window = {"window": 4, "start": 4}
    middle = build("switch", shape=(4, 4, 1), threshold=1.0, **window)
    network = chain(middle, build("identity", source="in", target="a"), coding="switch")
    network = network_with_slope(network)
    run = evsim.run(network, 2.0 * np.ones((1, 4, 4, 1), np.float32))
    assert run.work["in"]["clipped"].tolist() == [16]
    run.save("r.h5")
    stored = result.load("r.h5")
    assert summed(stored.work) == summed(run.work)


def network_with_slope(network: evsim.Network) -> evsim.Network:
    """The same with a readout that listens in the window behind."""
    populations = dict(network.populations)
    populations["out"] = build("readout", shape=(2,), slope=True, window=4, start=8)
    return evsim.Network(populations, dict(network.synapses), **network.attributes)


@pytest.mark.parametrize("dtype", [np.int64, np.uint32])
def test_where_weights_are_is_no_parameter(dtype):
    there = np.arange(16, dtype=dtype) % 3
    ends = {"source": "in", "target": "a", "data": np.ones(16, np.float32)}
    into = build("sparse", **ends, indices=there, indptr=np.arange(17, dtype=dtype))
    network = chain(build("iaf", shape=(3,), threshold=1.0), into)
    assert network.parameters == 16 + 6


def test_one_bit_weights_take_what_a_queue_delivers():
    """Sums of signs by words of 64 took events of all sources, those too that a queue had lost."""
    signs = np.where(np.random.default_rng(1).random((16, 2)) < 0.5, -1, 1).astype(np.int8)
    runs = []
    for bits in (1, None):
        middle = build("stochastic", shape=(16,), output="bipolar", sampled=False)
        populations = {"in": build("input", shape=(16,)), "a": middle}
        populations["out"] = build("readout", shape=(2,))
        first = build("dense", source="in", target="a", weight=np.eye(16, dtype=np.float32))
        second = build("dense", source="a", target="out", weight=signs, bits=bits)
        network = evsim.Network(populations, {"1": first, "2": second})
        queue = Queue(3)
        runs.append(evsim.run(network, np.ones((1, 16), np.float32), timesteps=4, queue=queue))
    packed, plain = runs
    assert plain.work["2"]["synops"].tolist() == [4 * 3 * 2]
    assert plain.potential.tolist() == (4 * signs[None, :3].sum(axis=1)).tolist()
    assert summed(packed.work) == summed(plain.work)
    assert packed.potential.tolist() == plain.potential.tolist()
