"""A NIR file as nodes and edges: nested graphs written out, shapes known everywhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

import numpy as np

from evsim.base.errors import EvsimError, mismatch, nearest, shown
from evsim.base.geometry import output_size
from evsim.formats import _hdf5 as hdf5

FIRING = ("IF", "LIF", "CubaLIF", "Threshold")
NEURONS = (*FIRING, "LI", "CubaLI", "I")
LINEAR = ("Linear", "Affine", "Conv1d", "Conv2d", "Scale", "SumPool2d", "AvgPool2d", "Flatten")
RANKS = {"Linear": 1, "Affine": 1, "Conv1d": 2, "Conv2d": 3, "SumPool2d": 3, "AvgPool2d": 3}
PASSING = ("Input", "Output", "Delay")
PREFIX = "evsim_"  # of what evsim notes as metadata, see `evsim/formats/nir.py`
DEEPEST = 16  # graphs inside graphs


@dataclass
class Node:
    """One node; arrays and shapes as NIR has them, channels first."""

    name: str
    type: str
    fields: dict
    place: str
    shape: tuple[int, ...] | None = None  # of its result
    before: tuple[int, ...] | None = None  # of what it takes
    sources: list[str] = field(default_factory=list)
    notes: dict = field(default_factory=dict)  # what evsim wrote beside the fields

    def array(
        self, name: str, default=None, positive: bool = False, endless: bool = False
    ) -> np.ndarray:
        """A field of finite numbers, or also infinite ones where `endless`, in float64."""
        value = self.fields.get(name, default)
        if value is None:
            near = nearest(name, self.fields)
            raise EvsimError(f"missing field {name!r}, required by {self.type}{near}", self.place)
        value = np.asarray(value)
        numbers = value.dtype.kind in "fiu" and not np.isnan(value).any()
        if not numbers or not (endless or np.isfinite(value).all()):
            raise mismatch(shown(value), "finite numbers", f"{self.place}/{name}")
        if positive and (value <= 0).any():
            raise mismatch(value.min(), "values above 0", f"{self.place}/{name}")
        return np.float64(value)

    def wholes(self, name: str, count: int, default=None, least: int = 0) -> tuple[int, ...]:
        """A field of `count` whole numbers; one stands for all."""
        value = self.array(name, default).ravel()
        if value.size == 1:
            value = np.repeat(value, count)
        if value.size != count or (value != np.trunc(value)).any() or (value < least).any():
            expected = f"{count} whole numbers of at least {least}"
            raise mismatch(shown(value), expected, f"{self.place}/{name}")
        return tuple(int(v) for v in value)


def read(file) -> dict[str, Node]:
    """The nodes of the graph in a file by name, with their sources and shapes."""
    nodes: dict[str, Node] = {}
    edges: list[tuple[str, str]] = []
    _graph(file["node"], "", "node", nodes, edges, hdf5.Arrays(), 0)
    for source, target in dict.fromkeys(edges):
        nodes[target].sources.append(source)
    return nodes


def _graph(group, prefix, place, nodes, edges, arrays, depth) -> tuple[list[str], list[str]]:
    """Add a graph's nodes and edges; returns its inputs and outputs."""
    if depth > DEEPEST:
        raise mismatch(f"graphs {depth} deep in each other", f"at most {DEEPEST}", place)
    ends: dict[str, tuple[list[str], list[str]]] = {}
    inputs, outputs = [], []
    for needed in ("nodes", "edges"):
        if needed not in hdf5.names(group, place):
            raise EvsimError(f"missing {needed!r}", place)
    inner = hdf5.group(group, "nodes", f"{place}/nodes")
    for name in hdf5.names(inner, f"{place}/nodes"):
        at = f"{place}/nodes/{name}"
        node = hdf5.group(inner, name, at)
        content = hdf5.names(node, at)
        kind = arrays(node["type"], f"{at}/type") if "type" in content else None
        if not isinstance(kind, str):
            raise mismatch("no text" if kind is None else shown(kind), "a type", f"{at}/type")
        full = (prefix + name).replace("/", ".")
        if kind == "NIRGraph":
            ends[name] = _graph(node, f"{full}.", at, nodes, edges, arrays, depth + 1)
            continue
        skipped = ("type", "metadata")
        fields = {n: arrays(node[n], f"{at}/{n}") for n in content if n not in skipped}
        nodes[full] = Node(full, kind, fields, at, notes=notes(node, at, arrays))
        ends[name] = [full], [full]
        inputs += [full] if kind == "Input" else []
        outputs += [full] if kind == "Output" else []
    pairs = np.atleast_2d(arrays(group["edges"], f"{place}/edges"))
    if pairs.size and (pairs.dtype.kind != "U" or pairs.shape[1:] != (2,)):
        raise mismatch(shown(pairs), "pairs of names", f"{place}/edges")
    for source, target in pairs.tolist() if pairs.size else ():
        for name in (source, target):
            if name not in ends:
                near = nearest(name, ends)
                raise mismatch(repr(name), f"a node of the graph{near}", f"{place}/edges")
        edges += [(a, b) for a in ends[source][1] for b in ends[target][0]]
    return inputs, outputs


def notes(group, place: str, arrays) -> dict:
    """What evsim wrote as metadata of a node or a graph, by the names without their beginning."""
    if "metadata" not in hdf5.names(group, place):
        return {}
    inner = hdf5.group(group, "metadata", f"{place}/metadata")
    names = [name for name in hdf5.names(inner, f"{place}/metadata") if name.startswith(PREFIX)]
    return {
        name.removeprefix(PREFIX): arrays(inner[name], f"{place}/metadata/{name}") for name in names
    }


