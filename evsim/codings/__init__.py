"""Codings of images into events: one file per coding, the file's name is the coding."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import NamedTuple


class Key(NamedTuple):
    """What the events of a sample depend on beside its values."""

    seed: int
    sample: int  # its index in the data file
    population: int  # the index of the input in order of name
    timesteps: int  # of the run
    window: int | None = None  # of the network


@cache
def codings() -> dict[str, ModuleType]:
    """The codings by name.

    A coding is a file with GRADED and REPEATS (its events are graded; the same at every
    timestep), DRAWS (random numbers per neuron and timestep), IN_WINDOW (the time between two
    events is the value), FACTS (of the input, beside those of every population),
    `signed(values)` (whether any event is not +1) and `encode(values, first, steps, key, stream)`,
    which appends the events of `steps` timesteps. Graded ones have `largest(values)`; those that
    can fill a window have `charges_of(values, neurons, window)`, which gives charges (neurons,)
    and facts.
    """
    return {
        module.name: importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
    }
