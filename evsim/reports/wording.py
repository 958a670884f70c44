"""Numbers and names as a page shows them."""

from __future__ import annotations

import re

from evsim.base.screen import printable


def count(number: float | None, digits: int = 1) -> str:
    """A number with groups of three."""
    return "" if number is None else f"{number:,.{digits}f}"


def percent(fraction: float | None, digits: int = 2) -> str:
    """A fraction in percent, without the sign."""
    return "" if fraction is None else f"{100 * fraction:.{digits}f}"


def amount(number, scale: float = 1.0) -> str:
    """An energy, or the range it lies in, to three decimals."""
    ends = number if isinstance(number, tuple) else (number,)
    return " to ".join(f"{end / scale:,.3f}" for end in ends)


def numeral(value: float | str | None) -> str:
    """A word as it is, a whole number with groups of three, others to four digits."""
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def breakable(text: str):
    """A name that may be broken behind the characters that join its words."""
    from markupsafe import Markup, escape

    words = re.split(r"(?<=[._-])(?=[^._-])", printable(text))
    return Markup("<wbr>").join(escape(word) for word in words)


def seen(value):
    """A value that a page shows: of a text that is no HTML of ours, what can be seen."""
    return printable(value) if type(value) is str else value


def drawn(name: str) -> str:
    """A name in a picture: nothing in it is a formula, and a legend leaves none out."""
    name = printable(name, 80).replace("$", r"\$")
    return f" {name}" if name.startswith("_") else name
