"""Networks as NIR graphs (neuromorphic intermediate representation): what can be said, exactly.

A graph is written in the HDF5 layout that the package `nir` reads, channels first:

    iaf, lif, cubalif   IF, LIF, CubaLIF          readout   Output, behind LI, CubaLI if it leaks
    dense, sparse       Flatten, Affine           conv      Conv2d      prepool   SumPool2d
    pool                AvgPool2d                 identity  an edge, Scale, AvgPool2d or Conv2d
    delay               Delay                     bias      that of one Affine or Conv2d

A timestep lasts dt: 1 - dt / tau is a leak, and r makes the gain of what arrives one. Where NIR has
no word but simulators have a setting (the potential before the first timestep, reset by
subtraction, >= in place of >, the scaling of the image), it is in the `metadata` of a node or of
the graph, in names that begin with "evsim_": evsim reads them again, others need them set. What
would change spikes without a word is an error.
"""

from __future__ import annotations

import dataclasses
import os
from math import prod
from pathlib import Path

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.formats._nir_nodes import Chain, first, ordered, stored
from evsim.network.network import Network

VERSION = "1.0.8"  # of the package whose layout this is
COMMON = ("shape", "bias", "v_init")
FIRING = (*COMMON, "threshold", "v_reset", "compare", "reset")
SAYS = {  # the fields of each kind that are written; others must be at their defaults
    "iaf": FIRING,
    "lif": (*FIRING, "leak"),
    "cubalif": (*FIRING, "leak", "current_leak", "current_bias"),
    "readout": (*COMMON, "leak", "current_leak", "current_bias"),
    "input": ("shape", "scale", "mean", "std"),
}
SETS = ("dense", "sparse", "conv", "pool", "identity")
KEPT = ("coding", "timesteps", "seed", "name", "ann_accuracy")  # attributes of the network
PREFIX = "evsim_"


