"""Floats that leave their range are an error of one line, at the timestep of the law."""

import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.naive import simulate
from support import build
from support.effort import examples
from support.files import events, images, network, put, touch
from support.law import assert_equal
from support.strategies import Case, cases

import evsim
from evsim.cli.main import run_command

FAR = 1e38  # four of it are infinite in float32


def one(kind, weights=(FAR, -FAR), delay=0, **fields):
    """Two inputs on one neuron."""
    parts = {"in": {"kind": "input", "shape": (2,)}, "n": {"kind": kind, "shape": (1,)} | fields}
    weight = np.array(weights, np.float32)[:, None]
    into = {"kind": "dense", "source": "in", "target": "n", "weight": weight, "delay": delay}
    found = {"input": "in", "output": "n", "populations": parts, "synapses": {"s": into}}
    if "window" in fields:
        found["window"] = fields["window"]
    return found


def again(network, weight, kind="identity"):
    """The same, and the neuron feeds itself after a timestep."""
    into = {"kind": kind, "source": "n", "target": "n", "delay": 1}
    network["synapses"]["t"] = into | {"weight": np.array([weight], np.float32)}
    return network


def pooled():
    """Two inputs on a max pool."""
    pool = {"kind": "pool", "source": "in", "target": "p", "kernel": (2, 1)}
    last = {"kind": "dense", "source": "p", "target": "n", "weight": np.ones((1, 1), np.float32)}
    return {
        "input": "in",
        "output": "n",
        "populations": {
            "in": {"kind": "input", "shape": (2, 1, 1)},
            "p": {"kind": "maxpool", "shape": (1, 1, 1)},
            "n": {"kind": "analog", "shape": (1,)},
        },
        "synapses": {"a": pool, "b": last},
    }


ON = [(t, 0, 1) for t in range(9)]
BELOW = [(t, 1, 1) for t in range(9)]
WINDOW = {"threshold": FAR, "window": 4, "start": 4}
LEFT = {  # network, events, the timestep at which a sum is no longer finite
    "iaf": (one("iaf", threshold=1.0), ON, 3),
    "iaf, delay": (one("iaf", threshold=1.0, delay=2), ON, 5),
    "iaf, v_init": (one("iaf", threshold=1.0, v_init=3e38), ON, 0),
    "reset to zero": (one("iaf", threshold=3.3e38, reset="zero"), ON, 3),
    "a floor": (one("iaf", threshold=1.0, bias=-2.9e38, v_min=-1.0), BELOW[2:], 2),
    "refractory": (one("iaf", threshold=3.3e38, reset="zero", refractory=2), ON, 3),
    "a current at rest": (
        one("iaf", (3e38, 3e38), threshold=1.0, reset="zero", refractory=2),
        [(1, 0, 1), (2, 0, 1), (2, 1, 1)],
        2,
    ),
    "lif": (one("lif", threshold=1.0, leak=0.75), ON, 6),
    "readout": (one("readout"), ON, 3),
    "a leaky readout": (one("readout", leak=0.75), BELOW, 6),
    "a synaptic current": (one("readout", current_leak=0.5), ON, 2),
    "cubalif": (one("cubalif", leak=0.5, current_leak=0.9, threshold=1.0), ON, 2),
    "cubalif, negative": (one("cubalif", leak=0.5, current_leak=1.0, threshold=1.0), BELOW, 2),
    "signed": (one("signed", threshold=1.0), ON, 3),
    "burst": (one("burst", threshold=1.0), ON, 3),
    "a burst of counts": (one("burst", threshold=1.0, rule="count", most=8), ON, 3),
    "phase": (one("phase", threshold=1.0), ON, 3),
    "analog": (one("analog", bias=2.5e38), [(1, 0, 0.5), (2, 0, 1)], 2),
    "analog, again": (again(one("analog", (1.0, 1.0)), 2.0**30), [(1, 0, 1.5)], 6),
    "analog onto iaf": (
        again(one("analog", (1.0, 1.0)), 2.0**20)
        | {"output": "m"}
        | {"later": ("m", {"kind": "iaf", "shape": (1,), "threshold": 1.0}, 1e30)},
        [(0, 0, 1.5)],
        2,
    ),
    "stochastic": (one("stochastic", bias=2.5e38), [(1, 1, 1), (2, 0, 1)], 2),
    "stochastic, current": (one("stochastic", (3e38, 3e38)), [(3, 0, 1), (3, 1, 1)], 3),
    "switch, window": (one("switch", (1.2e38, 0), **WINDOW), [(0, 0, 1), (3, 0, -1)], 2),
    "switch, below": (one("switch", (0, -1.2e38), **WINDOW), [(0, 1, 1), (3, 1, -1)], 2),
    "switch, bias": (one("switch", **WINDOW, bias=FAR), [(0, 0, 1), (3, 0, -1)], 1),
    "switch, large": (one("switch", **WINDOW), [(0, 0, 1), (3, 0, -1)], None),
    "switch, online": (one("switch", threshold=1.0, window=8, firing="online"), ON[:1], 3),
    "a slope": (one("readout", slope=True, window=4, start=4), [(0, 0, 1), (3, 0, -1)], None),
    "a slope and a bias": (
        one("readout", slope=True, window=4, start=4, bias=FAR),
        [(0, 0, 1), (3, 0, -1)],
        1,
    ),
    "ttfs": (one("ttfs", **WINDOW, delay=1), [(0, 0, 1)], None),
    "ttfs, bias": (one("ttfs", **WINDOW, bias=FAR, delay=1), [(0, 0, 1)], 2),
    "a max pool": (pooled(), [(0, 0, 3e38), (2, 0, 3e38)], 2),
}


