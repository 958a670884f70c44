"""Regressions: the shipped networks give the golden results beside them, bit for bit.

evsim wrote those itself, so they tell a change and not what is right; that is for the oracles.
"""

import runpy

import h5py
import numpy as np
import pytest
from support.places import ROOT

import evsim

NETWORKS = sorted(
    p for p in (ROOT / "networks").glob("digits-*.h5") if not p.stem.endswith(".golden")
)


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_a_result_is_the_one_it_was(path):
    network = evsim.load(path)
    with evsim.open_data(ROOT / "data" / "digits_test.h5") as data:
        run = evsim.run(network, data.images[:])
        labels = data.labels
    with h5py.File(path.with_suffix(".golden.h5")) as golden:
        assert golden.attrs["network_sha256"] == network.sha256
        np.testing.assert_array_equal(
            run.predictions_by_timestep, golden["predictions_by_timestep"]
        )
        np.testing.assert_array_equal(run.potential, golden[f"potential/{network.output}"])
        assert run.potential.dtype == golden[f"potential/{network.output}"].dtype
        assert set(golden["work"]) == set(run.work)
        for name, facts in run.work.items():
            for fact, counts in facts.items():
                np.testing.assert_array_equal(
                    counts, golden[f"work/{name}/{fact}"], f"{name} {fact}"
                )
        for name, histogram in run.histograms.items():
            np.testing.assert_array_equal(histogram, golden[f"accesses/{name}"][:].sum(axis=0))
    assert abs(run.accuracy(labels) - network.ann_accuracy) < 0.01


def test_there_is_a_network_of_every_system():
    networks = {path.stem.removeprefix("digits-"): evsim.load(path) for path in NETWORKS}
    sets = {part.kind for network in networks.values() for part in network.synapses.values()}
    assert {"dense", "conv", "pool"} <= sets
    kinds = {
        name: {part.kind for part in network.populations.values()} - {"input", "readout"}
        for name, network in networks.items()
    }
    for system in ("switch", "ttfs", "stochastic"):
        assert kinds[system] == {system}
    assert kinds["hybrid"] == {"analog", "iaf"}
    back = networks["backres"]  # three turns of two convolutions, with the arrays of one
    weights = [part.weights() for part in back.synapses.values() if part.kind == "conv"]
    assert len(weights) == 7
    assert len({weight.__array_interface__["data"][0] for weight in weights}) == 3
    binary = networks["binary"]
    bits = {name: getattr(part, "bits", None) for name, part in binary.synapses.items()}
    assert list(bits.values()) == [1, 1, None, None]  # the first and the last layer are real
    hidden = [part for part in binary.populations.values() if part.kind == "stochastic"]
    assert {part.output for part in hidden} == {"bipolar"}


def test_the_file_of_rates_holds_the_artificial_network():
    codes = runpy.run_path(str(ROOT / "networks" / "codes.py"))
    network = evsim.load(ROOT / "networks" / "digits-conv.h5")
    with evsim.open_data(ROOT / "data" / "digits_test.h5") as data:
        found = codes["artificial"](network).predictions(data.images[:])
        assert (found == data.labels).mean() == network.ann_accuracy


def test_the_shipped_data_are_the_digits():
    for name, samples in (("train", 1437), ("test", 360)):
        with evsim.open_data(ROOT / "data" / f"digits_{name}.h5") as data:
            images = data.images[:]
            assert images.shape == (samples, 8, 8, 1)
            assert images.dtype == np.float32
            assert (images.min(), images.max()) == (0, 1)
            assert set(data.labels.tolist()) == set(range(10))
            assert "scikit-learn" in data.file.attrs["source"]
