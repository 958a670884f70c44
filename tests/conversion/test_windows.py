"""Windows of temporal switch coding: the quantised network they equal, conversion, bad input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.layers import layer, models
from oracles.rates import matrix, spread
from support import build as described
from support.conversions import folded, images_for, random_scales
from support.effort import examples
from support.window_networks import window_cases

import evsim
from evsim import EvsimError
from evsim.artificial.model import INPUT, Model
from evsim.codings.switch import charges
from evsim.conversion import convert_to_switches
from evsim.conversion._switch import Switching, build_switching, largest_inputs

KINDS, SETS = evsim.neuron_kinds(), evsim.synapse_kinds()


def quantised(network, image):
    """The charge of every neuron, as layers of a network with a quantised, clipped ReLU."""
    top = network.schedule.window - 1
    part = network.populations[network.input]
    found = {network.input: charges(part.scaled(image, np.float64), top + 1)[0]}
    near = {}
    for name in network.order:
        if name not in network.populations or name == network.input:
            continue
        part = network.populations[name]
        sets = [
            (found[network.synapses[s].source], matrix(network, s)) for s in network.incoming(name)
        ]
        if part.kind == "maxpool":
            [(charge, weight)] = sets
            members = [np.flatnonzero(column) for column in weight.T]
            found[name] = np.array([charge[own].max() if own.size else 0 for own in members])
            continue
        v = spread(part, "v_init") + sum(charge @ weight for charge, weight in sets)
        v = v if part.bias is None else v + top * spread(part, "bias")
        if part.kind == "readout":
            found[name] = v
            continue
        x = v / spread(part, "threshold") + part.rounding
        found[name] = np.int32(np.clip(np.floor(x), 0, top))
        near[name] = np.abs(x - np.rint(x)) <= 1e-9
    return found, near


def sent(run, name, network):
    """The charges that a population's events tell."""
    found = np.zeros(network.populations[name].neurons, np.int64)
    np.add.at(
        found, run.spikes[name]["neuron"], -run.spikes[name]["timestep"] * run.spikes[name]["value"]
    )
    return found


@examples(150)
@given(window_cases())
def test_a_window_network_is_a_quantised_artificial_one(case):
    """Bit for bit on a grid, integer weights too."""
    network = described.network(case.network)
    run = described.run(case)
    found, _ = quantised(network, np.asarray(case.inputs))
    for name in run.spikes:
        assert sent(run, name, network).tolist() == found[name].tolist(), name
    assert run.potential[0].tolist() == found[network.output].tolist()


@examples(60)
@given(
    models(),
    st.integers(2, 9),
    st.sampled_from([0.0, 0.5]),
    st.sampled_from(["prepool", "neurons"]),
)
def test_a_converted_network_is_a_quantised_artificial_one(model, window, rounding, pooling):
    """With weights off any grid durations differ only next to an integer."""
    graph = folded(model, pooling)
    x = images_for(model, samples=1)
    scales = random_scales(graph, 1, True)
    switching = Switching(window, rounding=rounding)
    network = build_switching(graph, scales, model.input, switching, x)
    run = evsim.run(network, x, dtype="float64", record=("spikes",))
    found, near = quantised(network, x[0])
    if any(any_near.any() for any_near in near.values()):
        return  # what such a duration changes behind it is not known
    for name in run.spikes:
        assert sent(run, name, network).tolist() == found[name].tolist(), name
    np.testing.assert_allclose(run.potential[0], found[network.output], rtol=1e-9, atol=1e-9)


def test_inputs_stay_within_a_duration():
    part = KINDS["input"](shape=(2, 2, 2), mean=np.array([0.25, 0.5]), std=np.array([0.25, 1]))
    assert largest_inputs(part, np.zeros((1, 2, 2, 2), np.uint8)).tolist() == [3.0, 1.0]
    floats = np.array([-4.0, 0, 0, 0, 0, 0, 0, 1], np.float32).reshape(1, 2, 2, 2)
    assert largest_inputs(part, floats).tolist() == [17.0, 4.5]


def small(window=4, root=None, **switch):
    """input - a - out, windows one after the other."""
    fields = {"shape": (2,), "threshold": 1, "window": window, "start": window} | switch
    later = switch.get("delta") or window  # than its source a population fires
    out = {"shape": (2,), "slope": True, "window": window, "start": later + window}
    populations = {
        "in": KINDS["input"](shape=(2,)),
        "a": KINDS["switch"](**{k: v for k, v in fields.items() if v is not None}),
        "out": KINDS["readout"](**out),
    }
    eye = np.eye(2, dtype=np.float32)
    synapses = {
        "in-a": SETS["dense"](source="in", target="a", weight=eye),
        "a-out": SETS["dense"](source="a", target="out", weight=eye),
    }
    return evsim.Network(populations, synapses, window=root, coding="switch")


def late(**switch):
    """The same online, firing two timesteps after the input."""
    return small(**{"firing": "online", "delta": 2, "start": 2} | switch)


IMAGE = np.array([[1.0, 0.5]], np.float32)


def test_the_window_is_that_of_the_populations_where_the_network_does_not_say():
    assert evsim.run(small(), IMAGE).potential.tolist() == [[3.0, 1.0]]
    assert small().schedule.timesteps == 8


def test_near_is_as_near_as_the_dtype_is_exact():
    """A sum that lies 2.4e-5 below 100 thresholds: in float32 another order might reach them."""
    network = small(window=128, threshold=1 + 2.0**-22)
    image = np.array([[100 / 127 + 1e-6, 0.0]])
    for dtype, near in (("float32", 1), ("float64", 0)):
        run = evsim.run(network, image, dtype=dtype, record=("spikes",))
        assert sent(run, "a", network).tolist() == [99, 0]
        assert run.work["a"]["near"].tolist() == [near]


