"""`evsim compare`: costs, energy, matched accuracy and the picture, held against single runs."""

import json
import shutil

import h5py
import numpy as np
import pytest
from support import files

import evsim
from evsim.base.shipped import shipped
from evsim.chip.prices import DEFAULT, Profile, find, price
from evsim.counting.machine import Machine
from evsim.studies.compare import Comparison, reached, settled

SAMPLES = 40
NAMES = ("digits-conv", "digits-dense")
LINE = ("compare", "digits-conv.h5", "digits-dense.h5", "d.h5", "-T", "24", "--samples", ":40")
DEAR = """schema = "evsim-hw/1"
[[charge]]
action = "synaptic_add"
pj = 1000000
source = "made up"
evidence = "assumed"
"""


@pytest.fixture
def command(inside, command):
    """Commands among the shipped networks."""
    for name in NAMES:
        shutil.copy(shipped("networks") / f"{name}.h5", inside)
    shutil.copy(shipped("data") / "digits_test.h5", inside / "d.h5")
    (inside / "dear.toml").write_text(DEAR)
    return command


def compared(command, *options):
    """What `compare --json` prints."""
    status, out, err = command(*LINE, *options, "--json")
    assert status == 0, err
    return json.loads(out)


def alone(command, name, *options):
    """What `run --json` prints of one of the networks."""
    line = ("run", f"{name}.h5", "d.h5", "--samples", ":40", *options)
    return json.loads(command(*line, "--json")[1])


@pytest.mark.parametrize(
    ("by_timestep", "first"),
    [
        ([0.1, 0.9, 0.9], 2),
        ([0.9, 0.1, 0.9], 3),
        ([0.895, 0.905, 0.9], 1),
        ([0.894, 0.905, 0.9], 2),
        ([0.9, 0.8999, 0.906, 0.9], 4),
        ([0.5], 1),
    ],
)
def test_the_timestep_from_which_on_accuracy_is_the_final_one(by_timestep, first):
    assert settled(np.array(by_timestep)) == first


def test_the_timestep_that_first_reaches_an_accuracy():
    by_timestep = np.array([0.1, 0.5, 0.4, 0.9])
    assert [reached(by_timestep, a) for a in (0, 0.5, 0.6, 0.9, 0.95)] == [1, 2, 4, 4, None]


def test_every_column_is_what_its_network_costs_alone(command):
    found = compared(command)
    profile = Profile.read(find(DEFAULT))
    assert found["profile"] == DEFAULT
    for name, row in zip(NAMES, found["networks"], strict=True):
        run = alone(command, name, "-T", "24")
        counts = run["counts"]
        assert row["additions"] == counts["total"]["additions"] / SAMPLES
        assert row["most_weight_reads"] == counts["accesses_per_synapse"]["M1"]["max"]
        assert row["peak"] == max(f["peak"] for f in run["work"].values() if "peak" in f)
        network = evsim.load(f"{name}.h5")
        inside = set(network.populations) - {network.input, network.output}
        neurons = sum(network.populations[p].neurons for p in inside)
        spikes = sum(run["work"][p]["spikes"] for p in inside)
        assert row["spikes_per_neuron"] == pytest.approx(spikes / SAMPLES / neurons)
        energy = price(counts, profile)["total"] / SAMPLES / 1e6
        assert row["energy_uj"] == pytest.approx(energy, rel=1e-12)
        for of in ("action", "part", "evidence"):
            assert sum(row[f"energy_uj_by_{of}"].values()) == pytest.approx(energy, rel=1e-12)
        assert row["unpriced"] == []
        by_timestep = np.array(row["accuracy_by_timestep"])
        assert row["timesteps_to_final"] == settled(by_timestep)
        best = max(other["accuracy"] for other in found["networks"])
        assert row["timesteps_to_best"] == reached(by_timestep, best - 0.005)
        first = found["networks"][0]
        for cost in ("additions", "M1", "M2", "M3", "energy_uj", "timesteps"):
            assert row["relative"][cost] == row[cost] / first[cost]


def test_matched_accuracy_is_counted_by_running_again(command):
    found = compared(command)
    target = found["networks"][0]["accuracy"] - 0.005
    assert found["matched_accuracy"] == target
    first = found["networks"][0]["matched"]
    for name, row in zip(NAMES, found["networks"], strict=True):
        matched = row["matched"]
        timesteps = reached(np.array(row["accuracy_by_timestep"]), target)
        assert (matched["counted"], matched["timesteps"]) == ("run again", timesteps)
        assert timesteps < 24
        run = alone(command, name, "-T", str(timesteps))
        assert matched["accuracy"] == run["accuracy"] >= target
        accesses = run["counts"]["total"]["memory_accesses"]
        for view in ("M1", "M2", "M3"):
            assert matched[view] == accesses[view] / SAMPLES
            assert matched["relative"][view] == matched[view] / first[view]
        assert [run["timesteps"] for run in row["runs"]] == [timesteps, 24]
        assert row["runs"][0]["M1"] == matched["M1"]


def test_a_network_with_a_window_is_not_shortened(command):
    with h5py.File("digits-dense.h5", "r+") as file:
        file.attrs["window"] = 8
    row = compared(command, "--picture", "p.png")["networks"][1]
    assert row["matched"]["counted"] == "whole run, not to be shortened"
    assert row["matched"]["additions"] == row["additions"]
    assert [run["timesteps"] for run in row["runs"]] == [24]


