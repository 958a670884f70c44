"""Counts worked by hand: a cached input, and the example of the interface."""

import json

import numpy as np
import pytest
from oracles.naive import POPULATION_FACTS, SET_FACTS
from support import build, files
from support.interface_example import interface_network

import evsim
from evsim.cli.main import run_command


def constant_input():
    """Three inputs on n by two sets with delays 1 and 2, and on m by one that is always late."""
    ends = {"a": ("n", 1), "b": ("n", 2), "late": ("m", 4)}
    return {
        "input": "in",
        "output": "m",
        "populations": {
            "in": {"kind": "input", "shape": (3,)},
            "n": {"kind": "iaf", "shape": (2,), "threshold": 100},
            "m": {"kind": "readout", "shape": (2,)},
        },
        "synapses": {
            name: {
                "kind": "dense",
                "source": "in",
                "target": target,
                "delay": delay,
                "weight": np.ones((3, 2), np.float32),
            }
            for name, (target, delay) in ends.items()
        },
    }


# Two of the three inputs are not 0. T = 4: set a delivers at 1, 2, 3 and set b at 2, 3, but cached
# once each: 2 events, 4 synapses. n has 2 neurons: 8 updates, 6 of them active; it reads what is
# cached at 2 and 3, after the first delivery.
DELIVERY = {"event_pop": 2, "synaptic_mac": 4, "weight_read": 4}
CACHED = {
    ("direct", "clock"): (
        DELIVERY | {"potential_read": 4, "potential_write": 4},
        {"potential_read": 8, "potential_write": 8, "compare": 8, "current_read": 4}
        | {"commit_add": 4},
        {"additions": 4, "M1": 8, "M2": 24, "M3": 8 + 4 + (16 + 16) + 4 + 4 + 16},
    ),
    ("buffer", "clock"): (
        DELIVERY | {"current_read": 4, "current_write": 4},
        {"potential_read": 8, "potential_write": 8, "compare": 8, "current_read": 8 + 4}
        | {"current_write": 6, "commit_add": 8 + 4},
        {"additions": 20, "M1": 8, "M2": 24, "M3": 8 + 16 + 18 + 16 + 4 + 4 + 24},
    ),
    ("register", "active"): (
        DELIVERY,
        {"potential_read": 6, "potential_write": 6, "compare": 6, "current_read": 4}
        | {"commit_add": 6 + 4},
        {"additions": 10, "M1": 8, "M2": 8, "M3": 8 + 4 + 12 + 4 + 4},
    ),
}


@pytest.mark.parametrize("machine", CACHED, ids="-".join)
def test_a_cached_input_by_hand(machine):
    images = np.array([[1, 0, 0.5]], np.float32)
    run = evsim.run(build.network(constant_input()), images, timesteps=4, coding="constant")
    counts = run.counts(*machine, "cached")
    of_set, of_n, total = CACHED[machine]
    done = {
        name: {action: n for action, n in part.items() if n}
        for name, part in counts["parts"].items()
    }
    assert (done["a"], done["b"], done["late"]) == (of_set, of_set, {})
    assert (done["in"], done["n"]) == ({"event_push": 4}, of_n)
    found = {"additions": counts["total"]["additions"], **counts["total"]["memory_accesses"]}
    assert found == total
    assert run.counts(*machine)["parts"]["in"]["event_push"] == 3 * 2 * 4
    assert run.counts(*machine)["parts"]["a"]["weight_read"] == 3 * 4


def interface_example():
    """264 synapses and four events: one inside (9 taps), one at an edge (6), two in corners (4)."""
    columns = np.zeros(4, np.int64), np.zeros(4, np.int64), np.array([3, 5, 13, 15])
    events = evsim.Events(*columns, shape=(4, 4, 1), samples=1, timesteps=1)
    return build.network(interface_network()), events


def assert_interface_example(said):
    """What the interface says of its example, and nothing missing."""
    assert said["counts"]["machine"] == {
        "accumulate": "direct",
        "update": "clock",
        "input": "recompute",
    }
    assert said["work"]["conv1"] == dict(zip(SET_FACTS, (4, 0, 46, 0, 0, 23, 32), strict=True))
    hidden = dict(zip(POPULATION_FACTS, (32, 32, 32, 0, 0, 0, 0), strict=True))
    assert said["work"]["hidden"] == hidden
    parts, total = said["counts"]["parts"], said["counts"]["total"]
    assert {action: n for action, n in parts["conv1"].items() if n} == {
        **dict.fromkeys(("synaptic_add", "weight_read", "potential_read", "potential_write"), 46),
        "event_pop": 4,
    }
    assert parts["hidden"]["potential_read"] == parts["hidden"]["compare"] == 32
    assert total["synaptic_add"] == total["weight_read"] == total["additions"] == 46
    assert total["memory_accesses"] == {"M1": 46, "M2": 138, "M3": 214}
    found = {name: round(n, 2) for name, n in said["counts"]["per_synapse"].items()}
    assert found == {"additions": 0.17, "M1": 0.17, "M2": 0.52, "M3": 0.81}
    assert said["counts"]["nominal"]["conv1"] == {"synops": 72, "macs": 288}
    assert said["counts"]["nominal"]["fc"] == {"synops": 0, "macs": 64}


def test_the_example_of_the_interface():
    network, events = interface_example()
    run = evsim.run(network, events)
    work = {name: {f: n[0] for f, n in facts.items()} for name, facts in run.work.items()}
    assert network.synapse_count == 264
    assert_interface_example({"work": work, "counts": run.counts()})


def test_the_example_of_the_interface_as_json(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("EVSIM_NO_GUARD", "1")
    network, events = interface_example()
    evsim.save(network, tmp_path / "n.h5")
    about = {"shape": events.shape, "samples": 1, "timesteps": 1}
    root = {"format": "evsim-data", "version": 1}
    files.write(tmp_path / "d.h5", {"/": root, "events": {**events.columns, **about}})
    assert run_command(["run", str(tmp_path / "n.h5"), str(tmp_path / "d.h5"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert_interface_example(said)
    settings = {"samples": 1, "first_sample": 0, "timesteps": 1, "seed": 0, "dtype": "float32"}
    settings |= {"coding": "events", "synapses": 264, "predictions": [0], "accuracy": None}
    assert {name: said[name] for name in settings} == settings
    assert said["accuracy_by_timestep"] is None
    assert 0 < said["seconds"] < 600
    assert said["network"].keys() == said["data"].keys() == {"path", "sha256"}
