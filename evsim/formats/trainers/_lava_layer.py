"""One layer of a lava-dl file: its fields, read and checked, and its neurons."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np

from evsim.base.errors import EvsimError, mismatch, shown
from evsim.base.fields import numbers
from evsim.formats import _hdf5 as hdf5
from evsim.formats.trainers._trainer import Options
from evsim.neurons import Neurons, neuron_kinds

LIMIT = 2**31 - 1  # of a whole number in a file
CUBA = ("CUBA", "LOIHI")  # two names of one neuron
DECAY = 4096  # a decay is so many parts of it
STRICT = date(2022, 7, 22)  # lava-dl fires at v > threshold since then, at v >= threshold before


class Layer:
    """The fields of one layer, or of its group `neuron`; `place` is where it lies."""

    def __init__(self, group, place: str, arrays: hdf5.Arrays):
        self.group, self.place, self.arrays = group, place, arrays
        self.names = hdf5.names(group, place)

    def __contains__(self, name: str) -> bool:
        return name in self.names

    @property
    def made(self) -> date | None:
        """The day its weights were written; None where the file does not say it, as most."""
        import h5py

        if "weight" not in self:
            return None
        stamp = h5py.h5g.get_objinfo(self.group["weight"].id).mtime
        return datetime.fromtimestamp(stamp, UTC).date() if stamp else None

    def inside(self, name: str) -> Layer:
        """The group `name` of further fields among these."""
        place = f"{self.place}/{name}"
        return Layer(hdf5.group(self.group, name, place), place, self.arrays)

    def error(self, found, expected, name: str) -> EvsimError:
        """The error of a field that is not what it should be."""
        return mismatch(found, expected, f"{self.place}/{name}")

    def read(self, name: str):
        """The content of the field `name`, which must be there."""
        place = f"{self.place}/{name}"
        if name not in self:
            raise EvsimError(f"missing field, expected one beside {', '.join(self.names)}", place)
        return self.arrays(self.group[name], place)

    def text(self, name: str, default: str | None = None) -> str:
        """A field that is a word."""
        if default is not None and name not in self:
            return default
        value = self.read(name)
        if not isinstance(value, str):
            raise self.error(shown(value), "a word", name)
        return value.strip("\0 ")

    def whole(self, name: str, default: int | None = None, least: int = -LIMIT) -> np.ndarray:
        """A field of whole numbers, int64; lava-dl writes most of them as float32."""
        if default is not None and name not in self:
            return np.array(default)
        values = self.read(name)
        if isinstance(values, str):
            raise self.error(shown(values), "whole numbers", name)
        if values.dtype.kind == "b":
            return values.astype(np.int64)
        try:
            values = numbers(values)
        except EvsimError as error:
            raise error.within(f"{self.place}/{name}") from None
        if not values.size:
            raise self.error("no values", "whole numbers", name)
        outside = (values != np.rint(values)) | (values < least) | (values > LIMIT)
        if outside.any():
            index = np.unravel_index(int(outside.argmax()), values.shape)
            where = f" at index {[int(i) for i in index]}" if values.ndim else ""
            raise self.error(f"{values[index]}{where}", f"whole numbers, {least} to {LIMIT}", name)
        return values.astype(np.int64)

    def number(self, name: str, default: int | None = None, least: int = -LIMIT) -> int:
        """A field that is one whole number."""
        value = self.whole(name, default, least)
        if value.size != 1:
            raise self.error(f"shape {value.shape}", "one number", name)
        return int(value.item())

    def pair(self, name: str, least: int) -> tuple[int, int]:
        """A field with values for rows and columns; one is both, a third, of time, is neutral."""
        values = self.whole(name, least=least).ravel()
        if values.size == 3 and values[2] == least:
            values = values[:2]
        if values.size not in (1, 2):
            raise self.error(shown(values), "one number or two", name)
        return int(values[0]), int(values[-1])

    def shape(self) -> tuple[int, ...]:
        """The shape (channels, height, width) or (n,) as lava-dl has it."""
        sizes = tuple(int(n) for n in np.atleast_1d(self.whole("shape", least=1)).ravel())
        if len(sizes) == 2:  # an image of one channel
            sizes = (1, *sizes)
        if len(sizes) not in (1, 3) or math.prod(sizes) > LIMIT:
            expected = "channels, height, width or the number of neurons"
            raise self.error(shown(np.array(sizes)), expected, "shape")
        return sizes


def channels_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape in evsim's order of axes, from lava's (channels, height, width)."""
    return (*shape[1:], shape[0])


