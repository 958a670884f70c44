"""What other tools would have counted: by hand, and against the tools where they are installed."""

import json

import numpy as np
import pytest
from support.files import grid

import evsim
from evsim.cli.main import run_command
from evsim.studies.other_tools import CONVENTIONS, convention

SAMPLES, T = 3, 5


def populations(**changed):
    """A chain with every layer the tools know: strides, groups, borders, weights of 0, biases."""
    kinds = evsim.neuron_kinds()
    made = {
        "in": kinds["input"](shape=(7, 7, 2), scale=16.0),
        "a": kinds["iaf"](shape=(7, 7, 4), threshold=0.5, bias=grid(1, 4, low=0)),
        "b": kinds["iaf"](shape=(4, 4, 4), threshold=0.5),
        "c": kinds["iaf"](shape=(2, 2, 4), threshold=0.25),
        "d": kinds["iaf"](shape=(2, 2, 4), threshold=0.25),
        "out": kinds["readout"](shape=(3,), bias=grid(2, 3)),
    }
    return made | changed


def chain(**changed):
    """The network of these populations."""
    kinds, one = evsim.synapse_kinds(), (1, 1, 1, 1)
    conv, pool, dense = (kinds[name] for name in ("conv", "pool", "dense"))
    weights = grid(3, 3, 3, 2, 4), grid(4, 3, 3, 2, 4), grid(5, 3, 3, 4, 4), grid(6, 16, 3)
    for weight in weights:
        weight[..., ::2][weight[..., ::2] < 0] = 0
    sets = {
        "in-a": conv(source="in", target="a", weight=weights[0], padding=one),
        "a-b": conv(
            source="a", target="b", weight=weights[1], padding=one, stride=(2, 2), groups=2
        ),
        "b-c": pool(source="b", target="c", kernel=(2, 2)),
        "c-d": conv(source="c", target="d", weight=weights[2], padding=one),
        "d-out": dense(source="d", target="out", weight=weights[3]),
    }
    return evsim.Network(populations(**changed), sets)


IMAGES = grid(8, SAMPLES, 7, 7, 2, low=0, high=33)


def pools():
    """A chain with a pool behind a pool, and an average straight in front of a layer."""
    kinds, neurons = evsim.synapse_kinds(), evsim.neuron_kinds()["iaf"]
    parts = {
        "in": evsim.neuron_kinds()["input"](shape=(8, 8, 2), scale=16.0),
        "a": neurons(shape=(4, 4, 2), threshold=0.25),
        "b": neurons(shape=(2, 2, 2), threshold=0.25),
        "c": neurons(shape=(2, 2, 4), threshold=0.25),
        "out": evsim.neuron_kinds()["readout"](shape=(3,)),
    }
    weight = grid(4, 3, 3, 2, 4)
    ones = (1, 1, 1, 1)
    sets = {
        "in-a": kinds["pool"](source="in", target="a", kernel=(2, 2)),
        "a-b": kinds["pool"](source="a", target="b", kernel=(2, 2)),
        "b-c": kinds["conv"](source="b", target="c", weight=weight, padding=ones),
        "c-out": kinds["dense"](source="c", target="out", weight=grid(6, 4, 3), prepool=(2, 2)),
    }
    return evsim.Network(parts, sets)


def ran(coding="poisson", network=None, images=IMAGES):
    """A run of the chain, its spikes recorded."""
    return evsim.run(network or chain(), images, timesteps=T, coding=coding, record=("spikes",))


def found(name, run, images=IMAGES):
    """{set: (reported, exact)} of a convention, and all of it."""
    said = convention(name, run, images)
    return {part: (row["reported"], row["exact"]) for part, row in said["parts"].items()}, said


def layers(run):
    """Of every set with weights: its name, its torch layer and what it was fed (T x B, ...)."""
    torch = pytest.importorskip("torch")
    for name in run.network.order:
        if name not in run.network.synapses or run.network.synapses[name].kind == "pool":
            continue
        part = run.network.synapses[name]
        source, target = run.network.ends(part)
        fed = np.zeros((T, SAMPLES, source.neurons), np.float32)
        events = run.spikes[part.source]
        fed[events["timestep"], events["sample"], events["neuron"]] = events["value"]
        fed = torch.tensor(fed)
        if part.kind == "dense":
            layer = torch.nn.Linear(*part.weight.shape)
            weight = part.weight.T
        else:
            depth, out = source.channels, target.channels
            ends = {"stride": part.stride, "padding": 1, "groups": part.groups}
            layer = torch.nn.Conv2d(depth, out, part.weight.shape[0], **ends)
            weight = part.weight.transpose(3, 2, 0, 1)
            fed = fed.unflatten(2, source.shape).permute(0, 1, 4, 2, 3)
        layer.weight = torch.nn.Parameter(torch.tensor(weight.copy()))
        yield name, layer, fed


