"""NIR files whose neurons fire as those of a tool, and what else other tools write in them."""

import h5py
import numpy as np
import pytest
from support.nir_files import Interpreter, write
from support.tool_laws import sent

import evsim
from evsim.base.errors import EvsimError
from evsim.formats import trainers
from evsim.formats.trainers import Options

N, T = 6, 40
GRID = 2.0**-6
HALF, QUARTER = 1 / np.log(2), 1 / np.log(4)  # exp(-1 / tau) = 0.5, 0.25


def each(value, size=N):
    """One value for every neuron."""
    return np.full(size, value)


def whole(random, *shape):
    """Numbers on a grid."""
    return np.float32(np.round(random.normal(0.1, 0.6, shape) / GRID) * GRID)


def lif(leak, dt, r=None, **more):
    """A LIF with a leak by Euler's rule; r makes the gain one."""
    tau = dt / (1 - leak)
    fields = {"tau": each(tau), "r": each(tau / dt if r is None else r), "v_leak": each(0.0)}
    return {"type": "LIF", **fields, "v_threshold": each(0.75)} | more


def cuba(leak, current, dt, **more):
    """A CubaLIF of two leaks; r and w_in make the gains one."""
    tau, tau_syn = dt / (1 - leak), dt / (1 - current)
    fields = {"tau_mem": each(tau), "tau_syn": each(tau_syn), "r": each(tau / dt)}
    fields |= {"w_in": each(tau_syn / dt), "v_leak": each(0.0), "v_threshold": each(1.0)}
    return {"type": "CubaLIF", **fields} | more


def exponential(tau, tau_syn=None, dt=1e-3):
    """What Rockpool writes of time constants in timesteps."""
    r = each(tau * np.exp(-1 / tau))
    fields = {"r": r, "v_leak": each(0.0), "v_threshold": each(0.5)}
    if tau_syn is None:
        return {"type": "LIF", "tau": each(dt * tau), **fields}
    fields |= {"tau_syn": each(dt * tau_syn), "w_in": each(1.0)}
    return {"type": "CubaLIF", "tau_mem": each(dt * tau), **fields}


IF = {"type": "IF", "r": each(1.0), "v_threshold": each(1.0)}
CASES = [
    ("snntorch", lif(0.75, 1e-4), 1e-4, {}),
    ("snntorch", lif(0.75, 1e-4), 1e-4, {"reset": "zero"}),
    ("snntorch", cuba(0.75, 0.5, 1e-4), 1e-4, {}),
    ("snntorch", cuba(0.75, 0.5, 1e-4), 1e-4, {"reset": "zero"}),
    ("snntorch", IF, 1.0, {}),
    ("sinabs", IF, 1.0, {}),
    ("sinabs", IF, 1.0, {"reset": "zero"}),
    ("sinabs", lif(0.5, 1.0, 1.0, tau=each(QUARTER), v_threshold=each(0.25)), 1.0, {}),
    ("norse", IF, 1e-3, {}),
    ("norse", lif(0.75, 1e-3, 1.0, v_leak=each(-0.25), v_threshold=each(0.25)), 1e-3, {}),
    ("norse", lif(0.75, 1e-3, 1.0, v_threshold=each(0.25)), 1e-3, {"reset": "subtract"}),
    ("norse", cuba(0.75, 0.5, 1e-3), 1e-3, {}),
    ("spikingjelly", {**IF, "r": each(1e4), "v_reset": each(-0.5)}, 1e-4, {}),
    ("spikingjelly", {**IF, "r": each(1e4)}, 1e-4, {"reset": "subtract"}),
    ("spikingjelly", lif(0.5, 1e-4, 1.0, v_reset=each(-0.5), v_leak=each(-0.5)), 1e-4, {}),
    ("spikingjelly", lif(0.75, 1e-4), 1e-4, {}),
    ("spikingjelly", cuba(0.75, 0.5, 1e-4), 1e-4, {}),
    ("rockpool", exponential(HALF), 1e-3, {}),
    ("rockpool", exponential(QUARTER, HALF), 1e-3, {}),
]


def graph(node, random, batch=False):
    """A layer of neurons behind a matrix with a bias."""
    nodes = {
        "input": {"type": "Input", "shape": np.array([1, 4] if batch else [4])},
        "fc": {"type": "Affine", "weight": whole(random, N, 4), "bias": whole(random, N) / 4},
        "n": node,
        "output": {"type": "Output", "shape": np.array([N])},
    }
    return nodes, [("input", "fc"), ("fc", "n"), ("n", "output")]


