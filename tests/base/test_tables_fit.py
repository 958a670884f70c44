"""Tables at 60, 80, 100 columns and piped: no number and no name is broken inside a word."""

import re

import pytest

from evsim.base import screen
from evsim.base.table import JOINT, Table, cells, draw, short, wrapped

WIDTHS = (60, 80, 100)
NAMES = [f"layer{i // 3}.{i % 3}.conv{i % 2}-layer{i // 3}.{i % 3}.add" for i in range(12)]
COUNTS = [7 * 10**k / 9 for k in range(13)]
LAYERS = Table(
    "Per inference",
    ["part", "kind", "spikes", "firing rate", "synops", "additions", "memory accesses"],
    [
        [name, "identity", "12.34 %", *(f"{COUNTS[(i + k) % 13]:,.1f}" for k in range(4))]
        for i, name in enumerate(NAMES)
    ],
    spare=("kind", "additions"),
)
NETWORKS = Table(
    "Whole run",
    ["", *(f"a-wide-network-with-a-long-name-{k}" for k in range(9))],
    [
        ["accuracy", *(f"{10 * k:.2f} %" for k in range(9))],
        ["additions", *(f"{n:,.0f}" for n in COUNTS[4:])],
        ["energy_uj", *(f"at least {n:,.4g}" for n in COUNTS[4:])],
    ],
)
PLACES = Table(
    "Assumptions",
    ["assumption", "measured", "place"],
    [["queue of a core", "1,234", "population-with-a-name, sample 12, timestep 345"] * 1],
    left=("place",),
)
ONE_WORD = Table("t", ["part", "n"], [["x" * 150, "1,000,000,000,000"]])
TABLES = {"layers": LAYERS, "networks": NETWORKS, "places": PLACES, "one word": ONE_WORD}


def lines(table, width=None, hint=""):
    return [line.text for line in draw(table, width, hint)]


def whole(text):
    """The words of a text, and those that the characters of a name join."""
    words = set(text.split())
    return words | {piece for word in words for piece in JOINT.split(word)}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", TABLES)
def test_a_table_fits_and_breaks_no_word(name, width):
    table, shown = TABLES[name], lines(TABLES[name], width)
    assert max(map(cells, shown)) <= width
    known = whole(
        " ".join([table.title, *table.columns, *(cell for row in table.rows for cell in row)])
    )
    body = "\n".join(line for line in shown if not line.startswith("─")).partition("\nto fit: ")[0]
    for word in re.split(r"[\s│┃━─┏┓┡┩└┘┬╇┳┴]+", body.strip()):
        pieces = filter(None, JOINT.split(word))
        shortened = re.fullmatch(r"\d{1,3}(\.\d+)?[kMGT]|\d,\d{3}|\d{1,3}", word)
        assert set(pieces) <= known or shortened or "…" in word, word


@pytest.mark.parametrize("name", TABLES)
def test_a_piped_table_is_whole(name):
    table, shown = TABLES[name], lines(TABLES[name])
    assert len(shown) == len(table.rows) + 5
    for row, line in zip(table.rows, shown[4:-1], strict=True):
        assert [cell.strip() for cell in line.strip("│").split("│")] == [*row]
    assert not any("to fit" in line for line in shown)


def test_a_frame_where_there_is_room():
    table = Table("t", ["a", "b"], [["x", "1"], ["yy", "23"]])
    expected = ["t", "┏━━━━┳━━━━┓", "┃ a  ┃  b ┃", "┡━━━━╇━━━━┩", "│ x  │  1 │", "│ yy │ 23 │"]
    assert lines(table) == lines(table, 60) == [*expected, "└────┴────┘"]


def test_what_was_left_out_is_said_in_one_line():
    said = [line for line in lines(LAYERS, 80, "--wide shows all") if line.startswith("to fit")]
    assert said == [
        "to fit: numbers to 4 digits (k thousand, M million, G billion); --wide shows all"
    ]
    narrow = "\n".join(lines(LAYERS, 60))
    assert "without kind" in narrow
    assert "kind" not in narrow.partition("to fit")[0]
    assert "names without their middle" in " ".join(lines(ONE_WORD, 60))


def test_columns_that_cannot_be_spared_stand_below_each_other():
    shown = lines(NETWORKS, 60)
    assert sum(line.startswith("accuracy") for line in shown) > 1
    body = " ".join(shown)
    assert all(f"{10 * k:.2f} %" in body for k in range(9))
    assert all(f"{k}" in body for k in range(9))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("1,234.5", "1,234"), ("9,999.9", "10.00k"), ("12,345", "12,345"), ("12,345.6", "12.35k"),
        ("999,949", "999.9k"), ("999,999.9", "1.000M"), ("1,245,378.0", "1.245M"),
        ("777,777,777,777.8", "777.8G"), ("1,000,000,000,000", "1.000T"),
    ],
)  # fmt: skip
def test_numbers_to_four_digits(number, expected):
    assert short(number) == expected


def test_a_line_is_broken_between_words():
    text = "digits-conv: 360 samples, accuracy 98.61 % of 131,040 synapses " + "/long" * 20
    shown = wrapped(text, 40)
    assert " ".join(shown) == text
    assert all(cells(line) <= 40 or line == "/long" * 20 for line in shown)
    assert any("98.61 %" in line for line in shown)
    assert wrapped(text, None) == [text]


def test_letters_of_two_cells():
    table = Table("网络", ["名", "n"], [["网络" * 4, "1"]])
    assert len({cells(line) for line in lines(table)[1:]}) == 1


def test_the_screen_asks_how_wide_it_is(monkeypatch, capsys):
    for width in WIDTHS:
        monkeypatch.setattr(screen, "terminal_width", lambda width=width: width)
        screen.Output().print(LAYERS)
        assert max(map(cells, capsys.readouterr().out.splitlines())) <= width
        screen.Output(wide=True).print(LAYERS)
        wide = capsys.readouterr().out
        assert wide.splitlines() == lines(LAYERS)


def test_an_encoding_without_frames(monkeypatch, capsys):
    monkeypatch.setattr(screen, "_has_frames", lambda: False)
    screen.Output().print(Table("t", ["a", "b"], [["x", "1"]]))
    assert capsys.readouterr().out.isascii()
