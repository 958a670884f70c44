"""Hardware profiles: the chips that are shipped, round trips, ranges, and mistakes in files."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evsim.base.errors import EvsimError
from evsim.chip import profile
from evsim.chip.prices import price
from evsim.chip.profile import EVIDENCE, Profile, find
from evsim.chip.profile.amounts import added, quotient, times
from evsim.chip.profile.records import Record, Sourced
from evsim.counting.machine import ACTIONS, UPDATES

CHIPS = sorted(path.stem for path in Path(profile.__file__).parent.glob("*.toml"))
COUNTED = {  # the actions of the page on counting
    "event_pop", "event_push", "synaptic_add", "synaptic_mac", "weight_read", "index_read",
    "current_read", "current_write", "potential_read", "potential_write", "commit_add",
    "bias_read", "bias_add", "compare", "leak", "reset_subtract", "reset_write", "random_draw",
    "slope_read", "slope_write", "slope_add",
}  # fmt: skip
PREDICTED = {"prediction_multiply", "prediction_add"}  # ours
PREDICTED |= {"state_read", "state_write", "state_multiply", "state_add"}  # of a kind of its own
NEURON = {"potential_read", "potential_write", "compare", "bias_read", "bias_add", "commit_add"}
NEURON |= {"current_read", "current_write", "leak"}
GOOD = """schema = "evsim-hw/1"
name = "mine"
open = ["the network on the chip"]

[machine]
accumulate = "buffer"
update = "clock"

[numeric.membrane]
bits = 8
signed = false
overflow = "saturate"
at = "each_add"
source = "page 1"
evidence = "measured"

[schedule]
update = "clock"
order = ["integrate", "leak", "compare", "reset"]
events = "source"
compare = "ge"

[[queue]]
name = "spikes"
depth = 16
policy = "drop_new"
scope = "core"

[capacity]
cores = 4
fan_in = 256

[time]
clock_hz = 1e8
lanes = 8

[time.cycles]
synapse = 1
barrier = [10, 20]

[[memory]]
name = "weights"
holds = ["weight"]
size_kib = 64
word_bits = 32
read_pj = [1, 3]
leakage_mw = 0.5
source = "page 2"
evidence = "simulated"

[[charge]]
action = "synaptic_add"
pj = 2
source = "page 3"
evidence = "published"

[[charge]]
action = "active_update"
pj = [10, 12]
includes = ["potential_read", "potential_write", "compare"]
source = "page 4"
evidence = "assumed"
"""


def read(folder, text):
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return Profile.read(path)


def error(folder, text):
    """The line that a profile with a mistake gives."""
    with pytest.raises(EvsimError) as caught:
        read(folder, text)
    line = str(caught.value)
    assert line.startswith(f"{folder / 'mine.toml'}: ")
    assert "\n" not in line
    return line


def changed(old, new):
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


def plain(value):
    """A record as TOML would hold it: nothing of what it does not say."""
    if isinstance(value, Record):
        named = {f.metadata["key"] or f.name: getattr(value, f.name) for f in fields(value)}
        found = {key: plain(one) for key, one in named.items() if one is not None}
        return {key: one for key, one in found.items() if one not in ({}, [])}
    return [plain(one) for one in value] if isinstance(value, tuple) else value


def toml(value):
    """TOML text of what `plain` gives, in inline tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)


def counted(**parts):
    """Counts as a run gives them: actions and updates of each part."""
    every = {
        part: dict.fromkeys(ACTIONS, 0) | {a: n for a, n in done.items() if a in ACTIONS}
        for part, done in parts.items()
    }
    updates = {
        part: dict.fromkeys(UPDATES, 0) | {a: n for a, n in done.items() if a in UPDATES}
        for part, done in parts.items()
    }
    return {"parts": every, "updates": updates}


def test_actions_are_those_of_the_page_on_counting():
    assert set(ACTIONS) == COUNTED | PREDICTED
    assert set(UPDATES) == {"active_update", "idle_update"}


def test_chips_that_are_shipped():
    chips = {"horowitz-45nm", "horowitz-45nm-int32", "loihi", "truenorth", "odin", "spinalflow"}
    assert set(CHIPS) == chips


