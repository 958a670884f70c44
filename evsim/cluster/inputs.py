"""The inputs of a slice, in memory, to travel with it."""

from __future__ import annotations

import numpy as np

from evsim.base.errors import EvsimError
from evsim.engine.events import Events
from evsim.engine.plan import Plan
from evsim.engine.settings import Settings
from evsim.engine.threads import input_of


def held(plan: Plan, inputs, settings: Settings, first: int, last: int):
    """The inputs from place `first` to before `last` in memory: (inputs, their bytes, None).

    Where one cannot be read: (those before it, their bytes, the error).
    """
    events = isinstance(inputs, Events)
    inputs_read, error = [], None
    try:
        for place in range(first, last):
            values = inputs.of(place) if events else np.asarray(inputs[place])
            if not events and values.dtype.kind == "f" and not np.isfinite(values).all():
                input_of(plan, inputs, settings, place)  # says so
            inputs_read.append(values)
    except EvsimError as mistake:
        error = mistake
    if not inputs_read:
        return (), 0, error
    if events:
        return *_events(inputs, inputs_read), error
    images = np.stack(inputs_read)
    return images, images.nbytes, error


def _events(events: Events, samples: list[tuple]) -> tuple[Events, int]:
    """The events of these samples as one `Events`, and their bytes."""
    timestep, neuron, value = (np.concatenate(column) for column in zip(*samples, strict=True))
    columns = {"timestep": timestep, "neuron": neuron}
    columns["sample"] = np.repeat(np.arange(len(samples)), [len(sample[0]) for sample in samples])
    if events.graded or (value != 1).any():
        columns["value"] = value
    timesteps = int(timestep.max(initial=0)) + 1
    about = {"shape": events.shape, "timesteps": timesteps, "graded": events.graded}
    size = sum(column.nbytes for column in columns.values())
    return Events(**columns, samples=len(samples), **about), size
