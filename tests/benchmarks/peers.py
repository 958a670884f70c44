"""The same network in PyTorch and in SpikingJelly: one thread, float32, no gradients."""

import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from benchmarks.workload import chain


def installed(name: str) -> bool:
    """Whether a peer can be imported."""
    return find_spec(name) is not None


def layers(network, channels_last: bool):
    """(kind, torch weight or None, threshold or None) of every layer in order."""
    import torch

    layout = torch.channels_last if channels_last else torch.contiguous_format
    for _, part, synapses in chain(network):
        weight = synapses.weights()
        if synapses.kind == "conv":
            weight = torch.tensor(weight).permute(3, 2, 0, 1).contiguous(memory_format=layout)
        elif synapses.kind == "dense":
            weight = torch.tensor(weight.T.copy())
        threshold = None if part.kind == "readout" else float(part.threshold)
        yield synapses.kind, weight, threshold


def by_layer(network, channels_last: bool) -> Callable:
    """Plain PyTorch: each layer over all timesteps in one call, then its neurons step by step.

    The function takes spikes (timesteps, batch, channels, height, width); it returns what the
    readout adds up, and appends to `counts` the spikes of each layer by image.
    """
    import torch
    from torch.nn import functional

    made = list(layers(network, channels_last))

    def forward(x, counts=None):
        steps, batch = x.shape[:2]
        x = x.flatten(0, 1)
        for kind, weight, threshold in made:
            if kind == "conv":
                x = functional.conv2d(x, weight, padding=1)
            elif kind == "pool":
                x = functional.avg_pool2d(x, 2)
            else:
                x = functional.linear(x.flatten(1), weight)
            if threshold is None:
                return x.unflatten(0, (steps, batch)).sum(0)
            sequence = x.unflatten(0, (steps, batch))
            potential = torch.zeros_like(sequence[0])
            for step in sequence:  # the current, overwritten by the spikes
                potential += step
                torch.ge(potential, threshold, out=step)
                potential.sub_(step, alpha=threshold)
            if counts is not None:
                counts.append(sequence.flatten(2).sum((0, 2)))
        raise ValueError("the network has no readout")

    return forward


def jelly(network, channels_last: bool, mode: str = "m") -> Callable:
    """SpikingJelly: layer by layer over all timesteps ("m"), or step by step ("s", its default)."""
    import torch
    from spikingjelly.activation_based import functional, layer, neuron

    modules = []
    for kind, weight, threshold in layers(network, channels_last):
        if kind == "conv":
            out, depth = weight.shape[:2]
            modules.append(layer.Conv2d(depth, out, 3, padding=1, bias=False))
            modules[-1].weight = torch.nn.Parameter(weight)
        elif kind == "pool":
            modules.append(layer.AvgPool2d(2))
        else:
            modules.append(layer.Flatten())
            modules.append(layer.Linear(*weight.shape[::-1], bias=False))
            modules[-1].weight = torch.nn.Parameter(weight)
        if threshold is not None:
            modules.append(neuron.IFNode(threshold, v_reset=None))
    model = torch.nn.Sequential(*modules).eval()
    functional.set_step_mode(model, mode)

    def forward(x):
        functional.reset_net(model)
        return model(x).sum(0) if mode == "m" else sum(model(step) for step in x)

    return forward


def jelly_by_step(network, channels_last: bool) -> Callable:
    """SpikingJelly, one timestep after the other."""
    return jelly(network, channels_last, "s")


def tensor(spikes: list[np.ndarray], shape, channels_last: bool):
    """Spikes of some samples as (timesteps, batch, channels, height, width)."""
    import torch

    stacked = torch.tensor(np.stack(spikes, axis=1).reshape(-1, *shape))
    images = stacked.permute(0, 3, 1, 2).to(torch.float32)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return images.contiguous(memory_format=layout).unflatten(0, (-1, len(spikes)))


def contender(make: Callable, network, spikes, batch: int, channels_last: bool) -> Callable:
    """A function that runs a batch once and returns the seconds an image."""
    import torch

    torch.set_num_threads(1)
    forward = make(network, channels_last)
    x = tensor(spikes[:batch], network.populations[network.input].shape, channels_last)

    def seconds() -> float:
        with torch.inference_mode():
            begin = time.perf_counter()
            forward(x)
            return (time.perf_counter() - begin) / batch

    return seconds


def agreement(network, spikes, run) -> str:
    """Raise an error unless both peers compute what the run did; returns how closely."""
    import torch

    shape = network.populations[network.input].shape
    x, counts = tensor(spikes[:1], shape, False), []
    names = [name for name, part, _ in chain(network) if part.sends]
    with torch.inference_mode():
        sums = [by_layer(network, False)(x, counts)]
        if installed("spikingjelly"):
            sums += [make(network, False)(x) for make in (jelly, jelly_by_step)]
    theirs = np.array([count.item() for count in counts])
    ours = np.array([run.work[name]["spikes"][0] for name in names])
    worst = float(np.abs(theirs / ours - 1).max())
    if worst > 0.01:
        raise ValueError(f"PyTorch and evsim differ by {worst:.1%} in the spikes of a layer")
    same = worst == 0 and all((s.numpy()[0] == run.potential[0]).all() for s in sums)
    return "the same spikes and outputs" if same else f"spikes equal within {worst:.2%}"
