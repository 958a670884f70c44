"""Fixed point: what weights, thresholds and potentials become, and what runs of them say."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from oracles.naive import simulate
from oracles.stimulus import is_graded
from support import build
from support.effort import examples
from support.law import assert_equal, assert_sums
from support.places import ROOT
from support.strategies import cases

import evsim
from evsim.base.errors import EvsimError
from evsim.base.width import Width, bits_for
from evsim.conversion.integers import bounded, quantize
from evsim.counting.widths import sums_of
from evsim.engine.totals import Totals
from evsim.formats.result import load as load_result
from evsim.store.result import ResultStore

HALF = Fraction(1, 2) + Fraction(1, 2**40)  # of a step, where quotients are rounded themselves


@st.composite
def quantised(draw):
    """(case of a network in fixed point, the network before, its quantised form)."""
    case = draw(cases(("poisson", "latency", "events"), integers=0, plain=True))
    for own in case.network["populations"].values():
        if "leak" in own:  # one of all neurons; a readout has none
            own["leak"] = 1.0 if own["kind"] == "readout" else float(np.ravel(own["leak"])[0])
    network = build.network(case.network)
    assume(any(not network.populations[s.target].passes for s in network.synapses.values()))
    bits, width = draw(st.sampled_from([2, 4, 8, 12])), draw(st.sampled_from([4, 8, 16]))
    graded = is_graded(case.coding, case.inputs, case.graded)
    how = {"per_channel": draw(st.booleans()), "potential_bits": width, "graded": graded}
    made = quantize(network, bits, **how)
    return case, network, made, bits, width, graded


@examples(100)
@given(quantised(), st.sampled_from(["saturate", "wrap"]), st.sampled_from(["commit", "each_add"]))
def test_a_network_in_fixed_point_equals_the_law(found, overflow, at):
    case, _, made, _, width, graded = found
    network = made.network
    if any(getattr(p, "refractory", 0) for p in network.populations.values()):
        at = "commit"
    if made.units:
        how = {"overflow": overflow, "overflow_at": at, "readout_bits": 24, "graded": graded}
        network = bounded(network, width, **how)
    case = case._replace(network=build.description(network))
    floats = any(s.scaled for s in network.synapses.values())
    if not floats:  # on no grid: there the order of float sums counts, which other tests hold
        record = simulate(**case._asdict())
        run = build.run(case)
        assert_equal(run, record, case)
        assert_sums(run, record)


@examples(100)
@given(quantised())
def test_rounding_is_to_the_nearest_step_of_the_unit(found):
    _, network, made, bits, width, _ = found
    most = 2 ** (bits - 1) - 1
    for name, unit in made.units.items():
        before, after = network.populations[name], made.network.populations[name]
        steps = [grid_of(unit, after, j) for j in range(after.neurons)]
        for s in network.incoming(name):
            old, new = (links(one, s) for one in (network, made.network))
            assert [link[:2] for link in old] == [link[:2] for link in new]
            for (_, target, weight), (_, _, whole) in zip(old, new, strict=True):
                assert whole == int(whole)
                assert abs(whole) <= most
                assert abs(Fraction(weight) - int(whole) * steps[target]) <= HALF * steps[target]
        if after.kind == "readout":
            assert unit.size == 1
            continue
        for j in range(after.neurons):
            threshold = value_of(after, "threshold", j)
            missed = abs(value_of(before, "threshold", j) - threshold * steps[j])
            assert threshold == 1 or missed <= HALF * steps[j]
            assert threshold <= 2 ** (width - 2)
            if before.bias is not None:
                bias = value_of(before, "bias", j)
                assert abs(bias - value_of(after, "bias", j) * steps[j]) <= HALF * steps[j]


def grid_of(unit, part, neuron):
    """The unit of a neuron, exactly."""
    return Fraction(float(unit[0, neuron % part.channels if unit.size > 1 else 0]))


def value_of(part, name, neuron):
    """A field of a neuron, exactly."""
    values = np.ravel(getattr(part, name))
    return Fraction(float(values[neuron % values.size]))


def links(network, name):
    """(source, target, weight) of every synapse of a set."""
    from oracles.geometry import connections

    part = build.description(network)["synapses"][name]
    shapes = (network.populations[part[end]].shape for end in ("source", "target"))
    made = connections(part, *shapes, float)
    return [(i, target, weight) for i, own in enumerate(made) for target, weight, _ in own]


def chain(weight, threshold, **more):
    """in -> n -> out by dense sets."""
    kinds, dense = evsim.neuron_kinds(), evsim.synapse_kinds()["dense"]
    populations = {
        "in": kinds["input"](shape=weight.shape[:1]),
        "n": kinds["iaf"](shape=weight.shape[1:], threshold=threshold, **more),
        "out": kinds["readout"](shape=(2,)),
    }
    out = np.ones((weight.shape[1], 2), weight.dtype)
    synapses = {
        "in-n": dense(source="in", target="n", weight=weight),
        "n-out": dense(source="n", target="out", weight=out),
    }
    return evsim.Network(populations, synapses, coding="poisson", timesteps=8)


@examples(50)
@given(st.integers(0, 2**16), st.integers(2, 10), st.integers(1, 400), st.integers(-6, 3))
def test_weights_on_a_grid_lose_nothing(seed, bits, steps, power):
    random = np.random.default_rng(seed)
    most = 2 ** (bits - 1) - 1
    weight = random.integers(-most, most, (6, 5), endpoint=True)
    weight[0, 0] = most
    network = chain(weight * 2.0**power, steps * 2.0**power)
    image = random.random((3, 6)).astype(np.float32)
    made = quantize(network, bits)
    assert made.network.synapses["in-n"].weight.tolist() == weight.tolist()
    assert made.network.populations["n"].threshold == steps
    before, after = (
        evsim.run(one, image, dtype="float64", record=("spikes",))
        for one in (network, made.network)
    )
    assert before.spikes["n"].tolist() == after.spikes["n"].tolist()


def test_pools_and_identities_are_whole_weights():
    with evsim.open_data(ROOT / "data" / "digits_test.h5") as data:
        images = data.images[:4]
    network = evsim.load(ROOT / "networks" / "digits-conv.h5")
    made = quantize(network, 8, coding="poisson").network
    pool = made.synapses["conv1-pool1"]
    assert (pool.kind, pool.groups, pool.stride) == ("conv", 24, (2, 2))
    assert np.unique(pool.weight).tolist() == [127]
    assert made.populations["pool1"].threshold == 4 * 127
    alone = replace_all(network, made, "conv1-pool1", "pool1")
    both = [evsim.run(n, images, coding="poisson", record=("spikes",)) for n in (network, alone)]
    assert both[0].spikes["pool1"].tolist() == both[1].spikes["pool1"].tolist()


def replace_all(network, made, set_name, population):
    """The network with one set and its target taken from the quantised one."""
    populations = dict(network.populations) | {population: made.populations[population]}
    synapses = dict(network.synapses) | {set_name: made.synapses[set_name]}
    return evsim.Network(populations, synapses, input=network.input, output=network.output)


def test_a_leak_becomes_a_fraction_of_a_power_of_two():
    kind = evsim.neuron_kinds()["lif"]
    for leak, expected in ((0.5, (1, 1)), (0.75, (3, 2)), (0.9, (1843, 11)), (0.99999, (4095, 12))):
        network = chain(np.ones((2, 2), np.float32), 1.0)
        part = kind(shape=(2,), threshold=1.0, leak=leak)
        network = evsim.Network(dict(network.populations) | {"n": part}, dict(network.synapses))
        found = quantize(network, 8, coding="poisson").network.populations["n"]
        assert found.leak is None
        assert found.leak_multiply == expected
        assert found.leak_rounding == "nearest"


@examples(60)
@given(st.integers(-(2**33), 2**33), st.integers(-(2**33), 2**33))
@example(-4, -4)
def test_bits_hold_both_and_fewer_do_not(one, other):
    lowest, highest = min(one, other), max(one, other)
    bits = bits_for(lowest, highest)
    assert Width(bits).low <= lowest <= highest <= Width(bits).high
    if bits > 1:
        assert lowest < Width(bits - 1).low or highest > Width(bits - 1).high


@pytest.mark.parametrize("at", ["commit", "each_add"])
def test_the_smallest_widths_are_the_smallest(at):
    with evsim.open_data(ROOT / "data" / "digits_test.h5") as data:
        images = data.images[:10]
    network = evsim.load(ROOT / "networks" / "digits-dense.h5")
    made = quantize(network, 6, coding="poisson").network
    wide = bounded(made, 32, overflow_at=at, readout_bits=32)
    enough = {name: row["bits"] for name, row in sums_of(evsim.run(wide, images)).items()}
    assert set(enough) == {"hidden1", "hidden2", "output"}
    for name, bits in enough.items():
        for fewer, overflows in ((0, False), (1, True)):
            part = replace(wide.populations[name], potential_bits=bits - fewer, overflow="wrap")
            narrow = evsim.Network(
                dict(wide.populations) | {name: part}, dict(wide.synapses), coding="poisson"
            )
            assert (sums_of(evsim.run(narrow, images))[name]["overflows"] > 0) == overflows


def test_an_overflow_that_is_an_error_says_where():
    network = chain(np.full((2, 2), 100, np.int8), 100)
    network = bounded(network, 8, overflow_at="each_add")
    expected = r"populations/n, sample 3: found a sum beyond 8 bits at timestep 0, neuron 0, "
    with pytest.raises(EvsimError, match=expected + "expected -128 to 127"):
        evsim.run(network, np.ones((1, 2), np.float32), first_sample=3)


def test_a_stored_run_says_the_same_of_its_sums(tmp_path):
    network = chain(np.array([[90, -90], [80, 5]], np.int8), 100)
    how = {"overflow": "wrap", "current_bits": 8, "readout_bits": 8}
    network = bounded(network, 9, **how)
    run = evsim.run(network, np.array([[0, 0], [0, 0], [1, 1]], np.float32), first_sample=2)
    found = sums_of(run)
    assert found["n"]["first"] == {"sample": 4, "timestep": 0, "neuron": 0}
    assert found["n"]["overflows"] == run.work["n"]["overflows"].sum() > 0
    assert found["n"]["current_highest"] == 170
    assert (found["n"]["width"], found["n"]["current_width"], found["n"]["bits"]) == (9, 8, None)
    run.save(tmp_path / "r.h5")
    assert sums_of(load_result(tmp_path / "r.h5")) == found


def test_ranges_of_any_network_of_integers(tmp_path):
    network = chain(np.array([[90, -90], [80, 5]], np.int8), 100)
    run = evsim.run(network, np.ones((1, 2), np.float32), record=("ranges",))
    assert sums_of(run)["n"]["bits"] == bits_for(-85 * 8, 170 + 7 * 70)
    assert sums_of(run)["n"]["width"] is None
    run.save(tmp_path / "r.h5")
    assert sums_of(load_result(tmp_path / "r.h5")) == sums_of(run)


def test_a_run_that_goes_on_knows_its_sums(tmp_path):
    network = bounded(chain(np.array([[90, -90], [80, 5]], np.int8), 100), 8, overflow="wrap")
    run = evsim.run(network, np.ones((2, 2), np.float32))
    begun = ResultStore(tmp_path / "r.h5", run, {}, print)
    begun.append(run.finished[0])
    begun.close()
    going = Totals(network, run.settings)
    again = ResultStore(tmp_path / "r.h5", going, {}, print, resume=True)
    for sample in again.samples():
        going.add(sample)
    assert {n: r.tolist() for n, r in going.ranges.items()} == {"n": run.ranges["n"][:1].tolist()}
    going.add(run.finished[1])
    again.append(run.finished[1])
    again.finish()
    again.close()
    assert sums_of(going) == sums_of(run) == sums_of(load_result(tmp_path / "r.h5"))
    assert sums_of(run)["n"]["overflows"] > 0


# The command


@pytest.fixture
def command(tmp_path, monkeypatch, command):
    """Commands beside the shipped files."""
    monkeypatch.chdir(tmp_path)
    return lambda line: command(line.replace("networks/", f"{ROOT}/networks/"))


def test_the_command_compares(command):
    data = ROOT / "data" / "digits_test.h5"
    line = "quantize networks/digits-dense.h5 --bits 6 --potential-bits 7 --overflow-at each_add "
    line += f"--coding poisson -o q.h5 --data {data} --samples 0:20 --seed 3 --json"
    status, out, err = command(line)
    assert (status, err) == (0, "")
    found = json.loads(out)
    network = evsim.load("q.h5")
    assert network.coding == "poisson"
    assert network.populations["hidden1"].potential_bits == 7
    assert network.populations["output"].potential_bits is None
    with evsim.open_data(data) as opened:
        images, labels = opened.images[:20], opened.labels[:20]
    was = evsim.run(evsim.load(ROOT / "networks/digits-dense.h5"), images, coding="poisson", seed=3)
    run = evsim.run(network, images, seed=3)
    first, free, last = found["runs"]
    assert (first["accuracy"], last["accuracy"]) == (was.accuracy(labels), run.accuracy(labels))
    assert last["same_decisions"] == (was.predictions == run.predictions).mean()
    for row, one in ((first, was), (last, run)):
        sent = sum(f["spikes"].sum() for f in one.work.values() if "spikes" in f)
        assert row["spikes"] == sent / 20
    assert free["overflows"] == 0
    sums = sums_of(run)
    assert last["overflows"] == sum(row["overflows"] for row in sums.values()) > 0
    smallest = {row["population"]: row["smallest_bits"] for row in found["sums"]}
    wide = bounded(network, 32, overflow_at="each_add", readout_bits=32)
    assert smallest == {n: r["bits"] for n, r in sums_of(evsim.run(wide, images, seed=3)).items()}
    for row in found["sums"]:
        assert row["spikes"] == run.work[row["population"]]["spikes"].sum() / 20
        assert sums.get(row["population"], {"first": None})["first"] == row["first"]
    shown = command(line.replace("--json", "--overwrite"))
    assert shown[0] == 0
    assert "integers without overflow" in shown[1]


def test_a_run_says_what_left_its_width(command):
    line = "quantize networks/digits-dense.h5 --bits 8 --potential-bits 8 -o q.h5"
    status, out, _ = command(line)
    assert status == 0
    assert "hidden1: floating-point neurons, as its input has values" in out
    data = ROOT / "data" / "digits_test.h5"
    found = json.loads(command(f"run q.h5 {data} --samples 0:5 --json")[1])
    assert found["widths"]["hidden2"]["overflows"] == found["work"]["hidden2"]["overflows"] > 0
    assert set(found["widths"]["hidden2"]["first"]) == {"sample", "timestep", "neuron"}
    rows = json.loads(command("info q.h5 --json")[1])["populations"]
    bits = {"hidden1": None, "hidden2": 8, "input": None, "output": None}
    assert {row["population"]: row["bits"] for row in rows} == bits
    assert "Sums of integers" in command(f"run q.h5 {data} --samples 0:5")[1]


def test_events_decide_for_themselves(command):
    network = chain(np.array([[0.5, -0.25], [0.125, 1.0]]), 0.75)
    evsim.save(evsim.Network(network.populations, network.synapses), "n.h5")
    with h5py.File("d.h5", "w") as file:
        events = file.create_group("events")
        events.attrs.update(shape=(2,), samples=2, timesteps=4)
        events["sample"], events["timestep"], events["neuron"] = [0, 0, 1], [0, 2, 1], [0, 0, 1]
    line = "quantize n.h5 --bits 5 --potential-bits 8 -o q.h5 --data d.h5 --json"
    found = json.loads(command(line)[1])
    assert (found["coding"], found["floats"]) == (None, {})
    assert [row["population"] for row in found["sums"]] == ["n", "out"]
    assert found["runs"][0]["accuracy"] is None
    line = "quantize n.h5 --bits 5 -o w.h5 --data d.h5 --json"  # without widths nothing overflows
    found = json.loads(command(line)[1])
    assert [row["run"] for row in found["runs"]] == ["as it was", "integers without overflow"]
    assert [row["overflows"] for row in found["sums"]] == [0, 0]


def test_widths_of_a_network_that_has_integers_already(command):
    status, out, _ = command("quantize networks/digits-int8.h5 --potential-bits 16 -o q.h5")
    assert status == 0
    assert "conv1: floating-point neurons, as not all that reaches it is whole" in out
    found = evsim.load("q.h5").populations
    assert [found[n].potential_bits for n in ("conv1", "conv2", "output")] == [None, 16, None]


WRONG = {
    "networks/digits-dense.h5 -o q.h5": "--bits: found none, expected the bits of weights, or",
    "networks/digits-dense.h5 --bits 1 -o q.h5": "--bits: found '1', expected a whole number of at",
    "networks/digits-dense.h5 --bits 17 -o q.h5": "--bits: found 17, expected 2 to 16",
    "networks/digits-dense.h5 --bits 8 --potential-bits 33 -o q.h5": "--potential-bits: found 33, "
    "expected at most 32",
    "networks/digits-dense.h5 --bits 8 --overflow wrap -o q.h5": "--overflow: found no "
    "--potential-bits, expected it",
    "networks/digits-dense.h5 --bits 8 --seed 1 -o q.h5": "--seed: found no --data, expected it",
    "networks/digits-dense.h5 --bits 8 --potential-bits 8 --overflow stop -o q.h5": "--overflow: "
    "found 'stop', expected 'error' or 'saturate' or 'wrap'",
    "networks/digits-dense.h5 --potential-bits 8 --per-channel -o q.h5": "--per-channel: found no",
    "networks/digits-dense.h5 --potential-bits 8 -o q.h5": "populations: found no population of",
    "networks/digits-dense.h5 --bits 8 --coding wrong -o q.h5": "--coding: found 'wrong', expected",
    "networks/digits-dense.h5 --bits 8 -o there.h5": "there.h5: exists already (--overwrite",
    "networks/digits-dense.h5 --bits 8 -o no/q.h5": "q.h5: cannot be written: No such file",
    "networks/digits-switch.h5 --bits 8 -o q.h5": "populations/conv1: found kind 'switch', which "
    "cannot be bounded, expected one of iaf, lif, readout",
    "networks/digits-stochastic.h5 --bits 8 -o q.h5": "populations/conv1: found kind 'stochastic'",
    "whole.h5 --bits 8 -o q.h5": "synapses: found an integer network, expected one with floating-",
    "scaled.h5 --bits 8 -o q.h5": "synapses/in-n: found whole weights, expected floating-point",
    "whole.h5 --potential-bits 4 -o q.h5": "populations/n/threshold: found 100, expected -8 to 7",
    "rests.h5 --potential-bits 8 --overflow-at each_add -o q.h5": "populations/n/refractory: found",
    "networks/digits-dense.h5 --bits 8 --data no.h5 -o q.h5": "no.h5: no such file",
    "networks/nothing.h5 --bits 8 -o q.h5": "nothing.h5: no such file",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_said_in_one_line(command, line):
    whole = chain(np.full((2, 2), 100, np.int8), 100)
    evsim.save(whole, "whole.h5")
    part = replace(whole.synapses["in-n"], scale=0.5)
    evsim.save(evsim.Network(whole.populations, {**whole.synapses, "in-n": part}), "scaled.h5")
    evsim.save(chain(np.full((2, 2), 100, np.int8), 100, refractory=1), "rests.h5")
    Path("there.h5").write_text("mine")
    status, out, err = command("quantize " + line)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert WRONG[line] in err
    assert not Path("q.h5").exists()
    assert Path("there.h5").read_text() == "mine"
