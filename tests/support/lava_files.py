"""lava-dl files written with h5py alone, and what their neurons do in plain loops."""

import h5py
import numpy as np

import evsim


def neuron(**changes):
    """The neurons of a layer."""
    found = {"type": np.bytes_("CUBA"), "iDecay": 1024, "vDecay": 512, "vThMant": 20}
    return found | {"refDelay": 1, "gradedSpike": False} | changes


def values(seed, *shape, low=-9, high=12):
    """Whole numbers as lava-dl writes them."""
    return np.random.default_rng(seed).integers(low, high, shape).astype(np.float32)


def named(kind, shape, **fields):
    """A layer."""
    return {"type": np.array([kind], "S10"), "shape": np.array(shape)} | fields


def dense(inputs, outputs, seed=1, **fields):
    """A dense layer."""
    found = {"inFeatures": inputs, "outFeatures": outputs, "neuron": neuron()}
    found["weight"] = values(seed, outputs, inputs)
    return named("dense", (outputs,), **found | fields)


def conv(inputs, shape, kernel=(3, 3), groups=1, seed=2, **fields):
    """A convolution; `shape` is that of its output, channels first."""
    found = {"inChannels": inputs, "outChannels": shape[0], "kernelSize": np.array(kernel)}
    found |= {"stride": np.array((1, 1)), "padding": np.array((0, 0)), "neuron": neuron()}
    found |= {"dilation": np.array((1, 1)), "groups": groups}
    found["weight"] = values(seed, shape[0], inputs // groups, *kernel)
    return named("conv", shape, **found | fields)


def pool(shape, kernel=(2, 2), weight=7.0, **fields):
    """A sum pool."""
    found = {"kernelSize": np.array(kernel), "stride": np.array(kernel), "neuron": neuron()}
    found |= {"padding": np.array((0, 0)), "dilation": np.array((1, 1))}
    found["weight"] = np.full((1, 1, *kernel), weight, np.float32)
    return named("pool", shape, **found | fields)


def small():
    """A network with a layer of every kind."""
    return [
        named("input", (2, 6, 5)),
        conv(2, (4, 4, 3), bias=values(3, 4), delay=np.float32([2, 0, 2, 1])),
        conv(4, (2, 4, 3), (1, 3), 2, padding=np.array((0, 1)), neuron=neuron(iDecay=4096)),
        pool((2, 2, 2)),
        named("flatten", (8, 1, 1)),
        dense(8, 6, delay=np.full(6, 3, np.float32)),
        dense(6, 3, weight=values(4, 18), neuron=neuron(vThMant=3)),
    ]


def put(group, name, value, dated=False):
    """Write one field, or a group of them; `dated`: with the time, as h5py did until 2020."""
    if isinstance(value, dict):
        for inner, content in value.items():
            put(group.require_group(name), inner, content, dated)
    else:
        group.create_dataset(name, data=value, track_times=dated)


def write(path, layers, dated=False, **simulation):
    """A file with these layers."""
    with h5py.File(path, "w") as file:
        for number, layer in enumerate(layers):
            put(file, f"layer/{number}", layer, dated)
        put(file, "simulation", simulation)
    return path


# What the neurons do


def decayed(value, decay):
    """One timestep's decay: the size of a value, not the value, is rounded down."""
    size = abs(value) * (4096 - decay) >> 12
    return size if value > 0 else -size


def sums(layer, spikes):
    """What arrives at every neuron of a layer in a timestep; `spikes` in lava's axes."""
    kind = layer["type"][0].decode()
    weight = layer["weight"].astype(int) * 2 ** layer["neuron"].get("wgtExp", 0)
    if kind == "dense":
        return weight.reshape(layer["shape"][0], -1) @ spikes.ravel()
    rows, columns = layer["stride"], layer["dilation"]
    top, left = layer["padding"]
    kernel, found = layer["kernelSize"], np.zeros(layer["shape"], int)
    if kind == "pool":  # every channel with itself
        groups = len(spikes)
        weight = np.broadcast_to(weight[0, 0], (groups, 1, *kernel))
    else:
        groups = layer["groups"]
        weight = weight.reshape(weight.shape[:4])
    each, out = weight.shape[1], len(weight) // groups
    for (o, y, x), _ in np.ndenumerate(found):
        for c, a, b in np.ndindex(each, *kernel):
            line = y * rows[0] - top + a * columns[0]
            column = x * rows[1] - left + b * columns[1]
            if 0 <= line < spikes.shape[1] and 0 <= column < spikes.shape[2]:
                fired = spikes[o // out * each + c, line, column]
                found[o, y, x] += weight[o, c, a, b] * fired
    return found


def spread(value, shape):
    """One value, one per channel, or one per neuron, as one per neuron in lava's axes."""
    value = np.asarray(value).astype(int).ravel()
    if value.size == np.prod(shape):
        return value.reshape(shape)
    return np.broadcast_to(value.reshape(-1, *(1,) * (len(shape) - 1)), shape)


def neurons_fire(layer, arrived, compare="gt", bias_start=1):
    """The spikes of a layer's neurons, given what arrives at them in every timestep."""
    shape, about = arrived.shape[1:], layer["neuron"]
    bias = spread(layer.get("bias", 0), shape)
    decays = [spread(about[name], shape) for name in ("iDecay", "vDecay")]
    threshold = spread(about["vThMant"], shape)
    spikes = np.zeros(arrived.shape, int)
    for index in np.ndindex(*shape):
        current = potential = 0
        for t in range(len(arrived)):
            current = decayed(current, int(decays[0][index])) + 64 * int(arrived[t][index])
            potential = decayed(potential, int(decays[1][index])) + current
            potential += 64 * int(bias[index]) if t >= bias_start else 0
            potential = min(max(potential, 1 - 2**23), 2**23 - 1)
            over = potential - 64 * threshold[index]
            if over > 0 or (over == 0 and compare == "ge"):
                spikes[t][index], potential = 1, 0
    return spikes


def delayed(layer, spikes):
    """Spikes as they leave the axons of a layer."""
    delay, found = spread(layer.get("delay", 0), spikes.shape[1:]), np.zeros_like(spikes)
    for t in range(len(spikes)):
        for index in np.ndindex(*spikes.shape[1:]):
            if t >= delay[index]:
                found[t][index] = spikes[t - delay[index]][index]
    return found


def simulated(layers, stimulus, **rule):
    """The spikes of every layer of neurons, (timesteps, ...) in lava's axes."""
    found, spikes = [], stimulus
    for layer in layers:
        if "neuron" in layer and layer["type"][0] != b"input":
            arrived = np.stack([sums(layer, now) for now in spikes])
            found.append(neurons_fire(layer, arrived, **rule))
            spikes = delayed(layer, found[-1])
    return found


def last(spikes):
    """Spikes in lava's axes as evsim counts neurons: (timesteps, neurons), channels last."""
    return np.moveaxis(spikes, 1, -1).reshape(len(spikes), -1)


def events(stimulus):
    """A stimulus in lava's axes as one sample of events."""
    timestep, neuron_index = last(stimulus).nonzero()
    shape = (*stimulus.shape[2:], stimulus.shape[1])
    about = {"shape": shape, "samples": 1, "timesteps": len(stimulus)}
    return evsim.Events(np.zeros_like(timestep), timestep, neuron_index, **about)


def ran(network, stimulus):
    """The spikes of every population but the input, as evsim runs them, in the order of visits."""
    run = evsim.run(network, events(stimulus), timesteps=len(stimulus), record=("spikes",))
    found = {}
    for name in (n for stage in network.stages for n in stage.populations):
        if name != network.input:
            table = run.spikes[name]
            found[name] = np.zeros((len(stimulus), network.populations[name].neurons), int)
            found[name][table["timestep"], table["neuron"]] = 1
    return list(found.values())
