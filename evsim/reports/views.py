"""One stored run as a page shows it: means over its samples, unless it says otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evsim.chip.prices import Profile
from evsim.counting.described import role_of
from evsim.counting.facts import NEURON, READOUT, is_set
from evsim.counting.machine import ACCUMULATOR, ADDITIONS, M3, SYNOPS
from evsim.reports import broken, charts
from evsim.reports.priced import of_profile
from evsim.reports.recorded import Recorded
from evsim.reports.wording import COUNTS, JOULES, OF_COUNTS, OF_JOULES, percent, unit_for


def view(recorded: Recorded, profiles: list[Profile], chosen: dict[str, str]) -> dict:
    """What the template shows of a run.

    Counts are of the machine of the first profile, energies of each profile's own; `chosen` takes
    the place of the machines of all.
    """
    run = recorded.run
    machine = profiles[0].machine.choices | chosen
    counts, samples = run.counts(**machine), run.count
    settings = dict(run.settings)
    for which in ("network", "data"):
        path = settings.get(f"{which}_path")
        settings[which] = Path(path).name if path else "not in a file"
    settings["name"] = settings.get("name") or Path(settings["network"]).stem
    energies = [of_profile(run, counts, profile, chosen) for profile in profiles]
    neurons = [n for n, p in run.parts.items() if not is_set(p) and role_of(p) == NEURON]
    spikes = sum(int(run.work[name]["spikes"].sum()) for name in neurons)
    total = counts["total"]
    return {
        "settings": settings,
        "samples": samples,
        "first": recorded.first_sample,
        "accuracy": recorded.accuracy,
        "curve": recorded.accuracy_by_timestep,
        "machine": counts["machine"],
        "counts": {
            "spikes": spikes / samples,
            "synops": sum(total[action] for action in SYNOPS) / samples,
            "macs": total["synaptic_mac"] / samples,
            "additions": total["additions"] / samples,
            **{name: n / samples for name, n in total["memory_accesses"].items()},
        },
        "per_synapse": counts["per_synapse"],
        "populations": _populations(recorded, samples),
        "work": _work(recorded, counts, energies[0]),
        "energies": energies,
        "broken": broken.of_run(recorded)
        + [sentence for energy in energies for sentence in broken.of_prices(energy, len(energies))],
        "queues": _queues(recorded),
        "raster": _raster(recorded),
    }


def _populations(recorded: Recorded, samples: int) -> dict:
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
    return {"rows": rows, "unit": unit_for([row["spikes"] for row in rows], COUNTS, OF_COUNTS)}


def _work(recorded: Recorded, counts: dict, energy: dict) -> dict:
    """Additions, memory accesses and energy by part."""
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
        row = {key: n / run.count for key, n in row.items()}
        synops = sum(done[action] for action in SYNOPS) / run.count if of_set else None
        row |= {"name": name, "kind": part["kind"], "synops": synops}
        rows.append(row | {"energy": energy["parts"][name]})
    most = {key: max(row[key] for row in rows) or 1 for key in ("additions", "M3")}
    total = counts["total"]["memory_accesses"]["M3"] / run.count
    joules = unit_for([energy["total"], *energy["parts"].values()], JOULES, OF_JOULES)
    amounts = [row[key] for row in rows for key in ("additions", "M1", "M2", "M3")]
    return {
        "rows": rows,
        "most": most,
        "unit": unit_for([total, *amounts], COUNTS, OF_COUNTS),
        "joules": joules,
    }


def _queues(recorded: Recorded) -> dict:
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
        text = f"Events for {name} over time: mean {row['mean']:,.1f}, at most {row['peak']:,}"
        rows.append({**row, "picture": charts.queue(queue.mean, queue.most, text)})
    return {"rows": rows, "unit": unit_for([row["peak"] for row in rows], COUNTS, OF_COUNTS)}


def _raster(recorded: Recorded) -> list[dict]:
    rows, timesteps = [], recorded.run.settings["timesteps"]
    for name in (n for n in recorded.order if n in recorded.spikes):
        events, neurons = recorded.spikes[name], recorded.run.parts[name]["neurons"]
        text = f"Spikes of {name} in sample {recorded.first_sample}: {len(events)} events"
        picture = charts.raster(events, neurons, timesteps, text)
        row = {"name": name, "neurons": neurons, "events": len(events), "picture": picture}
        rows.append(row | {"stride": charts.stride(neurons)})
    return rows
