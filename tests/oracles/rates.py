"""Sets of synapses as matrices, and the firing rates that a network would settle at."""

import numpy as np
from oracles.geometry import connections, listening, neurons, per_neuron, places_of
from oracles.naive import incoming, scale_of, visiting_order
from support import build


def matrix(network, name):
    """A set as a dense matrix (sources, targets), by the oracle of geometry."""
    described = build.description(network)
    fields = described["synapses"][name]
    source, target = (described["populations"][fields[end]] for end in ("source", "target"))
    shapes = source["shape"], listening(target)
    found = np.zeros([neurons(shape) for shape in shapes])
    scale = scale_of(fields, shapes[1], np.float64) or np.ones(neurons(shapes[1]))
    for i, synapses in enumerate(connections(fields, *shapes, np.float64)):
        for synapse in synapses:
            found[i, synapse.target] += synapse.weight * scale[synapse.target]
    return found


def spread(part, name):
    """A field of a population as (neurons,)."""
    return np.array(per_neuron(getattr(part, name), part.shape))


def rates(network, x, limited=()):
    """What every population would settle at with real-valued rates, of scaled values x.

    Rates above 1 are taken as they are but in populations that are `limited`.
    """
    described = build.description(network)
    found = {network.input: np.float64(x).reshape(len(x), -1)}
    for name in visiting_order(described):
        fields = described["populations"][name]
        if name == network.input:
            continue
        into = incoming(described, name)
        sets = [(found[described["synapses"][s]["source"]], matrix(network, s)) for s in into]
        if fields["kind"] == "maxpool":
            ((rate, weight),) = sets
            members = [np.flatnonzero(column) for column in weight.T]
            found[name] = np.stack([rate[:, own].max(axis=1) for own in members], axis=1)
            continue
        current = sum(rate @ weight for rate, weight in sets)
        if fields["kind"] == "analog":
            places = [places_of(fields, j) for j in range(neurons(fields["shape"]))]
            current = np.stack([current[:, own].max(axis=1) for own in places], axis=1)
        if "bias" in fields:
            current = current + per_neuron(fields["bias"], fields["shape"])
        if fields["kind"] in ("analog", "iaf"):
            current = np.maximum(current, 0)
        if fields["kind"] == "iaf":
            current = current / per_neuron(fields["threshold"], fields["shape"])
            current = np.minimum(current, 1) if name in limited else current
        found[name] = current
    return found
