"""Recorded events as a table."""

from __future__ import annotations

import numpy as np

EVENT = np.dtype(
    [("sample", np.int64), ("timestep", np.int64), ("neuron", np.int64), ("value", np.float64)]
)


def event_table(index: int, events: tuple) -> np.ndarray:
    """The events of a sample as a structured array."""
    timesteps, neurons, values = events
    table = np.empty(len(timesteps), EVENT)
    table["sample"], table["timestep"] = index, timesteps
    table["neuron"], table["value"] = neurons, values
    return table
