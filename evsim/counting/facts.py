"""Facts: what a run counts. Exact integers only."""

from __future__ import annotations

import numpy as np

SET_FACTS = {
    "arrivals": "events delivered",
    "undelivered": "events emitted, but due at or after the end of the run",
    "synops": "synaptic operations: the fan-outs of the sources of the arrivals, spiking source",
    "macs": "the same, graded source",
    "zero_synops": "those of synops and macs whose weight is 0",
    "rows": "weight rows read",
    "touched": "(target neuron, timestep) pairs that received from this set",
}
POPULATION_FACTS = {
    "updates": "neurons (of a pooled current: places) x timesteps",
    "active_updates": "those that a lazy machine cannot skip",
    "touched": "(neuron, timestep) pairs that received from any set",
    "spikes": "events emitted, graded ones too",
    "pushes": "spikes x outgoing sets",
    "draws": "random numbers drawn",
    "peak": "most events in one timestep",
}
INPUT, NEURON, READOUT, POOL = "input", "neuron", "readout", "pool"  # roles of populations
# Where the arrays of a population's state are: POTENTIAL, "current" and "slope" have rules of their
# own in a machine; what is in MEMORY is read and written at every update; the CIRCUIT is free.
POTENTIAL, MEMORY, CIRCUIT, ROOM = "potential", "memory", "circuit", "room"
PREDICTION_FACTS = {  # of populations that decide on what their potential will be
    "predictions": "updates with a prediction",
    "active_predictions": "those that a lazy machine cannot skip",
}
QUEUE_FACTS = {  # of a set, where queues have a depth
    "dropped": "events that found no room",
    "dropped_synops": "the fan-outs of their sources",
    "stalled": "events that found no room and waited",
}
FIRST_FACTS = {  # of a set of a constant input, where queues have a depth
    "first_arrivals": "arrivals of the first timestep that has any",
    "first_macs": "the macs of that timestep",
    "after_first": "timesteps after it",
}
WIDTH_FACTS = {"overflows": "sums that left their width, before they were brought into it"}
Facts = dict[str, dict[str, np.ndarray]]  # part, fact: int64, one per sample


def is_set(part: dict) -> bool:
    """Whether a described part is a set of synapses."""
    return "source" in part