@pytest.mark.parametrize("coding", ["poisson", "constant"])
def test_nothing_is_invented(coding):
    run = ran(coding)
    for name in CONVENTIONS:
        numbers, said = found(name, run)
        assert said["name"] == name
        total = said["total"]
        known = [pair for pair in numbers.values() if pair[0] is not None]
        assert total["complete"] == (len(known) == len(numbers))
        assert total["reported"] == pytest.approx(sum(pair[0] for pair in known))
        assert total["exact"] == pytest.approx(sum(pair[1] for pair in known))
        every = sum(pair[1] for pair in numbers.values())
        assert total["covered"] == pytest.approx(total["exact"] / every)
        assert (total["ratio"] is None) == (not total["complete"])
        for row in said["parts"].values():
            assert row["reason"]
            assert (row["reason"] == "the same") == (row["reported"] == row["exact"])
        assert json.loads(json.dumps(said)) == said


def test_formulas_by_hand():
    run = ran()
    spikes = {name: len(run.spikes[name]) for name in "abcd"} | {"in": len(run.spikes["in"])}
    exact = {n: int((f["synops"] + f["macs"]).sum()) for n, f in run.work.items() if "-" in n}
    zeros = {n: int(f["zero_synops"].sum()) for n, f in run.work.items() if "-" in n}
    assert min(zeros["in-a"], zeros["a-b"], zeros["c-d"], zeros["d-out"], *spikes.values()) > 0
    toolbox, _ = found("snntoolbox", run)
    assert toolbox["in-a"][0] == spikes["in"] * 36 / SAMPLES > toolbox["in-a"][1]
    assert toolbox["a-b"][0] is None  # which position a spike had decides
    assert toolbox["b-c"][0] == spikes["b"] / SAMPLES
    assert toolbox["c-d"][0] == spikes["c"] * 36 / SAMPLES
    assert toolbox["d-out"][0] == spikes["d"] * 3 / SAMPLES
    norse, _ = found("norse", run)
    assert norse["a-b"] == (spikes["a"] * 9 * 4 // 2, exact["a-b"])
    assert norse["a-b"][0] > 3 * norse["a-b"][1]
    jelly, _ = found("spikingjelly", run)
    assert {n: pair[0] for n, pair in jelly.items()} == exact | {"b-c": 0}
    bench, said = found("neurobench", run)
    expected = {n: (exact[n] - zeros[n]) / SAMPLES for n in exact} | {"b-c": 0}
    assert {n: pair[0] for n, pair in bench.items()} == pytest.approx(expected)
    assert list(said["total"]["by_kind"]) == ["AC"]
    sinabs, _ = found("sinabs", run)
    expected = {n: exact[n] / SAMPLES / T for n in exact} | {"b-c": 0}
    expected["c-d"] *= 4  # behind a pool of 2 x 2, though spikes come from its neurons
    assert {n: pair[0] for n, pair in sinabs.items()} == pytest.approx(expected)
    syops, _ = found("syops", run)
    dense = 9 * 2 * 4 * 49 + 4 * 49  # and biases
    assert syops["in-a"][0] == pytest.approx(dense * spikes["in"] / 98 / SAMPLES)
    assert syops["a"] == (7 * 7 * 4 * T, 0)


def test_graded_inputs_and_signs():
    run = ran("constant")
    macs = int(run.work["in-a"]["macs"].sum())
    zeros = int(run.work["in-a"]["zero_synops"].sum())
    assert found("snntoolbox", run)[0]["in-a"] == (0, macs / SAMPLES)
    assert found("spikingjelly", run)[0]["in-a"] == (0, macs)
    numbers, said = found("neurobench", run)
    assert numbers["in-a"][0] == pytest.approx((macs - zeros) / SAMPLES)
    assert said["total"]["by_kind"]["MAC"] == numbers["in-a"][0]
    assert found("syops", run)[0]["in-a"][0] == (9 * 2 * 4 * 49 + 4 * 49) * T
    values = IMAGES.astype(float)
    whole = values.sum() * 36 * T
    assert found("norse", run)[0]["in-a"][0] == pytest.approx(whole)
    borders = values[:, [0, -1]].sum() + values[:, :, [0, -1]].sum()  # a corner loses 2 x 3 - 1
    corners = values[:, [0, 0, -1, -1], [0, -1, 0, -1]].sum()
    met = whole - 4 * T * (3 * borders - corners)
    assert found("sinabs", run)[0]["in-a"][0] == pytest.approx(met / SAMPLES / T)
    images = IMAGES - 1  # now some pixels are negative, and so are their events
    run = ran(images=images)
    for name in ("sinabs", "norse", "syops", "spikingjelly"):
        assert found(name, run, images)[0]["in-a"][0] is None
    for name in ("neurobench", "snntoolbox"):
        assert found(name, run, images)[0]["in-a"][0] is not None
    run = ran(network=chain(a=evsim.neuron_kinds()["signed"](shape=(7, 7, 4), threshold=0.5)))
    assert found("sinabs", run)[0]["a-b"][0] is None
    assert found("syops", run)[1]["parts"]["a"]["reason"].endswith("no neuron of kind 'signed'")


def test_branches_are_not_followed_by_sinabs():
    part = evsim.synapse_kinds()["identity"](source="c", target="d")
    network = chain()
    network = evsim.Network(dict(network.populations), {**network.synapses, "short": part})
    run = ran(network=network)
    assert {pair[0] for pair in found("sinabs", run)[0].values()} == {None}
    assert found("neurobench", run)[0]["short"][0] == 0
    assert found("snntoolbox", run)[0]["short"][0] is None


IMAGES_OF_POOLS = grid(9, SAMPLES, 8, 8, 2, low=0, high=17)


def test_pools_by_hand():
    run = ran(network=pools(), images=IMAGES_OF_POOLS)
    assert len(run.spikes["c"]) > 0
    numbers, said = found("sinabs", run, IMAGES_OF_POOLS)
    exact = {n: int(f["synops"].sum()) / SAMPLES / T for n, f in run.work.items() if "-" in n}
    assert numbers["b-c"][0] == pytest.approx(16 * exact["b-c"])  # both pools, though neurons fire
    assert numbers["c-out"][0] == pytest.approx(exact["c-out"])  # 4 times a quarter
    assert said["parts"]["c-out"]["reason"] == "the same"
    for name in ("spikingjelly", "snntoolbox", "norse", "syops", "neurobench"):
        row = found(name, run, IMAGES_OF_POOLS)[1]["parts"]["c-out"]
        assert row["reported"] is None
        told = {"snntoolbox": "pools are neurons there", "neurobench": "averages are no spikes"}
        assert row["reason"].startswith(told.get(name, "averages of spikes are fed to it"))


def test_sinabs_itself_behind_pools():
    reason = "sinabs is not installed, or not all that it needs"
    hooks = pytest.importorskip("sinabs.hooks", reason=reason, exc_type=ImportError)
    from torch import nn, zeros

    run = ran(network=pools(), images=IMAGES_OF_POOLS)
    numbers, _ = found("sinabs", run, IMAGES_OF_POOLS)
    fed = {name: fed.flatten(0, 1) for name, _, fed in layers(run)}
    average = nn.AvgPool2d(2, 2)
    model = nn.Sequential(average, average, Replaced(fed["b-c"]), nn.Conv2d(2, 4, 3, padding=1))
    spikes = fed["c-out"].reshape(-1, 2, 2, 4).permute(0, 3, 1, 2)
    model.extend([Replaced(spikes), average, nn.Flatten(), nn.Linear(4, 3)])
    hooks.register_synops_hooks(model)
    model(zeros(T * SAMPLES, 2, 8, 8))
    for index, name in ((3, "b-c"), (7, "c-out")):
        counted = float(model.hook_data["synops_per_timestep"][index])
        assert counted == pytest.approx(numbers[name][0], rel=1e-6)


def test_spikingjelly_itself():
    pytest.importorskip("spikingjelly")
    import torch
    from spikingjelly.activation_based.op_counter import DispatchCounterMode, SynOpCounter

    run = ran()
    numbers, _ = found("spikingjelly", run)
    for name, layer, fed in layers(run):
        counter = SynOpCounter()
        with torch.no_grad(), DispatchCounterMode([counter]):
            layer(fed.flatten(0, 1))
        assert counter.get_total() == numbers[name][0]


def test_neurobench_itself():
    reason = "neurobench is not installed, or not all that it needs"
    macs = pytest.importorskip(
        "neurobench.metrics.utils.layers", reason=reason, exc_type=ImportError
    )
    run = ran()
    numbers, _ = found("neurobench", run)
    for name, layer, fed in layers(run):
        calls = [macs.single_layer_MACs(step, layer) for step in fed]
        assert all(spiking for _, spiking in calls)
        assert sum(n for n, _ in calls) / SAMPLES == pytest.approx(numbers[name][0])


def test_sinabs_itself():
    reason = "sinabs is not installed, or not all that it needs"
    hooks = pytest.importorskip("sinabs.hooks", reason=reason, exc_type=ImportError)
    import torch

    run = ran()
    numbers, _ = found("sinabs", run)
    for name, layer, fed in layers(run):
        before = [torch.nn.AvgPool2d(2, 2)] if name == "c-d" else []
        if before:  # the pool alone is seen, its neurons and their spikes come between
            before.append(Replaced(fed.flatten(0, 1)))
            fed = torch.zeros(T, SAMPLES, 4, 4, 4)
        model = torch.nn.Sequential(*before, layer)
        hooks.register_synops_hooks(model)
        with torch.no_grad():
            model(fed.flatten(0, 1))
        total = model.hook_data["total_synops_per_timestep"]
        assert float(total) == pytest.approx(numbers[name][0], rel=1e-6)


def Replaced(value):
    """A layer that gives a value whatever comes, as spiking neurons give their spikes."""
    import torch

    class Layer(torch.nn.Module):
        def forward(self, _):
            return value

    return Layer()


def test_syops_itself():
    reason = "syops is not installed, or not with the SpikingJelly it needs"
    ops = pytest.importorskip("syops.ops", reason=reason, exc_type=ImportError)
    import torch

    run = ran()
    numbers, _ = found("syops", run)
    biased = {"in-a", "d-out"}
    for name, layer, fed in layers(run):
        layer.bias = layer.bias if name in biased else None
        hook = ops.MODULES_MAPPING[type(layer)]
        layer.__syops__ = np.zeros(4)
        with torch.no_grad():
            for one in fed.flatten(0, 1):
                hook(layer, (one[None],), layer(one[None]))
        _, additions, macs, _ = layer.__syops__ / SAMPLES
        assert macs == 0
        assert additions == pytest.approx(numbers[name][0])


def test_norse_itself():
    reason = "this Norse counts no synaptic operations: they are in its repository, not released"
    synops = pytest.importorskip(
        "norse.torch.functional.synops", reason=reason, exc_type=ImportError
    )
    run = ran()
    numbers, _ = found("norse", run)
    for name, layer, fed in layers(run):
        counted = synops.synops_accumulator(fed.flatten(0, 1), layer)
        assert float(counted) == pytest.approx(numbers[name][0])


def test_the_command(files, capsys):
    assert run_command(["run", "n.h5", "d.h5", "-T", "4", "--convention", "syops", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["convention"]["name"] == "syops"
    assert said["convention"]["parts"]["c-out"]["reported"] is None  # a sparse set
    assert run_command(["run", "n.h5", "d.h5", "-T", "4", "--convention", "syops"]) == 0
    out = capsys.readouterr().out
    assert "As syops would report it" in out
    assert "not known" in out
    covered = said["convention"]["total"]["covered"]
    assert 0 < covered < 1
    [total] = (line for line in out.splitlines() if f"total, {100 * covered:.1f} % known" in line)
    assert "1.000" not in total
    assert run_command(["run", "n.h5", "d.h5", "--convention", "sinab"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("evsim: --convention: found 'sinab', expected one of snntoolbox, ")
    assert err.endswith("(did you mean 'sinabs'?)\n")
    assert err.count("\n") == 1


def test_several_conventions_are_all_shown(files, capsys):
    line = ["run", "n.h5", "d.h5", "-T", "4", "--convention", "syops"]
    assert run_command([*line, "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert alone["conventions"] == [alone["convention"]]
    line += ["--convention", "sinabs"]
    assert run_command([*line, "--convention", "syops", "--json"]) == 0
    both = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in both["conventions"]] == ["syops", "sinabs"]
    assert both["conventions"][0] == alone["convention"]
    assert "convention" not in both  # which of them would it be?
    assert run_command(line) == 0
    out = capsys.readouterr().out
    assert out.index("As syops would report it") < out.index("As sinabs would report it")
    assert run_command([*line, "--convention", "sinab"]) == 2
    assert capsys.readouterr().err.startswith("evsim: --convention: found 'sinab', ")
