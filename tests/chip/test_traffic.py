"""Weights that move: words, and how many of them are distinct."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.geometry import connections, weights_of
from oracles.naive import simulate
from support import build
from support.cores import sample_of
from support.effort import examples
from support.places import ROOT
from support.strategies import Case, cases

import evsim
from evsim.chip.weight_reads import Moved, Traffic, words
from evsim.engine.plan import Plan
from evsim.engine.settings import settle
from evsim.engine.threads import simulate as simulate_all
from evsim.interface.runs import Run


def words_of(length, bits, word_bits):
    """Elements are put into words one after the other; one that is wider takes several."""
    count, room = 0, 0
    for _ in range(length):
        if bits > word_bits:
            count += -(-bits // word_bits)
        elif room < bits:
            count, room = count + 1, word_bits - bits
        else:
            room -= bits
    return count


def assert_plain(case, word_bits, bits):
    """Memory words and distinct weights of a run are those of a plain count over elements."""
    network = build.network(case.network)
    traffic = Traffic(network, word_bits, bits)
    traffic.take(traffic.measure(sample_of(case, network)))
    record = simulate(**case._asdict())
    total, of_arrays = Moved(), {}
    for name, fields in case.network["synapses"].items():
        part = network.synapses[name]
        own = connections(fields, *(end.shape for end in network.ends(part)), float)
        weighted = part.weights() is not None
        assert (name in traffic.moved) == weighted
        if not weighted:
            continue
        read, moved, timesteps = 0, 0, {}
        of_array = of_arrays.setdefault(id(weights_of(fields)), {})
        for t, source, _ in record.spikes[part.source]:
            if t + part.delay >= case.timesteps:
                continue
            rows = {}
            for synapse in own[source]:
                rows.setdefault(synapse.element[:-1], []).append(synapse.element)
            read += len(own[source])
            moved += sum(words_of(len(row), bits, word_bits) for row in rows.values())
            for row in rows.values():
                timesteps.setdefault(t + part.delay, set()).update(row)
                of_array.setdefault(t + part.delay, set()).update(row)
        assert traffic.moved[name] == Moved(read, moved, *distinct(timesteps)), name
        total += Moved(read, moved)
    for of_array in of_arrays.values():  # what sets share is there once
        total += Moved(0, 0, *distinct(of_array))
    assert traffic.total == total
    return traffic


def distinct(timesteps):
    """How many elements there are, summed over timesteps, and of all timesteps."""
    return sum(map(len, timesteps.values())), len(set().union(*timesteps.values()))


@examples(60)
@given(cases(codings=("constant", "poisson")), st.integers(1, 80), st.integers(1, 40))
def test_words_and_distinct_weights_are_those_of_a_plain_count(case, word_bits, bits):
    assert_plain(case, word_bits, bits)


@pytest.mark.parametrize("kind", ["conv", "sparse", "kinds"])
def test_sets_may_read_a_shared_array_in_different_rows(kind):
    """In one group of channels and in two, as lists of other lengths, as a list and one by one."""
    weight = (np.arange(-8, 8) / 64).astype(np.float32)
    sets = {
        "conv": {
            "one": {"kind": "conv", "source": "in", "weight": weight.reshape(1, 2, 2, 4)},
            "two": {"kind": "conv", "source": "b", "groups": 2},
        },
        "sparse": {
            "one": {"kind": "sparse", "data": weight, "indptr": np.r_[0:17:2]},
            "two": {"kind": "sparse", "indptr": np.r_[0, 0, 1, 4, 9, 9, 12, 15, 16]},
        },
        "kinds": {
            "one": {"kind": "identity", "source": "a", "weight": weight},
            "two": {"kind": "sparse", "indptr": np.r_[0, 5, 5, 6, 7, 9, 11, 14, 16]},
        },
    }[kind]
    shared = next(own[name] for name in ("weight", "data") for own in [sets["one"]] if name in own)
    for name, own in sets.items():
        own.setdefault("source", "in")
        own["target"] = "a" if kind != "kinds" or name == "two" else "c"
        field = "data" if own["kind"] == "sparse" else "weight"
        own[field] = shared
        if field == "data":
            own["indices"] = np.concatenate([np.arange(n) for n in np.diff(own["indptr"])])
    inside = {"conv": (2, 1, 4), "sparse": (16,), "kinds": (16,)}[kind]
    neuron = {"kind": "iaf", "threshold": 0.125, "bias": 0.0625}
    populations = {
        "in": {"kind": "input", "shape": (2, 2, 2)},
        "a": {**neuron, "shape": inside},
        "b": {**neuron, "shape": (2, 2, 4)},
        "c": {**neuron, "shape": inside},
    }
    sets["in-b"] = {"kind": "identity", "source": "in", "target": "b", "channel_offset": 1}
    network = {"input": "in", "output": "c", "populations": populations, "synapses": sets}
    image = np.linspace(0, 1, 8, dtype=np.float32).reshape(2, 2, 2)
    traffic = assert_plain(Case(network, image, 6, "poisson", seed=3), 32, 8)
    each = sum(traffic.moved.values(), Moved())
    assert traffic.total.per_timestep < each.per_timestep
    assert traffic.total.per_sample < each.per_sample


def test_reads_are_those_that_the_run_counts():
    network = evsim.load(ROOT / "networks" / "digits-conv.h5")
    images = evsim.open_data(ROOT / "data" / "digits_test.h5").images[:3]
    settings = settle(network, images, coding="poisson")
    plan, run = Plan(network, settings, record=("arrivals",)), Run(network, settings)
    traffic = Traffic(network, 64)
    for sample in simulate_all(plan, images, settings, None, threading.Event()):
        run.add(sample)
        traffic.take(traffic.measure(sample))
    counts = run.counts()
    assert set(traffic.moved) == {"input-conv1", "pool1-conv2", "pool2-output"}
    for name, moved in traffic.moved.items():
        assert moved.weights == counts["parts"][name]["weight_read"]
        assert moved.per_sample <= moved.per_timestep <= moved.weights


def test_words_begin_anew_with_each_row():
    assert words(np.array([0, 1, 8, 9]), 8, 64).tolist() == [0, 1, 1, 2]
    assert words(np.array([3, 22]), 3, 64).tolist() == [1, 2]  # 21 weights a word, not 21.3
    assert words(np.array([3]), 32, 8).tolist() == [12]
