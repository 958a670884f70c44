"""lava-dl files: the same spikes as their neurons fire, and one line for what cannot be read."""

import copy
from datetime import datetime

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import lava_files as lava
from support import nir_files, torch_files
from support.effort import examples
from support.lava_files import conv, dense, named, neuron, pool, small, values, write
from support.real import real

import evsim
from evsim.base.errors import EvsimError
from evsim.cli.main import run_command
from evsim.formats import trainers
from evsim.formats.trainers import Options

TITLE = "lava-dl network (.net)"


def stimulus(shape, timesteps, seed=0, rate=0.5):
    """Spikes in lava's axes."""
    return (np.random.default_rng(seed).random((timesteps, *shape)) < rate).astype(int)


def same(path, layers, spikes, **rule):
    """That evsim fires as the loops do, and the number of spikes."""
    write(path, layers)
    found = lava.ran(trainers.read(path, Options(**rule)).result(), spikes)
    expected = [lava.last(fired) for fired in lava.simulated(layers, spikes, **rule)]
    assert [f.shape for f in found] == [e.shape for e in expected]
    for fired, should in zip(found, expected, strict=True):
        np.testing.assert_array_equal(fired, should)
    return [int(fired.sum()) for fired in found]


def test_every_layer_fires_as_lava_says(tmp_path):
    counts = same(tmp_path / "n.net", small(), stimulus((2, 6, 5), 20))
    assert min(counts) > 0