def export(network: Network, path, dt: float = 1.0, overwrite: bool = False) -> list[dict]:
    """Write a NIR file, whole or not at all; returns what others need set: part, setting, value.

    Raises EvsimError that names the first part that NIR cannot say.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise EvsimError("exists already (`overwrite` replaces it)", file=str(path))
    if not isinstance(dt, int | float) or not 0 < dt < np.inf:
        raise mismatch(repr(dt), "seconds of a timestep, above 0", "dt")
    graph = _Graph(network, float(dt))
    temporary = Path(f"{path}.{os.getpid()}.part")
    try:
        graph.write(temporary)
        temporary.replace(path)
    except OSError as error:
        raise EvsimError(f"cannot be written: {error.strerror or error}", file=str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)
    return graph.unsaid


class _Graph:
    """The nodes and edges of a network."""

    def __init__(self, network: Network, dt: float):
        self.network, self.dt = network, dt
        self.nodes: dict[str, dict] = {}
        self.edges: list[tuple[str, str]] = []
        self.unsaid: list[dict] = []
        # Of the whole graph, and of input and output: not all versions of `nir` let these have any.
        self.notes = {key: network.attributes[key] for key in KEPT if key in network.attributes}
        self.notes["dt"] = dt
        self.entry: dict[str, str] = {}  # where what arrives at a population goes
        for name, part in network.populations.items():
            try:
                self._check(part)
                self._population(name, part)
            except EvsimError as error:
                raise error.within(f"populations/{name}") from None
        for name in self._unreached():
            raise EvsimError(
                "found no way to it from the input, as NIR needs", f"populations/{name}"
            )
        biased: set[str] = set()
        for name in sorted(network.synapses, key=self._takes_bias):
            part = network.synapses[name]
            try:
                self._set(name, part, biased)
            except EvsimError as error:
                raise error.within(f"synapses/{name}") from None
        for name, part in network.populations.items():
            if getattr(part, "bias", None) is not None and name not in biased:
                found = "a bias, and no dense or convolutional set into it"
                raise EvsimError(f"found {found}, which NIR cannot say", f"populations/{name}/bias")

    def _unreached(self) -> list[str]:
        """The populations that no set leads to from the input."""
        reached, ahead = {self.network.input}, [self.network.input]
        for name in ahead:
            targets = {s.target for s in self.network.synapses.values() if s.source == name}
            ahead += targets - reached
            reached |= targets
        return [name for name in self.network.populations if name not in reached]

    def _check(self, part) -> None:
        """Raise an error for a kind, or a field, that NIR has no word for."""
        if part.kind not in SAYS:
            expected = f"one of {', '.join(SAYS)}, which NIR can say"
            raise mismatch(f"kind {part.kind!r}", expected, "kind")
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            if field.name in SAYS[part.kind] or value is None:
                continue
            if not np.array_equal(value, field.default):
                found = f"found {value}, which NIR cannot say"
                raise EvsimError(f"{found}, expected {field.default}", field.name)

    def _population(self, name: str, part) -> None:
        """Add the node of a population, and the output behind the last one."""
        network, said = self.network, {}
        self.entry[name] = name
        if name == network.input:
            for field in ("scale", "mean", "std"):
                self.notes[field] = getattr(part, field)
                if np.any(self.notes[field] != (0 if field == "mean" else 1)):
                    self._unsaid(name, field, self.notes[field])
            self.nodes[name] = {"type": "Input", "shape": np.array(first(part.shape))}
            return
        fields = self._law(name, part, said)
        if fields is not None:
            self.nodes[name] = {**fields, "said": said}
        if name == network.output:
            end = name if fields is None else self._free("output")
            shape = np.array(first(part.shape))
            self.nodes[end] = {"type": "Output", "shape": shape}
            if fields is None:
                self.notes |= said
            else:
                self.edges.append((name, end))
        elif part.kind == "readout":
            raise EvsimError("found a readout that is not the output, which NIR cannot say")

    def _law(self, name: str, part, said: dict) -> dict | None:
        """The fields of a node of neurons; None for a readout that only sums."""
        shape, dt = part.shape, self.dt

        def each(value) -> np.ndarray:
            return first_of(value, shape)

        if part.v_init.any():
            said["v_init"] = each(part.v_init)
            self._unsaid(name, "v_init", part.v_init)
        fires = part.kind != "readout"
        if fires:
            said |= {"reset": part.reset, "compare": part.compare}
            if part.reset == "subtract":
                self._unsaid(name, "reset", "subtract")
            if part.compare == "ge":
                self._unsaid(name, "compare", "ge")
        leak, slow = getattr(part, "leak", None), getattr(part, "current_leak", None)
        if leak is None and getattr(part, "current_bias", None) is None and part.kind == "lif":
            raise EvsimError("found a leak of integers, which NIR cannot say", "leak")
        if leak is not None and (np.asarray(leak) == 1).all() and slow is None:
            leak = None
        if leak is None and slow is None and not fires:
            return None
        fields: dict = {"type": _type(fires, leak is not None, slow is not None)}
        ones = np.ones(first(shape))
        if leak is None and slow is None:
            fields["r"] = stored(ones / dt)
        else:
            tau = self._tau(each(1.0 if leak is None else leak), "leak")
            fields |= {"tau" if slow is None else "tau_mem": stored(tau), "r": stored(tau / dt)}
            fields["v_leak"] = stored(0 * ones)
        if slow is not None:
            tau = self._tau(each(slow), "current_leak")
            fields |= {"tau_syn": stored(tau), "w_in": stored(tau / dt)}
        if fires:
            fields["v_threshold"] = stored(each(part.threshold))
            if part.reset == "zero" and part.v_reset.any():  # a field that older readers know not
                fields["v_reset"] = stored(each(part.v_reset))
        return fields

    def _tau(self, leak: np.ndarray, name: str) -> np.ndarray:
        """The time constant of a leak."""
        if not ((leak > 0) & (leak < 1)).all():
            raise mismatch(f"a leak of {leak.flat[0]}", "above 0 and below 1, as NIR can say", name)
        return self.dt / (1 - leak)

    def _takes_bias(self, name: str) -> tuple:
        part = self.network.synapses[name]
        return part.kind not in ("dense", "conv", "sparse"), part.delay > 0, name

    def _set(self, name: str, part, biased: set[str]) -> None:
        """Add the nodes of a set, between its source and its target."""
        if part.kind not in SETS:
            expected = f"one of {', '.join(SETS)}, which NIR can say"
            raise mismatch(f"kind {part.kind!r}", expected, "kind")
        source, target = (
            self.network.populations[part.source],
            self.network.populations[part.target],
        )
        bias = None
        if part.target not in biased and part.kind in ("dense", "conv", "sparse"):
            which = "bias" if getattr(target, "current_leak", None) is None else "current_bias"
            bias = getattr(target, which, None)
            if which == "current_bias" and target.bias is not None:
                raise EvsimError("found a bias beside a current_leak, which NIR cannot say")
            biased.add(part.target)
        chain = Chain(source.shape, target.shape, self.dt)
        chain.set(part, bias)
        before = part.source
        for number, node in enumerate(chain.nodes, 1):
            own = self._free(name if number == len(chain.nodes) else f"{name}-{number}")
            self.nodes[own] = node
            self.edges.append((before, own))
            before = own
        self.edges.append((before, self.entry[part.target]))

    def _free(self, name: str) -> str:
        """The name, or one like it that no node has."""
        found, number = name, 1
        while found in self.nodes or (found in self.network.populations and found != name):
            number += 1
            found = f"{name}-{number}"
        return found

    def _unsaid(self, part: str, setting: str, value) -> None:
        shown = value if isinstance(value, str) else np.ravel(value).tolist()
        if not isinstance(shown, str):
            shown = shown[0] if len(set(shown)) == 1 else f"{min(shown)} to {max(shown)}"
        self.unsaid.append({"part": part, "setting": setting, "value": shown})

    def write(self, path: Path) -> None:
        """Write the file."""
        import h5py

        with h5py.File(path, "w", libver="earliest") as file:
            file["version"] = VERSION
            root = file.create_group("node")
            root["type"] = "NIRGraph"
            root["edges"] = np.array(self.edges, dtype=h5py.string_dtype())
            nodes = root.create_group("nodes")
            for name in ordered(self.nodes, self.edges):
                fields = dict(self.nodes[name])
                said = fields.pop("said", {})
                group = nodes.create_group(name)
                for field, value in fields.items():
                    group[field] = value
                _note(group, said)
            _note(root, self.notes)


def _note(group, said: dict) -> None:
    """What evsim reads again, as metadata of a node."""
    if said:
        notes = group.create_group("metadata")
        for name, value in said.items():
            notes[f"{PREFIX}{name}"] = value


def _type(fires: bool, leaks: bool, slow: bool) -> str:
    if slow:
        return "CubaLIF" if fires else "CubaLI"
    if leaks:
        return "LIF" if fires else "LI"
    return "IF"


def first_of(value, shape: tuple[int, ...]) -> np.ndarray:
    """A value per neuron, channels first, in float64."""
    value = np.asarray(value, np.float64)
    if value.ndim == 1 and value.size == prod(shape):
        value = value.reshape(shape)
    whole = np.broadcast_to(value, shape)
    return np.array(np.moveaxis(whole, -1, 0) if len(shape) == 3 else whole)
