"""Artificial networks as plain records: what networks are converted from and compared with."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from math import prod
from types import MappingProxyType

import numpy as np

from evsim.artificial.layers import Key, Layer, Shape
from evsim.base.arrays import address
from evsim.base.errors import EvsimError, mismatch, nearest
from evsim.base.fields import NEURONS
from evsim.base.processors import thread_count
from evsim.neurons.input import Input

INPUT = "input"  # the name under which layers name the image as their source
BATCH = 32 << 20  # bytes of the largest value of a batch


@dataclass(frozen=True)
class Block:
    """Layers that run several times with the same weights (backward residual connections).

    A later turn takes the result of the turn before (`inject` "replace"), or the sum of that and
    what the first turn took ("add_input"); then its first layer is that sum.
    """

    name: str
    source: str
    turns: tuple[tuple[str, ...], ...]  # the layers of each turn, in the same order
    inject: str = "replace"

    def layers(self, number: int) -> tuple[str, ...]:
        """The layers of the turn `number` (from 0 on) that every other turn has, too."""
        joined = number > 0 and self.inject == "add_input"
        return self.turns[number][1 if joined else 0 :]

    def check_ends(self, shapes: dict[str, Shape]) -> None:
        """Raise EvsimError unless the result of the block can be its input."""
        if len(self.turns) == 1:
            return
        ends = shapes[self.source], shapes[self.turns[0][-1]]
        if ends[0] != ends[1]:
            found = f"a block that takes {ends[0]} and gives {ends[1]}"
            expected = "one shape, as its result is what its next turn takes"
            raise mismatch(found, expected, f"layers/{self.name}")

    def check_weights(self, layers: dict[str, Layer]) -> None:
        """Raise EvsimError unless every turn has the very arrays of the first."""
        for number in range(1, len(self.turns)):
            for name, other in zip(self.layers(0), self.layers(number), strict=True):
                if _arrays(layers[name]) != _arrays(layers[other]):
                    found = f"arrays that are not those of {name!r}"
                    raise mismatch(found, "the same in every turn", f"layers/{other}")


class Model:
    """Layers by name, from the image named `input` to one layer that no other takes.

    `input`: shape and scaling of the image, as a network's input population has them.
    `shapes`: of every layer's result, and of the image. `notes`: what the reader had to decide.
    `blocks`: which layers are turns of one block. Raises EvsimError with the place of what does
    not fit.
    """

    def __init__(
        self,
        layers: dict[str, Layer],
        input: Input,
        *,
        output: str | None = None,
        description: str = "",
        notes: Iterable[str] = (),
        blocks: Iterable[Block] = (),
    ):
        self.input, self.description, self.notes = input, description, tuple(notes)
        self.layers = MappingProxyType(_ordered(layers))
        self.shapes: dict[str, Shape] = {INPUT: input.shape}
        for name, layer in self.layers.items():
            try:
                self.shapes[name] = layer.shape(*(self.shapes[s] for s in layer.sources))
            except EvsimError as error:
                raise error.within(f"layers/{name}") from None
            if prod(self.shapes[name]) > NEURONS:
                expected = f"at most {NEURONS} values"
                raise mismatch(f"a result of shape {self.shapes[name]}", expected, f"layers/{name}")
        self.blocks = tuple(blocks)
        for block in self.blocks:
            block.check_ends(self.shapes)
            block.check_weights(self.layers)
        self.output = output or self._last()

    @property
    def parameters(self) -> int:
        """How many numbers the arrays of all layers hold; an array that turns share counts once."""
        every = set().union(*(_arrays(layer) for layer in self.layers.values()))
        return sum(prod(shape) for _, shape, _ in every)

    @property
    def outline(self) -> str:
        """A digest of the layers, their fields and the scaling, but not of the arrays' content."""
        words = [_outlined(self.input), self.output, *map(repr, self.blocks)]
        words += [f"{name} {_outlined(layer)}" for name, layer in self.layers.items()]
        return hashlib.sha256("\n".join(words).encode()).hexdigest()

    def _last(self) -> str:
        used = {source for layer in self.layers.values() for source in layer.sources}
        ends = [name for name in self.layers if name not in used]
        if len(ends) != 1:
            raise mismatch(f"{len(ends)} layers that no other takes", "one", "layers")
        return ends[0]

    def scaled(self, raw: np.ndarray) -> np.ndarray:
        """Raw images (samples, ...) as float32 values of the input's shape."""
        channels = raw.shape[3] if raw.ndim == 4 else 1
        values = [self.input.scaled(image, np.float32, channels) for image in raw]
        return np.stack(values).reshape(len(raw), *self.input.shape)

    def forward(
        self,
        values: np.ndarray,
        wanted: Iterable[str] = (),
        given: dict[str, np.ndarray] | None = None,
        *,
        samples: np.ndarray | None = None,
        seed: int = 0,
        repetition: int = 0,
        jobs: int | None = None,
        check=lambda: None,
    ) -> dict[str, np.ndarray]:
        """The results of the layers `wanted` (default: the output) for a batch of scaled images.

        `given`: results of layers to take as they are, for instance from a spiking network; what
        only leads to them is not computed. `samples`: their indices in the data file, on which
        random numbers depend. A sample's result does not depend on the batch or on `jobs`, the
        threads (default: cores). `check` is called between layers, to raise what ends the work.
        Raises EvsimError where a result is not finite.
        """
        wanted = tuple(wanted) or (self.output,)
        held = {INPUT: values, **(given or {})}
        for name in (*wanted, *held):
            if name not in self.shapes:
                raise mismatch(repr(name), f"a layer{nearest(name, self.shapes)}", "layers")
        for name, value in held.items():
            if value.shape != (len(values), *self.shapes[name]):
                expected = f"({len(values)}, {str(self.shapes[name])[1:]}"
                raise mismatch(f"values of shape {value.shape}", expected, f"layers/{name}")
        samples = np.arange(len(values)) if samples is None else samples
        jobs = max(1, min(thread_count(jobs), len(values)))
        edges = np.linspace(0, len(values), jobs + 1).astype(int)

        def part(k: int) -> dict[str, np.ndarray]:
            rows = slice(edges[k], edges[k + 1])
            mine = {name: value[rows] for name, value in held.items()}
            with np.errstate(over="ignore", invalid="ignore"):  # said below, once
                return self._forward(mine, wanted, Key(seed, samples[rows], repetition, 0), check)

        with ThreadPoolExecutor(jobs) as pool:
            parts = list(pool.map(part, range(jobs)))
        return {name: np.concatenate([results[name] for results in parts]) for name in wanted}

    def _forward(self, held: dict, wanted: tuple[str, ...], key: Key, check) -> dict:
        names, index = self._needed(wanted, held), sorted(self.layers)
        uses = Counter(source for name in names for source in self.layers[name].sources)
        for name in names:
            check()
            layer = self.layers[name]
            values = [held[source] for source in layer.sources]
            held[name] = layer.forward(*values, key=replace(key, layer=index.index(name)))
            _require_finite(held[name], key.samples, f"layers/{name}")
            uses.subtract(layer.sources)
            for source in layer.sources:
                if uses[source] <= 0 and source not in wanted:
                    held.pop(source, None)
        return {name: held[name] for name in wanted}

    def activations(
        self, images, wanted: Iterable[str] = (), *, jobs: int | None = None, done=0, **choices
    ) -> Iterator[tuple[slice, dict[str, np.ndarray]]]:
        """Batch by batch of raw images: which samples, and the results of the layers `wanted`.

        Batches of the first `done` images are left out. `choices` are those of `forward`. Raises
        EvsimError for images of another shape, or where a result is not finite.
        """
        wanted = tuple(wanted) or (self.output,)
        first = choices.pop("first_sample", 0)
        self._check_images(images)
        for batch in self.batches(len(images)):
            if batch.stop <= done:
                continue
            samples = np.arange(first + batch.start, first + batch.stop)
            values = self.scaled(images[batch])
            _require_finite(values, samples, "")
            yield batch, self.forward(values, wanted, samples=samples, jobs=jobs, **choices)

    def _check_images(self, images) -> None:
        shape = tuple(images.shape[1:])
        image = (*shape, 1) if len(shape) == 2 else shape
        vector = len(self.input.shape) == 1
        if (prod(image) != self.input.neurons) if vector else (image != self.input.shape):
            expected = f"shape {self.input.shape}, as the model takes"
            raise mismatch(f"samples of shape {shape}", expected, "images")
        if not len(images):
            raise mismatch("no samples", "at least one", "images")

    def predictions(
        self,
        images,
        *,
        first_sample: int = 0,
        seed: int = 0,
        passes: int = 1,
        jobs: int | None = None,
        finished=lambda samples: None,
    ) -> np.ndarray:
        """The class of every raw image: the largest output, summed over `passes`.

        More than one pass is for networks that draw random numbers. `finished` is called with the
        number of images done.
        """
        classes = prod(self.shapes[self.output])
        totals = np.zeros((len(images) if passes > 1 else 0, classes))
        predicted = np.zeros(len(images), np.int64)
        for repetition in range(passes):
            choices = {"first_sample": first_sample, "seed": seed, "repetition": repetition}
            for batch, results in self.activations(images, jobs=jobs, **choices):
                sums = results[self.output].reshape(-1, classes).astype(np.float64)
                if passes > 1:
                    sums = totals[batch] = totals[batch] + sums
                if repetition == passes - 1:
                    predicted[batch] = sums.argmax(axis=1)
                    finished(batch.stop - batch.start)
        return predicted

    def _needed(self, wanted: Iterable[str], held: dict) -> list[str]:
        needed, ahead = set(), list(wanted)
        while ahead:
            name = ahead.pop()
            if name not in needed and name not in held:
                needed.add(name)
                ahead += self.layers[name].sources
        return [name for name in self.layers if name in needed]

    def batches(self, samples: int) -> Iterator[slice]:
        """Slices of so many samples; the largest result of a layer for one takes some megabytes."""
        largest = 4 * max(prod(shape) for shape in self.shapes.values())
        size = max(1, BATCH // largest)
        for first in range(0, samples, size):
            yield slice(first, min(first + size, samples))


def _outlined(part) -> str:
    """Kind and fields of a layer; of larger arrays the shape."""
    fields = {
        name: [value.shape, value.dtype.str, value.tolist() if value.size < 16 else ""]
        if isinstance(value, np.ndarray)
        else value
        for name, value in vars(part).items()
    }
    return f"{part.kind} {fields!r}"


def _arrays(layer: Layer) -> set[tuple]:
    """The addresses of the arrays of a layer."""
    arrays = (value for value in vars(layer).values() if isinstance(value, np.ndarray))
    return {address(value) for value in arrays if value.ndim}


def _ordered(layers: dict[str, Layer]) -> dict[str, Layer]:
    """The layers, sources first, otherwise in the order given."""
    sorter = TopologicalSorter()
    if INPUT in layers:
        raise mismatch("a layer of the image's name", "another name", f"layers/{INPUT}")
    for name, layer in layers.items():
        for source in layer.sources:
            if source not in layers and source != INPUT:
                known = f"one of {', '.join((INPUT, *layers))}{nearest(source, (INPUT, *layers))}"
                raise mismatch(repr(source), known, f"layers/{name}/sources")
        sorter.add(name, *(s for s in layer.sources if s != INPUT))
    try:
        sorter.prepare()
    except CycleError as error:
        raise EvsimError(f"a cycle, {' -> '.join(error.args[1])}", "layers") from None
    names, ordered = list(layers), {}
    place = {name: i for i, name in enumerate(names)}
    ready = sorted(place[name] for name in sorter.get_ready())  # a heap
    while ready:
        name = names[heappop(ready)]
        ordered[name] = layers[name]
        sorter.done(name)
        for after in sorter.get_ready():
            heappush(ready, place[after])
    return ordered


def _require_finite(value: np.ndarray, samples: np.ndarray, place: str) -> None:
    """Raise an error that names the first sample with a value that is not finite."""
    if not np.isfinite(value).all():
        finite = np.isfinite(value).reshape(len(value), -1).all(axis=1)
        which = f"images, sample {samples[np.flatnonzero(~finite)[0]]}"
        raise mismatch("NaN or infinity", "finite values", f"{place}, {which}".lstrip(", "))
