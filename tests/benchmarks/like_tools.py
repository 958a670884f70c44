"""The neurons of other tools, one timestep after the other, for `like.py`; needs the tools."""

import nir
import numpy as np
import torch

torch.set_grad_enabled(False)
GRID = 2.0**-10


def weights(random, *shape):
    """Weights on the grid, about as large as thresholds."""
    return (np.round(random.normal(0.15, 0.5, shape) / GRID) * GRID).astype(np.float32)


def linear(random, inputs, outputs):
    """A layer of PyTorch with weights and biases on the grid."""
    layer = torch.nn.Linear(inputs, outputs)
    layer.weight.data = torch.from_numpy(weights(random, outputs, inputs))
    layer.bias.data = torch.from_numpy(weights(random, outputs)) / 4
    return layer


def each(neurons, value):
    """One value for every neuron: exporters need the shape."""
    return torch.full((neurons,), value)


def sequence(modules, stimulus):
    """What the neurons, every second module, send for a stimulus, a timestep at a time."""
    sent = [[] for _ in modules[1::2]]
    for now in stimulus:
        x = torch.from_numpy(now)[None]
        for place, module in enumerate(modules):
            x = module(x)
            x = x[0] if isinstance(x, tuple) else x
            if place % 2:
                sent[place // 2].append(x[0].numpy().copy())
    return [np.stack(one) for one in sent]


def exact_tau(leak, dt=1.0):
    """A time constant in float32 of which exp(-dt / tau) is exactly the leak."""
    tau = torch.tensor(-dt / np.log(leak), dtype=torch.float32)
    for _ in range(64):
        found = torch.exp(-dt / tau)
        if found == leak:
            return tau
        tau = torch.nextafter(tau, torch.tensor(np.inf if found < leak else 0.0))
    raise ValueError(leak)


# snnTorch


def leaky(random, stimulus, path):
    """Leaky, exported by snnTorch."""
    import snntorch
    from snntorch.export_nir import export_to_nir

    made = [
        linear(random, 12, 20),
        snntorch.Leaky(beta=each(20, 0.75), threshold=each(20, 1.0), init_hidden=True),
        linear(random, 20, 8),
        snntorch.Leaky(beta=each(8, 0.5), threshold=each(8, 0.75), init_hidden=True, output=True),
    ]
    net = torch.nn.Sequential(*made)
    nir.write(path, export_to_nir(net, torch.zeros(12)))
    for module in made[1::2]:
        module.reset_mem()
    return {}, sequence(made, stimulus)


def synaptic(random, stimulus, path):
    """Synaptic, exported by snnTorch."""
    import snntorch
    from snntorch.export_nir import export_to_nir

    made = [
        linear(random, 12, 20),
        snntorch.Synaptic(each(20, 0.5), each(20, 0.75), each(20, 1.0), init_hidden=True),
        linear(random, 20, 8),
        snntorch.Synaptic(each(8, 0.25), each(8, 0.5), each(8, 1.5), init_hidden=True, output=True),
    ]
    net = torch.nn.Sequential(*made)
    nir.write(path, export_to_nir(net, torch.zeros(12)))
    for module in made[1::2]:
        module.reset_mem()
    return {}, sequence(made, stimulus)


def recurrent(random, stimulus, path):
    """RLeaky and RSynaptic, recurrent, exported by snnTorch."""
    import snntorch
    from snntorch.export_nir import export_to_nir

    def back(module, size):
        module.recurrent.weight.data = torch.from_numpy(weights(random, size, size)) / 4
        module.recurrent.bias.data = torch.from_numpy(weights(random, size)) / 4
        return module

    how = {"all_to_all": True, "init_hidden": True}
    first = snntorch.RLeaky(0.75, linear_features=20, threshold=1.0, **how)
    second = snntorch.RSynaptic(0.5, 0.75, linear_features=8, threshold=1.0, output=True, **how)
    made = [linear(random, 12, 20), back(first, 20), linear(random, 20, 8), back(second, 8)]
    net = torch.nn.Sequential(*made)
    nir.write(path, export_to_nir(net, torch.zeros(12)))
    for module in made[1::2]:
        module.reset_mem()
    return {}, sequence(made, stimulus)


def leaky_zero(random, stimulus, path):
    """Leaky and Synaptic with reset to zero, exported by snnTorch."""
    import snntorch
    from snntorch.export_nir import export_to_nir

    made = [
        linear(random, 12, 20),
        snntorch.Leaky(each(20, 0.75), each(20, 1.0), init_hidden=True, reset_mechanism="zero"),
        linear(random, 20, 8),
        snntorch.Synaptic(
            *(each(8, value) for value in (0.5, 0.5, 1.0)),
            init_hidden=True,
            output=True,
            reset_mechanism="zero",
        ),
    ]
    net = torch.nn.Sequential(*made)
    nir.write(path, export_to_nir(net, torch.zeros(12)))
    for module in made[1::2]:
        module.reset_mem()
    return {"reset": "zero"}, sequence(made, stimulus)


# Sinabs


def iaf(random, stimulus, path):
    """IAF with the floor of its from_nir, exported by Sinabs."""
    import sinabs.layers as sl
    from sinabs.nir import to_nir

    def neurons(threshold):
        threshold = torch.tensor(threshold)
        return sl.IAFSqueeze(spike_threshold=threshold, min_v_mem=-threshold, num_timesteps=1)

    made = [linear(random, 12, 20), neurons(1.0), linear(random, 20, 8), neurons(0.75)]
    made[2].weight.data /= 2
    return {}, _of_sinabs(made, stimulus, path, to_nir)


def lif_sinabs(random, stimulus, path):
    """LIF, exported by Sinabs."""
    import sinabs.layers as sl
    from sinabs.nir import to_nir

    def neurons(leak, threshold):
        tau, threshold = exact_tau(leak).reshape(1), torch.tensor([threshold])
        return sl.LIFSqueeze(tau_mem=tau, spike_threshold=threshold, num_timesteps=1)

    made = [linear(random, 12, 20), neurons(0.75, 0.25), linear(random, 20, 8), neurons(0.5, 0.5)]
    return {}, _of_sinabs(made, stimulus, path, to_nir)


def _of_sinabs(made, stimulus, path, to_nir):
    """Export and run; the exporter needs a first input for the shapes."""
    net = torch.nn.Sequential(*made)
    net(torch.zeros(1, 12))
    nir.write(path, to_nir(net, torch.zeros(1, 12)))
    for module in made[1::2]:
        module.reset_states()
    return sequence(made, stimulus)


# Norse


class Stateful(torch.nn.Module):
    """A cell that is given its state, as a module that keeps it."""

    def __init__(self, cell):
        super().__init__()
        self.cell, self.state = cell, None

    def forward(self, x):
        """What the cell sends now."""
        x, self.state = self.cell(x, self.state)
        return x


def lif_norse(random, stimulus, path):
    """LIFBoxCell, exported by Norse."""
    import norse.torch as norse
    from norse.torch.utils.export_nir import to_nir

    def neurons(size, leak, threshold):
        rate, rest = each(size, 1000 * (1 - leak)), each(size, -0.125)
        p = norse.LIFBoxParameters(tau_mem_inv=rate, v_leak=rest, v_th=each(size, threshold))
        return norse.LIFBoxCell(p=p)

    made = [linear(random, 12, 20), neurons(20, 0.5, 0.25)]
    made += [linear(random, 20, 8), neurons(8, 0.75, 0.25)]
    net = norse.SequentialState(*made)
    nir.write(path, to_nir(net, torch.zeros(1, 12)))
    made[1::2] = [Stateful(cell) for cell in made[1::2]]
    return {}, sequence(made, stimulus)


def cuba_norse(random, stimulus, path):
    """LIFCell, exported by Norse."""
    import norse.torch as norse
    from norse.torch.utils.export_nir import to_nir

    def neurons(size, leak, current, threshold):
        rates = {"tau_mem_inv": each(size, 1000 * (1 - leak))}
        rates |= {"tau_syn_inv": each(size, 1000 * (1 - current))}
        p = norse.LIFParameters(**rates, v_leak=each(size, 0.0), v_th=each(size, threshold))
        return norse.LIFCell(p=p)

    made = [linear(random, 12, 20), neurons(20, 0.5, 0.75, 0.5)]
    made += [linear(random, 20, 8), neurons(8, 0.75, 0.5, 0.25)]
    nir.write(path, to_nir(norse.SequentialState(*made), torch.zeros(1, 12)))
    made[1::2] = [Stateful(cell) for cell in made[1::2]]
    return {}, sequence(made, stimulus)


def iaf_norse(random, stimulus, path):
    """IAFCell, exported by Norse."""
    import norse.torch as norse
    from norse.torch.module.iaf import IAFCell
    from norse.torch.utils.export_nir import to_nir

    def neurons(size, threshold):
        return IAFCell(norse.IAFParameters(v_th=each(size, threshold)))

    made = [linear(random, 12, 20), neurons(20, 1.0), linear(random, 20, 8), neurons(8, 0.75)]
    nir.write(path, to_nir(norse.SequentialState(*made), torch.zeros(1, 12)))
    made[1::2] = [Stateful(cell) for cell in made[1::2]]
    return {}, sequence(made, stimulus)


# SpikingJelly


def nodes(random, stimulus, path):
    """IFNode and LIFNode, exported by SpikingJelly."""
    from spikingjelly.activation_based import neuron

    made = [
        linear(random, 12, 20),
        neuron.IFNode(v_threshold=1.0, v_reset=0.0),
        linear(random, 20, 10),
        neuron.LIFNode(tau=2.0, v_threshold=0.5, v_reset=-0.25),
        linear(random, 10, 8),
        neuron.LIFNode(tau=4.0, decay_input=False, v_threshold=1.0, v_reset=0.0),
    ]
    return {}, _of_spikingjelly(made, stimulus, path)


def cuba(random, stimulus, path):
    """CUBALIFNode, exported by SpikingJelly."""
    from spikingjelly.activation_based import neuron

    made = [
        linear(random, 12, 20),
        neuron.CUBALIFNode(c_decay=0.5, v_decay=0.75, v_threshold=1.0, v_reset=0.0),
        linear(random, 20, 8),
        neuron.CUBALIFNode(c_decay=0.25, v_decay=0.5, v_threshold=0.5, v_reset=0.0),
    ]
    return {}, _of_spikingjelly(made, stimulus, path)


def _of_spikingjelly(made, stimulus, path):
    from spikingjelly.activation_based import functional, nir_exchange

    net = torch.nn.Sequential(*made)
    net.eval()
    nir_exchange.export_to_nir(net, torch.zeros(1, 12), save_path=path)
    functional.reset_net(net)
    return sequence(made, stimulus)


# Rockpool


def lif_rockpool(random, stimulus, path):
    """LIFNeuronTorch, exported by Rockpool."""
    from rockpool.nn.modules import LIFNeuronTorch

    def neurons(size, leak, threshold):
        tau = exact_tau(leak, 1e-3)
        return LIFNeuronTorch(size, tau_mem=tau, threshold=torch.tensor(threshold), dt=1e-3)

    return _of_rockpool(random, stimulus, path, neurons(20, 0.75, 1.0), neurons(8, 0.5, 0.75))


def cuba_rockpool(random, stimulus, path):
    """LIFTorch, exported by Rockpool."""
    from rockpool.nn.modules import LIFTorch

    def neurons(size, leak, current, threshold):
        taus = {"tau_mem": exact_tau(leak, 1e-3), "tau_syn": exact_tau(current, 1e-3)}
        return LIFTorch(size, **taus, threshold=torch.tensor(threshold), dt=1e-3)

    return _of_rockpool(
        random, stimulus, path, neurons(20, 0.75, 0.5, 1.0), neurons(8, 0.5, 0.25, 0.75)
    )


def _of_rockpool(random, stimulus, path, first, second):
    """Two layers of neurons, each behind a matrix and a bias."""
    from rockpool.nn.combinators import Sequential
    from rockpool.nn.modules import LinearTorch
    from rockpool.nn.modules.torch.nir import to_nir

    made = [
        LinearTorch((12, 20), weight=torch.from_numpy(weights(random, 12, 20)), has_bias=False),
        first,
        LinearTorch((20, 8), weight=torch.from_numpy(weights(random, 20, 8)) / 4, has_bias=False),
        second,
    ]
    net = Sequential(*made)
    nir.write(path, to_nir(net))
    sent, x = [], torch.from_numpy(stimulus)[None]
    for place, module in enumerate(made):
        x, _, _ = module(x)
        if place % 2:
            sent.append(x[0].numpy().copy())
    return {}, sent


RANDOM = {
    "snntorch": (leaky, synaptic, recurrent, leaky_zero),
    "sinabs": (iaf, lif_sinabs),
    "norse": (lif_norse, cuba_norse, iaf_norse),
    "spikingjelly": (nodes, cuba),
    "rockpool": (lif_rockpool, cuba_rockpool),
}


# The real files


def neurons_of(tool: str, node, dt: float):
    """A node of neurons as a module of the tool; None where the tool has no such neurons."""
    make = {
        "snntorch": _real_snntorch,
        "sinabs": _real_sinabs,
        "norse": _real_norse,
        "spikingjelly": _real_spikingjelly,
        "rockpool": _real_rockpool,
    }[tool]
    return make(node, dt)


def _one(values):
    """The one value of all neurons, as a number."""
    return float(np.unique(np.float64(values)).item())


def _real_snntorch(node, dt):
    import snntorch

    how = {"threshold": _one(node.v_threshold), "init_hidden": True}
    if isinstance(node, nir.IF):
        return snntorch.Leaky(beta=1.0, **how)
    if isinstance(node, nir.LIF):
        return _scaled(node.r * dt / node.tau, snntorch.Leaky(beta=1 - dt / _one(node.tau), **how))
    leaks = {"alpha": 1 - dt / _one(node.tau_syn), "beta": 1 - dt / _one(node.tau_mem)}
    return snntorch.Synaptic(**leaks, **how)


def _real_sinabs(node, dt):
    import sinabs.layers as sl

    threshold = torch.tensor(np.float32(node.v_threshold))
    if not isinstance(node, nir.IF):
        return None
    return sl.IAFSqueeze(spike_threshold=threshold, min_v_mem=-threshold, num_timesteps=1)


def _real_norse(node, dt):
    from norse.torch.functional.reset import reset_subtract
    from norse.torch.utils.import_nir import _import_norse_module

    cell = _import_norse_module(node, ignore_warnings=True, reset_method=reset_subtract, dt=dt)
    return Stateful(cell)


def _real_spikingjelly(node, dt):
    from spikingjelly.activation_based import neuron

    threshold = _one(node.v_threshold)
    if isinstance(node, nir.IF):
        return neuron.IFNode(v_threshold=threshold, v_reset=0.0).eval()
    if isinstance(node, nir.LIF):
        return neuron.LIFNode(tau=_one(node.tau) / dt, v_threshold=threshold, v_reset=0.0).eval()
    leaks = {"c_decay": 1 - dt / _one(node.tau_syn), "v_decay": 1 - dt / _one(node.tau_mem)}
    return neuron.CUBALIFNode(**leaks, v_threshold=threshold, v_reset=None).eval()


def _real_rockpool(node, dt):
    return None


def _scaled(gain, module):
    """A module whose input is scaled by a gain."""

    class Scaled(torch.nn.Module):
        def forward(self, x):
            return module(x * _one(gain))

    return Scaled()


def real(tool, path, stimulus, dt):
    """What the neurons of a real file send, by layer; None where the tool lacks some of them."""
    graph = nir.read(path)
    modules, neurons = {}, []
    for name, node in graph.nodes.items():
        if isinstance(node, nir.IF | nir.LIF | nir.CubaLIF):
            modules[name] = neurons_of(tool, node, dt)
            neurons.append(name)
            if modules[name] is None:
                return None
        elif not isinstance(node, nir.Input | nir.Output):
            modules[name] = _linear(node)
    order = _order(graph)
    sent = {name: [] for name in order if name in neurons}
    before = {}
    for now in stimulus:
        values = {"input": torch.from_numpy(now)[None]}
        for name in order:
            x = sum(
                values[a] if a in values else before.get(a, 0)
                for a, b in graph.edges
                if b == name and (a in values or a in before)
            )
            x = modules[name](x) if name in modules else x
            values[name] = x[0] if isinstance(x, tuple) else x
            if name in sent:
                sent[name].append(values[name][0].numpy().copy())
        before = {name: modules[b](values[a]) for name, b, a in _back(graph, order) if b in modules}
    return [np.stack(one) for one in sent.values()]


def _back(graph, order):
    """(recurrent matrix, itself, its source): what acts a timestep later."""
    place = {name: i for i, name in enumerate(order)}
    return [(b, b, a) for a, b in graph.edges if b not in place and a in place]


def _order(graph):
    """The nodes from the input on, but recurrent matrices."""
    order, targets = [], {}
    for a, b in graph.edges:
        if not (b.endswith("w_rec")):
            targets.setdefault(a, []).append(b)
    ahead = list(targets["input"])
    for name in ahead:
        if name not in order:
            order.append(name)
            ahead += targets.get(name, [])
    return order


def _linear(node):
    """A linear node as a module of PyTorch."""
    if isinstance(node, nir.Linear | nir.Affine):
        layer = torch.nn.Linear(node.weight.shape[1], node.weight.shape[0])
        layer.weight.data = torch.from_numpy(np.float32(node.weight))
        layer.bias.data = torch.from_numpy(np.float32(getattr(node, "bias", 0 * node.weight[:, 0])))
        return layer
    if isinstance(node, nir.Conv2d):
        how = {"stride": tuple(node.stride), "padding": tuple(node.padding)}
        layer = torch.nn.Conv2d(*node.weight.shape[1::-1], node.weight.shape[2:], **how)
        layer.weight.data = torch.from_numpy(np.float32(node.weight))
        layer.bias.data = torch.from_numpy(np.float32(node.bias))
        return layer
    if isinstance(node, nir.SumPool2d):
        size = tuple(int(n) for n in node.kernel_size)
        return lambda x: torch.nn.functional.avg_pool2d(x, size, divisor_override=1)
    return torch.nn.Flatten()
