"""evsim check: assumptions about a chip beside what a network does."""

import json

import h5py
import numpy as np
import pytest
from support.files import images, network
from support.places import ROOT

import evsim
from evsim.cli.main import run_command
from evsim.conversion.integers import bounded
from evsim.counting.widths import sums_of

CHIP = """
schema = "evsim-hw/1"
title = "Small"
claims = ["accuracy >= 0"]

[numeric.weight]
bits = 4
signed = true
[numeric.membrane]
bits = 16
signed = true
overflow = "saturate"
at = "commit"

[[queue]]
name = "all"
depth = 9
policy = "drop_new"
scope = "layer"

[capacity]
cores = 100
neurons_per_core = 10
fan_in = 20
delay = 1

[time]
clock_hz = 1e6
timestep_ms = 1000
[time.cycles]
pop = 2
synapse = 1

[[memory]]
name = "weights"
holds = ["weight"]
word_bits = 16
"""


@pytest.fixture
def said(inside, command):
    """Run `evsim check n.h5 d.h5 --chip chip.toml`; returns (status, output, errors)."""
    network("n.h5")
    images("d.h5")

    def check(*more, chip=CHIP, data="d.h5"):
        (inside / "chip.toml").write_text(chip)
        before = sorted(path.name for path in inside.iterdir())
        found = command("check", "n.h5", data, "--chip", "chip.toml", *more)
        assert sorted(path.name for path in inside.iterdir()) == before
        return found

    return check


def by_name(out):
    found = json.loads(out)
    return found, {
        f"{f['assumption']} {f['place'].split(',')[0]}".strip(): f for f in found["findings"]
    }


def test_findings_are_what_the_run_and_the_network_say(said):
    status, out, err = said("--json", "-T", 12)
    assert (status, err) == (1, "")
    found, rows = by_name(out)
    assert not found["holds"]
    loaded, data = evsim.load("n.h5"), evsim.open_data("d.h5")
    run = evsim.run(
        loaded, data.images, timesteps=12, record=("queues",), queue=evsim.Queue(9, "drop_new")
    )
    neurons = sum(p.neurons for n, p in loaded.populations.items() if n != "in")
    assert rows["cores"]["measured"] == -(-neurons // 10)
    assert rows["cores"]["margin"] == 100 - rows["cores"]["measured"]
    assert rows["fan in a"]["holds"] == (rows["fan in a"]["measured"] <= rows["fan in a"]["limit"])
    assert not rows["delay b-b"]["holds"]
    assert rows["delay b-b"]["margin"] == -1
    assert rows["weights b-c"]["holds"]
    assert rows["weights in-a"]["measured"] == "float32"
    for name, facts in run.work.items():
        if name not in loaded.synapses:
            continue
        events = max(int(s.queues[name].max()) for s in run.finished)
        row = rows[f"queue all {name}"]
        assert (row["measured"], row["limit"], row["holds"]) == (events, 9, events <= 9)
        lost = int(facts["dropped"].sum())
        losing = [f for k, f in rows.items() if k.startswith(f"events lost {name}:")]
        assert [f["measured"] for f in losing] == ([lost] if lost else [])
    assert found["values"]["queue"]["in-a"]["dropped"] == run.work["in-a"]["dropped"].sum() > 0
    free = evsim.run(loaded, data.images, timesteps=12)
    for values, one in ((found["values"], run), (found["values"]["unconstrained"], free)):
        assert values["accuracy"] == one.accuracy(data.labels)
        events = [f["spikes"].sum() for f in one.work.values() if "spikes" in f]
        assert values["spikes"] == sum(events) / len(data.labels)
    assert found["values"]["spikes"] != found["values"]["unconstrained"]["spikes"]
    assert found["time"]["unit"] == "ns"
    assert found["time"]["latency"] > 0
    moved = found["memory"]["sets"]["b-c"]
    assert moved["bits_used"] == 4 * moved["weight_read"]
    assert moved["weight_words"] == moved["weight_read"] // 4  # rows of 32 weights of 4 bits


def test_a_chip_on_which_everything_holds(said):
    chip = 'schema = "evsim-hw/1"\n[capacity]\ncores = 1\nneurons_per_core = 1000\n'
    status, out, err = said("--claim", "timesteps == 16", "-T", 16, chip=chip)
    assert (status, err) == (0, "")
    assert "timesteps == 16" in out
    assert "0 of 2 assumptions do not hold" in out


@pytest.mark.parametrize(
    ("claim", "status"),
    [
        ("accuracy >= 0.0", 0),
        ("accuracy > 1", 1),
        ("accesses_per_synapse.M1.max <= 12", 0),
        ("queue.a.peak <= 0", 1),
        ("queue.in-a.dropped == 0", 2),  # - is a minus outside quotes
        ("queue.'in-a'.dropped >= 0", 0),
        ("total.synaptic_add * 2 > total.synaptic_add", 0),
        ("time.latency < 0", 1),
    ],
)
def test_a_claim_decides_the_exit_status(said, claim, status):
    chip = CHIP[: CHIP.index("[numeric")] + CHIP[CHIP.index("[time]") :] + QUEUE
    assert said("--claim", claim, "-T", 12, "--quiet", chip=chip)[0] == status


QUEUE = '\n[[queue]]\nname = "a"\ndepth = 1000000\npolicy = "stall"\nscope = "layer"\n'


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--claim", "acuracy >= 0.9"), "acuracy', expected one of accuracy"),
        (("--claim", "accuracy >= __import__('os').getcwd()"), "expected numbers, names"),
        (("--claim", "accuracy"), "found the end, expected one of <="),
        (("--claim", "energy_uj < 40"), "expected something this run has measured"),
        (("--placing", "balance"), "--placing: found 'balance', expected"),
        (("--samples", "9:3"), "--samples: found '9:3'"),
        (("-T", "0"), "--timesteps"),
    ],
)
def test_wrong_questions(said, more, words):
    status, out, err = said(*more)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert words in err


