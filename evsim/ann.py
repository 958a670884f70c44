"""Artificial networks as plain records: what is converted from and compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType

import numpy as np

from evsim.layers import Key, Layer, Shape
from evsim.neurons.input import Input
from evsim.parts import EvsimError, mismatch, nearest

INPUT = "input"  # the name under which layers name the image as their source
BATCH = 32 << 20  # bytes of the largest value of a batch


class Model:
    """Layers by name, from the image named `input` to one layer that no other takes.

    `input`: shape and scaling of the image, as a network's input population has them.
    `shapes`: of every layer's result, and of the image. `notes`: what the reader had to decide.
    Raises EvsimError with the place of what does not fit.
    """

    def __init__(
        self,
        layers: dict[str, Layer],
        input: Input,
        *,
        output: str | None = None,
        description: str = "",
        notes: Iterable[str] = (),
    ):
        self.input, self.description, self.notes = input, description, tuple(notes)
        self.layers = MappingProxyType(_ordered(layers))
        self.shapes: dict[str, Shape] = {INPUT: input.shape}
        for name, layer in self.layers.items():
            try:
                self.shapes[name] = layer.shape(*(self.shapes[s] for s in layer.sources))
            except EvsimError as error:
                raise error.within(f"layers/{name}") from None
        self.output = output or self._last()

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
        seed: int = 0,
        first_sample: int = 0,
        repetition: int = 0,
    ) -> dict[str, np.ndarray]:
        """The results of the layers `wanted` (default: the output) for a batch of scaled images.

        `given`: results of layers to take as they are, for instance from a spiking network; what
        only leads to them is not computed.
        """
        wanted = tuple(wanted) or (self.output,)
        held = {INPUT: values, **(given or {})}
        names = self._needed(wanted, held)
        uses = {name: 0 for name in (*held, *names)}
        for name in names:
            for source in self.layers[name].sources:
                uses[source] += 1
        samples = np.arange(first_sample, first_sample + len(values))
        for name in names:
            layer = self.layers[name]
            key = Key(seed, samples, repetition, sorted(self.layers).index(name))
            held[name] = layer.forward(*(held[s] for s in layer.sources), key=key)
            for source in layer.sources:
                uses[source] -= 1
                if not uses[source] and source not in wanted:
                    del held[source]
        return {name: held[name] for name in wanted}

    def _needed(self, wanted: Iterable[str], held: dict) -> list[str]:
        needed, ahead = set(), list(wanted)
        while ahead:
            name = ahead.pop()
            if name not in needed and name not in held:
                needed.add(name)
                ahead += self.layers[name].sources
        return [name for name in self.layers if name in needed]

    def batches(self, samples: int) -> Iterator[slice]:
        """Slices of samples whose largest value takes some megabytes."""
        largest = 4 * max(int(np.prod(shape)) for shape in self.shapes.values())
        size = max(1, BATCH // largest)
        for first in range(0, samples, size):
            yield slice(first, min(first + size, samples))


def _ordered(layers: dict[str, Layer]) -> dict[str, Layer]:
    """The layers, sources first, otherwise in the order given."""
    sorter = TopologicalSorter()
    for name, layer in layers.items():
        for source in layer.sources:
            if source not in layers and source != INPUT:
                known = f"one of {', '.join((INPUT, *layers))}{nearest(source, layers)}"
                raise mismatch(repr(source), known, f"layers/{name}/sources")
        sorter.add(name, *(s for s in layer.sources if s != INPUT))
    try:
        order = tuple(sorter.static_order())
    except CycleError as error:
        raise EvsimError(f"a cycle, {' -> '.join(error.args[1])}", "layers") from None
    return {name: layers[name] for name in order}
