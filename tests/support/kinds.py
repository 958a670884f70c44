"""An example of every kind in neurons/, synapses/ and codings/, in every arithmetic.

A kind of neurons gives its examples itself (`Neurons.EXAMPLES`); more of them may stand here. A
new kind of synapses or a coding needs an example in these tables, and nothing else here.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
from oracles.geometry import listening, neurons
from oracles.naive_bounded import is_bounded
from support.effort import QUICK
from support.strategies import Case

import evsim
from evsim.codings import codings

T = 4
KINDS = {
    "neurons": evsim.neuron_kinds(),
    "synapses": evsim.synapse_kinds(),
    "codings": codings(),
}
# Whole numbers, so that integer populations take them too; a leak other than 1 they do not take.
NEURONS = {
    "input": [{"scale": 4, "mean": np.array([0.25, -0.5]), "std": 2.0}, {}],
    "iaf": [
        {"threshold": 1},
        {"threshold": np.array([1, 2]), "bias": 1, "v_min": -1, "compare": "gt", "start": 1},
        {"threshold": 2, "reset": "zero", "v_reset": -1, "v_init": np.arange(8) % 2},
        {"threshold": 1, "refractory": 2, "bias": np.array([0, 1])},
        {"threshold": 1, "potential_bits": 2, "current_bits": 2, "overflow": "wrap"},
        {"threshold": 2, "potential_bits": 3, "overflow": "saturate", "overflow_at": "each_add"},
        {"threshold": 2, "potential_bits": 3, "overflow": "wrap", "overflow_at": "each_add"},
        {"threshold": 1, "start": 1, "stop": 3},
        {"threshold": 1, "stop": 2, "potential_bits": 4, "overflow": "saturate"},
    ],
    "lif": [
        {"threshold": 1, "leak": 0.5},
        {"threshold": 1, "leak": 1, "refractory": 1},
        {"threshold": 2, "leak_shift": 1, "leak_rounding": "nearest", "refractory": 1},
        {"threshold": 2, "leak_multiply": (3, 2), "leak_rounding": "zero", "bias": 1},
        {"threshold": 2, "leak_subtract": 1, "potential_bits": 3, "overflow": "saturate"}
        | {"overflow_at": "each_add"},
    ],
    "maxpool": [{}, {"window": 3}],  # of the network
    "analog": [
        {},
        {"bias": np.array([1, -1])},
        {"bias": np.arange(8) % 3 - 1, "pool": (2, 1)},
    ],
    "stochastic": [
        {},
        {"bias": np.arange(8) % 3, "probability": "hardtanh", "output": "bipolar"},
        {"bias": -1, "output": "bipolar", "pool": (1, 2)},
        {"bias": np.array([0, 1]), "sampled": False, "pool": (2, 2)},
        {"probability": "hardtanh", "sampled": False},
        {"output": "bipolar", "sampled": False, "compare": "ge"},
    ],
    "burst": [
        {"threshold": 1},
        {"threshold": np.array([1, 2]), "most": 2, "bias": np.array([1, 3]), "v_init": 1},
        {"threshold": 1, "rule": "count", "bias": np.arange(8) - 1},
        {"threshold": np.arange(8) + 1, "rule": "count", "most": 2, "v_init": 5, "start": 1},
    ],
    "phase": [
        {"threshold": 4, "period": 2},
        {"threshold": np.array([8, 16]), "period": 3, "bias": np.array([0, -1]), "start": 1},
        {"threshold": 2, "period": 1, "v_init": np.arange(8) - 1, "bias": 1},
    ],
    "ttfs": [
        {"threshold": 1, "window": 2, "start": 2},
        {"threshold": np.array([1, 2]), "bias": 1, "rounding": 0, "v_init": np.arange(8) - 2}
        | {"window": 2, "start": 2},
    ],
    "signed": [
        {"threshold": 1},
        {"threshold": np.array([1, 2]), "negative_threshold": 1, "v_init": np.arange(8) % 2},
        {"threshold": 1, "negative_threshold": 2, "bias": np.array([0, -1]), "start": 1},
    ],
    "cubalif": [
        {"threshold": 1, "leak": 0.5, "current_leak": np.array([0.5, 1])},
        {"threshold": 1, "leak": 1, "current_leak": 0, "bias": 0.25, "refractory": 1}
        | {"current_bias": np.arange(8) / 8},
    ],
    "cuba": [
        {"current_decay": 410, "potential_decay": np.array([0, 1024]), "threshold": 2},
        {
            "current_decay": 4096,
            "potential_decay": 128,
            "threshold": np.arange(8) + 1,
            "bias": np.array([0, 1]),
            "refractory": 1,
        },
        {"current_decay": 1, "potential_decay": 1, "threshold": 2, "compare": "ge"}
        | {"bias": np.array([1, 2]), "bias_start": 0},
    ],
    "readout": [
        {"bias": np.arange(8) % 3, "v_init": 1},
        {"leak": np.array([0.5, 1])},
        {"leak": 0.5, "current_leak": 0.5, "current_bias": np.array([0.25, 0])},
        {"slope": True, "window": 4, "start": 4, "bias": np.array([0, 1])},
        {"bias": 1, "potential_bits": 3, "overflow": "wrap"},
    ],
    "switch": [
        {"threshold": 1, "window": 2, "start": 2},
        {"threshold": np.array([1, 2]), "window": 2, "start": 2, "bias": 1, "rounding": 0.5},
        {"threshold": 1, "window": 3, "firing": "online", "bias": np.arange(8) % 2},
        {"threshold": 2, "window": 3, "firing": "online", "onset": 1, "v_init": 1},
        {"threshold": 1, "window": 3, "firing": "online", "start": 1, "delta": 1, "prediction": 1},
    ],
}
# Shapes of source and target, fields; `weight` and `data` say how many weights there are.
SYNAPSES = {
    "dense": [
        ((6,), (5,), {"weight": (6, 5)}),
        ((3, 2, 2), (130,), {"weight": (4, 130), "prepool": (2, 1)}),
        ((70,), (5,), {"weight": (70, 5), "bits": 1}),
    ],
    "conv": [
        ((4, 3, 2), (4, 3, 3), {"weight": (3, 3, 2, 3), "padding": (1, 1, 1, 1)}),
        ((4, 4, 2), (2, 2, 64), {"weight": (2, 2, 2, 64), "stride": (2, 2)}),
        ((4, 4, 2), (3, 3, 4), {"weight": (2, 2, 1, 4), "groups": 2}),
        ((4, 4, 1), (2, 2, 2), {"weight": (1, 1, 1, 2), "prepool": (2, 2)}),
        ((2, 3, 65), (2, 2, 3), {"weight": (2, 2, 65, 3), "padding": (1, 0, 0, 0), "bits": 1}),
        (
            (4, 4, 2),
            (2, 2, 3),
            {"weight": (1, 2, 2, 3), "stride": (2, 1), "dilation": (1, 2)} | {"bits": 1},
        ),
        ((4, 4, 2), (3, 3, 4), {"weight": (2, 2, 1, 4), "groups": 2, "bits": 1}),
    ],
    "pool": [((4, 4, 2), (2, 2, 2), {"kernel": (2, 2)})],
    "identity": [
        ((3, 3, 2), (2, 2, 3), {"stride": (2, 2), "channel_offset": 1}),
        ((4,), (4,), {"weight": (4,)}),
    ],
    "sparse": [
        (
            (4,),
            (3, 1, 2),
            {"data": (5,), "indices": np.array([0, 5, 2, 1, 3]), "indptr": [0, 2, 2, 3, 5]},
        ),
        (
            (2,),
            (3,),
            {
                "data": (3,),
                "indices": np.array([0, 2, 1], "i4"),
                "indptr": np.array([0, 2, 3], "u1"),
            },
        ),
    ],
}
# What stimuli are drawn from: quarters of images, values of events.
STIMULI = {
    "constant": {"image": range(-2, 5)},
    "poisson": {"ones": range(5), "signs": range(-4, 5)},
    "latency": {"image": range(-2, 6)},
    "events": {"ones": [1], "signs": [1, -1], "graded": [1, -1, 0.25, -0.75]},
    "switch": {"ones": range(5), "signs": range(-5, 6)},
}
WIDTH = {"potential_bits": 3, "overflow": "saturate", "overflow_at": "each_add"}
EXAMPLES = {"neurons": NEURONS, "synapses": SYNAPSES, "codings": STIMULI}


class Form(NamedTuple):
    """The arithmetic of a case."""

    dtype: str  # of the run
    weights: type  # of the weights
    scale: float | None = None


FORMS = [
    Form("float32", np.float32),
    Form("float64", np.float32),
    Form("float32", np.int8),
    Form("float64", np.int16),
    Form("float32", np.int8, 2.0**-5),
    Form("float32", np.int32),
]
EVERY_STIMULUS = [(coding, name) for coding in KINDS["codings"] for name in STIMULI.get(coding, ())]


def weights(form, shape, seed=0):
    """Weights on a grid, or small integers."""
    random = np.random.default_rng(seed)
    if form.weights == np.float32:
        return (random.integers(-5, 17, shape, endpoint=True) / 64).astype(np.float32)
    steps = {np.int8: 1, np.int16: 50, np.int32: 1 << 16}[form.weights]  # needs all its bits
    return random.integers(-2, 3, shape, endpoint=True).astype(form.weights) * form.weights(steps)


def weighted(form, fields):
    """A set's fields with weights in place of their shapes."""
    fields = dict(fields)
    for name in {"weight", "data"} & fields.keys():
        fields[name] = weights(form, fields[name])
        if "bits" in fields:
            fields[name] = np.where(fields[name] > 0, 1, -1).astype(form.weights)
        if form.scale:
            fields["scale"] = form.scale
    return fields


