"""Can the oracles be trusted? Numbers worked by hand, and the properties of the specification."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from oracles.geometry import axis_length, connections, listening, neurons
from oracles.naive import POPULATION_FACTS, SET_FACTS, simulate, visiting_order
from oracles.stimulus import philox, scaled_image, uniform
from support.descriptions import CONSTANT, flat, join, one_weight
from support.effort import examples
from support.strategies import cases


def named(counts, facts):
    """The facts of a part, in the order of `facts`."""
    return dict(zip(facts, map(int, counts.split()), strict=True))


def times(record, name):
    return [t for t, _, _ in record.spikes[name]]


# Random numbers and codings


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ([0, 0, 0, 0], [0, 0], "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([2**32 - 1] * 4, [2**32 - 1] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_known_answers(counter, key, words):
    assert " ".join(f"{word:08x}" for word in philox(counter, key)) == words


def test_uniform_places_its_words():
    # The words of the third known answer: low and high seed; neuron, timestep, sample, population.
    seed = 0x299F31D0A4093822
    assert uniform(seed, 0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344) == 0xD16CFE09 / 2**32


def test_image_scaling():
    # (51 / 255 - 0.1) / 0.5 = 0.2; floats are not divided; the mean goes by channel of the image.
    fields = flat("input", 1, mean=0.1, std=0.5)
    assert scaled_image(fields, np.array([51], np.uint8), np.float32) == [np.float32(0.2)]
    fields = flat("input", 4, mean=np.array([1.0, 2.0]), std=np.array([1, 2]))
    image = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    assert scaled_image(fields, image, np.float64) == [0, 0, 2, 1]


def test_poisson_draws_for_every_neuron_and_keeps_the_sign():
    network = one_weight(flat("iaf", 2, threshold=1.0))
    network["populations"]["in"] = flat("input", 3)
    network["synapses"]["s"]["weight"] = np.ones((3, 2), np.float32)
    record = simulate(network, np.array([-1.0, 0.0, 0.5]), 200, "poisson", seed=5, sample=2)
    assert [e for e in record.spikes["in"] if e[1] < 2] == [(t, 0, -1) for t in range(200)]
    # "in" is the first name; neuron 2 fires where u < 0.5.
    expected = [t for t in range(200) if uniform(5, 2, t, 2, 0) < 0.5]
    assert [t for t, j, _ in record.spikes["in"] if j == 2] == expected
    assert 70 < len(expected) < 130
    assert record.facts["in"]["draws"] == 600
    assert record.facts["s"]["synops"] == 2 * len(record.spikes["in"])


# Geometry


def test_conv_by_hand():
    # 3 -> 2 on both axes: kernel 2, stride 2, one column of padding on each leading side.
    # Target 0 sees source -1 and 0 (taps 0 and 1), target 1 sees 1 and 2.
    weight = np.arange(1, 5, dtype=np.float32).reshape(2, 2, 1, 1)
    fields = join("conv", "a", "b", weight=weight, stride=(2, 2), padding=(1, 0, 1, 0))
    synapses = connections(fields, (3, 3, 1), (2, 2, 1))
    found = [[(s.target, float(s.weight)) for s in own] for own in synapses]
    assert found[0] == [(0, 4.0)]  # only the lower right tap of the first window
    assert found[1] == [(1, 3.0)]
    assert found[4] == [(3, 1.0)]
    assert found[8] == [(3, 4.0)]
    assert [len(own) for own in found] == [1] * 9


def test_groups_and_dilation_by_hand():
    # Depthwise, kernel 2 with dilation 2 on one row of 4 columns: target x sees x and x + 2.
    weight = np.array([[[[1, 2]], [[3, 4]]]], dtype=np.int8).reshape(1, 2, 1, 2)
    fields = join("conv", "a", "b", weight=weight, dilation=(1, 2), groups=2)
    found = connections(fields, (1, 4, 2), (1, 2, 2))
    assert [[(s.target, s.weight) for s in own] for own in found] == [
        *([(0, 1)], [(1, 2)], [(2, 1)], [(3, 2)]),
        *([(0, 3)], [(1, 4)], [(2, 3)], [(3, 4)]),
    ]


def test_pool_identity_sparse_and_prepool_by_hand():
    pool = connections(join("pool", "a", "b", kernel=(2, 2)), (2, 3, 1), (1, 1, 1))
    assert [[(s.target, s.weight) for s in own] for own in pool] == [
        [(0, 0.25)],
        [(0, 0.25)],
        [],
        [(0, 0.25)],
        [(0, 0.25)],
        [],
    ]
    shift = join("identity", "a", "b", stride=(1, 2), channel_offset=1)
    assert [[tuple(s[:2]) for s in own] for own in connections(shift, (1, 3, 1), (1, 2, 2))] == [
        [(1, 1)],
        [],
        [(3, 1)],
    ]
    rows = join(
        "sparse",
        "a",
        "b",
        data=np.array([5, 0, 7], np.int8),
        indices=np.array([1, 0, 2]),
        indptr=np.array([0, 1, 1, 3]),
    )
    assert connections(rows, (3,), (3,)) == [[(1, 5, (0,))], [], [(0, 0, (1,)), (2, 7, (2,))]]
    dense = join("dense", "a", "b", weight=np.array([[2.0], [3.0]]), prepool=(1, 2))
    assert [[float(s.weight) for s in own] for own in connections(dense, (1, 5, 1), (1,))] == [
        [2.0],
        [2.0],
        [3.0],
        [3.0],
        [],
    ]


# Neurons


@pytest.mark.parametrize(("fields", "trace", "spikes"), CONSTANT.values(), ids=CONSTANT)
def test_neuron_by_hand(fields, trace, spikes):
    neuron = flat("iaf", 1, threshold=1) | fields
    record = simulate(one_weight(neuron), np.array([0.75]), len(trace), "constant")
    assert record.trace["n"][:, 0].tolist() == trace
    assert times(record, "n") == spikes


def test_delay_and_self_loop_by_hand():
    network = one_weight(flat("iaf", 1, threshold=1), delay=2)
    late = simulate(network, [(0, 0, 1), (1, 0, 1)], 3, "events")
    assert times(late, "n") == [2]
    assert late.queue["s"] == [0, 0, 1]
    assert late.facts["s"]["arrivals"] == late.facts["s"]["undelivered"] == 1
    # Once kicked at 2, the loop of delay 1 keeps it firing.
    network["synapses"]["loop"] = join("identity", "n", "n", delay=1)
    assert times(simulate(network, [(0, 0, 1)], 6, "events"), "n") == [2, 3, 4, 5]
    network["synapses"]["loop"]["delay"] = 0
    with pytest.raises(ValueError, match="cycle"):
        visiting_order(network)


def test_sums_go_by_name_of_set_then_source():
    # In float32 (1 + 1e8) - 1e8 = 0, but (1e8 - 1e8) + 1 = 1.
    network = one_weight(flat("readout", 1), 1e8)
    network["synapses"] = {
        "a": join("dense", "in", "n", weight=np.array([[1e8]], np.float32)),
        "b": join("dense", "in", "n", weight=np.array([[-1e8]], np.float32)),
        "Z": join("dense", "in", "n", weight=np.array([[1.0]], np.float32)),
    }
    assert simulate(network, [(0, 0, 1)], 1, "events").trace["n"][0, 0] == 0
    network["synapses"]["é"] = network["synapses"].pop("Z")
    assert simulate(network, [(0, 0, 1)], 1, "events").trace["n"][0, 0] == 1


def test_integers_are_exact_and_stay_in_int32():
    network = one_weight(flat("readout", 1), 2**30 + 1, weights=np.int32)
    record = simulate(network, [(0, 0, 1)], 2, "events")
    assert record.trace["n"].dtype == np.int32
    assert record.trace["n"].tolist() == [[2**30 + 1]] * 2
    with pytest.raises(OverflowError):
        simulate(network, [(0, 0, 1), (1, 0, 1)], 2, "events")
    # From a graded source the population is a float one, and rounds.
    record = simulate(network, [(0, 0, 1)], 1, "events", graded=True)
    assert record.trace["n"].tolist() == [[2**30]]
    network["populations"]["n"]["bias"] = 0.5
    with pytest.raises(ValueError, match="whole"):
        simulate(network, [(0, 0, 1)], 1, "events")


def test_scale_multiplies_the_sum_once():
    network = one_weight(flat("readout", 2), weights=np.int8, scale=np.array([0.1, 2]))
    network["populations"]["in"] = flat("input", 3)
    network["synapses"]["s"]["weight"] = np.array([[1, 1], [1, 2], [1, 3]], np.int8)
    events = [(0, 0, 1), (0, 1, 1), (0, 2, -1)]
    trace = simulate(network, events, 1, "events").trace["n"]
    assert trace.tolist() == [[np.float32(0.1), 0]]
    trace = simulate(network, [*events[:2], (0, 2, 1)], 1, "events").trace["n"]
    assert trace.tolist() == [[np.float32(0.1) * np.float32(3), 12]]


def test_decisions_by_hand():
    # Readout: potentials (0, 0), (0, 1), (2, 1). Spiking: sums (0, 0), (0, 1), (1, 1).
    network = one_weight(flat("readout", 2))
    network["populations"]["in"] = flat("input", 2)
    network["synapses"]["s"]["weight"] = np.array([[2.0, 0], [0, 1]], np.float32)
    events = [(1, 1, 1), (2, 0, 1)]
    record = simulate(network, events, 3, "events")
    assert (record.decisions, record.decision) == ([0, 1, 0], 0)
    network["populations"]["n"] = flat("iaf", 2, threshold=1, reset="zero")
    assert simulate(network, events, 3, "events").decisions == [0, 1, 0]


# Facts


def test_facts_by_hand():
    # in -> n by a sparse set: 0 reaches 0 (weight 0) and 1, 1 reaches nothing, 2 reaches 2.
    network = one_weight(flat("iaf", 4, threshold=1, bias=np.array([0, 0, 0, 0.25])))
    network["populations"]["in"] = flat("input", 3)
    network["synapses"] = {
        "s": join(
            "sparse",
            "in",
            "n",
            data=np.array([0, 2.0, 0.5], np.float32),
            indices=np.array([0, 1, 2]),
            indptr=np.array([0, 2, 2, 3]),
        )
    }
    events = [(0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 2, -1)]
    record = simulate(network, events, 3, "events")
    assert record.facts["s"] == named("4 0 5 0 2 3 5", SET_FACTS)
    # v[1]: 2 -> fires, 1; 3 -> fires, 2; 2 -> fires, 1.
    # Active: t = 0: 0, 1, 3. t = 1: 0, 1, 2, 3. t = 2: 1 (at its threshold), 3.
    assert record.facts["n"] == named("12 9 5 3 0 0 1", POPULATION_FACTS)
    assert record.facts["in"] == named("0 0 0 4 4 0 2", POPULATION_FACTS)
    assert record.accesses["s"] == {2: 2, 1: 1}
    assert record.queue["s"] == [2, 2, 0]
    graded = simulate(network, events, 3, "events", graded=True).facts["s"]
    assert (graded["synops"], graded["macs"]) == (0, 5)


def fan_out(length, kernel, stride, lead, dilation, out):
    """n(x) of the specification for every x on one axis."""
    return [
        sum(
            (x + lead - dilation * a) % stride == 0
            and 0 <= (x + lead - dilation * a) // stride < out
            for a in range(kernel)
        )
        for x in range(length)
    ]


@pytest.mark.parametrize(
    ("kernel", "stride", "lead", "trail", "dilation"),
    list(product((1, 2, 3), (1, 2, 3), (0, 1, 2), (0, 1, 2), (1, 2))),
)
def test_fan_out_formula(kernel, stride, lead, trail, dilation):
    out = axis_length(6, kernel, stride, lead, trail, dilation)
    weight = np.ones((kernel, 1, 1, 2), np.float32)
    fields = join("conv", "a", "b", weight=weight, stride=(stride, 1), dilation=(dilation, 1))
    fields["padding"] = (lead, trail, 0, 0)
    found = [len(own) for own in connections(fields, (6, 1, 1), (out, 1, 2))]
    assert found == [2 * n for n in fan_out(6, kernel, stride, lead, dilation, out)]


@examples(100)
@given(cases())
def test_what_must_hold(case):
    record = simulate(**case._asdict())
    network, facts = case.network, record.facts
    for name, fields in network["populations"].items():
        outgoing = [s for s, own in network["synapses"].items() if own["source"] == name]
        sent = [facts[s]["arrivals"] + facts[s]["undelivered"] for s in outgoing]
        assert facts[name]["pushes"] == sum(sent)
        gate = {"gate_updates", "rescanned"} if fields["kind"] == "maxpool" else set()
        assert set(facts[name]) == set(POPULATION_FACTS) | gate
        assert all(type(count) is int for count in facts[name].values())
        if gate:
            assert facts[name]["updates"] == facts[name]["active_updates"] == 0
            [own] = [s for s, f in network["synapses"].items() if f["target"] == name]
            assert facts[name]["gate_updates"] == facts[own]["synops"] + facts[own]["macs"]
        elif name != network["input"]:
            assert facts[name]["updates"] == case.timesteps * neurons(listening(fields))
            assert facts[name]["touched"] <= facts[name]["active_updates"] <= facts[name]["updates"]
    for name, fields in network["synapses"].items():
        source, target = (network["populations"][fields[end]] for end in ("source", "target"))
        ends = source["shape"], listening(target)
        synapses, total = connections(fields, *ends), facts[name]["synops"] + facts[name]["macs"]
        arrived = [
            source
            for t, source, _ in record.spikes[fields["source"]]
            if t + fields.get("delay", 0) < case.timesteps
        ]
        assert set(facts[name]) == set(SET_FACTS)
        assert total == sum(len(synapses[source]) for source in arrived)
        assert total == sum(n * count for n, count in record.accesses[name].items())
        assert sum(record.accesses[name].values()) == sum(map(len, synapses))
        assert sum(record.queue[name]) == facts[name]["arrivals"] == len(arrived)
        assert all([s.target for s in own] == sorted({s.target for s in own}) for own in synapses)


@examples(60)
@given(cases(codings=("constant",)))
def test_one_event_from_every_source_is_every_synapse(case):
    network = case.network
    count = neurons(network["populations"][network["input"]]["shape"])
    record = simulate(network, [(0, j, 1) for j in range(count)], 4, "events")
    for name, fields in network["synapses"].items():
        if fields["source"] == network["input"]:
            assert record.facts[name]["synops"] == sum(record.accesses[name].values())
            assert record.facts[name]["undelivered"] == 0


@examples(100)
@given(cases())
def test_skipping_inactive_neurons_changes_nothing(case):
    eager, lazy = (simulate(**case._asdict(), lazy=lazy) for lazy in (False, True))
    assert eager.spikes == lazy.spikes
    assert eager.facts == lazy.facts
    assert all(np.array_equal(eager.trace[name], lazy.trace[name]) for name in eager.trace)
