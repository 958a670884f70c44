"""Blocks that run several times with the same weights: definitions, copies, recurrent blocks."""

import h5py
import numpy as np
import pytest
from oracles.layers import layer
from oracles.naive import simulate
from oracles.rates import rates
from support import build
from support.blocks import drawn, images, small
from support.bundles import convs, definition_of, denses, norms
from support.places import ROOT
from support.torch_files import hdf5

import evsim
from evsim import EvsimError
from evsim.artificial.model import INPUT, Block, Model
from evsim.cli.main import run_command
from evsim.conversion import convert, convert_to_passes, convert_to_switches
from evsim.neurons.input import Input
from evsim.reports.info import describe

NAMES = ("vgg2x4", "vgg3x2", "resnet2x4", "resnet4x2")
every_name = pytest.mark.parametrize("name", NAMES)
every_inject = pytest.mark.parametrize("inject", ["replace", "add_input"])


def weights_of(network, kinds=("conv", "dense")):
    """The arrays of weights of a network, each once."""
    every = [s.weights() for s in network.synapses.values() if s.kind in kinds]
    return {weight.__array_interface__["data"][0]: weight for weight in every}


# The artificial network


@every_name
@every_inject
def test_a_block_computes_its_turns_one_after_the_other(name, inject):
    model = small(name, inject)
    [block] = model.blocks
    assert len(block.turns) == int(name[-1])
    first = model.scaled(images())
    taken = model.forward(first, [block.source])[block.source]
    result = None
    for _ in block.turns:
        x = taken if result is None else result + taken if inject == "add_input" else result
        held = {block.source: x}
        for own in block.layers(0):  # always those of the first turn
            record = model.layers[own]
            held[own] = record.forward(*(held[source] for source in record.sources))
        result = held[own]
    end = block.turns[-1][-1]
    assert np.array_equal(model.forward(first, [end])[end], result)
    assert len({model.forward(first, [turn[-1]])[turn[-1]].tobytes() for turn in block.turns}) > 1


@every_name
def test_turns_share_arrays_and_parameters_are_counted_once(name):
    model = small(name, "add_input")
    [block] = model.blocks
    for number in range(1, len(block.turns)):
        for own, other in zip(block.layers(0), block.layers(number), strict=True):
            for role, value in vars(model.layers[own]).items():
                if isinstance(value, np.ndarray) and value.ndim:
                    assert np.shares_memory(value, getattr(model.layers[other], role))
    layers = int(name.partition("x")[0][-1])
    head = 24 if name.startswith("vgg") else 6
    expected = 9 * 3 * 6 + layers * 9 * 36 + (layers + 1) * 4 * 6 + head * 10 + 10
    assert model.parameters == expected


def test_weights_are_found_under_the_name_of_the_block():
    text = 'input = [4, 4, 3]\nlayers = [{ use = "b", name = "back", turns = 3 }]\n'
    text += '[blocks.b]\nlayers = [{ name = "conv", kind = "conv", padding = 1 }, '
    text += '{ name = "relu", kind = "relu" }]'
    model = definition_of(text, list(convs(3)))
    assert "l0 is back.conv" in model.notes[0]
    assert [turn[0] for turn in model.blocks[0].turns] == [f"back.turn{k}.conv" for k in (1, 2, 3)]


BLOCK = '\n[blocks.b]\nlayers = [{ name = "conv", kind = "conv", padding = 1 }]'


