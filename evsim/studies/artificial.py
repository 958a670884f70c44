"""What an artificial network decides on samples of open data."""

from __future__ import annotations

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.studies.job import announced_compilation, counted, sample_range


def decided(model, data, samples: str | None, quiet: bool, *, jobs=None, seed=None, passes=None):
    """(predictions, labels or None) of the samples; `seed` and `passes`: of random numbers."""
    drawn = {"seed": seed or 0, "passes": 1 if passes is None else passes}
    if data.images is None:
        raise mismatch("events", "images", "/events").within(file=data.path)
    some = sample_range(samples, data.samples)
    with announced_compilation(quiet), counted("samples", some.stop - some.start, quiet) as done:
        try:
            predictions = model.predictions(
                data.images.part(some), first_sample=some.start, jobs=jobs, finished=done, **drawn
            )
        except EvsimError as error:
            raise error.within(file=data.path if "images" in error.place else "") from None
    data.verify()
    return predictions, None if data.labels is None else data.labels[some]


def verdict(predictions: np.ndarray, labels: np.ndarray | None) -> dict:
    """What the command `ann` prints as JSON."""
    count = len(predictions)
    correct = None if labels is None else int((predictions == labels).sum())
    accuracy = None if correct is None else correct / count
    found = {"samples": count, "correct": correct, "accuracy": accuracy}
    return found | {"predictions": predictions.tolist()}