def order(shape: tuple[int, ...]) -> np.ndarray:
    """For each neuron, channels last, its index where channels come first."""
    index = np.arange(math.prod(shape)).reshape(shape)
    return np.moveaxis(index, 0, -1).ravel()


def per_neuron(layer: Layer, name: str, shape: tuple[int, ...], least: int = -LIMIT) -> np.ndarray:
    """A field with one value, one per channel, or one per neuron, as evsim has it."""
    values = layer.whole(name, least=least).ravel()
    if values.size == 1:
        return values[0]
    if values.size == shape[0]:
        return values
    if values.size == math.prod(shape):
        return values[order(shape)]
    allowed = f"1, {shape[0]} or {math.prod(shape)} values"
    raise layer.error(f"{values.size} values", allowed, name)


def neurons_of(
    layer: Layer, shape: tuple[int, ...], options: Options
) -> tuple[Neurons | str, list[str]]:
    """The population of a layer, or why it cannot be had; and notes of what was guessed."""
    fields = _fields(layer, shape)
    if isinstance(fields, str):
        return fields, []
    if layer.text("type") == "input":  # its bias is added to the image, before the current
        fields.pop("bias", None)
    if options.like == "lava":  # as it is today, whatever the age of the file
        options = replace(
            options, compare=options.compare or "gt", bias_start=options.bias_start or 0
        )
    fields["compare"], guesses = _compare(layer, options)
    if options.bias_start is not None:
        fields["bias_start"] = options.bias_start
    elif "bias" in fields:
        guesses.append("biases are added from timestep 1 on, as in lava-dl's tests (`bias_start`)")
    try:
        return neuron_kinds()["cuba"].build(fields), guesses
    except EvsimError as error:
        raise error.within(layer.place) from None


def _compare(layer: Layer, options: Options) -> tuple[str, list[str]]:
    """How its neurons compare, by the option or the age of the file; and a note of a guess.

    LOIHI is the name of an older tool, whose spikes are those of v > threshold.
    """
    made, kind = layer.made, layer.inside("neuron").text("type", "CUBA").upper()
    old = made is not None and made < STRICT and kind != "LOIHI"
    if old and options.compare == "gt":
        options.refuse("compare", f"written on {made}, when lava-dl fired at v >= threshold")
    if options.compare:
        return options.compare, []
    if old:
        return "ge", [f"written on {made}, when lava-dl fired at v >= threshold: so it does here"]
    note = f"neurons fire at v > threshold, as in lava-dl since {STRICT} (`compare=ge`: as before)"
    return "gt", [note]


def _fields(layer: Layer, shape: tuple[int, ...]) -> dict | str:
    """What the file says of the neurons of a layer, or why they cannot be had."""
    if "neuron" not in layer:
        return "a layer without neurons; a layer of CUBA neurons works, or a last dense one without"
    neuron = layer.inside("neuron")
    kind = neuron.text("type", "CUBA").upper()
    if kind not in CUBA:
        return f"neurons of type {kind!r}; CUBA works"
    if neuron.number("gradedSpike", 0) or neuron.number("messageBits", 0):
        return "neurons with graded spikes; spikes of one bit work"
    if neuron.number("refDelay", 1) != 1:
        return f"refDelay = {neuron.number('refDelay')}; 1, no refractory time, works"
    fields = {
        "shape": channels_last(shape),
        "current_decay": per_neuron(neuron, "iDecay", shape, least=0),
        "potential_decay": per_neuron(neuron, "vDecay", shape, least=0),
        "threshold": per_neuron(neuron, "vThMant", shape, least=1),
    }
    for name, file_name in (("current_decay", "iDecay"), ("potential_decay", "vDecay")):
        if (fields[name] > DECAY).any():
            raise neuron.error(fields[name].max(), f"0 to {DECAY}", file_name)
    if "bias" in layer:
        fields["bias"] = per_neuron(layer, "bias", shape)
    return fields