@pytest.mark.parametrize(
    ("use", "said"),
    [
        ("turns = 0", "layers[0]/turns: found 0, expected a whole number from 1 to 10000"),
        ("turns = true", "layers[0]/turns: found True, expected a whole number"),
        ('turns = 2, inject = "add"', "layers[0]/inject: found 'add', expected 'replace' or"),
        ('inject = "replace"', "layers[0]/inject: found no turns"),
        ("turns = 20000", "layers[0]/turns: found 20000"),
    ],
)
def test_a_use_of_a_block_that_is_wrong(use, said):
    text = f'input = [4, 4, 3]\nlayers = [{{ use = "b", name = "back", {use} }}]{BLOCK}'
    with pytest.raises(EvsimError) as error:
        definition_of(text, list(convs(3)))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_turns_inside_turns():
    text = 'input = [4, 4, 3]\nlayers = [{ use = "c", name = "c", turns = 2 }]'
    text += f'{BLOCK}\n[blocks.c]\nlayers = [{{ use = "b", name = "b", turns = 2 }}]'
    with pytest.raises(EvsimError, match=r"found 'c\.turn1\.b' with turns, expected a block with"):
        definition_of(text, list(convs(3)))


@pytest.mark.parametrize("inject", ["replace", "add_input"])
@pytest.mark.parametrize("turns", [2, 4])
@pytest.mark.parametrize(("width", "stride"), [(5, 1), (3, 2)])
def test_a_block_whose_ends_do_not_fit(width, stride, turns, inject):
    use = f'use = "b", name = "back", turns = {turns}, inject = "{inject}"'
    text = f"input = [4, 4, 3]\nlayers = [{{ {use} }}]{BLOCK}"
    text = text.replace("padding = 1", f"padding = 1, stride = {stride}")
    with pytest.raises(EvsimError) as error:
        definition_of(text, list(convs(width)))
    after = (4 // stride, 4 // stride, width)
    said = f"layers/back: found a block that takes (4, 4, 3) and gives {after}, expected one shape"
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_turns_with_other_weights_are_no_block():
    weight = np.ones((2, 2), np.float32)
    layers = {
        "a": layer("dense", INPUT, weight=weight),
        "b": layer("dense", "a", weight=2 * weight),
    }
    blocks = [Block("x", INPUT, (("a",), ("b",)))]
    with pytest.raises(EvsimError, match="layers/b: found arrays that are not those of 'a'"):
        Model(layers, Input(shape=(2,)), blocks=blocks)


# Copies


@pytest.mark.slow
@every_name
@every_inject
@pytest.mark.parametrize("thresholds", ["own", "shared"])
@pytest.mark.parametrize(
    "choices",
    [{}, {"balance": "thresholds", "per_channel": True}, {"pooling": "neurons", "method": "max"}],
)
def test_copies_have_the_activations_and_one_array(name, inject, thresholds, choices):
    model = small(name, inject)
    made = convert(model, images(), unroll_thresholds=thresholds, **choices)
    x = model.scaled(images(3, seed=2))
    found = rates(made.network, x)
    wanted = model.forward(x, [unit.layer for unit in made.units])
    for unit in made.units:
        values = found[unit.population].reshape(len(x), -1, made_channels(made, unit)) * unit.scale
        expected = wanted[unit.layer].reshape(values.shape)
        assert np.abs(values - expected).max() <= 1e-5 * np.abs(expected).max()
    layers, turns = int(name.partition("x")[0][-1]), int(name[-1])
    assert len(weights_of(made.network)) == 1 + layers + 1
    kinds = [part.kind for part in made.network.synapses.values()]
    again = (turns - 1) if inject == "add_input" else 0  # the input comes by a set of its own
    assert kinds.count("conv") == 1 + layers * turns + again
    assert not any("arrays of weights, its" in note for note in made.notes)
    [block] = model.blocks
    ends = {unit.layer: unit.scale for unit in made.units}
    of_turns = {float(ends[turn[-1]]) for turn in block.turns}
    assert (len(of_turns) == 1) == (thresholds == "shared")


def made_channels(made, unit):
    return made.network.populations[unit.population].channels


def test_batch_norm_is_folded_once_for_all_turns():
    model = small("vgg2x4", "replace")
    network = convert(model, images()).network
    record, norm = (model.layers[f"back.turn1.conv2.{kind}"] for kind in ("conv", "norm"))
    folded = np.float32(np.float64(record.weight) * norm.factor)
    sets = [f"back.turn{k}.conv1.conv-back.turn{k}.conv2.conv" for k in (1, 2, 3, 4)]
    assert len({network.synapses[s].weight.__array_interface__["data"][0] for s in sets}) == 1
    assert np.array_equal(network.synapses[sets[0]].weight, folded)


@pytest.mark.parametrize("thresholds", ["own", "shared"])
def test_the_file_holds_one_array(tmp_path, thresholds):
    model, path = small("vgg2x4", "add_input"), tmp_path / "n.h5"
    network = convert(model, images(), unroll_thresholds=thresholds).network
    evsim.save(network, path)
    with h5py.File(path) as file:
        sets = [group["weight"] for group in file["synapses"].values() if "weight" in group]
        assert len({h5py.h5o.get_info(dataset.id).addr for dataset in sets}) == 4
        assert len(sets) == 1 + 2 * 4 + 3 + 1
    read = evsim.load(path)
    assert len(weights_of(read)) == 4
    weights = 9 * 3 * 6 + 2 * 9 * 36 + 240
    # What comes into the block and comes back has one scale, so its first layers have one bias.
    biases = 6 + 10 + 6 + (6 if thresholds == "shared" else 4 * 6)
    assert read.parameters == network.parameters == weights + biases
    said = describe(path)["shared arrays"]
    # 1 + 3 x 2 sets into first layers, 4 into second ones, and biases.
    shared = 4 if thresholds == "shared" else 3
    numbers = 6 * 324 + 3 * 324 + (shared - 2) * 3 * 6
    expected = f"{shared}, used {7 + 4 + (shared - 2) * 4} times ({numbers:,} numbers less than"
    assert said.startswith(expected)
    from evsim.engine.plan import Plan
    from evsim.engine.settings import settle

    plan = Plan(read, settle(read, images(), timesteps=2))
    names = [s for s, part in read.synapses.items() if part.target.endswith("conv2.conv")]
    kept = [plan.floats.tiles(read.synapses[s].weight.reshape(-1, 6))[0][1] for s in names]
    assert len(names) == 4
    assert len({tile.__array_interface__["data"][0] for tile in kept}) == 1


def test_copies_spike_as_the_same_network_without_shared_arrays(tmp_path):
    model = small("resnet2x4", "add_input")
    network = convert(model, images(), timesteps=16).network
    own = {
        name: type(part)(**vars(part) | {"weight": part.weight.copy()})
        if getattr(part, "weight", None) is not None
        else part
        for name, part in network.synapses.items()
    }
    ends = {"input": network.input, "output": network.output}
    other = evsim.Network(dict(network.populations), own, **ends)
    assert other.parameters > network.parameters
    runs = [evsim.run(n, images(), timesteps=16, record=("spikes",)) for n in (network, other)]
    for name, events in runs[0].spikes.items():
        assert np.array_equal(events, runs[1].spikes[name])


def chain(turns, inject="replace"):
    """Two inputs, a block of one dense layer of ones / 2, a readout of three classes."""
    half, layers, before = np.full((2, 2), 0.5, np.float32), {}, INPUT
    first = layer("dense", INPUT, weight=half)
    each = []
    for k in range(turns):
        names = [f"back.turn{k + 1}.{kind}" for kind in ("dense", "relu")]
        own = list(names)
        if k and inject == "add_input":
            own.insert(0, f"back.turn{k + 1}.inject")
            layers[own[0]] = layer("add", before, INPUT)
            before = own[0]
        layers[names[0]] = layer("dense", before, weight=first.weight)
        layers[names[1]] = layer("relu", names[0])
        before = names[1]
        each.append(tuple(own))
    layers["out"] = layer("dense", before, weight=np.ones((2, 3), np.float32))
    blocks = [Block("back", INPUT, tuple(each), inject)]
    return Model(layers, Input(shape=(2,), scale=1), blocks=blocks)


def test_parameters_once_and_operations_every_time_by_hand():
    # Both inputs are 1: 0.5 + 0.5 reaches each neuron in every timestep, the threshold is 1, so
    # both neurons of every turn fire 4 times in 4 timesteps, each to 2 neurons (the last to 3).
    network = convert(chain(3), np.ones((1, 2)), method="max", timesteps=4).network
    assert network.parameters == 4 + 6
    assert network.synapse_count == 3 * 4 + 6
    run = evsim.run(network, np.ones((1, 2)), timesteps=4)
    counts = run.counts()
    sets = ["input-back.turn1.dense", "back.turn1.dense-back.turn2.dense"]
    sets += ["back.turn2.dense-back.turn3.dense", "back.turn3.dense-out"]
    reads = [counts["parts"][name]["weight_read"] for name in sets]
    adds = [counts["parts"][name]["synaptic_add"] for name in sets]
    assert reads == [16, 16, 16, 24]
    assert adds == [0, 16, 16, 24]
    assert run.work[sets[0]]["macs"].tolist() == [16]
    recurrent = convert(chain(3), np.ones((1, 2)), method="max", timesteps=4, unroll="recurrent")
    assert recurrent.network.parameters == 4 + 6
    assert recurrent.network.synapse_count == 4 + 4 + 6
    run = evsim.run(recurrent.network, np.ones((1, 2)), timesteps=4)
    back = run.work["back.dense-back.dense"]
    assert (back["synops"].tolist(), back["arrivals"].tolist()) == ([12], [6])  # one is too late


def test_a_block_behind_what_has_no_single_scale_says_so():
    text = """
input = [4, 4, 3]
layers = [
  { name = "stem", kind = "conv", padding = 1 }, { name = "relu", kind = "relu" },
  { name = "norm", kind = "normalize" }, { use = "b", name = "back", turns = 2 },
  { name = "flatten", kind = "flatten" }, { name = "out", kind = "dense" },
]
[blocks.b]
layers = [{ name = "conv", kind = "conv", padding = 1 }, { name = "relu", kind = "relu" }]
"""
    bundles = drawn([*convs(6, 6), *norms(6), *denses(96, 10)], 3)
    model = definition_of(text, bundles)
    made = convert(model, images(6)[:, :4, :4])
    assert any("'back' have 2 arrays of weights, its layers 1" in n for n in made.notes)
    x = model.scaled(images(3)[:, :4, :4])
    [end] = [unit for unit in made.units if unit.layer == "back.turn2.relu"]
    found = rates(made.network, x)[end.population] * end.scale
    wanted = model.forward(x, [end.layer])[end.layer].reshape(found.shape)
    assert np.abs(found - wanted).max() <= 1e-5 * wanted.max()
    with pytest.raises(EvsimError, match="another bias in its first turn"):
        convert(model, images(6)[:, :4, :4], unroll="recurrent")


@pytest.mark.parametrize("unroll", ["copies", "recurrent"])
def test_two_blocks_behind_max_pools(unroll):
    text = 'input = [8, 8, 3]\nlayers = [{ name = "stem", kind = "conv", padding = 1 }, '
    text += '{ name = "relu", kind = "relu" }, '
    text += '{ name = "pool", kind = "pool", operation = "max", kernel = 2 }, '
    text += '{ use = "b", name = "back{i}", repeat = 2, turns = 2 }, '
    text += '{ use = "b", name = "once", turns = 1 }, '
    text += '{ name = "flatten", kind = "flatten" }, { name = "out", kind = "dense" }]'
    text += BLOCK.replace("}]", '}, { name = "relu", kind = "relu" }]')
    model = definition_of(text, drawn([*convs(4, 4, 4, 4), *denses(64, 10)], 2))
    assert [block.name for block in model.blocks] == ["back0", "back1", "once"]
    made = convert(model, images(), unroll=unroll)
    assert len(weights_of(made.network)) == 5
    delays = [part.delay for part in made.network.synapses.values()]
    assert sum(delays) == (2 if unroll == "recurrent" else 0)
    assert len(delays) == (1 + 1 + 2 * 2 + 1 + 1)
    if unroll == "copies":
        x = model.scaled(images(3))
        found, wanted = rates(made.network, x), model.forward(x)[model.output]
        assert np.allclose(found["out"] / found["out"].max(), wanted / wanted.max(), atol=1e-5)


def test_a_max_pool_cannot_take_what_is_sent_back():
    text = 'input = [4, 4, 3]\nlayers = [{ name = "stem", kind = "conv", padding = 1 }, '
    text += '{ name = "relu", kind = "relu" }, { use = "b", name = "back", turns = 2 }, '
    text += '{ name = "flatten", kind = "flatten" }, { name = "out", kind = "dense" }]'
    text += BLOCK.replace("}]", '}, { name = "relu", kind = "relu" }]').replace(
        "[{",
        '[{ name = "max", kind = "pool", operation = "max", kernel = 3, stride = 1, '
        "padding = 1 }, {",
    )
    model = definition_of(text, drawn([*convs(3, 3), *denses(48, 10)], 1))
    some = images(4)[:, :4, :4]
    assert len(weights_of(convert(model, some).network)) == 3
    with pytest.raises(EvsimError, match=r"layers/back\.turn1\.max: found a max pool"):
        convert(model, some, unroll="recurrent")


@every_name
@every_inject
def test_switches_share_arrays_and_keep_decisions(name, inject):
    model = small(name, inject, seed=5)
    network = convert_to_switches(model, images(40), window=128, method="max").network
    layers = int(name.partition("x")[0][-1])
    assert len(weights_of(network)) == 1 + layers + 1
    same = evsim.run(network, images(40)).predictions == model.predictions(images(40))
    assert same.mean() >= 0.9


@pytest.mark.parametrize("scheme", ["signed", "burst", "phase", "ttfs"])
def test_other_codes_take_copies(scheme):
    model, some = small("vgg3x2", "replace", seed=3), images() / 255
    made = convert(model, some, scheme=scheme)
    assert len(weights_of(made.network)) == 5
    assert evsim.run(made.network, some[:2]).predictions.size == 2
    if scheme != "ttfs":
        network = convert(model, some, scheme=scheme, unroll="recurrent").network
        assert sum(part.delay for part in network.synapses.values()) == 1
        assert evsim.run(network, some[:2]).predictions.size == 2
    else:
        with pytest.raises(EvsimError, match="unroll: found 'recurrent', expected 'copies' with"):
            convert(model, some, scheme=scheme, unroll="recurrent")


@pytest.mark.parametrize("weights", ["real", "sign"])
def test_passes_share_arrays_and_compute_the_model(weights):
    """Binary weights are bits and a scale of each filter: both are those of all turns."""
    text = 'input = [8, 8, 3]\nlayers = [{ name = "stem", kind = "conv", padding = 1 }, '
    text += '{ name = "relu", kind = "relu" }, { name = "pool", kind = "pool", kernel = 2 }, '
    text += '{ use = "b", name = "back", turns = 3, inject = "add_input" }, '
    text += '{ name = "flatten", kind = "flatten" }, { name = "out", kind = "dense" }]'
    more = f', weights = "{weights}" }}, {{ name = "norm", kind = "normalize" }}, '
    text += BLOCK.replace("}]", f'{more}{{ name = "relu", kind = "relu" }}]')
    bundles = drawn([*convs(5, 5), *norms(5), *denses(80, 10)], 6)
    model = definition_of(text, bundles)
    network = convert_to_passes(model).network
    assert len(weights_of(network)) == 3
    bits = [part for part in network.synapses.values() if getattr(part, "bits", None) == 1]
    assert len(bits) == (5 if weights == "sign" else 0)
    assert len({part.scale.__array_interface__["data"][0] for part in bits}) == min(1, len(bits))
    wanted = model.forward(model.scaled(images()))[model.output]
    found = evsim.run(network, images(), timesteps=1).potential.reshape(wanted.shape)
    assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()


# Recurrent blocks


@every_name
@every_inject
@pytest.mark.parametrize("delay", [1, 3])
def test_a_recurrent_block_has_one_set_of_populations(name, inject, delay):
    model = small(name, inject)
    made = convert(model, images(), unroll="recurrent", feedback_delay=delay)
    network, turns = made.network, int(name[-1])
    layers = int(name.partition("x")[0][-1])
    assert sum("back" in population for population in network.populations) == layers
    assert {part.delay for part in network.synapses.values()} == {0, delay}
    assert len(weights_of(network)) == 1 + layers + 1
    assert any("replaces its input" in note for note in made.notes) == (inject == "replace")
    [block] = model.blocks
    stands = [unit.layer for unit in made.units if "back" in unit.population]
    assert set(stands) <= set(block.turns[-1])
    copies = convert(model, images(), unroll_thresholds="shared")
    assert sum("back" in p for p in copies.network.populations) == layers * turns
    scales = {unit.layer: float(unit.scale) for unit in copies.units}
    assert {scales[unit.layer] for unit in made.units} == {float(unit.scale) for unit in made.units}


def test_a_recurrent_block_spikes_as_the_law_says():
    """Weights and inputs on a grid stay there, as thresholds take up all scales."""
    text = 'extends = "vgg2x4"\ninput = [4, 4, 3]\nparameters = { turns = 3 }\n'
    random = np.random.default_rng(4)
    bundles = [*convs(3, 3, 3, bias=True), *denses(3, 4, bias=True)]
    for bundle in bundles:
        for role, value in bundle.arrays.items():
            bundle.arrays[role] = np.float32(random.integers(-6, 9, value.shape) / 16)
    model = definition_of(text, bundles)
    some = np.uint8(random.integers(0, 256, (4, 4, 4, 3)))
    choices = {"unroll": "recurrent", "feedback_delay": 2, "balance": "thresholds"}
    network = convert(model, some, timesteps=12, **choices).network
    network = evsim.Network(
        dict(network.populations) | {"input": Input(shape=(4, 4, 3), scale=256)},
        dict(network.synapses),
    )
    run = evsim.run(network, some, timesteps=12, record=("spikes", "trace"))
    for sample in range(len(some)):
        record = simulate(build.description(network), some[sample], 12, "constant", sample=sample)
        for name, events in record.spikes.items():
            if network.populations[name].kind != "iaf":
                continue
            own = run.spikes[name][run.spikes[name]["sample"] == sample]
            found = list(zip(own["timestep"], own["neuron"], own["value"], strict=True))
            assert found == events, name
        for name, facts in record.facts.items():
            assert {fact: int(n[sample]) for fact, n in run.work[name].items()} == facts
    assert run.work["back.conv2.conv-back.conv1.conv"]["synops"].min() > 0


def test_a_recurrent_block_settles_where_ever_more_turns_lead():
    """With feedback that dies down, adding the input at every turn ends at y = F(x + y)."""
    text = (
        'extends = "vgg2x4"\ninput = [8, 8, 3]\nparameters = {{ turns = {}, inject = "add_input" }}'
    )
    bundles = drawn([*convs(6, 6, 6, bias=True), *denses(24, 10, bias=True)], 8, gain=0.8)
    few, many = (definition_of(text.format(turns), bundles) for turns in (3, 30))
    made = convert(many, images(), method="max", unroll="recurrent", v_init=0)
    run = evsim.run(made.network, images(), timesteps=1000, record=("spikes",))
    [end] = [unit for unit in made.units if unit.layer == "back.turn30.conv2.relu"]
    part = made.network.populations[end.population]
    own, found = run.spikes[end.population], np.zeros((len(images()), part.neurons))
    np.add.at(found, (own["sample"], own["neuron"]), own["value"] / 1000)
    x = many.scaled(images())
    wanted = many.forward(x, [end.layer])[end.layer].reshape(found.shape)
    early = few.forward(x, ["back.turn1.conv2.relu"])["back.turn1.conv2.relu"].reshape(found.shape)
    error = np.abs(found * end.scale - wanted).max() / wanted.max()
    assert error < 0.02 < np.abs(early - wanted).max() / wanted.max()


@pytest.mark.slow
def test_digits_by_copies_and_by_a_recurrent_block():
    """Random weights in front, a readout by least squares: what conversion keeps of it."""
    with (
        h5py.File(ROOT / "data" / "digits_train.h5") as train,
        h5py.File(ROOT / "data" / "digits_test.h5") as test,
    ):
        (some, labels), (others, truth) = (
            (f["images"][:n], f["labels"][:n]) for f, n in ((train, 600), (test, 100))
        )
    text = """
extends = "vgg2x4"
input = [8, 8, 1]
parameters = { turns = 3, inject = "add_input" }
"""
    bundles = drawn([*convs(24, 24, 24, inputs=1, bias=True), *denses(96, 10, bias=True)], 9, 0.8)
    scale = float(some.max())
    model = with_scale(definition_of(text, bundles), scale)
    features = np.concatenate([f["flatten"] for _, f in model.activations(some, ["flatten"])])
    columns = np.hstack([np.float64(features), np.ones((len(features), 1))])
    ridge = columns.T @ columns + 1e-3 * np.trace(columns.T @ columns) / 97 * np.eye(97)
    solved = np.linalg.solve(ridge, columns.T @ np.eye(10)[labels])
    bundles[-1].arrays["weight"], bundles[-1].arrays["bias"] = (
        np.float32(solved[:-1]),
        np.float32(solved[-1]),
    )
    model = with_scale(definition_of(text, bundles), scale)
    right = (model.predictions(others) == truth).mean()
    found = {}
    for unroll in ("copies", "recurrent"):
        network = convert(model, some[:200], unroll=unroll).network
        found[unroll] = evsim.run(network, others, timesteps=256).accuracy(truth)
    print(right, found)
    assert right >= 0.9
    assert found["copies"] >= right - 0.02
    assert found["recurrent"] >= right - 0.1


def with_scale(model, scale):
    return Model(
        dict(model.layers), Input(shape=model.input.shape, scale=scale), blocks=model.blocks
    )


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"unroll": "recurent"}, "unroll: found 'recurent', expected copies or recurrent"),
        ({"unroll_thresholds": "each"}, "unroll_thresholds: found 'each', expected own or shared"),
        ({"feedback_delay": 1}, "feedback_delay: found unroll 'copies', expected at least 1, with"),
        ({"unroll": "recurrent", "feedback_delay": 0}, "feedback_delay: found 0, expected at"),
        ({"unroll": "recurrent", "unroll_thresholds": "own"}, "unroll_thresholds: found 'own'"),
        ({"unroll": "recurrent", "correct_bias": True}, "correct_bias: found a recurrent block"),
    ],
)  # fmt: skip
def test_choices_that_are_wrong(choices, said):
    with pytest.raises(EvsimError) as error:
        convert(small("vgg3x2", "replace"), images(), **choices)
    assert str(error.value).startswith(said)


