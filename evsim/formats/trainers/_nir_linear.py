"""What lies between the neurons of a NIR graph, as linear maps, channels last."""

from __future__ import annotations

from math import prod

import numpy as np

from evsim.artificial.composition import then
from evsim.artificial.maps import Average, Linear, Matrix, Shift, Sparse, Taps
from evsim.base.errors import mismatch
from evsim.formats.trainers._nir_graph import Node, alike, geometry
from evsim.synapses import Synapses, synapse_kinds


def last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """evsim's shape of a NIR shape: (C, H, W) is (H, W, C), (C, L) is (1, L, C), (n,) a vector."""
    if len(shape) == 3:
        return (*shape[1:], shape[0])
    if len(shape) == 2:
        return (1, shape[1], shape[0])
    if len(shape) == 1:
        return shape
    raise mismatch(f"shape {shape}", "one to three axes")


def moved(value: np.ndarray, shape: tuple[int, ...], place: str) -> np.ndarray:
    """A value per neuron with its channels last; a scalar where all are equal."""
    value = np.asarray(value, np.float64)
    while value.ndim > len(shape) and value.shape[0] == 1:  # of a batch of one
        value = value[0]
    if value.shape != shape and value.size == prod(shape) and alike(value.shape, shape):
        value = value.reshape(shape)
    each_channel = value.shape == (shape[0],) and len(shape) > 1
    try:
        value = value if each_channel or value.size == 1 else np.broadcast_to(value, shape)
    except ValueError:
        found = f"shape {value.shape}"
        raise mismatch(found, f"shape {shape}, as the population has", place) from None
    if value.size == 1 or (value == value.flat[0]).all():
        return value.flat[0].reshape(())
    if each_channel:
        return value
    if len(shape) == 1:
        return value
    value = np.moveaxis(value, 0, -1).reshape(last(shape))
    positions = value.reshape(-1, shape[0])
    return positions[0] if (positions == positions[0]).all() else value


def map_of(node: Node) -> Linear:
    """The linear map of a node, without its bias."""
    before, after = last(node.before), last(node.shape)
    if node.type in ("Linear", "Affine"):  # what it takes may have more axes, of one place each
        before = (prod(before),)
    ends = {"before": before, "after": after}
    if node.type in ("Linear", "Affine"):
        return Matrix(**ends, weight=node.array("weight").T)
    if node.type == "Scale":
        return Shift(**ends, gain=moved(node.array("scale"), node.before, f"{node.place}/scale"))
    if node.type == "Flatten":
        return _flattened(node)
    if node.type in ("Conv1d", "Conv2d", "SumPool2d", "AvgPool2d"):
        kernel, stride, padding, dilation, _ = geometry(node, node.before)
        if len(kernel) == 1:
            kernel, stride, dilation = (1, *kernel), (1, *stride), (1, *dilation)
            padding = [(0, 0), *padding]
        flat = tuple(p for axis in padding for p in axis)
        if node.type.endswith("Pool2d"):
            gain = np.float64(prod(kernel)) if node.type == "SumPool2d" else None
            return Average(**ends, kernel=kernel, stride=stride, padding=flat, gain=gain)
        weight = node.array("weight")
        weight = weight.reshape(*weight.shape[:2], *kernel).transpose(2, 3, 1, 0)
        groups = node.wholes("groups", 1, 1, least=1)[0]
        shape = {"stride": tuple(stride), "padding": flat, "dilation": tuple(dilation)}
        return Taps(**ends, weight=weight, groups=groups, **shape)
    return Shift(before=before, after=before)  # Input, Output, Delay


def _flattened(node: Node) -> Linear:
    """Flatten as a permutation: NIR goes channel by channel, evsim position by position."""
    from scipy.sparse import csr_array

    before, after = last(node.before), last(node.shape)
    if before == after:
        return Shift(before=before, after=after)
    index = np.moveaxis(np.arange(prod(node.before)).reshape(node.before), 0, -1).ravel()
    if len(node.shape) > 1:  # some axes are left: where each value lies among them
        place = np.arange(prod(node.shape)).reshape(node.shape)
        where = np.empty(prod(node.shape), np.int64)
        where[np.moveaxis(place, 0, -1).ravel()] = np.arange(prod(node.shape))
        index = where[index]
    size = prod(node.before)
    entries = csr_array((np.ones(size), (np.arange(size), index)), (size, size))
    return Sparse(before=before, after=after, entries=entries)


def chain(maps: list[Linear]) -> Linear:
    """Linear maps, one after the other, as one map; from the end, so that pools fold into it."""
    whole = maps[-1]
    for map in reversed(maps[:-1]):
        whole = then(map, whole)
    return whole


def set_of(map: Linear, source: str, target: str, delay: int) -> Synapses:
    """The set of synapses that a linear map is between two populations."""
    kinds, ends = synapse_kinds(), {"source": source, "target": target, "delay": delay}
    if isinstance(map, Average):
        if map.gain is None and map.counts is None:
            geometry = {"kernel": map.kernel, "stride": map.stride, "padding": map.padding}
            return kinds["pool"](**ends, **geometry)
        map = map.taps() or Sparse.of(map)
    if isinstance(map, Shift) and (map.per_neuron or len(map.before) != len(map.after)):
        map = Sparse.of(map)
    if isinstance(map, Shift):
        weight = None
        if map.gain is not None and (map.gain != 1).any():
            weight = np.float32(np.broadcast_to(map.gain, (map.before[-1],)))
        fields = {"stride": map.stride, "channel_offset": map.offset, "weight": weight}
        return kinds["identity"](**ends, **fields)
    if isinstance(map, Taps):
        fields = {"stride": map.stride, "padding": map.padding, "dilation": map.dilation}
        fields |= {"groups": map.groups, "prepool": map.prepool}
        return kinds["conv"](**ends, **fields, weight=np.float32(map.weight))
    if isinstance(map, Matrix):
        return kinds["dense"](**ends, weight=np.float32(map.weight), prepool=map.prepool)
    entries = map.matrix().tocsr()
    entries.eliminate_zeros()
    entries.sort_indices()
    fields = {"indices": entries.indices, "indptr": entries.indptr}
    return kinds["sparse"](**ends, data=np.float32(entries.data), **fields)