def test_what_a_claim_names_is_looked_up_before_the_long_run(said, monkeypatch):
    samples = []
    from evsim.studies.check import Check

    take = Check.take
    monkeypatch.setattr(
        Check, "take", lambda self, sample: (samples.append(sample.index), take(self, sample))
    )
    assert said("--claim", "nothing > 1")[0] == 2
    assert samples == [0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("depth = 9", "dept = 9"), "(did you mean 'depth'?)"),
        (("depth = 9", "depth = 0"), "found 0"),
        (('"drop_new"', '"drop"'), "drop_new"),
        (('"accuracy >= 0"', '"accuracy >> 0"'), "claim 'accuracy >> 0'"),
        (('holds = ["weight"]', 'holds = ["wait"]'), "'weight'"),
    ],
)
def test_a_profile_with_a_mistake(said, change, words):
    status, out, err = said(chip=CHIP.replace(*change))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert words in err


@pytest.mark.slow
def test_the_readme_chips_can_be_asked(said, capsys):
    for chip in ("loihi", "truenorth", "odin", "spinalflow", "horowitz-45nm"):
        status = run_command(["check", "n.h5", "d.h5", "--chip", chip, "-T", "4", "--json"])
        found = json.loads(capsys.readouterr().out)
        assert status == (0 if found["holds"] else 1)
        assert found["chip"] == chip


@pytest.mark.parametrize(
    ("neurons", "placing", "cores"),
    [
        (1000, "in_order", {"a": 0, "b": 0, "c": 0, "out": 0}),
        (50, "balanced", {"a": 0, "b": 1, "c": 2, "out": 3}),
        (70, "in_order", None),  # a population lies on two cores
    ],
)
def test_queues_of_cores_are_simulated_where_they_hold_whole_populations(
    said, neurons, placing, cores
):
    chip = f"""schema = "evsim-hw/1"
[[queue]]
name = "main"
depth = 20
policy = "drop_new"
scope = "core"
[capacity]
neurons_per_core = {neurons}
"""
    found, _ = by_name(said("--json", "-T", 12, "--placing", placing, chip=chip)[1])
    loaded, data = evsim.load("n.h5"), evsim.open_data("d.h5")
    queue = None
    if cores:
        of_sets = {name: cores[part.target] for name, part in loaded.synapses.items()}
        queue = evsim.Queue(20, "drop_new", shared=True, cores=of_sets)
    run = evsim.run(loaded, data.images, timesteps=12, queue=queue)
    assert found["values"]["accuracy"] == run.accuracy(data.labels)
    lost = {n: int(f["dropped"].sum()) for n, f in run.work.items() if "dropped" in f}
    losing = [f["measured"] for f in found["findings"] if f["assumption"] == "events lost"]
    assert losing == [n for n in lost.values() if n]
    assert bool(losing) == bool(cores)
    [row] = [f for f in found["findings"] if f["assumption"] == "queue main"]
    assert row["holds"] is False
    assert ("not simulated" in row["place"]) != bool(cores)


