"""From the layers of an artificial network to nodes: all that is linear becomes sums of rates."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from evsim.artificial.composition import average, pool_map, ungrouped
from evsim.artificial.layers import Layer
from evsim.artificial.maps import Average, Matrix, Shift, Sparse, Taps
from evsim.artificial.model import INPUT, Model
from evsim.base.errors import EvsimError, mismatch
from evsim.conversion._blocks import mark
from evsim.conversion._graph import Graph
from evsim.conversion._sums import Maximum, Part, Sum, Value, is_zeros, pool_before_rectifier

WORKS = "ReLU (also clipped or quantised; `scheme=stochastic` and `scheme=levels` take signs)"


def fold(model: Model, pooling: str = "prepool") -> Graph:
    """The nodes of a model: exact, batch normalisation and linear layers folded into sums.

    `pooling`: prepool folds average pools into the next layer where that is exact, neurons gives
    them neurons. Raises EvsimError naming the layer that cannot be converted.
    """
    graph = Fold(model, pooling).graph
    mark(graph, model)
    return graph


class Fold:
    """Nodes made so far, and the results of layers as sums of their rates."""

    def __init__(self, model: Model, pooling: str):
        self.model, self.pooling = model, pooling
        self.graph, self.pools, self.values = Graph(), {}, {}
        self.graph.add(INPUT, kind="input", shape=model.input.shape)
        shape = model.input.shape
        self.values[INPUT] = Value.whole(shape, Sum.of(INPUT, shape))
        end, entrances = self._end(), {block.source for block in model.blocks}
        for name in self._towards(end):
            if not is_zeros(model.layers[name]):  # those are part of the layer behind them
                self._visit(name)
            if name in entrances and name in self.values:
                self.values[name] = self._with_neurons(self.values[name])
        self._read_out(end)

    def _end(self) -> str:
        """The layer that is read out: the last one, without what changes no decision."""
        name = self.model.output
        while name != INPUT and self.model.layers[name].kind in ("softmax", "relu"):
            layer = self.model.layers[name]
            if layer.kind == "relu":
                self.graph.notes.append(
                    f"the ReLU of the last layer, {name!r}, is left out: the readout has the sums "
                    f"before it, whose largest is the same unless none is above 0"
                )
            name = layer.sources[0]
        return name

    def _towards(self, end: str) -> list[str]:
        """The layers that lead to one, sources first."""
        needed = {end}
        for name in reversed(self.model.layers):
            if name in needed:
                needed.update(self.model.layers[name].sources)
        return [name for name in self.model.layers if name in needed]

    def _visit(self, name: str) -> None:
        layer = self.model.layers[name]
        visit = getattr(self, f"_{layer.kind}", None)
        try:
            if visit is None:
                raise mismatch(f"a layer of kind {layer.kind!r}", f"an activation: {WORKS}")
            self.values[name] = visit(name, layer)
        except EvsimError as error:
            raise error.within(f"layers/{name}") from None

    def _value(self, name: str) -> Value:
        if name not in self.values:  # zeros
            self._visit(name)
        return self.values[name]

    def _source(self, layer: Layer) -> Value:
        return self._value(layer.sources[0])

    def _unpadded(self, layer: Layer) -> Layer:
        """A convolution or pool with the zeros in front of it as its own padding."""
        before = self.model.layers.get(layer.sources[0])
        while before is not None and is_zeros(before):
            padding = tuple(a + b for a, b in zip(layer.padding, before.padding, strict=True))
            layer = replace(layer, padding=padding, sources=before.sources)
            if layer.kind == "pool":
                layer = replace(layer, count_padding=True)
            before = self.model.layers.get(layer.sources[0])
        return layer

    # What is linear

    def _through(self, content: Sum | Maximum, map) -> Sum:
        """A sum behind a linear map; an average that cannot be part of the map gets neurons."""
        if isinstance(content, Maximum):
            raise pool_before_rectifier(content.layer)
        if isinstance(map, Taps | Matrix | Average):
            content = replace(content, terms=tuple(self._ready(*term) for term in content.terms))
        return content.through(map)

    def _ready(self, source: str, map, foldable: bool = True):
        """A term, its average as neurons where it cannot be folded or is not to be."""
        if not isinstance(map, Average) or not self._rectified(source):
            return source, map
        if foldable and map.cells and self.pooling == "prepool":
            return source, map
        key = _place(source, map)
        name, layer = self.pools[key]
        if name is None:
            bare = replace(map, gain=None)
            node = {"kind": "pool", "shape": map.after, "terms": ((source, bare),)}
            name = self.graph.add(layer, layer=self._stands_for(layer, source), **node)
            self.pools[key] = name, layer
        return name, Shift(before=map.after, after=map.after, gain=map.gain)

    def _with_neurons(self, value: Value) -> Value:
        """A result with its averages as neurons: weights of a block are to stay as they are."""
        parts = []
        for part in value.parts:
            content = part.content
            if isinstance(content, Sum):
                terms = tuple(self._ready(*term, foldable=False) for term in content.terms)
                part = replace(part, content=replace(content, terms=terms))
            parts.append(part)
        return replace(value, parts=tuple(parts))

    def _stands_for(self, pool: str, source: str) -> str:
        """The pool whose result a node's rates are, if they are its whole result."""
        before = self._source(self._unpadded(self.model.layers[pool]))
        content = before.parts[0].content
        bare = len(before.parts) == 1 and isinstance(content, Sum) and content.bare
        return pool if bare and content.terms[0][0] == source else ""

    def _rectified(self, source: str) -> bool:
        """Whether a node's rates are never negative: not the image, nor its maxima."""
        node = self.graph.nodes[source]
        while node.kind == "maxpool":
            node = self.graph.nodes[node.source]
        return node.kind != "input"

    def _conv(self, name: str, layer) -> Value:
        layer, shape = self._unpadded(layer), self.model.shapes[name]
        value, weight, groups = self._source(layer), layer.weight, layer.groups
        if len(value.parts) > 1 and groups > 1:
            weight, groups = ungrouped(np.float64(weight), groups), 1
        total = Sum(shape=shape, terms=())
        for part, channels in zip(value.parts, value.channels(), strict=True):
            map = Taps(
                before=part.content.shape,
                after=shape,
                weight=weight if groups > 1 or len(value.parts) == 1 else weight[:, :, channels],
                stride=layer.stride,
                padding=layer.padding,
                dilation=layer.dilation,
                groups=groups,
            )
            total = total.plus(self._through(part.content, map))
        return Value.whole(shape, _biased(total, layer.bias, name))

    def _dense(self, name: str, layer) -> Value:
        shape = self.model.shapes[name]
        total = Sum(shape=shape, terms=())
        for part in self._source(layer).parts:
            weight = layer.weight if part.places is None else layer.weight[part.places]
            map = Matrix(before=part.content.shape, after=shape, weight=weight)
            total = total.plus(self._through(part.content, map))
        return Value.whole(shape, _biased(total, layer.bias, name))

    def _normalize(self, name: str, layer) -> Value:
        value = self._source(layer)
        gain, offset = layer.factor, layer.offset
        parts = []
        for part in value.parts:
            affine = value.of_part(part, np.asarray(gain)), value.of_part(part, np.asarray(offset))
            parts.append(replace(part, content=part.content.scaled(*affine)))
        return replace(value, parts=tuple(parts))

    def _identity(self, name: str, layer) -> Value:
        shape = self.model.shapes[name]
        content = self._source(layer).single()
        map = Shift(
            before=content.shape,
            after=shape,
            stride=layer.stride,
            offset=layer.channel_offset,
        )
        return Value.whole(shape, content.through(map))

    def _pad(self, name: str, layer) -> Value:
        contents, value = [], self._source(layer)
        height, width, _ = self.model.shapes[name]
        for part in value.parts:
            channels = part.content.shape[2]
            map = Taps(
                before=part.content.shape,
                after=(height, width, channels),
                weight=np.ones((1, 1, 1, channels)),
                padding=layer.padding,
                groups=channels,
            )
            content = self._through(part.content, map)
            if layer.value:
                content = content.scaled(np.ones(()), layer.around(map.before))
            contents.append(content)
        return Value.side_by_side(self.model.shapes[name], contents)

    def _crop(self, name: str, layer) -> Value:
        (top, _, left, _), (height, width, _) = layer.margins, self.model.shapes[name]
        rows, columns = slice(top, top + height), slice(left, left + width)
        return self._picked(layer, lambda index: index[rows, columns])

    def _permute(self, name: str, layer) -> Value:
        return self._picked(layer, lambda index: index.transpose(layer.order))

    def _picked(self, layer, pick) -> Value:
        content = self._source(layer).single()
        index = pick(np.arange(prod(content.shape)).reshape(content.shape))
        map = Sparse.picking(content.shape, index)
        return Value.whole(index.shape, self._through(content, map))

    def _flatten(self, name: str, layer) -> Value:
        value, size = self._source(layer), prod(self.model.shapes[name])
        if layer.order == "hwc" or len(value.shape) == 1:
            return replace(value, shape=(size,))
        height, width, channels = value.shape
        index = np.arange(size).reshape(channels, height, width).transpose(1, 2, 0).ravel()
        if (np.diff(index) == 1).all():
            return replace(value, shape=(size,))
        parts = [
            replace(part, places=index if part.places is None else index[part.places])
            for part in value.parts
        ]
        return Value(shape=(size,), parts=tuple(parts))

    # Joins

    def _add(self, name: str, layer) -> Value:
        values = [self._value(source) for source in layer.sources]
        if not all(values[0].same_parts(value) for value in values[1:]):
            shape = self.model.shapes[name]
            values = [Value.whole(shape, value.single()) for value in values]
        parts = []
        for same in zip(*(value.parts for value in values), strict=True):
            total = None
            for part in same:
                if isinstance(part.content, Maximum):
                    raise pool_before_rectifier(part.content.layer)
                content = part.content
                if self.pooling == "neurons":
                    terms = tuple(self._ready(*term) for term in content.terms)
                    content = replace(content, terms=terms)
                total = content if total is None else total.plus(content)
            parts.append(replace(same[0], content=replace(total, label=name)))
        return replace(values[0], parts=tuple(parts))

    def _concatenate(self, name: str, layer) -> Value:
        shape = self.model.shapes[name]
        values = [self._value(source) for source in layer.sources]
        if len(shape) == 3:
            contents = [part.content for value in values for part in value.parts]
            return Value.side_by_side(shape, contents)
        parts, first = [], 0
        for value in values:
            for part in value.parts:
                places = np.arange(prod(value.shape)) if part.places is None else part.places
                parts.append(replace(part, places=places + first))
            first += prod(value.shape)
        return Value(shape=shape, parts=tuple(parts))

    # Neurons

    def _relu(self, name: str, layer) -> Value:
        value = self._source(layer)
        parts = [self._rectify(name, layer, value, part) for part in value.parts]
        return replace(value, parts=tuple(parts))

    def _rectify(self, name: str, layer, value: Value, part: Part) -> Part:
        content = part.content
        if layer.ceiling is None and self._never_negative(content):
            return part
        maximum = isinstance(content, Maximum)
        total = content.sum if maximum else content
        stands = name if part.places is None else ""
        node = self.graph.add(
            total.label or name,
            kind="neurons",
            shape=total.shape,
            terms=total.terms,
            offset=total.offset,
            layer="" if maximum else stands,
            measured=name,
            places=part.places,
            ceiling=value.of_part(part, layer.ceiling),
            levels=layer.levels,
            rounding=value.of_part(part, layer.rounding),
        )
        if maximum:
            terms = ((node, content.pool_map),)
            node = self.graph.add(
                content.layer, kind="maxpool", shape=content.shape, terms=terms, layer=stands
            )
        return replace(part, content=Sum.of(node, content.shape))

    def _never_negative(self, content) -> bool:
        """Whether a rectifier would change nothing: rates, or averages of them."""
        return (
            isinstance(content, Sum)
            and len(content.terms) == 1
            and content.offset is None
            and isinstance(content.terms[0][1], Shift | Average)
            and content.terms[0][1].gain is None
            and self._rectified(content.terms[0][0])
        )

    def _pool(self, name: str, layer) -> Value:
        layer = self._unpadded(layer) if self._zeros_count(layer) else layer
        value, shape = self._source(layer), self.model.shapes[name]
        contents = []
        for part in value.parts:
            before = part.content.shape
            after = (*shape[:2], before[2])
            if layer.operation == "max":
                contents.append(self._maxima(name, part.content, pool_map(layer, before, after)))
                continue
            map = average(layer, before, after)
            content = self._through(part.content, map)
            for source, map_of_term in content.terms:
                if isinstance(map_of_term, Average):
                    self.pools.setdefault(_place(source, map_of_term), (None, name))
            contents.append(content)
        return Value.side_by_side(shape, contents)

    def _zeros_count(self, layer) -> bool:
        """Whether the padding of a pool is zeros like those of a layer in front of it."""
        if layer.operation == "average":
            return layer.count_padding or not any(layer.padding)
        before = self.model.layers.get(layer.sources[0])
        while before is not None and is_zeros(before):
            before = self.model.layers.get(before.sources[0])
        return before is not None and before.kind == "relu"

    def _maxima(self, name: str, content, pool_map: Average) -> Sum | Maximum:
        if isinstance(content, Maximum):
            raise pool_before_rectifier(content.layer)
        terms = tuple(self._ready(*term, foldable=False) for term in content.terms)
        content = replace(content, terms=terms)
        if not content.increasing:
            return Maximum(sum=content, pool_map=pool_map, layer=name)
        source, map = content.terms[0]
        node = self.graph.add(
            name,
            kind="maxpool",
            shape=pool_map.after,
            terms=((source, pool_map),),
            layer=name if content.bare and pool_map.after == self.model.shapes[name] else "",
        )
        gain = replace(map, before=pool_map.after, after=pool_map.after)
        return replace(content, shape=pool_map.after, terms=((node, gain),), label="")

    def _read_out(self, end: str) -> None:
        """The last layer is read from sums that never fire."""
        value = self._value(end)
        try:
            only = value.parts[0] if len(value.parts) == 1 else None
            if only and only.places is None and isinstance(only.content, Sum):
                content = only.content  # a map in its own order needs no flattening
            else:
                content = value.single()
        except EvsimError as error:
            raise error.within(f"layers/{end}") from None
        self.graph.add(
            content.label or end,
            kind="readout",
            shape=content.shape,
            terms=content.terms,
            offset=content.offset,
        )


def _place(source: str, map: Average) -> tuple:
    """What two average pools with the same rates have in common."""
    counts = None if map.counts is None else map.counts.tobytes()
    return source, map.kernel, map.stride, map.padding, counts


def _biased(total: Sum, bias: np.ndarray | None, name: str) -> Sum:
    """A weighted layer's sum with its bias."""
    offset = None if bias is None else np.float64(bias)
    if total.offset is not None:
        offset = total.offset if offset is None else total.offset + offset
    return replace(total, offset=offset, label=name)