def test_events_of_a_file_are_pairs():
    columns = np.array([[0, 0, 0, 0], [0, 0, 1, 3], [0, 1, 1, 0]])
    given = {"shape": (2,), "samples": 1, "timesteps": 4}
    events = evsim.Events(*columns, np.array([1.0, 1, -1, -1]), **given)
    assert evsim.run(small(), events).potential.tolist() == [[3.0, 1.0]]
    rates = evsim.Events(*columns[:, :3], np.ones(3), **given)
    with pytest.raises(
        EvsimError, match=r"1 events of neuron 0, at timesteps .0., expected an event"
    ):
        evsim.run(small(), rates)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: small(start=5), "a/start: found 5, expected 4: a window of 4 after its sources"),
        (lambda: small(start=None), "missing field 'start'"),
        (lambda: small(root=5), "a/window: found 4, expected 5"),
        (lambda: small(window=1), "window: found 1, expected a whole number of at least 2"),
        (lambda: small(rounding=1.5), "rounding: found 1.5, expected a number from 0 to below 1"),
        (lambda: small(onset=1), "onset: found firing 'window', expected 'online'"),
        (lambda: small(firing="online", rounding=0.5), "rounding: found firing 'online'"),
        (lambda: small(delta=2), "delta: found firing 'window', expected 'online'"),
        (lambda: late(start=3), "a/start: found 3, expected 2: 2 timesteps after its sources"),
        (lambda: late(start=None), "missing field 'start', required by a delta"),
        (lambda: late(delta=5, start=5), "delta: found 5, expected at most the window, 4"),
        (lambda: late(delta=0), "delta: found 0, expected a whole number of at least 1"),
        (lambda: late(prediction=1.5), "prediction: found 1.5, expected a number from 0 to 1"),
        (lambda: small(firing="online", prediction=0.5), "prediction: only a population with a"),
        (lambda: evsim.run(late(), IMAGE, timesteps=8), "timesteps: found 8, expected 6"),
        (lambda: evsim.run(small(), IMAGE, timesteps=7), "timesteps: found 7, expected 8"),
        (lambda: evsim.run(small(), IMAGE, coding="poisson"), "coding: found 'poisson', expected"),
        (
            lambda: evsim.run(small(), IMAGE, coding="constant"),
            "coding: found 'constant', expected",
        ),
    ],
)
def test_bad_windows(make, message):
    with pytest.raises(EvsimError) as caught:
        make()
    assert message in str(caught.value)


def test_a_switch_takes_switch_events_only():
    parts = dict(small().populations)
    parts["a"] = KINDS["iaf"](shape=(2,), threshold=1)
    with pytest.raises(EvsimError, match="a-out/source: found kind 'iaf', expected the input"):
        evsim.Network(parts, dict(small().synapses), window=4)


def test_the_best_scale_of_windows_is_that_of_their_levels():
    """mmse takes window - 1 levels, rounded."""
    part = KINDS["input"](shape=(1,))
    relu = layer("relu", INPUT)
    dense = layer("dense", "r", weight=np.ones((1, 1), np.float32))
    model = Model({"r": relu, "d": dense}, part)
    images = np.array([[0.25], [0.5], [0.75], [1.0]], np.float32)
    made = convert_to_switches(model, images, window=5, method="mmse")
    assert made.units[0].scale == 1.0
    assert evsim.run(made.network, images).potential.ravel().tolist() == [1, 2, 3, 4]


def test_a_layer_that_fires_early_predicts():
    """By hand: x = 1 and 1/2 are 3 and 1 timesteps of slope 1; threshold 1, N = 4, start 2."""
    run = evsim.run(late(prediction=1.0), IMAGE, record=("spikes", "trace"))
    # Neuron 0 has v = 3 when its slope is taken back at t = 3; at t = 2 it awaits one more. Both
    # drain one a timestep until nothing is left: 3 and 1 timesteps.
    assert [tuple(e)[1:] for e in run.spikes["a"]] == [(2, 0, 1), (2, 1, 1), (3, 1, -1), (5, 0, -1)]
    assert run.trace["a"][0].tolist() == [[1, 1], [2, 1], [2, 0], [1, 0], [0, 0], [0, 0]]
    assert run.potential.tolist() == [[3.0, 1.0]]
    facts = {fact: int(n[0]) for fact, n in run.work["a"].items()}
    # It listens in 6 timesteps; r = 1 at t = 2, when a decision may look ahead.
    assert (facts["updates"], facts["predictions"], facts["drains"]) == (12, 2, 4)
    assert run.counts()["parts"]["a"]["prediction_multiply"] == 2
    # Without a prediction neuron 0 decides the same here; its latency is less than two windows.
    assert late().period(6) == 6
    assert late().schedule.timesteps == 6
    assert evsim.run(late(), IMAGE).work["a"]["predictions"].tolist() == [0]


def test_a_neuron_is_off_when_its_targets_stop_listening():
    """The difference to a rule without such an end: what is beyond N - 1 thresholds is cut."""
    run = evsim.run(late(v_init=9), IMAGE, record=("spikes",))
    assert [tuple(e)[1:] for e in run.spikes["a"]] == [(2, 0, 1), (2, 1, 1), (5, 0, -1), (5, 1, -1)]
    assert run.potential.tolist() == [[3.0, 3.0]]
