"""What an ONNX file says: its nodes and arrays as plain records. Nothing of it is executed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import numpy as np

from evsim.base.errors import EvsimError, mismatch, shown
from evsim.formats import _hdf5 as hdf5

OLDEST = 7  # the first version of the operators whose arithmetic is that of today
OWN = ("", "ai.onnx")  # the domain of ONNX's own operators
PLAIN = "fiub"  # kinds of NumPy's dtypes that count as numbers
REQUIRED = object()


@dataclass(frozen=True, eq=False)
class Node:
    """One operator of a graph."""

    name: str  # that of the file, else operator and number
    operator: str  # with its domain in front, if it is not ONNX's own
    inputs: tuple[str, ...]  # "" where an optional one is left out
    outputs: tuple[str, ...]
    attributes: dict

    @property
    def place(self) -> str:
        """Where errors say that it is."""
        return f"nodes/{self.name.lstrip('/')}"

    def whole(self, name: str, default=REQUIRED) -> int:
        """An attribute that is a whole number."""
        return self._get(name, default, lambda v: type(v) is int, "a whole number")

    def wholes(self, name: str, default=REQUIRED) -> list[int]:
        """An attribute that is a list of whole numbers."""

        def fits(value) -> bool:
            return isinstance(value, list) and all(type(n) is int for n in value)

        return self._get(name, default, fits, "whole numbers")

    def number(self, name: str, default=REQUIRED) -> float:
        """An attribute that is a finite number."""

        def fits(value) -> bool:
            return type(value) in (int, float) and np.isfinite(value)

        return self._get(name, default, fits, "a finite number")

    def text(self, name: str, default: str) -> str:
        """An attribute that is a text."""
        value = self._get(name, default, lambda v: isinstance(v, bytes | str), "a text")
        return value.decode(errors="replace") if isinstance(value, bytes) else value

    def _get(self, name: str, default, fits, expected: str):
        if name not in self.attributes:
            if default is REQUIRED:
                raise EvsimError(f"missing attribute {name!r}", self.place)
            return default
        value = self.attributes[name]
        if not fits(value):
            raise mismatch(shown(value), expected, f"{self.place}/{name}")
        return value


@dataclass
class Graph:
    """The graph of a file: sources come before what takes them."""

    nodes: list[Node]
    constants: dict[str, np.ndarray]  # initializers by name
    input: str
    sizes: list[int | None] | None  # of the input, samples first; None: the file does not say
    output: str
    opset: int
    producer: str = ""
    unsupported: list[tuple[str, str]] = field(default_factory=list)


def parsed(path: Path) -> Graph:
    """The graph of an ONNX file; raises EvsimError where it is damaged."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.ModelProto.FromString(path.read_bytes())
    except DecodeError as error:
        raise hdf5.damaged(error, format="ONNX file") from None
    if not model.HasField("graph") or not model.graph.output:
        raise mismatch("no graph", "a graph with an output", "graph")
    versions = [entry.version for entry in model.opset_import if entry.domain in OWN]
    if not versions or versions[0] < OLDEST:
        found = f"opset {versions[0]}" if versions else "no opset"
        raise mismatch(found, f"opset {OLDEST} or newer", "opset_import")
    graph, unsupported = model.graph, []
    constants = {}
    for tensor in graph.initializer:
        name = _word(tensor.name)
        constants[name] = array_of(tensor, f"initializers/{name}", path.parent)
    if graph.sparse_initializer:
        unsupported.append(("initializers", "sparse arrays: dense ones work"))
    images = [value for value in graph.input if _word(value.name) not in constants]
    for what, values in (("input", images), ("output", graph.output)):
        if len(values) != 1:
            names = ", ".join(_word(value.name) for value in list(values)[:4])
            problem = f"{len(values)} {what}s ({names}): a network with one works"
            unsupported.append((f"graph/{what}", problem))
    first = images[0] if images else None
    return Graph(
        nodes=[_node(proto, number, path.parent) for number, proto in enumerate(graph.node)],
        constants=constants,
        input=_word(first.name) if first is not None else "",
        sizes=_sizes(first),
        output=_word(graph.output[0].name),
        opset=versions[0],
        producer=f"{_word(model.producer_name)} {_word(model.producer_version)}".strip(),
        unsupported=unsupported,
    )


