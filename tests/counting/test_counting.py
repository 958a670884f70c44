"""What must hold of the counts: the numbered properties of the specification.

7 is about the kind switch, which does not exist yet; 9 (facts and actions equal those of a
simulator that tallies) is in engine/test_engine.py, and for every kind in test_kinds.py. Numbers
worked by hand are in test_counting_by_hand.py.
"""

import json
from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from oracles.geometry import connections, listening, neurons, per_neuron
from oracles.naive import POPULATION_FACTS, SET_FACTS, simulate
from oracles.tally import ACTIONS
from support import build
from support.effort import examples
from support.strategies import cases

import evsim

MACHINES = list(
    product(("direct", "buffer", "register"), ("clock", "active"), ("recompute", "cached"))
)


def shapes(network, fields):
    """The shapes of the source and the target of a set."""
    source, target = (network["populations"][fields[end]] for end in ("source", "target"))
    return source["shape"], listening(target)


def work_of(run):
    """The facts as plain numbers, one list per fact."""
    return {
        name: {fact: count.tolist() for fact, count in facts.items()}
        for name, facts in run.work.items()
    }


@examples(60)
@given(cases())
def test_1_pushes_are_arrivals_and_undelivered(case):
    work = work_of(build.run(case, record=()))
    for name in case.network["populations"]:
        outgoing = [s for s, own in case.network["synapses"].items() if own["source"] == name]
        sent = sum(work[s]["arrivals"][0] + work[s]["undelivered"][0] for s in outgoing)
        assert work[name]["pushes"] == [sent] == [work[name]["spikes"][0] * len(outgoing)]


@examples(60)
@given(cases())
def test_2_synaptic_operations_are_the_fan_outs_of_arrivals(case):
    work, record = work_of(build.run(case, record=())), simulate(**case._asdict())
    for name, fields in case.network["synapses"].items():
        synapses, received = connections(fields, *shapes(case.network, fields)), Counter()
        arrived = [
            source
            for t, source, _ in record.spikes[fields["source"]]
            if t + fields.get("delay", 0) < case.timesteps
        ]
        for source in arrived:
            received.update(synapse.target for synapse in synapses[source])
        total = work[name]["synops"][0] + work[name]["macs"][0]
        assert total == sum(len(synapses[source]) for source in arrived) == received.total()
        assert 0 in (work[name]["synops"][0], work[name]["macs"][0])


def without_losses(network):
    """The network without what loses potential: leak, floor, refractory time, reset to a value."""
    lossy = ("leak", "v_min", "refractory", "reset", "v_reset")
    populations = {}
    for name, fields in network["populations"].items():
        kept = {field: value for field, value in fields.items() if field not in lossy}
        populations[name] = kept | ({"kind": "iaf"} if fields["kind"] == "lif" else {})
    return network | {"populations": populations}


def put_in(case, record, name):
    """The sum of what arrived at each neuron of a population, in float64."""
    total = np.zeros(neurons(case.network["populations"][name]["shape"]))
    for fields in case.network["synapses"].values():
        if fields["target"] != name:
            continue
        synapses = connections(fields, *shapes(case.network, fields), np.float64)
        scale = per_neuron(fields.get("scale", 1.0), shapes(case.network, fields)[1])
        for t, source, value in record.spikes[fields["source"]]:
            if t + fields.get("delay", 0) < case.timesteps:
                for target, weight, _ in synapses[source]:
                    total[target] += float(value) * float(weight) * float(scale[target])
    return total


@examples(60)
@given(cases())
def test_3_potential_is_conserved_exactly(case):
    case = case._replace(network=without_losses(case.network))
    run, record = build.run(case), simulate(**case._asdict())
    for name, trace in run.trace.items():
        fields = case.network["populations"][name]
        fired = np.zeros(neurons(fields["shape"]))
        if name in run.spikes:
            events = run.spikes[name]  # of a signed neuron, what it takes back as well
            np.add.at(fired, events["neuron"], events["value"])
        each = {
            field: np.array(per_neuron(fields.get(field, 0), fields["shape"]), np.float64)
            for field in ("v_init", "bias", "threshold")
        }
        gained = put_in(case, record, name) + case.timesteps * each["bias"]
        lost = each["threshold"] * fired
        assert (trace[0, -1] - each["v_init"]).tolist() == (gained - lost).tolist()


