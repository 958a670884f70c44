"""Pictures of what runs cost, as SVG within a page: bars by run, and accuracy against energy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from evsim.chip.profile.amounts import Amount, high, low
from evsim.reports.svg import (
    COLORS,
    framed,
    log_ticks,
    percent_axis,
    shortened,
    ticks,
    words,
)
from evsim.reports.wording import Unit, digits

WIDTH = 360
Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Spent:
    """What a run costs: an amount, or the least that it may be."""

    index: int
    label: str
    amount: Amount
    at_least: bool = False
    accuracy: float | None = None

    def said(self, unit: Unit) -> str:
        """The amount in words."""
        bound = "at least " if self.at_least else ""
        return f"{bound}{digits(self.amount, unit)} {unit.name}".strip()


def bars(runs: list[Spent], unit: Unit, name: str) -> Markup:
    """A bar for each run, its name and amount above it; `name` is of the axis, without the unit.

    The pale end of a bar is the range in which the amount lies, an arrow says that it is more.
    """
    left, right, row, top = 4, WIDTH - 12, 36, 4
    most = max(high(run.amount) for run in runs) / unit.size or 1.0
    bottom = top + row * len(runs)

    def x(value):
        return left + (right - left) * value / most

    body = []
    for value in ticks(0, most, 5):
        body.append(f'<path class="grid" d="M{x(value):.1f} {top}V{bottom + 4}"/>')
        kind = "tick middle" if value else "tick"
        body.append(words(x(value) if value else 0, bottom + 18, f"{value:,.6g}", kind))
    body.append(words((left + right) / 2, bottom + 36, f"{name}{unit.after}", "name middle"))
    for place, run in enumerate(runs):
        y, color = top + row * place, f"c{run.index % COLORS}"
        said = run.said(unit)
        label = shortened(f"{run.index + 1} {run.label}", 48 - len(said))
        body += [words(left, y + 15, label, "of"), words(WIDTH, y + 15, said, "of end")]
        sure, perhaps = (x(end(run.amount) / unit.size) - left for end in (low, high))
        at = f'x="{left}" y="{y + 20}" height="10"'
        if perhaps > sure:
            body.append(f'<rect class="dot pale {color}" {at} width="{perhaps:.1f}"/>')
        body.append(f'<rect class="dot {color}" {at} width="{max(sure, 0.5):.1f}"/>')
        if run.at_least:
            body.append(
                f'<path class="dot {color}" d="M{left + perhaps + 2:.1f} {y + 20}l7 5 -7 5z"/>'
            )
    found = ", ".join(f"{run.label} {run.said(unit)}" for run in runs)
    return framed(WIDTH, bottom + 42, f"{name}{unit.after}: {found}", body, "chart")


def scatter(runs: list[Spent], unit: Unit, name: str, ends: tuple[float, float]) -> Markup:
    """Accuracy against what runs cost, a point with its number for each run.

    Lines beside a point are the range in which its amount lies, an arrow says that it is more.
    """
    height, left, right, top, bottom = 270, 34, WIDTH - 16, 26, 226
    least, most = (
        f(end(run.amount) for run in runs) / unit.size for f, end in ((min, low), (max, high))
    )
    log = least > 0 and most > 8 * least
    first, last = (least / 1.3, most * 1.3) if log else (0.0, (most or 1.0) * 1.06)
    floor, ceiling = ends

    def x(value):
        share = math.log(value / first) / math.log(last / first) if log else value / last
        return left + (right - left) * share

    def y(value):
        return top + (bottom - top) * (ceiling - value) / (ceiling - floor)

    body = percent_axis(y, left, right, ends, "accuracy, %")
    for value in log_ticks(first, last) if log else ticks(0, last, 4):
        body.append(f'<path class="grid" d="M{x(value):.1f} {top}V{bottom + 4}"/>')
        body.append(words(x(value), bottom + 17, f"{value:,.6g}", "tick middle"))
    scale = " (log scale)" if log else ""
    body.append(words((left + right) / 2, height - 8, f"{name}{unit.after}{scale}", "name middle"))
    taken: list[Box] = []
    places = [(run, x(high(run.amount) / unit.size), y(100 * run.accuracy)) for run in runs]
    taken += [(cx - 5, cy - 5, cx + 5, cy + 5) for _, cx, cy in places]
    for run, cx, cy in places:
        color, start = f"c{run.index % COLORS}", x(low(run.amount) / unit.size)
        if start < cx:
            body.append(f'<path class="line {color}" d="M{start:.1f} {cy:.1f}H{cx:.1f}"/>')
        if run.at_least:
            body.append(f'<path class="line {color}" d="M{cx:.1f} {cy:.1f}h12m-4 -4l4 4 -4 4"/>')
        body.append(f'<circle class="dot {color}" cx="{cx:.1f}" cy="{cy:.1f}" r="4.5"/>')
        number = f"{run.index + 1}"
        box = next((box for box in _beside(cx, cy, 7 * len(number)) if _free(box, taken)), None)
        if box:
            taken.append(box)
            body.append(words((box[0] + box[2]) / 2, box[3] - 2, number, "of middle"))
    found = ", ".join(
        f"{run.label} {100 * run.accuracy:.2f} % for {run.said(unit)}" for run in runs
    )
    return framed(WIDTH, height, f"Accuracy against {name}{unit.after}: {found}", body, "chart")


def _beside(x: float, y: float, wide: float) -> Iterator[Box]:
    """Places for a word beside a point, the nearest first."""
    for distance in (0, 10, 20, 30):
        for across, down in ((0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (1, 1), (-1, 1), (1, -1)):
            left = x - wide / 2 + across * (wide / 2 + 7 + distance)
            middle = y + down * (13 + distance)
            yield left, middle - 6, left + wide, middle + 6


def _free(box: Box, taken: list[Box]) -> bool:
    """Whether a place is in the picture and apart from all that are taken."""
    inside = box[0] > 36 and box[2] < WIDTH and box[1] > 14 and box[3] < 228
    return inside and all(
        box[2] <= other[0] or other[2] <= box[0] or box[3] <= other[1] or other[3] <= box[1]
        for other in taken
    )