@pytest.mark.parametrize("chip", CHIPS)
def test_a_shipped_profile_says_where_all_its_numbers_stand(chip):
    profile = Profile.read(find(chip, "--chip"))
    assert profile.name == chip
    assert profile.title != chip

    def visit(record, told):
        said = isinstance(record, Sourced) and record.source and record.evidence in EVIDENCE
        told = bool(told or said or getattr(record, "pj", None) is not None)
        for one in fields(record):
            value = getattr(record, one.name)
            for inner in value if isinstance(value, tuple) else (value,):
                if isinstance(inner, Record):
                    visit(inner, told)
                elif isinstance(inner, int | float) and value != one.default:
                    assert told, f"{type(record).__name__}.{one.name} has no source"

    visit(profile, False)
    for charge in profile.prices:
        assert charge.source
        assert charge.evidence in EVIDENCE
        assert set(charge.action) | set(charge.includes) <= COUNTED | PREDICTED | set(UPDATES)


@pytest.mark.parametrize("chip", CHIPS)
def test_a_profile_written_again_means_the_same(chip, tmp_path):
    profile = Profile.read(find(chip))
    again = "\n".join(f"{key} = {toml(value)}" for key, value in plain(profile).items())
    assert read(tmp_path, again) == profile


def test_what_is_written_is_what_is_read(tmp_path):
    profile = read(tmp_path, GOOD)
    again = "\n".join(f"{key} = {toml(value)}" for key, value in plain(profile).items())
    assert read(tmp_path, again) == profile
    membrane, queue, memory = profile.numeric.membrane, profile.queues[0], profile.memories[0]
    assert (membrane.least, membrane.most, membrane.overflow, membrane.at) == (
        0, 255, "saturate", "each_add",
    )  # fmt: skip
    assert (queue.depth, queue.policy, queue.scope) == (16, "drop_new", "core")
    assert (profile.capacity.cores, profile.capacity.delay) == (4, None)
    assert (profile.time.clock_hz, profile.time.cycles.barrier) == (1e8, (10, 20))
    assert (memory.read_pj, memory.size_kib, memory.write_pj) == ((1, 3), 64, None)
    assert profile.numeric.weight is None
    assert profile.left_out == ("the network on the chip", "leakage of memory weights")


@pytest.mark.parametrize(
    ("bits", "signed", "least", "most"),
    [(8, True, -128, 127), (8, False, 0, 255), (1, True, -1, 0), (24, True, -8388608, 8388607)],
)
def test_ends_of_a_format(bits, signed, least, most, tmp_path):
    text = changed("bits = 8\nsigned = false", f"bits = {bits}\nsigned = {str(signed).lower()}")
    membrane = read(tmp_path, text).numeric.membrane
    assert (membrane.least, membrane.most) == (least, most)


@pytest.mark.parametrize(
    ("chip", "prices"),
    [
        (
            "loihi",
            {"synaptic_add": 23.6, "active_update": 81, "idle_update": 52, "event_push": 1.7},
        ),
        ("truenorth", {"synaptic_add": 26}),
        ("odin", {"synaptic_add": 12.7}),
        ("spinalflow", {"synaptic_add": 0.1}),
    ],
)
def test_prices_of_the_chips(chip, prices):
    profile = Profile.read(find(chip))
    assert {name: charge.pj for charge in profile.prices for name in charge.action} == prices


