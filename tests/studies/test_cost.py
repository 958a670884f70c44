"""`evsim cost`: energies by hand and in plain Python, beside the artificial network, mistakes."""

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest

import evsim
from evsim.base.shipped import shipped
from evsim.chip.profile import EVIDENCE, Profile, find
from evsim.chip.profile.artificial import artificial
from evsim.counting.machine import ACTIONS, Machine
from evsim.formats import result

CHIPS = ("horowitz-45nm", "loihi", "truenorth", "odin", "spinalflow")
LINE = tuple(word for chip in CHIPS for word in ("--chip", chip))
SAMPLES = 12
RANGES = """schema = "evsim-hw/1"
[[charge]]
action = ["synaptic_add", "synaptic_mac"]
pj = [1, 2]
source = "made up"
evidence = "assumed"
[[charge]]
action = ["potential_read", "potential_write"]
pj = 3
source = "made up"
evidence = "published"
"""
FREE = """[[charge]]
action = ["event_pop", "event_push", "weight_read", "compare", "reset_subtract"]
pj = 0
source = "made up"
evidence = "published"
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Results of the two-neuron network, of digits-conv and of digits-dense."""
    folder = tmp_path_factory.mktemp("results")
    two_neurons(folder / "tiny.h5")
    for name in ("digits-conv", "digits-dense"):
        network = evsim.load(shipped("networks") / f"{name}.h5")
        with evsim.open_data(shipped("data") / "digits_test.h5") as data:
            evsim.run(network, data.images[:SAMPLES], timesteps=20).save(folder / f"{name}.h5")
    return folder


@pytest.fixture
def command(kept, inside, command):
    """Commands beside these results."""
    for path in kept.iterdir():
        shutil.copy(path, inside)
    (inside / "ranges.toml").write_text(RANGES + FREE)
    (inside / "open.toml").write_text(RANGES)
    return command


def two_neurons(path):
    """Two inputs, two neurons, two outputs; two samples alike: events at 0, 0 and 1 of 3."""
    kinds = evsim.neuron_kinds()
    dense = evsim.synapse_kinds()["dense"]
    network = evsim.Network(
        {
            "in": kinds["input"].build({"shape": (2,)}),
            "a": kinds["iaf"].build({"shape": (2,), "threshold": 1.0}),
            "out": kinds["readout"].build({"shape": (2,)}),
        },
        {
            "in-a": dense.build(
                {"source": "in", "target": "a", "weight": np.float32([[0.5, 0.25], [0.5, 0.25]])}
            ),
            "a-out": dense.build(
                {"source": "a", "target": "out", "weight": np.float32([[1, 0], [0, 1]])}
            ),
        },
        input="in",
        output="out",
    )
    columns = [0, 0, 0, 1, 1, 1], [0, 0, 1] * 2, [0, 1, 0] * 2, [1.0] * 6
    events = evsim.Events(*map(np.array, columns), shape=(2,), samples=2, timesteps=3)
    run = evsim.run(network, events, timesteps=3)
    assert run.work["a"]["spikes"].tolist() == [1, 1]
    run.save(path)


def costs(command, name, *line):
    """What `cost --json` prints, by chip."""
    status, out, err = command("cost", name, *line, "--json")
    assert (status, err) == (0, "")
    return {chip["chip"]: chip for chip in json.loads(out)["chips"]}


def close(number):
    return pytest.approx(number, rel=1e-12)


# the two-neuron network at 45 nm, in picojoule an inference: 8 additions, 4 events pushed and
# popped, 1 reset, 12 updates (6 compare), the potential read and written 8 + 12 times each
ADDED = 0.9 * (8 + 1)
COMPARED = 0.9 * 6
READ, STATE, QUEUED = 5 * 8, 5 * 2 * (8 + 12), 5 * (4 + 4)
SPIKING = ADDED + COMPARED + READ + STATE + QUEUED
# as an artificial one: 8 multiply-accumulates, 4 values, 4 updates (2 compare)
ARTIFICIAL = 4.6 * 8 + 0.9 * 2 + 5 * 8 + 5 * 2 * (8 + 4) + 5 * (4 + 4)
# and what its spikes cause: all but updates and comparisons
CAUSED = 0.9 * (8 + 1) + 5 * 8 + 5 * 2 * 8 + 5 * (4 + 4)


