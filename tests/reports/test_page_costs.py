"""What a page says of the costs of several runs: its numbers are those of the other commands."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.files import images, network
from support.pages import Page
from support.torch_files import TOPOLOGY, hdf5, small

from evsim.base.shipped import shipped
from evsim.chip.profile.amounts import high, low
from evsim.cli.main import run_command
from evsim.reports import comparison, cost_charts, diagnosis, side_by_side, svg
from evsim.reports.cost_charts import Spent
from evsim.reports.wording import COUNTS, JOULES, Unit, digits, three, unit_for

TIMES = "\N{MULTIPLICATION SIGN}"
RANGES = """
schema = "evsim-hw/1"
name = "ranges"
title = "made up"
[[charge]]
action = ["synaptic_add", "synaptic_mac"]
pj = [1.0, 4.0]
source = "a range"
evidence = "assumed"
[[charge]]
action = ["weight_read", "potential_read", "potential_write"]
pj = [2.0, 5.0]
source = "another"
evidence = "assumed"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two results of a small network, of six samples and of four."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("EVSIM_NO_GUARD", "1")
        network("n.h5")
        images("d.h5")
        for line in ("-T 9 --record spikes,queues --out r.h5", "-T 20 --samples :4 --out s.h5"):
            assert run_command(f"run n.h5 d.h5 {line} --quiet".split()) == 0
        yield folder


@pytest.fixture
def told(folder, command):
    """Run a command that must succeed; returns its standard output."""

    def run(line):
        status, out, err = command(line)
        assert (status, err) == (0, "")
        return out

    return run


def cells(page, word):
    """The rows of the table of all runs that begin with a word: their exact numbers."""
    rows = page.tables["summary"][0]
    places = [k for k, row in enumerate(rows) if row[0].startswith(word)]
    return [page.exact["summary"][0][k][1:] for k in places]


@pytest.mark.parametrize("chosen", ["", " --update active --accumulate buffer"])
def test_numbers_are_those_of_cost_and_info(chosen, told):
    Path("ranges.toml").write_text(RANGES)
    profiles = ["horowitz-45nm", "loihi", "ranges.toml"]
    told(
        "report r.h5 s.h5 -o p.html --overwrite"
        + "".join(f" --prices {p}" for p in profiles)
        + chosen
    )
    page = Page("p.html")
    chips = " ".join(f"--chip {p}" for p in profiles)
    for run, file in enumerate(("r.h5", "s.h5")):
        found = json.loads(told(f"cost {file} {chips} --json{chosen}"))
        for k, (chip, energies) in enumerate(
            zip(found["chips"], cells(page, "Energy"), strict=True)
        ):
            assert energies[run] == ends(chip["energy_uj"])
            rows = page.amounts("energy", run * len(profiles) + k)
            bound = "total, at least" if chip["lower_bound"] else "total"
            assert rows[bound][1] == ends(chip["energy_uj"])
            for action in chip["actions"]:
                if action["energy_uj"]:
                    row = rows[action["action"].replace("_", " ")]
                    assert row[:2] == [action["count"], ends(action["energy_uj"])]
        parts = page.amounts("work", run)
        for part, energy in found["chips"][0]["energy_uj_by_part"].items():
            assert parts[part][-1] == ends(energy)
        info = json.loads(told(f"info {file} --json"))
        samples = info["finished samples"]
        if not chosen:
            for name, label in (("additions", "Additions"), ("memory accesses M1", "Memory")):
                assert cells(page, label)[0][run] == info[name] / samples
            assert cells(page, "M3")[0][run] == info["memory accesses M3"] / samples
        facts = {row["part"]: row for row in info["facts"]}
        assert cells(page, "Synaptic")[0][run] == pytest.approx(
            sum(row["synops"] + row["macs"] for row in facts.values()) / samples
        )


def ends(amount):
    """A number, or a range as the page holds it."""
    return tuple(amount) if isinstance(amount, list) else amount


def energy(total, lower_bound=False):
    return {"total": total, "by_action": {"a": total}, "lower_bound": lower_bound}


@pytest.mark.parametrize(
    ("one", "first", "expected"),
    [
        (energy(3.0), energy(2.0), f"{TIMES} 1.50"),
        (energy(3.0, True), energy(2.0), f"at least {TIMES} 1.50"),
        (energy(3.0), energy(2.0, True), f"at most {TIMES} 1.50"),
        (energy(3.0, True), energy(2.0, True), ""),
        (energy((3.0, 6.0)), energy((2.0, 4.0)), f"{TIMES} 1.50"),  # the same price in both
        (energy(3.0), energy(0.0), ""),
    ],
)
def test_a_lower_bound_bounds_its_own_ratio(one, first, expected):
    assert side_by_side._times(one, first) == expected