def test_structures_of_the_chips():
    loihi, truenorth, odin, spinalflow = (
        Profile.read(find(name)) for name in ("loihi", "truenorth", "odin", "spinalflow")
    )
    for chip, weight, membrane, overflow, at in (
        (loihi, 8, 24, "saturate", "commit"),
        (truenorth, 9, 20, "saturate", "commit"),
        (odin, 3, 8, "saturate", "each_add"),
        (spinalflow, 8, 32, "error", "each_add"),
    ):
        said = chip.numeric.membrane
        assert (chip.numeric.weight.bits, said.bits) == (weight, membrane)
        assert (said.overflow, said.at) == (overflow, at)
    assert (loihi.numeric.accumulator.bits, loihi.numeric.accumulator.overflow) == (22, "wrap")
    assert (odin.numeric.weight.signed, odin.numeric.membrane.signed) == (False, False)
    assert [chip.schedule.compare for chip in (loihi, truenorth, odin)] == ["gt", "ge", "ge"]
    assert [chip.schedule.update for chip in (loihi, truenorth, odin, spinalflow)] == [
        "clock", "clock", "per_event", "per_event",
    ]  # fmt: skip
    queues = [(queue.depth, queue.policy) for chip in (loihi, odin, spinalflow)
              for queue in chip.queues]  # fmt: skip
    assert queues == [(50, "drop_new"), (32, "drop_new"), (2048, "error"), (1024, "stall")]
    policies = [queue.policies for chip in (loihi, odin) for queue in chip.queues]
    assert policies == [("drop_new",), ("stall", "drop_new")]
    assert (loihi.capacity.cores, loihi.capacity.synapse_bits_per_core) == (128, 128 * 1024 * 8)
    assert (odin.capacity.cores, odin.capacity.synapse_bits_per_core) == (1, 256 * 256 * 4)
    assert {memory.name: memory.size_kib for memory in odin.memories} == {
        "synapse": 32,
        "neuron": 4,
    }
    assert spinalflow.memories[0].size_kib * 1024 == 4608 * 128
    assert (loihi.time.ns.synapse, loihi.time.ns.barrier) == (3.5, (113, 465))
    assert (odin.time.cycles.event, odin.time.cycles.push) == (512, 1)
    assert (spinalflow.time.clock_hz, spinalflow.time.lanes) == (200e6, 128)
    assert all("memory" in chip.time.source for chip in (truenorth, spinalflow))
    assert loihi.time.clock_hz is odin.time.clock_hz is truenorth.numeric.threshold is None


def test_ranges_add_up_by_hand(tmp_path):
    profile = read(tmp_path, GOOD)
    counts = counted(
        s={"synaptic_add": 10, "weight_read": 10, "event_pop": 4},
        a={"active_update": 3, "idle_update": 2, "potential_read": 5, "compare": 5},
    )
    found = price(counts, profile)
    assert found["actions"] == {"synaptic_add": 20, "active_update": (30, 36),
                                "weight_read": (10, 30)}  # fmt: skip
    assert found["total"] == (60, 86)
    assert found["parts"] == {"s": (30, 50), "a": (30, 36)}
    assert found["evidence"] == dict.fromkeys(EVIDENCE, 0) | {
        "published": 20, "assumed": (30, 36), "simulated": (10, 30),
    }  # fmt: skip
    assert found["unpriced"] == {"event_pop": 4, "idle_update": 2}
    assert found["lower_bound"]
    assert found["left_out"] == ["the network on the chip", "leakage of memory weights"]


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("action", sorted(COUNTED))
def test_what_has_no_price_is_listed_and_the_total_a_lower_bound(chip, action):
    profile = Profile.read(find(chip))
    found = price(counted(p={action: 7}), profile)
    own = [charge.pj for charge in profile.prices if action in charge.action]
    assert found["total"] == (7 * own[0] if own else 0)
    assert found["unpriced"] == ({} if own else {action: 7})
    assert found["lower_bound"] == (not own or bool(profile.open))


def test_loihi_pays_neurons_by_the_update_and_sets_by_the_addition():
    profile = Profile.read(find("loihi"))
    neurons = {"active_update": 3, "idle_update": 5} | dict.fromkeys(NEURON, 8)
    a_set = {"synaptic_add": 4, "weight_read": 4, "current_read": 4, "current_write": 4}
    found = price(counted(a=neurons, s=a_set), profile)
    assert found["total"] == pytest.approx(3 * 81 + 5 * 52 + 4 * 23.6)
    assert found["unpriced"] == {}


def test_an_all_in_price_pays_everywhere_once_it_is_paid():
    profile = Profile.read(find("truenorth"))
    neurons = {"active_update": 3, "idle_update": 5} | dict.fromkeys(NEURON, 8)
    found = price(counted(a=neurons, s={"synaptic_add": 4, "weight_read": 4}), profile)
    assert (found["total"], found["unpriced"], found["lower_bound"]) == (104, {}, False)
    silent = price(counted(a=neurons, s={}), profile)
    assert silent["total"] == 0
    assert silent["unpriced"].keys() == NEURON | set(UPDATES)


