"""VGG-16 with 6 to 16 % of every layer's neurons firing at every timestep, and its input."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
from support.topologies import STEP, vgg16

import evsim

RATE = 0.10  # spikes per neuron and timestep
LOWEST, HIGHEST = 0.06, 0.16
TIMESTEPS = 100
CLOSE = 0.005  # a layer's rate is adjusted until it is as close as this


def poisson(samples: int, timesteps: int, shape, rate: float = RATE) -> list[np.ndarray]:
    """Spikes (timesteps, neurons) of each sample: random images, 0 to twice the rate a pixel."""
    found = []
    for sample in range(samples):
        generator = np.random.default_rng(sample)
        rates = 2 * rate * generator.random(int(np.prod(shape)), np.float32)
        found.append(generator.random((timesteps, rates.size), np.float32) < rates)
    return found


def events(spikes: list[np.ndarray], shape) -> evsim.Events:
    """The same as evsim takes them."""
    places = [np.nonzero(sample) for sample in spikes]
    sample = np.repeat(np.arange(len(spikes)), [len(t) for t, _ in places])
    timestep, neuron = (np.concatenate(column) for column in zip(*places, strict=True))
    timesteps = len(spikes[0])
    return evsim.Events(
        sample, timestep, neuron, shape=shape, samples=len(spikes), timesteps=timesteps
    )


def chain(network: evsim.Network) -> Iterator[tuple[str, object, object]]:
    """(name, population, the set into it) of a network without branches, in order."""
    for stage in network.stages:
        for name in stage.populations:
            for incoming in network.incoming(name):
                yield name, network.populations[name], network.synapses[incoming]


def calibrated(network: evsim.Network, inputs: evsim.Events, rate: float) -> dict[str, float]:
    """A threshold for every weighted layer with which its neurons fire at about `rate`."""
    found = {}
    for name, part, synapses in chain(network):
        if part.kind == "readout":
            break
        if synapses.weights() is not None:
            fan_in = np.prod(synapses.weights().shape[:-1])
            part = replace(part, threshold=on_grid(36 * STEP * np.sqrt(rate * fan_in)))
        for _ in range(12):
            spikes = layer_alone(part, synapses, inputs)
            now = len(spikes) / (part.neurons * inputs.timesteps * len(inputs))
            if synapses.weights() is None or abs(now - rate) < CLOSE:
                break
            part = replace(part, threshold=on_grid(part.threshold * np.clip(now / rate, 0.3, 3)))
        if synapses.weights() is not None:
            found[name] = float(part.threshold)
        columns = (spikes[column] for column in ("sample", "timestep", "neuron"))
        sizes = {"samples": len(inputs), "timesteps": inputs.timesteps}
        inputs = evsim.Events(*columns, shape=part.shape, **sizes)
    return found


def on_grid(threshold: float) -> float:
    """A threshold that int8 weights can have too."""
    return STEP * max(1.0, float(np.rint(threshold / STEP)))


def layer_alone(part, synapses, inputs: evsim.Events) -> np.ndarray:
    """The spikes of one layer, given its input events."""
    source = evsim.neuron_kinds()["input"].build({"shape": inputs.shape})
    into = replace(synapses, source="source", target="layer")
    network = evsim.Network({"source": source, "layer": part}, {"into": into}, output="layer")
    return evsim.run(network, inputs, record=("spikes",), jobs=1).spikes["layer"]


@cache
def thresholds(rate: float = RATE) -> dict[str, float]:
    """Those of VGG-16 at CIFAR size."""
    network = vgg16()
    shape = network.populations["input"].shape
    return calibrated(network, events(poisson(1, TIMESTEPS, shape, rate), shape), rate)


def rates(run: evsim.Run) -> dict[str, float]:
    """Spikes per neuron and timestep of every population that sends."""
    steps = run.settings.timesteps * len(run.samples)
    return {
        name: float(run.work[name]["spikes"].sum()) / (part.neurons * steps)
        for name, part in run.network.populations.items()
        if part.sends
    }


def synops(run: evsim.Run) -> int:
    """The synaptic additions of a run."""
    return sum(int(facts["synops"].sum()) for facts in run.work.values() if "synops" in facts)


def described(run: evsim.Run) -> str:
    """How busy a run was."""
    found = rates(run).values()
    each = synops(run) / len(run.samples)
    return f"{min(found):.1%} to {max(found):.1%} of each layer firing, {each:.3g} synops an image"