def added(data, *networks):
    """A comparison of networks over a few samples, not finished."""
    profile = Profile.read(find(DEFAULT))
    how = {"jobs": 1, "memory": 1 << 28, "quiet": True}
    found = Comparison(data, ":40", vars(Machine()), profile, **how)
    for name in networks:
        found.add(evsim.load(f"{name}.h5"), timesteps=24)
    return found


def test_a_result_that_depends_on_the_number_of_timesteps_is_taken_whole(command):
    with evsim.open_data("d.h5") as data:
        found = added(data, *NAMES)
        found.columns[1].decisions.begins = None  # nobody asks it, but the shorter run:
        found.columns[1].decisions.digests.reverse()
        found.finish(curves=True)
    one, other = (column.row for column in found.columns)
    assert one["matched"]["counted"] == "run again"
    assert other["matched"]["counted"] == "whole run, not to be shortened"
    assert (other["matched"]["timesteps"], len(other["runs"])) == (24, 1)


def test_an_accuracy_that_is_not_reached_is_said(command):
    with h5py.File("digits-dense.h5", "r+") as file:
        name = next(n for n, s in file["synapses"].items() if s.attrs["target"] == "output")
        file[f"synapses/{name}/weight"][:] *= 0
    row = compared(command)["networks"][1]
    assert row["matched"]["counted"] == "not reached"
    assert row["matched"]["timesteps"] is row["matched"]["relative"] is None
    assert row["timesteps_to_best"] is None
    assert "never" in command(*LINE)[1]


def test_energy_is_a_lower_bound_where_a_price_is_open(command):
    found = compared(command, "--coding", "poisson")
    assert [row["unpriced"] for row in found["networks"]] == [["random_draw"]] * 2
    assert found["networks"][1]["relative"]["energy_uj"] is None
    assert found["networks"][1]["relative"]["additions"] > 0
    out = command(*LINE, "--coding", "poisson")[1]
    assert "at least" in out
    assert "digits-dense: no price for random_draw" in out
    assert "at least" not in command(*LINE)[1]


def test_prices_of_ones_own_change_energy_alone(command):
    plain, dear = compared(command), compared(command, "--prices", "dear.toml")
    for one, other in zip(plain["networks"], dear["networks"], strict=True):
        assert other["energy_uj"] == pytest.approx(other["synops"])  # 1 uJ an addition
        assert "weight_read" in other["unpriced"]
        for name in ("additions", "M1", "M2", "M3", "spikes", "predictions"):
            assert one[name] == other[name]
    assert dear["profile"] == "dear"


def test_a_bad_profile_is_one_line_and_nothing_runs(command, tmp_path):
    (tmp_path / "dear.toml").write_text(DEAR.replace("pj = 1000000", "pj = -1"))
    status, out, err = command(*LINE, "--prices", "dear.toml", "--picture", "p.png")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "dear.toml: charge[0]/pj: found -1" in err
    assert not (tmp_path / "p.png").exists()


def test_the_picture_has_two_panels_and_every_network(command, tmp_path):
    from matplotlib.image import imread

    found = compared(command, "--picture", "p.png")
    assert [run["timesteps"] for run in found["networks"][1]["runs"]][-4:] == [3, 6, 12, 24]
    pixels = imread(tmp_path / "p.png")[:, :, :3]
    assert pixels.shape == (520, 1200, 3)
    for half in (pixels[:440, :600], pixels[:440, 600:]):  # without the legend
        for colour in ((0x1F, 0x77, 0xB4), (0xFF, 0x7F, 0x0E)):  # of the first and second line
            near = np.abs(half - np.array(colour) / 255).max(axis=-1) < 0.02
            assert near.sum() > 50


def test_events_that_a_shorter_run_leaves_out_are_not_complained_of(command):
    files.network("n.h5")
    files.events("e.h5")
    status, out, err = command("compare", "n.h5", "n.h5", "e.h5", "--json", "--picture", "p.png")
    assert (status, err) == (0, "")
    for row in json.loads(out)["networks"]:
        assert [run["timesteps"] for run in row["runs"]] == [1, 2, 5, 10, 20]
    assert "events at or after timestep 3 " in command("compare", "n.h5", "e.h5", "-T", "3")[2]


def test_one_timestep_without_a_spike_is_drawn_too(command, tmp_path):
    with h5py.File("d.h5", "r+") as file:
        file["images"][...] = 0
    line = ("compare", "digits-dense.h5", "digits-dense.h5", "d.h5", "-T", "1", "--quiet")
    assert command(*line, "--coding", "poisson", "--picture", "p.png") == (0, "", "")
    assert (tmp_path / "p.png").exists()


def test_without_labels_there_is_no_accuracy_to_match_or_draw(command):
    with h5py.File("d.h5", "r+") as file:
        del file["labels"]
    found = compared(command)
    assert found["matched_accuracy"] is None
    assert found["networks"][1]["relative"]["additions"] > 0
    assert found["networks"][1]["matched"] is None
    assert command(*LINE)[0] == 0
    status, out, err = command(*LINE, "--picture", "p.png")
    assert (status, out) == (2, "")
    assert "--picture: found no labels" in err
