"""Networks leave as NIR graphs and come back with the same spikes; the package `nir` reads them."""

import h5py
import numpy as np
import pytest
from hypothesis import given, target
from support.build import inputs
from support.build import network as built
from support.effort import examples
from support.places import ROOT
from support.strategies import cases

import evsim

nir = pytest.importorskip("nir")
DIGITS = ROOT / "data" / "digits_test.h5"


def spikes(network, data, **how):
    """What a run sends and decides, by population."""
    run = evsim.run(network, data, record="spikes", **how)
    return {name: events.tolist() for name, events in run.spikes.items()}, run.potential


def sent_and_back(network, path, **how):
    """The network that comes back from a NIR file that `nir` can read, too."""
    evsim.nir_export(network, path, overwrite=True, **how)
    grouped = any(getattr(part, "groups", 1) > 1 for part in network.synapses.values())
    if (
        not grouped
    ):  # of which `nir` itself takes the channels of the weights for those of the input
        nir.read(path)
    return evsim.read(path)


def same_spikes(network, back, data, **how):
    """Whether both networks send the same spikes, and are read out alike."""
    (here, out), (there, read) = spikes(network, data, **how), spikes(back, data, **how)
    for name, events in here.items():
        if name in there:
            assert events == there[name], name
    assert set(there) - {"input", "output"} <= set(here)  # which have names of their own
    return np.array_equal(out, read)


BLOCKS = pytest.param("digits-backres", marks=pytest.mark.slow)


@pytest.mark.parametrize("name", ["digits-dense", "digits-conv", BLOCKS, "digits-int8"])
def test_shipped_networks_come_back(name, tmp_path):
    network = evsim.load(ROOT / "networks" / f"{name}.h5")
    back = sent_and_back(network, tmp_path / "n.nir")
    assert same_spikes(network, back, DIGITS, samples=12)
    assert (back.timesteps, back.coding) == (network.timesteps, network.coding)
    assert back.ann_accuracy == network.ann_accuracy
    kinds = {name: part.kind for name, part in network.synapses.items()}
    assert {name: part.kind for name, part in back.synapses.items()} == kinds


@pytest.mark.parametrize("dt", [1.0, 1e-4, 0.3])
def test_what_is_laid_out_differently_comes_back(dt, tmp_path):
    """Pools before weights, uneven padding, groups, delays, shortcuts, leaks, an image scaled."""
    random = np.random.default_rng(3)

    def weights(*shape):
        return random.normal(0, 0.4, shape).astype(np.float32)

    populations = {
        "input": evsim.Input(shape=(8, 6, 2), scale=200.0, mean=[0.1, 0.2], std=[0.5, 0.7]),
        "a": evsim.Iaf(shape=(8, 6, 4), threshold=random.uniform(0.5, 1.5, 4), bias=weights(4)),
        "b": evsim.Lif(shape=(4, 3, 4), threshold=1.0, leak=0.9, reset="zero", compare="gt"),
        "c": evsim.Iaf(shape=(4, 3, 4), threshold=0.7, v_init=0.35),
        "d": evsim.Cubalif(shape=(5,), threshold=0.5, leak=0.8, current_leak=0.6, v_reset=-0.25),
        "e": evsim.Iaf(shape=(2, 2, 6), threshold=0.8, reset="zero", v_reset=0.1),
        "output": evsim.Readout(shape=(3,), bias=weights(3), v_init=0.25),
    }
    ends = {
        "input-a": evsim.Conv(
            source="input", target="a", weight=weights(2, 4, 1, 4), padding=(0, 1, 1, 2), groups=2
        ),
        "a-b": evsim.Pool(source="a", target="b", kernel=(2, 2), delay=2),
        "b-c": evsim.Identity(source="b", target="c", weight=weights(4)),
        "a-c": evsim.Conv(source="a", target="c", weight=weights(1, 1, 4, 4), prepool=(2, 2)),
        "c-d": evsim.Dense(source="c", target="d", weight=weights(8, 5), prepool=(2, 2)),
        "b-e": evsim.Identity(source="b", target="e", stride=(2, 2), channel_offset=1),
        "d-d": evsim.Dense(source="d", target="d", weight=weights(5, 5), delay=1),
        "d-output": evsim.Dense(source="d", target="output", weight=weights(5, 3)),
        "e-output": evsim.Dense(source="e", target="output", weight=weights(24, 3)),
    }
    ends["c-d"] = evsim.Dense(source="c", target="d", weight=weights(8, 5), prepool=(2, 2))
    network = evsim.Network(populations, ends, timesteps=20, coding="constant")
    back = sent_and_back(network, tmp_path / "n.nir", dt=dt)
    images = random.integers(0, 256, (4, 8, 6, 2), np.uint8)
    run = evsim.run(network, images)
    assert all(run.work[name]["spikes"].any() for name in "abcde")
    assert same_spikes(network, back, images)


