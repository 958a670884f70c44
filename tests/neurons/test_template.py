"""The template of a kind is one: a copy of it keeps the contract of kinds, so the guide holds."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from oracles.naive import simulate
from support import build
from support.kinds import cases, networks
from support.law import MACHINES, assert_equal, assert_tallied

import evsim
from evsim import neurons
from evsim.chip.prices import price
from evsim.chip.profile import Profile, find

TEMPLATE = Path(neurons.__file__).with_name("_template.py")
KIND = "adaptive"  # the name under which tests/oracles/kinds has its law


@pytest.fixture(scope="module", autouse=True)
def copied(tmp_path_factory):
    """The template as a kind: a copy of it in a folder that belongs to the registry."""
    folder = tmp_path_factory.mktemp("kinds")
    shutil.copy(TEMPLATE, folder / f"{KIND}.py")
    neurons.__path__.append(str(folder))
    neurons.neuron_kinds.cache_clear()
    yield
    neurons.__path__.remove(str(folder))
    neurons.neuron_kinds.cache_clear()


def few():
    """(form, case) of the template, in every arithmetic that it takes."""
    return list(cases("neurons", KIND, turns=(0,)))


def test_a_copy_of_the_template_is_a_kind():
    kind = evsim.neuron_kinds()[KIND]
    assert kind.kind == KIND
    assert {form.dtype for form, _ in few()} == {"float32", "float64"}


def test_it_equals_the_law_and_what_a_tallying_simulator_counts():
    for i, (form, case) in enumerate(few()):
        record = simulate(**case._asdict(), dtype=np.dtype(form.dtype).type)
        run = build.run(case, dtype=form.dtype)
        assert_equal(run, record, case)
        assert_tallied(run, record, case, *MACHINES[i % 5 :: 5])


def test_no_window_changes_a_bit():
    for form, case in few():
        whole = build.outcome(build.run(case, dtype=form.dtype))
        for limit in ({"window": 1}, {"window": 3}):
            assert build.outcome(build.run(case, dtype=form.dtype, **limit)) == whole


def test_it_comes_back_from_its_file(tmp_path):
    _, network = next(iter(networks("neurons", KIND)))
    evsim.save(build.network(network), tmp_path / "n.h5")
    part = evsim.load(tmp_path / "n.h5").populations["n"]
    assert part.kind == KIND
    assert part.decay == network["populations"]["n"]["decay"]


def test_integer_weights_are_refused_in_one_line():
    _, case = few()[0]
    into = case.network["synapses"]["in-n"] | {"weight": np.ones((8, 8), np.int8)}
    network = case.network | {"synapses": case.network["synapses"] | {"in-n": into}}
    events = case._replace(network=network, coding="events", inputs=[(0, 0, 1)], graded=False)
    with pytest.raises(evsim.EvsimError, match=r"populations/n: found integer weights only"):
        build.run(events)


def test_its_state_is_counted_and_priced_or_said_to_have_no_price():
    runs = [build.run(case, dtype=form.dtype) for form, case in few()]
    run = next(run for run in runs if run.work["n"]["spikes"].any())
    counts = run.counts()
    done, updates = counts["parts"]["n"], int(run.work["n"]["updates"].sum())
    spikes = int(run.work["n"]["spikes"].sum())
    assert (done["state_read"], done["state_write"]) == (updates, updates)
    assert (done["state_multiply"], done["state_add"]) == (updates, updates + spikes)
    total, others = counts["total"], {"weight_read", "index_read", "bias_read"}
    others |= {"current_read", "current_write", "slope_read", "slope_write"}
    others |= {"potential_read", "potential_write", "event_pop", "event_push"}
    m3 = sum(total[action] for action in others) + 2 * updates
    assert total["memory_accesses"]["M3"] == m3
    assert (
        not {"state_read", "state_add"} & price(counts, profile("horowitz-45nm"))["unpriced"].keys()
    )
    assert price(counts, profile("loihi"))["unpriced"]["state_read"] == updates


def profile(name):
    return Profile.read(find(name))
