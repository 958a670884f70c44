"""Every function tells what its command tells, of paths and of objects."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.files import images
from support.places import ROOT
from support.torch_files import TOPOLOGY, safetensors, small

import evsim
from evsim.cli import translate

DIGITS = ROOT / "data" / "digits_test.h5"
NETWORK = ROOT / "networks" / "digits-dense.h5"
OTHER = ROOT / "networks" / "digits-conv.h5"
TIMED = ("seconds",)


def untimed(found):
    """What was found without how long it took."""
    if isinstance(found, dict):
        return {name: untimed(value) for name, value in found.items() if name not in TIMED}
    return [untimed(value) for value in found] if isinstance(found, list | tuple) else found


def same(function, line, command, status=0):
    """Whether a record has what a command prints, but for times."""
    ended, out, err = command(*line, "--json")
    assert ended == status, err
    told = json.loads(out)
    assert untimed(json.loads(json.dumps(function))) == untimed(told)
    return told


@pytest.fixture
def model(inside):
    """A small trainer's file, its topology, and images for it, in the working directory."""
    safetensors(inside / "m.safetensors", small())
    (inside / "t.toml").write_text(TOPOLOGY)
    shown = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 3), np.uint8)

    def change(file):
        for name, value in (("images", shown), ("labels", np.arange(30) % 10)):
            del file[name]
            file[name] = value

    images("i.h5", change)
    return {"topology": "t.toml"}


def test_run(command):
    run = evsim.run(NETWORK, DIGITS, samples=slice(5, 25), record="ranges", jobs=1)
    summary = run.summary(accumulate="buffer", update="active")
    line = ["run", NETWORK, DIGITS, "--samples", "5:25", "--accumulate", "buffer"]
    told = same(summary, [*line, "--update", "active"], command)
    assert told["accuracy"] == run.accuracy() == summary.accuracy
    network, data = evsim.load(NETWORK), evsim.open_data(DIGITS)
    with data:
        again = evsim.run(network, data.images[5:25], labels=data.labels[5:25], first_sample=5)
        same(
            untimed(again.summary()) | {k: told[k] for k in ("network", "data")}, line[:5], command
        )
    assert again.work["hidden1"]["spikes"].tolist() == run.work["hidden1"]["spikes"].tolist()


def test_conventions(command):
    found = evsim.run(NETWORK, DIGITS, samples=4, conventions="spikingjelly").summary()
    line = ["run", NETWORK, DIGITS, "--samples", "0:4", "--convention", "spikingjelly"]
    assert same(found, line, command)["convention"]["total"]


def test_ann_and_convert(model, command):
    read = evsim.read("m.safetensors", scale=100, mean=(0.1, 0.2, 0.3), **model)
    options = ["--topology", "t.toml", "--scale", "100", "--mean", "0.1,0.2,0.3"]
    told = same(evsim.ann(read, "i.h5", samples="3:20"), _ann(options, "3:20"), command)
    asked = {"scale": 100, "mean": [0.1, 0.2, 0.3], **model}
    assert evsim.ann("m.safetensors", "i.h5", samples="3:20", **asked) == told
    assert read.accuracy("i.h5", samples="3:20") == told["accuracy"]
    how = {"method": "max", "timesteps": 16, "per_channel": True}
    network = evsim.convert(read, calibrate="i.h5", out="ours.h5", **how)
    line = ["convert", "m.safetensors", "-o", "theirs.h5", *options, "--calibrate", "i.h5"]
    line += ["--method", "max", "-T", "16", "--per-channel"]
    same(translate.everywhere(network.made) | {"network": "theirs.h5"}, line, command)
    assert Path("ours.h5").read_bytes() == Path("theirs.h5").read_bytes()
    assert network.digest == evsim.load("theirs.h5").digest
    assert evsim.run(network, "i.h5").accuracy() == evsim.run("ours.h5", "i.h5").accuracy()


def _ann(options, samples):
    return ["ann", "m.safetensors", "i.h5", *options, "--samples", samples]


@pytest.mark.slow
def test_a_diagnosis(model, command):
    how = {"calibrate": "i.h5", "timesteps": 8, "diagnose": True, "picture": "d.png", **model}
    network = evsim.convert("m.safetensors", out="n.h5", **how)
    line = ["convert", "m.safetensors", "-o", "n.h5", "--topology", "t.toml", "--overwrite"]
    line += ["--calibrate", "i.h5", "-T", "8", "--diagnose", "--picture", "d.png"]
    same(translate.everywhere(network.made), line, command)