@examples(100)
@given(case=cases(codings=("constant", "poisson", "events"), plain=True))
def test_random_networks_come_back_or_are_refused(case, tmp_path_factory):
    network, path = built(case.network), tmp_path_factory.mktemp("nir") / "n.nir"
    try:
        evsim.nir_export(network, path)
    except evsim.EvsimError as error:
        assert str(error).startswith(("populations/", "synapses/"))  # noqa: PT017
        assert "NIR" in str(error)  # noqa: PT017
        assert not path.exists()
        return
    back = sent_and_back(network, path)
    target(float(len(network.synapses)))
    how = {"timesteps": case.timesteps, "seed": case.seed, "first_sample": case.sample}
    how["coding"] = case.coding
    data = inputs(case)
    if case.graded is not None and case.coding == "events":
        how.pop("coding")
    same_spikes(network, back, data, **how)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"refractory": 2}, "populations/h/refractory: found 2, which NIR cannot say"),
        ({"start": 3}, "populations/h/start: found 3, which NIR cannot say"),
        ({"v_min": 0.0}, "populations/h/v_min: found 0.0, which NIR cannot say"),
    ],
)
def test_what_cannot_be_said_names_the_part(changes, said, tmp_path):
    network = small(evsim.Iaf(shape=(2,), threshold=1.0, **changes))
    with pytest.raises(evsim.EvsimError) as error:
        evsim.nir_export(network, tmp_path / "n.nir")
    assert str(error.value).startswith(said)
    assert not list(tmp_path.iterdir())


def small(hidden):
    """Two neurons between an input and a readout."""
    eye = np.eye(2, dtype=np.float32)
    return evsim.Network(
        {"in": evsim.Input(shape=(2,)), "h": hidden, "out": evsim.Readout(shape=(2,))},
        {
            "a": evsim.Dense(source="in", target="h", weight=eye),
            "b": evsim.Dense(source="h", target="out", weight=eye),
        },
    )


def test_kinds_that_nir_has_not(tmp_path):
    network = evsim.load(ROOT / "networks" / "digits-ttfs.h5")
    with pytest.raises(evsim.EvsimError, match=r"populations/\w+/kind: found kind 'ttfs'"):
        evsim.nir_export(network, tmp_path / "n.nir")


def test_what_others_must_be_told(tmp_path):
    path = tmp_path / "n.nir"
    found = evsim.nir_export(small(evsim.Iaf(shape=(2,), threshold=1.0, v_init=0.5)), path)
    settings = {(row["part"], row["setting"]): row["value"] for row in found.unsaid}
    assert settings == {
        ("h", "v_init"): 0.5,
        ("h", "reset"): "subtract",
        ("h", "compare"): "ge",
        ("in", "scale"): 255.0,
    }
    assert "v_init 0.5, reset subtract, compare ge" in repr(found)
    with pytest.raises(evsim.EvsimError, match="exists already"):
        evsim.nir_export(small(evsim.Iaf(shape=(2,), threshold=1.0)), path)
    with pytest.raises(evsim.EvsimError, match=r"reset: contradicts the file"):
        evsim.read(path, reset="zero")
    assert evsim.read(path, reset="zero", force=True).populations["h"].reset == "zero"


def test_nodes_are_what_others_know(tmp_path):
    evsim.nir_export(ROOT / "networks" / "digits-conv.h5", tmp_path / "n.nir")
    graph = nir.read(tmp_path / "n.nir")
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    assert kinds["conv1"] == "IF"
    assert kinds["input"], kinds["output"] == ("Input", "Output")
    assert set(kinds.values()) == {
        "Input",
        "Conv2d",
        "IF",
        "AvgPool2d",
        "Flatten",
        "Affine",
        "Output",
    }
    assert graph.nodes["conv1"].v_threshold.shape == (24, 8, 8)


def test_notes_that_are_none_are_told(tmp_path):
    path = tmp_path / "n.nir"
    evsim.nir_export(small(evsim.Iaf(shape=(2,), threshold=1.0, v_init=0.5)), path)
    for name, value in (("v_init", [1.0, 2.0, 3.0]), ("compare", "lt"), ("reset", "half")):
        with h5py.File(path, "r+") as file:
            notes = file["node/nodes/h/metadata"]
            kept = notes[f"evsim_{name}"][()]
            del notes[f"evsim_{name}"]
            notes[f"evsim_{name}"] = value
        with pytest.raises(evsim.EvsimError):
            evsim.read(path)
        with h5py.File(path, "r+") as file:
            del file[f"node/nodes/h/metadata/evsim_{name}"]
            file[f"node/nodes/h/metadata/evsim_{name}"] = kept
    assert evsim.read(path).populations["h"].v_init == 0.5
