"""evsim.ann: the accuracy of an artificial network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evsim.artificial.model import Model
from evsim.base.overview import Overview
from evsim.interface._call import called
from evsim.interface._given import Path, Samples
from evsim.interface._record import Record
from evsim.interface.model import decided_by, model_of


class Decisions(Record):
    """What an artificial network decided: samples, correct, accuracy, predictions."""

    samples: int
    correct: int | None
    accuracy: float | None
    predictions: list[int]

    def overview(self) -> Overview:
        """One line: how many samples, and how many of them are right."""
        title = f"{self['samples']:,} samples, no labels"
        if self["accuracy"] is not None:
            right = f"accuracy {100 * self['accuracy']:.2f} % ({self['correct']:,} right)"
            title = f"{self['samples']:,} samples, {right}"
        return Overview(title)


@called
def ann(
    model: Model | Path,
    data: Any,
    *,
    topology: str | None = None,
    scale: float | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    bgr: bool = False,
    flip_kernels: bool = False,
    force: bool = False,
    samples: Samples = None,
    labels: Any = None,
    passes: int | None = None,
    seed: int | None = None,
    jobs: int | None = None,
    progress: bool = False,
) -> Decisions:
    """What an artificial network decides on images; what `evsim ann` does: was its file read right?

    `model`: what `evsim.read` gave, or the path of a trainer's file, read with `topology` to
    `force` as `evsim.read` takes them. `data`: the path of images, open data, or an array
    (samples, ...), with `labels` where the data have none. `samples`: such as slice(0, 500).
    `passes` and `seed`: of a model that draws random numbers. `jobs`: threads. Raises EvsimError.
    """
    found = model_of(model, dict(locals()))
    how: dict[str, Any] = {"passes": passes, "seed": seed, "jobs": jobs, "progress": progress}
    return Decisions(decided_by(found, data, samples, labels, **how))