CHARGE = '\n[[charge]]\naction = {}\npj = 1\nsource = "page 9"\nevidence = "assumed"\n'


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        # unknown keys, the nearest is named
        ("[machine]", "[machin]", "found unknown key 'machin', expected one of schema"),
        ("[machine]", "[machin]", "did you mean 'machine'?"),
        ("accumulate =", "acumulate =", "machine: found unknown key 'acumulate'"),
        ("accumulate =", "acumulate =", "did you mean 'accumulate'?"),
        ("[numeric.membrane]", "[numeric.membranes]", "did you mean 'membrane'?"),
        ("overflow =", "overflows =", "numeric/membrane: found unknown key 'overflows'"),
        ("order =", "ordr =", "schedule: found unknown key 'ordr'"),
        ("policy =", "polcy =", "queue[0]: found unknown key 'polcy'"),
        ("fan_in =", "fanin =", "did you mean 'fan_in'?"),
        ("lanes =", "lane =", "did you mean 'lanes'?"),
        ("synapse = 1", "synapses = 1", "time/cycles: found unknown key 'synapses'"),
        ("holds =", "hold =", "memory[0]: found unknown key 'hold'"),
        ("action = \"active_update\"", "actions = \"active_update\"", "charge[1]: found unknown"),
        # units
        ("clock_hz = 1e8", "clock = 1e8", "'clock' without a unit, expected 'clock_hz', in hertz"),
        ("clock_hz = 1e8", "clock_mhz = 1e8", "unknown key 'clock_mhz', expected 'clock_hz', in"),
        ("read_pj = [1, 3]", "read = [1, 3]", "'read' without a unit, expected 'read_pj', in pico"),
        ("size_kib = 64", "size = 64", "'size' without a unit, expected 'size_kib', in kibibyte"),
        ("size_kib = 64", "size_mib = 64", "expected 'size_kib', in kibibyte"),
        ("word_bits = 32", "word = 32", "'word' without a unit, expected 'word_bits', in bits"),
        ("leakage_mw = 0.5", "leakage = 1", "'leakage' without a unit, expected 'leakage_mw', in"),
        ("lanes = 8", "barrier = 8", "time: found 'barrier' without a unit, expected it in [time."),
        ("pj = 2\n", "", "charge[0]: missing field 'pj', in picojoule"),
        ("pj = 2", 'pj = "2 pJ"', "charge[0]/pj: found '2 pJ', expected a number from 0"),
        ("pj = 2", "nj = 2", "charge[0]: found unknown key 'nj'"),
        # amounts
        ("pj = 2", "pj = -2", "charge[0]/pj: found -2, expected a number from 0 to"),
        ("read_pj = [1, 3]", "read_pj = -1", "memory[0]/read_pj: found -1, expected a number"),
        ("read_pj = [1, 3]", "read_pj = [-1, 3]", "memory[0]/read_pj: found -1, expected a number"),
        ("read_pj = [1, 3]", "read_pj = [3, 1]", "found [3, 1], expected a range [low, high] with"),
        ("read_pj = [1, 3]", "read_pj = [1]", "found [1], expected a range [low, high], in pico"),
        ("read_pj = [1, 3]", "read_pj = [1, 2, 3]", "found [1, 2, 3], expected a range"),
        ("read_pj = [1, 3]", "read_pj = [1, nan]", "memory[0]/read_pj: found nan"),
        ("barrier = [10, 20]", "barrier = [20, 10]", "time/cycles/barrier: found [20, 10]"),
        ("barrier = [10, 20]", "barrier = -1", "time/cycles/barrier: found -1"),
        ("clock_hz = 1e8", "clock_hz = 0", "time/clock_hz: found 0, expected more than 0 hertz"),
        ("clock_hz = 1e8", "clock_hz = inf", "time/clock_hz: found inf"),
        ("size_kib = 64", "size_kib = -64", "memory[0]/size_kib: found -64"),
        # types
        ("bits = 8\n", "bits = 8.0\n", "numeric/membrane/bits: found 8.0, expected a whole number"),
        ("bits = 8\n", "bits = 0\n", "numeric/membrane/bits: found 0, expected a whole number of"),
        ("bits = 8\n", "bits = true\n", "numeric/membrane/bits: found True"),
        ("bits = 8\n", "", "numeric/membrane: missing field 'bits'"),
        ("signed = false", "signed = 0", "numeric/membrane/signed: found 0, expected true or"),
        ("depth = 16", "depth = 0", "queue[0]/depth: found 0, expected a whole number of at least"),
        ("depth = 16", 'depth = "16"', "queue[0]/depth: found '16', expected a whole number"),
        ("depth = 16\n", "", "queue[0]: missing field 'depth'"),
        ("cores = 4", "cores = -4", "capacity/cores: found -4"),
        ("[[queue]]", "[queue]", "queue: found {'name'"),
        ("[capacity]", "[[capacity]]", "capacity: found [{'cores'"),
        ('"the network on the chip"', "7", "open: found 7, expected a line of text"),
        ('open = ["the network on the chip"]', 'open = "all"', "open: found 'all', expected a"),
        # words
        ('policy = "drop_new"', 'policy = "drop"', "queue[0]/policy: found 'drop', expected"),
        ('policy = "drop_new"', 'policy = "drop_now"', "did you mean 'drop_new'?"),
        ('policy = "drop_new"', "policy = 1", "queue[0]/policy: found 1"),
        ('policy = "drop_new"\n', "", "queue[0]: missing field 'policy'"),
        ('scope = "core"', 'scope = "core"\ninput_policy = "wait"', "queue[0]/input_policy: found"),
        ('scope = "core"', 'scope = "core"\ninput_polcy = "stall"', "did you mean 'input_policy'"),
        ('scope = "core"', 'scope = "cores"', "did you mean 'core'?"),
        ('overflow = "saturate"', 'overflow = "saturated"', "did you mean 'saturate'?"),
        ('at = "each_add"', 'at = "each_addition"', "numeric/membrane/at: found 'each_addition'"),
        ('compare = "ge"', 'compare = ">="', "schedule/compare: found '>=', expected one of ge"),
        ('events = "source"', 'events = "sorce"', "did you mean 'source'?"),
        ('accumulate = "buffer"', 'accumulate = "bufer"', "did you mean 'buffer'?"),
        ('"integrate", "leak"', '"integrate", "leek"', "found 'leek', expected a step that"),
        ('"integrate", "leak"', '"leak", "leak"', "schedule/order: found 'leak' twice"),
        ('holds = ["weight"]', 'holds = ["weights"]', "memory[0]/holds: found 'weights', expect"),
        ('evidence = "simulated"', 'evidence = "simulatd"', "did you mean 'simulated'?"),
        ('"active_update"', '"active_updates"', "did you mean 'active_update'?"),
        ('"compare"]', '"compares"]', "charge[1]/includes: found 'compares'"),
        # sources
        ('source = "page 3"\n', "", "charge[0]: missing field 'source'"),
        ('evidence = "assumed"\n', "", "charge[1]: missing field 'evidence'"),
        ('source = "page 2"\n', "", "memory[0]: missing field 'source', of read_pj"),
        ('evidence = "simulated"\n', "", "memory[0]: missing field 'evidence', of read_pj"),
        # what is said twice
        ("lanes = 8", "lanes = 8\n[time.ns]\nsynapse = 2", "'synapse' is given twice: by cycles"),
        ("[capacity]", '[[queue]]\nname = "spikes"\ndepth = 1\npolicy = "stall"\nscope = "core"\n'
         "[capacity]", "queue[1]/name: found 'spikes' again, as queue[0], expected a name of its"),
        ("[[charge]]\naction = \"syn",
         '[[memory]]\nname = "weights"\nholds = ["bias"]\n[[charge]]\n'
         'action = "syn', "memory[1]/name: found 'weights' again, as memory[0]"),
        ("[[charge]]\naction = \"syn", '[[memory]]\nname = "more"\nholds = ["weight"]\n[[charge]]\n'
         'action = "syn', "'weight' is held twice: by memory[0] (weights) and by memory[1] (more)"),
        ('"integrate"', '"integrate', "no TOML"),
        ('schema = "evsim-hw/1"', "schema = 1", "schema: found 1, expected 'evsim-hw/1'"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_place_found_and_expected(old, new, expected, tmp_path):
    assert expected in error(tmp_path, changed(old, new))


@pytest.mark.parametrize(
    ("text", "first", "second", "action"),
    [
        (CHARGE.format('"synaptic_add"'), "charge[0].action", "charge[2].action", "synaptic_add"),
        (CHARGE.format('"compare"'), "charge[1].includes", "charge[2].action", "compare"),
        (CHARGE.format('"potential_read"'), "charge[1].includes", "charge[2].action",
         "potential_read"),
        (CHARGE.format('"weight_read"'), "charge[2].action", "memory[0] (weights).read_pj",
         "weight_read"),
        (CHARGE.format('"synaptic_mac"\nincludes = ["weight_read"]'), "charge[2].includes",
         "memory[0] (weights).read_pj", "weight_read"),
        (CHARGE.format('["leak", "compare"]'), "charge[1].includes", "charge[2].action", "compare"),
        (CHARGE.format('"event_push"\nincludes = ["compare"]'), "charge[1].includes",
         "charge[2].includes", "compare"),
        (CHARGE.format('["leak", "leak"]'), "charge[2].action", "charge[2].action", "leak"),
        (CHARGE.format('"leak"\nincludes = ["leak"]'), "charge[2].action", "charge[2].includes",
         "leak"),
        ('\n[[memory]]\nname = "state"\nholds = ["potential"]\nread_pj = 5\nsource = "page 7"\n'
         'evidence = "assumed"\n', "charge[1].includes", "memory[1] (state).read_pj",
         "potential_read"),
    ],
)  # fmt: skip
def test_charging_an_action_twice_names_both(text, first, second, action, tmp_path):
    line = error(tmp_path, GOOD + text)
    assert f"{action!r} is charged twice: by {first} and by {second}" in line


def test_an_all_in_price_stands_alone(tmp_path):
    alone = 'scope = "all_in"\nsource = "page 3"'
    line = error(tmp_path, changed('source = "page 3"', alone))
    assert "charge[0] is all_in, charge[1] charges as well" in line


def test_what_sets_and_neurons_include_does_not_meet(tmp_path):
    includes = 'includes = ["potential_read", "potential_write"]\nsource = "page 3"'
    profile = read(tmp_path, changed('source = "page 3"', includes))
    assert "potential_read" in profile.charges[0].includes
    assert "potential_read" in profile.charges[1].includes


@pytest.mark.parametrize("chip", CHIPS)
def test_no_line_of_a_chip_may_be_misspelt_or_have_another_type(chip, tmp_path):
    text = find(chip).read_text(encoding="utf-8")
    keys = list(re.finditer(r"^(\w+) = (.+)$", text, re.M))
    assert len(keys) > 20
    for match in keys:
        if match[2].endswith(("[", ",")):
            continue  # over several lines
        misspelt = text[: match.start()] + "x" + text[match.start() :]
        assert f"'x{match[1]}'" in error(tmp_path, misspelt) or match[1] == "schema"
        for value in ("-1", "{ }", "[[]]", "1979-05-27", "[true]"):
            other = text[: match.start(2)] + value + text[match.end(2) :]
            assert "found" in error(tmp_path, other)


@pytest.mark.slow
@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["name", "pj", "action", "bits", "membrane", "cycles", "pop", "depth", "holds"]), inner),
    max_leaves=8,
), st.sampled_from([one.metadata["key"] or one.name for one in fields(Profile)]))  # fmt: skip
def test_whatever_stands_in_a_table_is_read_or_an_error_of_one_line(value, key):
    try:
        Record.read.__func__(Profile, {key: value})
    except EvsimError as caught:
        line = str(caught)
    else:
        line = ""
    assert "\n" not in line


