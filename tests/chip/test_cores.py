"""Neurons on cores: what each core has to do adds up to what the run counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.geometry import connections
from oracles.naive import simulate
from support import build
from support.cores import sample_of
from support.effort import examples
from support.places import ROOT
from support.strategies import cases

from evsim import EvsimError
from evsim.chip.placement import Placement


@examples(60)
@given(cases(codings=("constant", "poisson")), st.integers(1, 9), st.booleans())
def test_loads_are_those_of_a_plain_count(case, size, balanced):
    network = build.network(case.network)
    placement = Placement(network, size, "balanced" if balanced else "in_order")
    load = placement.load(sample_of(case, network), case.timesteps)
    record = simulate(**case._asdict())
    shape = (case.timesteps, placement.count)
    wanted = {name: np.zeros(shape, int) for name in ("pops", "synops", "pushes")}
    graded = case.coding == "constant"
    for name, fields in case.network["synapses"].items():
        part = network.synapses[name]
        ends = network.ends(part)
        own = connections(fields, *(end.shape for end in ends), float)
        cores = placement._places(part.target, ends[1])
        for t, source, _ in record.spikes[part.source]:
            if part.source != network.input:
                wanted["pushes"][t, placement.cores[part.source][source]] += 1
            if t + part.delay < case.timesteps:
                reached = [cores[synapse.target] for synapse in own[source]]
                np.add.at(wanted["synops"][t + part.delay], reached, 1)
                takers = sorted(set(reached)) or [placement.cores[part.target][0]]
                wanted["pops"][t + part.delay, takers] += 1
    for what, count in wanted.items():
        assert getattr(load, what).tolist() == count.tolist(), (what, graded)
    facts = record.facts
    total = sum(own["synops"] + own["macs"] for n, own in facts.items() if n in network.synapses)
    assert load.synops.sum() == total
    updates = sum(own["updates"] for n, own in facts.items() if n in network.populations)
    assert load.updates.sum() == updates


@pytest.mark.slow
@given(st.integers(1, 200), st.sampled_from(["in_order", "balanced"]))
def test_no_core_holds_too_many(size, placing):
    import evsim

    network = evsim.load(ROOT / "networks" / "digits-conv.h5")
    placement = Placement(network, size, placing)
    assert placement.neurons.max() <= size
    total = sum(p.neurons for n, p in network.populations.items() if n != network.input)
    assert placement.neurons.sum() == total
    if placing == "in_order":
        assert placement.count == -(-total // size)


def test_placing_is_one_of_two():
    import evsim

    network = evsim.load(ROOT / "networks" / "digits-dense.h5")
    with pytest.raises(EvsimError, match="did you mean 'balanced'"):
        Placement(network, 8, "balance")
    with pytest.raises(EvsimError, match="neurons_per_core: found 0, expected at least 1"):
        Placement(network, 0)