def test_quantize(command, inside):
    network = evsim.quantize(NETWORK, bits=6, potential_bits=16, data=DIGITS, samples=5)
    line = ["quantize", NETWORK, "-o", "q.h5", "--bits", "6", "--potential-bits", "16"]
    line += ["--data", DIGITS, "--samples", "0:5"]
    same({"network": "q.h5"} | network.made, line, command)
    assert network.digest == evsim.load("q.h5").digest
    chip = evsim.quantize(evsim.load(NETWORK), chip="loihi", out="c.h5")
    line = ["quantize", NETWORK, "-o", "c.h5", "--chip", "loihi", "--overwrite"]
    same(chip.made, line, command)


def test_check(command):
    claims = ["accuracy >= 0.9", "samples == 6"]
    found = evsim.check(NETWORK, DIGITS, chip="loihi", samples=6, claims=claims)
    line = ["check", NETWORK, DIGITS, "--chip", "loihi", "--samples", "0:6"]
    line += ["--claim", claims[0], "--claim", claims[1]]
    same(translate.everywhere(found), line, command, status=1)
    bare = evsim.check(NETWORK, chip="loihi")
    same(translate.everywhere(bare), ["check", NETWORK, "--chip", "loihi"], command, status=1)
    assert found.holds is False


def test_cost(command, inside):
    run = evsim.run(NETWORK, DIGITS, samples=6)
    run.save("r.h5")
    chips = ["loihi", "horowitz-45nm"]
    line = ["cost", "r.h5", "--chip", chips[0], "--chip", chips[1], "--accumulate", "direct"]
    told = same(evsim.cost("r.h5", chips, accumulate="direct"), line, command)
    for result in (run, evsim.load_result("r.h5")):
        assert (
            untimed(json.loads(json.dumps(evsim.cost(result, chips, accumulate="direct"))))["chips"]
            == (told["chips"])
        )


def test_compare(command):
    found = evsim.compare([NETWORK, OTHER], DIGITS, samples=8)
    line = ["compare", NETWORK, OTHER, DIGITS, "--samples", "0:8"]
    told = same(found, line, command)
    loaded = {"one": evsim.load(NETWORK), "other": evsim.load(OTHER)}
    rows = evsim.compare(loaded, DIGITS, samples=8).networks
    assert [row["network"] for row in rows] == ["one", "other"]
    assert [row["accuracy"] for row in rows] == [row["accuracy"] for row in told["networks"]]


def test_report(command, inside):
    run = evsim.run(NETWORK, DIGITS, samples=6, record=("spikes", "queues"))
    run.save("digits-dense.h5")
    page = evsim.report("digits-dense.h5", "ours.html")
    assert command("report", "digits-dense.h5", "-o", "theirs.html")[0] == 0
    text = Path("theirs.html").read_text("utf-8")
    assert page.html == text == Path("ours.html").read_text("utf-8")
    check = evsim.check(NETWORK, DIGITS, chip="loihi", samples=2)
    again = evsim.report([run, evsim.load_result("digits-dense.h5")], checks=check)
    again.save("both.html")
    assert "loihi" in again.html
    assert "<iframe" in again._repr_html_()


def test_info(command):
    same(evsim.info(NETWORK), ["info", NETWORK], command)


def test_a_drafted_definition(command, tmp_path):
    weights, ours, theirs = "networks/trained-digits.h5", tmp_path / "o.toml", tmp_path / "t.toml"
    found = evsim.info(weights, draft=ours)
    status, _, _ = command("info", weights, "--draft", theirs)
    assert (status, ours.read_text()) == (0, theirs.read_text())
    assert found["notes"][0].startswith("8 layers, of 6 something is guessed")
    with pytest.raises(evsim.EvsimError, match="draft: found"):
        evsim.info(weights, draft="layers.txt")


def test_a_stored_run_tells_what_it_told(command, inside):
    run = evsim.run(NETWORK, DIGITS, samples=slice(4, 10), record="spikes")
    run.save("r.h5")
    result, told = evsim.load_result("r.h5"), run.summary()
    found = result.summary()
    assert found == {name: value for name, value in told.items() if name in found}
    assert set(told) - set(found) == {"latency"}
    assert result.accuracy() == run.accuracy()
    for name, events in run.spikes.items():
        assert np.array_equal(events, result.spikes[name])