def alone(network, name):
    """A network of one set between an input and a readout, with the same array of weights."""
    part = replace(network.synapses[name], source="in", target="out")
    kinds = evsim.neuron_kinds()
    populations = {
        "in": kinds["input"](shape=network.populations[network.synapses[name].source].shape),
        "out": kinds["readout"](shape=network.ends(network.synapses[name])[1].shape),
    }
    return evsim.Network(populations, {"set": part})


def some_events(shape, timesteps, happens):
    """Events of +1 where `happens` (timesteps, neurons) is true."""
    t, neuron = np.nonzero(happens)
    about = {"shape": shape, "samples": 1, "timesteps": timesteps}
    return evsim.Events(np.zeros(t.size, np.int64), t, neuron, **about)


@examples(30)
@given(cases())
def test_4_an_event_from_every_source_is_every_synapse(case):
    network = build.network(case.network)
    for name, part in network.synapses.items():
        own = alone(network, name)
        shape = own.populations["in"].shape
        happens = np.arange(part.delay + 1)[:, None] == np.zeros(neurons(shape))
        run = evsim.run(own, some_events(shape, part.delay + 1, happens))
        fields = case.network["synapses"][name]
        synapses = sum(map(len, connections(fields, *shapes(case.network, fields))))
        assert run.work["set"]["synops"].tolist() == [synapses] == [own.synapse_count]
        assert run.parts["set"]["synapses"] == synapses == network.describe()[name]["synapses"]


@examples(30)
@given(cases(), st.integers(0, 2**32))
def test_5_facts_do_not_depend_on_weights(case, seed):
    random = np.random.default_rng(seed)
    network = build.network(case.network)
    for name in network.synapses:
        own = alone(network, name)
        shape, part = own.populations["in"].shape, own.synapses["set"]
        events = some_events(shape, 5, random.random((5, neurons(shape))) < 0.3)
        field = "data" if part.kind == "sparse" else "weight"
        values = getattr(part, field, None)
        if values is None:
            continue
        other = random.integers(-1, 2, values.shape).astype(values.dtype)
        changed = {"set": replace(part, **{field: other})}
        both = [own, evsim.Network(dict(own.populations), changed)]
        found = [work_of(evsim.run(n, events, timesteps=5)) for n in both]
        for facts in found:
            facts["set"].pop("zero_synops")
        assert found[0] == found[1]


@examples(30)
@given(cases(codings=("constant", "poisson")), st.integers(1, 3), st.integers(1, 9))
def test_5_facts_do_not_depend_on_threads_windows_and_slices(case, jobs, window):
    network = build.network(case.network)
    images = np.stack([np.roll(case.inputs, k) for k in range(3)])
    options = {"timesteps": case.timesteps, "coding": case.coding, "seed": case.seed}
    whole = work_of(evsim.run(network, images, jobs=1, **options))
    assert work_of(evsim.run(network, images, jobs=jobs, window=window, **options)) == whole
    for i in range(3):
        own = work_of(evsim.run(network, images[i : i + 1], first_sample=i, **options))
        assert own == {
            name: {fact: [counts[i]] for fact, counts in facts.items()}
            for name, facts in whole.items()
        }


@examples(60)
@given(cases())
def test_6_a_simulator_that_skips_inactive_neurons_spikes_the_same(case):
    run, lazy = build.run(case), simulate(**case._asdict(), lazy=True)
    for name, spikes in run.spikes.items():
        assert [(e["timestep"], e["neuron"], e["value"]) for e in spikes] == lazy.spikes[name]
    active = {n: own["active_updates"] for n, own in lazy.facts.items() if "active_updates" in own}
    assert {name: int(run.work[name]["active_updates"][0]) for name in active} == active


@examples(30)
@given(cases())
def test_8_counting_again_changes_nothing(case):
    run = build.run(case, record=())
    before = work_of(run)
    first = {machine: json.dumps(run.counts(*machine)) for machine in MACHINES}
    for machine in reversed(MACHINES):
        assert json.dumps(run.counts(*machine)) == first[machine]
    assert work_of(run) == before


