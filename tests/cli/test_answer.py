"""evsim check answers first: one sentence, the cause, the remedy; also without data."""

import json

import pytest

from evsim.base.shipped import shipped
from evsim.chip.fits import Finding
from evsim.chip.profile import shipped as chips
from evsim.reports.answer import BROKEN, CAPACITY, answer, times

CONV, DENSE = (str(shipped("networks") / f"digits-{name}.h5") for name in ("conv", "dense"))
DIGITS = str(shipped("data") / "digits_test.h5")
FITS = Finding("cores", True, 3, 128, 125)
MEMORY = Finding("synapse bits of a core", False, 4_300_800, 1_048_576, -3_252_224, "core 47")
INPUTS = Finding("in axons of a core", False, 300, 256, -44, "core 2")
FLOATS = Finding("weights", False, "float32", "8 bits", None, "in-a")
CLAIM = Finding("accuracy >= 0.9", False, 0.88, 0.9, -0.02, "claim")

pytestmark = pytest.mark.usefixtures("inside")


def test_the_answer_begins_with_what_exceeds_most():
    found = answer([FITS, FLOATS, INPUTS, MEMORY, CLAIM, FLOATS])
    expected = (
        "does not fit: core 47 needs 4.1 times its synapse memory (4,300,800, it has 1,048,576)"
    )
    assert found.verdict == expected
    assert "`placing=balanced`" in found.remedy
    assert found.also == ["weights (2 times)", "in axons of a core", "accuracy >= 0.9"]


def test_what_fits_says_so():
    unknown = Finding("fan in", None, 4, None)
    found = answer([FITS, unknown])
    assert found.verdict == "fits: the one assumption holds that can be checked"
    assert (found.remedy, found.also) == ("", [])


def test_what_fits_and_still_breaks():
    found = answer([FITS, FLOATS])
    assert found.verdict == "does not hold: weights are float32, where the chip has 8 bits (in-a)"
    assert "evsim quantize" in found.remedy
    found = answer([FITS, CLAIM])
    assert found.verdict == "does not hold: the claim 'accuracy >= 0.9' is missed: 0.88, not 0.9"
    queue = Finding("queue main", False, 61, 32, -29, "sample 9, timestep 1")
    expected = "queue main meets up to 61 events at once, and room for 32 (sample 9, timestep 1)"
    assert answer([queue]).verdict == f"does not hold: {expected}"
    memory = Finding("memory weights, KiB", False, 66.0, 33.0, -33.0)
    assert "the network needs 2.0 times the memory weights" in answer([memory]).verdict


@pytest.mark.parametrize("name", [*CAPACITY, *BROKEN])
def test_every_assumption_has_a_cause_and_a_remedy(name):
    found = answer([Finding(name, False, 10, 5, -5, "core 1")])
    assert "claim" not in found.verdict
    assert "{" not in found.verdict
    assert found.remedy


def test_how_many_times():
    assert [times(n) for n in (4.13, 1.06, 1.004, 1234.5)] == [
        *("4.1 times", "1.1 times", "100.40 % of", "1,234.5 times")
    ]


def test_a_check_without_data_tells_what_a_run_need_not(command):
    status, out, err = command("check", CONV, "--chip", "truenorth")
    assert (status, err) == (1, "")
    assert (
        out.splitlines()[0] == "does not fit: core 6 needs 4.0 times its inputs (1,024, it has 256)"
    )
    assert "remedy: fewer neurons on a core: --placing balanced" in out
    assert "-: not decided" in out
    assert "not checked without data: queues, potentials, time, energy and claims" in out
    words = "--chip", "truenorth", "--json"
    whole = json.loads(command("check", DENSE, DIGITS, "--samples", ":1", "-T", 1, *words)[1])
    found = json.loads(command("check", DENSE, *words)[1])
    assert set(found) == set(whole)
    assert found["data"] is None
    assert found["findings"] == whole["findings"][: len(found["findings"])]
    assert set(found["answer"]) == {"verdict", "remedy", "also"}


@pytest.mark.parametrize(
    "words",
    ["--samples :3", "-T 4", "--coding poisson", "--seed 1", "--jobs 1", "--keep f", "--claim a<1",
     "--cluster local"],
)  # fmt: skip
def test_what_needs_data_says_so(words, command):
    option, value = words.split(" ", 1)
    status, out, err = command("check", CONV, "--chip", "loihi", option, value)
    option = {"-T": "--timesteps"}.get(option, option)
    assert (status, out) == (2, "")
    assert err == f"evsim: {option}: found no data, expected DATA, which comes second\n"


@pytest.mark.parametrize("chip", [n for n in chips() if n not in ("odin",) and "horow" not in n])
@pytest.mark.parametrize(
    "network", [pytest.param(CONV, marks=pytest.mark.slow), DENSE], ids=["conv", "dense"]
)
def test_what_quantize_made_for_a_chip_is_not_broken_there(chip, network, command):
    status, _, err = command("quantize", network, "-o", "q.h5", "--chip", chip, "--quiet")
    assert (status, err) == (0, "")
    _, out, _ = command("check", "q.h5", DIGITS, "--chip", chip, "--samples", ":5", "--json")
    broken = {f["assumption"] for f in json.loads(out)["findings"] if f["holds"] is False}
    settled = {"weights", "threshold", "compare", "potentials", "sums beyond their width"}
    assert not broken & settled, broken


def test_quantize_says_what_check_will_call_broken(command):
    line = ["quantize", DENSE, "-o", "q.h5", "--chip", "odin", "--overwrite"]
    assert command(*line)[0] == 2
    status, out, _ = command(*line, "--bits", 4)
    assert status == 0
    assert "weights of 4 bits with a sign; odin has 3 bits, unsigned: evsim check calls" in out
    assert "neurons fire where v >= threshold, as the chip's do" in out
    found = json.loads(command(*line, "--bits", 4, "--json")[1])
    assert (found["compare"], len(found["notes"])) == ("ge", 1)


def test_thresholds_stay_within_those_of_the_chip(command, tmp_path):
    (tmp_path / "low.toml").write_text(
        'schema = "evsim-hw/1"\n[numeric.weight]\nbits = 8\nsigned = true\n'
        "[numeric.membrane]\nbits = 16\nsigned = true\noverflow = 'saturate'\nat = 'commit'\n"
        "[numeric.threshold]\nbits = 5\nsigned = false\n"
    )
    assert command("quantize", DENSE, "-o", "q.h5", "--chip", "low.toml", "--quiet")[0] == 0
    found = json.loads(command("check", "q.h5", "--chip", "low.toml", "--json")[1])
    rows = [f for f in found["findings"] if f["assumption"] == "threshold"]
    assert rows
    assert all(f["holds"] and f["measured"] <= 31 for f in rows)
