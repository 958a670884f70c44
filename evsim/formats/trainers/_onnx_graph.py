"""From the nodes of an ONNX graph to layers, one after the other."""

from __future__ import annotations

from math import prod

import numpy as np

from evsim.artificial.layers import Shape
from evsim.artificial.model import INPUT
from evsim.base.errors import EvsimError, mismatch, nearest
from evsim.base.fields import NEURONS
from evsim.formats.trainers._onnx_build import Building, Value
from evsim.formats.trainers._onnx_constants import FOLDS, Unsupported, folded
from evsim.formats.trainers._onnx_file import Graph, Node
from evsim.formats.trainers._onnx_layers import LAYERS
from evsim.formats.trainers._trainer import Reading

ANY = 2**31 - 1  # stands for a number of samples that is left open: a prime no layer has
COLOURS = (1, 3)
MAIN = "Conv, Gemm, MatMul, BatchNormalization, Relu, MaxPool, AveragePool, Add and Concat"
PASSING = ("Add", "Sub", "Mul", "Div", "Cast", "Identity")  # what leaves an image as it lies


def begun(graph: Graph, reading: Reading) -> Building | None:
    """The building of a graph, with its image; None where that is more than can be read."""
    sizes = graph.sizes
    if sizes is None or len(sizes) not in (2, 3, 4) or None in sizes[1:]:
        text = "unknown shape" if sizes is None else f"shape {tuple(n or '?' for n in sizes)}"
        what = f"an input of {text}: samples of a fixed shape, vectors or images, work"
        reading.unsupported.append((f"graph/{graph.input}", what))
        return None
    if prod(sizes[1:]) > NEURONS:
        raise mismatch(f"an input of {prod(sizes[1:])} values", f"at most {NEURONS}", "graph/input")
    shape, value = _image(graph, tuple(sizes[1:]))
    return Building(graph=graph, image=value, image_shape=shape, samples=sizes[0] or ANY)


def _image(graph: Graph, sizes: Shape) -> tuple[Shape, Value]:
    """The shape of the image, channels last, and where ONNX's values lie in it."""
    if len(sizes) == 1:
        before = _unflattened(graph)
        if before is not None and prod(before) == sizes[0]:
            return before, Value(INPUT, sizes, np.arange(sizes[0]))
        return sizes, Value(INPUT, sizes)
    if len(sizes) == 2:
        return (*sizes, 1), Value(INPUT, sizes, np.arange(prod(sizes)).reshape(sizes))
    if _channels_last(graph, sizes):
        return sizes, Value(INPUT, sizes, np.arange(prod(sizes)).reshape(sizes))
    shape = (*sizes[1:], sizes[0])
    return shape, Value(INPUT, sizes)


def _ahead(graph: Graph) -> list[Node]:
    """The first nodes behind the image that do more than to scale it."""
    names, found = {graph.input}, []
    for node in graph.nodes:
        if names.isdisjoint(node.inputs):
            continue
        if node.operator in PASSING:
            names.update(node.outputs)
        elif node.operator != "Shape":
            found.append(node)
    return found


def _unflattened(graph: Graph) -> Shape | None:
    """The shape of one channel that a vector is given first of all; None: it stays a vector."""
    ahead = _ahead(graph)
    if len(ahead) != 1 or ahead[0].operator != "Reshape" or len(ahead[0].inputs) < 2:
        return None
    constants = dict(graph.constants)
    for node in graph.nodes:
        if node.operator == "Constant" and "value" in node.attributes:
            constants[node.outputs[0]] = node.attributes["value"]
    target = constants.get(ahead[0].inputs[1])
    sizes = [] if target is None else [int(n) for n in np.ravel(target)]
    fits = len(sizes) == 4 and sizes[1] == 1 and min(sizes[2:]) > 0
    return (sizes[2], sizes[3], 1) if fits else None


def _channels_last(graph: Graph, sizes: Shape) -> bool:
    """Whether images come with channels last, as TensorFlow has them."""
    ahead = _ahead(graph)
    if any(node.operator == "Transpose" for node in ahead):
        turned = [node for node in ahead if node.operator == "Transpose"]
        return all(node.attributes.get("perm") == [0, 3, 1, 2] for node in turned)
    plain = all(node.operator in ("Reshape", "Flatten") for node in ahead)
    return plain and sizes[2] in COLOURS and sizes[0] not in COLOURS


def build_all(build: Building, reading: Reading) -> None:
    """Build every node, and note which cannot be; what follows one of those is only looked at."""
    for node in build.graph.nodes:
        missing = [name for name in node.inputs if name not in build.results]
        if missing:
            found = f"an input {missing[0]!r} that nothing before it makes"
            raise mismatch(
                found, f"an array, or a result{nearest(missing[0], build.results)}", node.place
            )
        if not node.outputs or any(name in build.results for name in node.outputs if name):
            found = "no output" if not node.outputs else f"an output {node.outputs[0]!r} again"
            raise mismatch(found, "outputs with names of their own", node.place)
        with np.errstate(all="ignore"):  # of what is not finite an error says where
            result = _taken(node, build, reading)
        build.results |= dict.fromkeys((name for name in node.outputs if name), FAILED)
        build.results[node.outputs[0]] = result
        if result is FAILED or isinstance(result, Value):
            reading.layers.append(_row(node, build, result))


FAILED = object()  # the result of a node that cannot be read


def _taken(node: Node, build: Building, reading: Reading):
    """What a node's first output is: a value, an array, or FAILED with the reason noted."""
    inputs = [build.results[name] for name in node.inputs]
    known = all(part is None or isinstance(part, np.ndarray) for part in inputs)
    try:
        if node.operator not in LAYERS and not (known and node.operator in FOLDS):
            raise Unsupported(_objection(node))
        if any(build.readers[name] for name in node.outputs[1:] if name):
            raise Unsupported(f"{node.operator} with more than one result: the first alone works")
        if any(part is FAILED for part in inputs):
            return FAILED
        if known:
            return folded(node, inputs)
        if not isinstance(inputs[0], Value) and node.operator not in SYMMETRIC:
            raise Unsupported(f"{node.operator} of constants and a result: the result comes first")
        return LAYERS[node.operator](build, node, inputs)
    except Unsupported as reason:
        reading.unsupported.append((node.place, str(reason)))
        return FAILED
    except EvsimError as error:
        raise error if error.place.startswith("nodes/") else error.within(node.place) from None


SYMMETRIC = ("Add", "Sum", "Sub", "Mul", "Div", "Max", "Min", "MatMul", "Concat")


def _objection(node: Node) -> str:
    """Why an operator is none of those that evsim has layers for."""
    operator = node.operator
    near = nearest(operator, LAYERS)
    return f"operator {operator!r} is not supported: of ONNX's operators {MAIN} work{near}"


def _row(node: Node, build: Building, result) -> dict:
    """A node of the table: the shape of its result channels last, and how many numbers it has."""
    shape = list(build.shapes[result.layer]) if isinstance(result, Value) else None
    arrays = [build.results[name] for name in node.inputs]
    held = sum(part.size for part in arrays if isinstance(part, np.ndarray) and part.size > 1)
    shaping = node.operator in ("Reshape", "Transpose", "Slice", "Pad", "Unsqueeze", "Squeeze")
    return {
        "layer": node.name,
        "kind": node.operator,
        "shape": shape,
        "parameters": 0 if shaping else held,
    }
