"""PyTorch: a state_dict as safetensors, a header in JSON before the arrays.

Layout: github.com/huggingface/safetensors, README, section Format.
"""

from __future__ import annotations

import json
from math import prod

import numpy as np

from evsim.base.errors import mismatch, shown
from evsim.formats.trainers import _state_dict as state_dict
from evsim.formats.trainers._trainer import Options, Reading, Source

TITLE = "PyTorch state_dict (safetensors)"
LONGEST = 100 << 20  # bytes of a header
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4"}
DTYPES |= {"I16": "<i2", "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1"}
DTYPES |= {"BOOL": "u1"}


def claims(source: Source) -> str | None:
    """What the file is, if a length and an object in JSON come first."""
    if source.file is not None or len(source.start) < 9:
        return None
    length = int.from_bytes(source.start[:8], "little")
    return TITLE if 2 <= length <= LONGEST and source.start[8:9] == b"{" else None


def read(source: Source, options: Options) -> Reading:
    """The model of the topology that the options name, with the weights of the file."""
    size = source.path.stat().st_size
    with open(source.path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if 8 + length > size:
            raise mismatch(f"a header of {length} bytes", f"at most {size - 8}, the file's size")
        header = _header(file.read(length))
        arrays, end = {}, 0
        for name, about in sorted(header.items(), key=lambda item: _span(*item)):
            first, last = _span(name, about)
            if first != end:
                raise mismatch(f"bytes from {first} on", f"from {end} on, without gap", name)
            end = last
            if 8 + length + last > size:
                raise mismatch(f"bytes up to {last}", f"at most {size - 8 - length}", name)
            arrays[name] = _array(name, about, file, last - first)
        if 8 + length + end != size:
            found = f"{size - 8 - length - end} bytes after the last array"
            raise mismatch(found, "none")
    return state_dict.read({name: arrays[name] for name in header}, options, source)


def _header(text: bytes) -> dict:
    try:
        header = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise mismatch(f"no JSON ({error})", "a header in JSON", "header") from None
    if not isinstance(header, dict):
        raise mismatch(shown(header), "an object", "header")
    header.pop("__metadata__", None)
    for name, about in header.items():
        if not name.isprintable() or not isinstance(about, dict):
            raise mismatch(shown(about), "dtype, shape and data_offsets", f"header/{name!r}")
    return header


def _unique(pairs: list[tuple]) -> dict:
    """An object in JSON whose names are unique, as the format demands."""
    content = {}
    for name, value in pairs:
        if name in content:
            raise mismatch(f"{shown(name)} twice", "once", "header")
        content[name] = value
    return content


def _span(name: str, about: dict) -> tuple[int, int]:
    span = about.get("data_offsets")
    whole = isinstance(span, list) and all(type(n) is int and n >= 0 for n in span)
    if not whole or len(span) != 2 or span[0] > span[1]:
        raise mismatch(shown(span), "two ascending whole numbers", f"{name}/data_offsets")
    return span[0], span[1]


def _array(name: str, about: dict, file, size: int) -> np.ndarray:
    dtype, shape = about.get("dtype"), about.get("shape")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise mismatch(shown(dtype), f"one of {', '.join(DTYPES)}", f"{name}/dtype")
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise mismatch(shown(shape), "whole numbers", f"{name}/shape")
    needed = prod(shape) * np.dtype(DTYPES[dtype]).itemsize
    if needed != size:
        raise mismatch(f"{size} bytes", f"{needed}, as dtype and shape need", name)
    content = file.read(size)
    if len(content) != size:
        raise mismatch(f"{len(content)} bytes", f"{size}, as the header says", name)
    array = np.frombuffer(content, DTYPES[dtype]).reshape(shape)
    if dtype == "BF16":  # the upper half of a float32
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array
