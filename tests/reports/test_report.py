"""The page of stored runs: it holds what the results say, and nothing from anywhere else."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.files import changed, images, network_parts, put, write
from support.pages import Page

from evsim.chip import profile
from evsim.chip.prices import DEFAULT, Profile, find, microjoule, price
from evsim.chip.profile.amounts import high
from evsim.counting.facts import is_set
from evsim.counting.machine import ADDITIONS, M3
from evsim.formats import result
from evsim.reports import charts, recorded, svg
from evsim.reports.wording import three

HOSTILE = "<img src=x onerror=alert(1)>&\"'"


@pytest.fixture
def command(files, command):
    """Commands beside a network and data."""
    return command


@pytest.fixture
def stored(command):
    """A result with all that can be recorded."""
    assert command("run n.h5 d.h5 -T 9 --record spikes,queues --out r.h5 --quiet") == (0, "", "")
    return result.load("r.h5")


def numeral(number, digits=1):
    return f"{number:,.{digits}f}"


def test_a_page_needs_nothing_else(stored, command):
    assert command("report r.h5 -o p.html") == (0, "", "")
    page, text = Page("p.html"), Path("p.html").read_text()
    assert not {"script", "link", "img", "image", "iframe", "object", "embed", "base", "use"} & {
        *page.tags
    }
    names = {name for name, _ in page.attributes}
    assert not {n for n in names if n in ("src", "srcset", "data") or n.startswith("on")}
    linked = {value for name, value in page.attributes if name == "href"}
    assert {link.removeprefix("#") for link in linked} <= {*page.text}
    assert all(link.startswith("#") for link in linked)
    assert not re.search(r"https?:|url\(|@import|@font-face|//[a-z]", text)
    assert str(Path.cwd()) not in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert {"summary", "broken", "accuracy", "spikes", "work", "energy", "queues", "raster"} <= {
        *page.text
    }


def test_the_same_results_give_the_same_bytes(stored, command):
    assert command("report r.h5 -o p.html") == command("report r.h5 -o q.html") == (0, "", "")
    assert Path("p.html").read_bytes() == Path("q.html").read_bytes()


@pytest.mark.parametrize("machine", [{}, {"accumulate": "buffer", "update": "active"}])
def test_a_page_says_what_the_result_says(machine, stored, command):
    options = "".join(f" --{name} {value}" for name, value in machine.items())
    assert command(f"report r.h5 -o p.html{options}") == (0, "", "")
    page, counts, samples = Page("p.html"), stored.counts(**machine), 6
    total = counts["total"]
    rows = page.amounts("work")
    assert rows.keys() == {"Part", "total", *stored.parts}
    for name, done in counts["parts"].items():
        additions = sum(done[action] for action in ADDITIONS) / samples
        accesses = sum(done[action] for action in M3) / samples
        assert [rows[name][1], rows[name][4]] == [additions, accesses]
        assert rows[name][2] == done["weight_read"] / samples
    views = [total["memory_accesses"][view] / samples for view in ("M1", "M2", "M3")]
    assert rows["total"][1:5] == [total["additions"] / samples, *views]
    column = {view: 2 + k for k, view in enumerate(("M1", "M2", "M3"))}
    for view, place in column.items():
        mean = total["memory_accesses"][view] / samples
        assert sum(rows[name][place] for name in stored.parts) == pytest.approx(mean), view
    exact = page.amounts("summary")
    summary = {name.split(",")[0]: numbers for name, numbers in exact.items()}
    assert summary["Additions"] == [total["additions"] / samples]
    assert summary["M3:"] == [views[2]]


def test_spikes_and_rates(stored, command):
    assert command("report r.h5 -o p.html") == (0, "", "")
    rows = Page("p.html").rows("spikes")
    populations = {n: p for n, p in stored.parts.items() if not is_set(p) and n != "out"}
    assert rows.keys() == {"Population", *populations}
    for name, part in populations.items():
        neurons, spikes = part["neurons"], int(stored.work[name]["spikes"].sum())
        neurons_cell, spikes_cell, mean, highest, silent, _ = rows[name]
        assert neurons_cell == f"{neurons:,}"
        assert spikes_cell == three(spikes / 6)
        assert mean == numeral(100 * spikes / (6 * 9 * neurons), 2)
        if name == "in":  # graded, and not recorded
            continue
        with h5py.File("r.h5") as file:
            group = file[f"spikes/{name}"]
            pairs = np.stack([group["sample"][()], group["neuron"][()]], 1)
        sent = np.unique(pairs, axis=0, return_counts=True)[1]
        assert highest == numeral(100 * sent.max(initial=0) / 9, 2)
        assert silent == numeral(100 * (1 - sent.size / (6 * neurons)), 2)


def test_energy_by_action(stored, command):
    assert command("report r.h5 -o p.html") == (0, "", "")
    page, profile = Page("p.html"), Profile.read(find(DEFAULT))
    rows, priced = page.rows("energy"), price(stored.counts(), profile)
    total = rows.pop("total")
    assert total[1] == three(priced["total"] / 6000)
    assert page.amounts("energy")["total"][1] == microjoule(priced["total"], 6)
    rows.pop("Action")
    paid = {action.replace("_", " "): pj for action, pj in priced["actions"].items() if pj}
    assert rows.keys() == paid.keys()
    shares = []
    for name, cells in rows.items():
        action = name.replace(" ", "_")
        assert page.amounts("energy")[name][0] == stored.counts()["total"][action] / 6
        assert page.amounts("energy")[name][1] == microjoule(paid[name], 6)
        charge = next(c for c in profile.prices if action in c.action)
        assert cells[3] == charge.evidence
        assert charge.source in page.text["energy"]
        shares.append(float(cells[2]))
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.1 * len(shares))
    [energy] = [row for name, row in page.rows("summary").items() if name.startswith("Energy")]
    assert energy == [three(priced["total"] / 6000)]


@pytest.mark.parametrize("path", profile.shipped().values(), ids=profile.shipped())
def test_every_profile_prices_a_page(path, stored, command):
    assert command(f"report r.h5 -o p.html --prices {path.stem}") == (0, "", "")
    page, priced = Page("p.html"), price(stored.counts(), Profile.read(path))
    assert Profile.read(path).title in page.text["energy"]
    paid = [action for action, energy in priced["actions"].items() if high(energy)]
    assert len(page.rows("energy")) == 2 + len(paid)


def test_accuracy_queues_and_spikes_are_those_of_the_file(stored, command):
    with h5py.File("r.h5") as file:
        labels = file["labels"][()]
        right = (file["predictions_by_timestep"][()] == labels[:, None]).mean(axis=0)
        queues = {name: rows[()] for name, rows in file["queue"].items()}
        events = {
            name: np.stack([group[f][()] for f in ("timestep", "neuron")], 1)[
                group["sample"][()] == 0
            ]
            for name, group in file["spikes"].items()
        }
    found = recorded.read("r.h5")
    assert found.accuracy_by_timestep.tolist() == right.tolist()
    assert found.queues.keys() == queues.keys()
    for name, queue in found.queues.items():
        assert queue.most.tolist() == queues[name].max(axis=0).tolist()
        np.testing.assert_allclose(queue.mean, queues[name].mean(axis=0))
    assert {n: e.tolist() for n, e in found.spikes.items()} == {
        n: e.tolist() for n, e in events.items()
    }
    assert command("report r.h5 -o p.html") == (0, "", "")
    page = Page("p.html")
    accuracy = page.rows("accuracy")["accuracy,"]
    assert accuracy == [numeral(100 * right[t - 1], 2) for t in (1, 2, 4, 8, 9)]
    shown = page.rows("queues")
    for name, rows in queues.items():
        mean, busiest, step, peak, _ = shown[name]
        assert (mean, peak) == (three(rows.mean()), f"{rows.max():,}")
        assert busiest == three(rows.mean(axis=0).max())
        assert rows.mean(axis=0)[int(step) - 1] == rows.mean(axis=0).max()
    for name, rows in events.items():
        neurons = stored.parts[name]["neurons"]
        assert f"{name} {len(rows):,} spikes of {neurons:,} neurons" in page.text["raster"]


def test_sources_come_before_what_they_feed(stored):
    order = recorded.read("r.h5").order
    assert sorted(order) == sorted(stored.parts)
    places = {name: k for k, name in enumerate(order)}
    for name, part in stored.parts.items():
        if is_set(part) and part["source"] != part["target"]:
            assert places[part["source"]] < places[name] < places[part["target"]]


def test_a_raster_marks_neurons_and_timesteps():
    events = np.array([[0, 0], [1, 0], [3, 2]])
    picture = charts.raster(events, neurons=4, timesteps=4, text="")
    assert re.findall(r"M(\d+) ([\d.]+)h(\d+)", picture) == [
        ("0", "6", "320"),
        ("480", "30", "160"),
    ]
    every = np.stack([np.full(1280, 999), np.arange(1280)], 1)  # of 1280 neurons every eleventh
    marks = re.findall(r"M([\d.]+) ([\d.]+)h", charts.raster(every, 1280, 1000, ""))
    assert marks == [(f"{640 * 255 / 256:g}", f"{2 * row + 1:g}") for row in range(117)]
    assert 'd=""' in charts.raster(every[1:11], 1280, 1000, "")


@pytest.mark.parametrize(
    ("shape", "rows"),  # of ResNet-20, of VGG-16, of LeNet, and some that fit badly
    [((32, 32, 16), 128), ((16, 16, 32), 127), ((8, 8, 64), 125), ((2, 2, 512), 121),
     ((32, 32, 64), 128), ((24, 24, 6), 120), ((6, 5, 30), 129), ((1, 1, 250), 84),
     ((2, 4, 16), 128), ((3, 3, 16), 144), ((7, 7, 30), 134)],
)  # fmt: skip
def test_every_channel_of_a_layer_can_appear(shape, rows):
    neurons, channels, seen = int(np.prod(shape)), shape[2], 0
    for channel in range(channels):
        sent = np.arange(channel, neurons, channels)  # those of this channel, all at timestep 2
        picture = charts.raster(np.stack([np.full(sent.size, 2), sent], 1), neurons, 4, "")
        seen += "M320 " in picture
    assert seen == min(channels, rows)
    every = np.stack([np.zeros(neurons, int), np.arange(neurons)], 1)
    assert len(re.findall(r"M0 [\d.]+h160", charts.raster(every, neurons, 4, ""))) == rows
    shown = np.arange(0, neurons, charts.stride(neurons))
    assert neurons - shown[-1] <= charts.stride(neurons)  # to the end, at even distances


@pytest.mark.parametrize(
    ("neurons", "timesteps", "places", "times"),
    [(1, 1, [0], [1]), (2, 2, [0, 1], [1, 2]), (10, 64, [0, 5], [1, 20, 40, 60, 64]),
     (128, 100, [0, 50, 100], [1, 20, 40, 60, 80, 100]),
     (16384, 9, [0, 5000, 10000, 15000], [1, 2, 4, 6, 8, 9]),
     (300, 1000, [0, 100, 200], [1, 200, 400, 600, 800, 1000])],
)  # fmt: skip
def test_a_raster_has_axes(neurons, timesteps, places, times):
    picture = charts.raster(np.zeros((0, 2), int), neurons, timesteps, "")
    assert ">neuron<" in picture
    assert ">timestep<" in picture
    assert re.findall(r'class="tick end"[^>]*>([\d,]+)<', picture) == [f"{n:,}" for n in places]
    assert re.findall(r'class="tick middle"[^>]*>([\d,]+)<', picture) == [f"{t:,}" for t in times]


def test_a_histogram_has_every_neuron_that_sent():
    rows = np.array([5, 4, 0, 2, 1])  # 5 silent; 4 with one event of 4, 2 with three, 1 with all
    picture = charts.histogram(rows, 1.0, "", bins=4)
    bars = re.findall(r'x="([\d.]+)" y="[\d.]+" width="[\d.]+" height="([\d.]+)"', picture)
    heights = {float(x): float(height) / 28 for x, height in bars}
    assert heights == {38.0: 1.0, 113.0: 0.75}  # a quarter; three quarters and all


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 100, [0, 20, 40, 60, 80, 100]), (90, 100, [90, 92, 94, 96, 98, 100]), (0, 1, None)],
)
def test_ticks_are_round(low, high, expected):
    found = svg.ticks(low, high)
    assert 2 <= len(found) <= 6
    assert low <= found[0] < found[-1] <= high
    assert expected is None or found == expected


def test_names_are_text(command):
    parts = network_parts()
    parts["/"] |= {"output": HOSTILE, "name": "</title><script>alert(1)</script>"}
    parts[f"populations/{HOSTILE}"] = parts.pop("populations/out")
    parts["synapses/c-out"]["target"] = HOSTILE
    parts["synapses/<td><b>"] = parts.pop("synapses/c-out")
    write("<i>.h5", parts)
    options = "-T 4 --quiet --record spikes,queues"
    assert command(f"run <i>.h5 d.h5 {options} --out <u>.h5") == (0, "", "")
    assert command("run n.h5 d.h5 -T 4 --quiet --out r.h5") == (0, "", "")
    Path("c.json").write_text(
        json.dumps({**CHECK, "chip": "<em>", "findings": [{**FOUND, "place": "<s>"}]})
    )
    for results in ("<u>.h5", "<u>.h5 r.h5"):
        assert command(f"report {results} -o p.html --check c.json --overwrite") == (0, "", "")
        page = Page("p.html")
        assert not {"script", "img", "i", "u", "b", "em", "s"} & {*page.tags}
        assert HOSTILE in page.text["work"]
        assert "<td><b>" in page.text["queues"]


def test_several_results_side_by_side(stored, command):
    Path("other").mkdir()
    assert command("run n.h5 e.h5 --quiet --out other/r.h5") == (0, "", "")
    assert command("report r.h5 other/r.h5 -o p.html") == (0, "", "")
    page, second = Page("p.html"), result.load("other/r.h5")
    assert page.tables["summary"][0][0] == ["Per inference", " 1 r (1)", " 2 r (2)"]
    rows = {row[0].split(",")[0]: row[1:] for row in page.tables["summary"][0]}
    one, two = (run.counts()["total"]["additions"] / 6 for run in (stored, second))
    assert rows["Additions"] == [
        three(one / 1000),
        f"{three(two / 1000)}\N{MULTIPLICATION SIGN} {three(two / one)}",
    ]
    assert rows["Coding"] == ["constant", "events"]
    assert rows["Timesteps"] == ["9", "20"]
    assert len(page.tables["work"]) == len(page.tables["energy"]) == 2
    for which, run in enumerate((stored, second)):
        additions = run.counts()["total"]["additions"] / 6
        assert page.amounts("work", which)["total"][1] == additions
    assert len(page.tables["accuracy"][0]) == 3


def test_what_was_not_recorded_is_said(command):
    images("unlabelled.h5", put("labels", None))
    assert command("run n.h5 unlabelled.h5 -T 5 --quiet --out r.h5") == (0, "", "")
    assert command("report r.h5 -o p.html") == (0, "", "")
    page = Page("p.html")
    assert "no labels" in page.text["accuracy"]
    assert "Recorded without queues" in page.text["queues"]
    assert "Recorded without spikes" in page.text["raster"]
    assert not {"accuracy", "queues", "raster"} & page.tables.keys()
    assert "polyline" not in page.tags  # neither a curve nor a queue is drawn


def test_histograms_that_the_file_lacks(stored, command):
    changed("r.h5", lambda file: file["accesses"].__delitem__("a"))
    assert command("report r.h5 -o p.html") == (0, "", "")
    page = Page("p.html")
    assert page.rows("spikes")["a"][3:] == ["", "", ""]
    assert "their histograms are left out" in page.text["spikes"]


FOUND = {
    "assumption": "fan-in",
    "holds": False,
    "measured": 5000,
    "limit": 4096,
    "margin": -904,
    "place": "conv3",
}
CHECK = {"chip": "loihi", "network": {"path": "<n>.h5", "sha256": "0"}}


def test_what_does_not_hold(stored, command):
    header = json.loads(h5py.File("r.h5").attrs["settings"])
    header |= {"samples": 9, "ann_accuracy": 1.0}
    changed("r.h5", put("settings", json.dumps(header)))
    prices = Path("prices.toml")
    prices.write_text(
        'schema = "evsim-hw/1"\n[[charge]]\naction = "synaptic_add"\npj = 1\n'
        'source = "a table"\nevidence = "published"\n'
    )
    assert command("report r.h5 -o p.html --prices prices.toml") == (0, "", "")
    page = Page("p.html")
    text = " ".join(page.text["broken"].split())
    late = h5py.File("r.h5")["work/b-b/undelivered"][()]
    assert late.any()
    assert "The run was not finished: 6 of 9 samples." in text
    assert f"b-b: {late.sum()} events were due at or after the end of the run" in text
    assert f"in {(late > 0).sum()} of 6 samples" in text
    assert "Accuracy is " in text
    reads = stored.counts()["total"]["weight_read"] / 6
    assert f"weight read ({three(reads / 1000)} k)" in text
    assert page.rows("energy")["total, at least"][1]
    [energy] = [row for name, row in page.rows("summary").items() if name.startswith("Energy")]
    assert energy[0].startswith("at least ")
    assert "Nothing that the result tells" not in text


def test_nothing_is_broken_without_a_reason(command):
    network = network_parts()
    del network["synapses/b-b"]
    write("whole.h5", network)
    assert command("run whole.h5 d.h5 -T 5 --quiet --out r.h5") == (0, "", "")
    assert command("report r.h5 -o p.html") == (0, "", "")
    assert "Nothing that the result tells" in Page("p.html").text["broken"]


def test_assumptions_about_a_chip(stored, command):
    fits = {**FOUND, "assumption": "fan-out", "holds": True, "measured": 3.25, "place": ""}
    unknown = {**FOUND, "assumption": "delay", "holds": None, "limit": None, "margin": None}
    found = {**CHECK, "holds": False, "findings": [fits, unknown, FOUND]}
    Path("c.json").write_text(json.dumps(found))
    assert command("report r.h5 -o p.html --check c.json") == (0, "", "")
    page = Page("p.html")
    assert "loihi: 1 of 2 assumptions do not hold" in page.text["broken"]
    assert "for <n>.h5, in c.json; that is the network of no run here." in page.text["broken"]
    known = {"path": "n.h5", "sha256": stored.settings["network_sha256"]}
    Path("c.json").write_text(json.dumps(found | {"network": known}))
    assert command("report r.h5 -o p.html --check c.json --overwrite") == (0, "", "")
    assert "for n.h5, in c.json." in Page("p.html").text["broken"]
    assert page.tables["broken"][0][1:] == [
        ["fan-in", "does not hold", "5,000", "4,096", "-904", "conv3"],
        ["delay", "not known", "5,000", "", "", "conv3"],
        ["fan-out", "holds", "3.25", "4,096", "-904", ""],
    ]


CHECKS = {
    "{": "found no JSON, expected what evsim check --json prints",
    "[" * 100000: "found no JSON, expected what evsim check --json prints",
    "[]": "found other JSON, expected what evsim check --json prints",
    '{"chip": "a"}': "found other JSON, expected what evsim check --json prints",
    '{"chip": 1, "findings": []}': "found other JSON, expected what evsim check",
    '{"chip": "a", "findings": []}': "found other JSON, expected what evsim check",
    json.dumps(CHECK | {"findings": [1]}): "findings[0].assumption: is missing",
    json.dumps(CHECK | {"findings": [FOUND | {"holds": "no"}]}): "findings[0].holds: found",
    json.dumps(CHECK | {"findings": [FOUND | {"limit": []}]}): "findings[0].limit: found",
}


@pytest.mark.parametrize("content", CHECKS, ids=range(len(CHECKS)))
def test_assumptions_that_are_none(content, stored, command):
    Path("c.json").write_text(content)
    status, out, err = command("report r.h5 -o p.html --check c.json")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"evsim: c.json: {CHECKS[content]}")
    assert not Path("p.html").exists()


WRONG = {
    "report": "Missing argument 'results'.",
    "report r.h5": "Missing option '-o' / '--out'.",
    "report no.h5 -o p.html": "no.h5: no such file",
    "report r.h5 no.h5 -o p.html": "no.h5: no such file",
    "report n.h5 -o p.html": "n.h5: format: found format 'evsim-network', expected format",
    "report d.h5 -o p.html": "d.h5: format: found format 'evsim-data', expected format",
    "report text -o p.html": "text: found a file of another format, expected an HDF5 file",
    "report r.h5 -o .": ".: is a folder",
    "report r.h5 -o no/p.html": "no/p.html: cannot be written: no such folder",
    "report r.h5 -o text": "text: exists already (--overwrite replaces it)",
    "report r.h5 -o r.h5 --overwrite": "r.h5: is a file that the page is made of",
    "report r.h5 -o p.html --check no": "no: cannot be read: No such file or directory",
    "report r.h5 -o p.html --prices gold": "--prices: found 'gold', expected a TOML file or",
    "report r.h5 -o p.html --update never": "--update: found 'never', expected one of clock, ",
    "report r.h5 -o /proc/p.html": "/proc/p.html: cannot be written: ",
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_command_is_one_line(line, stored, command, files):
    Path("text").write_text("somebody's")
    before = {path: path.read_bytes() for path in files.iterdir()}
    status, out, err = command(line)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.lower().startswith(f"evsim: {WRONG[line]}".lower())
    assert {path: path.read_bytes() for path in files.iterdir()} == before


def test_a_page_is_replaced_when_it_is_asked_for(stored, command, files):
    Path("p.html").write_text("somebody's")
    assert command("report r.h5 -o p.html --overwrite") == (0, "", "")
    assert Path("p.html").read_text().startswith("<!doctype html>")
    assert not list(files.glob("*.part"))


def setting(name, value):
    """A change: a setting of a result gets another value."""

    def change(file):
        settings = json.loads(file.attrs["settings"])
        file.attrs["settings"] = json.dumps(settings | {name: value})

    return change


SPOILT = {
    "no samples": (lambda f: f.__delitem__("samples"), "found no finished sample, expected at"),
    "no work": (lambda f: f.__delitem__("work"), "found a damaged HDF5 file ("),
    "settings": (put("settings", "[1]"), "settings.timesteps: found [1], expected a setting as"),
    "timesteps": (setting("timesteps", "9"), "settings.timesteps: found '9', expected a setting"),
    "none": (setting("timesteps", 0), "settings.timesteps: found 0, expected at least 1"),
    "fewer": (setting("timesteps", 3), "/predictions_by_timestep: found shape (6, 9), expected"),
    "ann": (setting("ann_accuracy", "good"), "settings.ann_accuracy: found 'good', expected"),
    "input": (setting("input", 1), "settings.input: found 1, expected a setting"),
    "queue": (put("queue/a-b", np.ones((6, 2), int)), "/queue/a-b: found shape (6, 2), expected"),
    "spikes": (put("spikes/a/neuron", np.full(9999, 48)), "/spikes/a/neuron: found other values,"),
    "set": (lambda f: f["spikes"].copy("a", "a-b"), "/spikes/a-b: found 'a-b', expected a popul"),
    "neurons": (put("parts/in/neurons", 0), "found a damaged HDF5 file ("),
    "accesses": (put("accesses/a", np.zeros((6, 0), int)), "found a damaged HDF5 file ("),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_result_is_one_line(name, stored, command):
    change, expected = SPOILT[name]
    changed("r.h5", change)
    status, out, err = command("report r.h5 -o p.html")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"evsim: r.h5: {expected}")
    assert not Path("p.html").exists()
