"""NIR graphs (neuromorphic intermediate representation), as spiking networks.

Differential equations become steps of length dt by the forward Euler rule, I being what arrives:

    IF       v += dt r I
    LIF      v += dt / tau ((v_leak - v) + r I)
    CubaLIF  u += dt / tau_syn (w_in I - u);  v += dt / tau_mem ((v_leak - v) + r u)
    LI, CubaLI   the same, never firing: readouts, and integrators in the middle of a network
    I        v += dt r I, never firing          Threshold   fires where what arrives is above it

v takes the new u, as snnTorch and Norse do. A neuron fires where v > v_threshold, strictly, and is
set to v_reset (0 where the file has none), or the threshold is subtracted (`reset`), as a file
cannot say that. dt is not in the file either: `dt`. With `like` neurons fire as those of a tool
(`_nir_neurons.py`). A recurrent edge that closes a cycle acts a timestep later.
"""

from __future__ import annotations

import numpy as np

from evsim.artificial.maps import Matrix, Shift, Sparse
from evsim.base.errors import EvsimError, Parameter, mismatch
from evsim.formats import _hdf5 as hdf5
from evsim.formats.trainers import _nir_graph as graph
from evsim.formats.trainers import _nir_linear as linear
from evsim.formats.trainers import _nir_neurons as laws
from evsim.formats.trainers._input import input_of
from evsim.formats.trainers._nir_graph import FIRING, LINEAR, NEURONS, Node
from evsim.formats.trainers._trainer import Options, Reading, Source
from evsim.network.network import Network
from evsim.neurons import Neurons, neuron_kinds

TITLE = "NIR graph"
MARK = "a group node of type NIRGraph (NIR)"
WORKS = f"{', '.join((*NEURONS, *LINEAR))} and Delay work"
KEPT = ("coding", "timesteps", "seed", "name", "ann_accuracy")  # of a network that evsim wrote
PATHS = 4096  # between two populations
USUAL_DT = 1e-4  # what most exporters write with


def claims(source: Source) -> str | None:
    """What the file is, if it has a node of type NIRGraph."""
    import h5py

    if source.file is None or "format" in source.file.attrs:
        return None
    if not isinstance(source.file.get("node", getlink=True), h5py.HardLink):
        return None
    node = source.file["node"]
    if not isinstance(node, h5py.Group) or not isinstance(node.get("type"), h5py.Dataset):
        return None
    try:
        kind = hdf5.Arrays()(node["type"], "node/type")
    except EvsimError:
        return None
    return TITLE if isinstance(kind, str) and kind == "NIRGraph" else None


def read(source: Source, options: Options) -> Reading:
    """The spiking network of the graph in the file."""
    for name in ("topology", "flip_kernels"):
        options.refuse(name, "a NIR file says it itself")
    if options.like == "lava":
        expected = f"one of {', '.join(laws.TOOLS)}: no release of lava-dl knows NIR"
        raise mismatch("'lava'", expected, Parameter("like"))
    nodes = graph.read(source.file)
    reading = Reading()
    for node in nodes.values():
        if node.type not in (*NEURONS, *LINEAR, "Input", "Output", "Delay"):
            reading.unsupported.append((node.place, f"a node of type {node.type!r}: {WORKS}"))
    if not reading.unsupported:
        graph.infer_shapes(nodes)
        notes = graph.notes(source.file["node"], "node", hdf5.Arrays())
        _Builder(nodes, options, reading, notes).build()
    reading.layers = [
        {"node": n.name, "type": n.type, "shape": list(n.shape or ())} for n in nodes.values()
    ]
    return reading


