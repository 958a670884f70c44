"""A run in which no neuron fired says so, with the likely reason."""

import h5py
import numpy as np
import pytest
from support.nir_files import write

import evsim
from evsim.formats.trainers import Options
from evsim.formats.trainers import read as read_file
from evsim.studies.silence import silence


def network_of(weight=1.0, delay=0, threshold=1.0, source=None):
    """Two inputs, two neurons and a readout."""
    kinds, dense = evsim.neuron_kinds(), evsim.synapse_kinds()["dense"]
    part = dense(
        source="in", target="n", weight=np.float32([[weight, 0], [0, weight]]), delay=delay
    )
    out = dense(source="n", target="out", weight=np.ones((2, 2), np.float32))
    populations = {
        "in": kinds["input"](shape=(2,), scale=1.0),
        "n": kinds["iaf"](shape=(2,), threshold=threshold),
        "out": kinds["readout"](shape=(2,)),
    }
    return evsim.Network(populations, {"a": part, "b": out}, source=source)


def said(network, value=0.5, **how):
    """What is said of a run over two images."""
    run = evsim.run(network, np.full((2, 2), value, np.float32), **{"timesteps": 4} | how)
    return silence(network, run.work)


@pytest.mark.parametrize(
    ("network", "value", "words"),
    [
        (network_of(), 0.0, "the input sent nothing"),
        (network_of(delay=4), 0.5, "due after the last timestep (`timesteps`)"),
        (network_of(weight=1e-4), 0.5, "the largest weight into n is 0.0001 of its threshold"),
        (network_of(weight=1e-4, source="NIR graph"), 0.5, "another `dt` than its own"),
        (network_of(weight=0.1), 0.5, "stays below the thresholds"),
        (network_of(weight=-1), 0.5, "stays below the thresholds"),
    ],
)
def test_silence_has_a_reason(network, value, words):
    found = said(network, value)
    assert found.startswith("no neuron fired: ")
    assert words in found


def test_where_a_neuron_fires_nothing_is_said():
    assert said(network_of()) == ""


def test_networks_of_a_wrong_dt_say_so_on_the_screen(tmp_path, command):
    """The N-MNIST network of the wrong length of a timestep, small."""
    nodes = {
        "input": {"type": "Input", "shape": np.array([2])},
        "fc": {"type": "Linear", "weight": np.float32([[1, 0], [0, 2]])},
        "n": {"type": "IF", "r": np.ones(2), "v_threshold": np.ones(2)},
        "output": {"type": "Output", "shape": np.array([2])},
    }
    edges = [("input", "fc"), ("fc", "n"), ("n", "output")]
    path = write(tmp_path / "g.nir", nodes, edges)
    assert read_file(path, Options()).result()
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file.attrs.update(format="evsim-data", version=1)
        file["images"], file["labels"] = np.ones((2, 2), np.float32), np.zeros(2, np.int64)
    for dt, silent in (("1e-4", True), ("2", False)):
        line = ("convert", path, "-o", tmp_path / "n.h5", "--overwrite", "--scale", "1", "--dt", dt)
        assert command(*line)[0] == 0
        for more in (("run",), ("check", "--chip", "loihi")):
            name, *options = more
            _, out, _ = command(name, tmp_path / "n.h5", tmp_path / "d.h5", *options)
            assert ("no neuron fired" in out) == silent
            assert ("another --dt" in " ".join(out.split())) == silent
