"""Small networks as the oracles take them."""

import numpy as np


def flat(kind, count, **fields):
    return {"kind": kind, "shape": (count,), **fields}


def join(kind, source, target, **fields):
    return {"kind": kind, "source": source, "target": target, **fields}


def one_weight(neuron, weight=1.0, **fields):
    """One input neuron on one neuron through one weight."""
    weights = np.array([[weight]], dtype=fields.pop("weights", np.float32))
    return {
        "input": "in",
        "output": "n",
        "populations": {"in": flat("input", 1), "n": neuron},
        "synapses": {"s": join("dense", "in", "n", weight=weights, **fields)},
    }


CONSTANT = {
    # x = 3/4 through weight 1 at every timestep, threshold 1: (fields, v after reset, spikes).
    "subtract": ({}, [0.75, 0.5, 0.25, 0, 0.75, 0.5], [1, 2, 3, 5]),
    "gt": ({"compare": "gt"}, [0.75, 0.5, 0.25, 1, 0.75, 0.5], [1, 2, 4, 5]),
    "zero": ({"reset": "zero"}, [0.75, 0, 0.75, 0, 0.75, 0], [1, 3, 5]),
    "v_reset": ({"reset": "zero", "v_reset": 0.25}, [0.75, 0.25, 0.25, 0.25], [1, 2, 3]),
    "leak": ({"kind": "lif", "leak": 0.5}, [0.75, 0.125, 0.8125, 0.15625], [1, 3]),
    "stop": ({"stop": 3}, [0.75, 0.5, 0.25, 1, 1.75], [1, 2]),
    "start": ({"start": 3}, [0.75, 1.5, 2.25, 2, 1.75], [3, 4]),
    # Fires at 1, rests at 2 and 3, goes on with 0.5.
    "refractory": ({"refractory": 2}, [0.75, 0.5, 0.5, 0.5, 0.25], [1, 4]),
    "v_init": ({"v_init": 0.25}, [0, 0.75, 0.5], [0, 2]),
    # The floor comes after the bias: -0.75, then max(-1.5, -1).
    "v_min": ({"bias": -1.5, "v_min": -1}, [-0.75, -1, -1], []),
    "readout": ({"kind": "readout", "leak": 0.5, "bias": 1}, [1.75, 2.625], []),
}
