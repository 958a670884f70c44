"""Several views beside each other: the table of all, headlines, and the pictures of costs."""

from __future__ import annotations

from evsim.chip.profile.amounts import high, low
from evsim.reports import cost_charts
from evsim.reports.cost_charts import Spent
from evsim.reports.svg import zoom
from evsim.reports.wording import (
    COUNTS,
    JOULES,
    OF_COUNTS,
    OF_JOULES,
    cell,
    digits,
    percent,
    three,
    unit_for,
)
from evsim.studies.compare import relative

SUMMARY = {  # counts of a run: what they are
    "spikes": "Spikes of neurons",
    "synops": "Synaptic operations",
    "macs": "of these multiply-accumulates",
    "additions": "Additions",
    "M1": "Memory accesses M1: weights",
    "M2": "M2: and accumulators",
    "M3": "M3: and updates, queues, indices",
}
PICTURED = {  # counts that are drawn: the title of the picture, the name of its axis
    "M3": ("Memory accesses M3", "memory accesses per inference"),
    "synops": ("Synaptic operations", "synaptic operations per inference"),
}

TIMES = "\N{MULTIPLICATION SIGN}"


def summary(views: list[dict]) -> dict:
    """The rows of the table of all runs: amounts, and multiples of the first run's."""
    rows, first = [], views[0]
    unit = unit_for([n for view in views for n in view["counts"].values()], COUNTS, OF_COUNTS)
    for name, label in SUMMARY.items():
        cells = []
        for view in views:
            number, base = view["counts"][name], first["counts"][name]
            times = f"{TIMES} {three(number / base)}" if base and view is not first else ""
            cells.append((cell(number, unit), times))
        rows.append({"label": label, "unit": unit, "cells": cells, "part": name == "macs"})
    joules = unit_for([e["total"] for view in views for e in view["energies"]], JOULES, OF_JOULES)
    for k, energy in enumerate(first["energies"]):
        several = f" ({energy['profile'].name})" if len(first["energies"]) > 1 else ""
        cells = []
        for view in views:
            times = "" if view is first else _times(view["energies"][k], energy)
            other = view["energies"][k]
            cells.append((cell(other["total"], joules, "µJ", other["lower_bound"]), times))
        rows.append({"label": f"Energy{several}", "unit": joules, "cells": cells, "part": False})
    return {"rows": rows, "unit": unit}


def _times(energy: dict, first: dict) -> str:
    """An energy as a multiple of the first run's; nothing where both are lower bounds."""
    times = relative(_compared(energy), _compared(first))["energy_uj"]
    if times is None:
        return ""
    if energy["lower_bound"]:
        return f"at least {TIMES} {three(low(times))}"
    if first["lower_bound"]:
        return f"at most {TIMES} {three(high(times))}"
    return f"{TIMES} {digits(times)}"


def _compared(energy: dict) -> dict:
    """An energy as `compare` holds it."""
    return {
        "energy_uj": energy["total"],
        "energy_uj_by_action": energy["by_action"],
        "unpriced": energy["lower_bound"],
    }


def one_set(views: list[dict]) -> bool:
    """Whether all runs saw the same samples, as far as it is known."""
    seen = {
        (
            view["settings"]["data_sha256"] or view["settings"]["data"],
            view["first"],
            view["samples"],
        )
        for view in views
    }
    return len(seen) == 1


def headlines(views: list[dict]) -> list[dict]:
    """What stands out: which run is most accurate, and which does and costs least."""
    found = []
    decided = [view for view in views if view["accuracy"] is not None]
    if decided:
        best = max(view["accuracy"] for view in decided)
        winners = [view for view in decided if view["accuracy"] == best]
        lowest = min(view["accuracy"] for view in decided)
        beside = f"the lowest {percent(lowest)} %" if lowest < best else ""
        found.append(_tile("Highest accuracy", f"{percent(best)} %", winners, beside))
    for name, what in (("synops", "synaptic operations"), ("M3", "memory accesses M3")):
        numbers = [view["counts"][name] for view in views]
        least, most = min(numbers), max(numbers)
        unit = unit_for([least], COUNTS)
        winners = [view for view in views if view["counts"][name] == least]
        beside = f"the most {three(most / least)} times as many" if 0 < least < most else ""
        value = f"{three(least / unit.size)} {unit.name}"
        found.append(_tile(f"Fewest {what} per inference", value, winners, beside))
    return found + [_least_energy(views, k) for k in range(len(views[0]["energies"]))]