def test_a_run_with_a_lower_bound_hides_no_ratio(told):
    data = shipped("data") / "digits_test.h5"
    for name in ("conv", "stochastic", "int8"):
        path = shipped("networks") / f"digits-{name}.h5"
        told(f"run {path} {data} --samples :2 -T 4 --quiet --out {name}.h5")
    told("report conv.h5 stochastic.h5 int8.h5 -o p.html --overwrite")
    page = Page("p.html")
    [row] = [row for row in page.tables["summary"][0] if row[0].startswith("Energy")]
    _, known, bounded, other = row
    assert known
    assert TIMES not in known
    assert bounded.startswith("at least ")
    assert f"at least {TIMES}" in bounded
    assert TIMES in other
    assert "at " not in other
    assert "did not see the same samples" not in Path("p.html").read_text()


def test_headlines_and_pictures_of_several_runs(told):
    told("report r.h5 s.h5 -o p.html --overwrite")
    text = Path("p.html").read_text()
    fewest = ("synaptic operations", "memory accesses M3")
    titles = [f"Fewest {what} per inference" for what in fewest]
    for title in ("Highest accuracy", *titles, "Least energy per inference"):
        assert f"<dt>{title}</dt>" in text
    assert "did not see the same samples" in text  # six and four
    page = Page("p.html")
    for words in ("energy per inference", "memory accesses per inference", "accuracy, %"):
        assert words in page.text["costs"]
    told("report r.h5 -o q.html --overwrite")
    assert 'id="costs"' not in Path("q.html").read_text()


def test_the_least_energy_is_only_named_where_it_is_known():
    def least(*energies):
        views = [{"energies": [e], "label": str(k)} for k, e in enumerate(energies)]
        tile = side_by_side._least_energy(views, 0)
        return tile["value"], [view["label"] for view in tile["winners"]]

    assert least(energy(3.0), energy(2.0)) == ("2.00 µJ", ["1"])
    assert least(energy(3.0), energy(2.0), energy(2.5, True)) == ("2.00 µJ", ["1"])
    assert least(energy(3.0), energy(2.0), energy(1.0, True)) == ("at most 2.00 µJ", ["1", "2"])
    assert least(energy((1.0, 3.0)), energy(2.0)) == ("at most 2.00 µJ", ["0", "1"])
    assert least(energy((1.0, 1.5)), energy(2.0)) == ("1.00 to 1.50 µJ", ["0"])
    assert least(energy(2.0), energy(2.0)) == ("2.00 µJ", ["0", "1"])
    assert least(energy(2.0, True), energy(3.0, True)) == ("not known", [])


def test_a_title_and_contents(told):
    told("report r.h5 -o p.html --overwrite --title Two<b>words")
    page, text = Page("p.html"), Path("p.html").read_text()
    assert "<h1>Two&lt;b&gt;words</h1>" in text
    assert "<title>Two&lt;b&gt;words \N{EN DASH} evsim report</title>" in text
    links = {value for name, value in page.attributes if name == "href"}
    assert links == {f"#{id}" for id in page.text if id}


def test_pictures_of_a_diagnosis_say_what_they_show(told, monkeypatch):
    drawn = {}
    for module in (diagnosis, comparison):
        monkeypatch.setattr(module, "write", lambda figure, path: drawn.update({str(path): figure}))
    Path("small.toml").write_text(TOPOLOGY)
    hdf5("m.h5", small())
    with h5py.File("i.h5", "w") as file:
        file["images"] = np.random.default_rng(3).integers(0, 256, (6, 4, 4, 3), np.uint8)
        file["labels"] = np.arange(6)
    line = "convert m.h5 -o c.h5 --topology small.toml --calibrate i.h5 --samples 1:5 --diagnose"
    told(f"{line} --picture d.png --quiet")
    told("compare c.h5 i.h5 --samples 2:6 --ann m.h5 --topology small.toml --picture e.png --quiet")
    titles = {path: figure.get_suptitle() for path, figure in drawn.items()}
    assert titles == {
        "d.png": "c.h5 on i.h5, samples 1 to 4",
        "e.png": "c.h5 on i.h5, samples 2 to 5",
        "e-comparison.png": "i.h5, samples 2 to 5",
    }
    for figure in drawn.values():
        shown = [axis for axis in figure.axes if axis.axison]
        assert all(axis.get_xlabel() for axis in shown)
        assert all(axis.get_ylabel() or axis is figure.axes[1] for axis in shown)


