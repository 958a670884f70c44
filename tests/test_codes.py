"""Codings and kinds that others compare with, each against the closed form of what it sends."""

from math import floor

import build
import numpy as np
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st

import evsim


def network(neuron, weight=1.0, inputs=1, **attributes):
    """`inputs` input neurons, each on one neuron of its own through the same weight."""
    description = {
        "input": "in",
        "output": "n",
        "populations": {"in": {"kind": "input", "shape": (inputs,)}, "n": neuron},
        "synapses": {
            "s": {
                "kind": "identity",
                "source": "in",
                "target": "n",
                "weight": np.full(inputs, weight, np.float32),
            }
        },
    }
    return build.network(description, **attributes)


def sent(run, name):
    """[(timestep, neuron, value)] of the first sample."""
    return [tuple(e)[1:] for e in run.spikes[name].tolist()]


# Coding latency


LATE = [(1.0, 0), (7.0, 0), (0.5, 2), (0.25, 3), (0.125, 4), (2**-20, 4)]  # T = 5


def test_latency_by_hand():
    values = np.array([[x for x, _ in LATE] + [0.0, -1.0]])
    silent = network({"kind": "readout", "shape": (8,)}, inputs=8)
    run = evsim.run(silent, values, timesteps=5, coding="latency", record=("spikes",))
    assert sent(run, "in") == sorted((t, j, 1.0) for j, (_, t) in enumerate(LATE))
    assert run.work["s"]["synops"] == [len(LATE)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@examples(60)
@given(
    values=st.lists(st.floats(-0.25, 1.25), min_size=1, max_size=30),
    timesteps=st.integers(1, 300),
    window=st.integers(1, 50),
)
def test_latency_is_its_equation_for_any_window(dtype, values, timesteps, window):
    silent = network({"kind": "readout", "shape": (len(values),)}, inputs=len(values))
    options = {"timesteps": timesteps, "coding": "latency", "record": ("spikes",), "dtype": dtype}
    found = sent(evsim.run(silent, np.array([values]), window=window, **options), "in")
    rounded = np.array(values).astype(dtype).tolist()  # once, to the dtype of the run
    times = {j: floor((1 - min(x, 1)) * (timesteps - 1) + 0.5) for j, x in enumerate(rounded)}
    assert found == sorted((t, j, 1.0) for j, t in times.items() if rounded[j] > 0)


def test_latency_takes_the_window_of_the_network():
    silent = network({"kind": "readout", "shape": (2,)}, inputs=2, window=5)
    options = {"timesteps": 12, "coding": "latency", "record": ("spikes",)}
    run = evsim.run(silent, np.array([[1.0, 2**-20]]), **options)
    assert sent(run, "in") == [(0, 0, 1.0), (4, 1, 1.0)]
