"""The inputs of a slice, in memory, to travel with it."""

from __future__ import annotations

import numpy as np

from evsim.events import Events
from evsim.parts import EvsimError
from evsim.plan import Plan
from evsim.settings import Settings
from evsim.threads import input_of


def held(plan: Plan, inputs, settings: Settings, first: int, last: int):
    """(inputs from place `first` to before `last`, their bytes, None).

    Where one cannot be read: those before it, their bytes, the error.
    """
    if isinstance(inputs, Events):
        return *_events(inputs[first:last]), None
    images, error = [], None
    try:
        for place in range(first, last):
            image = np.asarray(inputs[place])
            if image.dtype.kind == "f" and not np.isfinite(image).all():
                input_of(plan, inputs, settings, place)  # says so
            images.append(image)
    except EvsimError as mistake:
        error = mistake
    found = np.stack(images) if images else np.empty(0)
    return found, found.nbytes, error


def _events(events: Events) -> tuple[Events, int]:
    some = slice(*events.offsets[[events.first, events.last]])
    columns = {name: np.asarray(column[some]) for name, column in events.columns.items()}
    size = sum(column.nbytes for column in columns.values())
    columns["sample"] = columns["sample"] - events.first
    about = {"shape": events.shape, "timesteps": events.timesteps, "graded": events.graded}
    return Events(**columns, samples=len(events), **about), size