def test_energy_by_hand(command):
    chip = costs(command, "tiny.h5", "--chip", "horowitz-45nm")["horowitz-45nm"]
    assert chip["energy_uj"] == close(SPIKING / 1e6)
    assert (chip["lower_bound"], chip["unpriced"], chip["left_out"]) == (False, {}, [])
    assert chip["machine"] == {"accumulate": "direct", "update": "clock", "input": "recompute"}
    found = {row["action"]: (row["count"], row["energy_uj"]) for row in chip["actions"]}
    assert found == {
        "event_pop": (4, close(20e-6)),
        "event_push": (4, close(20e-6)),
        "synaptic_add": (8, close(7.2e-6)),
        "weight_read": (8, close(40e-6)),
        "potential_read": (20, close(100e-6)),
        "potential_write": (20, close(100e-6)),
        "compare": (6, close(5.4e-6)),
        "reset_subtract": (1, close(0.9e-6)),
    }
    by_price = {row["price"]: row for row in chip["prices"]}
    read = by_price["potential_read"]
    assert (read["count"], read["energy_uj"]) == (20, close(100e-6))
    assert read["share"] == close(100 / SPIKING)
    assert read["plus_10_percent_uj"] == close(10e-6)
    assert sum(row["share"] for row in chip["prices"]) == close(1)
    assert chip["weakest_evidence"] == "assumed"  # queues: 40 of 293.5 pJ
    assert chip["energy_uj_by_evidence"] == {
        "measured": 0,
        "published": close(ADDED / 1e6),
        "simulated": 0,
        "derived": close((READ + STATE) / 1e6),
        "assumed": close((COMPARED + QUEUED) / 1e6),
    }


def test_break_even_by_hand(command):
    chip = costs(command, "tiny.h5", "--chip", "horowitz-45nm")["horowitz-45nm"]
    exact, nominal = chip["break_even"]
    assert (exact["counted"], nominal["counted"]) == ("exact", "nominal")
    assert (exact["macs"], nominal["macs"]) == (8, 8)
    assert exact["ann_energy_uj"] == close(ARTIFICIAL / 1e6)
    assert exact["ratio"] == close(SPIKING / ARTIFICIAL)
    assert exact["spikes_per_synapse"] == 1
    factor = (ARTIFICIAL - (SPIKING - CAUSED)) / CAUSED
    assert 0 < factor < 1
    assert exact["break_even_spikes_per_synapse"] == close(factor)
    assert {key: nominal[key] for key in exact if key != "counted"} == {
        key: value for key, value in exact.items() if key != "counted"
    }  # a dense network has no borders


def test_chips_of_their_own_machines_by_hand(command):
    found = costs(command, "tiny.h5", *LINE)
    assert list(found) == list(CHIPS)
    # 4 + 2 active updates, 2 + 4 idle ones, 4 events
    assert found["loihi"]["energy_uj"] == close((8 * 23.6 + 6 * 81 + 6 * 52 + 4 * 1.7) / 1e6)
    assert found["loihi"]["machine"]["accumulate"] == "buffer"
    assert found["loihi"]["unpriced"] == {"event_pop": 4}
    assert len(found["loihi"]["left_out"]) == 2
    assert found["truenorth"]["energy_uj"] == close(8 * 26 / 1e6)
    assert (found["truenorth"]["unpriced"], found["truenorth"]["lower_bound"]) == ({}, False)
    assert found["odin"]["energy_uj"] == close(8 * 12.7 / 1e6)
    assert found["odin"]["unpriced"] == {"reset_subtract": 1}  # it resets to 0
    assert found["spinalflow"]["energy_uj"] == close(8 * 0.1 / 1e6)
    assert found["spinalflow"]["machine"]["accumulate"] == "register"
    assert found["spinalflow"]["unpriced"] == {
        "event_pop": 4, "event_push": 4, "weight_read": 8, "potential_read": 6,
        "potential_write": 6, "commit_add": 6, "compare": 4, "reset_subtract": 1,
    }  # fmt: skip
    for name in CHIPS[1:]:
        for row in found[name]["break_even"]:
            assert row["why"] == "no price for synaptic_mac"
            assert row["ratio"] is row["break_even_spikes_per_synapse"] is None
    chosen = costs(command, "tiny.h5", "--chip", "truenorth", "--update", "active")["truenorth"]
    assert chosen["machine"] == {"accumulate": "direct", "update": "active", "input": "recompute"}


