"""The inputs of a slice, in memory, to travel with it."""

from __future__ import annotations

import numpy as np

from evsim.base.errors import EvsimError
from evsim.engine.events import Events
from evsim.engine.plan import Plan
from evsim.engine.settings import Settings
from evsim.engine.threads import input_of


def held(plan: Plan, inputs, settings: Settings, first: int, last: int):
    """(inputs from place `first` to before `last`, their bytes, None).

    Where one cannot be read: those before it, their bytes, the error.
    """
    events = isinstance(inputs, Events)
    found, error = [], None
    try:
        for place in range(first, last):
            one = inputs.of(place) if events else np.asarray(inputs[place])
            if not events and one.dtype.kind == "f" and not np.isfinite(one).all():
                input_of(plan, inputs, settings, place)  # says so
            found.append(one)
    except EvsimError as mistake:
        error = mistake
    if not found:
        return (), 0, error
    if events:
        return *_events(inputs, found), error
    images = np.stack(found)
    return images, images.nbytes, error


def _events(events: Events, found: list[tuple]) -> tuple[Events, int]:
    """The same events of some samples, and their bytes."""
    timestep, neuron, value = (np.concatenate(column) for column in zip(*found, strict=True))
    columns = {"timestep": timestep, "neuron": neuron}
    columns["sample"] = np.repeat(np.arange(len(found)), [len(one[0]) for one in found])
    if events.graded or (value != 1).any():
        columns["value"] = value
    timesteps = int(timestep.max(initial=0)) + 1
    about = {"shape": events.shape, "timesteps": timesteps, "graded": events.graded}
    size = sum(column.nbytes for column in columns.values())
    return Events(**columns, samples=len(found), **about), size
