"""Sets of synapses as matrices, and the firing rates that a network would settle at."""

import numpy as np
from geometry import connections


def matrix(network, name):
    """A set as a dense matrix (sources, targets), by the oracle of geometry."""
    part = network.synapses[name]
    source, target = network.ends(part)
    fields = {k: v for k, v in vars(part).items() if v is not None} | {"kind": part.kind}
    found = np.zeros((source.neurons, target.neurons))
    for i, synapses in enumerate(connections(fields, source.shape, target.shape)):
        for synapse in synapses:
            found[i, synapse.target] += synapse.weight
    scale = part.scale_of(target)
    return found if scale is None else found * np.broadcast_to(scale, neurons(target)).ravel()


def rates(network, x, limited=()):
    """What every population would settle at with real-valued rates, of scaled values x.

    Rates above 1 are taken as they are but in populations that are `limited`.
    """
    found = {network.input: np.float64(x).reshape(len(x), -1)}
    for name in network.order:
        if name not in network.populations or name == network.input:
            continue
        part = network.populations[name]
        sets = [(network.synapses[s].source, matrix(network, s)) for s in network.incoming(name)]
        if part.kind == "maxpool":
            ((source, weight),) = sets
            seen = np.where(weight != 0, found[source][:, :, None], -np.inf)
            found[name] = seen.max(axis=1)
            continue
        current = sum(found[source] @ weight for source, weight in sets)
        if part.kind == "analog":
            places = current.reshape(len(x), -1, part.channels)
            current = part.largest(places).reshape(len(x), -1)
        if part.bias is not None:
            current = current + np.broadcast_to(part.grid(part.bias), neurons(part)).ravel()
        if part.kind == "analog":
            current = np.maximum(current, 0)
        if part.kind == "iaf":
            threshold = np.broadcast_to(part.grid(part.threshold), neurons(part)).ravel()
            current = np.maximum(current, 0) / threshold
            current = np.minimum(current, 1) if name in limited else current
        found[name] = current
    return found


def neurons(part):
    return part.positions, part.channels
