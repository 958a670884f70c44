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

import numpy as np

from evsim.base.errors import EvsimError
from evsim.chip.prices import Profile, done_by_part, price
from evsim.chip.profile.amounts import high
from evsim.counting.described import role_of
from evsim.counting.facts import NEURON, READOUT, is_set
from evsim.counting.machine import ACCUMULATOR, ADDITIONS, M3, SYNOPS
from evsim.formats import _hdf5 as hdf5
from evsim.reports import broken, charts
from evsim.reports.recorded import Recorded
from evsim.reports.wording import amount, breakable, count, percent, seen


def render(
    results: list[Recorded], profile: Profile, machine: dict[str, str], checks: Sequence[dict] = ()
) -> str:
    """The page; `machine` as in `counts.Machine`, `checks` as in `broken.assumptions`."""
    views = []
    for recorded in results:
        with hdf5.reading(recorded.path):  # facts that do not fit each other are a damaged file
            views.append(_view(recorded, profile, machine))
    for index, (view, label) in enumerate(zip(views, _labels(results), strict=True)):
        view |= {"label": label, "key": charts.key(index), "index": index}
    return _template().render(
        results=views,
        summary=_summary(views),
        accuracy=_accuracy(views),
        profile=profile,
        sources=_sources(views),
        checks=checks,
        networks=[recorded.run.settings["network_sha256"] for recorded in results],
        raster_rows=charts.RASTER[0],
        raster_columns=charts.RASTER[1],
        machine=", ".join(machine.values()),
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
    environment.filters |= {"count": count, "percent": percent, "amount": amount}
    environment.filters["breakable"] = breakable
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


def _view(recorded: Recorded, profile: Profile, machine: dict[str, str]) -> dict:
    """What the template shows of a result: means over samples, unless it says otherwise."""
    run = recorded.run
    counts, samples = run.counts(**machine), run.count
    priced = price(counts, profile)
    settings = dict(run.settings)
    for which in ("network", "data"):
        path = settings.get(f"{which}_path")
        settings[which] = Path(path).name if path else "not in a file"
    settings["name"] = settings.get("name") or Path(settings["network"]).stem
    work = _work(recorded, counts, samples)
    energy = _energy(counts, priced, profile, samples)
    neurons = [n for n, p in run.parts.items() if not is_set(p) and role_of(p) == NEURON]
    spikes = sum(int(run.work[name]["spikes"].sum()) for name in neurons)
    return {
        "settings": settings,
        "samples": samples,
        "first": recorded.first_sample,
        "accuracy": recorded.accuracy,
        "curve": recorded.accuracy_by_timestep,
        "counts": {
            "spikes": spikes / samples,
            "synops": sum(counts["total"][action] for action in SYNOPS) / samples,
            "macs": counts["total"]["synaptic_mac"] / samples,
            "additions": counts["total"]["additions"] / samples,
            **{view: n / samples for view, n in counts["total"]["memory_accesses"].items()},
        },
        "per_synapse": counts["per_synapse"],
        "populations": _populations(recorded, samples),
        "work": work,
        "energy": energy,
        "broken": broken.of_run(recorded, priced),
        "queues": _queues(recorded),
        "raster": _raster(recorded),
    }


def _populations(recorded: Recorded, samples: int) -> list[dict]:
    """How much each population sends, and how firing rates are spread over its neurons."""
    run, timesteps, rows = recorded.run, recorded.run.settings["timesteps"], []
    names = [n for n in recorded.order if not is_set(run.parts[n])]
    names = [n for n in names if role_of(run.parts[n]) != READOUT]
    spread = {name: run.histograms[name] for name in names if name in run.histograms}
    most = {name: int(np.flatnonzero(h)[-1]) if h.any() else 0 for name, h in spread.items()}
    top = max([n / timesteps for n in most.values()], default=0) or 1
    for name in names:
        part, total = run.parts[name], int(run.work[name]["spikes"].sum())
        row = {
            "name": name,
            "kind": part["kind"],
            "neurons": part["neurons"],
            "spikes": total / samples,
            "rate": total / (samples * part["neurons"] * timesteps),
            "silent": None,
            "highest": None,
            "picture": None,
            "top": top,
        }
        if name in spread:
            found = spread[name][: most[name] + 1]
            rates = np.zeros(timesteps + 1, np.int64)
            rates[: found.size] = found[: timesteps + 1]
            row["silent"] = int(found[0]) / int(found.sum())
            row["highest"] = most[name] / timesteps
            text = f"Firing rates of {name}: {percent(row['silent'])} % silent, "
            text += f"the others up to {percent(row['highest'])} %"
            row["picture"] = charts.histogram(rates, top, text)
        rows.append(row)
    return rows


def _work(recorded: Recorded, counts: dict, samples: int) -> dict:
    """Additions and memory accesses by part."""
    run, rows = recorded.run, []
    for name in recorded.order:
        done, part = counts["parts"][name], run.parts[name]
        of_set = is_set(part)
        m1 = done["weight_read"]
        row = {
            "additions": sum(done[action] for action in ADDITIONS),
            "M1": m1,
            "M2": m1 + (sum(done[action] for action in ACCUMULATOR) if of_set else 0),
            "M3": sum(done[action] for action in M3),
        }
        row = {key: n / samples for key, n in row.items()}
        synops = sum(done[action] for action in SYNOPS) / samples if of_set else None
        rows.append({"name": name, "kind": part["kind"], "synops": synops, **row})
    most = {key: max(row[key] for row in rows) or 1 for key in ("additions", "M3")}
    return {"rows": rows, "most": most}


def _energy(counts: dict, found: dict, profile: Profile, samples: int) -> dict:
    """Energy by action, `found` as `price` gives it, and what is known of the prices."""
    charges = {action: charge for charge in profile.prices for action in charge.action}
    per_nj = 1000.0 * samples  # picojoule of all samples in a nanojoule of one
    rows, done = [], Counter()
    for part in done_by_part(counts).values():
        done.update(part)
    for action, energy in found["actions"].items():
        times, charge = done[action], charges[action]
        if not high(energy):
            continue
        rows.append(
            {
                "action": action,
                "times": times / samples,
                "energy": energy,
                "share": high(energy) / high(found["total"]),
                "evidence": charge.evidence,
                "source": charge.source,
            }
        )
    rows.sort(key=lambda row: -high(row["energy"]))
    return {
        "rows": rows,
        "scale": per_nj,
        "most": max((row["share"] for row in rows), default=1),
        "total": found["total"],
        "lower_bound": found["lower_bound"],
        "evidence": [
            (kind, energy, high(energy) / high(found["total"]))
            for kind, energy in found["evidence"].items()
            if high(energy)
        ],
    }


def _sources(views: list[dict]) -> dict[str, int]:
    """Where prices are from, numbered."""
    found: dict[str, int] = {}
    for row in (row for view in views for row in view["energy"]["rows"]):
        found.setdefault(row["source"], len(found) + 1)
    return found


def _queues(recorded: Recorded) -> list[dict]:
    rows = []
    for name in (n for n in recorded.order if n in recorded.queues):
        queue = recorded.queues[name]
        row = {
            "name": name,
            "mean": float(queue.mean.mean()),
            "busiest": float(queue.mean.max()),
            "at": int(queue.mean.argmax()) + 1,
            "peak": int(queue.most.max()),
        }
        text = f"Events for {name} over time: mean {count(row['mean'])}, at most {row['peak']}"
        rows.append({**row, "picture": charts.queue(queue.mean, queue.most, text)})
    return rows


def _raster(recorded: Recorded) -> list[dict]:
    rows, timesteps = [], recorded.run.settings["timesteps"]
    for name in (n for n in recorded.order if n in recorded.spikes):
        events, neurons = recorded.spikes[name], recorded.run.parts[name]["neurons"]
        text = f"Spikes of {name} in sample {recorded.first_sample}: {len(events)} events"
        picture = charts.raster(events, neurons, timesteps, text)
        row = {"name": name, "neurons": neurons, "events": len(events), "picture": picture}
        rows.append(row | {"stride": charts.stride(neurons)})
    return rows


SUMMARY = {  # counts of a result: what they are
    "spikes": "Spikes of neurons",
    "synops": "Synaptic operations",
    "macs": "of these multiply-accumulates",
    "additions": "Additions",
    "M1": "Memory accesses M1: weights",
    "M2": "M2: and accumulators",
    "M3": "M3: and updates, queues, indices",
}


def _summary(views: list[dict]) -> list[dict]:
    """The rows of the table of all results: text, and multiples of the first result."""
    rows = []
    for name, label in SUMMARY.items():
        numbers = [view["counts"][name] for view in views]
        rows.append({"label": label, "cells": [count(n) for n in numbers], "of": numbers})
    energies = [view["energy"] for view in views]
    cells = [amount(energy["total"], 1000 * energy["scale"]) for energy in energies]
    bounds = ["at least " if energy["lower_bound"] else "" for energy in energies]
    numbers = [high(energy["total"]) / energy["scale"] for energy in energies]
    known = not any(bounds) and not any(isinstance(e["total"], tuple) for e in energies)
    rows.append(
        {
            "label": "Energy, µJ",
            "cells": [bound + cell for bound, cell in zip(bounds, cells, strict=True)],
            "of": numbers if known else [0],
        }
    )
    for row in rows:
        first, *others = row.pop("of")
        times = [f"{n / first:,.3f}" for n in others] if first else [""] * (len(views) - 1)
        row["cells"] = list(zip(row["cells"], ["", *times], strict=True))
    return rows


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
    picture = charts.accuracy([(view["index"], view["curve"]) for view in shown], anns, text)
    missing = [view["label"] for view in views if view["curve"] is None]
    return {"picture": picture, "steps": steps, "rows": rows, "anns": anns, "missing": missing}
