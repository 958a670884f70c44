"""Amounts known exactly or within a range: a float, or (low, high).

Costs are linear in counts and prices, so the ends of a range are reached: nothing is widened.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

Amount = float | tuple[float, float]


def low(amount: Amount) -> float:
    """The least that an amount may be."""
    return amount[0] if isinstance(amount, tuple) else amount


def high(amount: Amount) -> float:
    """The most that an amount may be."""
    return amount[1] if isinstance(amount, tuple) else amount


def between(least: float, most: float) -> Amount:
    """The amount from `least` to `most`: a number where they are equal, else a pair."""
    return least if least == most else (least, most)


def added(amounts: Iterable[Amount]) -> Amount:
    """The sum of amounts, each rounded once: exact sums of the low and of the high ends."""
    amounts = list(amounts)
    return between(math.fsum(map(low, amounts)), math.fsum(map(high, amounts)))


def times(amount: Amount, factor: float) -> Amount:
    """An amount multiplied by a factor of at least 0."""
    return between(low(amount) * factor, high(amount) * factor)


def quotient(over: Sequence[float], under: Sequence[float], prices: Sequence[Amount]):
    """sum(over p) / sum(under p) for all prices p at once: an Amount, None where it has no bound.

    `under` is not negative. The extremes of such a quotient are at ends of the prices, and at the
    greatest one exactly the prices with over / under above some limit are high.
    """
    n = range(len(prices))

    def slope(i: int) -> float:
        return over[i] / under[i] if under[i] else math.copysign(math.inf, over[i])

    quotients = []
    by_slope = sorted(n, key=slope)
    for order in (by_slope, by_slope[::-1]):
        for split in range(len(prices) + 1):
            p = {i: high(prices[i]) if k < split else low(prices[i]) for k, i in enumerate(order)}
            beneath = math.fsum(under[i] * p[i] for i in n)
            if beneath <= 0:
                return None
            quotients.append(math.fsum(over[i] * p[i] for i in n) / beneath)
    return between(min(quotients), max(quotients))
