"""What a layer computes, written as sums of linear maps of rates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from evsim.artificial.composition import then
from evsim.artificial.layers import Layer, Shape
from evsim.artificial.maps import Average, Linear, Shift, Sparse, Taps
from evsim.base.errors import EvsimError
from evsim.conversion._graph import Terms


@dataclass(frozen=True, eq=False, kw_only=True)
class Sum:
    """The sum of linear maps of nodes' rates, and an offset."""

    shape: Shape
    terms: Terms
    offset: np.ndarray | None = None  # (channels,) or the shape
    label: str = ""  # the layer whose name neurons with this sum get

    @classmethod
    def of(cls, node: str, shape: Shape) -> Sum:
        """The sum that is the rates of one node."""
        return cls(shape=shape, terms=((node, Shift(before=shape, after=shape)),))

    def through(self, map: Linear) -> Sum:
        """The sum that a linear map makes of this one."""
        terms = tuple((node, then(inner, map)) for node, inner in self.terms)
        return replace(self, shape=map.after, terms=terms, offset=self._offset_through(map))

    def _offset_through(self, map: Linear) -> np.ndarray | None:
        if self.offset is None:
            return None
        full = map.apply(np.broadcast_to(self.offset, self.shape)[None])[0]
        if full.ndim == 1:
            return full
        padded = isinstance(map, Taps | Average) and any(map.padding)
        if self.offset.ndim == 1 and not padded and not isinstance(map, Sparse):
            return full[0, 0]  # the same at every position
        return full[0, 0] if (full == full[0, 0]).all() else full

    def scaled(self, gain: np.ndarray, offset: np.ndarray) -> Sum:
        """This sum times a gain, plus an offset; both (channels,) or of its shape."""
        terms = tuple((node, map.scaled(gain)) for node, map in self.terms)
        scaled = 0.0 if self.offset is None else self.offset * gain
        total = np.asarray(scaled + offset)
        if total.ndim == 0:
            total = np.full(self.shape[-1], total)
        return replace(self, terms=terms, offset=total)

    def plus(self, other: Sum) -> Sum:
        """This sum plus another of the same shape."""
        offsets = [s.offset for s in (self, other) if s.offset is not None]
        offset = sum(offsets) if offsets else None
        return replace(self, terms=self.terms + other.terms, offset=offset)

    @property
    def increasing(self) -> bool:
        """Whether it is one node's rates times factors of at least 0, plus offsets of channels."""
        if len(self.terms) != 1 or (self.offset is not None and self.offset.ndim > 1):
            return False
        map = self.terms[0][1]
        return isinstance(map, Shift) and map.plain and (map.gain is None or (map.gain >= 0).all())

    @property
    def bare(self) -> bool:
        """Whether it is nothing but the rates of one node."""
        return self.increasing and self.offset is None and self.terms[0][1].gain is None


@dataclass(frozen=True, eq=False, kw_only=True)
class Maximum:
    """The maximum of a sum at each place of a pool: no node has it until a rectifier follows."""

    sum: Sum
    pool_map: Average
    layer: str  # the max pool

    @property
    def shape(self) -> Shape:
        """The shape of the pool's result."""
        return self.pool_map.after

    def scaled(self, gain: np.ndarray, offset: np.ndarray) -> Maximum:
        """This maximum times a gain of at least 0, plus an offset: those of its sum."""
        if gain.ndim > 1 or offset.ndim > 1:
            raise pool_before_rectifier(self.layer)
        if (gain < 0).any():
            channel = int(np.flatnonzero(np.broadcast_to(gain, self.shape[-1:]) < 0)[0])
            raise EvsimError(
                f"found a factor of {np.ravel(gain)[channel if gain.ndim else 0]:.4g} for channel "
                f"{channel} between the max pool {self.layer!r} and its ReLU, expected at least 0 "
                f"(a ReLU before the max pool would work)"
            )
        return replace(self, sum=self.sum.scaled(gain, offset))


def pool_before_rectifier(layer: str) -> EvsimError:
    """The error of a maximum of sums that no rectifier follows."""
    return EvsimError(
        f"takes the result of max pool {layer!r} over values without a ReLU, expected a ReLU "
        f"before or right behind that pool"
    )


def is_zeros(layer: Layer) -> bool:
    """Whether a layer is zeros around its source, which the layer behind it may pad by itself."""
    return layer.kind == "pad" and not layer.value


@dataclass(frozen=True, eq=False, kw_only=True)
class Part:
    """Some neurons of a layer's result, as one sum or maximum."""

    content: Sum | Maximum
    places: np.ndarray | None = None  # where each lies in the flattened result; None: it is all


@dataclass(frozen=True, eq=False, kw_only=True)
class Value:
    """The result of a layer: parts that together are all of it.

    Those of a map lie side by side along the channels, in their order.
    """

    shape: Shape
    parts: tuple[Part, ...]

    @classmethod
    def whole(cls, shape: Shape, content: Sum | Maximum) -> Value:
        """A result that is one part."""
        return cls(shape=shape, parts=(Part(content=content),))

    @classmethod
    def side_by_side(cls, shape: Shape, contents: list) -> Value:
        """A map whose parts lie side by side along the channels."""
        if len(contents) == 1:
            return cls.whole(shape, contents[0])
        index, parts, first = np.arange(prod(shape)).reshape(shape), [], 0
        for content in contents:
            last = first + content.shape[-1]
            parts.append(Part(content=content, places=index[..., first:last].ravel()))
            first = last
        return cls(shape=shape, parts=tuple(parts))

    def channels(self) -> list[slice]:
        """The slice of channels that each part of a map has."""
        ends = np.cumsum([part.content.shape[-1] for part in self.parts]).tolist()
        return [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]

    def of_part(self, part: Part, field: np.ndarray | None) -> np.ndarray | None:
        """A part's values of a layer's field: a scalar, or one per channel of the whole result."""
        if field is None or field.ndim == 0:
            return field
        shape = part.content.shape
        if part.places is None and shape == self.shape:
            return field
        every = np.broadcast_to(field, self.shape).ravel()
        full = (every if part.places is None else every[part.places]).reshape(shape)
        if full.ndim == 1:
            return full
        return full[0, 0].copy() if (full == full[0, 0]).all() else full

    def same_parts(self, other: Value) -> bool:
        """Whether two results are cut into the same parts."""
        pairs = list(zip(self.parts, other.parts, strict=False))
        return len(self.parts) == len(other.parts) and all(
            a.content.shape == b.content.shape
            and (a.places is b.places is None or np.array_equal(a.places, b.places))
            for a, b in pairs
        )

    def single(self) -> Sum:
        """The result as one sum of its shape, whatever its parts are."""
        total = None
        slices = self.channels() if len(self.shape) == 3 else [None] * len(self.parts)
        for part, channels in zip(self.parts, slices, strict=True):
            content = part.content
            if isinstance(content, Maximum):
                raise pool_before_rectifier(content.layer)
            if content.shape != self.shape or part.places is not None:
                content = content.through(self._placed(part, channels))
            total = content if total is None else total.plus(content)
        return total

    def _placed(self, part: Part, channels: slice | None) -> Linear:
        """The map that puts a part at its place."""
        before = part.content.shape
        if channels is not None:
            return Shift(before=before, after=self.shape, offset=channels.start)
        from scipy.sparse import csr_array

        n, size = prod(before), prod(self.shape)
        places = np.arange(n) if part.places is None else part.places
        entries = csr_array((np.ones(n), (np.arange(n), places)), (n, size))
        return Sparse(before=before, after=self.shape, entries=entries)