def _word(value) -> str:
    """A name in a file; protobuf gives bytes where it is not UTF-8."""
    return value if isinstance(value, str) else value.decode(errors="backslashreplace")


def _sizes(value) -> list[int | None] | None:
    """The sizes of an input, None for one that is left open."""
    kind = None if value is None else value.type.tensor_type
    if kind is None or not kind.HasField("shape"):
        return None
    return [
        axis.dim_value if axis.HasField("dim_value") and axis.dim_value > 0 else None
        for axis in kind.shape.dim
    ]


def _node(proto, number: int, folder: Path) -> Node:
    """A node; its attributes are numbers, texts, arrays, or lists of them."""
    import onnx

    operator, domain = _word(proto.op_type), _word(proto.domain)
    name = _word(proto.name) or f"{operator}_{number}"
    operator = operator if domain in OWN else f"{domain}.{operator}"
    inputs, outputs = (tuple(map(_word, names)) for names in (proto.input, proto.output))
    attributes = {}
    for attribute in proto.attribute:
        key = _word(attribute.name)
        place = f"nodes/{name}/{key}"
        if attribute.type == onnx.AttributeProto.TENSOR:
            attributes[key] = array_of(attribute.t, place, folder)
            continue
        try:
            value = onnx.helper.get_attribute_value(attribute)
        except ValueError as error:
            raise mismatch(f"an attribute of no kind ({error})", "a value", place) from None
        lists = not isinstance(value, bytes | str | int | float)
        attributes[key] = list(value) if lists and hasattr(value, "__len__") else value
    return Node(name, operator, inputs, outputs, attributes)


def array_of(tensor, place: str, folder: Path) -> np.ndarray:
    """The numbers of a tensor, floats of half precision as float32.

    Those outside of the file may only lie in its own folder.
    """
    import onnx

    size = prod(tensor.dims)
    if any(n < 0 for n in tensor.dims):
        raise mismatch(f"shape {tuple(tensor.dims)}", "sizes from 0 on", place)
    try:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
    except Exception:  # which, depends on the version of onnx
        raise mismatch(f"data type {tensor.data_type}", "numbers", place) from None
    if dtype.kind not in PLAIN and dtype.name != "bfloat16":
        raise mismatch(f"dtype {dtype}", "numbers", place)
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        tensor = onnx.TensorProto.FromString(tensor.SerializeToString())
        tensor.raw_data = _external(tensor, place, folder, size * dtype.itemsize)
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]
    try:
        array = onnx.numpy_helper.to_array(tensor)
    except Exception as error:  # of another number of values than its shape has, mostly
        reason = " ".join(str(error).split())[:100]
        raise mismatch(f"an array that is not whole ({reason})", f"{size} numbers", place) from None
    if array.size != size or array.dtype.kind == "O":
        raise mismatch(f"{array.size} numbers", f"{size}", place)
    half = array.dtype.itemsize == 2 and array.dtype.kind not in "iu"
    return array.astype(np.float32) if half else array


def _external(tensor, place: str, folder: Path, needed: int) -> bytes:
    """The bytes of an array that lies in a file beside the model's."""
    about = {_word(entry.key): _word(entry.value) for entry in tensor.external_data}
    location = about.get("location", "")
    path, allowed = folder / location, folder.resolve()
    unsafe = not location or "\0" in location or os.path.isabs(location) or "\\" in location
    if unsafe or not path.resolve().is_relative_to(allowed):
        expected = "a file in the folder of the ONNX file"
        raise mismatch(f"data in {shown(location)}", expected, place)
    if not path.is_file():
        raise mismatch(f"no file {shown(location)}", "the data beside the ONNX file", place)
    numbers = []
    for name, default in (("offset", 0), ("length", None)):
        text = about.get(name, "")
        if text and not (text.isascii() and text.isdigit() and len(text) < 19):
            raise mismatch(shown(text), "a whole number", f"{place}/{name}")
        numbers.append(int(text) if text else default)
    offset, length = numbers
    size = path.stat().st_size
    length = size - offset if length is None else length
    if length != needed or offset + length > size:
        found = f"{length} bytes from {offset} on in {location!r} of {size} bytes"
        raise mismatch(found, f"{needed}, as its shape says", place)
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(length)
