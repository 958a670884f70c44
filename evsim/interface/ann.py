"""evsim.ann: the accuracy of an artificial network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from evsim.artificial.model import Model
from evsim.base.errors import mismatch
from evsim.base.overview import Overview
from evsim.interface._call import called
from evsim.interface._given import Path, Samples, opened, samples_text
from evsim.interface._record import Record
from evsim.interface.model import decided_by, model_of, options_of


class Decisions(Record):
    """What an artificial network decided: samples, correct, accuracy, predictions.

    `probe`, where it was asked for: `trials`, best first, each with its `options`; `best`, which is
    better than what was given by more than chance, or None; `alike`: what the first of all does not
    beat so; `guesses`: all of them do.
    """

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
        if "probe" not in self:
            return Overview(title)
        names = ("name", "samples", "accuracy", "error", "options")
        rows = [[trial[name] for name in names] for trial in self["probe"]["trials"]]
        return Overview(title, names, rows)


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
    probe: bool = False,
    passes: int | None = None,
    seed: int | None = None,
    jobs: int | None = None,
    progress: bool = False,
) -> Decisions:
    """What an artificial network decides on images; what `evsim ann` does: was its file read right?

    `model`: what `evsim.read` gave, or the path of a trainer's file, read with `topology` to
    `force` as `evsim.read` takes them. `data`: the path of images, open data, or an array
    (samples, ...), with `labels` where the data have none. `samples`: such as slice(0, 500).
    `probe`: see, on some of the images (500, or `samples`), what other scalings, orders of colours
    and kernels than those given would decide; then `model` is a path. `passes` and `seed`: of a
    model that draws random numbers. `jobs`: threads. Raises EvsimError.
    """
    given = dict(locals())
    found = model_of(model, given)
    how: dict[str, Any] = {"passes": passes, "seed": seed, "jobs": jobs}
    if not probe:
        return Decisions(decided_by(found, data, samples, labels, progress=progress, **how))
    if isinstance(model, Model):
        raise mismatch("a model that is read already", "the path of its file", "probe")
    from evsim.studies.artificial import verdict
    from evsim.studies.probe import Probe

    options = options_of(given)
    with opened(data, labels) as images:
        text = samples_text(samples)
        probed = Probe(found, os.fspath(model), options, images, text, not progress, **how)
    told = verdict(probed.predictions, probed.labels)
    return Decisions(told | {"probe": probed.as_dict()})