def found_in(network, name, stimulus):
    """What a population sends for a stimulus, a timestep a row."""
    steps, neurons = stimulus.reshape(len(stimulus), -1).nonzero()
    shape = network.populations[network.input].shape
    about = {"shape": shape, "samples": 1, "timesteps": len(stimulus)}
    events = evsim.Events(np.zeros_like(steps), steps, neurons, **about)
    run = evsim.run(network, events, timesteps=len(stimulus), record=("spikes",))
    found = np.zeros((len(stimulus), network.populations[name].neurons))
    spikes = run.spikes[name]
    found[spikes["timestep"], spikes["neuron"]] = spikes["value"]
    return found


@pytest.mark.parametrize(("tool", "node", "dt", "options"), CASES)
def test_neurons_fire_as_those_of_the_tool(tool, node, dt, options, tmp_path):
    random = np.random.default_rng(len(tool))
    nodes, edges = graph(node, random, batch=True)
    reading = trainers.read(write(tmp_path / "g.nir", nodes, edges), Options(like=tool, **options))
    assert any(f"dt = {dt:g} s" in note for note in reading.notes)
    stimulus = (random.random((T, 4)) < 0.5).astype(float)
    arriving = stimulus @ np.float64(nodes["fc"]["weight"]).T + nodes["fc"]["bias"]
    wanted = sent(tool, node, dt, arriving, **options)
    found = found_in(reading.result(), "n", stimulus)
    np.testing.assert_array_equal(found, wanted)
    assert wanted.sum() > 5
    if tool in ("sinabs", "rockpool"):
        assert wanted.max() > 1


def test_what_norse_wrote_itself_has_its_own_cells(tmp_path):
    """Its exporter writes the time constants times 1 ms, and gains of one."""
    random = np.random.default_rng(8)
    fields = {"tau_mem": each(4e-6), "tau_syn": each(2e-6), "r": each(1.0), "w_in": each(1.0)}
    fields |= {"v_leak": each(-0.25), "v_threshold": each(0.5)}
    nodes, edges = graph({"type": "CubaLIF", **fields}, random)
    reading = trainers.read(write(tmp_path / "g.nir", nodes, edges), Options(like="norse"))
    assert any("dt = 1e-06 s" in note for note in reading.notes)
    stimulus = (random.random((T, 4)) < 0.5).astype(float)
    arriving = stimulus @ np.float64(nodes["fc"]["weight"]).T + nodes["fc"]["bias"]
    wanted = sent("norse_own", fields, None, arriving)
    np.testing.assert_array_equal(found_in(reading.result(), "n", stimulus), wanted)
    assert 20 < wanted.sum() < 200


def test_the_laws_differ_where_they_are_said_to(tmp_path):
    random = np.random.default_rng(3)
    nodes, edges = graph(lif(0.75, 1e-4), random)
    path = write(tmp_path / "g.nir", nodes, edges)
    stimulus = (random.random((T, 4)) < 0.5).astype(float)
    plain, subtracted, late = (
        found_in(trainers.read(path, Options(**options)).result(), "n", stimulus)
        for options in ({}, {"reset": "subtract"}, {"like": "snntorch"})
    )
    assert (plain != late).sum() > 20
    assert (subtracted != late).sum() > 5


def test_a_time_constant_without_end_is_a_leak_of_one(tmp_path):
    """What snnTorch writes of beta = 1."""
    random = np.random.default_rng(4)
    node = lif(0.5, 1e-4, tau=each(np.inf), r=each(np.inf))
    nodes, edges = graph(node, random)
    path = write(tmp_path / "g.nir", nodes, edges)
    network = trainers.read(path, Options(like="snntorch")).result()
    assert network.populations["n"].leak == 1
    np.testing.assert_array_equal(
        network.synapses["input-n"].weight, np.float32(nodes["fc"]["weight"].T)
    )
    with pytest.raises(EvsimError, match="expected finite numbers"):
        trainers.read(path)
    nodes["n"] = lif(0.5, 1e-4, r=each(np.inf))
    with pytest.raises(EvsimError, match="an infinite gain"):
        trainers.read(write(path, nodes, edges), Options(like="snntorch"))


CUBA = cuba(0.5, 0.5, 1e-3)


