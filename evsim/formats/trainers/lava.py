"""lava-dl networks (.net): fixed-point neurons, layers one after the other."""

from __future__ import annotations

import math

import numpy as np

from evsim.base.errors import EvsimError, mismatch, nearest
from evsim.base.geometry import output_size
from evsim.formats import _hdf5 as hdf5
from evsim.formats.trainers._input import input_of
from evsim.formats.trainers._lava_layer import Layer, channels_last, neurons_of, order, per_neuron
from evsim.formats.trainers._trainer import Options, Reading, Source
from evsim.network.network import Network
from evsim.neurons import Neurons, neuron_kinds
from evsim.synapses import Synapses
from evsim.synapses.conv import Convolution
from evsim.synapses.dense import Dense
from evsim.synapses.identity import Identity
from evsim.synapses.sparse import Sparse

TITLE = "lava-dl network (.net)"
MARK = "groups layer/0, layer/1, ... (lava-dl)"
INPUT, ENCODER = "input", "encoder"
CONNECTIONS = 1 << 27  # that a layer with unequal delays may have
HELD = (-256, 254)  # the weights that Loihi holds
KNOWN = {  # what cannot be had, and what works instead
    "average": "the argmax over single output neurons works: leave the layer out of the export",
    "concat": "layers one after the other work",
    "convT": "conv works",
    "unpool": "conv works",
    "dense_rec": "dense works",
    "dense_comp": "dense with real weights works",
}
WORKS = ("input", "dense", "conv", "pool", "flatten")


def claims(source: Source) -> str | None:
    """What the file is, if it has a group `layer` whose groups are numbered."""
    import h5py

    file = source.file
    if file is None or "format" in file.attrs:
        return None
    if not isinstance(file.get("layer", getlink=True), h5py.HardLink):
        return None
    layers = file["layer"]
    names = list(layers) if isinstance(layers, h5py.Group) else []
    return TITLE if names and all(name.isdecimal() for name in names) else None


def read(source: Source, options: Options) -> Reading:
    """The spiking network in the file."""
    for name in ("topology", "flip_kernels", "dt", "reset", "bgr"):
        options.refuse(name, "a lava-dl file leaves no choice")
    if options.like not in (None, "lava"):
        options.refuse("like", "lava-dl wrote it")
    hdf5.names(source.file)
    groups = hdf5.group(source.file, "layer", "layer")
    arrays, builder = hdf5.Arrays(), _Builder(options)
    names = sorted(hdf5.names(groups, "layer"), key=int)
    if [int(name) for name in names] != list(range(len(names))):
        raise mismatch(", ".join(names), f"0 to {len(names) - 1}, each once", "layer")
    for name in names:
        place = f"layer/{name}"
        builder.add(Layer(hdf5.group(groups, name, place), place, arrays), name == names[-1])
    return builder.finished(_timesteps(source.file, arrays))


def _timesteps(file, arrays) -> int | None:
    """How long a sample is presented, if the file says so."""
    if "simulation" not in hdf5.names(file):
        return None
    group = Layer(hdf5.group(file, "simulation", "simulation"), "simulation", arrays)
    step, length = group.number("Ts", 1, least=1), group.number("tSample", 0, least=0)
    return length // step or None


