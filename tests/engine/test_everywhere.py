"""What `python tests/benchmarks everywhere` compares: tiny networks of every shape, sums exact."""

from dataclasses import replace

import numpy as np
import pytest
from benchmarks import everywhere, layerwise, works
from benchmarks.workload import poisson, rates

import evsim
from evsim.neurons.iaf import IntegrateAndFire
from evsim.neurons.readout import Readout
from evsim.synapses.dense import Dense

TIMESTEPS = 6
NETWORKS = {
    "LeNet": lambda: works.lenet((2, 3, 4), 16),
    "VGG-9": lambda: works.vgg9((2, 2, 3), 4),
    "MobileNet": lambda: works.mobilenet(4, 16),
    "SqueezeNet": lambda: works.squeezenet(8, 16),
    "recurrent": lambda: works.recurrent(12, 8),
    "digits-dense": lambda: works.digits("digits-dense", 2).network,
    "digits-conv": lambda: works.digits("digits-conv", 2).network,
}


def tiny(name):
    """A work of two samples."""
    network = NETWORKS[name]()
    shape = network.populations[network.input].shape
    spikes = [s.astype(np.int8) for s in poisson(2, TIMESTEPS, shape, 0.3)]
    spikes[0] *= -1  # signs are kept
    return works.Work(name, network, spikes, 1)


@pytest.mark.parametrize("name", NETWORKS)
def test_sums_are_exact(name):
    work = tiny(name)
    inputs = works.events(work.spikes, work.shape)
    runs = [
        evsim.run(work.network, inputs, record="spikes", dtype=dtype, jobs=1)
        for dtype in ("float32", "float64")
    ]
    assert np.array_equal(runs[0].potential, runs[1].potential)
    for population, spikes in runs[0].spikes.items():
        assert np.array_equal(spikes, runs[1].spikes[population])
        assert len(spikes) or population != work.network.input
    step = works.grid(work.network, work.network.output)
    assert step == 2.0 ** np.log2(step)
    assert not np.any(runs[0].potential % step)


def test_above_a_threshold_is_at_the_next_step():
    shape = (4,)
    some = np.array([[0.5, -0.25, 1.0, 0.75]], np.float32).T
    parts = {
        "input": evsim.neuron_kinds()["input"].build({"shape": shape}),
        "hidden": IntegrateAndFire(shape=(1,), threshold=1.0, compare="gt"),
        "readout": Readout(shape=(1,)),
    }
    sets = {"into": Dense(source="input", target="hidden", weight=some)}
    sets["out"] = Dense(source="hidden", target="readout", weight=np.ones((1, 1), np.float32))
    above = evsim.Network(parts, sets)
    inputs = works.events([s.astype(np.int8) for s in poisson(3, 40, shape, 0.3)], shape)
    at = works.exact(above)
    assert at.populations["hidden"].compare == "ge"
    runs = [evsim.run(network, inputs, record="spikes") for network in (above, at)]
    assert len(runs[0].spikes["hidden"]) > 9
    assert np.array_equal(runs[0].spikes["hidden"], runs[1].spikes["hidden"])


def test_thresholds_are_found_for_a_rate():
    network = works.recurrent(40, 30)
    spikes = [s.astype(np.int8) for s in poisson(1, 40, (40,))]
    found = works.calibrated(network, spikes)
    now = rates(evsim.run(found, works.events(spikes, (40,))))
    assert all(abs(rate - 0.1) < 0.02 for rate in now.values())


def test_a_row_names_the_fastest_peer():
    trials = [everywhere.Trial("PyTorch", "batch 8", None, 0.5)]
    trials.append(everywhere.Trial("sinabs", "batch 8", None, 0.9))
    found = {"work": 0.25, "PyTorch, batch 8": 0.5}
    row = everywhere.verdict("work", 2, found, trials, "random weights")
    assert row.cells == ("work", "2.00 times", "at least 2", "met")
    assert row.detail == (
        "evsim 250 ms a sample, PyTorch, batch 8 500 ms, sinabs 900 ms; random weights"
    )
    alone = everywhere.verdict("work", 2, {"work": 0.25}, [], "")
    assert alone.cells == ("work", "PyTorch is not installed", "at least 2", "-")


@pytest.mark.parametrize("peer", layerwise.PEERS)
def test_peers_send_the_same_spikes(peer):
    pytest.importorskip(layerwise.PEERS[peer][0], reason="pip install 'evsim[bench-everywhere]'")
    for work in map(tiny, NETWORKS):
        network = work.network
        firing = {name: part for name, part in network.populations.items() if part.kind == "iaf"}
        zero = {name: replace(part, reset="zero") for name, part in firing.items()}
        ends = {"input": network.input, "output": network.output}
        parts = dict(network.populations) | zero
        other = evsim.Network(parts, dict(network.synapses), **ends)
        for some in (work, replace(work, network=other)):
            inputs = works.events(some.spikes, some.shape)
            run = evsim.run(some.network, inputs, record="spikes", jobs=1)
            sent = run.spikes
            total = sum(len(sent[population]) for population in firing)
            assert layerwise.agree(some, peer, run, sent, 2) == total
