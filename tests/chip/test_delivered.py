"""What a check takes for memory, time and cores are the events that the run delivered."""

import json
import threading

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import build
from support.effort import examples
from support.files import images, network, put
from support.queues import QUEUES, queue_of
from support.strategies import bounded_cases, cases
from support.window_networks import online_cases, window_cases

import evsim
from evsim.chip.placement import Placement
from evsim.chip.weight_reads import Traffic
from evsim.cli.main import run_command
from evsim.engine.plan import Plan
from evsim.engine.queue import Queue
from evsim.engine.settings import settle, values_of
from evsim.engine.simulation import Simulation
from evsim.engine.workspace import Workspace
from evsim.interface.runs import Run
from evsim.studies.check import RECORD

ANY_QUEUE = st.one_of(
    st.none(),
    QUEUES.map(lambda queue: ("of the case", queue)),
    st.integers(1, 5).map(lambda depth: ("of the input", depth)),
)


def checked(case, queue=None, window=None):
    """A run of one sample with what a check records, and the sample."""
    network, inputs = build.network(case.network), build.inputs(case)
    choices = {"timesteps": case.timesteps, "coding": case.coding, "seed": case.seed}
    settings = settle(network, inputs, first_sample=case.sample, **choices)
    plan = Plan(network, settings, record=RECORD, queue=queue, span=window)
    values = values_of(network.populations[network.input], inputs, 0, plan.dtype)
    [sample] = Simulation(plan, [case.sample], [values], Workspace(), threading.Event()).run()
    run = Run(network, settings, RECORD)
    run.add(sample)
    return run, sample


def drawn(case, queue):
    if queue is None:
        return None
    scope, queue = queue
    if scope == "of the input":
        return Queue(queue, "drop_new", case.network["input"])
    return queue_of(case, *queue)


def assert_the_same(case, queue, neurons_per_core, placing, window=None):
    """Every number of cores and memory adds up to the facts and actions of the same run."""
    run, sample = checked(case, queue, window)
    network, facts = run.network, sample.facts
    counts, traffic = run.counts(), Traffic(network, 32)
    traffic.take(traffic.measure(sample))
    found = traffic.as_dict()
    for name, own in found["sets"].items():
        assert own["weight_read"] == counts["parts"][name]["weight_read"], name
        assert own["distinct_per_sample"] <= own["distinct_per_timestep"] <= own["weight_read"]
    assert found["total"]["weight_read"] == counts["total"]["memory_accesses"]["M1"]
    total = {
        fact: sum(own[fact] for name, own in facts.items() if name in network.synapses)
        for fact in ("arrivals", "synops", "macs")
    }
    inside = [name for name in network.populations if name != network.input]
    for size in (10**6, neurons_per_core):
        placement = Placement(network, size, placing)
        load = placement.load(sample, case.timesteps)
        assert load.synops.sum() == total["synops"] + total["macs"]
        assert load.pushes.sum() == sum(facts[name]["pushes"] for name in inside)
        assert load.pops.sum() >= total["arrivals"]
        whole = all((on == on[0]).all() for on in placement.cores.values())
        if whole:
            pops = np.zeros(placement.count, np.int64)
            for name, part in network.synapses.items():
                pops[placement.cores[part.target][0]] += facts[name]["arrivals"]
            assert load.pops.sum(axis=0).tolist() == pops.tolist()


@examples(60)
@given(cases(), ANY_QUEUE, st.integers(1, 30), st.sampled_from(["in_order", "balanced"]))
def test_what_a_check_counts_is_what_the_run_counts(case, queue, size, placing):
    assert_the_same(case, drawn(case, queue), size, placing)


@examples(25)
@given(
    st.one_of(window_cases(), online_cases()),
    ANY_QUEUE,
    st.integers(1, 30),
)
def test_the_same_of_switch_events(case, queue, size):
    assert_the_same(case, drawn(case, queue), size, "balanced")


@examples(12)
@given(bounded_cases(), ANY_QUEUE, st.integers(1, 4))
def test_the_same_in_windows_and_of_widths(case, queue, window):
    assert_the_same(case, drawn(case, queue), 12, "in_order", window)


CHIP = """schema = "evsim-hw/1"
[[queue]]
name = "all"
depth = 9
policy = "drop_new"
scope = "{scope}"
[capacity]
neurons_per_core = 1000
[time.cycles]
synapse = 1
"""


@pytest.mark.parametrize("scope", ["layer", "input", "core", "chip"])
def test_a_check_reads_the_weights_of_its_own_run(scope, tmp_path, monkeypatch, capsys):
    """Two graded events at T = 10, and a poisson input of which queues lose events."""
    monkeypatch.chdir(tmp_path)
    network("n.h5", put("synapses/c-out/delay", 1))
    images("d.h5")
    root = {"format": "evsim-data", "version": 1}
    with h5py.File("e.h5", "w") as file:
        file.attrs.update(root)
        group = file.create_group("events")
        group.attrs.update(shape=(4, 4, 2), samples=1, timesteps=10)
        for name, values in (
            ("sample", [0, 0, 0]),
            ("timestep", [3, 4, 9]),
            ("neuron", [11, 0, 5]),
            ("value", [0.5, -2.0, 3.0]),
        ):
            group[name] = np.array(values)
    (tmp_path / "chip.toml").write_text(CHIP.format(scope=scope))
    loaded = evsim.load("n.h5")
    for data, more in (("e.h5", {}), ("d.h5", {"coding": "poisson"}), ("d.h5", {})):
        words = ["check", "n.h5", data, "--chip", "chip.toml", "-T", "10", "--json"]
        run_command([*words, *(w for k, v in more.items() for w in (f"--{k}", v))])
        found = json.loads(capsys.readouterr().out)
        queue = Queue(9, "drop_new", "in" if scope == "input" else None)
        if scope in ("core", "chip"):
            queue = Queue(9, "drop_new", shared=True)
        opened = evsim.open_data(data)
        run = evsim.run(loaded, opened.inputs, timesteps=10, queue=queue, **more)
        counts, samples = run.counts(), len(run.samples)
        reads = found["memory"]["total"]["weight_read"]
        assert reads == counts["total"]["memory_accesses"]["M1"]
        assert found["values"]["M1"] * samples == pytest.approx(reads)
        synops = sum(
            int((f["synops"] + f["macs"]).sum()) for f in map(run.work.get, loaded.synapses)
        )
        assert found["time"]["latency"] * samples == pytest.approx(synops)