def stimulus(shape, coding, name, seed):
    """Inputs and whether they are graded."""
    random = np.random.default_rng(seed)
    choices = np.array(STIMULI[coding][name])
    if coding != "events":
        return (random.choice(choices, shape) / 4).astype(np.float32), None
    happens = np.argwhere(random.random((T, neurons(shape))) < 0.4)
    return [(int(t), int(j), random.choice(choices).item()) for t, j in happens], name == "graded"


def neuron_network(kind, fields, form):
    """in -> n -> out, and n -> n two timesteps later, with n of the kind (or in)."""
    shape = (2, 2, 2)
    window = {"window": fields["window"]} if "window" in fields and kind != "ttfs" else {}
    populations = {
        "in": {"kind": "input", "shape": shape},
        "n": {"kind": "iaf", "shape": shape, "threshold": 1},
        "out": {"kind": "readout", "shape": (3,)},
    }
    if kind == "maxpool":  # windows that overlap
        populations["in"]["shape"] = (3, 3, 2)
        populations["n"] = {"kind": kind, "shape": shape}
        pool = ("pool", {"kernel": (2, 2), "stride": (1, 1)})
        synapses = {"in-n": pool, "n-out": ("dense", {"weight": (8, 3)})}
        return described(populations, synapses, form) | window
    name = "in" if kind == "input" else "n"
    populations[name] = {"kind": kind, "shape": shape, **fields}
    places = neurons(listening(populations["n"]))
    synapses = {"in-n": ("dense", {"weight": (8, places)})}
    windows = fields.get("firing") != "online" or "delta" in fields
    once = kind == "ttfs" or (kind == "switch" and windows)
    if places > 8:  # several for each neuron
        synapses |= {"n-n": ("dense", {"weight": (8, places), "delay": 2})}
        synapses |= {"n-out": ("dense", {"weight": (8, 3)})}
    elif once:  # listens to others only
        synapses["n-out"] = ("dense", {"weight": (8, 3)})
    elif evsim.neuron_kinds()[populations["n"]["kind"]].sends:
        synapses |= {"n-n": ("identity", {"delay": 2}), "n-out": ("dense", {"weight": (8, 3)})}
    else:
        del populations["out"]
    return described(populations, synapses, form) | window


