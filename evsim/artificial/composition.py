"""Two linear maps, one after the other, as one map."""

from __future__ import annotations

from dataclasses import replace
from math import gcd, prod

import numpy as np

from evsim.artificial.layers import Shape
from evsim.artificial.layers.pool import Pool
from evsim.artificial.maps import Average, Linear, Matrix, Shift, Sparse, Taps, check_size
from evsim.base.geometry import output_size

WAYS = 8  # through the middle, for each synapse of two layers as one: so many are still tried


def then(first: Linear, second: Linear) -> Linear:
    """`first`, then `second`, as one map: exact, in the form with the fewest synapses.

    Raises EvsimError where it has no form but a list of too many synapses.
    """
    if isinstance(first, Shift) and first.plain and first.gain is None:
        return second
    if isinstance(second, Shift) and second.before == second.after:
        return first if second.gain is None else first.scaled(second.gain)
    if isinstance(second, Matrix):
        return _then_matrix(first, second)
    if isinstance(first, Shift) and first.plain and isinstance(second, Average):
        return second.scaled(first.gain)
    if isinstance(first, Shift) and isinstance(second, Shift) and not first.per_neuron:
        return _shifted_twice(first, second)
    if isinstance(first, Average) and isinstance(second, Average) and first.cells and second.cells:
        kernel = tuple(a * b for a, b in zip(first.kernel, second.kernel, strict=True))
        merged = replace(first, after=second.after, kernel=kernel, stride=kernel)
        return merged if second.gain is None else merged.scaled(second.gain)
    if isinstance(first, Shift) and first.plain and isinstance(second, Taps):
        return _scaled_inputs(second, first.gain)
    if isinstance(first, Average) and first.cells and isinstance(second, Taps):
        gain = np.float64(1.0 if first.gain is None else first.gain) / prod(first.kernel)
        return replace(_scaled_inputs(second, gain), before=first.before, prepool=first.kernel)
    taps = as_taps(first), as_taps(second)
    if taps[0] is not None and taps[1] is not None:
        together = _convolved(*taps)
        if together is not None:
            return together
    inner, outer = first.matrix(), second.matrix()
    ways = np.bincount(inner.indices, minlength=inner.shape[1]) @ np.diff(outer.indptr)
    check_size(int(ways) // WAYS)
    entries = (inner @ outer).tocsr()
    check_size(entries.nnz)
    return Sparse(before=first.before, after=second.after, entries=entries)


def as_taps(map: Linear) -> Taps | None:
    """A map in the form of a convolution; None where it is none."""
    if isinstance(map, Average):
        return map.taps()
    if isinstance(map, Shift) and len(map.before) == 3 and not map.per_neuron:
        if map.before[2] == map.after[2]:
            weight = np.ones((1, 1, 1, map.after[2]))
            groups = map.after[2]
        else:
            weight = np.eye(map.before[2], map.after[2], map.offset)[None, None]
            groups = 1
        if map.gain is not None:
            weight = weight * (map.gain if groups > 1 or map.gain.ndim == 0 else map.gain[:, None])
        return Taps(
            before=map.before, after=map.after, weight=weight, stride=map.stride, groups=groups
        )
    return map if isinstance(map, Taps) else None


def _then_matrix(first: Linear, second: Matrix) -> Matrix:
    """A matrix takes any map before it into its rows."""
    weight = np.float64(second.weight)
    if isinstance(first, Shift) and first.before == first.after:
        gain = np.broadcast_to(first.gain, first.before).ravel()
        return replace(second, weight=weight * gain[:, None])
    if isinstance(first, Average) and first.cells:
        gain = 1.0 if first.gain is None else first.gain
        gain = np.broadcast_to(gain, first.after).ravel() / prod(first.kernel)
        weight = weight * gain[:, None]
        return Matrix(before=first.before, after=second.after, weight=weight, prepool=first.kernel)
    if isinstance(first, Matrix):
        weight = np.float64(first.weight) @ weight
        return replace(first, after=second.after, weight=weight)
    return Matrix(before=first.before, after=second.after, weight=first.matrix() @ weight)


def _shifted_twice(first: Shift, second: Shift) -> Shift:
    gain = first.gain
    if second.gain is not None:
        second_gain = second.gain
        if second_gain.ndim:
            second_gain = second_gain[first.offset : first.offset + first.before[-1]]
        gain = second_gain if gain is None else gain * second_gain
    return Shift(
        before=first.before,
        after=second.after,
        gain=gain,
        stride=(first.stride[0] * second.stride[0], first.stride[1] * second.stride[1]),
        offset=first.offset + second.offset,
    )


def _scaled_inputs(map: Taps, gain: np.ndarray) -> Taps:
    """The convolution of x times a gain per channel."""
    weight = np.float64(map.weight)
    if gain.ndim == 0:
        return replace(map, weight=weight * gain)
    groups = gain.reshape(map.groups, -1)  # (groups, in / groups)
    gains = np.repeat(groups, weight.shape[3] // map.groups, axis=0).T  # (in / groups, out)
    return replace(map, weight=weight * gains)


def _convolved(first: Taps, second: Taps) -> Taps | None:
    """Two convolutions as one; None where the zeros around the first one's result forbid it."""
    kernels = first.weight.shape[:2], second.weight.shape[:2]
    if second.prepool != (1, 1):
        return None
    if any(kernels[0][axis] > 1 and any(second.padding[2 * axis :][:2]) for axis in (0, 1)):
        return None
    places, dilation, padding = [], [], []
    for axis in (0, 1):
        strides = first.stride[axis] * second.stride[axis]
        inner = np.arange(kernels[0][axis]) * first.dilation[axis]
        outer = np.arange(kernels[1][axis]) * second.dilation[axis] * first.stride[axis]
        at = np.add.outer(inner, outer)
        step = gcd(*map(int, at.ravel())) or 1
        lead = first.padding[2 * axis] + second.padding[2 * axis] * first.stride[axis]
        length = first.before[axis] // first.prepool[axis]
        reach = int(at.max()) + 1 + (second.after[axis] - 1) * strides
        places.append(at // step)
        dilation.append(step)
        padding += [lead, max(0, reach - length - lead)]
    a, b = np.float64(first.weight), np.float64(second.weight)
    groups = first.groups if second.depthwise else 1
    if not second.depthwise:
        a, b = ungrouped(a, first.groups), ungrouped(b, second.groups)
    size = [int(at.max()) + 1 for at in places]
    weight = np.zeros((*size, a.shape[2], b.shape[3]))
    for i, j in np.ndindex(kernels[0]):
        for k, m in np.ndindex(kernels[1]):
            product = a[i, j] * b[k, m] if second.depthwise else a[i, j] @ b[k, m]
            weight[places[0][i, k], places[1][j, m]] += product
    joined = Taps(
        before=first.before,
        after=second.after,
        weight=weight,
        stride=tuple(a * b for a, b in zip(first.stride, second.stride, strict=True)),
        padding=tuple(padding),
        dilation=tuple(dilation),
        groups=groups,
        prepool=first.prepool,
    )
    sizes = [
        output_size(
            joined.before[axis] // joined.prepool[axis],
            size[axis],
            joined.stride[axis],
            *padding[2 * axis :][:2],
            dilation[axis],
        )
        for axis in (0, 1)
    ]
    return joined if tuple(sizes) == second.after[:2] else None


def ungrouped(weight: np.ndarray, groups: int) -> np.ndarray:
    """A grouped convolution's weights without groups: (kernel_h, kernel_w, in, out).

    `weight` is (kernel_h, kernel_w, in / groups, out); between the groups are zeros.
    """
    if groups == 1:
        return weight
    kernel_h, kernel_w, per_group, out = weight.shape
    full = np.zeros((kernel_h, kernel_w, per_group * groups, out))
    outputs = out // groups
    for g in range(groups):
        group = slice(g * outputs, (g + 1) * outputs)
        full[:, :, g * per_group : (g + 1) * per_group, group] = weight[..., group]
    return full


def average(layer: Pool, before: Shape, after: Shape) -> Average:
    """The map of an average pool from a map of shape `before` to one of shape `after`."""
    map = pool_map(layer, before, after)
    if not layer.ceil and (layer.count_padding or not any(layer.padding)):
        return map
    counts = [_counted(layer, before[axis], after[axis], axis) for axis in (0, 1)]
    return replace(map, counts=np.multiply.outer(*counts))


def pool_map(layer: Pool, before: Shape, after: Shape) -> Average:
    """The places that a pool's kernel has, as an average over each, padded so that all fit.

    With `ceil` the last one reaches past the map. `before`, `after`: the shapes of both maps.
    """
    padding = []
    for axis in (0, 1):
        lead, trail = layer.padding[2 * axis : 2 * axis + 2]
        if layer.ceil:
            reach = (after[axis] - 1) * layer.stride[axis] + layer.kernel[axis]
            trail = max(0, reach - before[axis] - lead)
        padding += [lead, trail]
    return Average(
        before=before,
        after=after,
        kernel=layer.kernel,
        stride=layer.stride,
        padding=tuple(padding),
    )


def _counted(layer: Pool, length: int, out: int, axis: int) -> np.ndarray:
    """How many places of an axis each window of an average pool counts."""
    lead, trail = layer.padding[2 * axis : 2 * axis + 2]
    start = np.arange(out) * layer.stride[axis] - lead
    end = start + layer.kernel[axis]
    if layer.count_padding:
        return np.minimum(end, length + trail) - start
    return np.maximum(np.minimum(end, length) - np.maximum(start, 0), 1)
