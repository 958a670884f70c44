"""NIR files written by hand, and what their networks do step by step, as the format says."""

import h5py
import numpy as np


def write(path, nodes, edges, version="1.0.8"):
    """A graph of nodes {name: {"type": ..., field: value}}; a nested one has nodes and edges."""
    with h5py.File(path, "w") as file:
        file["version"] = version
        _graph(file.create_group("node"), nodes, edges)
    return path


def _graph(group, nodes, edges):
    group["type"] = "NIRGraph"
    group["edges"] = np.array(edges, dtype=h5py.string_dtype())
    inner = group.create_group("nodes")
    for name, fields in nodes.items():
        node = inner.create_group(name)
        if fields["type"] == "NIRGraph":
            _graph(node, fields["nodes"], fields["edges"])
            continue
        for field, value in fields.items():
            node[field] = value


def _conv(x, weight, stride, padding, bias):
    (out, _, kernel_h, kernel_w), (stride_y, stride_x) = weight.shape, stride
    x = np.pad(x, ((0, 0), (padding[0],) * 2, (padding[1],) * 2))
    height = (x.shape[1] - kernel_h) // stride_y + 1
    width = (x.shape[2] - kernel_w) // stride_x + 1
    y = np.zeros((out, height, width))
    for a in range(height):
        for b in range(width):
            seen = x[:, a * stride_y :, b * stride_x :][:, :kernel_h, :kernel_w]
            y[:, a, b] = np.tensordot(weight, seen, 3)
    return y + np.reshape(bias, (-1, 1, 1))


def _linear(node, x):
    kind = node["type"]
    if kind in ("Linear", "Affine"):
        return node["weight"] @ x + node.get("bias", 0)
    if kind == "Conv2d":
        return _conv(x, node["weight"], node["stride"], node["padding"], node["bias"])
    if kind in ("SumPool2d", "AvgPool2d"):
        k = node["kernel_size"]
        channels = len(x)
        eye = np.eye(channels)[:, :, None, None] * np.ones((1, 1, *k))
        y = _conv(x, eye, node["stride"], node["padding"], np.zeros(channels))
        return y / np.prod(k) if kind == "AvgPool2d" else y
    if kind == "Scale":
        return x * node["scale"]
    if kind == "Flatten":
        return x.reshape(-1)
    return x  # Input, Output


class Interpreter:
    """The law of every node, one timestep after the other; forward Euler, v > v_threshold.

    `late`: edges that act a timestep later. `order`: all nodes but the input, sources first.
    """

    def __init__(self, nodes, edges, order, dt, reset, late=()):
        self.nodes, self.edges, self.order, self.dt, self.reset = nodes, edges, order, dt, reset
        self.late, self.before = set(late), {}
        self.state = {}

    def step(self, x, shapes):
        """The outputs of all nodes for an input of this timestep."""
        now = {"input": np.float64(x)}
        for name in self.order:
            total = np.zeros(())
            for source, target in self.edges:
                if target == name:
                    late = (source, target) in self.late
                    value = self.before.get(source) if late else now[source]
                    total = total + (0 if value is None else value)
            now[name] = self.visit(name, total)
        self.before = now
        return now

    def visit(self, name, current):
        node, dt = self.nodes[name], self.dt
        kind = node["type"]
        if kind == "IF":
            v = self.state.get(name, 0) + dt * node["r"] * current
        elif kind in ("LIF", "LI"):
            v = self.state.get(name, 0)
            v = v + dt / node["tau"] * (node["v_leak"] - v + node["r"] * current)
        elif kind in ("CubaLIF", "CubaLI"):
            u = self.state.get((name, "u"), 0)
            u = u + dt / node["tau_syn"] * (node["w_in"] * current - u)
            self.state[name, "u"] = u
            v = self.state.get(name, 0)
            v = v + dt / node["tau_mem"] * (node["v_leak"] - v + node["r"] * u)
        else:
            return _linear(node, current)
        if kind in ("LI", "CubaLI"):
            self.state[name] = v
            return v
        spikes = np.float64(v > node["v_threshold"])
        away = v - spikes * node["v_threshold"]
        zero = np.where(spikes > 0, node.get("v_reset", 0.0), v)
        self.state[name] = away if self.reset == "subtract" else zero
        return spikes