def test_tables_scroll_and_keep_their_first_column(told):
    told("report r.h5 s.h5 -o p.html --overwrite")
    page, text = Page("p.html"), Path("p.html").read_text()
    assert page.tags.count("table") == text.count('<div class="scroll')
    assert text.count('role="region"') == text.count('tabindex="0"') == page.tags.count("table")
    assert re.search(r"th:first-child, td:first-child \{ position: sticky; left: 0", text)


def test_an_axis_that_does_not_begin_at_0_says_so():
    assert svg.zoom([0.1, 0.99]) == (0, 100)
    assert svg.zoom([0.99, 0.9917]) == (96, 100)
    assert svg.zoom([0.5]) == (47, 51)
    for fractions in ([0.98, 1.0], [0.901, 0.9276], [1.0], [0.0], [0.3, 0.32]):
        floor, top = svg.zoom(fractions)
        assert 0 <= floor <= 100 * min(fractions) <= 100 * max(fractions) <= top <= 100
        assert ("not at 0" in side_by_side._begins((floor, top))) == (floor > 0)


def test_bars_are_as_long_as_their_amounts():
    runs = [Spent(0, "a", 2.0), Spent(1, "b", (1.0, 4.0)), Spent(2, "c", 3.0, True)]
    picture = cost_charts.bars(runs, Unit(1.0, "µJ"), "energy per inference")
    widths = [float(w) for w in re.findall(r'<rect class="dot[^>]*width="([\d.]+)"', picture)]
    longest = max(widths)
    assert widths == pytest.approx([longest / 2, longest, longest / 4, 0.75 * longest], abs=0.1)
    for words in ("2.00 µJ", "1.00 to 4.00 µJ", "at least 3.00 µJ", ">energy per inference, µJ<"):
        assert words in picture
    assert picture.count('<path class="dot') == 1  # the arrow of the lower bound


def test_points_are_named_apart_from_each_other():
    runs = [Spent(k, f"run {k}", 1.0 + k / 50, False, 0.99) for k in range(9)]
    picture = cost_charts.scatter(runs, Unit(1.0, "µJ"), "energy", (96, 100))
    named = re.findall(r'<text class="of middle" x="([\d.]+)" y="([\d.]+)">(\d+)<', picture)
    assert [name for *_, name in named] == [str(k + 1) for k in range(9)]
    places = [(float(x), float(y)) for x, y, _ in named]
    for k, (x, y) in enumerate(places):
        assert all(abs(x - u) >= 6.9 or abs(y - v) >= 11.9 for u, v in places[:k])
    wide = [Spent(0, "a", 1.0, False, 0.5), Spent(1, "b", (500.0, 900.0), True, 0.9)]
    assert "(log scale)" in cost_charts.scatter(wide, Unit(1.0, "µJ"), "energy", (0, 100))
    nothing = [Spent(0, "a", 0.0, True, 0.5), Spent(1, "b", 0.0, True, 0.5)]
    assert "NaN" not in cost_charts.scatter(nothing, Unit(1.0, ""), "energy", (0, 100))


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, "0"), (0.0004, "< 0.001"), (0.00123456, "0.00123"), (0.09996, "0.100"), (9.996, "10.0"),
     (999.6, "1,000"), (12345, "12,300"), (1, "1.00")],
)  # fmt: skip
def test_three_digits(number, expected):
    assert three(number) == expected


def test_units():
    assert unit_for([3395595.2], COUNTS, 1e5).name == "M"
    assert unit_for([3395595.2, 0.0, 2090.0], COUNTS, 1e5).name == "k"  # 2.09 beside 3,400
    assert unit_for([339559520.0, 2090.0], COUNTS, 1e5).name == "M"  # not 340,000
    assert unit_for([339559520.0, 2090.0], COUNTS).name == "M"
    assert unit_for([0.0], COUNTS).name == ""
    assert unit_for([], COUNTS).name == ""
    assert unit_for([(1.0, 1200.0)], JOULES).name == "mJ"
    assert unit_for([5510.0, (0.0, 0.149)], JOULES, 1e4).name == "mJ"
    assert unit_for([5510.0, 0.149], JOULES, 1e4).name == "µJ"
    assert unit_for([0.0539], JOULES).name == "nJ"
    assert unit_for([1e-9], JOULES).name == "pJ"
    assert digits((1.0, 1.0004)) == "1.00"
    assert digits(41) == "41"
    assert digits((low(2.0), high((1.0, 3.0)))) == "2.00 to 3.00"


@pytest.mark.parametrize(("least", "most"), [(1.0, 3.0), (0.02, 70.0), (5.0, 5.5), (1e-3, 1e6)])
def test_log_ticks_are_round_and_few(least, most):
    found = svg.log_ticks(least, most)
    assert len(found) <= 6
    assert all(f"{value:.0e}"[0] in "1235" and least <= value * 1.001 for value in found)
