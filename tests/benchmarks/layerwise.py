"""Any network of integrate-and-fire neurons in PyTorch: each layer over all timesteps in one call.

The connections are PyTorch's for all peers, the neurons each peer's own: PyTorch's in plain code,
SpikingJelly's (multi-step), sinabs' and snnTorch's. One thread, float32, no gradients.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from benchmarks.works import Work, grid


@dataclass
class Layer:
    """A population: `ways` are (source, function) of its sets, `back` the weights of its own."""

    name: str
    part: object
    step: float  # potentials are multiples of it
    ways: list = field(default_factory=list)
    back: object = None
    bias: object = None


def per_channel(values, shape):
    """A field of a population for (batch, channels, ...)."""
    import torch

    values = np.asarray(values, np.float32)
    if values.size not in (1, shape[-1]):
        raise ValueError(f"{values.size} values for a population of shape {shape}")
    return torch.tensor(values.reshape(1, -1, *(1,) * (len(shape) - 1)))


def connection(synapses, source, target, layout) -> Callable:
    """A set as a function from spikes to currents, both (batch, channels, ...)."""
    import torch
    from torch.nn import functional

    cell = getattr(synapses, "prepool", (1, 1))

    def pooled(x):
        return functional.avg_pool2d(x, cell, divisor_override=1) if cell != (1, 1) else x

    if synapses.kind == "conv":
        weight = torch.tensor(synapses.weights()).permute(3, 2, 0, 1)
        weight = weight.contiguous(memory_format=layout)
        top, bottom, left, right = synapses.padding
        how = {"stride": synapses.stride, "dilation": synapses.dilation, "groups": synapses.groups}
        if (top, left) == (bottom, right):
            return lambda x: functional.conv2d(pooled(x), weight, padding=(top, left), **how)
        around = (left, right, top, bottom)
        return lambda x: functional.conv2d(functional.pad(pooled(x), around), weight, **how)
    if synapses.kind == "dense":
        weight = synapses.weights()
        if len(source.shape) == 3:  # rows in the order of channels, height, width
            height, width, depth = source.shape
            shape = height // cell[0], width // cell[1], depth, -1
            weight = weight.reshape(shape).transpose(2, 0, 1, 3).reshape(weight.shape)
        weight = torch.tensor(weight.T.copy())
        return lambda x: functional.linear(pooled(x).flatten(1), weight)
    if synapses.kind == "pool" and not any(synapses.padding):
        kernel, stride = synapses.kernel, synapses.stride or synapses.kernel
        return lambda x: functional.avg_pool2d(x, kernel, stride)
    if synapses.kind != "identity":
        raise ValueError(f"{synapses.kind} has no counterpart here")
    rows, columns = synapses.stride
    first = synapses.channel_offset
    spare = target.channels - first - source.channels
    weight = synapses.weights()
    gain = None if weight is None else per_channel(weight, source.shape)

    def shortcut(x):
        x = x[:, :, ::rows, ::columns] if x.ndim == 4 else x
        x = x.clone() if gain is None else x * gain
        behind = (0, 0) * (x.ndim - 2)
        return functional.pad(x, (*behind, first, spare)) if first or spare else x

    return shortcut


def layers(network, layout) -> list[Layer]:
    """All populations but the input, in the order of visits."""
    import torch

    found = []
    for stage in network.stages:
        for name in stage.populations:
            part = network.populations[name]
            if name == network.input:
                continue
            layer = Layer(name, part, grid(network, name))
            if part.bias is not None:
                layer.bias = per_channel(part.bias, part.shape)
            for incoming in network.incoming(name):
                synapses = network.synapses[incoming]
                if synapses.source == name and synapses.delay == 1:
                    layer.back = torch.tensor(synapses.weights())
                    continue
                if synapses.delay:
                    raise ValueError(f"{incoming} has a delay")
                source = network.populations[synapses.source]
                way = connection(synapses, source, part, layout)
                layer.ways.append((synapses.source, way))
            found.append(layer)
    return found


def plain(layer: Layer) -> Callable:
    """Neurons in PyTorch, in place: the currents are overwritten by the spikes."""
    import torch

    threshold, start = float(layer.part.threshold), per_channel(layer.part.v_init, layer.part.shape)
    zero = layer.part.reset == "zero"

    def fire(x):
        potential = torch.zeros_like(x[0]) + start
        before = None
        for step in x:
            potential += step
            if before is not None and layer.back is not None:
                potential.addmm_(before, layer.back)
            torch.ge(potential, threshold, out=step)
            if zero:
                potential.masked_fill_(step.bool(), 0)
            else:
                potential.sub_(step, alpha=threshold)
            before = step
        return x

    return fire


def jelly(layer: Layer) -> Callable:
    """IFNode of SpikingJelly: all timesteps in one call, or one by one where spikes come back."""
    import torch
    from spikingjelly.activation_based import neuron

    reset = 0.0 if layer.part.reset == "zero" else None
    mode = "m" if layer.back is None else "s"
    node = neuron.IFNode(float(layer.part.threshold), v_reset=reset, step_mode=mode).eval()
    start = per_channel(layer.part.v_init, layer.part.shape)

    def fire(x):
        node.reset()
        node.v = torch.zeros_like(x[0]) + start
        if layer.back is None:
            return node(x)
        sent = []
        for step in x:
            sent.append(node(step + sent[-1] @ layer.back if sent else step))
        return torch.stack(sent)

    return fire


def sinabs(layer: Layer) -> Callable:
    """IAF of sinabs, one spike a timestep as everybody; it takes (batch, timesteps, ...)."""
    import torch
    from sinabs import activation
    from sinabs import layers as kinds

    zero = layer.part.reset == "zero"
    how = {
        "spike_threshold": torch.tensor(float(layer.part.threshold)),
        "spike_fn": activation.SingleSpike,
        "reset_fn": activation.MembraneReset() if zero else activation.MembraneSubtract(),
    }
    if layer.back is None:
        neurons = kinds.IAF(**how)
    else:
        back = torch.nn.Linear(*layer.back.shape, bias=False)
        back.weight = torch.nn.Parameter(layer.back.T.contiguous())
        neurons = kinds.IAFRecurrent(back, **how)
    start = per_channel(layer.part.v_init, layer.part.shape)

    def fire(x):
        neurons.v_mem = torch.zeros_like(x[:, 0]) + start
        return neurons(x)

    return fire


def snntorch(layer: Layer) -> Callable:
    """Leaky of snnTorch with nothing leaking, timestep by timestep, as it has no other way.

    It fires above its threshold, not at it: half a step of the grid makes that the same.
    """
    import torch
    from snntorch import Leaky

    zero, half = layer.part.reset == "zero", layer.step / 2
    threshold = float(layer.part.threshold)
    how = {"reset_mechanism": "zero", "reset_delay": False} if zero else {}
    leaky = Leaky(beta=1.0, threshold=threshold - half if zero else threshold, **how)
    start = per_channel(layer.part.v_init, layer.part.shape) + (0 if zero else half)

    def fire(x):
        potential, sent = torch.zeros_like(x[0]) + start, []
        for step in x:
            current = step + sent[-1] @ layer.back if sent and layer.back is not None else step
            spikes, potential = leaky(current, potential)
            sent.append(spikes)
        return torch.stack(sent)

    return fire


PEERS = {  # package, what makes the neurons of a layer
    "PyTorch": ("torch", plain),
    "SpikingJelly": ("spikingjelly", jelly),
    "sinabs": ("sinabs", sinabs),
    "snnTorch": ("snntorch", snntorch),
}


def model(work: Work, peer: str, last: bool) -> Callable:
    """A function from spikes (timesteps, batch, ...) to what the output adds up over time.

    sinabs takes and keeps (batch, timesteps, ...). `seen` is called with the name of every
    population and its spikes, if given.
    """
    import torch

    layout = torch.channels_last if last else torch.contiguous_format
    network, time = work.network, int(peer == "sinabs")
    made = [(layer, neurons(layer, peer)) for layer in layers(network, layout)]
    uses = {}
    for layer, _ in made:
        for source, _ in layer.ways:
            uses[source] = uses.get(source, 0) + 1

    def forward(x, seen=None):
        sizes, left = x.shape[:2], dict(uses)
        sent = {network.input: x.flatten(0, 1)}
        del x
        for layer, fire in made:
            current = None
            for source, way in layer.ways:
                more = way(sent[source])
                current = more if current is None else current.add_(more)
                left[source] -= 1
                if not left[source]:
                    del sent[source]
            if layer.bias is not None:
                current.add_(layer.bias)
            current = current.unflatten(0, sizes)
            if fire is None:
                return current.sum(time) + per_channel(layer.part.v_init, layer.part.shape)
            spikes = fire(current)
            if seen is not None:
                seen(layer.name, spikes)
            if layer.name == network.output:
                return spikes.sum(time)
            sent[layer.name] = spikes.flatten(0, 1)
        raise ValueError("the network has no output")

    return forward


def neurons(layer: Layer, peer: str) -> Callable | None:
    """The neurons of a layer as a peer has them; None for a readout."""
    return PEERS[peer][1](layer) if layer.part.kind == "iaf" else None


def tensor(work: Work, batch: int, peer: str, last: bool):
    """The spikes of the first samples as a peer takes them."""
    import torch

    axis = int(peer != "sinabs")
    stacked = torch.tensor(np.stack(work.spikes[:batch], axis=axis)).float()
    if len(work.shape) == 1:
        return stacked
    images = stacked.flatten(0, 1).unflatten(1, work.shape).permute(0, 3, 1, 2)
    layout = torch.channels_last if last else torch.contiguous_format
    images = images.contiguous(memory_format=layout)
    return images.unflatten(0, stacked.shape[:2])


def contender(work: Work, peer: str, batch: int, last: bool) -> Callable:
    """A function that runs a batch once and returns the CPU seconds a sample."""
    import time

    import torch

    torch.set_num_threads(1)
    forward, x = model(work, peer, last), tensor(work, batch, peer, last)

    def seconds() -> float:
        with torch.inference_mode():
            begin = time.process_time()
            forward(x)
            return (time.process_time() - begin) / batch

    return seconds


def agree(work: Work, peer: str, run, sent: dict[str, np.ndarray], samples: int) -> int:
    """Raise ValueError unless every spike and output equals the run's; returns the spikes.

    `sent`: what `run.spikes` was, which takes long to ask for.
    """
    import torch

    total, steps = 0, work.timesteps

    def compare(name, spikes):
        nonlocal total
        part = work.network.populations[name]
        theirs = spikes.transpose(0, 1) if peer != "sinabs" else spikes
        theirs = theirs.movedim(2, -1).flatten(2).numpy()
        ours = np.zeros((samples, steps, part.neurons), np.float32)
        found = sent[name]
        found = found[found["sample"] < samples]
        ours[found["sample"], found["timestep"], found["neuron"]] = found["value"]
        if not np.array_equal(ours, theirs):
            differ = int((ours != theirs).sum())
            raise ValueError(f"{work.name}: {differ} spikes of {name} differ in {peer}")
        total += len(found)

    with torch.inference_mode():
        out = model(work, peer, False)(tensor(work, samples, peer, False), compare)
    if work.network.populations[work.network.output].kind == "readout" and not np.array_equal(
        out.numpy(), run.potential[:samples]
    ):
        raise ValueError(f"{work.name}: the outputs of {peer} differ")
    return total