def infer_shapes(nodes: dict[str, Node]) -> None:
    """Give every node its shapes, along the edges from the inputs."""
    for node in nodes.values():
        if node.type in ("Input", "Output"):
            value = node.fields.get("shape", node.fields.get("input_type"))
            if value is not None:
                name = "shape" if "shape" in node.fields else "input_type"
                node.shape = _without_batch(node, node.wholes(name, np.size(value), least=1), nodes)
    waiting = [node for node in nodes.values() if node.type != "Input" or node.sources]
    while waiting:
        ready = [n for n in waiting if any(nodes[s].shape is not None for s in n.sources)]
        if not ready:
            break
        for node in ready:
            before = next(nodes[s].shape for s in node.sources if nodes[s].shape is not None)
            node.before = before
            if node.type in (*LINEAR, *PASSING, *NEURONS):
                found = _shape(node, before)
                if node.shape is not None and not alike(found, node.shape):
                    raise mismatch(f"shape {found}", f"{node.shape}", node.place)
                node.shape = found
        waiting = [n for n in waiting if n not in ready]
    for node in nodes.values():
        for source in node.sources:
            other = nodes[source].shape
            if None not in (node.before, other) and not alike(other, node.before):
                found = f"shapes {node.before} and {other} from {', '.join(node.sources)}"
                raise mismatch(found, "one shape", node.place)


def alike(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two shapes are one but for axes of one place: (4,) is as (4, 1, 1) or (1, 4)."""
    return [n for n in one if n != 1] == [n for n in other if n != 1]


def _without_batch(node: Node, shape: tuple[int, ...], nodes: dict[str, Node]) -> tuple[int, ...]:
    """The shape of an input without the axis of a batch of one, which the first map tells."""
    if len(shape) < 2 or shape[0] != 1:
        return shape
    rank, ahead, seen = None, [node.name], set()
    while ahead and rank is None:
        name = ahead.pop()
        seen.add(name)
        rank = RANKS.get(nodes[name].type)
        if nodes[name].type == "Flatten":
            taken = nodes[name].fields.get("input_type")
            rank = 3 if len(shape) == 4 else None if taken is None else np.size(taken)
            break
        ahead += [n.name for n in nodes.values() if name in n.sources and n.name not in seen]
    return shape[1:] if len(shape) == (3 if rank is None else rank) + 1 else shape


def _shape(node: Node, before: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a node's result for what it takes."""
    if node.type in ("Linear", "Affine"):
        weight = node.array("weight")
        if weight.ndim != 2 or not alike(before, weight.shape[1:]):
            found = f"a weight of shape {weight.shape} for an input of shape {before}"
            raise mismatch(found, "(out, in)", f"{node.place}/weight")
        return (weight.shape[0],)
    if node.type in ("Conv1d", "Conv2d", "SumPool2d", "AvgPool2d"):
        rank = 1 if node.type == "Conv1d" else 2
        if len(before) != rank + 1:
            raise mismatch(f"an input of shape {before}", f"{rank + 1} axes", node.place)
        kernel, stride, padding, dilation, channels = geometry(node, before)
        sizes = [
            output_size(before[1 + a], kernel[a], stride[a], *padding[a], dilation[a])
            for a in range(rank)
        ]
        if min(sizes) < 1:
            raise mismatch(f"a result of {' x '.join(map(str, sizes))}", "1 or more", node.place)
        return (channels, *sizes)
    if node.type == "Flatten":
        start = int(node.array("start_dim", 0).item())
        end = int(node.array("end_dim", -1).item())
        start, end = (n + len(before) if n < 0 else n for n in (start, end))
        if not 0 <= start <= end < len(before):
            expected = f"axes of shape {before}"
            raise mismatch(f"start_dim {start}, end_dim {end}", expected, node.place)
        return (*before[:start], prod(before[start : end + 1]), *before[end + 1 :])
    return before


def geometry(node: Node, before: tuple[int, ...]):
    """(kernel, stride, padding by axis, dilation, channels) of a convolution or pool.

    `before`: the shape that it takes, channels first.
    """
    rank = len(before) - 1
    if node.type in ("SumPool2d", "AvgPool2d"):
        kernel = node.wholes("kernel_size", rank, least=1)
        stride = node.wholes("stride", rank, kernel, least=1)
        padding = node.wholes("padding", rank, 0)
        return kernel, stride, [(p, p) for p in padding], (1,) * rank, before[0]
    weight, groups = node.array("weight"), node.wholes("groups", 1, 1, least=1)[0]
    if weight.ndim != rank + 2 or weight.shape[1] * groups != before[0]:
        found = f"a weight of shape {weight.shape} for an input of shape {before}"
        expected = "(out, in / groups, kernel), a size for each axis"
        raise mismatch(found, expected, f"{node.place}/weight")
    if weight.shape[0] % groups:
        raise mismatch(groups, f"a divisor of {weight.shape[0]}", f"{node.place}/groups")
    kernel = weight.shape[2:]
    stride = node.wholes("stride", rank, 1, least=1)
    dilation = node.wholes("dilation", rank, 1, least=1)
    padding = node.fields.get("padding", 0)
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise mismatch(repr(padding), "'same' or 'valid'", f"{node.place}/padding")
        reach = [
            d * (k - 1) if padding == "same" else 0 for d, k in zip(dilation, kernel, strict=True)
        ]
        return kernel, stride, [(r // 2, r - r // 2) for r in reach], dilation, weight.shape[0]
    padding = node.wholes("padding", rank, 0)
    return kernel, stride, [(p, p) for p in padding], dilation, weight.shape[0]