amounts = st.tuples(st.floats(0, 100), st.floats(0, 100)).map(
    lambda ends: min(ends) if ends[0] == ends[1] else (min(ends), max(ends))
)


@given(st.lists(st.tuples(amounts, st.floats(-50, 50), st.integers(0, 9), st.floats(0, 1)),
                min_size=1, max_size=5))  # fmt: skip
def test_intervals_hold_every_price_within(rows):
    """Totals and quotients at prices inside the ranges lie inside what is given."""
    prices = [row[0] for row in rows]
    over, under = [row[1] for row in rows], [row[2] for row in rows]
    ends = [one if isinstance(one, tuple) else (one, one) for one in prices]
    inside = [a + (b - a) * row[3] for (a, b), row in zip(ends, rows, strict=True)]
    total = added(times(one, n) for one, n in zip(prices, under, strict=True))
    exact = sum(one * n for one, n in zip(inside, under, strict=True))
    low, high = total if isinstance(total, tuple) else (total, total)
    assert low * (1 - 1e-12) <= exact <= high * (1 + 1e-12)
    found = quotient(over, under, prices)
    if found is None:
        assert sum(a * n for (a, _), n in zip(ends, under, strict=True)) <= 0
        return
    ratio = sum(p * n for p, n in zip(inside, over, strict=True)) / exact
    low, high = found if isinstance(found, tuple) else (found, found)
    slack = 1e-9 * sum(p * abs(n) for p, n in zip(inside, over, strict=True)) / exact
    assert low - slack <= ratio <= high + slack