def law(case):
    """The population and timestep at which the law leaves the range, None, None if nowhere."""
    with np.errstate(all="ignore"):
        try:
            record = simulate(**case._asdict())
        except OverflowError as error:
            place, timestep = re.match("(.*), timestep ([0-9]+):", str(error)).groups()
            return None, place, int(timestep)
    return record, None, None


def with_later(network):
    """A network with the population that it says comes behind n."""
    network = dict(network)
    if "later" in network:
        name, part, weight = network.pop("later")
        into = {"kind": "identity", "source": "n", "target": name}
        into["weight"] = np.array([weight], np.float32)
        network["populations"] = network["populations"] | {name: part}
        network["synapses"] = network["synapses"] | {"z": into}
    return network


@pytest.mark.parametrize("name", LEFT)
def test_the_first_infinity_is_an_error_that_names_its_place(name):
    network, inputs, timestep = LEFT[name]
    network = with_later(network)
    timesteps = {4: 8}.get(network.get("window"), 9)
    if network["populations"]["n"]["kind"] == "readout" and "window" in network:
        timesteps = 4
    case = Case(network, inputs, timesteps, "events", None, sample=3)
    record, place, found = law(case)
    assert found == timestep
    if timestep is None:
        assert_equal(build.run(case), record, case)
        return
    for window in (None, 1, 2, 5):
        for kept in ((), ("trace",)):
            with pytest.raises(evsim.EvsimError) as error:
                build.run(case, window=window, record=kept)
            said = str(error.value)
            assert said.startswith(f"populations/{place}, sample 3: found a "), said
            assert f" at timestep {timestep}, " in said
            assert said.endswith(", expected finite numbers in float32")
    if "window" not in network:
        early = case._replace(timesteps=timestep, inputs=[e for e in inputs if e[0] < timestep])
        if timestep:
            record, *_ = law(early)
            assert_equal(build.run(early), record, early)


@st.composite
def far_cases(draw):
    """Cases whose sums of positive weights come near the largest float32, or leave it."""
    case = draw(cases(codings=("latency", "events"), plain=True))
    factor = np.float32(2.0 ** draw(st.sampled_from([118, 122, 125, 127])))
    for fields in case.network["synapses"].values():
        name = "data" if "data" in fields else "weight"
        if name in fields:
            fields[name] = np.abs(fields[name]).astype(np.float32) * factor
    if case.coding == "events":
        positive = [(t, j, abs(value)) for t, j, value in case.inputs]
        return case._replace(inputs=positive)
    return case


@examples(60)
@given(far_cases(), st.integers(1, 5))
def test_runs_end_where_the_law_does(case, window):
    record, _, timestep = law(case)
    if record is not None:
        assert_equal(build.run(case, window=window), record, case)
        return
    for options in ({}, {"window": window}):
        with pytest.raises(evsim.EvsimError, match=f"at timestep {timestep}, ") as error:
            build.run(case, record=(), **options)
        assert str(error.value).startswith("populations/")


def test_sums_of_events_of_the_output():
    network = one("analog", (1.0, 1.0))
    case = Case(network, [(t, 0, 1e308) for t in range(3)], 3, "events")
    with pytest.raises(evsim.EvsimError, match=r"n, sample 0: .* at timestep 1, neuron"):
        build.run(case, dtype="float64")


COMMANDS = {
    "a small std": (
        [put("populations/in/std", 1e-320)],
        "n.h5: populations/in, sample 0: found an input of inf after scaling, neuron",
    ),
    "large weights": (
        [touch("synapses/in-a/weight", lambda w: np.full_like(w, 3e38))],
        "n.h5: populations/a, sample 0: found a current of inf at timestep 0, neuron",
    ),
    "a large event": (
        [],
        "e.h5: /events/value, sample 0: found an event of 1e+300 at timestep",
    ),
    "a burst": (
        [
            put("populations/a/kind", "burst"),
            touch("synapses/in-a/weight", lambda w: np.full_like(w, 1e37)),
        ],
        "n.h5: populations/a, sample 0: found a potential of inf at timestep",
    ),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_run_that_is_not_finite_ends_with_one_line(name, files, capsys):
    changes, line = COMMANDS[name]
    network("n.h5", *changes)
    images("d.h5")
    values = put("events/value", np.ones(len(events_in("e.h5"))))
    events("e.h5", values, touch("events/value", lambda v: np.where(v, 1e300, v)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = "e.h5" if "event" in name else "d.h5"
        status = run_command(["run", "n.h5", data, "-T", "20", "--quiet"])  # compiling is not said
    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"evsim: {line}")
    assert err.endswith(", expected finite numbers in float32\n")


def events_in(path):
    return evsim.open_data(events(path)).events.columns["sample"]


def test_a_threshold_that_is_zero_in_float32():
    network = one("switch", **WINDOW | {"threshold": 1e-60})
    with pytest.raises(evsim.EvsimError, match=r"populations/n/threshold: .* above 0 in float32"):
        build.run(Case(network, [], 8, "events"))
