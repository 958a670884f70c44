"""Pictures of a page, as SVG that takes its colours from the page; the same input, the same bytes.

Every picture has a text that says what it shows; what it shows stands in a table, too.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from markupsafe import Markup, escape

from evsim.base.screen import printable

COLORS = 6  # that the page defines: lines beyond them begin again, with another dash
DASHES = ("", "7 4", "2 3")
RASTER = (128, 256)  # neurons that a raster shows, about, and timesteps, at most


def _svg(width: float, height: float, text: str, body: str, kind: str = "") -> Markup:
    opened = f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" role="img"'
    label = escape(printable(text))
    return Markup(f'{opened} aria-label="{label}"><title>{label}</title>{body}</svg>')


def _points(xs, ys) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from low to high, at most so many steps."""
    rough = (high - low) / most
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * m for m in (1, 2, 5, 10) if size * m >= rough * (1 - 1e-9))
    return [
        step * k for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]


def style_of(index: int) -> str:
    """The class and dash of the line of a result."""
    dash = DASHES[index // COLORS % len(DASHES)]
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'class="line c{index % COLORS}"{dashed}'


def key(index: int) -> Markup:
    """The sample of a line that a legend shows."""
    line = f'<line x1="0" y1="5" x2="26" y2="5" {style_of(index)}/>'
    return Markup(f'<svg class="key" viewBox="0 0 26 10" aria-hidden="true">{line}</svg>')


def accuracy(lines: list[tuple[int, np.ndarray]], anns: list[float], text: str) -> Markup:
    """Accuracy in percent over timesteps, which double from mark to mark.

    `lines`: the index of a result, and its accuracy after each timestep.
    """
    width, height, left, right, top, bottom = 720, 300, 52, 14, 12, 40
    last = max(curve.size for _, curve in lines)
    lowest = min(float(curve.min()) for _, curve in lines)
    floor = 0 if lowest < 0.5 else 10 * math.floor(10 * lowest) - 10 * (lowest == 1)
    across = math.log2(max(last, 2))

    def x(timestep):
        return left + (width - left - right) * np.log2(timestep) / across

    def y(fraction):
        return top + (height - top - bottom) * (100 - 100 * fraction) / (100 - floor)

    body = []
    for value in ticks(floor, 100):
        level = float(y(value / 100))
        body.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{level:.1f}" ')
        body.append(f'y2="{level:.1f}"/><text class="tick end" x="{left - 8}" ')
        body.append(f'y="{level + 4:.1f}">{value:g} %</text>')
    marks = [2**power for power in range(int(math.log2(last)) + 1)]
    if marks[-1] < last:  # the last one is marked, too; a power of 2 beside it gives way
        marks = [mark for mark in marks if mark * 1.2 < last] + [last]
    for mark in marks:
        place = float(x(mark))
        body.append(f'<text class="tick middle" x="{place:.1f}" y="{height - bottom + 18}">')
        body.append(f"{mark}</text>")
    body.append(f'<text class="tick middle" x="{(left + width - right) / 2:g}" ')
    body.append(f'y="{height - 4}">timesteps</text>')
    for ann in sorted(set(anns)):
        if 100 * ann >= floor:
            level = float(y(ann))
            body.append(f'<line class="ann" x1="{left}" x2="{width - right}" y1="{level:.1f}" ')
            body.append(f'y2="{level:.1f}"/>')
    for index, curve in lines:
        steps = np.arange(1, curve.size + 1)
        points = _points(x(steps), y(curve))
        body.append(f'<polyline {style_of(index)} points="{points}"/>')
        end = f'cx="{float(x(curve.size)):.1f}" cy="{float(y(curve[-1])):.1f}"'
        body.append(f'<circle class="dot c{index % COLORS}" {end} r="3.5"/>')
    return _svg(width, height, text, "".join(body), "wide")


def histogram(rows: np.ndarray, top: float, text: str, bins: int = 24) -> Markup:
    """Neurons that sent, by their firing rate from 0 to `top`; rows[k] sent k events."""
    width, height = 150, 30
    counts = np.arange(1, rows.size)
    rates = counts / max(rows.size - 1, 1)
    places = np.minimum((rates / top * bins).astype(int), bins - 1)
    found = np.bincount(places, rows[1:], minlength=bins)
    highest = found.max(initial=0) or 1
    body = [f'<line class="axis" x1="0" x2="{width}" y1="{height - 0.5}" y2="{height - 0.5}"/>']
    for k, count in enumerate(found):
        if count:
            tall = max((height - 2) * count / highest, 1)
            body.append(f'<rect class="bar" x="{width / bins * k + 0.5:.2f}" ')
            body.append(f'y="{height - 1 - tall:.2f}" width="{width / bins - 1:.2f}" ')
            body.append(f'height="{tall:.2f}"/>')
    return _svg(width, height, text, "".join(body), "small")


def queue(mean: np.ndarray, most: np.ndarray, text: str) -> Markup:
    """The events of a queue over time: an area up to the most, a line at the mean."""
    width, height, top = 240, 44, float(most.max(initial=0)) or 1.0
    x = np.repeat(np.arange(mean.size + 1) * width / mean.size, 2)[1:-1]

    def y(values):
        return np.repeat(height - 1 - (height - 3) * values / top, 2)

    edge = f"0,{height - 1} {_points(x, y(most))} {width},{height - 1}"
    body = f'<polygon class="area" points="{edge}"/>'
    body += f'<polyline class="mean" points="{_points(x, y(mean))}"/>'
    body += f'<line class="axis" x1="0" x2="{width}" y1="{height - 0.5}" y2="{height - 0.5}"/>'
    return _svg(width, height, text, body, "small")


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

    Axes count neurons from 0 and timesteps from 1.
    """
    step, columns = stride(neurons), min(timesteps, RASTER[1])
    rows = -(-neurons // step)
    cells = np.zeros((rows, columns), bool)
    shown = events[events[:, 1] % step == 0]
    cells[shown[:, 1] // step, shown[:, 0] * columns // timesteps] = True
    width, left, right, top, bottom = 640, 62, 24, 20, 36
    wide, tall = width / columns, max(1.0, min(6.0, 96 / rows))
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
    body.append('<text class="end" x="-8" y="-9">neuron</text>')
    body.append(f'<text class="middle" x="{width / 2:g}" y="{height + 32:g}">timestep</text>')
    for neuron in _whole_ticks(neurons - 1, int(min(5, max(1, height / 24)))):
        y = (neuron / step + 0.5) * tall
        body.append(f'<path class="axis" d="M-4 {y:.1f}H0"/>')
        body.append(f'<text class="tick end" x="-8" y="{y + 4:.1f}">{neuron:,}</text>')
    inner = [t for t in _whole_ticks(timesteps, 5) if 1 < t <= 0.94 * timesteps]
    for timestep in sorted({1, *inner, timesteps}):
        x = (timestep - 0.5) * width / timesteps
        body.append(f'<path class="axis" d="M{x:.1f} {height:g}v4"/>')
        body.append(
            f'<text class="tick middle" x="{x:.1f}" y="{height + 17:g}">{timestep:,}</text>'
        )
    body.append("</g>")
    size = left + width + right, top + height + bottom
    return _svg(*size, text, "".join(body), "raster")


def _whole_ticks(high: int, most: int) -> list[int]:
    """Round whole numbers from 0 to `high`."""
    found = ticks(0, high, most) if high else [0]
    return [round(value) for value in found if abs(value - round(value)) < 1e-9]
