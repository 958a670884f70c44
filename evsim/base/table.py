"""Tables as lines of text that fit a width; no number and no name is broken inside a word.

What does not fit is made to, in this order: without a frame, and with texts in several lines;
columns closer together; numbers to four digits with k, M, G, T; names broken behind the characters
that join their words; without the columns that a table can spare; one part of the columns below the
other; long names without their middle. A line below the table says what was lost by that.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

WIDE, NARROW = 2, 1  # blanks between columns without a frame
TEXT = 16  # cells that a column of text has at least, if it needs them
LEAST = 20  # of a width
PREFIXES = (("T", "trillion", 1e12), ("G", "billion", 1e9), ("M", "million", 1e6))
PREFIXES += (("k", "thousand", 1e3),)
GROUPED = re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w,])")
PIECE = re.compile(r"\S+(?: %\S*)?")  # what stays on one line
JOINT = re.compile(r"(?<=[._/:-])(?=[^\W\d_])|(?<=[^\W\d][._/:-])(?=\d)")  # of words of a name
NUMBER = re.compile(r"[+-]?[\d.,]+(?:e[+-]?\d+)?")
FRAME = ("┏━┳┓", "┃ ┃┃", "┡━╇┩", "│ ││", "└─┴┘")


@dataclass(frozen=True)
class Table:
    """A table: its first column and those named in `left` are text, the others numbers.

    `spare`: columns that are left out where the screen is too narrow, the first of them first.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: tuple[str, ...] = ()
    spare: tuple[str, ...] = ()

    def is_text(self, column: int) -> bool:
        """Whether a column, by its index, holds text."""
        return not column or self.columns[column] in self.left

    def only(self, kept: Sequence[int]) -> Table:
        """The table of these columns."""
        rows = [[row[i] for i in kept] for row in self.rows]
        return replace(self, columns=[self.columns[i] for i in kept], rows=rows)


@dataclass(frozen=True)
class Line:
    """A line of a drawn table: what it shows, and whether it is the title or a header."""

    text: str
    heads: bool = False


def draw(table: Table, width: int | None = None, hint: str = "") -> list[Line]:
    """The lines of a table, each at most `width` cells wide (None: whatever it takes).

    `hint`: how to see all of it, said behind what was lost.
    """
    title = [Line(line, True) for line in wrapped(table.title, width)]
    natural = [_natural(table, i) for i in range(len(table.columns))]
    framed = sum(natural) + 3 * len(natural) + 1
    if width is None or framed <= width:
        return title + _framed(table, natural)
    width, every = max(width, LEAST), list(range(len(table.columns)))
    for joints in (False, True):
        for made in (table, _shortened(table)):
            for gap in (WIDE, NARROW):
                if widths := _fit(made, width, joints, gap):
                    lines = _bare(made, widths, joints, gap)
                    return title + lines + _told(table, made, every, width, hint)
    return title + _reduced(table, _shortened(table), width, hint)