def test_ranges_by_hand(command):
    chip = costs(command, "tiny.h5", "--chip", "ranges.toml")["ranges"]
    assert chip["energy_uj"] == [close((8 + 120) / 1e6), close((16 + 120) / 1e6)]
    adding, moving, _ = chip["prices"]
    assert adding["energy_uj"] == [close(8e-6), close(16e-6)]
    assert adding["share"] == [close(8 / 128), close(16 / 136)]
    assert moving["share"] == [close(120 / 136), close(120 / 128)]
    assert adding["plus_10_percent_uj"] == [close(0.8e-6), close(1.6e-6)]
    exact = chip["break_even"][0]
    assert exact["ann_energy_uj"] == [close((8 + 72) / 1e6), close((16 + 72) / 1e6)]
    # the same price in both: (8 p + 120) / (8 p + 72), not the quotient of the intervals
    assert exact["ratio"] == [close(136 / 88), close(128 / 80)]
    # what is left for spikes, 8 p + 72 - 72, over what they cost, 8 p + 48
    assert exact["break_even_spikes_per_synapse"] == [close(8 / 56), close(16 / 64)]
    left = costs(command, "tiny.h5", "--chip", "open.toml")["open"]
    assert (left["energy_uj"], left["lower_bound"]) == (chip["energy_uj"], True)
    assert left["break_even"][0]["why"] == "two lower bounds"
    assert left["break_even"][0]["ratio"] is None


def prices_in(chip):
    """The prices of a profile, read as plain TOML."""
    return tomllib.loads(Path(find(chip)).read_text(encoding="utf-8"))["charge"]


@pytest.mark.parametrize("name", ["digits-conv", "digits-dense"])
@pytest.mark.parametrize("chip", CHIPS)
def test_energy_is_prices_times_counts_in_plain_python(command, name, chip):
    found = costs(command, f"{name}.h5", "--chip", chip)[chip]
    counts = result.load(f"{name}.h5").counts(**found["machine"])
    done = {action: counts["total"][action] for action in ACTIONS}
    for update in ("active_update", "idle_update"):
        done[update] = sum(part[update] for part in counts["updates"].values())
    total, by_part = 0.0, dict.fromkeys(counts["parts"], 0.0)
    for charge in prices_in(chip):
        actions = charge["action"]
        for action in [actions] if isinstance(actions, str) else actions:
            total += charge["pj"] * done[action]
            for part in by_part:
                own = counts["parts"][part].get(action, 0)
                own += counts["updates"].get(part, {}).get(action, 0)
                by_part[part] += charge["pj"] * own
    assert found["energy_uj"] == close(total / SAMPLES / 1e6)
    assert found["energy_uj_by_part"] == {
        part: close(pj / SAMPLES / 1e6) for part, pj in by_part.items()
    }
    for of in ("action", "part", "evidence"):
        assert sum(found[f"energy_uj_by_{of}"].values()) == close(found["energy_uj"])