class _Builder:
    """The network of a graph whose nodes are all known."""

    def __init__(self, nodes: dict[str, Node], options: Options, reading: Reading, notes: dict):
        self.nodes, self.options, self.reading, self.notes = nodes, options, reading, notes
        self.targets: dict[str, list[str]] = {name: [] for name in nodes}
        for node in nodes.values():
            for source in node.sources:
                self.targets[source].append(node.name)
        self.input = self._only("Input")
        self.output = self._only("Output")
        self.dt = self._dt()
        self._say_reset()
        self.populations: dict[str, Neurons] = {}
        self.sets = {}
        self.at_once: dict[str, set[str]] = {}  # sources that reach a population without delay

    def _only(self, kind: str) -> Node:
        """The input or output of the whole graph; those of nested ones hand on."""
        ends = {"Input": lambda n: not n.sources, "Output": lambda n: not self.targets[n.name]}
        ends_of_graph = [n for n in self.nodes.values() if n.type == kind and ends[kind](n)]
        if len(ends_of_graph) != 1:
            raise mismatch(f"{len(ends_of_graph)} nodes of type {kind}", "one", "node/nodes")
        return ends_of_graph[0]

    def _dt(self) -> float:
        """The length of a timestep: asked for, or what makes the exporter's gain one."""
        if self.options.dt is not None:
            return self.options.dt
        noted = self.notes.get("dt")
        if isinstance(noted, np.ndarray) and noted.size == 1 and 0 < noted.item() < np.inf:
            return float(noted.item())
        timed = [n for n in self.nodes.values() if n.type in NEURONS and n.type != "Threshold"]
        if self.options.like:
            dt = laws.dt_of(self.options.like, timed)
            tool = laws.NAMES[self.options.like]
            self.reading.notes.append(f"dt = {dt:g} s taken, as {tool} exports (`dt`)")
            return dt
        guess, taus = [], []
        for node in timed:
            r = node.array("r", 1.0).ravel()
            tau = {"IF": None, "I": None, "LIF": "tau", "LI": "tau"}.get(node.type, "tau_mem")
            taus.append(np.inf if tau is None else node.array(tau, positive=True).min())
            tau = np.ones(1) if tau is None else node.array(tau, positive=True).ravel()
            guess.append(float(np.median(tau / np.where(r > 0, r, np.inf))))
        dt = float(np.median(guess)) if guess else 1.0
        least = min(taus, default=np.inf)
        if not 0 < dt < least:
            dt = 1.0 if least > 1 else min(USUAL_DT, least / 2)
        self.reading.notes.append(f"dt = {dt:g} s taken, as the file does not say it (`dt`)")
        return dt

    def _say_reset(self) -> None:
        """Refuse options that contradict what evsim noted, and say what was taken otherwise."""
        fires = [n for n in self.nodes.values() if n.type in FIRING and n.type != "Threshold"]
        noted = {n.notes["reset"] for n in fires if n.notes.get("reset") in ("subtract", "zero")}
        if noted - {self.options.reset}:
            self.options.refuse("reset", f"its neurons are {' and '.join(sorted(noted))}")
        if noted:
            self.options.refuse("like", "evsim wrote it, with how its neurons fire")
        if self.options.like:
            tool, reset = laws.NAMES[self.options.like], self.options.reset or "its default"
            self.reading.notes.append(f"neurons fire as those of {tool}, reset: {reset}")
        elif self.options.reset is None and any("reset" not in n.notes for n in fires):
            note = "reset to v_reset, as NIR defines it (`reset=subtract`, if it was trained so; "
            note += "`like`: as in the tool that it is from)"
            self.reading.notes.append(note)

    def build(self) -> None:
        """Make the network, or note in the reading what is unsupported."""
        scaling = ("scale", "mean", "std")
        said = {n: v for n, v in self.notes.items() if n in scaling and _numbers(v)}
        self.populations["input"] = input_of(linear.last(self.input.shape), self.options, **said)
        self.names = {self.input.name: "input"}
        neurons = [n for n in self.nodes.values() if n.type in NEURONS]
        for node in neurons:
            if node.before is None:
                raise EvsimError("no edge reaches this node from the input", node.place)
            self.names[node.name] = node.name if node.name != "input" else "input neurons"
        if self.output.before is None:
            raise EvsimError("no edge reaches this node from the input", self.output.place)
        last = self.output.sources
        while len(last) == 1 and self.nodes[last[0]].type == "Output":  # of a nested graph
            last = self.nodes[last[0]].sources
        direct = len(last) == 1 and self.nodes[last[0]].type in NEURONS
        for node in sorted(neurons, key=self._depth):
            is_output = direct and node.name == last[0] and len(self.targets[node.name]) == 1
            self._population(node, is_output)
        if direct:
            output = self.names[last[0]]
        else:
            output = "output" if "output" not in self.names.values() else "readout"
            shape = linear.last(self.output.shape)
            self.names[self.output.name] = output
            self._finish(self.output, output, "readout", {"shape": shape}, np.ones(()))
        kept = {
            n: v if isinstance(v, str) else v.item() for n, v in self.notes.items() if n in KEPT
        }
        ends = {"input": "input", "output": output}
        self.reading.content = Network(self.populations, self.sets, **ends, **kept, source=TITLE)

    def _depth(self, node: Node) -> int:
        """The number of edges from the input, the shortest way."""
        if not hasattr(self, "_depths"):
            self._depths, ahead = {self.input.name: 0}, [self.input.name]
            for name in ahead:
                for target in self.targets[name]:
                    if target not in self._depths:
                        self._depths[target] = self._depths[name] + 1
                        ahead.append(target)
        return self._depths.get(node.name, len(self.nodes))

    def _population(self, node: Node, is_output: bool) -> None:
        """Add the population of a node of neurons, and the sets into it."""
        law = laws.law_of(node, self.dt, self.options, is_output)
        fields = {"shape": linear.last(node.shape)} | law.fields
        self._finish(node, self.names[node.name], law.kind, fields, law.gain)

    def _finish(self, node: Node, name: str, kind: str, fields: dict, gain: np.ndarray) -> None:
        """Add a population whose current is `gain` times what arrives at a node."""
        constants = self._constant(node, {})
        constant = constants.pop(0)
        if (constant != 0).any():
            where = "current_bias" if "current_leak" in fields else "bias"
            current = constant * gain
            fields[where] = current + fields[where] if where in fields else current
            fields[where] = _smallest(np.broadcast_to(fields[where], fields["shape"]))
        notes = self.notes if node is self.output else node.notes
        if _numbers(notes.get("v_init")):
            fields["v_init"] = linear.moved(notes["v_init"], node.shape, f"{node.place}/metadata")
        try:
            self.populations[name] = neuron_kinds()[kind].build(fields)
        except EvsimError as error:
            raise error.within(node.place) from None
        for source, maps, delay in self._paths(node):
            map = linear.chain([*maps, Shift(before=fields["shape"], after=fields["shape"])])
            if gain.ndim or gain != 1:
                map = map.scaled(gain)
            self._set(self.names[source], name, map, delay)
        for late, value in sorted(constants.items()):
            if (value != 0).any():
                self._late_bias(name, value * gain, late)

    def _late_bias(self, target: str, current: np.ndarray, delay: int) -> None:
        """A current from timestep `delay` on: a neuron that fires at every timestep sends it."""
        source = "bias" if "bias" not in self.names.values() else "bias of delays"
        one = neuron_kinds()["iaf"].build({"shape": (1,), "threshold": 1.0, "bias": 1.0})
        self.populations[source] = one
        map = Matrix(before=(1,), after=current.shape, weight=current.reshape(1, -1))
        self._set(source, target, map, delay)

    def _set(self, source: str, target: str, map, delay: int) -> None:
        """Add a set; one that would close a cycle at once acts a timestep later."""
        if not delay and self._reaches(target, source):
            delay = 1
            note = f"{source} reaches {target} a timestep later: the edge closes a cycle"
            self.reading.notes.append(note)
        if not delay:
            self.at_once.setdefault(target, set()).add(source)
        name, number = f"{source}-{target}", 1
        while name in self.sets or name in self.names.values():
            number += 1
            name = f"{source}-{target}.{number}"
        self.sets[name] = linear.set_of(map, source, target, delay)

    def _reaches(self, source: str, target: str) -> bool:
        """Whether what `source` sends arrives at `target` in the same timestep."""
        seen, ahead = set(), [target]
        while ahead:
            name = ahead.pop()
            if name == source:
                return True
            if name not in seen:
                seen.add(name)
                ahead += self.at_once.get(name, ())
        return False

    def _paths(self, node: Node):
        """(population, maps, delay) of every way from a population to a node."""
        paths, ahead = [], [(source, [], 0) for source in node.sources]
        while ahead:
            name, maps, delay = ahead.pop()
            other = self.nodes[name]
            if name in self.names and other.type in (*NEURONS, "Input"):
                paths.append((name, maps, delay))
                continue
            if other.before is None or len(maps) > len(self.nodes):
                what = "a cycle of linear nodes" if other.before else "no edge reaches this node"
                raise EvsimError(what, other.place)
            map = linear.map_of(other)
            for late, part in self._delayed(other, map):
                ahead += [(source, [part, *maps], delay + late) for source in other.sources]
            if len(paths) + len(ahead) > PATHS:
                raise mismatch(f"more than {PATHS} ways to this node", "fewer", node.place)
        return sorted(paths, key=lambda path: (path[0], path[2]))

    def _delayed(self, node: Node, map):
        """(timesteps, map) of a node; a delay that differs between elements is several."""
        if node.type != "Delay":
            return [(0, map)]
        delay = node.array("delay") / self.dt
        steps = np.round(delay)
        if (steps < 0).any() or (np.abs(delay - steps) > 1e-3).any():
            found = f"a delay of {node.array('delay').max():g} s at dt = {self.dt:g} s"
            raise mismatch(found, "whole timesteps (`dt`)", f"{node.place}/delay")
        steps = linear.moved(steps, node.shape, f"{node.place}/delay")
        if steps.ndim == 0:
            return [(int(steps), map)]
        late_by = np.broadcast_to(steps, map.before)
        masks = [(int(late), np.float64(late_by == late)) for late in np.unique(steps)]
        return [
            (late, Sparse.of(Shift(before=map.before, after=map.after, gain=mask)))
            for late, mask in masks
        ]

    def _constant(self, node: Node, known: dict) -> dict[int, np.ndarray]:
        """What arrives at a node while no population sends: its biases, channels last.

        By the timestep from which on it arrives, 0 always among them.
        """
        total = {0: np.zeros(linear.last(node.before or node.shape))}
        for source in node.sources:
            if self.nodes[source].type in (*NEURONS, "Input") and source in self.names:
                continue
            if source not in known:
                known[source] = {}  # a cycle adds nothing twice
                known[source] = self._constant_behind(self.nodes[source], known)
            _add(total, known[source])
        return total

    def _constant_behind(self, node: Node, known: dict) -> dict[int, np.ndarray]:
        """What a linear node or a delay makes of its biases, as `_constant` has it."""
        after, shape = {}, linear.last(node.shape)
        map = linear.map_of(node)
        for late, value in self._constant(node, known).items():
            for delay, part in self._delayed(node, map):
                _add(after, {late + delay: part.apply(value[None])[0].reshape(shape)})
        if node.type in ("Affine", "Conv1d", "Conv2d") and "bias" in node.fields:
            bias = node.array("bias").ravel()
            if bias.size not in (1, shape[-1]):
                found = f"{bias.size} values"
                raise mismatch(found, f"{shape[-1]}", f"{node.place}/bias")
            _add(after, {0: np.broadcast_to(bias, shape)})
        return after


def _add(total: dict[int, np.ndarray], more: dict[int, np.ndarray]) -> None:
    """Add what arrives from some timesteps on to what else does."""
    for late, value in more.items():
        total[late] = total.get(late, 0) + value.reshape(np.shape(total.get(late, value)))


def _numbers(value) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.size > 0


def _smallest(value: np.ndarray) -> np.ndarray:
    """A value per neuron as a scalar or one per channel, where that says it all."""
    positions = value.reshape(-1, value.shape[-1])
    if value.ndim > 1 and (positions == positions[0]).all():
        value = positions[0]
    return value.reshape(-1)[0].reshape(()) if (value == value.flat[0]).all() else value
