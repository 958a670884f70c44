"""Pictures of what a run recorded, as SVG within a page, with numbers rounded to one decimal.

Equal results give equal bytes. Every picture has a text that says what it shows; what it shows
stands in a table, too.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from markupsafe import Markup

from evsim.reports.svg import (
    COLORS,
    framed,
    percent_axis,
    points,
    rule,
    style_of,
    ticks,
    words,
)
from evsim.reports.wording import percent

RASTER = (128, 256)  # neurons that a raster shows, about, and timesteps, at most


def accuracy(
    lines: list[tuple[int, np.ndarray]],
    anns: list[float],
    ends: tuple[float, float],
    text: str,
) -> Markup:
    """Accuracy in percent over timesteps, which double from mark to mark.

    `lines`: the index of a run, and its accuracy after each timestep; `ends`: of the axis of
    accuracy, in percent. What lies below it is cut.
    """
    width, height, left, right, top, bottom = 360, 230, 34, 348, 26, 190
    last, (floor, ceiling) = max(curve.size for _, curve in lines), ends
    across = math.log2(max(last, 2))

    def x(timestep):
        return left + (right - left) * np.log2(timestep) / across

    def y(value):
        return top + (bottom - top) * (ceiling - value) / (ceiling - floor)

    body = percent_axis(y, left, right, ends, "accuracy, %")
    marks = [2**power for power in range(int(math.log2(last)) + 1)]
    marks = marks[:: -(-len(marks) // 8)]
    if marks[-1] < last:  # the last one is marked, too; a power of 2 beside it gives way
        marks = [mark for mark in marks if mark * 1.3 < last] + [last]
    for mark in marks:
        edge = " end" if mark == last > 99 else " middle"
        body.append(
            words(
                x(mark) + (6 if mark == last > 99 else 0), bottom + 16, f"{mark:,}", f"tick{edge}"
            )
        )
    body.append(words((left + right) / 2, height - 6, "timestep (log scale)", "name middle"))
    body += [
        rule(left, right, y(100 * ann), "ann") for ann in sorted(set(anns)) if 100 * ann >= floor
    ]
    size = f'x="{left}" y="{top - 2}" width="{right - left}" height="{bottom - top + 2}"'
    view = f'viewBox="{left} {top - 2} {right - left} {bottom - top + 2}"'
    body.append(f"<svg {size} {view}>")
    for index, curve in lines:
        found = points(x(np.arange(1, curve.size + 1)), y(100 * curve))
        body.append(f'<polyline {style_of(index)} points="{found}"/>')
    body.append("</svg>")
    for index, curve in lines:
        if 100 * curve[-1] >= floor:
            end = f'cx="{float(x(curve.size)):.1f}" cy="{float(y(100 * curve[-1])):.1f}"'
            body.append(f'<circle class="dot c{index % COLORS}" {end} r="3.5"/>')
    return framed(width, height, text, body, "chart")


def histogram(rows: np.ndarray, top: float, text: str, bins: int = 24) -> Markup:
    """Neurons that sent, by their firing rate from 0 to `top`; rows[k] sent k events.

    The axis beside it is the share of all neurons, the one below it the firing rate, both in
    percent.
    """
    width, height, left = 150, 30, 38
    counts = np.arange(1, rows.size)
    rates = counts / max(rows.size - 1, 1)
    places = np.minimum((rates / top * bins).astype(int), bins - 1)
    found = np.bincount(places, rows[1:], minlength=bins)
    highest = found.max(initial=0) or 1
    body = [f'<g transform="translate({left} 8)">', rule(0, width, height - 0.5, "axis")]
    for k, count in enumerate(found):
        if count:
            tall = max((height - 2) * count / highest, 1)
            body.append(f'<rect class="bar" x="{width / bins * k + 0.5:.2f}" ')
            body.append(f'y="{height - 1 - tall:.2f}" width="{width / bins - 1:.2f}" ')
            body.append(f'height="{tall:.2f}"/>')
    if found.any():
        share = highest / max(rows.sum(), 1)
        body.append(words(-5, 6, percent(share, 1 if share >= 0.001 else 3), "tick end"))
    body += [words(-5, height + 1, "0", "tick end"), words(0, height + 13, "0", "tick")]
    body.append(words(width, height + 13, percent(top, 0 if top >= 0.1 else 2), "tick end"))
    return framed(left + width + 2, height + 24, text, [*body, "</g>"], "small rates")


def queue(mean: np.ndarray, most: np.ndarray, text: str) -> Markup:
    """The events of a queue over time: an area up to the most, a line at the mean."""
    width, height, left, peak = 200, 44, 56, int(most.max(initial=0))
    x = np.repeat(np.arange(mean.size + 1) * width / mean.size, 2)[1:-1]

    def y(values):
        return np.repeat(height - 1 - (height - 3) * values / (peak or 1.0), 2)

    edge = f"0,{height - 1} {points(x, y(most))} {width},{height - 1}"
    body = [f'<g transform="translate({left} 8)">', f'<polygon class="area" points="{edge}"/>']
    body.append(f'<polyline class="mean" points="{points(x, y(mean))}"/>')
    body.append(rule(0, width, height - 0.5, "axis"))
    if peak:
        body.append(words(-5, 6, f"{peak:,}", "tick end"))
    body += [words(-5, height + 1, "0", "tick end"), words(0, height + 13, "1", "tick")]
    if mean.size > 1:
        body.append(words(width, height + 13, f"{mean.size:,}", "tick end"))
    return framed(left + width + 2, height + 24, text, [*body, "</g>"], "small depth")


def stride(neurons: int) -> int:
    """How far apart the neurons of a raster are: coprime to their number, so to their channels.

    A stride that has a divisor in common with the channels would leave channels out.
    """
    wish = neurons / RASTER[0]
    if wish <= 1:
        return 1
    fits = (n for n in itertools.count(math.ceil(wish)) if math.gcd(n, neurons) == 1)
    more = next(fits)
    less = next(n for n in range(math.floor(wish), 0, -1) if math.gcd(n, neurons) == 1)
    return less if wish / less <= more / wish else more


def raster(events: np.ndarray, neurons: int, timesteps: int, text: str) -> Markup:
    """Events (timestep, neuron) of a population, or of neurons of it that lie a stride apart.

    Axes count neurons from 0 and timesteps from 1. Two units are a unit of other pictures.
    """
    step, columns = stride(neurons), min(timesteps, RASTER[1])
    rows = -(-neurons // step)
    cells = np.zeros((rows, columns), bool)
    shown = events[events[:, 1] % step == 0]
    cells[shown[:, 1] // step, shown[:, 0] * columns // timesteps] = True
    width, left, right, top, bottom = 640, 88, 32, 38, 62
    wide, tall = width / columns, max(2.0, min(12.0, 192 / rows))
    height = rows * tall
    marks = []
    for row in range(rows):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], cells[row].astype(int), [0]])))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            marks.append(f"M{start * wide:g} {(row + 0.5) * tall:g}h{(stop - start) * wide:g}")
    body = [f'<g transform="translate({left} {top})">']
    body.append(f'<rect class="back" width="{width}" height="{height:g}"/>')
    body.append(f'<path class="events" stroke-width="{tall:g}" d="{"".join(marks)}"/>')
    body.append(f'<path class="axis" fill="none" d="M0 0V{height:g}H{width}"/>')
    body.append(words(-left, -14, "neuron", "name"))
    body.append(words(width / 2, height + 54, "timestep", "name middle"))
    for neuron in _whole_ticks(neurons - 1, int(min(5, max(1, height / 48)))):
        y = (neuron / step + 0.5) * tall
        body.append(f'<path class="axis" d="M-8 {y:.1f}H0"/>')
        body.append(words(-14, y + 7, f"{neuron:,}", "tick end"))
    inner = [t for t in _whole_ticks(timesteps, 5) if 1 < t <= 0.94 * timesteps]
    for timestep in sorted({1, *inner, timesteps}):
        x = (timestep - 0.5) * width / timesteps
        body.append(f'<path class="axis" d="M{x:.1f} {height:g}v8"/>')
        body.append(words(x, height + 30, f"{timestep:,}", "tick middle"))
    size = left + width + right, top + height + bottom
    return framed(*size, text, [*body, "</g>"], "raster")


def _whole_ticks(high: int, most: int) -> list[int]:
    """Round whole numbers from 0 to `high`."""
    found = ticks(0, high, most) if high else [0]
    return [round(value) for value in found if abs(value - round(value)) < 1e-9]
