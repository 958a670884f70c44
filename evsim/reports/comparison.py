"""Networks side by side: tables, and accuracy against cost as a picture.

`found` is what `compare` prints as JSON.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evsim.base.screen import Output, Table
from evsim.reports import diagnosis, tables
from evsim.reports.figures import figures, write
from evsim.reports.wording import drawn
from evsim.studies.compare import COSTS, Comparison

ROWS = ("accuracy", "timesteps", "timesteps_to_final", "timesteps_to_best", "spikes")
ROWS += ("spikes_per_neuron", "synops", "macs", "additions", "M1", "M2", "M3")
ROWS += ("most_weight_reads", "peak", "energy_uj", "seconds")
MATCHED = ("accuracy", "counted", *COSTS)
BELOW = 10  # points below the least accurate network, where the picture begins
MARKERS = "osD^vPX*"


def draw_all(compared: Comparison, path: Path) -> None:
    """Write the picture of the comparison to `path`.

    Where there are diagnoses, theirs take `path` and names with a number, and that of the
    comparison one with "comparison".
    """
    for k, found in enumerate(compared.diagnoses.values(), 1):
        own = path if k == 1 else path.with_name(f"{path.stem}-{k}{path.suffix}")
        diagnosis.draw(found, own)
    if compared.diagnoses:
        path = path.with_name(f"{path.stem}-comparison{path.suffix}")
    draw(compared.as_dict(), path)


def show(out: Output, found: dict, prices: str, diagnoses: dict) -> None:
    """Print the tables; `prices` is the title of the profile, `diagnoses` by network."""
    rows = found["networks"]
    names = [_name(row["network"]) for row in rows]
    body = [[name, *(_cell(row, name) for row in rows)] for name in ROWS]
    columns = ["", *names]
    if found["ann"]:
        columns.append(f"{_name(found['ann']['path'])} (ANN)")
        body = [[*cells, _cell(found["ann"], cells[0])] for cells in body]
    out.print(Table("Per inference (mean over samples)", columns, body))
    out.print(f"energy_uj: microjoule, {prices}")
    for name, row in zip(names, rows, strict=True):
        if row["unpriced"]:
            out.print(f"{name}: no price for {', '.join(row['unpriced'])}")
    if len(rows) > 1:
        _relative(out, found, names)
    for row in rows:
        if row["accuracy_by_timestep"] is None:
            continue
        out.print(f"{_name(row['network'])}:")
        if row["network"] in diagnoses:
            diagnosis.show(out, diagnoses[row["network"]])
            continue
        ann = found["ann"] and found["ann"]["accuracy"]
        out.print(tables.accuracy_table(np.array(row["accuracy_by_timestep"]), ann))
        if "agreement" in row:
            both = (f"{what}: {n}" for what, n in row["agreement"].items())
            out.print(", ".join(both))


def overview(out: Output, rows: list[dict], networks: list, prices: str) -> None:
    """Print networks one below the other: what they are, decide and cost."""
    body = []
    for row, network in zip(rows, networks, strict=True):
        kinds = {p.kind for p in network.populations.values() if p.sends and p.listens}
        shares = (network.ann_accuracy, row["accuracy"])
        cells = [_name(row["network"]).removeprefix("digits-"), ", ".join(sorted(kinds))]
        cells += ["" if share is None else f"{100 * share:.2f}" for share in shares]
        cells += [_cell(row, "timesteps"), f"{row['spikes_per_neuron']:.2f}"]
        cells += [f"{row[name] / 1000:,.0f}" for name in ("additions", "macs", "M3")]
        body.append([*cells, (">" if row["unpriced"] else "") + f"{row['energy_uj']:.1f}"])
    columns = ["network", "neurons", "ANN", "spiking", "T", "spikes"]
    columns += ["additions", "MACs", "M3", "energy"]
    out.print(Table("Every shipped network, per inference", columns, body, left=("neurons",)))
    out.print("ANN, spiking: accuracy in percent, artificial and as a network; T: timesteps")
    out.print("spikes: of a neuron; additions, MACs, memory accesses M3: in thousands")
    out.print(f"energy: microjoule, {prices}")
    if any(row["unpriced"] for row in rows):
        out.print(">: and more, as an action has no price")


def _relative(out, found: dict, names: list[str]) -> None:
    """Print every network as a multiple of the first: its whole run, and at matched accuracy."""
    rows, accuracy = found["networks"], found["matched_accuracy"]
    body = [[name, *(_ratio(row, rows[0], name) for row in rows)] for name in COSTS]
    out.print(Table(f"Whole run, as a multiple of {names[0]}", ["", *names], body))
    if accuracy is None:
        return
    matched = [row["matched"] for row in rows]
    title = f"Where {tables.percent(accuracy)} is first reached (half a point below {names[0]})"
    body = [[name, *(_cell(row, name) for row in matched)] for name in MATCHED]
    out.print(Table(title, ["", *names], body))
    body = [[name, *(_ratio(row, matched[0], name) for row in matched)] for name in COSTS]
    title = f"At this matched accuracy, as a multiple of {names[0]}"
    out.print(Table(title, ["", *names], body))


def _cell(row: dict, name: str) -> str:
    value = row.get(name)
    if value is None:
        never = name == "timesteps_to_best" and row.get("accuracy") is not None and "spikes" in row
        return "never" if never else ""
    if name == "accuracy":
        return tables.percent(value)
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    if name in ("energy_uj", "spikes_per_neuron"):
        bound = "at least " if name == "energy_uj" and row["unpriced"] else ""
        return bound + tables.amount(value)
    return f"{value:,.{0 if value >= 1000 else 1}f}"


def _ratio(row: dict, first: dict, name: str) -> str:
    value = row["relative"] and row["relative"][name]
    if value is None:
        return ""
    bound = ""
    if name == "energy_uj" and row is not first:
        bound = "at least " if row["unpriced"] else "at most " if first["unpriced"] else ""
    return bound + tables.amount(value, 3)


def draw(found: dict, path) -> None:
    """Write the picture: accuracy against additions, and against timesteps."""
    figure = figures().figure(figsize=(12, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    rows = found["networks"]
    for k, row in enumerate(rows):
        style = {
            "marker": MARKERS[k % len(MARKERS)],
            "label": drawn(_name(row["network"])),
            "ms": 5,
        }
        runs = row["runs"]
        accuracies = [100 * run["accuracy"] for run in runs]
        left.plot([run["additions"] for run in runs], accuracies, **style)
        by_timestep = 100 * np.array(row["accuracy_by_timestep"])
        steps = np.arange(1, by_timestep.size + 1)
        right.plot(steps, by_timestep, markevery=[run["timesteps"] - 1 for run in runs], **style)
    lines = [("artificial network", found["ann"]["accuracy"], "--")] if found["ann"] else []
    if found["matched_accuracy"] is not None:
        lines.append(("matched accuracy", found["matched_accuracy"], ":"))
    for axis in (left, right):
        for label, accuracy, line in lines:
            axis.axhline(100 * accuracy, color="gray", ls=line, lw=1, label=label)
        axis.grid(alpha=0.3)
    lowest = min(row["accuracy"] for row in rows)
    highest = max([row["accuracy"] for row in rows] + [accuracy for _, accuracy, _ in lines])
    bottom = max(0.0, np.floor(100 * lowest) - BELOW)
    begins = f" (from {bottom:g} on, not from 0)" if bottom else ""
    left.set(xlabel="additions per inference", ylabel=f"accuracy, %{begins}", xscale="log")
    left.set_ylim(bottom, 100 * highest + max(1.0, 0.04 * (100 * highest - bottom)))
    left.set_title("Accuracy against additions (a marker is a run)")
    right.set_xscale("log", base=2)
    right.set(xlabel="timesteps", title="Accuracy against timesteps")
    right.xaxis.set_major_formatter("{x:.0f}")
    figure.suptitle(
        diagnosis.data_of(found["data"]["path"], found["first_sample"], found["samples"])
    )
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    write(figure, path)


def _name(path: str) -> str:
    return Path(path).stem