@pytest.mark.parametrize(
    ("node", "options", "said"),
    [
        (CUBA, {"like": "sinabs"}, "nodes/n: CubaLIF, which Sinabs does not have (`like`)"),
        (IF, {"like": "rockpool"}, "nodes/n: IF, which Rockpool does not have (`like`)"),
        (IF, {"like": "lava"}, "like: found 'lava', expected one of snntorch, sinabs"),
        (exponential(HALF), {"like": "rockpool", "reset": "zero"}, "n: a reset to zero, which"),
        (lif(0.5, 1.0, v_leak=each(1.0)), {"like": "sinabs"}, "n: v_leak other than 0, which"),
        ({**CUBA, "v_leak": each(1.0)}, {"like": "norse"}, "n: v_leak other than 0, which Norse"),
        (
            {"type": "LI", "tau": each(1.0), "r": each(1.0), "v_leak": each(0.0)},
            {"like": "spikingjelly"},
            "nodes/n: LI, which SpikingJelly does not have",
        ),
    ],
)
def test_what_a_tool_has_not_is_refused(node, options, said, tmp_path):
    nodes, edges = graph(node, np.random.default_rng(0))
    with pytest.raises(EvsimError) as error:
        trainers.read(write(tmp_path / "g.nir", nodes, edges), Options(**options)).result()
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_what_evsim_wrote_says_itself_how_it_fires(tmp_path):
    nodes, edges = graph(IF, np.random.default_rng(0))
    network = trainers.read(write(tmp_path / "g.nir", nodes, edges)).result()
    evsim.nir_export(network, tmp_path / "own.nir")
    with pytest.raises(EvsimError, match="evsim wrote it") as error:
        trainers.read(tmp_path / "own.nir", Options(like="sinabs"))
    assert error.value.place == "like"
    forced = trainers.read(tmp_path / "own.nir", Options(like="sinabs", force=True)).result()
    assert forced.populations["n"].kind == "multispike"


