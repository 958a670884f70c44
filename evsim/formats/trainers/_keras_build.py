"""What the layers of a Keras model have in common while they become evsim's."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from evsim.artificial.layers import Layer, Shape
from evsim.artificial.layers.flatten import Flatten
from evsim.artificial.layers.normalize import Normalize
from evsim.artificial.model import INPUT
from evsim.base.errors import EvsimError, mismatch, shown
from evsim.formats.trainers._keras_config import Node
from evsim.formats.trainers._keras_fields import Unsupported
from evsim.formats.trainers._keras_quantizers import KERNELS, of_weights, quantizer_of
from evsim.formats.trainers._keras_weights import Legacy, Numbered

BESIDE = ("depthwise", "input", "padding")  # parts of a layer in front of what has its name
COUNT = "count"  # of the samples a Normalization has seen: a whole number that nothing depends on


@dataclass
class Building:
    """The layers so far. `results`: which of them each node of Keras is.

    `first`: Keras had channels first; here they are last. `theano`: Theano wrote the weights.
    `scaling`: of the image (raw / scale - mean) / std, where the first layers are nothing else.
    `matrices`: values of two axes in Keras, one channel here.
    """

    arrays: Legacy | Numbered
    first: bool
    theano: bool
    output: str
    readers: dict[str, int]  # how many nodes take each
    layers: dict[str, Layer] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=lambda: {INPUT: INPUT})
    matrices: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    scaling: dict[str, np.ndarray] = field(default_factory=dict)
    raw: bool = False  # the scaling is that of raw pixels
    kernels: bool = False  # a kernel that Theano would have flipped has been read

    def put(self, node: Node, layer: Layer, suffix: str = "") -> str:
        """Add a layer under the name of its node, with a suffix if that is taken."""
        name = node.name
        if name in self.layers or suffix in BESIDE:
            name = f"{node.name}.{suffix}"
        while name in self.layers:
            name += "_"
        try:
            self.shapes[name] = layer.shape(*(self.shapes[source] for source in layer.sources))
        except EvsimError as error:
            raise error.within(f"layers/{name}") from None
        self.layers[name] = layer
        if len(self.shapes[name]) == 3 and not self.matrices.isdisjoint(layer.sources):
            self.matrices.add(name)
        return name

    def weights(self, node: Node, **expected: tuple[int, ...] | None) -> list[np.ndarray | None]:
        """The arrays of a layer by position, in the shapes expected; None: it has none of these."""
        names = [name for name, shape in expected.items() if shape is not None]
        arrays = self.arrays.of(node)
        if len(arrays) != len(names):
            listed = ", ".join(stored.place for stored in arrays[:6])
            count = f"{len(arrays)} arrays{f' ({listed})' if listed else ''}"
            raise mismatch(count, f"{len(names)} ({', '.join(names)})", f"layers/{node.name}")
        values: dict[str, np.ndarray] = {}
        for name, stored in zip(names, arrays, strict=True):
            if stored.shape != expected[name]:
                what = f"{expected[name]} for the {name} of {node.kind}"
                near = self.candidates(expected[name])
                raise mismatch(f"shape {stored.shape}", what + near, stored.place)
            if name != COUNT:
                values[name] = self._quantised(node, name, stored.read())
        return [values.get(name) for name in expected]

    def _quantised(self, node: Node, name: str, value: np.ndarray) -> np.ndarray:
        """An array of a layer as the quantiser that its settings name makes it."""
        depthwise = name == "kernel" and "Depthwise" in node.kind
        setting = f"{'depthwise' if depthwise else name.removesuffix('_kernel')}_quantizer"
        if (given := node.fields.get(setting)) is None:
            return value
        quantizer = quantizer_of(given, node.fields.at(setting))
        if quantizer is None:
            what = given.get("class_name") if isinstance(given, dict) else given
            raise Unsupported(f"weights quantised by {shown(what)}: {KERNELS}")
        return of_weights(quantizer, value, "kernel" in name)

    def candidates(self, shape: Shape) -> str:
        """The arrays of the file that have a shape, for an error about one that has not."""
        every = (stored for _, _, arrays in self.arrays.all() for stored in arrays)
        fitting = [stored.place for stored in every if stored.shape == shape][:3]
        return f" (of that shape: {', '.join(fitting)})" if fitting else ""

    def map(self, node: Node) -> Shape:
        """The shape of what a layer takes, which must be a map."""
        source = self.results[node.sources[0]]
        shape = self.shapes[source]
        self.require_values(node, source)
        if len(shape) != 3:
            expected = f"(height, width, channels) for {node.kind}"
            raise mismatch(f"an input of shape {shape}", expected, f"layers/{node.name}")
        return shape

    def require_values(self, node: Node, source: str) -> None:
        """Raise an error where Keras has a matrix: its last axis is no channel of evsim's."""
        if source in self.matrices:
            shape = self.shapes[source][:2]
            raise Unsupported(f"{node.kind} on matrices of shape {shape}: Flatten before it works")

    def require_channels(self, axis, shape: Shape) -> None:
        """Raise an error unless an axis, the batch being 0, is that of the channels."""
        last = len(shape)
        allowed = (1, -3) if self.first and last == 3 else (-1, last)
        if axis not in allowed:
            raise Unsupported(f"axis {axis}: the axis of the channels works ({allowed[0]})")

    def flat(self, node: Node, source: str, order: str) -> str:
        """Add the flattening of a value, in the given order; returns the name of the vector."""
        return self.put(node, Flatten(sources=source, order=order), "flatten")

    def unflattened(self, source: str) -> Shape | None:
        """The shape before a flattening of one position, which can be undone."""
        layer = self.layers.get(source)
        if layer is None or layer.kind != "flatten":
            return None
        shape = self.shapes[layer.sources[0]]
        return shape if shape[:2] == (1, 1) else None

    def image(self, shape: Shape) -> str:
        """Give the image the shape that the network's first layer gives it."""
        if self.readers[INPUT] > 1:
            raise Unsupported("Reshape of an image that other layers take too")
        self.shapes[INPUT] = shape
        self.matrices.discard(INPUT)
        return INPUT

    def affine(self, node: Node, scale: np.ndarray, offset: np.ndarray, raw: bool) -> str:
        """y = scale x + offset per channel: of the image itself where it stands first."""
        source = self.results[node.sources[0]]
        channels = self.shapes[source][-1]
        for values in (scale, offset):
            if values.size not in (1, channels):
                expected = f"1 or {channels} values"
                raise mismatch(f"{values.size} values", expected, f"layers/{node.name}")
        if self.first and len(self.shapes[source]) == 3 and scale.size > 1:
            raise Unsupported(f"{node.kind} along rows of images with channels first")
        if source != INPUT or self.readers[node.sources[0]] > 1 or (scale <= 0).any():
            self.require_values(node, source)
            return self.put(node, Normalize(sources=source, gamma=scale, beta=offset))
        if not self.scaling:
            self.raw = raw or bool((-offset / scale > 1.5).any())
            unit = raw and scale.size == 1
            self.scaling = {"scale": 1 / scale[0] if unit else np.float64(1 if self.raw else 255)}
            self.scaling |= {"mean": np.zeros(1), "std": np.ones(1)}
            scale = np.ones(1) if unit else scale
        std = self.scaling["std"] / scale
        self.scaling |= {"std": std, "mean": self.scaling["mean"] - offset * std}
        return source

    def saw_kernel(self, kernel: tuple[int, int]) -> None:
        """Remember that the order of a kernel's values matters."""
        self.kernels |= kernel != (1, 1)


def same_padding(shape: Shape, extent, stride, lead=None) -> tuple[int, int, int, int]:
    """The padding for ceil(n / stride) results per axis.

    TensorFlow pads by what is missing, the odd one at the end. Theano pads by `lead` at both ends
    and drops what is too much; only whether the last place of the kernel fits then matters.
    """
    padding = []
    for axis in (0, 1):
        out = -(-shape[axis] // stride[axis])
        needed = (out - 1) * stride[axis] + extent[axis] - shape[axis]
        start = max(needed, 0) // 2 if lead is None else lead[axis]
        padding += [start, max(needed - start, 0)]
    return tuple(padding)