def _least_energy(views: list[dict], k: int) -> dict:
    """The run that costs least, unless a range or a lower bound leaves open which one does."""
    energies = [view["energies"][k] for view in views]
    title = "Least energy per inference"
    if len(views[0]["energies"]) > 1:
        title += f", {energies[0]['profile'].name}"
    known = [energy for energy in energies if not energy["lower_bound"]]
    if not known:
        return _tile(title, "not known", [], "of every run something has no price or is left out")
    least = min(known, key=lambda energy: high(energy["total"]))
    most, unit = high(least["total"]), unit_for([least["total"]], JOULES)
    rivals = [view for view in views if low(view["energies"][k]["total"]) <= most]
    exact = all(_is_exact(view["energies"][k]) for view in rivals)
    if len(rivals) > 1 and not exact:
        value = f"at most {three(most / unit.size)} {unit.name}"
        return _tile(title, value, rivals, "a range or a lower bound leaves open which")
    others = [energy for energy in energies if energy is not least]
    beside = ""
    if not all(map(_is_exact, others)):
        beside = "some of the others are ranges or lower bounds"
    elif others and (times := max(e["total"] for e in others) / (low(least["total"]) or 1)) > 1:
        beside = f"the most {three(times)} times as much"
    return _tile(title, f"{digits(least['total'], unit)} {unit.name}", rivals, beside)


def _is_exact(energy: dict) -> bool:
    return not energy["lower_bound"] and not isinstance(energy["total"], tuple)


def _tile(title: str, value: str, winners: list[dict], beside: str) -> dict:
    return {"title": title, "value": value, "winners": winners, "beside": beside}


def costs(views: list[dict]) -> list[dict]:
    """The pictures of what several runs cost, by what they show: a title, and words below it."""
    bars, points = [], []
    for k, energy in enumerate(views[0]["energies"]):
        runs = _spent(views, k)
        unit = unit_for([run.amount for run in runs], JOULES, OF_JOULES)
        on = f", {energy['profile'].name}" if len(views[0]["energies"]) > 1 else ""
        said, name = _bounds(runs, energy["profile"].title), "energy per inference"
        bars.append(_pictured(f"Energy{on}", cost_charts.bars(runs, unit, name), said))
        decided = [run for run in runs if run.accuracy is not None]
        if len(decided) > 1:
            ends = zoom([run.accuracy for run in decided])
            picture = cost_charts.scatter(decided, unit, name, ends)
            said = f"{_begins(ends)} Numbers are those of the runs. {said}".strip()
            points.append(_pictured(f"Accuracy against energy{on}", picture, said))
    for key, (title, name) in PICTURED.items():
        runs = [Spent(view["index"], view["label"], view["counts"][key]) for view in views]
        unit = unit_for([run.amount for run in runs], COUNTS, OF_COUNTS)
        bars.append(_pictured(title, cost_charts.bars(runs, unit, name), ""))
    return bars + points


def _spent(views: list[dict], k: int) -> list[Spent]:
    """What runs cost under the prices of profile k."""
    return [
        Spent(
            view["index"],
            view["label"],
            view["energies"][k]["total"],
            view["energies"][k]["lower_bound"],
            view["accuracy"],
        )
        for view in views
    ]


def _pictured(title: str, picture, words: str) -> dict:
    return {"title": title, "picture": picture, "words": words}


def _begins(ends: tuple[float, float]) -> str:
    """What has to be said of an axis of accuracy that does not begin at 0."""
    floor, _ = ends
    return f"The accuracy axis begins at {floor:g} %, not at 0." if floor else ""


def _bounds(runs: list[Spent], prices: str) -> str:
    words = f"Prices: {prices}."
    if any(run.at_least for run in runs):
        words += " An arrow: at least so much, as something has no price or is left out."
    if any(isinstance(run.amount, tuple) for run in runs):
        words += " Pale, or a line: the range that the prices leave open."
    return words


def accuracy_words(ends: tuple[float, float]) -> str:
    """What the zoomed picture of accuracy says of its axis."""
    return f"{_begins(ends)} What lies below is cut."