def test_files_of_networks_that_do_not_spike_have_no_neurons_of_a_tool(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["fc.weight"], file["fc.bias"] = np.ones((2, 3), np.float32), np.ones(2, np.float32)
    with pytest.raises(EvsimError, match="does not spike") as error:
        trainers.read(tmp_path / "w.h5", Options(like="sinabs"))
    assert error.value.place == "like"


def test_the_command_writes_the_law_of_the_tool(tmp_path, command):
    nodes, edges = graph(IF, np.random.default_rng(0))
    path = write(tmp_path / "g.nir", nodes, edges)
    code, out, _ = command("convert", path, "-o", tmp_path / "n.h5", "--like", "sinabs", "--json")
    assert code == 0
    assert "as those of Sinabs" in out
    network = evsim.load(tmp_path / "n.h5")
    part = network.populations["n"]
    assert (part.kind, part.v_min.item(), part.reset) == ("multispike", -1, "subtract")
    code, _, said = command("convert", path, "-o", tmp_path / "m.h5", "--like", "sinab")
    assert code == 2
    assert "did you mean 'sinabs'?" in said
    assert not (tmp_path / "m.h5").exists()


# Axes of one place


def conv_graph(one=(), batch=(), flat=True):
    """A convolution to one place of four channels, whose neurons have values of these axes."""
    random = np.random.default_rng(1)
    weight = {"weight": whole(random, 4, 2, 3, 3), "bias": whole(random, 4) / 4}
    steps = {"stride": np.array([1, 1]), "padding": np.array([0, 0])}
    value = np.full((*one, 4, 1, 1), 0.5)
    nodes = {
        "input": {"type": "Input", "shape": np.array([*batch, 2, 3, 3])},
        "c": {"type": "Conv2d", **weight, **steps},
        "n": {"type": "IF", "r": 2 * value, "v_threshold": value[..., 0, 0] if flat else value},
        "output": {"type": "Output", "shape": np.array([4] if flat else [*batch, 4, 1, 1])},
    }
    return nodes, [("input", "c"), ("c", "n"), ("n", "output")]


def test_axes_of_one_place_change_nothing(tmp_path):
    plain = trainers.read(write(tmp_path / "g.nir", *conv_graph()), Options(dt=1.0)).result()
    stimulus = (np.random.default_rng(2).random((T, 3, 3, 2)) < 0.5).astype(float)
    wanted = found_in(plain, "n", stimulus)
    assert wanted.sum() > 10
    for one, batch, flat in [((1,), (1,), True), ((), (1,), False), ((1,), (), False)]:
        path = write(tmp_path / "g.nir", *conv_graph(one, batch, flat))
        network = trainers.read(path, Options(dt=1.0)).result()
        assert network.populations["input"].shape == (3, 3, 2)
        np.testing.assert_array_equal(found_in(network, "n", stimulus), wanted)


def test_one_neuron_may_have_one_axis_or_three(tmp_path):
    nodes, edges = conv_graph()
    nodes["c"] |= {"weight": nodes["c"]["weight"][:1], "bias": nodes["c"]["bias"][:1]}
    nodes["n"] |= {"r": np.ones(1), "v_threshold": np.ones((1, 1, 1))}
    nodes["output"]["shape"] = np.array([1])
    network = trainers.read(write(tmp_path / "g.nir", nodes, edges), Options(dt=1.0)).result()
    assert network.populations["n"].shape == (1, 1, 1)
    nodes["output"]["shape"] = np.array([2])
    with pytest.raises(EvsimError, match=r"nodes/output: found shape \(1, 1, 1\), expected \(2,\)"):
        trainers.read(write(tmp_path / "g.nir", nodes, edges))


def test_a_flatten_behind_a_batch_of_one(tmp_path):
    nodes, edges = conv_graph(batch=(1,))
    flat = {"type": "Flatten", "start_dim": 0, "end_dim": -1, "input_type": np.array([4, 1, 1])}
    nodes |= {"f": flat, "m": {"type": "IF", "r": np.ones(4), "v_threshold": np.ones(4)}}
    edges = [*edges[:-1], ("n", "f"), ("f", "m"), ("m", "output")]
    network = trainers.read(write(tmp_path / "g.nir", nodes, edges), Options(dt=1.0)).result()
    assert network.populations["m"].shape == (4,)


# Nodes that do not fire in the middle of a network


@pytest.mark.parametrize("kind", ["LI", "CubaLI", "I", "Threshold"])
def test_what_does_not_fire_may_stand_in_the_middle(kind, tmp_path):
    random = np.random.default_rng(5)
    fields = {
        "LI": {"tau": each(2.0), "r": each(1.0), "v_leak": each(0.25)},
        "CubaLI": {"tau_syn": each(2.0), "tau_mem": each(4.0), "r": each(1.0), "w_in": each(1.0)}
        | {"v_leak": each(0.0)},
        "I": {"r": each(0.5)},
        "Threshold": {"threshold": each(0.5)},
    }[kind]
    nodes, _ = graph({"type": kind, **fields}, random)
    nodes["fc2"] = {"type": "Linear", "weight": whole(random, N, N)}
    nodes["m"] = IF
    edges = [("input", "fc"), ("fc", "n"), ("n", "fc2"), ("fc2", "m"), ("m", "output")]
    network = trainers.read(write(tmp_path / "g.nir", nodes, edges), Options(dt=1.0)).result()
    assert network.populations["n"].kind == ("stochastic" if kind == "Threshold" else "integrator")
    stimulus = (random.random((16, 4)) < 0.6).astype(float)
    law = Middle(nodes, edges, ["fc", "n", "fc2", "m", "output"], 1.0, "zero")
    wanted = np.array([law.step(x, None)["m"] for x in stimulus])
    np.testing.assert_array_equal(found_in(network, "m", stimulus), wanted)
    assert wanted.sum() > 2


class Middle(Interpreter):
    """The format's law of the nodes that the other tests do not have."""

    def visit(self, name, current):
        node = self.nodes[name]
        if node["type"] == "Threshold":
            return np.float64(current > node["threshold"])
        if node["type"] == "I":
            self.state[name] = self.state.get(name, 0) + self.dt * node["r"] * current
            return self.state[name]
        return super().visit(name, current)


@pytest.mark.parametrize("delay", [each(3.0), np.array([0.0, 1, 1, 2, 3, 5])])
def test_a_bias_before_a_delay_comes_later(delay, tmp_path):
    random = np.random.default_rng(6)
    nodes, _ = graph(IF, random)
    nodes["d"] = {"type": "Delay", "delay": delay}
    edges = [("input", "fc"), ("fc", "d"), ("d", "n"), ("n", "output")]
    network = trainers.read(write(tmp_path / "g.nir", nodes, edges), Options(dt=1.0)).result()
    stimulus = (random.random((T, 4)) < 0.4).astype(float)
    now = stimulus @ np.float64(nodes["fc"]["weight"]).T + nodes["fc"]["bias"]
    v, wanted = np.zeros(N), np.zeros((T, N))
    for t in range(T):
        late = t - delay.astype(int)
        v = v + np.where(late >= 0, now[late, np.arange(N)], 0)
        wanted[t] = v > 1
        v = np.where(v > 1, 0, v)
    np.testing.assert_array_equal(found_in(network, "n", stimulus), wanted)
    assert wanted.sum() > 10