@pytest.mark.parametrize("scope", ["layer", "core", "chip", "input"])
@pytest.mark.parametrize(
    ("own", "policy"),
    [("stall", "drop_new"), ("drop_new", "stall"), ("drop_old", "drop_new"), ("error", "drop_new")],
)
def test_events_from_outside_have_a_policy_of_their_own(said, scope, own, policy):
    chip = f"""schema = "evsim-hw/1"
[[queue]]
name = "main"
depth = 12
policy = "{policy}"
input_policy = "{own}"
scope = "{scope}"
"""
    found, _ = by_name(said("--json", "-T", 12, chip=chip)[1])
    loaded, data = evsim.load("n.h5"), evsim.open_data("d.h5")
    shared = scope in ("core", "chip")
    queue = None
    if own == "error":
        simulated = scope == "input"  # there the policy of others is nobody's
    else:
        simulated = not (shared and own == "drop_old")
        source = "in" if scope == "input" else None
        queue = evsim.Queue(12, policy, source, shared, policies={"in": own}) if simulated else None
    run = evsim.run(loaded, data.images, timesteps=12, queue=queue)
    assert found["values"]["accuracy"] == run.accuracy(data.labels)
    told = {"events lost": {}, "events that waited": {}}
    for row in found["findings"]:
        if row["assumption"] in told:
            told[row["assumption"]][row["place"].split(":")[0]] = row["measured"]
    of_sets = {name: run.work[name] for name in loaded.synapses}
    for what, fact in (("events lost", "dropped"), ("events that waited", "stalled")):
        wanted = {name: int(facts.get(fact, np.zeros(1)).sum()) for name, facts in of_sets.items()}
        assert told[what] == {name: n for name, n in wanted.items() if n}
    if queue:
        assert ("in-a" in told["events lost"]) == (own != "stall")
        assert ("in-a" in told["events that waited"]) == (own == "stall")
    rows = [f["place"] for f in found["findings"] if f["assumption"] == "queue main"]
    assert rows
    assert all(("not simulated" in place) != simulated for place in rows)