def test_a_recurrent_block_that_ends_without_an_activation():
    text = 'input = [4, 4, 3]\nlayers = [{ name = "r", kind = "relu" }, '
    text += '{ use = "b", name = "back", turns = 2 }, { name = "relu", kind = "relu" }, '
    text += '{ name = "flatten", kind = "flatten" }, { name = "out", kind = "dense" }]'
    model = definition_of(text + BLOCK, drawn([*convs(3), *denses(48, 10)], 1))
    some = images(4)[:, :4, :4]
    network = convert(model, some).network
    assert len(weights_of(network, ("sparse", "dense"))) == 2  # both turns in one, and the readout
    with pytest.raises(EvsimError, match="layers/back: found turn 1 with 0 populations"):
        convert(model, some, unroll="recurrent")


@every_inject
def test_a_block_that_begins_with_its_activation(inject):
    text = 'input = [4, 4, 3]\nlayers = [{ name = "stem", kind = "conv", padding = 1 }, '
    text += f'{{ use = "b", name = "back", turns = 3, inject = "{inject}" }}, '
    text += '{ name = "relu", kind = "relu" }, { name = "flatten", kind = "flatten" }, '
    text += '{ name = "out", kind = "dense" }]'
    text += BLOCK.replace("[{", '[{ name = "first", kind = "relu" }, {')
    model = definition_of(text, drawn([*convs(3, 3), *denses(48, 10)], 1))
    some = images(4)[:, :4, :4]
    made = convert(model, some, method="max", unroll_thresholds="shared")
    # Behind the image, whose scale is 1, the stem is summed again with what has another scale.
    assert len(weights_of(made.network)) == (3 if inject == "replace" else 4)
    assert any("arrays of weights, its layers 1" in note for note in made.notes)
    x = model.scaled(some)
    found, wanted = rates(made.network, x), model.forward(x, [u.layer for u in made.units])
    for unit in made.units:
        values = found[unit.population].reshape(wanted[unit.layer].shape) * unit.scale
        assert np.abs(values - wanted[unit.layer]).max() <= 1e-5 * values.max()
    if inject == "replace":
        recurrent = convert(model, some, unroll="recurrent").network
        back = recurrent.synapses["stem-stem"]
        assert (back.delay, len(weights_of(recurrent))) == (1, 3)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Weights of a small network with a block, and images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVSIM_NO_GUARD", "1")
    text = 'extends = "vgg2x4"\ninput = [4, 4, 3]\nparameters = { turns = 2 }\n'
    (tmp_path / "t.toml").write_text(text)
    random = np.random.default_rng(0)
    shapes = {"conv1.conv": (6, 3, 3, 3), "back.conv1.conv": (6, 6, 3, 3)}
    shapes |= {"back.conv2.conv": (6, 6, 3, 3), "output": (10, 6)}
    state = {f"{n}.weight": np.float32(random.normal(size=s) / 6) for n, s in shapes.items()}
    hdf5(tmp_path / "m.h5", state)
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["images"] = random.integers(0, 256, (20, 4, 4, 3), np.uint8)
    return tmp_path