class _Builder:
    """The network so far: the last population, its shape in lava's order, its axons' delays."""

    def __init__(self, options: Options):
        self.options, self.reading = options, Reading()
        self.populations: dict[str, Neurons] = {}
        self.synapses: dict[str, Synapses] = {}
        self.last: str | None = None
        self.shape: tuple[int, ...] | None = None  # None: not known yet
        self.delay = np.array(0)  # of the last population, one value or one per neuron
        self.coding = "poisson"

    def add(self, layer: Layer, is_last: bool) -> None:
        """Add the next layer of the file."""
        kind = layer.text("type")
        if kind not in WORKS:
            self._skip(layer, kind, KNOWN.get(kind, f"{', '.join(WORKS)} work"))
        elif kind == "input":
            self._input(layer)
        elif kind == "flatten":
            self._row(layer, kind, (math.prod(self.shape or layer.shape()),))
        else:
            self._synapses(layer, kind, is_last)

    def _row(self, layer: Layer, kind: str, shape: tuple[int, ...], weights: int = 0) -> None:
        number = layer.place.rpartition("/")[2]
        row = {"layer": number, "kind": kind, "shape": list(channels_last(shape))}
        self.reading.layers.append(row | {"weights": weights})

    def _skip(self, layer: Layer, kind: str, works: str) -> None:
        """Note what is unsupported, and go on behind it as far as its shape is known."""
        near = nearest(kind, (*WORKS, *KNOWN)) if kind not in KNOWN else ""
        self.reading.unsupported.append((layer.place, f"layer type {kind!r}{near}: {works}"))
        self.shape = layer.shape() if "shape" in layer else None
        self._row(layer, kind, self.shape or ())

    def _input(self, layer: Layer) -> None:
        self.shape = layer.shape()
        if layer.place != "layer/0":
            raise mismatch("an input layer", "it to be the first", layer.place)
        affine = layer.number("weight", 1), layer.number("bias", 0)
        self._row(layer, "input", self.shape)
        if "neuron" in layer and not self.options.skip_encoder:
            self._encoder(layer, *affine)
            return
        if "neuron" in layer:
            self.coding = "events"
            self.reading.notes.append(
                f"{layer.place} turns values into spikes ({affine[0]} x + {affine[1]}, then "
                f"neurons); it is left out (`skip_encoder`): the data are its spikes"
            )
        elif affine != (1, 0):
            what = f"an input scaled to {affine[0]} x + {affine[1]}; spikes as they come work"
            self.reading.unsupported.append((layer.place, what))
        self._begin()

    def _encoder(self, layer: Layer, weight: int, bias: int) -> None:
        """The neurons of the input layer, whose current is weight x + bias at every timestep."""
        self._begin()
        neurons = self._neurons(layer, self.shape)
        if isinstance(neurons, str):
            self.reading.unsupported.append((layer.place, neurons))
            return
        kinds, sets = neuron_kinds(), self.synapses
        weights = np.full(self.shape[0], weight, np.float32)
        sets["input-encoder"] = Identity(source=INPUT, target=ENCODER, weight=weights)
        if bias:  # of a neuron that fires at every timestep
            one = {"shape": (1,), "threshold": 1.0, "bias": 1.0}
            self.populations["bias"] = kinds["iaf"].build(one)
            weights = np.full((1, neurons.neurons), bias, np.float32)
            sets["bias-encoder"] = Dense(source="bias", target=ENCODER, weight=weights)
        self.populations[ENCODER], self.last, self.coding = neurons, ENCODER, "constant"
        note = (
            f"{layer.place} turns values x into spikes: neurons with a current {weight} x + {bias}"
        )
        self.reading.notes.append(f"{note} (`skip_encoder`: the data are their spikes)")

    def _begin(self) -> None:
        """The input population, which has the shape found last."""
        self.last = INPUT
        self.populations[INPUT] = input_of(channels_last(self.shape), self.options)

    def _synapses(self, layer: Layer, kind: str, is_last: bool) -> None:
        """A layer of synapses and neurons; the last may have none: its sums are read out."""
        shape = layer.shape()
        weight = _scaled(layer)
        if weight is None:
            self._skip(layer, kind, "with complex weights; real ones work")
            return
        if kind == "dense":
            shape = (math.prod(shape),)
        made = {"dense": self._dense, "conv": self._conv, "pool": self._pool}[kind]
        synapses = made(layer, weight, shape)
        if isinstance(synapses, str):
            neurons = synapses
        elif is_last and kind == "dense" and "neuron" not in layer:
            neurons = self._readout(layer, shape)
        else:
            neurons = self._neurons(layer, shape)
        self._row(layer, kind, shape, int(weight.size))
        if isinstance(neurons, str):
            self.reading.unsupported.append((layer.place, neurons))
        elif self.last is not None and not self.reading.unsupported:
            name = f"{kind}{layer.place.rpartition('/')[2]}"
            self.populations[name] = neurons
            self._connect(layer, name, *synapses)
            self.last = name
        self.shape = shape
        self.delay = per_neuron(layer, "delay", shape, 0) if "delay" in layer else np.array(0)
        low, high = int(weight.min()), int(weight.max())
        if low < HELD[0] or high > HELD[1]:
            clipped = f"weights from {low} to {high}; Loihi holds {HELD[0]} to {HELD[1]}"
            self.reading.notes.append(f"{layer.place}: {clipped}, lava-dl clips them, evsim not")

    def _neurons(self, layer: Layer, shape: tuple[int, ...]) -> Neurons | str:
        """The population of a layer, or why it cannot be had; what was guessed is noted."""
        neurons, guesses = neurons_of(layer, shape, self.options)
        self.reading.notes += [note for note in guesses if note not in self.reading.notes]
        return neurons

    def _readout(self, layer: Layer, shape: tuple[int, ...]) -> Neurons:
        """What adds up all that arrives at a last layer without neurons (`Affine` of lava-dl)."""
        bias = per_neuron(layer, "bias", shape) if "bias" in layer else None
        note = "has no neurons: the largest sum of all that arrives there decides"
        self.reading.notes.append(f"{layer.place} {note}")
        return neuron_kinds()["readout"].build({"shape": channels_last(shape), "bias": bias})

    def _dense(self, layer: Layer, weight: np.ndarray, shape: tuple[int, ...]):
        inputs = None if self.shape is None else math.prod(self.shape)
        if weight.ndim == 1 and weight.size % shape[0] == 0:  # as older files have it
            weight = weight.reshape(shape[0], -1)
        if weight.ndim > 2 and weight.size == math.prod(weight.shape[:2]):
            weight = weight.reshape(weight.shape[:2])
        inputs = inputs or layer.number("inFeatures", int(weight.shape[-1]), least=1)
        if weight.shape != (shape[0], inputs):
            expected = f"{(shape[0], inputs)}, outputs and inputs"
            raise layer.error(f"shape {weight.shape}", expected, "weight")
        for name, size in (("inFeatures", inputs), ("outFeatures", shape[0])):
            if layer.number(name, size) != size:
                raise layer.error(layer.number(name), size, name)
        self._first(layer, (inputs,))
        return Dense, {"weight": _narrow(weight.T[order(self.shape)])}

    def _conv(self, layer: Layer, weight: np.ndarray, shape: tuple[int, ...]):
        if weight.ndim == 5 and weight.shape[4] == 1:
            weight = weight[..., 0]
        groups = layer.number("groups", least=1)
        steps = {name: layer.pair(name, least=1) for name in ("stride", "dilation", "kernelSize")}
        steps["padding"] = layer.pair("padding", least=0)
        kernel = steps.pop("kernelSize")
        outputs, inputs = layer.number("outChannels", least=1), layer.number("inChannels", least=1)
        expected = (outputs, inputs // groups, *kernel)
        if weight.shape != expected or inputs % groups or outputs % groups:
            found = f"shape {weight.shape} with groups = {groups}"
            raise layer.error(found, f"{expected}, outputs, inputs / groups, kernel", "weight")
        if self.shape is None:
            if steps["stride"] != (1, 1):
                return "the size of its input is not in the file; an input layer works"
            axes = zip(shape[1:], kernel, steps["padding"], steps["dilation"], strict=True)
            self._first(layer, (inputs, *(n + d * (k - 1) - 2 * p for n, k, p, d in axes)))
        return self._convolved(layer, shape, weight.transpose(2, 3, 1, 0), steps, inputs, groups)

    def _pool(self, layer: Layer, weight: np.ndarray, shape: tuple[int, ...]):
        """Sums over windows that do not overlap: a convolution of every channel with itself."""
        if self.shape is None:
            return "the size of its input is not in the file; an input layer works"
        kernel, stride = layer.pair("kernelSize", least=1), layer.pair("stride", least=1)
        plain = layer.pair("padding", least=0) == (0, 0) and layer.pair("dilation", 1) == (1, 1)
        rest = [n % k for n, k in zip(self.shape[1:], kernel, strict=True)]
        if stride != kernel or not plain or len(rest) != 2 or (self.shape[1] + rest[0]) % kernel[0]:
            return "windows that lava-dl lets reach into the next channel; whole ones side by side"
        if weight.size not in (1, math.prod(kernel)):
            raise layer.error(f"{weight.size} values", f"1 or {math.prod(kernel)}", "weight")
        taps = np.broadcast_to(weight.reshape(kernel if weight.size > 1 else (1, 1)), kernel)
        channels = self.shape[0]
        weights = np.repeat(taps[..., None, None], channels, axis=3)
        steps = {"stride": stride, "padding": (0, 0), "dilation": (1, 1)}
        return self._convolved(layer, shape, weights, steps, channels, channels, rest)

    def _convolved(self, layer, shape, weight, steps, inputs: int, groups: int, more=(0, 0)):
        """A convolution; `more` rows and columns of zeros lie behind those of the padding."""
        if len(self.shape) != 3 or self.shape[0] != inputs:
            expected = f"{inputs} channels, height, width"
            raise mismatch(f"an input of shape {self.shape}", expected, layer.place)
        (stride, dilation), (top, left) = (steps["stride"], steps["dilation"]), steps["padding"]
        padding = (top, top + more[0], left, left + more[1])
        size = tuple(
            output_size(self.shape[i + 1], weight.shape[i], stride[i], *padding[2 * i :][:2], step)
            for i, step in enumerate(dilation)
        )
        if shape != (weight.shape[3], *size) or min(size) < 1:
            expected = f"{(weight.shape[3], *size)} from an input of shape {self.shape}"
            raise layer.error(f"{shape}", expected, "shape")
        fields = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        return Convolution, {"weight": _narrow(weight), **fields}

    def _first(self, layer: Layer, shape: tuple[int, ...]) -> None:
        """Take `shape` for that of the input, where no input layer says it."""
        if self.shape is not None:
            return
        self.shape = shape
        if self.reading.unsupported:
            return
        if min(shape) < 1:
            raise mismatch(f"an input of shape {shape}", "at least one value", layer.place)
        self._begin()

    def _connect(self, layer: Layer, name: str, kind: type, fields: dict) -> None:
        """The set into a population: one, or one for every delay of its source's axons."""
        source, target = self.populations[self.last], self.populations[name]
        ends = {"source": self.last, "target": name}
        delays = np.unique(self.delay).tolist()
        try:
            if len(delays) == 1:
                part = kind(delay=delays[0], **ends, **fields)
                self.synapses[f"{self.last}-{name}"] = part
                return
            late = np.resize(self.delay, source.neurons)  # one per channel, or one per neuron
            for delay in delays:
                rows = _rows(kind(**ends, **fields), source, target, late == delay)
                part = Sparse(delay=delay, **ends, **rows)
                self.synapses[f"{self.last}-{name}-{delay}"] = part
        except EvsimError as error:
            raise error.within(layer.place) from None

    def finished(self, timesteps: int | None) -> Reading:
        """The reading, with the network if nothing is unsupported."""
        reading = self.reading
        if self.coding == "poisson":
            reading.notes.append("the file does not say what spikes code: rates of Bernoulli draws")
        if self.delay.any():
            reading.notes.append("the delays of the last layer's axons are left out")
        if not reading.unsupported:
            if self.last in (None, INPUT, ENCODER):
                raise mismatch("no layer with neurons", "at least one", "layer")
            reading.content = Network(
                self.populations,
                self.synapses,
                input=INPUT,
                output=self.last,
                coding=self.coding,
                timesteps=timesteps,
                source=TITLE,
            )
        return reading


def _scaled(layer: Layer) -> np.ndarray | None:
    """The weights times 2^wgtExp; None where they are complex."""
    weight = layer.group.get("weight")
    if weight is not None and hasattr(weight, "keys"):
        return None
    weight = layer.whole("weight")
    exponent = layer.inside("neuron").number("wgtExp", 0, least=-8) if "neuron" in layer else 0
    if exponent > 7:
        raise layer.error(exponent, "-8 to 7", "neuron/wgtExp")
    scaled = np.ldexp(weight.astype(np.float64), exponent)
    if (scaled != np.rint(scaled)).any() or np.abs(scaled).max() >= 2**31:
        expected = f"whole numbers of 32 bits after times 2^{exponent} (wgtExp)"
        raise layer.error("other weights", expected, "weight")
    return scaled.astype(np.int64)


def _narrow(weight: np.ndarray) -> np.ndarray:
    """The weights in the narrowest signed integers that hold them."""
    low, high = weight.min(), weight.max()
    for dtype in (np.int8, np.int16, np.int32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            break
    return np.ascontiguousarray(weight, dtype)


def _rows(part: Synapses, source: Neurons, target: Neurons, chosen: np.ndarray) -> dict:
    """The connections of a dense or convolutional set from the chosen sources, as sparse ones."""
    from scipy.sparse import coo_array

    if int(part.connect(source, target).fan_out.sum()) > CONNECTIONS:
        expected = f"at most {CONNECTIONS} connections in a layer behind unequal delays"
        raise mismatch("more", expected, "delay")
    data, rows, columns = _dense_ends(part) if part.kind == "dense" else _ends(part, source, target)
    kept = chosen[rows]
    matrix = coo_array(
        (data[kept], (rows[kept], columns[kept])), shape=(source.neurons, target.neurons)
    ).tocsr()
    matrix.sort_indices()
    return {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}


def _dense_ends(part: Dense):
    """(weights, sources, targets) of all connections."""
    rows, columns = np.indices(part.weight.shape)
    return part.weight.ravel(), rows.ravel(), columns.ravel()


def _ends(part: Convolution, source: Neurons, target: Neurons):
    """(weights, sources, targets) of all connections."""
    (height, width, _), (out_height, out_width, outputs) = source.shape, target.shape
    index = np.arange(source.neurons).reshape(source.shape)
    y, x, o = np.ogrid[:out_height, :out_width, :outputs]
    connections = []
    for a, b, c in np.ndindex(*part.weight.shape[:3]):
        line = y * part.stride[0] - part.padding[0] + a * part.dilation[0]
        column = x * part.stride[1] - part.padding[2] + b * part.dilation[1]
        channel = o // (outputs // part.groups) * part.weight.shape[2] + c
        inside = (line >= 0) & (line < height) & (column >= 0) & (column < width) & (o >= 0)
        ends = np.broadcast_arrays(line, column, channel, part.weight[a, b, c])
        line, column, channel, weight = (end[inside] for end in ends)
        connections.append((weight, index[line, column, channel], np.flatnonzero(inside)))
    return (np.concatenate(values) for values in zip(*connections, strict=True))