@st.composite
def networks(draw):
    """Layers that fit each other, and a stimulus."""
    number = st.integers(0, 99)
    shape = draw(st.tuples(st.integers(1, 3), st.integers(3, 6), st.integers(3, 6)))
    layers = [named("input", shape)]
    first = shape

    def neurons(channels, shape):
        about = neuron(vThMant=draw(st.integers(1, 40)))
        for name in ("iDecay", "vDecay"):
            about[name] = draw(st.sampled_from([0, 1, 410, 1024, 4095, 4096]))
        if draw(st.booleans()):
            about["vDecay"] = values(draw(number), channels, low=0, high=4097)
        about["wgtExp"] = draw(st.sampled_from([0, 0, 0, 1, 2]))
        found = {"neuron": about}
        if draw(st.booleans()):
            found["bias"] = values(draw(number), channels)
        delays = draw(st.sampled_from([None, 1, channels, int(np.prod(shape))]))
        if delays:
            found["delay"] = values(draw(number), delays, low=0, high=draw(st.integers(1, 4)))
        return found

    for _ in range(draw(st.integers(0, 2))):
        groups = draw(st.sampled_from([g for g in (1, 2, 3) if shape[0] % g == 0]))
        kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
        steps = {
            name: np.array(draw(st.tuples(*[st.integers(low, 2)] * 2)))
            for name, low in (("stride", 1), ("dilation", 1), ("padding", 0))
        }
        size = [
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, p, d, k, s in zip(
                shape[1:], steps["padding"], steps["dilation"], kernel, steps["stride"], strict=True
            )
        ]
        if min(size) < 1:
            continue
        out = (groups * draw(st.integers(1, 3)), *map(int, size))
        more = neurons(out[0], out)
        layers.append(conv(shape[0], out, kernel, groups, draw(number), **steps, **more))
        shape = out
    if draw(st.booleans()) and shape[1] % 2 == 0:
        out = (shape[0], shape[1] // 2, (shape[2] + shape[2] % 2) // 2)
        layers.append(pool(out, neuron=neuron(vThMant=draw(st.integers(1, 10)))))
        shape = out
    if draw(st.booleans()):
        layers.append(named("flatten", (int(np.prod(shape)), 1, 1)))
    outputs = draw(st.integers(2, 5))
    more = neurons(outputs, (outputs,))
    layers.append(dense(int(np.prod(shape)), outputs, draw(number), **more))
    return layers, stimulus(first, draw(st.integers(1, 12)), draw(number))


RULES = st.fixed_dictionaries(
    {}, optional={"compare": st.sampled_from(["gt", "ge"]), "bias_start": st.integers(0, 3)}
)


@examples(60)
@given(case=networks(), rule=RULES)
def test_any_network_fires_as_lava_says(case, rule, tmp_path_factory):
    same(tmp_path_factory.mktemp("lava") / "n.net", *case, **rule)


@pytest.mark.parametrize("compare", ["gt", "ge"])
def test_a_potential_at_the_threshold_fires_by_ge_alone(tmp_path, compare):
    about = neuron(iDecay=4096, vDecay=4096, vThMant=20)
    layers = [dense(1, 1, weight=np.float32([[20]]), neuron=about)]
    counts = same(tmp_path / "n.net", layers, np.ones((5, 1), int), compare=compare)
    assert counts == [5 if compare == "ge" else 0]


@pytest.mark.parametrize("start", [0, 1, 3, 9])
def test_a_bias_is_added_from_a_timestep_on(tmp_path, start):
    about = neuron(iDecay=4096, vDecay=4096, vThMant=20)
    layers = [dense(1, 1, bias=np.float32([21]), neuron=about)]
    counts = same(tmp_path / "n.net", layers, np.zeros((6, 1), int), bias_start=start)
    assert counts == [max(6 - start, 0)]


def test_a_potential_stops_where_that_of_loihi_does(tmp_path):
    weight = np.float32([[-250, -250], [-250, 120]])
    about = neuron(iDecay=500, vDecay=0, vThMant=500)
    spikes = np.zeros((300, 2), int)
    spikes[:120, 0] = 1
    spikes[120:, 1] = 1
    counts = same(tmp_path / "n.net", [dense(2, 2, weight=weight, neuron=about)], spikes)
    assert 0 < counts[0] < 180


@pytest.mark.parametrize("height", [4, 5])
def test_a_pool_pads_what_is_odd(tmp_path, height):
    layers = [named("input", (2, height, 5)), pool((2, (height + 1) // 2, 3))]
    layers.append(dense(layers[1]["shape"].prod(), 2))
    assert min(same(tmp_path / "n.net", layers, stimulus((2, height, 5), 12))) > 0


def test_many_layers_are_taken_in_the_order_of_their_numbers(tmp_path):
    layers = [dense(4, 4, seed, neuron=neuron(vThMant=5)) for seed in range(11)]
    spikes = stimulus((4,), 30)
    write(tmp_path / "n.net", layers)
    network = trainers.read(tmp_path / "n.net").result()
    assert network.output == "dense10"
    assert network.synapses["dense9-dense10"].source == "dense9"
    assert same(tmp_path / "m.net", layers, spikes)[0] > 0


def test_what_a_file_says(tmp_path):
    write(tmp_path / "n.net", small(), Ts=1, tSample=64)
    reading = trainers.read(tmp_path / "n.net")
    network = reading.result()
    assert (reading.format, network.timesteps, network.coding) == (TITLE, 64, "poisson")
    assert network.populations["conv1"].shape == (4, 3, 4)
    assert network.synapses["input-conv1"].weight.dtype == np.int8
    assert {s.delay for s in network.synapses.values() if s.source == "conv1"} == {0, 1, 2}
    assert network.synapses["dense5-dense6"].delay == 3
    assert [row["kind"] for row in reading.layers] == [
        "input",
        "conv",
        "conv",
        "pool",
        "flatten",
        "dense",
        "dense",
    ]
    assert reading.layers[1] == {"layer": "1", "kind": "conv", "shape": [4, 3, 4], "weights": 72}
    evsim.save(network, tmp_path / "n.h5")
    assert evsim.load(tmp_path / "n.h5").synapse_count == network.synapse_count


@pytest.mark.parametrize(
    ("largest", "dtype", "noted"),
    [(127, np.int8, False), (254, np.int16, False), (300, np.int16, True), (40000, np.int32, True)],
)
def test_weights_take_the_narrowest_integers(tmp_path, largest, dtype, noted):
    weight = values(1, 3, 4)
    weight[0, 0] = largest
    write(tmp_path / "n.net", [dense(4, 3, weight=weight)])
    reading = trainers.read(tmp_path / "n.net")
    part = reading.result().synapses["input-dense0"]
    assert part.weight.dtype == dtype
    assert part.scale is None
    np.testing.assert_array_equal(part.weight, weight.T)
    assert any("Loihi holds" in note for note in reading.notes) == noted


def test_the_size_of_an_image_follows_from_a_stride_of_one(tmp_path):
    layers = [conv(3, (2, 4, 5), padding=np.array((1, 0)), dilation=np.array((1, 2)))]
    write(tmp_path / "n.net", [*layers, dense(40, 2)])
    network = trainers.read(tmp_path / "n.net").result()
    assert network.populations["input"].shape == (4, 9, 3)
    layers[0]["stride"] = np.array((2, 1))
    write(tmp_path / "n.net", [*layers, dense(40, 2)])
    reading = trainers.read(tmp_path / "n.net")
    assert [place for place, _ in reading.unsupported] == ["layer/0"]


@pytest.mark.parametrize("decays", [(4096, 1024), (1000, 500)])
def test_neurons_of_the_input_turn_values_into_spikes(tmp_path, decays):
    """As SLAYER does: the image is scaled, and cut to multiples of 1/64 with the bias."""
    about = neuron(iDecay=decays[0], vDecay=decays[1], vThMant=25)
    first = named("input", (2, 3, 2), neuron=about, weight=np.float32([36]), bias=np.float32([-7]))
    path = write(tmp_path / "n.net", [first, dense(12, 3)])
    network = trainers.read(path, Options(scale=1.0)).result()
    assert network.coding == "constant"
    image = np.random.default_rng(1).random((2, 3, 2), np.float32)  # lava's axes
    wanted = np.zeros((20, 2, 3, 2), int)
    for index, x in np.ndenumerate(image):
        u = v = 0
        for t in range(20):
            u = lava.decayed(u, decays[0]) + int(64 * (np.float32(36) * x + np.float32(-7)))
            v = lava.decayed(v, decays[1]) + u
            if v > 64 * 25:
                wanted[t][index], v = 1, 0
    seen = np.moveaxis(image, 0, -1)[None]
    run = evsim.run(network, seen, timesteps=20, record=("spikes",))
    found = np.zeros((20, 12), int)
    found[run.spikes["encoder"]["timestep"], run.spikes["encoder"]["neuron"]] = 1
    np.testing.assert_array_equal(found, lava.last(wanted))
    assert 5 < wanted.sum() < 200


def test_neurons_of_the_input_are_left_out(tmp_path):
    first = named("input", (4,), neuron=neuron(), weight=np.float32([36]), bias=np.float32([34]))
    write(tmp_path / "n.net", [first, dense(4, 2)])
    reading = trainers.read(tmp_path / "n.net", Options(skip_encoder=True))
    assert reading.result().coding == "events"
    assert set(reading.result().populations) == {"input", "dense1"}
    assert "36 x + 34" in reading.notes[0]
    del first["neuron"]
    write(tmp_path / "n.net", [first, dense(4, 2)])
    assert "36 x + 34" in trainers.read(tmp_path / "n.net").unsupported[0][1]


def test_a_last_layer_without_neurons_is_read_out(tmp_path):
    """As lava-dl writes its Affine: the class is the largest sum of all that arrived there."""
    affine = dense(4, 3, seed=5)
    del affine["neuron"]
    layers = [dense(6, 4, neuron=neuron(vThMant=5)), affine]
    reading = trainers.read(write(tmp_path / "n.net", layers))
    network = reading.result()
    part = network.populations["dense1"]
    assert (part.kind, part.leak, network.output) == ("readout", None, "dense1")
    assert any("layer/1 has no neurons" in note for note in reading.notes)
    spikes = stimulus((6,), 25, seed=3)
    fired = lava.simulated(layers[:1], spikes)[0]
    sums = fired @ affine["weight"].T.astype(int)
    run = evsim.run(network, lava.events(spikes), timesteps=len(spikes), record=("trace",))
    assert fired.sum() > 20
    np.testing.assert_array_equal(run.potential[0], sums.sum(axis=0))
    assert run.predictions[0] == sums.sum(axis=0).argmax()
    assert network.integer_populations(False) >= {"dense1"}


def test_only_the_last_layer_may_have_no_neurons(tmp_path):
    first = dense(6, 4)
    del first["neuron"]
    write(tmp_path / "n.net", [first, dense(4, 2)])
    reading = trainers.read(tmp_path / "n.net")
    assert [place for place, _ in reading.unsupported] == ["layer/0"]


def test_as_lava_fires_today(tmp_path):
    """v > threshold and biases from the first timestep on, whatever the age of the file."""
    path = write(tmp_path / "n.net", [dense(4, 4, bias=values(1, 4))])
    part = trainers.read(path, Options(like="lava")).result().populations["dense0"]
    assert (part.compare, part.bias_start) == ("gt", 0)
    older = made_on(tmp_path / "o.net", "2022-07-21")
    with pytest.raises(EvsimError, match="lava-dl fired at v >= threshold"):
        trainers.read(older, Options(like="lava"))
    with pytest.raises(EvsimError, match="lava-dl wrote it") as error:
        trainers.read(path, Options(like="sinabs"))
    assert error.value.place == "like"


def test_delays_behind_the_last_layer_are_noted(tmp_path):
    write(tmp_path / "n.net", [dense(4, 2, delay=np.float32([1, 0]))])
    reading = trainers.read(tmp_path / "n.net")
    assert any("last layer" in note for note in reading.notes)
    assert reading.result().synapses["input-dense0"].delay == 0


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (named("average", (2, 1, 1)), "'average': the argmax"),
        (named("concat", (6,), layers=np.array([1, 2])), "'concat': layers one after"),
        (named("convT", (2, 4, 4)), "'convT': conv works"),
        (named("dense_rec", (6,)), "'dense_rec': dense works"),
        (named("dens", (6,)), "did you mean 'dense'"),
        (dense(6, 6, neuron=neuron(type="SDNN")), "'SDNN'; CUBA works"),
        (dense(6, 6, neuron=neuron(type="RF_PHASE")), "'RF_PHASE'"),
        (dense(6, 6, neuron=neuron(gradedSpike=True)), "graded spikes"),
        (dense(6, 6, neuron=neuron(messageBits=16)), "graded spikes"),
        (dense(6, 6, neuron=neuron(refDelay=3)), "refDelay = 3"),
        (dense(6, 6, weight={"real": values(1, 6, 6), "imag": values(1, 6, 6)}), "complex"),
        (pool((2, 3, 1), stride=np.array((1, 1))), "next channel"),
        ({k: v for k, v in dense(6, 6).items() if k != "neuron"}, "without neurons"),
    ],
)
def test_what_is_unsupported_is_named(tmp_path, layer, words):
    source = (2, 3, 1) if layer["type"][0] == b"pool" else (6,)
    write(tmp_path / "n.net", [named("input", source), layer, named("unpool", (6,))])
    reading = trainers.read(tmp_path / "n.net")
    assert [place for place, _ in reading.unsupported] == ["layer/1", "layer/2"]
    assert len(reading.layers) == 3
    with pytest.raises(EvsimError, match=words) as error:
        reading.result()
    assert error.value.place == "layer/1"


def without(name):
    """A change: a field is removed."""
    return lambda layer: layer.pop(name)


def having(**fields):
    """A change: fields get other values."""
    return lambda layer: layer.update(fields)


def in_neuron(**fields):
    """A change of fields of the neurons."""
    return lambda layer: layer["neuron"].update(fields)


@pytest.mark.parametrize(
    ("number", "change", "place", "words"),
    [
        (1, without("type"), "layer/1/type", "missing field"),
        (1, without("shape"), "layer/1/shape", "missing field"),
        (1, without("weight"), "layer/1/weight", "missing field"),
        (1, without("stride"), "layer/1/stride", "missing field"),
        (1, lambda layer: layer["neuron"].pop("vThMant"), "layer/1/neuron/vThMant", "missing"),
        (1, having(weight=values(1, 4, 2, 3, 2)), "layer/1/weight", r"\(4, 2, 3, 3\)"),
        (5, having(weight=values(1, 6, 9)), "layer/5/weight", r"\(6, 9\).*\(6, 8\)"),
        (5, having(inFeatures=9), "layer/5/inFeatures", "found 9, expected 8"),
        (1, having(shape=np.array((4, 4, 4))), "layer/1/shape", r"\(4, 4, 3\)"),
        (1, having(shape=np.array((4, 4))), "layer/1/shape", "shape"),
        (0, having(shape=np.array((1, 2, 3, 4))), "layer/0/shape", "channels, height, width"),
        (5, having(weight=values(1, 6, 8) + 0.5), "layer/5/weight", r"at index \[0, 0\]"),
        (5, having(weight=values(1, 6, 8) * np.nan), "layer/5/weight", "finite"),
        (5, having(weight=values(1, 6, 8) + 3e9), "layer/5/weight", "2147483647"),
        (5, having(weight=np.array("x", "S1")), "layer/5/weight", "whole numbers"),
        (5, having(weight=np.zeros((0, 8))), "layer/5/weight", "no values"),
        (1, having(bias=values(1, 5)), "layer/1/bias", "5 values, expected 1, 4 or 48"),
        (1, having(delay=values(1, 4) - 50), "layer/1/delay", "whole numbers, 0 to"),
        (1, having(delay=np.float32([0.5])), "layer/1/delay", "0.5"),
        (1, having(groups=0), "layer/1/groups", "0"),
        (1, having(type=np.array([3])), "layer/1/type", "a word"),
        (1, in_neuron(iDecay=4097), "layer/1/neuron/iDecay", "0 to 4096"),
        (1, in_neuron(vThMant=0), "layer/1/neuron/vThMant", "found 0"),
        (5, in_neuron(wgtExp=-1), "layer/5/weight", r"2\^-1"),
        (5, in_neuron(wgtExp=9), "layer/5/neuron/wgtExp", "-8 to 7"),
        (3, having(weight=values(1, 3)), "layer/3/weight", "3 values, expected 1 or 4"),
        (2, lambda layer: layer.update(named("input", (4,))), "layer/2", "to be the first"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, number, change, place, words):
    layers = small()
    change(layers[number])
    write(tmp_path / "n.net", layers)
    with pytest.raises(EvsimError, match=words) as error:
        trainers.read(tmp_path / "n.net")
    assert (error.value.file, error.value.place) == (str(tmp_path / "n.net"), place)
    assert "\n" not in str(error.value)


@examples(60)
@given(data=st.data())
def test_a_file_with_any_field_spoiled_is_read_or_refused_in_one_line(data, tmp_path_factory):
    layers = copy.deepcopy(small())
    layer = data.draw(st.sampled_from(layers))
    layer = data.draw(st.sampled_from([layer, layer.get("neuron", layer)]))
    name = data.draw(st.sampled_from(sorted(layer)))
    odd = [0, -1, 1e30, np.inf, np.zeros(3), np.zeros((2, 2)), "x", {"x": 1}, np.bytes_(b"\xff")]
    layer[name] = data.draw(st.sampled_from(odd))
    path = write(tmp_path_factory.mktemp("lava") / "n.net", layers)
    problem = None
    try:
        reading = trainers.read(path)
    except EvsimError as error:
        problem = error
    if problem is None:
        assert reading.unsupported or reading.content.output == "dense6"
    else:
        assert "\n" not in str(problem)
        assert problem.file == str(path)


@pytest.mark.parametrize("names", [["1", "2"], ["0", "2"], ["0", "00"]])
def test_layers_are_numbered_from_zero(tmp_path, names):
    with h5py.File(tmp_path / "n.net", "w") as file:
        for name in names:
            lava.put(file, f"layer/{name}", dense(4, 4))
    with pytest.raises(EvsimError, match="each once"):
        trainers.read(tmp_path / "n.net")


def test_nothing_but_an_input_is_no_network(tmp_path):
    write(tmp_path / "n.net", [named("input", (4,))])
    with pytest.raises(EvsimError, match="no layer with neurons"):
        trainers.read(tmp_path / "n.net")


@pytest.mark.parametrize("link", [h5py.SoftLink("/other"), h5py.ExternalLink("x.h5", "/layer")])
def test_links_are_not_followed(tmp_path, link):
    write(tmp_path / "n.net", [dense(4, 4)])
    with h5py.File(tmp_path / "n.net", "r+") as file:
        file["layer/1"] = link
    with pytest.raises(EvsimError, match="soft or external link"):
        trainers.read(tmp_path / "n.net")
    with h5py.File(tmp_path / "n.net", "r+") as file:
        del file["layer"]
        file["layer"] = link
    with pytest.raises(EvsimError, match="soft or external link"):
        trainers.read(tmp_path / "n.net")


@pytest.mark.parametrize("names", [["a"], ["0", "a"], []])
def test_other_files_are_left_to_others(tmp_path, names):
    with h5py.File(tmp_path / "n.net", "w") as file:
        for name in names:
            file.require_group(f"layer/{name}")
    with pytest.raises(EvsimError, match="expected one of: an attribute model_config"):
        trainers.read(tmp_path / "n.net")


def made_on(path, day, kind="CUBA"):
    """A file whose arrays were made on a day; `day` None: they do not say when."""
    write(path, [dense(4, 4, bias=values(1, 4), neuron=neuron(type=kind))], dated=day is not None)
    if day is not None:  # the library stamps arrays with today's clock: put another time there
        then = int(datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp())
        with h5py.File(path) as file:
            stamps = {h5py.h5g.get_objinfo(part.id).mtime for part in file["layer/0"].values()}
        content = path.read_bytes()
        for stamp in stamps - {0}:
            content = content.replace(stamp.to_bytes(4, "little"), then.to_bytes(4, "little"))
        path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("day", "kind", "compare"),
    [
        ("2022-07-21", "CUBA", "ge"),
        ("2022-07-22", "CUBA", "gt"),
        ("2021-03-19", "LOIHI", "gt"),  # by an older tool, whose own spikes say so
        (None, "CUBA", "gt"),
    ],
)
def test_the_age_of_a_file_says_how_its_neurons_compare(tmp_path, day, kind, compare):
    reading = trainers.read(made_on(tmp_path / "n.net", day, kind))
    part = reading.result().populations["dense0"]
    assert (part.compare, part.bias_start) == (compare, 1)
    said = " ".join(reading.notes)
    assert ("2022-07-21" in said) == (compare == "ge")
    assert ("v > threshold" in said) == (compare == "gt")
    assert "`bias_start`" in said
    other = {"ge": "gt", "gt": "ge"}[compare]
    options = {"compare": other, "bias_start": 0}
    if compare == "ge":
        with pytest.raises(EvsimError, match=r"2022-07-21.*`force`") as error:
            trainers.read(tmp_path / "n.net", Options(**options))
        assert error.value.place == "compare"
        options["force"] = True
    reading = trainers.read(tmp_path / "n.net", Options(**options))
    part = reading.result().populations["dense0"]
    assert (part.compare, part.bias_start) == (other, 0)
    assert not [note for note in reading.notes if "threshold" in note or "bias" in note]
    agreed = trainers.read(tmp_path / "n.net", Options(compare=compare)).result()
    assert agreed.populations["dense0"].compare == compare


def test_the_command_writes_the_rule_into_the_network(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("EVSIM_NO_GUARD", "1")
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "n.net", [dense(4, 4, bias=values(1, 4))])
    line = ["convert", "n.net", "-o", "n.h5", "--compare", "ge", "--bias-start", "0"]
    assert run_command(line) == 0
    part = evsim.load("n.h5").populations["dense0"]
    assert (part.compare, part.bias_start) == ("ge", 0)
    assert run_command([*line[:4], "--overwrite", "--compare", "le"]) == 2
    assert "--compare: found 'le', expected ge or gt" in capsys.readouterr().err


@pytest.mark.parametrize("options", [{"compare": "gt"}, {"bias_start": 0}])
def test_files_of_others_leave_no_choice(tmp_path, options):
    (tmp_path / "small.toml").write_text(torch_files.TOPOLOGY)
    torch_files.hdf5(tmp_path / "m.h5", torch_files.small())
    nodes = {"input": {"type": "Input", "shape": np.array([4])}}
    nir_files.write(tmp_path / "m.nir", nodes, [("input", "input")])
    for name in ("m.h5", "m.nir"):
        asked = Options(topology=str(tmp_path / "small.toml"), **options)
        with pytest.raises(EvsimError, match="contradicts the file: only lava-dl"):
            trainers.read(tmp_path / name, asked)


@pytest.mark.parametrize("options", [{"topology": "lenet5"}, {"reset": "zero"}, {"dt": 0.1}])
def test_options_that_contradict_the_file(tmp_path, options):
    path = write(tmp_path / "n.net", [dense(4, 4)])
    with pytest.raises(EvsimError, match="contradicts the file"):
        trainers.read(path, Options(**options))
    assert trainers.read(path, Options(force=True, **options)).content is not None


@pytest.mark.slow
def test_the_golden_spikes_of_lava():
    path = real("networks", "tiny.lava.net")
    folder = real("networks", "tiny.lava.golden")
    golden = [np.load(folder / f"{name}.npy")[0] for name in ("input", "layer1", "output")]
    golden = [np.moveaxis(spikes, -1, 0).astype(int) for spikes in golden]
    spikes = {"skip_encoder": True}  # those of the input are golden, too
    found = lava.ran(trainers.read(path, Options(**spikes)).result(), golden[0])
    for fired, expected, count in zip(found, golden[1:], (1633, 92), strict=True):
        np.testing.assert_array_equal(fired, lava.last(expected))
        assert fired.sum() == count
    assert not golden[0][0].any()  # its first timestep is empty: without it, biases come at once
    at_once = trainers.read(path, Options(bias_start=0, **spikes)).result()
    for fired, expected in zip(lava.ran(at_once, golden[0][1:]), golden[1:], strict=True):
        np.testing.assert_array_equal(fired, lava.last(expected)[1:])
    older = trainers.read(path, Options(compare="ge", **spikes)).result()
    assert (lava.ran(older, golden[0])[0] != lava.last(golden[1])).sum() == 42


@pytest.mark.slow
def test_the_accuracy_of_lava_on_mnist():
    network = trainers.read(real("networks", "mnist-mlp.lava.net")).result()
    with evsim.open_data(real("data", "mnist_test.h5")) as data:
        images, labels = data.images[:500], data.labels[:500]
    seeds = [
        evsim.run(network, images, timesteps=32, seed=seed).accuracy(labels) for seed in range(5)
    ]
    assert abs(np.mean(seeds) - 0.964) <= 0.01
