"""Hypothesis strategies for small, odd, legal networks and their inputs.

Every value is a multiple of 2^-6 and small, so every sum is exact in float32: weights are at most
17/64, inputs multiples of 2^-3 up to 3/2, and a set adds at most 40 weights to a neuron. A leak
makes the grid finer with every timestep, so 1/4 is drawn for short runs only, and unscaled integer
weights, which are larger, reach float populations only where nothing leaks. The area of a pool is
a power of two. What analog neurons send is as fine as what reaches them: it reaches them from
spiking neurons and the input only, and goes by weights of -1, 0 and 1 to neurons without a leak.
"""

from functools import cache
from math import gcd
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from oracles.geometry import axis_length, listening, neurons
from oracles.naive import is_integer
from oracles.stimulus import is_graded

# Not in the order of creation, and not in the order of any locale either.
NAMES = ["b", "a", "Z", "10", "9", "in put", "é", "c_1", "c_10", "c_2", "B", "zz", "0", "Ä", "aa"]
NAMES += ["out", "d", "-", "y", "x", "q.1", "w", "k", "h", "µ"]
STATELESS = ("analog", "stochastic")
SHAPES = [(1,), (3,), (4,), (8,), (12,), (1, 1, 1), (2, 2, 2), (3, 2, 2), (2, 3, 4), (4, 4, 1)]
SHAPES += [(4, 4, 2), (5, 3, 1), (5, 4, 2), (1, 5, 3), (3, 3, 4), (6, 5, 1), (4, 2, 4), (6, 6, 1)]
MAX_EXTRA_SETS = 4
CODINGS = ("constant", "poisson", "latency", "events")


class Case(NamedTuple):
    """One run: `simulate(**case._asdict())`."""

    network: dict
    inputs: Any
    timesteps: int
    coding: str
    graded: bool | None = None
    seed: int = 0
    sample: int = 0


def chance(draw, percent):
    return draw(st.integers(0, 99)) >= 100 - percent


def random_array(draw, low, high, shape):
    """Integers in [low, high]; from one seed, because arrays drawn one by one are slow."""
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    values = random.integers(low, high, size=shape, endpoint=True)
    return np.where(random.random(shape) < 0.15, 0, values)


def add(draw, fields, name, value, default):
    """Write a field down, or leave it out if it says no more than its default."""
    if value != default or draw(st.booleans()):
        fields[name] = value


# Fields of populations


def spread(draw, choices, shape):
    """A field as a scalar, per channel, in the shape, or in the shape flattened."""
    form = draw(st.sampled_from([(), (shape[-1],), shape, (neurons(shape),)]))
    if form == ():
        return draw(st.sampled_from(choices))
    picks = draw(st.lists(st.sampled_from(choices), min_size=2, max_size=5))
    return np.resize(np.array(picks), form)


def maybe(draw, fields, name, choices, shape, percent=40):
    if chance(draw, percent):
        fields[name] = spread(draw, choices, shape)


def integrator(draw, shape, leaks, whole, plain=False):
    """The fields of a population that is not the input; `whole`: fit for an integer one."""
    kinds = ["iaf", "iaf", "lif", "lif", "readout"]
    kinds += [] if plain else ["signed", "stochastic"]
    kind = draw(st.sampled_from(kinds if whole or plain else [*kinds, "analog"]))
    fields = {"kind": kind, "shape": shape}
    leaks = [1.0] if whole else leaks
    maybe(draw, fields, "bias", [0, 1, -1] if whole else [0, 3 / 64, 0.125, -2 / 64], shape)
    if kind in STATELESS:
        return fields | stateless(draw, kind, shape)
    maybe(draw, fields, "v_init", [0, 1, 2] if whole else [0, 0.125, -0.25, 0.75], shape)
    maybe(draw, fields, "leak", leaks, shape, {"lif": 100, "readout": 50}.get(kind, 0))
    if kind == "readout":
        return fields
    fields["threshold"] = spread(draw, [1, 2, 3.0] if whole else [0.25, 13 / 64, 0.5, 1], shape)
    add(draw, fields, "start", draw(st.sampled_from([0, 0, 1, 3])), 0)
    if kind == "iaf" and chance(draw, 20):
        fields["stop"] = fields.get("start", 0) + draw(st.sampled_from([1, 2, 4]))
    if kind == "signed":
        maybe(draw, fields, "negative_threshold", [1, 2] if whole else [3 / 64, 0.5], shape)
        return fields
    maybe(draw, fields, "v_min", [-1, -4] if whole else [-0.25, -0.5, -1], shape)
    add(draw, fields, "compare", draw(st.sampled_from(["ge", "gt"])), "ge")
    add(draw, fields, "reset", draw(st.sampled_from(["subtract", "zero"])), "subtract")
    if fields.get("reset") == "zero":
        maybe(draw, fields, "v_reset", [0, -1] if whole else [0, 0.125, -0.25], shape)
    add(draw, fields, "refractory", draw(st.sampled_from([0, 0, 1, 2])), 0)
    return fields


