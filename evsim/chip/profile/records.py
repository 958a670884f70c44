"""The tables of a profile as frozen records: fields that check themselves, errors of one line.

Units are in the names of keys (`clock_hz`, `read_pj`, `size_kib`) or of the table that holds them
(`[time.cycles]`, `[time.ns]`); what counts things has none. Nothing in a profile is executed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from evsim.base.errors import EvsimError, mismatch, nearest, shown
from evsim.chip.profile.amounts import Amount

EVIDENCE = ("measured", "published", "simulated", "derived", "assumed")
MOST = 1e12  # of any amount: in picojoule that is one joule
UNITS = {
    "hz": "hertz",
    "pj": "picojoule",
    "kib": "kibibyte",
    "bits": "bits",
    "mw": "milliwatt",
    "ms": "milliseconds",
}


def field(check: Callable[[Any], Any], default: Any = dataclasses.MISSING, key: str = ""):
    """A field of a record; `check` takes what TOML holds and returns what the record keeps.

    `key`: its name in TOML, where that is another. A comment on the field's line says what it is,
    its unit in brackets first.
    """
    metadata = {"check": check, "key": key, "takes": getattr(check, "takes", "")}
    return dataclasses.field(default=default, metadata=metadata)


def _taking(takes: str) -> Callable:
    """Marks a check with what it takes, in a word, for the reference."""

    def mark(check):
        check.takes = takes
        return check

    return mark


def whole(least: int = 0, most: int = int(MOST)) -> Callable:
    """A check of a field: an integer from `least` to `most`."""

    @_taking(f"whole number from {least}")
    def check(value):
        if type(value) is not int or value < least:
            raise mismatch(shown(value), f"a whole number of at least {least}")
        if value > most:
            raise mismatch(shown(value), f"at most {most}")
        return value

    return check


def number(unit: str) -> Callable:
    """A check of a field: a number from 0 to 1e12, in a unit."""

    @_taking("number")
    def check(value) -> float:
        if type(value) not in (int, float) or not 0 <= value <= MOST:
            raise mismatch(shown(value), f"a number from 0 to {MOST:g}, in {unit}")
        return float(value)

    return check


def amount(unit: str) -> Callable:
    """A check of a field: a number from 0 to 1e12, or a range [low, high] of such, in a unit."""
    one = number(unit)

    @_taking("number or range")
    def check(value) -> Amount:
        if not isinstance(value, list):
            return one(value)
        if len(value) != 2:
            raise mismatch(shown(value), f"a range [low, high], in {unit}")
        low, high = (one(end) for end in value)
        if low > high:
            raise mismatch(shown(value), f"a range [low, high] with low <= high, in {unit}")
        return (low, high) if low < high else low

    return check


def choice(*allowed: str) -> Callable:
    """A check of a field: one of the `allowed` words."""

    @_taking(", ".join(allowed))
    def check(value) -> str:
        if value not in allowed:
            expected = f"one of {', '.join(allowed)}{nearest(value, allowed)}"
            raise mismatch(shown(value), expected)
        return value

    return check


@_taking("true or false")
def flag(value) -> bool:
    """The value of a field that is true or false; else EvsimError."""
    if not isinstance(value, bool):
        raise mismatch(shown(value), "true or false")
    return value


@_taking("text")
def text(value) -> str:
    """The value of a field that is a line of text and not empty; else EvsimError."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise mismatch(shown(value), "a line of text that is not empty")
    return value


@_taking("lines of text")
def lines(value) -> tuple[str, ...]:
    """The value of a field that is a list of lines of text; else EvsimError."""
    if not isinstance(value, list):
        raise mismatch(shown(value), "a list of lines of text")
    return tuple(text(line) for line in value)


def words(known: Iterable[str], what: str, least: int = 0, alone: bool = False) -> Callable:
    """A check of a field: a list of `known` words, at least so many, each once where `alone`.

    One word stands for a list of one. `what`: what they name, for errors.
    """

    @_taking(f"{what}s" if len(tuple(known)) > 7 else "of " + ", ".join(known))
    def check(value) -> tuple[str, ...]:
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise mismatch(shown(value), f"names of {what}s")
        if len(names) < least:
            raise mismatch(f"no {what}", "at least one")
        for i, name in enumerate(names):
            if name not in known:
                raise mismatch(shown(name), f"{_article(what)} that is known{nearest(name, known)}")
            if alone and name in names[:i]:
                raise mismatch(f"{shown(name)} twice", "each once")
        return tuple(names)

    return check


def _article(what: str) -> str:
    return f"an {what}" if what[0] in "aeiou" else f"a {what}"


def table(record: type[Record]) -> Callable:
    """A check of a field: a table that is such a record."""
    return record.read


def tables(record: type[Record]) -> Callable:
    """A check of a field: an array of tables, each of which is such a record."""

    @_taking("[[tables]]")
    def check(value) -> tuple:
        if not isinstance(value, list):
            raise mismatch(shown(value), "[[...]] tables")
        read = []
        for number, content in enumerate(value):
            try:
                read.append(record.read(content))
            except EvsimError as error:
                raise error.within(f"[{number}]") from None
        return tuple(read)

    return check


@dataclasses.dataclass(frozen=True)
class Record:
    """A table of a profile. None in a field: the profile does not say."""

    @classmethod
    def read(cls, content) -> Record:
        """Read and check a table; raises EvsimError with the place in it."""
        if not isinstance(content, dict):
            raise mismatch(shown(content), "a table")
        known = {f.metadata["key"] or f.name: f for f in dataclasses.fields(cls)}
        for key in content:
            if key not in known:
                raise unknown(key, known)
        for name, one in known.items():
            if name not in content and one.default is dataclasses.MISSING:
                unit = f", in {UNITS[name]}" if name in UNITS else ""
                raise EvsimError(f"missing field {name!r}{unit}")
        return cls(**{known[key].name: _value(known[key], content[key], key) for key in content})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sourced(Record):
    """A table that says where its numbers stand and how well they are known."""

    source: str | None = field(text, None)  # where its numbers stand
    evidence: str | None = field(choice(*EVIDENCE), None)  # how well they are known


def unknown(key: str, known: Iterable[str]) -> EvsimError:
    """The error of an unknown key: it names the key that was meant, if its unit is missing."""
    for name in known:
        stem, _, unit = name.rpartition("_")
        if stem and unit in UNITS and stem in (key, key.rpartition("_")[0]):
            found = f"{key!r} without a unit" if key == stem else f"unknown key {shown(key)}"
            return mismatch(found, f"{name!r}, in {UNITS[unit]}")
    return mismatch(f"unknown key {shown(key)}", f"one of {', '.join(known)}{nearest(key, known)}")


def _value(one: dataclasses.Field, value, key: str):
    try:
        return one.metadata["check"](value)
    except EvsimError as error:
        if error.place.startswith("["):
            raise EvsimError(error.problem, f"{key}{error.place}") from None
        raise error.within(key) from None
