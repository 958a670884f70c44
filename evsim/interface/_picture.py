"""A run as a picture."""

from __future__ import annotations

import io
import os
from typing import Any

from matplotlib.figure import Figure

from evsim.base.errors import EvsimError
from evsim.counting.described import role_of
from evsim.counting.facts import NEURON, is_set
from evsim.interface._given import Path
from evsim.reports.wording import drawn


class Picture(Figure):
    """A figure of matplotlib that a notebook shows, whatever it draws with otherwise."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png", dpi=100)
        return content.getvalue()


def picture(run: Any, path: Path | None) -> Figure:
    """Accuracy against timesteps of a `Run` or `Result` with labels, beside the firing rates."""
    figure = Picture(figsize=(11, 4), layout="constrained")
    labelled = run.labels is not None
    axes = figure.subplots(1, 2 if labelled else 1, squeeze=False)[0]
    figure.suptitle(drawn(f"{run.name}: {run.count:,} samples"))
    if labelled:
        curve = run.accuracy_by_timestep()
        axes[0].plot(range(1, len(curve) + 1), 100 * curve)
        axes[0].set(xlabel="timesteps", ylabel="accuracy, %", ylim=(0, 101))
        axes[0].grid(alpha=0.3)
    _rates(run, axes[-1])
    if path is not None:
        _write(figure, os.fspath(path))
    return figure


def _rates(run: Any, axes) -> None:  # type: ignore[no-untyped-def]
    """Spikes of a neuron and timestep, in percent, of every population that fires."""
    settings = run.settings
    timesteps = settings["timesteps"] if isinstance(settings, dict) else settings.timesteps
    names = [n for n in run.order if not is_set(run.parts[n])]
    names = [name for name in names if role_of(run.parts[name]) == NEURON]
    slots = run.count * timesteps
    rates = [
        100 * int(run.work[name]["spikes"].sum()) / (slots * run.parts[name]["neurons"])
        for name in names
    ]
    axes.barh([drawn(name) for name in names], rates)
    axes.invert_yaxis()
    axes.set(xlabel="firing rate: spikes of a neuron and timestep, %")


def _write(figure: Figure, path: str) -> None:
    ending = os.path.splitext(path)[1].removeprefix(".").lower() or "png"
    try:
        figure.savefig(path, format=ending, dpi=100)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise EvsimError(f"cannot be written: {reason}", "path", path) from None