def test_axons_are_the_cores_that_neurons_reach(said):
    """Plain counting over the synapses of every neuron."""
    from oracles.geometry import connections

    loaded = evsim.load("n.h5")
    order = [n for n in loaded.order if n in loaded.populations and n != "in"]
    firsts, first = {}, 0
    for name in order:
        firsts[name] = first
        first += loaded.populations[name].neurons
    into, out = {}, {}
    for part in loaded.synapses.values():
        fields = {f: getattr(part, f) for f in part.__dataclass_fields__} | {"kind": part.kind}
        fields = {f: value for f, value in fields.items() if value is not None}
        own = connections(fields, *(end.shape for end in loaded.ends(part)))
        for source, synapses in enumerate(own):
            cores = {(firsts[part.target] + s.target) // 10 for s in synapses}
            for core in cores:
                into[core] = into.get(core, 0) + 1
            if part.source != "in":
                core = (firsts[part.source] + source) // 10
                out[core] = out.get(core, 0) + len(cores)
    chip = CHIP.replace("fan_in = 20", "in_axons_per_core = 7\nout_axons_per_core = 7")
    found, _ = by_name(said("--json", "-T", 3, chip=chip)[1])
    rows = {f["assumption"]: f["measured"] for f in found["findings"]}
    assert rows["in axons of a core"] == max(into.values())
    assert rows["out axons of a core"] == max(out.values())


def test_what_sets_share_is_held_once(said, capsys):
    """Blocks that run several times: one dataset of the file, read by several sets."""
    with h5py.File(f"{ROOT}/networks/digits-backres.h5") as file:
        weights = [group["weight"] for group in file["synapses"].values() if "weight" in group]
        stored = {h5py.h5o.get_info(weight.id).addr: weight.size for weight in weights}
    assert len(stored) < len(weights)
    stored = sum(stored.values())
    memory = '[numeric.weight]\nbits = 8\nsigned = true\n[[memory]]\nname = "all"\n'
    chip = f'schema = "evsim-hw/1"\n{memory}holds = ["weight"]\nsize_kib = {stored / 1024}\n'
    said("-T", 1, chip=chip)  # writes the chip
    words = ["digits-backres.h5", "digits_test.h5"]
    words = [f"{ROOT}/{folder}/{w}" for folder, w in zip(("networks", "data"), words, strict=True)]
    run_command(["check", *words, "--chip", "chip.toml", "--json", "-T", "8", "--samples", ":1"])
    found, rows = by_name(capsys.readouterr().out)
    assert rows["memory all, KiB"]["measured"] == stored / 1024
    assert rows["memory all, KiB"]["holds"]
    total, sets = found["memory"]["total"], found["memory"]["sets"].values()
    assert total["weight_read"] == sum(own["weight_read"] for own in sets)
    assert total["distinct_per_sample"] <= stored < sum(o["distinct_per_sample"] for o in sets)
    assert total["distinct_per_timestep"] <= stored * 8


WIDTHS = """schema = "evsim-hw/1"
[numeric.membrane]
bits = {bits}
signed = {signed}
overflow = "{overflow}"
at = "{at}"
"""


@pytest.mark.parametrize("at", ["commit", "each_add"])
@pytest.mark.parametrize(
    ("bits", "signed", "overflow"),
    [(5, True, "saturate"), (6, True, "wrap"), (3, False, "saturate"), (5, True, "error")],
)
def test_potentials_are_held_to_the_width_of_the_chip(said, bits, signed, overflow, at):
    chip = WIDTHS.format(bits=bits, signed=str(signed).lower(), overflow=overflow, at=at)
    found, _ = by_name(said("--json", "-T", 12, chip=chip)[1])
    loaded, data = evsim.load("n.h5"), evsim.open_data("d.h5")
    narrow = loaded
    if overflow != "error":
        how = {"potential_signed": signed, "overflow": overflow, "overflow_at": at}
        narrow = bounded(loaded, bits, **how)
    run = evsim.run(narrow, data.images, timesteps=12, record=("ranges",))
    free = evsim.run(loaded, data.images, timesteps=12)
    values = found["values"]
    assert values["accuracy"] == run.accuracy(data.labels)
    assert values["unconstrained"]["accuracy"] == free.accuracy(data.labels)
    [row] = [f for f in found["findings"] if f["place"].startswith("c")]
    if overflow == "error":
        assert row["assumption"] == "potentials"
        if at == "commit":
            lowest, highest = run.ranges["c"].min(), run.ranges["c"].max()
            assert row["measured"] == f"{lowest:,} to {highest:,}"
            assert row["holds"] == bool(lowest >= -16 and highest <= 15)
    else:
        overflows = int(run.work["c"]["overflows"].sum())
        assert overflows > 0
        assert (row["assumption"], row["measured"]) == ("sums beyond their width", overflows)
        first = "sample {sample}, timestep {timestep}, neuron {neuron}"
        assert row["place"] == "c: " + first.format(**sums_of(run)["c"]["first"])


def test_a_network_of_floats_says_how_it_gets_integers(said):
    with h5py.File("n.h5", "r+") as file:
        weights = file["synapses/b-c/weight"][()]
        del file["synapses/b-c/weight"]
        del file["synapses/b-c"].attrs["bits"]
        file["synapses/b-c/weight"] = np.float32(weights)
    chip = WIDTHS.format(bits=8, signed="true", overflow="wrap", at="commit")
    found, _ = by_name(said("--json", "-T", 4, chip=chip)[1])
    rows = [f for f in found["findings"] if f["assumption"] == "potentials"]
    assert [f["holds"] for f in rows] == [None]
    assert "evsim quantize" in rows[0]["place"]
