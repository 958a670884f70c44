"""NIR graphs: spike for spike what a plain interpreter of the format does."""

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.effort import examples
from support.nir_files import Interpreter, write
from support.real import real

import evsim
from evsim.base.errors import EvsimError
from evsim.formats import trainers
from evsim.formats.trainers import Options

DT = 2.0**-10  # with taus that are powers of two every leak and gain is on a grid


def last(x):
    """A value with its channels last, flattened."""
    return np.moveaxis(x, 0, -1).ravel() if x.ndim == 3 else x.ravel()


class Graph:
    """A random graph: what is written, and the order of its nodes."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes, self.edges, self.order, self.late = {}, [], [], []
        maps = self.random.random() < 0.5
        self.shape = (2, 6, 4) if maps else (5,)
        self.nodes["input"] = {"type": "Input", "shape": np.array(self.shape)}
        name, shape = "input", self.shape
        for k in range(int(self.random.integers(1, 4))):
            name, shape = self.linear(f"{k}", name, shape)
            name, shape = self.neurons(f"{k}.n", name, shape)
        self.nodes["output"] = {"type": "Output", "shape": np.array(shape)}
        self.edges.append((name, "output"))
        self.order.append("output")
        self.last = name

    def whole(self, *shape):
        return np.float32(self.random.integers(-3, 5, shape))

    def put(self, name, source, **fields):
        self.nodes[name] = fields
        self.edges.append((source, name))
        self.order.append(name)
        return name

    def linear(self, name, source, shape):
        if len(shape) == 3 and self.random.random() < 0.4 and min(shape[1:]) >= 2:
            kind = str(self.random.choice(["SumPool2d", "AvgPool2d"]))
            two = np.array([2, 2])
            none = np.array([0, 0])
            source = self.put(
                f"{name}p", source, type=kind, kernel_size=two, stride=two, padding=none
            )
            shape = (shape[0], shape[1] // 2, shape[2] // 2)
        if len(shape) == 3 and self.random.random() < 0.6:
            stride = self.random.integers(1, 3, 2)
            out = int(self.random.integers(1, 4))
            fields = {"weight": self.whole(out, shape[0], 3, 3), "stride": stride}
            fields |= {"padding": np.array([1, 1]), "dilation": np.array([1, 1]), "groups": 1}
            fields |= {"bias": self.whole(out), "input_shape": np.array(shape[1:])}
            source = self.put(f"{name}c", source, type="Conv2d", **fields)
            return source, (
                out,
                *((n - 1) // s + 1 for n, s in zip(shape[1:], stride, strict=True)),
            )
        if len(shape) == 3:
            fields = {"start_dim": 0, "end_dim": -1, "input_type": np.array(shape)}
            source = self.put(f"{name}f", source, type="Flatten", **fields)
            shape = (int(np.prod(shape)),)
        if self.random.random() < 0.3:
            source = self.put(f"{name}s", source, type="Scale", scale=self.whole(*shape))
        out = int(self.random.integers(1, 6))
        fields = {"type": "Affine", "weight": self.whole(out, *shape), "bias": self.whole(out)}
        if self.random.random() < 0.5:
            fields = {"type": "Linear", "weight": fields["weight"]}
        return self.put(f"{name}a", source, **fields), (out,)

    def neurons(self, name, source, shape):
        each = self.random.random() < 0.5
        values = {"v_threshold": self.random.integers(1, 9, shape) / 4}
        kind = str(self.random.choice(["IF", "LIF", "CubaLIF"]))
        if kind == "IF":
            values["r"] = np.full(shape, 1 / DT) * (
                self.random.integers(1, 3, shape) if each else 1
            )
        else:
            tau = DT * 2.0 ** (self.random.integers(1, 3, shape) if each else 1)
            values |= {"r": np.full(shape, 2.0), "v_leak": self.random.integers(-1, 2, shape) / 4}
            names = ["tau"] if kind == "LIF" else ["tau_syn", "tau_mem"]
            values |= {n: np.broadcast_to(tau, shape).copy() for n in names}
            if kind == "CubaLIF":
                values["w_in"] = np.full(shape, 2.0)
        self.put(name, source, type=kind, **values)
        if len(shape) == 1 and self.random.random() < 0.3:  # recurrent, a timestep later
            weight = self.whole(shape[0], shape[0])
            self.nodes[f"{name}.w_rec"] = {"type": "Linear", "weight": weight}
            self.edges += [(name, f"{name}.w_rec"), (f"{name}.w_rec", name)]
            self.order.append(f"{name}.w_rec")
            self.late.append((f"{name}.w_rec", name))
        return name, shape


@examples(80)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["zero", "subtract"]))
def test_a_graph_spikes_as_the_format_says(tmp_path_factory, seed, reset):
    graph, timesteps = Graph(seed), 6
    path = write(tmp_path_factory.mktemp("nir") / "g.nir", graph.nodes, graph.edges)
    network = trainers.read(path, Options(dt=DT, reset=reset)).result()
    seen = graph.random.random((timesteps, *graph.shape)) < 0.4
    law = Interpreter(graph.nodes, graph.edges, graph.order, DT, reset, graph.late)
    wanted = [last(law.step(x, None)[graph.last]) for x in np.float64(seen)]
    flat = np.array([last(x) for x in seen])
    steps, neurons = np.nonzero(flat)
    shape = network.populations["input"].shape
    events = evsim.Events(
        np.zeros(len(steps), int), steps, neurons, shape=shape, samples=1, timesteps=timesteps
    )
    run = evsim.run(network, events, timesteps=timesteps, dtype="float64", record=("spikes",))
    spikes = run.spikes[graph.last]
    found = np.zeros((timesteps, network.populations[graph.last].neurons))
    found[spikes["timestep"], spikes["neuron"]] = 1
    assert np.array_equal(found, np.array(wanted))


def small(**changes):
    """Two inputs, a layer, two neurons."""
    nodes = {
        "input": {"type": "Input", "shape": np.array([2])},
        "fc": {"type": "Linear", "weight": np.float32([[1, 0], [0, 2]])},
        "n": {"type": "IF", "r": np.ones(2), "v_threshold": np.ones(2)},
        "output": {"type": "Output", "shape": np.array([2])},
    }
    for name, change in changes.items():
        nodes[name] = {**nodes.get(name, {}), **change}
    return nodes


CHAIN = [("input", "fc"), ("fc", "n"), ("n", "output")]


def network_of(tmp_path, nodes, edges, **options):
    return trainers.read(write(tmp_path / "g.nir", nodes, edges), Options(**options)).result()


def test_nested_graphs_are_written_out(tmp_path):
    inner = small()
    del inner["output"]
    inner["output"] = {"type": "Output", "shape": np.array([2])}
    outer = {
        "input": {"type": "Input", "shape": np.array([2])},
        "block": {"type": "NIRGraph", "nodes": inner, "edges": CHAIN},
        "output": {"type": "Output", "shape": np.array([2])},
    }
    network = network_of(tmp_path, outer, [("input", "block"), ("block", "output")])
    assert list(network.populations) == ["block.n", "input"]
    assert network.synapses["input-block.n"].weight.tolist() == [[1, 0], [0, 2]]


def test_delays_in_seconds(tmp_path):
    nodes = small(d={"type": "Delay", "delay": np.full(2, 3e-3)})
    edges = [("input", "d"), ("d", "fc"), *CHAIN[1:]]
    network = network_of(tmp_path, nodes, edges, dt=1e-3)
    assert network.synapses["input-n"].delay == 3
    nodes["d"]["delay"] = np.array([1e-3, 2e-3])
    network = network_of(tmp_path, nodes, edges, dt=1e-3)
    assert [part.delay for part in network.synapses.values()] == [1, 2]
    with pytest.raises(EvsimError, match=r"node/nodes/d.*expected whole timesteps"):
        network_of(tmp_path, nodes, edges, dt=0.7e-3)


@pytest.mark.parametrize("kind", ["LI", "CubaLI"])
def test_neurons_that_never_fire_are_read_out(kind, tmp_path):
    tau = {"tau": np.full(2, 0.25)} if kind == "LI" else {
        "tau_syn": np.full(2, 0.5), "tau_mem": np.full(2, 0.25), "w_in": np.ones(2)}  # fmt: skip
    nodes = small()
    nodes["n"] = {"type": kind, "r": np.ones(2), "v_leak": np.zeros(2), **tau}
    network = network_of(tmp_path, nodes, CHAIN, dt=0.125)
    part = network.populations["n"]
    assert (part.kind, part.leak.item()) == ("readout", 0.5)
    assert part.current_leak is None if kind == "LI" else part.current_leak.item() == 0.75


def test_what_the_file_does_not_say_is_said(tmp_path):
    notes = trainers.read(write(tmp_path / "g.nir", small(), CHAIN)).notes
    assert any("dt = 1 s taken" in note for note in notes)
    assert any("`reset=subtract`" in note for note in notes)
    network = network_of(tmp_path, small(n={"r": np.full(2, 1e4)}), CHAIN)
    assert network.synapses["input-n"].weight.tolist() == [[1, 0], [0, 2]]
    assert network.populations["n"].compare == "gt"


@pytest.mark.parametrize(
    ("nodes", "edges", "said"),
    [
        (small(n={"type": "Izhikevich"}), CHAIN, "node/nodes/n: a node of type 'Izhikevich'"),
        (small(), [*CHAIN, ("n", "m")], "node/edges: found 'm', expected a node of the graph"),
        (small(n={"v_threshold": np.zeros(2)}), CHAIN, "nodes/n/v_threshold: found 0.0, expected"),
        (small(n={"r": np.array([1, np.nan])}), CHAIN, "nodes/n/r: found [1.0, nan], expected fin"),
        (small(fc={"weight": np.ones((2, 3), "f4")}), CHAIN, "nodes/fc/weight: found a weight of"),
        (small(n={"r": np.ones(3)}), CHAIN, "nodes/n/r: found shape (3,), expected shape (2,)"),
        (small(), [("input", "fc"), ("fc", "n")], "nodes/output: no edge reaches this node"),
        (small(), CHAIN[1:], "no edge reaches this node from the input"),
        ({k: v for k, v in small().items() if k != "input"}, CHAIN[1:], "0 nodes of type Input"),
    ],
)  # fmt: skip
def test_graphs_that_are_wrong(nodes, edges, said, tmp_path):
    with pytest.raises(EvsimError) as error:
        network_of(tmp_path, nodes, edges)
    assert "\n" not in str(error.value)
    assert said in str(error.value)


@pytest.mark.slow
def test_the_real_event_network(tmp_path):
    path, streams = real("networks", "nmnist-cnn.nir"), real("data", "nmnist_small.h5")
    network = trainers.read(path, Options(reset="subtract")).result()
    with h5py.File(streams) as file:
        offsets, labels = file["offsets"][()], file["labels"][1000:]
        columns = []
        for k in range(100):
            some = slice(offsets[1000 + k], offsets[1001 + k])
            t, x, y, p = (np.int64(file[name][some]) for name in "txyp")
            step, neuron = t // 1000, (y * 34 + x) * 2 + p
            unique = np.unique(np.stack([step, neuron])[:, step < 300], axis=1)
            columns.append(np.stack([np.full(unique.shape[1], k), *unique]))
    events = evsim.Events(*np.hstack(columns), shape=(34, 34, 2), samples=100, timesteps=300)
    assert evsim.run(network, events, timesteps=300).accuracy(labels) == 0.98


@pytest.mark.slow
def test_the_real_recurrent_network():
    path = real("networks", "braille-recurrent-subtract.nir")
    network = trainers.read(path, Options(reset="subtract")).result()
    kinds = {name: part.kind for name, part in network.populations.items()}
    assert kinds == {"input": "input", "lif1.lif": "cubalif", "lif2": "cubalif"}
    assert network.synapses["lif1.lif-lif1.lif"].delay == 1
    part = network.populations["lif1.lif"]
    assert part.current_leak.item() == pytest.approx(0.75)
    assert part.leak.item() == pytest.approx(0.85)