def stateless(draw, kind, shape):
    """The other fields of a population without a potential."""
    fields = {}
    pools = [(2, 2), (2, 1), (1, 3), (3, 1)] if len(shape) == 3 else []
    pools = [pool for pool in pools if neurons(shape) * pool[0] * pool[1] <= 40]
    add(draw, fields, "pool", draw(st.sampled_from([(1, 1), *pools])), (1, 1))
    if kind == "stochastic":
        for name, choices in (
            ("probability", ["sigmoid", "hardtanh"]),
            ("output", ["unipolar", "bipolar"]),
            ("sampled", [True, False]),
        ):
            add(draw, fields, name, draw(st.sampled_from(choices)), choices[0])
        if fields.get("sampled") is False:
            add(draw, fields, "compare", draw(st.sampled_from(["gt", "ge"])), "gt")
    return fields


def input_population(draw, shape):
    fields = {"kind": "input", "shape": shape}
    if chance(draw, 60):
        fields["scale"] = draw(st.sampled_from([4, 2.0]))
    lengths = [shape[-1]] if len(shape) == 3 else [d for d in (1, 2, 3) if shape[0] % d == 0]
    length = draw(st.sampled_from(lengths))
    for name, choices in (("mean", [0, 0.25, -0.5]), ("std", [1, 2])):
        if chance(draw, 40):
            picks = draw(st.lists(st.sampled_from(choices), min_size=2, max_size=4))
            values = np.resize(np.array(picks, dtype=np.float64), length)
            fields[name] = values if chance(draw, 60) else float(values[0])
    return fields


# Sets


@cache
def axis_choices(length, out, kernels, strides, dilations, pads):
    """All (kernel, stride, lead, trail, dilation) that take `length` to `out`."""
    return [
        (k, s, lead, trail, d)
        for k in kernels
        for s in strides
        for lead in pads
        for trail in pads
        for d in dilations
        if axis_length(length, k, s, lead, trail, d) == out
    ]


