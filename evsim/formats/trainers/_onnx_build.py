"""What the operators of an ONNX graph have in common while they become evsim's layers."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from evsim.artificial.layers import Layer, Shape
from evsim.artificial.layers.flatten import Flatten
from evsim.artificial.layers.normalize import Normalize
from evsim.artificial.model import INPUT
from evsim.base.errors import mismatch
from evsim.base.fields import frozen, rounded
from evsim.formats.trainers._onnx_constants import Unsupported
from evsim.formats.trainers._onnx_file import Graph, Node

WEIGHT = re.compile(r"[\w.]*[A-Za-z_][\w.]*\.weight")


@dataclass(frozen=True, eq=False)
class Value:
    """A result of the graph: what a layer gives, in the order in which ONNX has it.

    `shape`: in ONNX, without the axis of samples. `index`: where each value lies in the layer's
    own result, flattened; None: in ONNX's usual order, of a map channels first.
    """

    layer: str
    shape: Shape
    index: np.ndarray | None = None


@dataclass
class Scaling:
    """How the first operators scale the image: (raw / scale - mean) / std."""

    scale: np.ndarray | None = None  # of whole numbers alone; None: the operators do not scale
    mean: np.ndarray = field(default_factory=lambda: np.zeros(1))
    std: np.ndarray = field(default_factory=lambda: np.ones(1))
    raw: bool = False  # pixels as they are stored, not from 0 to 1

    def take(self, gain: np.ndarray, offset: np.ndarray) -> None:
        """Append y = gain x + offset, of a value each or one per channel."""
        if self.scale is None:
            self.raw = bool((1 / gain > 1.5).any() or (-offset / gain > 1.5).any())
            self.scale = np.float64(1 if self.raw else 255)
        self.std = self.std / gain
        self.mean = self.mean - offset * self.std

    def fields(self) -> dict:
        """Scale, mean and std, each as one number where that says it all; {}: there is none."""
        if self.scale is None:
            return {}
        short = {
            name: values[0] if np.ptp(values) == 0 else values
            for name, values in (("mean", np.ravel(self.mean)), ("std", np.ravel(self.std)))
        }
        return {"scale": self.scale, **short}


@dataclass
class Building:
    """The layers so far. `results`: what each name of the graph is: a value or an array."""

    graph: Graph
    image: Value  # the network's input
    image_shape: Shape
    samples: int  # the size of the axis of samples
    layers: dict[str, Layer] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    results: dict[str, Value | np.ndarray | None] = field(default_factory=dict)
    makers: dict[str, str] = field(default_factory=dict)  # the graph's name of a layer's result
    notes: list[str] = field(default_factory=list)
    scaling: Scaling = field(default_factory=Scaling)

    def __post_init__(self):
        self.shapes[INPUT] = self.image_shape
        self.results |= {"": None, **self.graph.constants, self.graph.input: self.image}
        taken = [name for node in self.graph.nodes for name in node.inputs]
        self.readers = Counter([*taken, self.graph.output])
        self.folders = Counter(  # how many nodes the names of all modules begin
            "/".join(words[:size])
            for words in (n.name.split("/") for n in self.graph.nodes if n.operator != "Constant")
            for size in range(1, len(words))
        )
        self.weights: dict[tuple, np.ndarray] = {}
        self.vectors: dict[tuple, str] = {}

    # Layers

    def put(self, node: Node, layer: Layer, suffix: str = "") -> Value:
        """Add a layer under the name of its node, with a suffix if that is taken."""
        name = wished = self.name(node)
        if suffix or name in self.layers or name == INPUT:
            name = wished = f"{name}.{suffix or node.operator.lower()}"
        number = 1
        while name in self.layers:
            number += 1
            name = f"{wished}{number}"
        shape = layer.shape(*(self.shapes[source] for source in layer.sources))
        self.layers[name], self.shapes[name] = layer, shape
        self.makers[name] = node.outputs[0]
        return self.value(name)

    def name(self, node: Node) -> str:
        """The name of a node's layer: that of its weights, if they have one, else the node's.

        PyTorch names nodes by all modules that they are in: /layer1/layer1.0/conv1/Conv.
        """
        weight = node.inputs[1] if len(node.inputs) > 1 else ""
        if weight in self.graph.constants and WEIGHT.fullmatch(weight):
            return weight.removesuffix(".weight")
        words: list[str] = []
        for word in node.name.split("/"):
            if words and word.startswith(f"{words[-1]}."):
                words[-1] = word
            elif word:
                words.append(word)
        if len(words) > 1 and self.folders[node.name.rpartition("/")[0]] == 1:
            words.pop()  # the operator of a module that is nothing else
        name = "".join(c if c.isprintable() else "_" for c in ".".join(words))
        return name.strip(".") or node.operator.lower()

    def value(self, layer: str) -> Value:
        """The result of a layer, in ONNX's usual order."""
        shape = self.shapes[layer]
        return Value(layer, shape if len(shape) == 1 else (shape[2], *shape[:2]))

    def needed(self, output: str) -> dict[str, Layer]:
        """The layers that a layer depends on, and itself."""
        needed = {output}
        for name in reversed(self.layers):
            if name in needed:
                needed.update(self.layers[name].sources)
        return {name: layer for name, layer in self.layers.items() if name in needed}

    def finished(self, name: str) -> str:
        """The layer whose result is that of the whole graph, flattened in the graph's order."""
        value = self.results.get(name)
        if not isinstance(value, Value):
            raise mismatch(f"no operator that makes the output {name!r}", "one", "graph/output")
        return value.layer if value.index is None else self.vector(value, self._maker(name))

    def _maker(self, name: str) -> Node:
        return next(node for node in self.graph.nodes if name in node.outputs)

    # Orders of values

    def index(self, value: Value) -> np.ndarray:
        """Where each value lies in the result of its layer, in ONNX's shape."""
        return usual(self.shapes[value.layer]) if value.index is None else value.index

    def reordered(self, value: Value, index: np.ndarray) -> Value:
        """Values of a layer in another order or shape, which `index` says."""
        moved = Value(value.layer, index.shape)
        same = np.array_equal(index, usual(self.shapes[value.layer]))
        return moved if same else replace(moved, index=index)

    def map(self, value: Value, node: Node) -> str:
        """The layer whose result is a map of channels, height and width; Unsupported else."""
        if value.index is None and len(self.shapes[value.layer]) == 3:
            return value.layer
        order = " in another order" if len(value.shape) == 3 else ""
        found = f"{node.operator} of values of shape {value.shape}{order}"
        raise Unsupported(f"{found}: maps of channels, height, width work")

    def vector(self, value: Value, node: Node) -> str:
        """The layer whose result is the vector that a value is, flattened."""
        shape = self.shapes[value.layer]
        index = self.index(value).reshape(-1)
        own = np.arange(index.size)
        if len(shape) == 1 and np.array_equal(index, own):
            return value.layer
        orders = {"chw": usual(shape).reshape(-1), "hwc": own} if len(shape) == 3 else {}
        for order, places in orders.items():
            if np.array_equal(index, places):
                key = value.layer, order
                if key not in self.vectors:
                    flat = Flatten(sources=value.layer, order=order)
                    self.vectors[key] = self.put(node, flat, "flatten").layer
                return self.vectors[key]
        raise Unsupported(f"{node.operator} of a map flattened in another order: C, H, W works")

    # Arrays

    def constant(self, node: Node, position: int, dimensions: int | None = None) -> np.ndarray:
        """An input of a node that must be known, in float32, of so many axes."""
        name = node.inputs[position] if position < len(node.inputs) else ""
        array = self.results.get(name)
        if not isinstance(array, np.ndarray):
            raise Unsupported(f"{node.operator} with a computed input {position}: constants work")
        array = floats(array, f"{node.place}, input {name!r}")
        if dimensions is not None and array.ndim != dimensions:
            found = f"shape {array.shape} of {name!r}"
            raise mismatch(found, f"{dimensions} axes", node.place)
        return array

    def weight(self, node: Node, axes: tuple[int, ...], position: int = 1) -> np.ndarray:
        """The weights of a node with their axes in another order; nodes that share it, share it."""
        key = node.inputs[position] if position < len(node.inputs) else "", axes
        if key not in self.weights:
            array = self.constant(node, position, len(axes))
            self.weights[key] = frozen(array.transpose(axes))
        return self.weights[key]

    def per_channel(self, value: Value, array: np.ndarray, node: Node) -> np.ndarray:
        """Numbers that ONNX spreads over a value: one, or one per channel of its layer."""
        if array.size == 1:
            return np.float64(array.reshape(1))
        rank = len(value.shape) + 1
        sizes = (1,) * (rank - array.ndim) + array.shape
        fits = len(sizes) == rank and sizes[0] == 1
        if not fits or any(a not in (1, b) for a, b in zip(sizes[1:], value.shape, strict=True)):
            found = f"an array of shape {array.shape} for values of shape {value.shape}"
            raise Unsupported(f"{node.operator} with {found}: one number per channel works")
        spread = np.broadcast_to(array.reshape(sizes[1:]), value.shape)
        places = np.empty(spread.size)
        places[self.index(value).reshape(-1)] = spread.reshape(-1)
        channels = places.reshape(-1, self.shapes[value.layer][-1])
        if (channels != channels[0]).any():
            raise Unsupported(f"{node.operator} with numbers that differ between places of a map")
        return channels[0]

    def affine(self, node: Node, value: Value, gain: np.ndarray, offset: np.ndarray) -> Value:
        """y = gain x + offset: of the image itself where it stands first."""
        gain, offset = (self.per_channel(value, part, node) for part in (gain, offset))
        for part in (gain, offset):
            floats(part, node.place)
        if value.layer == INPUT and self._only_reader() and (gain > 0).all():
            self.scaling.take(*np.broadcast_arrays(gain, offset))
            return replace(value)
        layer = Normalize(sources=value.layer, gamma=gain, beta=offset)
        return replace(value, layer=self.put(node, layer).layer)

    def _only_reader(self) -> bool:
        """Whether one node alone takes the image, by whichever name."""
        return all(
            self.readers[name] == 1
            for name, result in self.results.items()
            if isinstance(result, Value) and result.layer == INPUT
        )

    def biased(self, node: Node, value: Value, offset: np.ndarray) -> Value | None:
        """The value with an offset that becomes its layer's bias; None where it cannot."""
        layer = self.layers.get(value.layer)
        if layer is None or layer.kind not in ("conv", "dense") or layer.bias is not None:
            return None
        made = self.makers[value.layer]
        if made not in node.inputs or self.readers[made] > 1:
            return None  # somebody else takes it without the bias
        offset = np.broadcast_to(self.per_channel(value, offset, node), layer.weight.shape[-1:])
        bias = rounded(offset, np.float32, node.place)
        self.layers[value.layer] = replace(layer, bias=bias)
        return replace(value)


def floats(array: np.ndarray, place: str) -> np.ndarray:
    """Numbers of a file in float32; EvsimError where one of them is not finite there."""
    if not np.isfinite(array).all():
        raise mismatch("NaN or infinity", "finite numbers", place)
    return rounded(array, np.float32, place)


def usual(shape: Shape) -> np.ndarray:
    """Where ONNX's values lie in a layer's result of this shape: of a map channels first."""
    index = np.arange(prod(shape)).reshape(shape)
    return index if len(shape) == 1 else index.transpose(2, 0, 1)
