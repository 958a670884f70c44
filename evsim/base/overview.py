"""What an object shows of itself: a short table as text, and as HTML in a notebook."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from evsim.base.screen import printable

ROWS = 24  # of a table; of more, the first and the last ones
LAST = 6
CELL = 40  # characters


@dataclass(frozen=True)
class Overview:
    """A title, and below it a table; columns of numbers stand on the right."""

    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    notes: Sequence[str] = ()  # lines below the table

    def text(self) -> str:
        """The table in plain text."""
        cells = [list(map(_cell, row)) for row in self._shown()]
        lines = [printable(self.title)]
        if cells:
            cells.insert(0, list(map(_cell, self.columns)))
            widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
            right = [self._is_number(k) for k in range(len(widths))]
            for row in cells:
                padded = (
                    cell.rjust(width) if side else cell.ljust(width)
                    for cell, width, side in zip(row, widths, right, strict=True)
                )
                lines.append("  " + "  ".join(padded).rstrip())
        return "\n".join([*lines, *map(printable, self.notes)])

    def html(self) -> str:
        """The table in HTML; no text in it is markup."""
        head = "".join(f"<th>{html.escape(_cell(name))}</th>" for name in self.columns)
        body = "".join(
            "<tr>"
            + "".join(
                f'<td style="text-align:{"right" if self._is_number(k) else "left"}">'
                f"{html.escape(_cell(value))}</td>"
                for k, value in enumerate(row)
            )
            + "</tr>"
            for row in self._shown()
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        notes = "".join(f"<p>{html.escape(printable(note))}</p>" for note in self.notes)
        title = f"<p><b>{html.escape(printable(self.title))}</b></p>"
        return title + (table if body else "") + notes

    def _shown(self) -> list[Sequence[object]]:
        if len(self.rows) <= ROWS:
            return list(self.rows)
        left_out = len(self.rows) - ROWS + 1
        between = [f"... {left_out:,} more", *[""] * (len(self.columns) - 1)]
        return [*self.rows[: ROWS - LAST - 1], between, *self.rows[-LAST:]]

    def _is_number(self, column: int) -> bool:
        values = [row[column] for row in self.rows if row[column] not in ("", None)]
        return bool(values) and all(
            isinstance(v, int | float) and not isinstance(v, bool) for v in values
        )


class Shown:
    """An object whose `repr` is its overview; a notebook shows it as a table."""

    def overview(self) -> Overview:
        """The short table."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.overview().text()

    def _repr_html_(self) -> str:
        return self.overview().html()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
    text = printable(str(value))
    return text if len(text) <= CELL else f"{text[: CELL - 3]}..."
