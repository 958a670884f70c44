"""Whatever a file says, the screen shows text in our lines and nothing else."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.files import network, put
from support.torch_files import TOPOLOGY, hdf5, small

from evsim.base import screen
from evsim.reports import wording
from evsim.reports.figures import figures, write

CLIPBOARD = "\x1b]52;c;ZXZpbA==\x07"
HOSTILE = {
    "a clipboard": CLIPBOARD,
    "an escape sequence": "\x1b[2J\x1b[31mred",
    "an 8-bit escape sequence": "\x9b2J",
    "a line of ours": "x\nevsim: accuracy 100.00 %",
    "a line over ours": "x\raccuracy 100.00 %",
    "other ends of lines": "x\x85y\u2028z\x0b\x0c",
    "the other direction": "\u202etxt.exe\u2066\u200f",
    "no width": "in\u200bvis\u2060ib\ufeffle\u00ad",
    "fillers": "\u3164\u115f\u2800\ufe0f\U000e0101\u034f",
    "backspaces": "good\b\b\b\bevil\x7f",
    "half a character": "\udc9b2J\ud800",
    "private": "\ue000\U000f0000\uffff",
}
MARKUP = "[red]n[/] [link=https://a.b]c[/link] :bug: {0} %s $\\frac{1$"


def is_shown(text):
    """Whether a screen shows all characters of a text, in the order in which they stand."""
    return all(c == "\n" or (c.isprintable() and c not in screen.INVISIBLE) for c in text)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_cannot_be_seen_is_replaced(name):
    shown = screen.printable(HOSTILE[name])
    assert is_shown(shown)
    assert "\n" not in shown
    assert len(shown) == len(HOSTILE[name])
    assert screen.printable(shown) == shown


def test_what_can_be_seen_stays():
    for text in ("réseau ☃ 网络 ⠿ \N{GREEK SMALL LETTER MU}J", MARKUP, "a  b", ""):
        assert screen.printable(text) == text
    assert screen.printable("x" * 20, 5) == "xxxxx... and 15 more characters"


@pytest.mark.parametrize("name", HOSTILE)
def test_every_way_to_print(name, capsys):
    text, out = HOSTILE[name], screen.Output()
    screen.tell(text)
    out.print(text)
    out.print(screen.Table(text, ["a", text], [[text, text]]))
    lines = len(capsys.readouterr().out.splitlines())
    screen.tell("x")
    out.print("x")
    out.print(screen.Table("x", ["a", "x"], [["x", "x"]]))
    assert lines == len(capsys.readouterr().out.splitlines())
    screen.say(text)
    screen.say(text, whole=False)
    screen.add(text)
    assert screen.complain(text, 7) == 7
    shown = capsys.readouterr().err
    assert is_shown(shown)
    assert shown.count("\n") == 3
    screen.tell_json({text: [text]})
    shown = capsys.readouterr().out
    assert is_shown(shown)
    assert json.loads(shown) == {text: [text]}


def test_an_error_behind_a_line_without_its_end(capsys):
    screen.say("compiling ...", whole=False)
    screen.complain("interrupted", 130)
    screen.add(" done")
    assert capsys.readouterr().err == "evsim: compiling ...\nevsim: interrupted\n"


def test_markup_is_text(capsys):
    out = screen.Output()
    out.print(MARKUP)
    out.print(screen.Table(MARKUP, [MARKUP], [[MARKUP]]))
    assert capsys.readouterr().out.count(MARKUP) == 4


def test_numbers_that_are_no_json(capsys):
    screen.tell_json({"a": [1.5, float("nan")], "b": {"c": (float("inf"), 2)}})
    assert json.loads(capsys.readouterr().out) == {"a": [1.5, None], "b": {"c": [None, 2]}}


def test_long_tables_and_lines_are_cut(capsys, monkeypatch):
    monkeypatch.setattr(screen, "terminal_width", lambda: 80)
    out = screen.Output()
    out.print(screen.Table("t", ["n"], [[f"row{n}"] for n in range(screen.ROWS + 1234)]))
    shown = capsys.readouterr().out
    assert (shown.count("row"), shown.splitlines()[-1]) == (screen.ROWS, "... and 1,234 more")
    out.print(screen.Table("t", ["n"], [["row"]] * screen.ROWS))
    assert "more" not in capsys.readouterr().out
    screen.Output(wide=True).print("x" * 100_000)
    assert capsys.readouterr().out.endswith("x... and 80,000 more characters\n")


@pytest.fixture
def said(files, command):
    """Run a command; its standard output and error, all of which a screen shows."""

    def run(line, status=0):
        found, out, err = command(line)
        assert found == status
        assert is_shown(out + err)
        return out, err

    return run


def commands(said, text):
    """What commands show of a network that says `text` of itself, and of its result."""
    words = {"name": text, "description": text, "source": text}
    network("n.h5", *(put(name, value) for name, value in words.items()))
    run = "run n.h5 d.h5 -T 2 --samples :2 --overwrite --out r.h5"
    page = "report r.h5 -o p.html --overwrite"
    lines = [run, "info n.h5", "info r.h5", "cost r.h5 --chip loihi", page]
    lines.append("compare n.h5 d.h5 -T 2 --samples :2")
    shown = ["".join(said(line)) for line in lines]
    assert is_shown(Path("p.html").read_text())
    return shown


def test_what_a_network_says_of_itself(said):
    plain = commands(said, "x")
    json.loads(said("info r.h5 --json")[0])
    hostile = MARKUP + " ".join(text for text in HOSTILE.values() if text.isascii())
    for alike, shown in zip(plain, commands(said, hostile), strict=True):
        assert len(shown.splitlines()) == len(alike.splitlines())
    assert "\x1b" not in Path("p.html").read_text()


def test_what_a_result_says_of_itself(said):
    said("run n.h5 d.h5 -T 2 --out r.h5 --quiet")
    before = json.loads(said("info r.h5 --json")[0])
    with h5py.File("r.h5", "r+") as file:
        settings = json.loads(file.attrs["settings"])
        settings |= {key: "".join(HOSTILE.values()) for key in ("name", "network_path", "coding")}
        settings |= {"file": "another", "accuracy": 1.0, "finished samples": 9, "facts": "none"}
        settings |= {CLIPBOARD: [{"a": 1}, 2], "nan": float("nan")}
        file.attrs["settings"] = json.dumps(settings)
    after = json.loads(said("info r.h5 --json")[0])
    for key in ("file", "accuracy", "finished samples", "facts"):
        assert after[key] == before[key]
    assert after["nan"] is None
    assert "?]52;c;ZXZpbA==?: [{'a': 1}, 2]\n" in said("info r.h5")[0]
    said("cost r.h5 --chip loihi")


def test_the_layers_of_a_trainers_file(said):
    hdf5(Path("m.h5"), small())
    name = f"conv1{CLIPBOARD}\u202e\nevsim: done"
    Path("t.toml").write_text(TOPOLOGY.replace('"conv1"', json.dumps(name)))
    said("info m.h5")
    with h5py.File("i.h5", "w") as file:
        file["images"] = np.random.default_rng(1).integers(0, 256, (3, 4, 4, 3), np.uint8)
    out, err = said("convert m.h5 -o o.h5 --topology t.toml --calibrate i.h5")
    assert "conv1?]52;c;ZXZpbA==?? evsim: done" in re.sub("\\s+", " ", out + err)
    out, _ = said("info t.toml")
    assert "conv1?]52;c;ZXZpbA==?? evsim: done" in out


def test_an_argument_that_is_no_text(said):
    _, err = said(f"info nothing{CLIPBOARD}\udc80.h5", 2)
    assert err == "evsim: nothing?]52;c;ZXZpbA==??.h5: no such file\n"
    _, err = said(f"run{CLIPBOARD}", 2)
    assert err.count("\n") == 1


def test_where_an_internal_error_was_raised(said, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError(f"of {CLIPBOARD}")

    monkeypatch.setattr("evsim.cli.commands.run.Job", broken)
    monkeypatch.setenv("EVSIM_DEBUG", "1")
    _, err = said("run n.h5 d.h5", 70)
    assert "ZeroDivisionError: of ?]52;c;ZXZpbA==?\n" in err


def test_names_on_a_page():
    page = pytest.importorskip("evsim.reports.page")
    template = page._template().environment.from_string("{{ a }}|{{ a|breakable }}|{{ b }}")
    name = f"<b>.x{CLIPBOARD}\u202e"
    markup = wording.breakable("a.b")
    shown = template.render(a=name, b=markup)
    plain = "&lt;b&gt;.x?]52;c;ZXZpbA==??"
    assert shown == f"{plain}|{plain.replace('.x', '.<wbr>x')}|a.<wbr>b"


@pytest.mark.parametrize("name", [r"$\frac{1$", r"\$x$", "$$", "_hidden", "a_b^{", CLIPBOARD, "\n"])
def test_names_in_a_picture_are_no_formulas(name, tmp_path):
    figure = figures().figure()
    axis = figure.subplots()
    axis.plot([0, 1], label=wording.drawn(name))
    axis.set_title(wording.drawn(name))
    axis.set_xticks([0], [wording.drawn(name)])
    legend = figure.legend(*axis.get_legend_handles_labels())
    assert len(legend.get_texts()) == 1
    write(figure, tmp_path / "p.svg")
    assert "\x1b" not in (tmp_path / "p.svg").read_text()
    text = axis.title
    cleaned, is_formula = text._preprocess_math(text.get_text())
    assert (cleaned.lstrip(), is_formula) == (screen.printable(name).lstrip(), False)
