"""Stored runs as one page of HTML: what its template is filled with, and how it is written.

The page holds everything it shows; it needs no network and runs no script. The same results under
the same file names give the same bytes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from evsim.base.errors import EvsimError
from evsim.chip.prices import Profile
from evsim.formats import _hdf5 as hdf5
from evsim.reports import charts, side_by_side, svg
from evsim.reports.recorded import Recorded
from evsim.reports.views import view as view_of
from evsim.reports.wording import (
    COUNTS,
    JOULES,
    breakable,
    cell,
    digits,
    percent,
    seen,
    three,
    unit_for,
    whole,
)


def render(
    results: list[Recorded],
    profiles: Profile | Sequence[Profile],
    machine: dict[str, str],
    checks: Sequence[dict] = (),
    title: str = "",
) -> str:
    """The page of results under the prices of a profile or several.

    `machine` takes the place of the machines of the profiles; `checks` as in `broken.assumptions`;
    `title` is that of the page where it has one of its own.
    """
    profiles = [profiles] if isinstance(profiles, Profile) else list(profiles)
    views = []
    for recorded in results:
        with hdf5.reading(recorded.path):  # facts that do not fit each other are a damaged file
            views.append(view_of(recorded, profiles, machine))
    for index, (view, label) in enumerate(zip(views, _labels(results), strict=True)):
        view |= {"label": label, "key": svg.key(index), "index": index}
    several = len(views) > 1
    return _template().render(
        title=title,
        results=views,
        summary=side_by_side.summary(views),
        headlines=side_by_side.headlines(views) if several else [],
        costs=side_by_side.costs(views) if several else [],
        one_set=side_by_side.one_set(views),
        shared=_taken_out(views) if several else [],
        accuracy=_accuracy(views),
        sources=_sources(views),
        checks=checks,
        networks=[recorded.run.settings["network_sha256"] for recorded in results],
        raster_rows=charts.RASTER[0],
        raster_columns=charts.RASTER[1],
        machine=", ".join(views[0]["machine"].values()),
    )


@cache
def _template():
    """The template of the page, compiled once."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=seen,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"whole": whole, "percent": percent, "cell": cell, "three": three}
    environment.filters |= {"breakable": breakable, "digits": digits, "unit_for": unit_for}
    environment.globals |= {"COUNTS": COUNTS, "JOULES": JOULES}
    return environment.get_template("page.html")


def check_target(path: Path, sources: list[Path], overwrite: bool) -> None:
    """Raise an error unless the page, made of some files, may be written there."""
    if path.is_dir() or not path.parent.is_dir():
        problem = "is a folder" if path.is_dir() else "cannot be written: no such folder"
        raise EvsimError(problem, file=str(path))
    if path.exists() and not overwrite:
        raise EvsimError("exists already (`overwrite` replaces it)", file=str(path))
    if path.exists() and any(s.exists() and path.samefile(s) for s in sources):
        raise EvsimError("is a file that the page is made of", file=str(path))


def write(path: Path, text: str) -> None:
    """Write a page, whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        temporary.write_text(text, encoding="utf-8", errors="replace")  # names may be any bytes
        temporary.replace(path)
    except OSError as error:
        raise EvsimError(f"cannot be written: {error.strerror}", file=str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)


def _labels(results: list[Recorded]) -> list[str]:
    """The names of the files, and a number where two are alike."""
    stems = [recorded.path.stem for recorded in results]
    seen, labels = Counter(), []
    for stem in stems:
        seen[stem] += 1
        labels.append(f"{stem} ({seen[stem]})" if stems.count(stem) > 1 else stem)
    return labels


def _taken_out(views: list[dict]) -> list[str]:
    """The sentences that hold of every run, which are said once."""
    first = views[0]["broken"]
    shared = [text for text in first if all(text in view["broken"] for view in views)]
    for view in views:
        view["broken"] = [text for text in view["broken"] if text not in shared]
    return shared


def _sources(views: list[dict]) -> dict[str, int]:
    """Where prices are from, numbered."""
    found: dict[str, int] = {}
    energies = (energy for view in views for energy in view["energies"])
    for row in (row for energy in energies for row in energy["actions"].values()):
        found.setdefault(row["source"], len(found) + 1)
    return found


def _accuracy(views: list[dict]) -> dict | None:
    """Accuracy over timesteps: the picture, and a table at timesteps 1, 2, 4 and so on."""
    shown = [view for view in views if view["curve"] is not None]
    if not shown:
        return None
    last = max(view["curve"].size for view in shown)
    steps = sorted(
        {2**k for k in range(last.bit_length())} | {view["curve"].size for view in shown}
    )
    rows = []
    for view in shown:
        curve = view["curve"]
        cells = [percent(curve[t - 1]) if t <= curve.size else "" for t in steps]
        rows.append({"view": view, "cells": cells, "ann": view["settings"].get("ann_accuracy")})
    anns = [row["ann"] for row in rows if row["ann"] is not None]
    finals = ", ".join(f"{percent(view['accuracy'])} %" for view in shown)
    text = f"Accuracy over {last} timesteps; at the end {finals}"
    lines = [(view["index"], view["curve"]) for view in shown]
    pictures = [(charts.accuracy(lines, anns, (0, 100), text), "")]
    ends = svg.zoom([view["accuracy"] for view in shown] + anns)
    if ends[0] > 0:
        top = max(ends[1], 100 * max(float(view["curve"].max()) for view in shown))
        picture = charts.accuracy(lines, anns, (ends[0], top), f"{text}; zoomed")
        pictures.append((picture, side_by_side.accuracy_words(ends)))
    missing = [view["label"] for view in views if view["curve"] is None]
    return {"pictures": pictures, "steps": steps, "rows": rows, "anns": anns, "missing": missing}