def set_network(kind, source, target, fields, form):
    """in -> n twice, the second time a timestep later with the same weights, and n -> out.

    Where weights are bits, in -> s -> n twice with s that sends +1 or -1 at every timestep.
    """
    populations = {
        "in": {"kind": "input", "shape": source},
        "n": {"kind": "iaf", "shape": target, "threshold": 1},
        "out": {"kind": "readout", "shape": (2,)},
    }
    out = {"weight": (neurons(target), 2)}
    network = described(populations, {"in-n": (kind, fields), "n-out": ("dense", out)}, form)
    network["synapses"]["in-n late"] = {**network["synapses"]["in-n"], "delay": 1}
    if "bits" in fields:
        populations["s"] = {"kind": "stochastic", "shape": source, "output": "bipolar"}
        for name in ("in-n", "in-n late"):
            network["synapses"][name]["source"] = "s"
        network["synapses"]["in-s"] = {"kind": "identity", "source": "in", "target": "s"}
    return network


def described(populations, synapses, form):
    """The description of a network whose sets are named after their ends."""
    ends = {
        name: dict(zip(("source", "target"), name.split("-"), strict=True)) for name in synapses
    }
    return {
        "input": "in",
        "output": list(populations)[-1],
        "populations": populations,
        "synapses": {
            name: {"kind": kind, **ends[name], **weighted(form, fields)}
            for name, (kind, fields) in synapses.items()
        },
    }