@examples(30)
@given(cases())
def test_everything_is_counted_in_whole_numbers(case):
    run = build.run(case, record=())
    counts, network = run.counts(), case.network
    assert run.work.keys() == network["populations"].keys() | network["synapses"].keys()
    for name, facts in run.work.items():
        wanted = SET_FACTS if name in network["synapses"] else POPULATION_FACTS
        gate = name in network["populations"]
        gate = gate and network["populations"][name]["kind"] == "maxpool"
        assert tuple(facts) == wanted + (("gate_updates", "rescanned") if gate else ())
        assert all(count.dtype == np.int64 and count.shape == (1,) for count in facts.values())
    parts, total = counts["parts"], counts["total"]
    assert parts.keys() == run.work.keys()
    assert all(set(actions) == set(ACTIONS) for actions in parts.values())
    assert set(total) == {*ACTIONS, "additions", "memory_accesses"}
    assert all(total[name] == sum(part[name] for part in parts.values()) for name in ACTIONS)
    numbers = [*total.values(), *total["memory_accesses"].values()]
    numbers += [n for part in (parts | counts["nominal"]).values() for n in part.values()]
    numbers += counts["weight_bits"].values()
    assert {type(n) for n in numbers} == {int, dict}
    for name, fields in network["synapses"].items():
        stored = fields.get("data" if fields["kind"] == "sparse" else "weight")
        bits = 0 if stored is None else 8 * stored.dtype.itemsize
        assert counts["weight_bits"][name] == bits * parts[name]["weight_read"]


@examples(60)
@given(cases(), st.sampled_from(["direct", "buffer", "register"]))
def test_accesses_per_synapse(case, accumulate):
    images = isinstance(case.inputs, np.ndarray)
    twice = [case, case._replace(sample=case.sample + 1)] if images else [case]
    record = [simulate(**own._asdict()) for own in twice]
    options = {"timesteps": case.timesteps, "coding": case.coding, "seed": case.seed}
    inputs = build.samples(twice)
    run = evsim.run(build.network(case.network), inputs, first_sample=case.sample, **options)
    counts = run.counts(accumulate)
    for view in ("M1", "M2"):
        wanted = Counter()
        for name, fields in case.network["synapses"].items():
            gated = run.parts[fields["target"]]["kind"] == "maxpool"
            added = view == "M2" and (gated or accumulate != "register")
            step = 2 * added + run.parts[name]["weighted"]
            for own in record:
                for arrivals, synapses in own.accesses[name].items():
                    wanted[arrivals * step] += synapses
        wanted = {str(key): wanted[key] for key in sorted(wanted) if wanted[key]}
        found = counts["accesses_per_synapse"][view]
        total = sum(wanted.values())
        mean = sum(int(k) * n for k, n in wanted.items()) / total if total else 0.0
        most = max(map(int, wanted), default=0)
        assert found == {"max": most, "mean": mean, "histogram": wanted}
        total = sum(int(key) * n for key, n in wanted.items())
        assert total == counts["total"]["memory_accesses"][view]
        over = len(twice) * sum(sum(h.values()) for h in record[0].accesses.values())
        assert counts["per_synapse"][view] == (total / over if over else 0)


@examples(60)
@given(cases())
def test_nominal_numbers(case):
    run = build.run(case, record=())
    nominal = run.counts()["nominal"]
    assert nominal.keys() == case.network["synapses"].keys()
    for name, fields in case.network["synapses"].items():
        facts = {fact: int(count[0]) for fact, count in run.work[name].items()}
        source, target = shapes(case.network, fields)
        groups, macs = fields.get("groups", 1), None
        wanted = facts["synops"] + facts["macs"]
        if fields["kind"] == "dense":
            wanted, macs = facts["arrivals"] * neurons(target), fields["weight"].size
        elif fields["kind"] == "conv":
            height, width = fields["weight"].shape[:2]
            wanted = facts["arrivals"] * height * width * target[2] // groups
            macs = height * width * source[2] // groups * target[2] * target[0] * target[1]
        elif fields["kind"] == "pool":
            wanted = facts["arrivals"]
        assert nominal[name]["synops"] == wanted
        assert macs in (None, nominal[name]["macs"])
