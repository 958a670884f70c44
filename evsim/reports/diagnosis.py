"""Where a converted network loses accuracy, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evsim.base.screen import Table
from evsim.reports import tables
from evsim.reports.figures import figures, write
from evsim.reports.wording import drawn
from evsim.studies.diagnosis import Diagnosis, agreement

POINTS = 4000  # of a layer, in the picture
COLUMNS = 6  # of scatter plots


def show(out, found: Diagnosis) -> None:
    """Print the diagnosis."""
    rows = []
    for row in found.rows():
        shares = ("saturated", "silent", "activations at 0", "accuracy up to here")
        rows.append(
            [
                row["population"],
                f"{row['neurons']:,}",
                f"{row['correlation']:.4f}",
                f"{100 * row['error']:.1f} %",
                *(tables.percent(row[name]) for name in shares),
            ]
        )
    columns = ["population", "neurons", "correlation", "error", "saturated", "silent"]
    columns += ["ANN at 0", "accuracy up to here"]
    where = _where(found)
    out.print(Table(f"Firing rates beside activations{where}", columns, rows))
    out.print(tables.accuracy_table(found.accuracy_by_timestep, found.right[0].mean(), where))
    both = agreement(*found.right)
    out.print(", ".join(f"{what}: {n}" for what, n in both.items()))
    for line in (*_losses(found), _images(found)):
        out.print(line)


def _losses(found: Diagnosis) -> Iterator[str]:
    """Where the error grows, how much accuracy is lost, and from where on."""
    jump, lost, first = found.error_jump(), found.accuracy_lost(), found.first_loss()
    if jump:
        ends = f"from {100 * jump['from']:.1f} % to {100 * jump['to']:.1f} %"
        yield f"the error of activations grows most at {jump['population']!r}: {ends}"
    points = f"{100 * lost['fraction']:.2f} +- {100 * lost['error']:.2f} points"
    artificial, spiking = (tables.percent(right.mean()) for right in found.right)
    chance = "more" if lost["more_than_chance"] else "no more"
    yield f"accuracy lost in all: {points}, {chance} than chance: {artificial} to {spiking}"
    if first:
        yield f"accuracy is lost from {first.unit.population!r} on"


def _images(found: Diagnosis) -> str:
    """The images by file and samples, and whether the thresholds come from them."""
    last = found.first_sample + found.samples - 1
    source = f" of {found.data_path}" if found.data_path else ""
    calibrated = {True: ", all of which calibrated", False: ", none of which calibrated", None: ""}
    images = f"images: samples {found.first_sample} to {last}{source}"
    return images + calibrated[found.calibrated]


def _where(found: Diagnosis) -> str:
    """On which images, where they are not just those of the data file."""
    kinds = {True: ", on calibration images", False: ", on held-back images", None: ""}
    return kinds[found.calibrated]


def draw(found: Diagnosis, path) -> None:
    """Write the picture: accuracy against T, the layers' agreement, rates against activations.

    Its title says of which network, which data and which samples.
    """
    shown = found.layers
    lines = -(-len(shown) // COLUMNS)
    size = (16, 5 + 2.7 * lines)
    figure = figures().figure(figsize=size, layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[4.2, 2.7 * max(lines, 1)])
    left, right = top.subplots(1, 2)
    _accuracy(left, found)
    _layers(right, found)
    axes = bottom.subplots(lines, COLUMNS, squeeze=False).ravel()
    for axis, layer in zip(axes, shown, strict=False):
        _scatter(axis, layer.unit.population, *found.some[layer.unit.population], layer.unit.scale)
    for axis in axes[: len(shown)][::COLUMNS]:
        axis.set_ylabel("firing rate x scale", fontsize=8)
    for axis in axes[: len(shown)][-COLUMNS:]:  # the lowest of each column
        axis.set_xlabel("activation", fontsize=8)
    for axis in axes[len(shown) :]:
        axis.axis("off")
    bottom.suptitle("Firing rates against activations (one batch; dashed: equal)", fontsize=10)
    data = data_of(found.data_path, found.first_sample, found.samples)
    figure.suptitle(f"{drawn(found.network)} on {data}")
    write(figure, path)


def data_of(path: str, first: int, samples: int) -> str:
    """The title's words for samples of a data file."""
    name = drawn(Path(path).name) if path else "images in memory"
    return f"{name}, samples {first} to {first + samples - 1}"


def _accuracy(axis, found: Diagnosis) -> None:
    by_timestep = found.accuracy_by_timestep
    axis.plot(np.arange(1, by_timestep.size + 1), 100 * by_timestep, label="spiking network")
    ann = 100 * found.right[0].mean()
    axis.axhline(ann, color="gray", ls="--", label="artificial network")
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_formatter("{x:.0f}")
    axis.set(xlabel="timesteps", ylabel="accuracy, %", title=f"Accuracy against T{_where(found)}")
    axis.grid(alpha=0.3)
    axis.legend()


def _layers(axis, found: Diagnosis) -> None:
    rows, x = found.rows(), np.arange(len(found.layers))
    axis.plot(x, [row["correlation"] for row in rows], "o-", ms=4, label="correlation")
    axis.plot(x, [row["error"] for row in rows], "o-", ms=4, label="error")
    axis.plot(x, [row["saturated"] for row in rows], "o-", ms=4, label="saturated")
    axis.plot(x, [row["accuracy up to here"] for row in rows], "s--", ms=4, label="accuracy")
    axis.set_xticks(
        x, [drawn(row["population"]) for row in rows], rotation=60, ha="right", fontsize=7
    )
    axis.set(title="Layer by layer (accuracy: spiking up to here)", ylim=(-0.02, 1.05))
    axis.set(xlabel="population, from the input on", ylabel="fraction")
    axis.legend(fontsize=8)


def _scatter(axis, name: str, activation, rate, scale) -> None:
    a, r = activation.ravel(), rate.ravel()
    step = max(1, a.size // POINTS)
    axis.scatter(a[::step], r[::step], s=2, alpha=0.3, linewidths=0)
    limit = max(float(a.max(initial=0)), float(np.max(scale)))
    axis.plot([0, limit], [0, limit], "--", color="gray", lw=0.8)
    axis.set_title(drawn(name), fontsize=8)
    axis.tick_params(labelsize=7)
