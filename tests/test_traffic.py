"""Weights that move: words, and how many of them are distinct."""

import build
import numpy as np
from effort import examples
from geometry import connections
from hypothesis import given
from hypothesis import strategies as st
from naive import simulate
from strategies import cases
from test_cores import sample_of

import evsim
from evsim.traffic import Moved, Traffic, words


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


@examples(60)
@given(cases(codings=("constant", "poisson")), st.integers(1, 80), st.integers(1, 40))
def test_words_and_distinct_weights_are_those_of_a_plain_count(case, word_bits, bits):
    network = build.network(case.network)
    traffic = Traffic(network, word_bits, bits)
    traffic.observe(sample_of(case, network), case.timesteps)
    record = simulate(**case._asdict())
    for name, fields in case.network["synapses"].items():
        part = network.synapses[name]
        own = connections(fields, *(end.shape for end in network.ends(part)), float)
        weighted = part.weights() is not None
        assert (name in traffic.moved) == weighted
        if not weighted:
            continue
        read, moved, timesteps = 0, 0, {}
        for t, source, _ in record.spikes[part.source]:
            if t + part.delay >= case.timesteps:
                continue
            rows = {}
            for synapse in own[source]:
                rows.setdefault(synapse.element[:-1], []).append(synapse.element)
            read += len(own[source])
            moved += sum(words_of(len(row), bits, word_bits) for row in rows.values())
            for row in rows.values():
                timesteps.setdefault(t, set()).update(row)
        distinct = len(set().union(*timesteps.values()))
        each = sum(map(len, timesteps.values()))
        assert traffic.moved[name] == Moved(read, moved, each, distinct), name


def test_reads_are_those_that_the_run_counts():
    network = evsim.load("networks/digits-conv.h5")
    images = evsim.open_data("data/digits_test.h5").images[:3]
    run = evsim.run(network, images, coding="poisson", record=("spikes",))
    counts, traffic = run.counts(), Traffic(network, 64)
    for sample in run.finished:
        traffic.observe(sample, run.settings.timesteps)
    assert set(traffic.moved) == {"input-conv1", "pool1-conv2", "pool2-output"}
    for name, moved in traffic.moved.items():
        assert moved.weights == counts["parts"][name]["weight_read"]
        assert moved.per_sample <= moved.per_timestep <= moved.weights


def test_words_begin_anew_with_each_row():
    assert words(np.array([0, 1, 8, 9]), 8, 64).tolist() == [0, 1, 1, 2]
    assert words(np.array([3, 22]), 3, 64).tolist() == [1, 2]  # 21 weights a word, not 21.3
    assert words(np.array([3]), 32, 8).tolist() == [12]