def _reduced(table: Table, short: Table, width: int, hint: str) -> list[Line]:
    """What is left of a table when columns are left out, or set below each other."""
    kept = list(range(len(table.columns)))
    for name in table.spare:
        kept = [i for i in kept if not i or table.columns[i] != name]
        if widths := _fit(short.only(kept), width, True, NARROW):
            return _bare(short.only(kept), widths, True, NARROW) + _told(
                table, short, kept, width, hint
            )
    made, widest = short, max(kept[1:], key=lambda i: _least(short, i, True), default=0)
    if not _fit(short.only([0, widest]), width, True, WIDE):
        most = max(LEAST // 2, width - WIDE - _least(short, widest, True))
        made = replace(short, rows=[[_elided(row[0], most), *row[1:]] for row in short.rows])
    lines, first = [], 1
    while first < len(kept):
        end = first + 1
        while end < len(kept) and _fit(made.only([0, *kept[first : end + 1]]), width, True, WIDE):
            end += 1
        part = made.only([0, *kept[first:end]])
        every = range(len(part.columns))
        widths = _fit(part, width, True, WIDE) or [_least(part, i, True) for i in every]
        lines += _bare(part, widths, True, WIDE)
        first = end
    return lines + _told(table, made, kept, width, hint)


def _told(table: Table, made: Table, kept: Sequence[int], width: int, hint: str) -> list[Line]:
    """What was lost, in one line; nothing where nothing was."""
    lost = []
    pairs = [
        (i, cell, row[i])
        for row, whole in zip(made.rows, table.rows, strict=True)
        for i, cell in enumerate(whole)
        if i in kept and cell != row[i]
    ]
    if letters := {c for i, _, cell in pairs if i for c in re.findall(r"\d([kMGT])\b", cell)}:
        used = [f"{letter} {word}" for letter, word, _ in reversed(PREFIXES) if letter in letters]
        lost.append(f"numbers to 4 digits ({', '.join(used)})")
    if any(not i for i, *_ in pairs):
        lost.append("names without their middle")
    if gone := [name for i, name in enumerate(table.columns) if i not in kept]:
        lost.append(f"without {', '.join(gone)}")
    said = f"to fit: {'; '.join([*lost, *filter(None, [hint])])}"
    return [Line(line) for line in wrapped(said, width)] if lost else []


def _shortened(table: Table) -> Table:
    """The table with the long numbers of its columns of numbers to four digits."""
    rows = [
        [
            cell if table.is_text(i) else GROUPED.sub(lambda found: short(found[0]), cell)
            for i, cell in enumerate(row)
        ]
        for row in table.rows
    ]
    return replace(table, rows=rows)


def short(number: str) -> str:
    """A number with groups of three to four digits, with k, M, G or T where that is shorter."""
    value = float(number.replace(",", ""))
    if value < 9999.5:
        return f"{value:,.0f}"
    for letter, _, unit in PREFIXES:
        if value >= unit * 0.99995:
            digits = 3 - (value >= 9.9995 * unit) - (value >= 99.995 * unit)
            digits -= value >= 999.95 * unit
            made = f"{value / unit:.{digits}f}{letter}"
            return made if len(made) < len(number) else number
    return number


def wrapped(text: str, width: int | None) -> list[str]:
    """A text in lines of at most `width` cells; a word that is longer stays whole."""
    if width is None or cells(text) <= width:
        return [text]
    lines = [""]
    for piece in PIECE.findall(text):
        if lines[-1] and cells(lines[-1]) + 1 + cells(piece) > width:
            lines.append("")
        lines[-1] += f" {piece}" if lines[-1] else piece
    return lines


def cells(text: str) -> int:
    """How many cells of a screen a text takes."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


# Widths of columns


def _natural(table: Table, i: int) -> int:
    """The width of a column whose cells have one line each."""
    return max([cells(table.columns[i]), *(cells(row[i]) for row in table.rows)])


def _least(table: Table, i: int, joints: bool) -> int:
    """The least width of a column in which no piece is broken."""
    head = max(map(cells, _pieces(table.columns[i], True)), default=0)
    text = table.is_text(i)
    pieces = {p for row in table.rows for p in _pieces(row[i], joints and text)}
    least = max(map(cells, pieces), default=0)
    if text:
        least = max(least, min(TEXT, max((cells(row[i]) for row in table.rows), default=0)))
    return max(head, least)


def _fit(table: Table, width: int, joints: bool, gap: int) -> list[int] | None:
    """The widths of the columns; None where they do not fit."""
    count = len(table.columns)
    found = [_least(table, i, joints) for i in range(count)]
    room = width - gap * (count - 1) - sum(found)
    if room < 0:
        return None
    wanted = {i: _natural(table, i) - found[i] for i in range(count)}
    for i in sorted(wanted, key=wanted.get):
        more = min(room, max(wanted[i], 0))
        found[i] += more
        room -= more
    return found


def _pieces(text: str, joints: bool) -> list[str]:
    """The pieces of a text that stay whole; with `joints` names are several."""
    found = PIECE.findall(text)
    if not joints:
        return found
    return [p for word in found for p in ([word] if NUMBER.fullmatch(word) else JOINT.split(word))]


def _lines(text: str, width: int, joints: bool) -> list[str]:
    """A cell in lines of at most `width`."""
    if cells(text) <= width:
        return [text]
    lines = [""]
    for word in PIECE.findall(text):
        blank = " " if lines[-1] else ""
        for piece in _pieces(word, joints) if cells(word) > width else [word]:
            if lines[-1] and cells(lines[-1]) + len(blank) + cells(piece) > width:
                lines.append("")
                blank = ""
            lines[-1] += blank + piece
            blank = ""
    return lines


def _elided(name: str, most: int) -> str:
    """A name without its middle, where it is longer than `most`."""
    if cells(name) <= most:
        return name
    half = (most - 1) // 2
    return f"{name[: most - 1 - half]}…{name[-half:]}"


# Drawing


def _aligned(table: Table, cell: str, i: int, width: int) -> str:
    blanks = " " * (width - cells(cell))
    return cell + blanks if table.is_text(i) else blanks + cell


def _framed(table: Table, widths: list[int]) -> list[Line]:
    """A table in a frame."""

    def ruled(style: str) -> str:
        left, line, middle, right = style
        return left + middle.join(line * (width + 2) for width in widths) + right

    def row(values, style: str) -> str:
        left, _, middle, right = style
        aligned = (_aligned(table, v, i, widths[i]) for i, v in enumerate(values))
        return f"{left} {f' {middle} '.join(aligned)} {right}"

    top, head, rule, body, bottom = FRAME
    lines = [Line(ruled(top)), Line(row(table.columns, head), True), Line(ruled(rule))]
    lines += [Line(row(values, body)) for values in table.rows]
    return [*lines, Line(ruled(bottom))]


def _bare(table: Table, widths: list[int], joints: bool, gap: int) -> list[Line]:
    """A table without a frame, whose cells may have several lines."""

    def rows(values, heads: bool) -> list[Line]:
        columns = [
            _lines(v, widths[i], heads or (joints and table.is_text(i)))
            for i, v in enumerate(values)
        ]
        height = max(map(len, columns))
        blank = [[""] * (height - len(lines)) for lines in columns]
        if heads:  # they stand on the line
            columns = [more + lines for more, lines in zip(blank, columns, strict=True)]
        else:
            columns = [lines + more for more, lines in zip(blank, columns, strict=True)]
        return [
            Line(_joined(table, [column[k] for column in columns], widths, gap), heads)
            for k in range(height)
        ]

    rule = "─" * (sum(widths) + gap * (len(widths) - 1))
    lines = [*rows(table.columns, True), Line(rule)]
    for values in table.rows:
        lines += rows(values, False)
    return [*lines, Line(rule)]


def _joined(table: Table, values: list[str], widths: list[int], gap: int) -> str:
    aligned = (_aligned(table, v, i, widths[i]) for i, v in enumerate(values))
    return (" " * gap).join(aligned).rstrip()