@pytest.mark.parametrize("chip", CHIPS)
def test_doubling_a_price_raises_the_total_by_its_share(command, chip, tmp_path):
    text = find(chip).read_text(encoding="utf-8")
    before = costs(command, "digits-conv.h5", "--chip", chip)[chip]
    assert before["prices"]
    for i, row in enumerate(before["prices"]):
        pieces = text.split("[[charge]]")
        line = next(line for line in pieces[i + 1].splitlines() if line.startswith("pj = "))
        pieces[i + 1] = pieces[i + 1].replace(line, f"pj = {2 * float(line[5:])}")
        (tmp_path / "dearer.toml").write_text("[[charge]]".join(pieces), encoding="utf-8")
        after = costs(command, "digits-conv.h5", "--chip", "dearer.toml")[chip]
        assert after["energy_uj"] == close(before["energy_uj"] + row["energy_uj"])
        assert after["energy_uj"] == close(before["energy_uj"] * (1 + row["share"]))
        assert after["energy_uj"] == close(before["energy_uj"] + 10 * row["plus_10_percent_uj"])
        assert after["actions"] != before["actions"] or not row["count"]
        assert [one["count"] for one in after["actions"]] == [
            one["count"] for one in before["actions"]
        ]


def full_kernels(weight, out):
    """Multiply-accumulates of a convolution as the literature counts them."""
    return int(np.prod(weight.shape)) * out[0] * out[1]


def own_kernels(weight, shape, out, padding):
    """The same at borders: a loop over every output, tap and channel."""
    height, width, depth, channels = weight.shape
    taps = 0
    for y in range(out[0]):
        for x in range(out[1]):
            for i in range(height):
                for j in range(width):
                    inside = 0 <= y + i - padding[0] < shape[0]
                    taps += inside and 0 <= x + j - padding[2] < shape[1]
    return taps * depth * channels


def test_exact_stands_beside_exact_and_nominal_beside_nominal(command):
    network = evsim.load(shipped("networks") / "digits-conv.h5")
    stored = result.load("digits-conv.h5")
    exact = nominal = 0
    events = {"exact": 0, "nominal": 0}  # synaptic additions of spiking sources
    reached = {"exact": 0, "nominal": 0}  # and their synapses
    for name, part in network.synapses.items():
        source, target = (network.populations[p].shape for p in (part.source, part.target))
        facts, fan = stored.work[name], 1
        if part.kind == "conv":
            own = own_kernels(part.weight, source, target, part.padding)
            full = full_kernels(part.weight, target)
            fan = part.weight.shape[0] * part.weight.shape[1] * part.weight.shape[3]
        elif part.kind == "dense":
            own = full = part.weight.size
            fan = part.weight.shape[1]
        else:
            assert part.kind == "pool"
            own = full = int(np.prod(source))
        if part.kind != "pool":
            exact, nominal = exact + own, nominal + full
        if not facts["macs"].any():
            events["exact"] += int(facts["synops"].sum())
            events["nominal"] += int(facts["arrivals"].sum()) * fan
            reached = {"exact": reached["exact"] + own, "nominal": reached["nominal"] + full}
    assert exact < nominal
    chip = costs(command, "digits-conv.h5", "--chip", "horowitz-45nm")["horowitz-45nm"]
    for row, macs in zip(chip["break_even"], (exact, nominal), strict=True):
        assert row["macs"] == macs
        each = events[row["counted"]] / SAMPLES / reached[row["counted"]]
        assert row["spikes_per_synapse"] == close(each)
    one, other = chip["break_even"]
    assert one["energy_uj"] == chip["energy_uj"] < other["energy_uj"]
    assert one["ann_energy_uj"] < other["ann_energy_uj"]
    assert one["ratio"] == close(one["energy_uj"] / one["ann_energy_uj"])
    assert other["ratio"] == close(other["energy_uj"] / other["ann_energy_uj"])


