"""Numbers and names as a page shows them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from evsim.base.screen import printable
from evsim.chip.profile.amounts import Amount, high, low

SMALLEST = 0.001  # what is less, and not 0, is only said to be less
COUNTS = {9: "G", 6: "M", 3: "k", 0: ""}  # powers of ten: how a count in them is marked
OF_COUNTS, OF_JOULES = 1e5, 1e4  # what a table may have in a unit where others are small beside it
JOULES = {6: "J", 3: "mJ", 0: "µJ", -3: "nJ", -6: "pJ"}  # powers of ten of a microjoule


@dataclass(frozen=True)
class Unit:
    """What all numbers of a table or a picture are divided by, and its name."""

    size: float
    name: str

    @property
    def after(self) -> str:
        """What a label says of the unit: its name behind a comma, or nothing."""
        return f", {self.name}" if self.name else ""


def unit_for(amounts: Iterable[Amount], names: dict[int, str], most: float = 1e3) -> Unit:
    """The unit in which the greatest amount is below 1,000 and not far below it.

    Where an amount beside it is below 0.1 then, it is the next lower unit in which it is not, as
    long as the greatest amount stays below `most`.
    """
    amounts = list(amounts)
    greatest = max(map(high, amounts), default=0.0)
    least = min((low(amount) for amount in amounts if low(amount) > 0), default=greatest)
    if not greatest > 0:
        return Unit(1.0, names[0])
    power = min((p for p in names if greatest < 1e3 * 10.0**p), default=max(names))
    while (
        least < 0.1 * 10.0**power and power - 3 in names and greatest < most * 10.0 ** (power - 3)
    ):
        power -= 3
    return Unit(10.0**power, names[power])


def three(number: float) -> str:
    """A number that is not negative, to three significant digits, with groups of three."""
    if 0 < number < SMALLEST:
        return f"< {SMALLEST}"
    rounded = float(f"{number:.2e}")
    decimals = 2 - math.floor(math.log10(rounded)) if rounded else 0
    return f"{rounded:,.{max(decimals, 0)}f}"


def digits(amount: Amount, unit: Unit = Unit(1.0, "")) -> str:
    """An amount, or the range it lies in, to three significant digits of a unit."""
    if isinstance(amount, int) and amount < 1000 and unit.size == 1:
        return f"{amount}"
    ends = [three(end / unit.size) for end in (low(amount), high(amount))]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def cell(amount: Amount | None, unit: Unit, exact: str = "", at_least: bool = False):
    """What a table shows of an amount; the number itself, in `exact`, is in the tooltip."""
    from markupsafe import Markup

    if amount is None:
        return ""
    bound = "at least " if at_least else ""
    number = " to ".join(f"{end:,}" for end in dict.fromkeys((low(amount), high(amount))))
    said = f"{bound}{number}{exact and ' '}{exact}"
    return Markup('<span title="{}">{}{}</span>').format(said, bound, digits(amount, unit))


def whole(number: int) -> str:
    """A whole number with groups of three."""
    return f"{number:,}"


def percent(fraction: float | None, digits: int = 2) -> str:
    """A fraction in percent, without the sign."""
    return "" if fraction is None else f"{100 * fraction:.{digits}f}"


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
