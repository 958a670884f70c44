"""The averages of folded pools: against pools of the recorded spikes, by loops."""

import json
from itertools import product

import numpy as np
import pytest
from support.files import grid

import evsim
from evsim.studies.averages import Averaged, averages

SAMPLES, T = 3, 6
IMAGES = grid(3, SAMPLES, 7, 9, 2, low=0, high=33)
KINDS, SETS = evsim.neuron_kinds(), evsim.synapse_kinds()


def folded(area=(2, 2), groups=1, value=None):
    """An input, and two sets with a pool folded into them; windows leave a row or column out."""
    rows, columns = area
    cells = 7 // rows, 9 // columns
    weight = grid(4, 3, 3, 4 // groups, 6)
    weight[..., ::2][weight[..., ::2] < 0] = 0
    last = grid(6, (cells[0] // 2) * (cells[1] // 2) * 6, 3)
    last[::3] = 0
    parts = {
        "in": KINDS["input"](shape=(7, 9, 2), scale=32.0),
        "a": KINDS["iaf"](shape=(7, 9, 4), threshold=0.5),
        "b": KINDS["iaf"](shape=(*cells, 6), threshold=0.25),
        "out": KINDS["readout"](shape=(3,), bias=grid(2, 3)),
    }
    if value is not None:
        weight, last = np.full_like(weight, value), np.full_like(last, value)
    sets = {
        "in-a": SETS["conv"](
            source="in", target="a", weight=grid(5, 3, 3, 2, 4), padding=(1, 1, 1, 1)
        ),
        "a-b": SETS["conv"](
            source="a",
            target="b",
            weight=weight,
            padding=(1, 1, 1, 1),
            prepool=area,
            groups=groups,
            delay=2,
        ),
        "b-out": SETS["dense"](source="b", target="out", weight=last, prepool=(2, 2)),
    }
    return evsim.Network(parts, sets)


def pooled(run, name):
    """Of every call, a timestep of a sample: the averages, (height, width, channels)."""
    part = run.network.synapses[name]
    source, _ = run.network.ends(part)
    (height, width, depth), (rows, columns) = source.shape, part.prepool
    sent = np.zeros((SAMPLES, T, *source.shape))
    for event in run.spikes[part.source]:
        step = event["timestep"] + part.delay
        if step < T:
            place = np.unravel_index(event["neuron"], source.shape)
            sent[event["sample"], step][place] += event["value"]
    found = np.zeros((SAMPLES * T, height // rows, width // columns, depth))
    for k, call in enumerate(sent.reshape(-1, *source.shape)):
        for y, x, c in np.ndindex(found.shape[1:]):
            window = call[y * rows : (y + 1) * rows, x * columns : (x + 1) * columns, c]
            found[k, y, x, c] = window.sum() / (rows * columns)
    return found


def meets(part, shape, target):
    """How many weights, and weights that are not 0, each average meets."""
    every, others = np.zeros((2, *shape), np.int64)
    if part.kind == "dense":
        weight = part.weight.reshape(*shape, -1)
        return np.full(shape, weight.shape[-1]), (weight != 0).sum(axis=-1)
    (height, width, depth), out = shape, part.weight.shape[3]
    for a, b, o in product(*map(range, target.shape)):
        for i, j, c in product(*map(range, part.weight.shape[:3])):
            y, x = a + i - 1, b + j - 1
            channel = o // (out // part.groups) * (depth // part.groups) + c
            if 0 <= y < height and 0 <= x < width:
                every[y, x, channel] += 1
                others[y, x, channel] += part.weight[i, j, c, o] != 0
    return every, others


def by_loops(run, name):
    """What `Averaged` holds, from the averages themselves."""
    part = run.network.synapses[name]
    calls = pooled(run, name)
    every, others = meets(part, calls.shape[1:], run.network.ends(part)[1])
    area = part.prepool[0] * part.prepool[1]
    few = [call for call in calls if len(np.unique(call)) <= 2]
    return Averaged(
        area=area,
        values=calls[0].size,
        spikes=round(calls.sum() * area),
        products=int(sum(others[call != 0].sum() for call in calls)),
        ones=int(sum(every[call == 1].sum() for call in calls if np.isin(call, (0, 1)).all())),
        two_valued_spikes=round(sum(call.sum() for call in few) * area),
        many_valued_calls=len(calls) - len(few),
    )


@pytest.mark.parametrize(("area", "groups"), [((2, 2), 1), ((2, 2), 2), ((3, 2), 1), ((1, 3), 2)])
@pytest.mark.parametrize("coding", ["poisson", "constant"])
def test_averages_are_those_of_the_recorded_spikes(area, groups, coding):
    network = folded(area, groups)
    run = evsim.run(network, IMAGES, timesteps=T, coding=coding, record="spikes", seed=1)
    found = averages(network, run.settings, IMAGES, jobs=2, memory=1 << 24, quiet=True)
    assert set(found) == {"a-b", "b-out"}
    for name in found:
        assert found[name] == by_loops(run, name)
        assert found[name].products > 0
    assert found["a-b"].many_valued_calls > 0


def test_calls_of_spikes_alone():
    """Windows whose spikes come together: a pool of neurons that all get the same."""
    network = folded(value=0.25)
    same = np.full((SAMPLES, 7, 9, 2), 32, np.uint8)
    run = evsim.run(network, same, timesteps=T, coding="constant", record="spikes")
    found = averages(network, run.settings, same, jobs=1, memory=1 << 24, quiet=True)
    for name in found:
        assert found[name] == by_loops(run, name)
    assert found["b-out"].ones > 0
    assert found["b-out"].two_valued_spikes > 0


def tools(network, images, coding="poisson", **more):
    """What each convention says of a run, through the interface."""
    names = ("sinabs", "neurobench", "syops", "spikingjelly", "norse")
    run = evsim.run(network, images, timesteps=T, coding=coding, conventions=names, **more)
    return {said["name"]: said for said in run.summary()["conventions"]}, run


def test_the_numbers_of_the_tools_by_hand():
    said, run = tools(folded(), IMAGES, record="spikes")
    for name in ("a-b", "b-out"):
        by_hand = by_loops(run, name)
        rows = {tool: found["parts"][name] for tool, found in said.items()}
        assert rows["neurobench"]["reported"] == pytest.approx(by_hand.products / SAMPLES)
        assert rows["spikingjelly"]["reported"] == by_hand.ones
        part = run.network.synapses[name]
        each = part.weight.size * (run.network.ends(part)[1].positions if name == "a-b" else 1)
        each += 3 if name == "b-out" else 0  # biases
        number = 0.0
        for call in pooled(run, name):
            number += each * (call.mean() if len(np.unique(call)) <= 2 else 1)
        assert rows["syops"]["reported"] == pytest.approx(number / SAMPLES)
        fan = 9 * 6 if name == "a-b" else 3
        assert rows["norse"]["reported"] == pytest.approx(pooled(run, name).sum() * fan)
        assert rows["sinabs"]["reason"] == "the same"
    assert all(found["total"]["complete"] for found in said.values())
    said, _ = tools(folded(value=1.0), IMAGES)
    assert said["spikingjelly"]["parts"]["a-b"]["reported"] is None  # it would count the weights


def test_a_command_and_a_call_say_the_same(inside, command):
    evsim.save(folded(), "f.h5")
    np.save("i.npy", IMAGES)
    line = ["run", "f.h5", "i.npy", "-T", T, "--coding", "poisson", "--convention", "neurobench"]
    told = json.loads(command(*line, "--json")[1])
    said, _ = tools(folded(), IMAGES)
    assert told["convention"] == said["neurobench"]
    assert told["convention"]["parts"]["a-b"]["reported"] > 0
    said, _ = tools(folded(), IMAGES, queue=evsim.Queue(1000))  # it is not run again
    assert said["neurobench"]["parts"]["a-b"]["reported"] is None