def test_break_even_does_not_depend_on_how_many_spikes_the_run_had(command):
    """Whatever events cause ten times: the same break-even, and there both cost the same."""
    rows = []
    for times in (1, 10):
        with h5py.File("tiny.h5", "r+") as file:
            for facts in file["work"].values():
                for fact in set(facts) - {"updates", "active_updates"}:
                    facts[fact][...] *= times
        rows.append(costs(command, "tiny.h5", "--chip", "horowitz-45nm")["horowitz-45nm"])
    one, ten = (row["break_even"][0] for row in rows)
    assert ten["spikes_per_synapse"] == 10 * one["spikes_per_synapse"] == 10
    even = one["break_even_spikes_per_synapse"]
    assert ten["break_even_spikes_per_synapse"] == close(even)
    slope = (ten["energy_uj"] - one["energy_uj"]) / 9
    assert one["energy_uj"] + (even - 1) * slope == close(one["ann_energy_uj"])


def test_an_open_price_of_one_network_makes_bounds_of_both_numbers(command):
    """A random number drawn for the input has no price; the artificial network draws none."""
    shutil.copy(shipped("networks") / "digits-dense.h5", "network.h5")
    shutil.copy(shipped("data") / "digits_test.h5", "digits.h5")
    line = ("run", "network.h5", "digits.h5", "--samples", ":2", "-T", "2", "--quiet")
    assert command(*line, "--coding", "poisson", "--out", "drawn.h5")[0] == 0
    chip = costs(command, "drawn.h5", "--chip", "horowitz-45nm")["horowitz-45nm"]
    assert list(chip["unpriced"]) == ["random_draw"]
    row = chip["break_even"][0]
    assert (row["bound"], row["break_even_bound"]) == ("at least", "at most")
    assert (row["lower_bound"], row["ann_lower_bound"]) == (True, False)
    assert row["break_even_spikes_per_synapse"] > 0
    out = command("cost", "drawn.h5", "--chip", "horowitz-45nm")[1]
    assert "at least" in out
    assert "at most" in out


@pytest.mark.parametrize("counted", ["exact", "nominal"])
def test_the_artificial_network_by_hand(kept, counted):
    stored = result.load(kept / "tiny.h5")
    found = artificial(stored.parts, counted, Machine())
    assert {a: n for a, n in found["total"].items() if a in ACTIONS and n} == {
        "event_pop": 4, "event_push": 4, "synaptic_mac": 8, "weight_read": 8,
        "potential_read": 12, "potential_write": 12, "compare": 2,
    }  # fmt: skip


def test_a_network_with_a_cycle_has_no_artificial_one(command, files):
    assert command("run", "n.h5", "e.h5", "--out", "cycle.h5", "--quiet")[0] == 0
    for row in costs(command, "cycle.h5", "--chip", "horowitz-45nm")["horowitz-45nm"]["break_even"]:
        assert row["why"] == "a network with a cycle has no artificial one"
        assert row["ratio"] is row["macs"] is None


def test_the_tables_say_what_json_says(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    status, out, err = command("cost", "tiny.h5", *LINE)
    assert (status, err) == (0, "")
    assert "tiny.h5: 2 samples, 3 timesteps, not simulated again" in out
    for words in (*CHIPS, "at least", "weakest_evidence", "included", "no price", "0.0002935",
                  "loihi: left out: static power", "odin: no price for reset_subtract (1.0)",
                  "dearer" if SPIKING - CAUSED > ARTIFICIAL else "0.6734"):  # fmt: skip
        assert words in out, words


def test_the_result_alone_is_enough_and_nothing_is_written(kept, tmp_path):
    """There is no network and no data to simulate with, and the file stays as it is."""
    line = ["cost", "tiny.h5", *LINE, "--json"]
    code = f"from evsim.cli.main import run_command; run_command({line})"
    shutil.copy(kept / "tiny.h5", tmp_path)
    before = (tmp_path / "tiny.h5").read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["chips"]) == len(CHIPS)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.h5"]
    assert (tmp_path / "tiny.h5").read_bytes() == before


