"""Records that are shown as lines and a table."""

from __future__ import annotations

from evsim.base.overview import Overview
from evsim.interface._record import Record


class Described(Record):
    """What a file holds, with the keys that the command `info` prints as JSON."""

    def overview(self) -> Overview:
        """The longest of its tables, and a line for every other value."""
        tables = {
            key: value
            for key, value in self.items()
            if isinstance(value, list) and value and isinstance(value[0], dict)
        }
        rest = (key for key in self if key not in tables and self[key] not in (None, []))
        lines = [f"{key}: {self[key]}" for key in rest]
        if not tables:
            return Overview(str(self.get("file", "")), notes=lines)
        name = max(tables, key=lambda key: len(tables[key]))
        rows = [[_cell(value) for value in row.values()] for row in tables[name]]
        return Overview(f"{self.get('file', '')}: {name}", list(tables[name][0]), rows, lines)


def _cell(value: object) -> object:
    return " x ".join(map(str, value)) if isinstance(value, list) else value
