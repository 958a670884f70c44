"""A run in which no neuron fired: that it is so, and the likely reason."""

from __future__ import annotations

import numpy as np

from evsim.counting.facts import INPUT, NEURON, Facts
from evsim.network.network import Network

FAINT = 0.01  # of a threshold: a weight below this is a matter of units, not of training


def silence(network: Network, work: Facts) -> str:
    """One sentence where no neuron sent an event in any sample, else "". `work`: facts of a run.

    Parameters are named between backquotes, which the command line tells as its options.
    """
    firing = [name for name, part in network.populations.items() if part.role == NEURON]
    if not firing or any(work[name]["spikes"].any() for name in firing):
        return ""
    return f"no neuron fired: {_reason(network, work)}"


def _reason(network: Network, work: Facts) -> str:
    inputs = [name for name, part in network.populations.items() if part.role == INPUT]
    if not any(work[name]["spikes"].any() for name in inputs):
        return "the input sent nothing: the data are empty, or 0 after `scale` and `mean`"
    if not any(work[name]["arrivals"].any() for name in network.synapses):
        return "all that the input sent was due after the last timestep (`timesteps`)"
    name, share = _faintest(network)
    if share < FAINT:
        faint = f"the largest weight into {name} is {share:.2g} of its threshold"
        if (network.source or "").startswith("NIR"):
            return f"{faint}: the file was probably converted with another `dt` than its own"
        return f"{faint}: another `scale` of the input, or thresholds of other data"
    return "what arrives stays below the thresholds: more input, or more timesteps (`timesteps`)"


def _faintest(network: Network) -> tuple[str, float]:
    """The population whose largest weight is least of its threshold, and that share."""
    found = ("", float("inf"))
    for name, part in network.populations.items():
        threshold = getattr(part, "threshold", None)
        sets = [s for s in network.synapses.values() if s.target == name]
        if threshold is None or not sets:
            continue
        share = max(map(_largest, sets)) / float(np.min(threshold))
        found = min(found, (name, share), key=lambda one: one[1])
    return found


def _largest(synapses) -> float:
    """The largest weight of a set; a pool and an identity without weights have 1."""
    weights = getattr(synapses, "weight", None)
    weights = getattr(synapses, "data", None) if weights is None else weights
    if weights is None or not np.size(weights):
        return 1.0
    scale = getattr(synapses, "scale", None)
    return float(np.abs(np.float64(weights)).max()) * float(1 if scale is None else np.max(scale))
