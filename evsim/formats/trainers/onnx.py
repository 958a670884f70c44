"""ONNX: a graph of operators and its weights in one file, as most trainers export it."""

from __future__ import annotations

from evsim.artificial.model import INPUT, Model
from evsim.base.errors import EvsimError, mismatch
from evsim.formats.trainers._input import input_of, reversed_channels
from evsim.formats.trainers._onnx_build import Building
from evsim.formats.trainers._onnx_file import Graph, parsed
from evsim.formats.trainers._onnx_graph import begun, build_all
from evsim.formats.trainers._trainer import Options, Reading, Source

TITLE = "ONNX (.onnx)"
VERSION = 0x08  # the tag of the first field of a model: the version of the format
FOLLOWS = b"\x12\x1a\x22\x28\x32\x3a\x42\x72"  # tags of what may come after it
NEEDS = "reading ONNX needs a package: pip install 'evsim[onnx]'"


def claims(source: Source) -> str | None:
    """What the file is, if it begins as a model of ONNX does, or else is named as one.

    The format has no signature: its first two bytes are the version, from 1 to some ten.
    """
    start = source.start
    if source.file is not None or len(start) < 3 or start[8:9] == b"{":
        return None
    begins = start[0] == VERSION and 1 <= start[1] <= 32 and start[2] in FOLLOWS
    other = start.startswith((b"PK", b"\x80"))
    return "ONNX" if begins or (source.path.suffix == ".onnx" and not other) else None


def read(source: Source, options: Options) -> Reading:
    """The model of an ONNX file; operator by operator what cannot be read.

    Raises EvsimError, in one line, where the file is damaged, or the package onnx is missing.
    """
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise EvsimError(NEEDS) from None
    options.refuse("topology", "the file holds its own topology")
    options.refuse("flip_kernels", "ONNX never flips kernels")
    graph = parsed(source.path)
    reading = Reading(unsupported=list(graph.unsupported))
    writer = f", written by {graph.producer}" if graph.producer else ""
    reading.notes.append(f"opset {graph.opset}{writer}")
    build = None if reading.unsupported else begun(graph, reading)
    if build is None:
        return reading
    build_all(build, reading)
    if not reading.unsupported:
        reading.content = _model(graph, build, options, reading)
    return reading


def _model(graph: Graph, build: Building, options: Options, reading: Reading):
    output = build.finished(graph.output)
    if output == INPUT:
        raise mismatch("no operator that computes anything", "at least one", "nodes")
    reading.notes += build.notes
    scaling = build.scaling.fields()
    if scaling:
        for name in ("scale", "mean", "std"):
            if build.scaling.raw or name != "scale":
                options.refuse(name, "its first operators scale the image themselves")
        pixels = "as stored" if build.scaling.raw else "from 0 to 1"
        what = f"taken as the input's own mean and deviation, of pixels {pixels}"
        reading.notes.append(f"the first operators scale the image: {what}")
    shape, layers = build.shapes[INPUT], build.needed(output)
    if options.bgr:
        layers = reversed_channels(layers, shape)
    image = input_of(shape, options, **scaling)
    return Model(layers, image, output=output, notes=reading.notes)