def conv_axes(source, target, cell=(1, 1)):
    return [
        axis_choices(source[a] // cell[a], target[a], (1, 2, 3), (1, 2, 3), (1, 2), (0, 1, 2))
        for a in (0, 1)
    ]


def pool_axes(source, target):
    return [
        axis_choices(source[a], target[a], (1, 2, 4), (1, 2, 3), (1,), (0, 1, 2)) for a in (0, 1)
    ]


def cells(shape):
    """The prepool cells that leave something of a shape."""
    return [(p, q) for p in (1, 2, 3) for q in (1, 2, 3) if p <= shape[0] and q <= shape[1]]


def identity_strides(source, target):
    """All strides by which an identity can join two shapes."""
    if len(source) != len(target) or source[-1] > target[-1]:
        return []
    if len(source) == 1:
        return [(1, 1)]
    return [
        (s, r)
        for s in (1, 2, 3)
        for r in (1, 2, 3)
        if -(-source[0] // s) == target[0] and -(-source[1] // r) == target[1]
    ]


def possible_kinds(source, target, whole):
    """The kinds of set that can join two shapes."""
    kinds = ["dense", "sparse"]
    if identity_strides(source, target):
        kinds += ["identity"] * 2
    if len(source) == len(target) == 3:
        kinds += ["conv"] * 5 if all(conv_axes(source, target)) else []
        if source[2] == target[2] and all(pool_axes(source, target)) and not whole:
            kinds += ["pool"] * 4
    return kinds


def put_weights(draw, fields, shape, numeric, outputs):
    """Draw the weights, floats or integers, and for integers perhaps a `scale`."""
    name = "data" if fields["kind"] == "sparse" else "weight"
    if numeric == "unit":
        fields[name] = random_array(draw, -1, 1, shape).astype(np.float32)
        return
    if numeric == "float":
        dtype = draw(st.sampled_from([np.float16, np.float32, np.float64]))
        fields[name] = (random_array(draw, -5, 17, shape) / 64).astype(dtype)
        return
    dtype = draw(st.sampled_from([np.int8, np.int16]))
    low, high = (-5, 8) if numeric == "scaled" else (-2, 3)
    fields[name] = random_array(draw, low, high, shape).astype(dtype)
    if numeric == "scaled":
        fields["scale"] = 2.0**-5
        if outputs and chance(draw, 50):
            fields["scale"] = np.resize([2.0**-5, 2.0**-6], outputs)


def put_dense(draw, fields, source, target, numeric):
    cell = draw(st.sampled_from(cells(source) if len(source) == 3 else [(1, 1)]))
    add(draw, fields, "prepool", cell, (1, 1))
    inputs = neurons(source)
    if len(source) == 3:
        inputs = (source[0] // cell[0]) * (source[1] // cell[1]) * source[2]
    outputs = target[0] if len(target) == 1 else 0
    put_weights(draw, fields, (inputs, neurons(target)), numeric, outputs)


def put_conv(draw, fields, source, target, numeric):
    fitting = [cell for cell in cells(source) if all(conv_axes(source, target, cell))]
    cell = draw(st.sampled_from([(1, 1), *fitting]))
    rows, columns = (draw(st.sampled_from(axis)) for axis in conv_axes(source, target, cell))
    divisors = [g for g in range(1, 5) if gcd(source[2], target[2]) % g == 0]
    groups = draw(st.sampled_from(divisors))
    add(draw, fields, "prepool", cell, (1, 1))
    add(draw, fields, "stride", (rows[1], columns[1]), (1, 1))
    add(draw, fields, "padding", (*rows[2:4], *columns[2:4]), (0, 0, 0, 0))
    add(draw, fields, "dilation", (rows[4], columns[4]), (1, 1))
    add(draw, fields, "groups", groups, 1)
    shape = (rows[0], columns[0], source[2] // groups, target[2])
    put_weights(draw, fields, shape, numeric, target[2])


def put_pool(draw, fields, source, target, numeric):
    rows, columns = (draw(st.sampled_from(axis)) for axis in pool_axes(source, target))
    fields["kernel"] = (rows[0], columns[0])
    add(draw, fields, "stride", (rows[1], columns[1]), fields["kernel"])
    add(draw, fields, "padding", (*rows[2:4], *columns[2:4]), (0, 0, 0, 0))


def put_identity(draw, fields, source, target, numeric):
    add(draw, fields, "stride", draw(st.sampled_from(identity_strides(source, target))), (1, 1))
    offset = draw(st.integers(0, target[-1] - source[-1]))
    add(draw, fields, "channel_offset", offset, 0)
    if chance(draw, 60):
        put_weights(draw, fields, (source[-1],), numeric, 0)


def put_sparse(draw, fields, source, target, numeric):
    there = random_array(draw, 0, 2, (neurons(source), neurons(target))) == 1
    fields["indices"] = np.nonzero(there)[1].astype(np.int32)
    fields["indptr"] = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int64)
    outputs = target[0] if len(target) == 1 else 0
    put_weights(draw, fields, fields["indices"].shape, numeric, outputs)


PUT = {
    "dense": put_dense,
    "conv": put_conv,
    "pool": put_pool,
    "identity": put_identity,
    "sparse": put_sparse,
}


def is_a(kind, network, population):
    return network["populations"][population]["kind"] == kind


def goes_far(network, source, target):
    """Whether a set from `source` would make numbers finer than float32 holds."""
    leaks = np.any(np.asarray(network["populations"][target].get("leak", 1)) != 1)
    return is_a("analog", network, source) and (leaks or is_a("analog", network, target))


def numerics(network, source, target, whole):
    """The kinds of weights that a new set into `target` may have."""
    if is_a("analog", network, source):
        return ["unit"]
    if whole:
        return ["integer"]
    into = [fields for fields in network["synapses"].values() if fields["target"] == target]
    # A set that keeps the target a float one, whatever else reaches it.
    floating = any(
        fields["kind"] == "pool"
        or "scale" in fields
        or ("weight" in fields and fields["weight"].dtype.kind == "f")
        or ("data" in fields and fields["data"].dtype.kind == "f")
        for fields in into
    )
    leaks = np.any(np.asarray(network["populations"][target].get("leak", 1)) != 1)
    unscaled = ["integer"] if floating and not leaks else []
    return ["float", "float", "scaled", *unscaled]


def put_set(draw, network, name, source, target, delay, whole, plain=False):
    """Add a set between two populations; `plain`: with floating-point weights."""
    populations = network["populations"]
    shapes = populations[source]["shape"], listening(populations[target])
    fields = {"source": source, "target": target}
    no_pool = whole or is_a("analog", network, source)
    fields["kind"] = draw(st.sampled_from(possible_kinds(*shapes, no_pool)))
    add(draw, fields, "delay", delay, 0)
    choices = ["float"] if plain else numerics(network, source, target, whole)
    numeric = draw(st.sampled_from(choices))
    PUT[fields["kind"]](draw, fields, *shapes, numeric)
    network["synapses"][name] = fields


def put_maxpool(draw, network, name, set_name, source, delay):
    """Add a max pool behind a population of rank 3, and the set that feeds it."""
    shape = network["populations"][source]["shape"]
    outs = [s for s in SHAPES if len(s) == 3 and s[2] == shape[2] and all(pool_axes(shape, s))]
    target = draw(st.sampled_from(outs))
    network["populations"][name] = {"kind": "maxpool", "shape": target}
    fields = {"source": source, "target": name, "kind": "pool"}
    add(draw, fields, "delay", delay, 0)
    put_pool(draw, fields, shape, target, "float")
    network["synapses"][set_name] = fields


def put_twin(draw, network, name, delay):
    """Add a set beside another one, with the same arrays."""
    sets = [s for s in network["synapses"].values() if not is_a("maxpool", network, s["target"])]
    if not sets:
        return
    other = draw(st.sampled_from(sets))
    earlier = list(network["populations"])
    forward = earlier.index(other["source"]) < earlier.index(other["target"])
    network["synapses"][name] = {**other, "delay": delay if forward else max(delay, 1)}


# Networks


@st.composite
def networks(draw, timesteps=8, integers=30, plain=False):
    """A legal network, exact in float32 for runs of up to `timesteps` timesteps.

    `integers`: of a hundred populations, how many are fit for whole weights. `plain`: none but
    iaf, lif, readout and maxpool, and floating-point weights.
    """
    first = draw(st.integers(0, len(NAMES) - 1))
    names = iter(NAMES[first:] + NAMES[:first])
    leaks = [1.0, 0.5] if timesteps > 4 else [1.0, 0.5, 0.25]
    source_name = next(names)
    populations = {source_name: input_population(draw, draw(st.sampled_from(SHAPES)))}
    network = {"input": source_name, "populations": populations, "synapses": {}}
    whole = {}
    for _ in range(draw(st.integers(1, 5))):
        name = next(names)
        whole[name] = chance(draw, integers)
        shape = draw(st.sampled_from(SHAPES))
        populations[name] = integrator(draw, shape, leaks, whole[name], plain)
        sources = [n for n, p in populations.items() if p["kind"] != "readout" and n != name]
        sources = [n for n in sources if not goes_far(network, n, name)]
        maps = [n for n in sources if len(populations[n]["shape"]) == 3]
        maps = [n for n in maps if not is_a("analog", network, n)]
        if maps and chance(draw, 8):
            source = draw(st.sampled_from(maps))
            put_maxpool(draw, network, name, next(names), source, draw(st.sampled_from([0, 0, 2])))
            continue
        if chance(draw, 90):
            # Mostly the latest: deep networks are rarer than wide ones otherwise.
            source = sources[-1] if chance(draw, 60) else draw(st.sampled_from(sources))
            delay = draw(st.sampled_from([0, 0, 0, 1, 2, 3]))
            put_set(draw, network, next(names), source, name, delay, whole[name], plain)
    order = list(populations)
    sources = [name for name in order if populations[name]["kind"] != "readout"]
    for _ in range(draw(st.integers(0, MAX_EXTRA_SETS))):
        delay = draw(st.integers(0, 3))
        if network["synapses"] and chance(draw, 25):
            put_twin(draw, network, next(names), delay)
            continue
        targets = [name for name in order[1:] if not is_a("maxpool", network, name)]
        if not targets:
            continue
        source, target = draw(st.sampled_from(sources)), draw(st.sampled_from(targets))
        if goes_far(network, source, target):
            continue
        if order.index(source) >= order.index(target):
            delay = max(delay, 1)
        put_set(draw, network, next(names), source, target, delay, whole[target], plain)
    network["output"] = order[-1] if chance(draw, 70) else draw(st.sampled_from(order[1:]))
    return network


# Inputs


def image_shape(draw, fields):
    """A shape of image that fits the input population and its `mean` and `std`."""
    shape = fields["shape"]
    if len(shape) == 3:
        return shape[:2] if shape[2] == 1 and draw(st.booleans()) else shape
    length = max(np.size(fields.get(name, 0)) for name in ("mean", "std"))
    if length > 1 or draw(st.booleans()):
        return (shape[0] // length, 1, length)
    return shape


@st.composite
def images(draw, fields):
    """A raw image for an input population, uint8 or float."""
    shape = image_shape(draw, fields)
    if "scale" in fields and chance(draw, 60):
        return random_array(draw, 0, int(fields["scale"]), shape).astype(np.uint8)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return (random_array(draw, -2, 4, shape) / 4).astype(dtype)


@st.composite
def event_lists(draw, shape, timesteps):
    """(events, graded): ascending, some at or after the end of the run."""
    style = draw(st.sampled_from(["ones", "signs", "graded"]))
    values = {"ones": [1], "signs": [1, -1], "graded": [1, -1, 0.25, -0.75, 1.5]}[style]
    places = st.tuples(st.integers(0, timesteps + 1), st.integers(0, neurons(shape) - 1))
    few = 0 if chance(draw, 20) else min(timesteps, neurons(shape))
    chosen = draw(st.lists(places, unique=True, min_size=few, max_size=4 * timesteps))
    events = [(t, neuron, draw(st.sampled_from(values))) for t, neuron in sorted(chosen)]
    says = [True, None] if style == "graded" else [False, None, True]
    return events, draw(st.sampled_from(says))


@st.composite
def cases(draw, codings=CODINGS, integers=30, plain=False):
    """A network with an input and the settings of a run."""
    timesteps = draw(st.integers(1, 8))
    network = draw(networks(timesteps, integers, plain))
    fields = network["populations"][network["input"]]
    coding = draw(st.sampled_from(codings))
    seed, sample = draw(st.integers(0, 2**63 - 1)), draw(st.integers(0, 9))
    if coding == "events":
        events, graded = draw(event_lists(fields["shape"], timesteps))
        return Case(network, events, timesteps, coding, graded, seed, sample)
    return Case(network, draw(images(fields)), timesteps, coding, None, seed, sample)


# Widths

WIDTHS = (3, 4, 5, 8, 10, 16, 32)  # all hold the thresholds and potentials that are drawn


def put_width(draw, fields):
    """Give a population of integers a width, and a leaky one a leak of integers."""
    fields["potential_bits"] = draw(st.sampled_from(WIDTHS))
    held = [fields.get(name, 0) for name in ("v_init", "v_reset")]
    if fields["potential_bits"] < 32 and min(map(np.min, held)) >= 0 and chance(draw, 30):
        fields["potential_signed"] = False
    add(draw, fields, "overflow", draw(st.sampled_from(["saturate", "wrap"])), "error")
    at = "commit" if fields.get("refractory") else draw(st.sampled_from(["commit", "each_add"]))
    add(draw, fields, "overflow_at", at, "commit")
    if at == "commit" and chance(draw, 40):
        fields["current_bits"] = draw(st.sampled_from((2, *WIDTHS)))
    if fields["kind"] == "lif" and chance(draw, 80):
        del fields["leak"]
        name, choices = draw(
            st.sampled_from(
                [
                    ("leak_shift", [1, 2, 31]),
                    ("leak_multiply", [(1, 1), (5, 3), (4095, 12)]),
                    ("leak_subtract", [1, 3, 2**31 - 1]),
                ]
            )
        )
        fields[name] = draw(st.sampled_from(choices))
        if name != "leak_subtract":
            rounding = draw(st.sampled_from(["down", "zero", "nearest"]))
            add(draw, fields, "leak_rounding", rounding, "down")


def enlarge(network, factor):
    """Multiply all integer weights of a network, so that sums leave small widths."""
    for fields in network["synapses"].values():
        name = "data" if "data" in fields else "weight"
        if name in fields and fields[name].dtype.kind == "i":
            fields[name] = fields[name].astype(np.int16) * np.int16(factor)


@st.composite
def bounded_cases(draw):
    """A case in which populations of integers have widths, which their sums often leave."""
    case = draw(cases(("poisson", "latency", "events"), integers=85))
    enlarge(case.network, draw(st.sampled_from([1, 1, 5, 40])))
    graded = is_graded(case.coding, case.inputs, case.graded)
    for name, fields in case.network["populations"].items():
        if fields["kind"] in ("iaf", "lif", "readout") and is_integer(case.network, name, graded):
            put_width(draw, fields)
    return case
