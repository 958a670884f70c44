"""The strategies: legal, exact, and reaching every kind and field."""

import numpy as np
import pytest
from hypothesis import given, settings
from oracles.geometry import connections, has_integer_weights, listening, neurons, weights_of
from oracles.naive import is_integer, simulate, visiting_order
from oracles.stimulus import is_graded
from support.strategies import cases

CODINGS = ("constant", "poisson", "latency", "events")
NEURON_FIELDS = ("threshold", "bias", "v_init", "v_min", "v_reset", "compare", "reset", "start")
WANTED = {
    *(("iaf", field) for field in (*NEURON_FIELDS, "refractory", "stop")),
    *(("lif", field) for field in (*NEURON_FIELDS, "refractory", "leak")),
    *(("signed", field) for field in ("threshold", "negative_threshold", "bias", "v_init")),
    *(("readout", field) for field in ("bias", "v_init", "leak")),
    *(("input", field) for field in ("scale", "mean", "std")),
    *(("analog", field) for field in ("bias", "pool")),
    *(
        ("stochastic", field)
        for field in ("bias", "pool", "probability", "output", "sampled", "compare")
    ),
    *(("dense", field) for field in ("weight", "prepool", "scale", "delay")),
    *(("conv", field) for field in ("weight", "stride", "padding", "dilation", "groups")),
    *(("conv", field) for field in ("prepool", "scale", "delay")),
    *(("pool", field) for field in ("stride", "padding", "delay")),
    *(("identity", field) for field in ("weight", "stride", "channel_offset", "scale", "delay")),
    *(("sparse", field) for field in ("data", "scale", "delay")),
    *(("pool area", area) for area in (1, 2, 4, 8)),
    *(("weights", kind) for kind in ("int8", "int16", "float16", "float32", "float64")),
    *(("spread", form) for form in ("scalar", "channels", "shape", "flat")),
    *(("coding", coding, graded) for coding in CODINGS for graded in (True, False)),
    *(("leak", leak) for leak in (1.0, 0.5, 0.25)),
    *(("image", kind) for kind in ("uint8", "float32", "float64")),
    *(("integer population", kind) for kind in ("iaf", "lif", "readout", "signed", "stochastic")),
    *(("output", kind) for kind in ("iaf", "lif", "readout", "analog", "stochastic")),
    *(("delay", delay) for delay in range(4)),
    *(("timesteps", timesteps) for timesteps in range(1, 9)),
    *((word,) for word in ("depthwise", "self-loop", "cycle", "branch", "join", "shared", "mixed")),
    *((word,) for word in ("unreachable with bias", "graded with integer weights", "late event")),
    *((word,) for word in ("fan-out 0", "asymmetric padding", "zero weight", "scale per channel")),
    *((word,) for word in ("several spiking layers", "undelivered")),
} - {("coding", "constant", False), ("coding", "poisson", True), ("coding", "latency", True)}


def spread_of(fields, name):
    value, shape = fields[name], fields["shape"]
    if np.ndim(value) == 0:
        return "scalar"
    if len(shape) == 1:
        return "channels"
    return {(shape[-1],): "channels", shape: "shape"}.get(np.shape(value), "flat")


def population_features(network, name, graded):
    fields = network["populations"][name]
    into = [own for own in network["synapses"].values() if own["target"] == name]
    yield from ((fields["kind"], field) for field in fields)
    if fields["kind"] == "input":
        return
    for field in ("threshold", "bias", "leak", "v_init", "v_min", "v_reset"):
        if field in fields:
            yield "spread", spread_of(fields, field)
    yield from (("leak", float(leak)) for leak in np.ravel(fields.get("leak", [])))
    kinds = {has_integer_weights(own) for own in into if weights_of(own) is not None}
    if is_integer(network, name, graded):
        yield "integer population", fields["kind"]
    elif len(kinds) == 2:
        yield ("mixed",)
    if not into and "bias" in fields:
        yield ("unreachable with bias",)
    if len(into) > 1:
        yield ("join",)
    if sum(own["source"] == name for own in network["synapses"].values()) > 1:
        yield ("branch",)


def set_features(network, fields, graded):
    kind, populations = fields["kind"], network["populations"]
    shapes = populations[fields["source"]]["shape"], listening(populations[fields["target"]])
    synapses = connections(fields, *shapes)
    yield from ((kind, field) for field in fields)
    yield "delay", fields.get("delay", 0)
    if kind == "pool":
        yield "pool area", fields["kernel"][0] * fields["kernel"][1]
    if weights_of(fields) is not None:
        yield "weights", weights_of(fields).dtype.name
        others = [weights_of(own) for own in network["synapses"].values() if own is not fields]
        if any(weights_of(fields) is other for other in others):
            yield ("shared",)
    if graded and fields["source"] == network["input"] and has_integer_weights(fields):
        yield ("graded with integer weights",)
    if fields["source"] == fields["target"]:
        yield ("self-loop",)
    if fields.get("groups", 1) == shapes[0][-1] > 1:
        yield ("depthwise",)
    if fields.get("padding", (0, 0, 0, 0))[::2] != fields.get("padding", (0, 0, 0, 0))[1::2]:
        yield ("asymmetric padding",)
    if np.size(fields.get("scale", 1)) > 1:
        yield ("scale per channel",)
    if not all(synapses):
        yield ("fan-out 0",)
    if any(synapse.weight == 0 for own in synapses for synapse in own):
        yield ("zero weight",)


def has_cycle(network):
    """Whether a cycle goes through more than one population."""
    joins = network["synapses"].values()
    joins = {(own["source"], own["target"]) for own in joins if own["source"] != own["target"]}
    bare = [{"source": source, "target": target} for source, target in joins]
    try:
        visiting_order(network | {"synapses": dict(enumerate(bare))})
    except ValueError:
        return True
    return False


def features(case, record):
    """What a case has."""
    network, graded = case.network, is_graded(case.coding, case.inputs, case.graded)
    yield "coding", case.coding, graded
    yield "timesteps", case.timesteps
    yield "output", network["populations"][network["output"]]["kind"]
    if case.coding != "events":
        yield "image", case.inputs.dtype.name
    elif any(t >= case.timesteps for t, _, _ in case.inputs):
        yield ("late event",)
    for name in network["populations"]:
        yield from population_features(network, name, graded)
    for fields in network["synapses"].values():
        yield from set_features(network, fields, graded)
    if has_cycle(network):
        yield ("cycle",)
    if sum(bool(events) for events in record.spikes.values()) > 3:
        yield ("several spiking layers",)
    if any(own.get("undelivered") for own in record.facts.values()):
        yield ("undelivered",)


@pytest.mark.slow
def test_strategies_reach_everything():
    found = set()

    @settings(deadline=None, max_examples=900, derandomize=True, database=None)
    @given(cases())
    def look(case):
        found.update(features(case, simulate(**case._asdict())))

    look()
    assert found >= WANTED


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(cases())
def test_drawn_networks_are_exact_in_float32(case):
    assert all(neurons(own["shape"]) <= 40 for own in case.network["populations"].values())
    single, double = (simulate(**case._asdict(), dtype=dtype) for dtype in (np.float32, np.float64))
    assert single.spikes == double.spikes
    assert all(np.array_equal(single.trace[name], double.trace[name]) for name in single.trace)