def is_whole(kind, fields):
    """Whether a population takes small integers only."""
    return "float" not in evsim.neuron_kinds()[kind].numbers or is_bounded(fields)


def takes(kind, fields, form):
    """Whether a population with these fields may be an integer one, where it would be."""
    whole = form.weights != np.float32 and not form.scale
    if kind == "cuba" and form.weights not in (np.float32, np.int8):
        return False  # beyond the limit of its current
    if is_whole(kind, fields):
        return whole and form.weights == np.int8
    if whole and ("current_leak" in fields or "int" not in evsim.neuron_kinds()[kind].numbers):
        return False
    return form.weights == np.float32 or form.scale or np.all(np.equal(fields.get("leak", 1), 1))


def examples(folder, kind):
    """The examples of a kind: those of these tables, else those that it gives itself."""
    given = EXAMPLES[folder].get(kind, ())
    return given or (evsim.neuron_kinds()[kind].EXAMPLES if folder == "neurons" else ())


def networks(folder, kind):
    """(form, description) of every example of a kind in every arithmetic."""
    for form, example in product(FORMS, examples(folder, kind)):
        if folder == "neurons" and takes(kind, example, form):
            yield form, neuron_network(kind, example, form)
        elif folder == "synapses" and (form.weights == np.int8 or "bits" not in example[2]):
            network = set_network(kind, *example, form)
            yield form, network
            weighted = {"weight", "data"} & example[2].keys() and "bits" not in example[2]
            if weighted and form.weights == np.int8 and not form.scale:
                populations = network["populations"]
                wide = {**populations, "n": populations["n"] | WIDTH}
                yield form, network | {"populations": wide}


def cases(folder, kind, every=False, turns=(0,) if QUICK else (0, 3)):
    """(form, case) of a kind; `every`: with each of the stimuli, else with some that take turns."""
    if folder == "codings":
        for form, name in product(FORMS, STIMULI.get(kind, ())):
            network = neuron_network("iaf", {"threshold": 1}, form)
            network |= {"window": 3} if kind == "switch" else {}
            yield form, case_of(network, kind, name, 0)
        return
    for i, (form, network) in enumerate(networks(folder, kind)):
        each = [s for s in EVERY_STIMULUS if s[1] in ("ones", "signs") or not takes_whole(network)]
        stimuli = [s for s in each if (s[0] == "switch") == ("window" in network)]
        if kind == "ttfs":  # takes first spikes only
            stimuli = [s for s in each if s[0] == "latency" or s == ("events", "ones")]
        for coding, name in stimuli if every else [stimuli[(i + k) % len(stimuli)] for k in turns]:
            yield form, case_of(network, coding, name, i)


def takes_whole(network):
    """Whether a population of a network takes small integers only."""
    return any(is_whole(fields["kind"], fields) for fields in network["populations"].values())


def case_of(network, coding, name, seed, sample=0):
    shape = network["populations"]["in"]["shape"]
    inputs, graded = stimulus(shape, coding, name, seed)
    return Case(network, inputs, T, coding, graded, seed=seed, sample=sample)
