"""From the configuration and the arrays of a Keras model to a model of evsim's."""

from __future__ import annotations

from collections import Counter

import numpy as np

from evsim.artificial.layers import Layer, Shape
from evsim.artificial.model import INPUT, Model
from evsim.base.errors import EvsimError, mismatch, nearest, shown
from evsim.formats.trainers import _keras_activation as activation
from evsim.formats.trainers._input import input_of, reversed_channels
from evsim.formats.trainers._keras_build import Building
from evsim.formats.trainers._keras_config import Graph, Node
from evsim.formats.trainers._keras_fields import Unsupported
from evsim.formats.trainers._keras_layers import LAYERS
from evsim.formats.trainers._keras_weights import Legacy, Numbered
from evsim.formats.trainers._trainer import Options, Reading

LAMBDA = "a Lambda runs a program kept in the file, which is refused; a layer of Keras's own works"
OWN = "a call of TensorFlow itself; layers of Keras's own (Add, ReLU, Concatenate) work"
INSTEAD = {  # what works in the place of layers that are met often
    "Lambda": LAMBDA,
    "Conv1D": "Conv2D with a height of 1 works",
    "Convolution1D": "Convolution2D with a height of 1 works",
    "Conv2DTranspose": "Conv2D works",
    **dict.fromkeys(("TFOpLambda", "TensorFlowOpLayer", "SlicingOpLambda"), OWN),
    "PReLU": "ReLU works",
    "QBatchNormalization": "BatchNormalization works",
    **dict.fromkeys(("QConv2DBatchnorm", "QDepthwiseConv2DBatchnorm"), "QConv2D works"),
    **dict.fromkeys(("QAveragePooling2D", "QGlobalAveragePooling2D"), "AveragePooling2D works"),
    "ELU": "ReLU works",
    "ThresholdedReLU": "ReLU works",
    "LayerNormalization": "BatchNormalization works",
    "GroupNormalization": "BatchNormalization works",
    "Multiply": "Add, Average and Concatenate work",
    "Maximum": "Add and Concatenate work",
    "Subtract": "Add and Concatenate work",
}
THEANO = (
    "the file does not say whether Theano wrote its kernels, which then are flipped: "
    "taken as not flipped (`flip_kernels` flips them; compare accuracy with evsim ann)"
)


def objection(node: Node, last: bool) -> str | None:
    """Why a layer cannot be read whatever it takes; None if it may be."""
    if node.kind in LAYERS:
        policy = node.fields.get("dtype")
        quantised = isinstance(policy, dict) and "Quantized" in str(policy.get("class_name"))
        if quantised or (isinstance(policy, str) and policy.startswith(("int8", "int4"))):
            return f"{node.kind} quantised by Keras: save it before quantize() is called"
        return activation.objection(node, last)
    instead = INSTEAD.get(node.kind)
    if instead is None:
        near = nearest(node.kind, LAYERS)
        instead = f"of Keras's layers {', '.join(_main())} work{near}"
    return f"a layer of class {shown(node.kind)} is not supported: {instead}"


def _main() -> list[str]:
    """The layers that can be read, each by its present name."""
    present = ("Dense", "Conv2D", "DepthwiseConv2D", "SeparableConv2D", "MaxPooling2D")
    return [*present, "AveragePooling2D", "BatchNormalization", "ReLU", "Add", "Concatenate"]


def reading(
    graph: Graph,
    arrays: Legacy | Numbered,
    backend: str | None,
    options: Options,
) -> Reading:
    """The model of a configuration; layer by layer what cannot be read."""
    result = Reading(unsupported=list(graph.unsupported))
    if not graph.nodes:
        if result.unsupported:
            return result
        raise mismatch("no layers", "at least one", "model_config")
    build = Building(
        arrays=arrays,
        first=_channels_first(graph, result),
        theano=backend == "theano" or options.flip_kernels,
        output=graph.output,
        readers=Counter(source for node in graph.nodes for source in node.sources),
    )
    shape = _image_shape(graph, build, result)
    if shape is not None:
        build.shapes[INPUT] = shape
    for node in graph.nodes:
        _take(node, build, result)
    result.layers = [_row(node, build, arrays) for node in graph.nodes]
    result.notes = list(build.notes)
    if backend is None and build.kernels and not options.flip_kernels:
        result.notes.append(THEANO)
    if not result.unsupported:
        result.content = _model(build, options, result)
    return result