PLAIN = 'schema = "evsim-hw/1"\n[capacity]\ncores = 4\n'
NOT_DONE = RANGES.replace('["synaptic_add", "synaptic_mac"]', '"leak"').replace(
    '["potential_read", "potential_write"]', '"random_draw"'
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("none.h5 --chip loihi", "none.h5: no such file"),
        ("ranges.toml --chip loihi", "ranges.toml: found"),
        (". --chip loihi", "."),
        ("network.h5 --chip loihi", "network.h5: found a network, expected a result (evsim run"),
        ("data.h5 --chip loihi", "data.h5: found a data file, expected a result (evsim run"),
        ("cut.h5 --chip loihi", "cut.h5: found a damaged HDF5 file"),
        ("torn.h5 --chip loihi", "torn.h5: "),
        ("tiny.h5 --chip lohi", "--chip: found 'lohi', expected a TOML file or one of horowitz"),
        ("tiny.h5 --chip lohi", "did you mean 'loihi'?"),
        ("tiny.h5 --chip loihi --chip true-north", "did you mean 'truenorth'?"),
        ("tiny.h5 --chip none.toml", "none.toml: cannot be read: No such file or directory"),
        ("tiny.h5 --chip ./", ": found no regular file, expected a hardware profile"),
        ("tiny.h5 --chip bad.toml", "bad.toml: charge[0]/pj: found -1, expected a number from 0"),
        ("tiny.h5 --chip plain.toml", "plain: found no price, expected [[charge]] tables"),
        ("tiny.h5 --chip other.toml", "tiny.h5: other: found a run that does synaptic_add, "
         "expected any of what has a price on this chip: leak, random_draw"),
        ("graded.h5 --chip loihi --chip odin", "graded.h5: odin: found a run that does "
         "synaptic_mac, expected any of what has a price on this chip: synaptic_add"),
        ("tiny.h5", "--chip"),
        ("tiny.h5 --chip loihi --update lazy", "--update: found 'lazy', expected one of clock"),
        ("tiny.h5 --chips loihi", "No such option: --chips"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_nothing_is_printed_or_written(command, tmp_path, line, expected):
    shutil.copy(shipped("networks") / "digits-dense.h5", "network.h5")
    shutil.copy(shipped("data") / "digits_test.h5", "data.h5")
    whole = Path("tiny.h5").read_bytes()
    Path("cut.h5").write_bytes(whole[: len(whole) // 2])
    Path("torn.h5").write_bytes(whole)
    with h5py.File("torn.h5", "r+") as file:
        del file["work/a"]
    Path("bad.toml").write_text(RANGES.replace("pj = [1, 2]", "pj = -1"))
    Path("plain.toml").write_text(PLAIN)
    Path("other.toml").write_text(NOT_DONE)
    graded(Path("graded.h5"))
    before = {path.name for path in tmp_path.iterdir()}
    status, out, err = command("cost", *line.split(), "--json")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert expected in err
    assert {path.name for path in tmp_path.iterdir()} == before


def graded(path):
    """A result of a network that multiplies only."""
    kinds = evsim.neuron_kinds()
    weight = np.float32([[0.5, 0.25], [0.5, 0.25]])
    network = evsim.Network(
        {
            "in": kinds["input"].build({"shape": (2,)}),
            "out": kinds["readout"].build({"shape": (2,)}),
        },
        {
            "in-out": evsim.synapse_kinds()["dense"].build(
                {"source": "in", "target": "out", "weight": weight}
            )
        },
        input="in",
        output="out",
    )
    evsim.run(network, np.float32([[0.5, 1.0]]), timesteps=1).save(path)


def test_weakest_evidence_is_of_what_counts(command, tmp_path):
    """Evidence of less than a twentieth of the total does not weaken it."""
    for pj, weakest in ((0.01, "published"), (100, "assumed")):
        text = RANGES.replace("pj = [1, 2]", f"pj = {pj}")
        (tmp_path / "w.toml").write_text(text)
        assert costs(command, "tiny.h5", "--chip", "w.toml")["w"]["weakest_evidence"] == weakest


@pytest.mark.parametrize("chip", CHIPS)
def test_evidence_and_source_are_with_every_price(command, chip):
    found = costs(command, "digits-conv.h5", "--chip", chip)[chip]
    prices = {", ".join(charge.action): charge for charge in Profile.read(find(chip)).prices}
    assert [row["price"] for row in found["prices"]] == list(prices)
    for row in found["prices"]:
        charge = prices[row["price"]]
        assert (row["source"], row["evidence"]) == (charge.source, charge.evidence)
        assert row["evidence"] in EVIDENCE


def all_positive(bias):
    """A network of analog neurons in which everybody has something to send, and its image."""
    kinds, sets = evsim.neuron_kinds(), evsim.synapse_kinds()
    weight = np.float32(np.random.default_rng(1).uniform(0.1, 1, (3, 3, 2, 4)))
    rest = {"bias": np.float32([0.5, 1, 2, 4])} if bias else {}
    network = evsim.Network(
        {
            "in": kinds["input"].build({"shape": (5, 4, 2)}),
            "a": kinds["analog"].build({"shape": (5, 4, 4), **rest}),
            "b": kinds["analog"].build({"shape": (5, 4, 4)}),
            "out": kinds["readout"].build({"shape": (3,)}),
        },
        {
            "in-a": sets["conv"].build(
                {"source": "in", "target": "a", "padding": (1, 1, 1, 1), "weight": weight}
            ),
            "a-b": sets["conv"].build(
                {"source": "a", "target": "b", "weight": weight[:1, :1, :1]} | {"groups": 4}
            ),
            "in-b": sets["dense"].build(
                {"source": "in", "target": "b", "weight": np.ones((40, 80), np.float32)}
            ),
            "b-out": sets["dense"].build(
                {"source": "b", "target": "out", "weight": np.ones((80, 3), np.float32)}
            ),
        },
        input="in",
        output="out",
    )
    return network, np.float32(np.random.default_rng(2).uniform(0.1, 1, (1, 5, 4, 2)))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("accumulate", ["direct", "buffer", "register"])
@pytest.mark.parametrize("update", ["clock", "active"])
def test_the_artificial_network_is_one_of_rectifiers_run_once(tmp_path, bias, accumulate, update):
    """The engine on analog neurons that all send, one timestep, counts what is derived."""
    network, image = all_positive(bias)
    run = evsim.run(network, image, timesteps=1)
    run.save(tmp_path / "r.h5")
    parts = result.load(tmp_path / "r.h5").parts
    ran = run.counts(accumulate=accumulate, update=update)
    found = artificial(parts, "exact", Machine(accumulate, update))
    assert found["parts"] == ran["parts"]
    assert found["updates"] == {
        name: done | {"active_update": sum(done.values()), "idle_update": 0}
        for name, done in ran["updates"].items()
    }
    full = artificial(parts, "nominal", Machine(accumulate, update))
    assert full["total"]["synaptic_mac"] == sum(set_["macs"] for set_ in ran["nominal"].values())


def test_a_pool_that_overlaps_is_nominal_in_both_networks(tmp_path):
    kinds, sets = evsim.neuron_kinds(), evsim.synapse_kinds()
    network = evsim.Network(
        {
            "in": kinds["input"].build({"shape": (5, 5, 1)}),
            "out": kinds["readout"].build({"shape": (2, 2, 1)}),
        },
        {
            "in-out": sets["pool"].build(
                {"source": "in", "target": "out", "kernel": (3, 3), "stride": (2, 2)}
            )
        },
        input="in",
        output="out",
    )
    columns = [0] * 25, [0] * 25, list(range(25)), [1.0] * 25
    events = evsim.Events(*map(np.array, columns), shape=(5, 5, 1), samples=1, timesteps=1)
    run = evsim.run(network, events, timesteps=1)
    run.save(tmp_path / "r.h5")
    parts = result.load(tmp_path / "r.h5").parts
    for counted, additions in (("exact", 4 * 9), ("nominal", 25)):
        found = artificial(parts, counted, Machine())["total"]
        assert (found["synaptic_add"], found["synaptic_mac"]) == (additions, 0)
    nominal = run.counts()["nominal"]["in-out"]["synops"]
    assert (run.counts()["total"]["synaptic_add"], nominal) == (36, 25)
