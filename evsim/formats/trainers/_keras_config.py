"""The configuration of a Keras model: its layers in order, nested models taken apart."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from evsim.artificial.model import INPUT
from evsim.base.errors import EvsimError, mismatch, nearest, shown
from evsim.formats.trainers._keras_fields import Fields, unpacked

MODELS = ("Sequential", "Functional", "Model")
NESTED = 8  # models within models
INPUTS = "several inputs: only a network with one image as its input can be read"


@dataclass(frozen=True)
class Level:
    """How a file of weights knows a layer inside its model."""

    kind: str  # the class
    rank: int  # among the layers of that class
    name: str


@dataclass(frozen=True)
class Node:
    """One layer; `trail`: the models it lies in, outermost first, and the layer itself."""

    name: str
    kind: str
    fields: Fields
    sources: tuple[str, ...]
    trail: tuple[Level, ...]


@dataclass
class Graph:
    """The layers, sources first; `shape` of the input as the file has it, batch first."""

    nodes: list[Node] = field(default_factory=list)
    shape: list | None = None
    output: str = ""
    unsupported: list[tuple[str, str]] = field(default_factory=list)


def parsed(text, place: str) -> dict:
    """The JSON object that a text at `place` holds; EvsimError where it holds none."""
    if not isinstance(text, str):
        raise mismatch("no text", "JSON", place)
    try:
        content = json.loads(text)
    except RecursionError:
        raise mismatch("JSON nested too deeply", "a model's configuration", place) from None
    except ValueError as error:
        raise mismatch(f"broken JSON ({error})", "a model's configuration", place) from None
    if not isinstance(content, dict):
        raise mismatch(shown(content), "a JSON object", place)
    return content


def graph(model: dict, place: str) -> Graph:
    """The layers of a model from its configuration at `place`, and what of it is unsupported."""
    layers = Graph()
    kind = model.get("class_name")
    if kind not in MODELS:
        what = f"a model of class {shown(kind)}"
        layers.unsupported.append(
            (place, f"{what}: only Sequential and functional models hold their topology")
        )
        return layers
    layers.output = _Flattening(layers).model(model, place, (), INPUT)
    if layers.shape is None:
        layers.shape = _built_shape(model)
    return layers


class _Flattening:
    """Takes models apart into nodes of one graph."""

    def __init__(self, graph: Graph):
        self.graph, self.taken = graph, {INPUT}

    def model(self, model: dict, place: str, trail: tuple[Level, ...], source: str) -> str:
        """Add the layers of a model that takes `source`; the name of its result."""
        if len(trail) > NESTED:
            raise mismatch(f"more than {NESTED} models within models", "fewer", place)
        config = model.get("config")
        entries = config.get("layers") if isinstance(config, dict) else config
        whole = isinstance(config, dict) or model["class_name"] == "Sequential"
        if not isinstance(entries, list) or not entries or not whole:
            raise mismatch(shown(entries), "a list of layers", f"{place}/layers")
        entries = [_Entry(entry, f"{place}/layers/{i}") for i, entry in enumerate(entries)]
        levels, count = [], {}
        for entry in entries:
            rank = count.get(entry.kind, 0)
            count[entry.kind] = rank + 1
            levels.append((*trail, Level(entry.kind, rank, entry.name)))
        if model["class_name"] == "Sequential":
            for entry, level in zip(entries, levels, strict=True):
                source = self.layer(entry, level, (source,))
            return source
        return self.functional(config, entries, levels, place, source)

    def functional(self, config: dict, entries, levels, place: str, source: str) -> str:
        """Add the layers of a functional model in the order in which they can be computed."""
        by_name = {}
        for entry, level in zip(entries, levels, strict=True):
            if entry.name in by_name:
                raise mismatch(f"two layers {entry.name!r}", "names given once", place)
            by_name[entry.name] = entry, level
        results = {}
        sorter = TopologicalSorter()
        for entry in entries:
            sorter.add(entry.name, *self.inbound(entry, by_name))
        try:
            order = list(sorter.static_order())
        except CycleError as error:
            raise EvsimError(f"a cycle, {' -> '.join(error.args[1])}", place) from None
        inputs = _ends(config.get("input_layers"))
        outputs = _ends(config.get("output_layers"))
        for what, ends in (("inputs", inputs), ("outputs", outputs)):
            for name in ends:
                if name not in by_name:
                    known = f"a layer{nearest(name, by_name)}"
                    raise mismatch(repr(name), known, f"{place}/{what[:-1]}_layers")
        if len(inputs) != 1:
            self.object(place, INPUTS)
        if len(outputs) != 1:
            self.object(place, f"{len(outputs)} outputs: a network with one output can be read")
        for name in order:
            entry, level = by_name[name]
            if entry.kind == "InputLayer":
                self.layer(entry, level, (source,))
                results[name] = source
                continue
            sources = tuple(results[other] for other in self.inbound(entry, by_name))
            results[name] = self.layer(entry, level, sources)
        return results[(outputs or order)[-1]]

    def inbound(self, entry: _Entry, known: dict) -> list[str]:
        """The names of the layers that an entry takes."""
        for name in entry.inbound:
            if name not in known:
                expected = f"a layer{nearest(name, known)}"
                raise mismatch(repr(name), expected, f"{entry.place}/inbound_nodes")
        return entry.inbound

    def layer(self, entry: _Entry, trail: tuple[Level, ...], sources: tuple[str, ...]) -> str:
        """Add one layer, or the layers of a nested model; the name of its result."""
        fields = entry.fields
        if sources == (INPUT,) and self.graph.shape is None:
            self.graph.shape = fields.get("batch_input_shape", "batch_shape")
        if entry.kind == "InputLayer":
            return sources[0]
        name = self.unique(".".join(level.name for level in trail))
        if entry.calls > 1:
            self.object(
                f"layers/{name}", f"called {entry.calls} times: a layer of its own for each works"
            )
        if entry.odd:
            self.object(f"layers/{name}", entry.odd)
        if entry.kind in MODELS:
            if len(sources) != 1:
                self.object(f"layers/{name}", INPUTS)
            inner = {"class_name": entry.kind, "config": entry.config}
            return self.model(inner, f"layers/{name}", trail, sources[0] if sources else INPUT)
        fields.place = f"layers/{name}"
        if not sources:
            raise mismatch("no inbound nodes", "at least one", fields.place)
        self.graph.nodes.append(Node(name, entry.kind, fields, sources, trail))
        return name

    def unique(self, name: str) -> str:
        """A name not taken yet (input is the image's) and without slashes, which are for paths."""
        name = name.replace("/", ".")
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def object(self, place: str, what: str) -> None:
        """Note that what is at a place is unsupported."""
        self.graph.unsupported.append((place, what))


class _Entry:
    """A layer as the configuration has it."""

    def __init__(self, entry, place: str):
        if not isinstance(entry, dict) or not isinstance(entry.get("class_name"), str):
            raise mismatch(shown(entry), "a layer with a class_name", place)
        self.place, self.kind = place, entry["class_name"].rpartition(">")[2]  # Larq>QuantDense
        self.config = entry.get("config", {})
        fields = {} if not isinstance(self.config, dict) else self.config
        if not isinstance(self.config, dict) and self.kind not in MODELS:
            raise mismatch(shown(self.config), "the settings of a layer", f"{place}/config")
        name = entry.get("name") or fields.get("name") or self.kind.lower()
        if not isinstance(name, str) or not name.isprintable() or len(name) > 500:
            raise mismatch(shown(name), "a name", f"{place}/name")
        self.name, self.fields = name, Fields(fields, place)
        calls = entry.get("inbound_nodes") or []
        if not isinstance(calls, list):
            raise mismatch(shown(calls), "a list", f"{place}/inbound_nodes")
        self.calls, self.odd = len(calls), ""
        self.inbound: list[str] = []
        if calls:
            self.read(calls[0])

    def read(self, call) -> None:
        """The sources of one call, in any of the ways Keras has written them."""
        if isinstance(call, dict):  # Keras 3
            given = call.get("args")
            tensors = _tensors(given)
            if _tensors(call.get("kwargs")):
                self.odd = "called with tensors by name: call it with a tensor or a list of them"
            given = given if isinstance(given, list) else [given]
            if any(isinstance(item, int | float | str) for item in given):
                self.odd = "called with a number beside its tensors: not supported"
        else:
            call = [call] if isinstance(call, list) and call and isinstance(call[0], str) else call
            tensors = call if isinstance(call, list) else [call]
        for tensor in tensors:
            fits = isinstance(tensor, list) and len(tensor) >= 3 and isinstance(tensor[0], str)
            if not fits:
                raise mismatch(
                    shown(tensor), "[layer, call, tensor]", f"{self.place}/inbound_nodes"
                )
            if tensor[2] != 0:
                self.odd = f"takes output {shown(tensor[2])} of {tensor[0]!r}: only the first works"
            if len(tensor) > 3 and _refers(tensor[3]):
                self.odd = "called with tensors by name: call it with a tensor or a list of them"
            self.inbound.append(tensor[0])


def _tensors(value) -> list[list]:
    """The histories of the tensors among the arguments of a call, in order."""
    histories, ahead = [], [value]
    while ahead:
        item = ahead.pop()
        if isinstance(item, dict) and item.get("class_name") == "__keras_tensor__":
            config = item.get("config")
            histories.append(config.get("keras_history") if isinstance(config, dict) else config)
        elif isinstance(item, dict):
            ahead += reversed(item.values())
        elif isinstance(item, list):
            ahead += reversed(item)
    return histories


def _refers(keywords) -> bool:
    """Whether the keywords of a call name a tensor, as tf.keras writes them."""
    values = keywords.values() if isinstance(keywords, dict) else ()
    return any(
        isinstance(v, list) and len(v) >= 3 and isinstance(v[0], str) and isinstance(v[1], int)
        for v in values
    )


def _ends(value) -> list[str]:
    """The names of a model's input or output layers."""
    if isinstance(value, list) and value and isinstance(value[0], str):
        value = [value]
    if isinstance(value, dict):
        value = list(value.values())
    fits = isinstance(value, list) and all(
        isinstance(item, list) and item and isinstance(item[0], str) for item in value
    )
    if not fits:
        raise mismatch(shown(value), "names of layers", "input_layers or output_layers")
    return [item[0] for item in value]


def _built_shape(model: dict):
    """The shape a model without an input layer was built with."""
    for holder in (model, model.get("config")):
        if isinstance(holder, dict):
            built = holder.get("build_config")
            built = built.get("input_shape") if isinstance(built, dict) else None
            if shape := built or holder.get("build_input_shape"):
                return unpacked(shape)
    return None


def snake(kind: str) -> str:
    """The name of a class as Keras 3 writes it into paths: Conv2D is conv2d, ReLU is re_lu."""
    kind = re.sub(r"\W+", "", kind)
    kind = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", kind)
    return re.sub("([a-z])([A-Z])", r"\1_\2", kind).lower()