def _take(node: Node, build: Building, result: Reading) -> None:
    """Build one layer, or note why not; what follows one that failed is only looked at."""
    why = objection(node, node.name == build.output)
    if why is None and any(source not in build.results for source in node.sources):
        return
    if why is None and INPUT not in build.shapes:
        return
    if why is None:
        try:
            build.results[node.name] = LAYERS[node.kind](build, node)
            return
        except Unsupported as reason:
            why = str(reason)
        except EvsimError as error:
            raise error if "/" in error.place else error.within(f"layers/{node.name}") from None
    result.unsupported.append((f"layers/{node.name}", why))


def _channels_first(graph: Graph, result: Reading) -> bool:
    """Whether the layers that say so have channels first; both is more than can be read."""
    said = {}
    for node in graph.nodes:
        form = node.fields.get("data_format", "dim_ordering")
        if isinstance(form, str) and node.kind in LAYERS and node.kind != "Flatten":
            said.setdefault(form in ("channels_first", "th"), node)
    if len(said) == 2:
        names = f"{said[True].name!r} has channels first and {said[False].name!r} last"
        result.unsupported.append(("layers", f"{names}: one order throughout works"))
    return True in said


def _image_shape(graph: Graph, build: Building, result: Reading) -> Shape | None:
    """The shape of the image, channels last; matrices are maps of one channel."""
    shape = graph.shape
    if isinstance(shape, list) and len(shape) == 1 and isinstance(shape[0], list):
        shape = shape[0]  # the shapes of a list of one input
    sizes = shape[1:] if isinstance(shape, list) else None
    if sizes and not all(v is None or type(v) is int for v in sizes):
        raise mismatch(shown(shape), "a shape", "batch_input_shape")
    if not sizes or not all(type(v) is int and 0 < v < 2**31 for v in sizes):
        text = "no input shape" if sizes is None else f"an input of shape {tuple(shape)}"
        what = f"{text}: save the model with an Input of fixed shape"
        result.unsupported.append(("input", what))
        return None
    if len(sizes) == 2:
        build.matrices.add(INPUT)
        return (*sizes, 1)
    if len(sizes) == 3:
        return (*sizes[1:], sizes[0]) if build.first else tuple(sizes)
    if len(sizes) != 1:
        what = f"an input of {len(sizes)} axes: vectors and images work"
        result.unsupported.append(("input", what))
        return None
    return tuple(sizes)


def _model(build: Building, options: Options, result: Reading) -> Model:
    scaling = dict(build.scaling)
    if scaling:
        for name in ("scale", "mean", "std"):
            if build.raw or name != "scale":
                options.refuse(name, "its first layers scale the image themselves")
        what = f"pixels / {scaling['scale']:g}, then mean and deviation"
        result.notes.append(f"the first layers scale the image: taken as the input's own, {what}")
        for name in ("mean", "std"):
            values = scaling[name]
            scaling[name] = values[0] if np.ptp(values) == 0 else values
    output = build.results[build.output]
    if output == INPUT:
        raise mismatch("no layer that computes anything", "at least one", "model_config")
    shape, layers = build.shapes[INPUT], _needed(build.layers, output)
    if options.bgr:
        layers = reversed_channels(layers, shape)
    image = input_of(shape, options, **scaling)
    return Model(layers, image, output=output, notes=result.notes)


def _needed(layers: dict[str, Layer], output: str) -> dict[str, Layer]:
    """The layers that the output depends on."""
    needed = {output}
    for name in reversed(layers):
        if name in needed:
            needed.update(layers[name].sources)
    return {name: layer for name, layer in layers.items() if name in needed}


def _row(node: Node, build: Building, arrays: Legacy | Numbered) -> dict:
    """A layer of the table: its shape where it could be built, and how many numbers it holds."""
    result = build.results.get(node.name)
    shape = None if result is None else list(build.shapes[result])
    try:
        parameters = sum(int(np.prod(stored.shape)) for stored in arrays.of(node))
    except EvsimError:
        parameters = 0  # the layer has no weights, or it cannot be read
    return {"layer": node.name, "kind": node.kind, "shape": shape, "parameters": parameters}