def unrolled(*more):
    line = ("convert", "m.h5", "-o", "n.h5", "--topology", "t.toml", "--calibrate", "d.h5")
    return run_command([*line, "--overwrite", *more])


def test_the_command_unrolls(folder, capsys):
    assert unrolled() == 0
    assert len(evsim.load("n.h5").populations) == 8
    assert unrolled("--unroll", "recurrent", "--feedback-delay", "2") == 0
    network = evsim.load("n.h5")
    assert len(network.populations) == 6
    assert network.synapses["back.conv2.conv-back.conv1.conv"].delay == 2
    assert "replaces its input from the second turn on" in capsys.readouterr().out
    assert unrolled("--scheme", "switch", "--window", "8", "--unroll-thresholds", "shared") == 0
    assert run_command(["info", "n.h5"]) == 0
    assert "shared arrays" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--unroll", "loop"), "--unroll: found 'loop'"),
        (("--feedback-delay", "1"), "--feedback-delay: found unroll 'copies'"),
        (("--unroll", "recurrent", "--feedback-delay", "0"), "--feedback-delay"),
        (("--scheme", "switch", "--window", "8", "--unroll", "copies"), "--unroll: found --scheme"),
    ],
)
def test_the_command_says_what_is_wrong(folder, capsys, more, said):
    assert unrolled(*more) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "change", [("turns = 2", "turns = 0"), ("turns = 2", 'turns = 2, inject = "sum"')]
)
def test_a_definition_that_is_wrong_is_one_line(folder, capsys, change):
    path = folder / "t.toml"
    path.write_text(path.read_text().replace(*change))
    assert unrolled() == 2
    assert capsys.readouterr().err.count("\n") == 1
