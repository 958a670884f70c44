"""Parts of pictures: what frames them, their axes, and the marks of runs.

A picture is drawn about 360 units wide, so that its text can be read on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from markupsafe import Markup, escape

from evsim.base.screen import printable

COLORS = 6  # that the page defines: lines beyond them begin again, with another dash
DASHES = ("", "7 4", "2 3")


def framed(width: float, height: float, text: str, body: Iterable[str], kind: str = "") -> Markup:
    """A picture; `text` says what it shows to those who cannot see it."""
    opened = f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" role="img"'
    label = escape(printable(text))
    return Markup(f'{opened} aria-label="{label}"><title>{label}</title>{"".join(body)}</svg>')


def points(xs, ys) -> str:
    """Places as the points of a line or an area."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))


def words(x: float, y: float, text: str, kind: str = "tick") -> str:
    """Text at a place; `kind` may have "end" or "middle" for what of it is at the place."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(printable(text))}</text>'


def shortened(text: str, most: int) -> str:
    """A name of at most so many characters: of a longer one its beginning and its end."""
    text = printable(text)
    if len(text) <= most:
        return text
    return f"{text[: most // 2]}…{text[len(text) - (most - most // 2 - 1) :]}"


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from low to high, at most so many steps."""
    rough = (high - low) / most
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * m for m in (1, 2, 5, 10) if size * m >= rough * (1 - 1e-9))
    return [
        step * k for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]


def log_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from low to high at about even ratios."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for leading in ((1, 2, 5), (1, 3), (1,)):
        found = [m * 10.0**power for power in powers for m in leading]
        found = [value for value in found if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
        if len(found) <= most:
            break
    return found[:: -(-len(found) // most)] if found else []


def style_of(index: int) -> str:
    """The class and dash of the line of a run."""
    dash = DASHES[index // COLORS % len(DASHES)]
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'class="line c{index % COLORS}"{dashed}'


def key(index: int) -> Markup:
    """The sample of a line that a legend shows, and the number of the run."""
    line = f'<line x1="0" y1="5" x2="26" y2="5" {style_of(index)}/>'
    drawn = f'<svg class="key" viewBox="0 0 26 10" aria-hidden="true">{line}</svg>'
    return Markup(f'{drawn} <span class="number">{index + 1}</span>')


def rule(left: float, right: float, y: float, kind: str = "grid") -> str:
    """A horizontal line."""
    return f'<line class="{kind}" x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'


def percent_axis(
    y: Callable[[float], float], left: float, right: float, ends: tuple[float, float], name: str
) -> list[str]:
    """Lines and numbers at round percents; where 0 is not among them, a break at the bottom."""
    floor, top = ends
    body = [words(0, y(top) - 12, name, "name")]
    for value in ticks(floor, top):
        body += [
            rule(left, right, y(value)),
            words(left - 6, y(value) + 4, f"{value:g}", "tick end"),
        ]
    if floor > 0:
        body.append(f'<path class="axis break" d="M{left} {y(floor):.1f}v-3l-4 -3 8 -4 -4 -3v-3"/>')
    return body


def zoom(fractions: Iterable[float]) -> tuple[float, float]:
    """From where to where, in percent, an axis shows accuracies that are close to each other."""
    lowest, highest = (100 * end(fractions) for end in (min, max))
    spread = max(highest - lowest, 2.0)
    step = 1 if spread <= 5 else 5
    floor = step * math.floor((lowest - 1.5 * spread) / step)
    return max(floor, 0.0), min(step * math.ceil((highest + spread / 2) / step), 100.0)
