"""The nodes of a NIR graph that stand for one set of synapses."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from math import prod

import numpy as np

from evsim.base.errors import EvsimError, mismatch

LARGEST = 1 << 28  # weights of a matrix that stands for a sparse set


def first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """NIR's shape of evsim's: (height, width, channels) is (channels, height, width)."""
    return (shape[2], *shape[:2]) if len(shape) == 3 else shape


def stored(value) -> np.ndarray:
    """Numbers as float32 where that says them exactly, else as float64."""
    value = np.asarray(value, np.float64)
    with np.errstate(over="ignore"):
        narrow = value.astype(np.float32)
    return narrow if (narrow == value).all() else value


def ordered(nodes: Iterable[str], edges: Iterable[tuple[str, str]]) -> list[str]:
    """The names, sources first; as they come where there is a cycle."""
    sorter = TopologicalSorter(dict.fromkeys(nodes, ()))
    for source, target in edges:
        sorter.add(target, source)
    try:
        return list(sorter.static_order())
    except CycleError:
        return list(nodes)


class Chain:
    """The nodes from a population of shape `before` to one of shape `after`, one after the other.

    `dt`: seconds of a timestep.
    """

    def __init__(self, before: tuple[int, ...], after: tuple[int, ...], dt: float):
        self.shape, self.after, self.dt = before, after, dt
        self.nodes: list[dict] = []

    def set(self, part, bias: np.ndarray | None) -> None:
        """Add the nodes of a set; its last one adds the `bias` of the target, if there is one."""
        if part.delay:
            delay = np.full(first(self.shape), part.delay * self.dt)
            self.nodes.append({"type": "Delay", "delay": delay})
        getattr(self, f"_{part.kind}")(part, bias)

    def _dense(self, part, bias) -> None:
        self._prepool(part)
        self._matrix(_scaled(part, part.weight), bias)

    def _sparse(self, part, bias) -> None:
        from scipy.sparse import csr_array

        sources, targets = prod(self.shape), prod(self.after)
        if sources * targets > LARGEST:
            found = f"{sources} x {targets} weights, of which {part.data.size} are not 0"
            raise mismatch(found, f"at most {LARGEST}, as NIR has no sparse node", "data")
        parts = np.float64(part.data), part.indices, part.indptr
        self._matrix(_scaled(part, csr_array(parts, (sources, targets)).toarray()), bias)

    def _matrix(self, weight: np.ndarray, bias) -> None:
        """Flatten and Affine; rows go from position by position to channel by channel."""
        if len(self.after) != 1:
            found = f"a dense set into a population of shape {self.after}"
            raise EvsimError(f"found {found}, which NIR cannot say, expected a vector")
        if len(self.shape) == 3:
            shape = np.array(first(self.shape))
            self.nodes.append(
                {"type": "Flatten", "input_type": shape, "start_dim": 0, "end_dim": -1}
            )
            rows = np.moveaxis(np.arange(prod(self.shape)).reshape(self.shape), -1, 0).ravel()
            weight = weight[rows]
        added = np.zeros(self.after) if bias is None else np.broadcast_to(bias, self.after)
        fields = {"weight": stored(np.ascontiguousarray(weight.T)), "bias": stored(added)}
        self.nodes.append({"type": "Affine", **fields})

    def _prepool(self, part) -> None:
        """What a set with weights shared by cells of positions does first: sums."""
        if part.prepool != (1, 1):
            height, width, channels = self.shape
            cell = np.array(part.prepool)
            self.nodes.append(
                {"type": "SumPool2d", "kernel_size": cell, "stride": cell, "padding": 0 * cell}
            )
            self.shape = (height // part.prepool[0], width // part.prepool[1], channels)

    def _conv(self, part, bias) -> None:
        self._prepool(part)
        weight = np.float64(_scaled(part, part.weight))
        padding = []
        for axis, (before, after) in enumerate((part.padding[:2], part.padding[2:])):
            more, dilation = abs(after - before), part.dilation[axis]
            if more % dilation:
                found = f"{part.padding} with a dilation of {dilation}"
                raise EvsimError(f"found {found}, which NIR cannot say", "padding")
            zeros = [
                (0, 0)
            ] * 4  # as many taps of weight 0 as the padding is wider at the other end
            zeros[axis] = (more // dilation, 0) if after > before else (0, more // dilation)
            weight = np.pad(weight, zeros)
            padding.append(max(before, after))
        self._convolution(weight, bias, part.stride, padding, part.dilation, part.groups)

    def _convolution(self, weight, bias, stride, padding, dilation=(1, 1), groups=1) -> None:
        out = weight.shape[-1]
        if bias is not None and np.size(bias) not in (1, out):
            grid = np.reshape(bias, (-1, out))
            if (grid != grid[0]).any():
                raise EvsimError("found a bias that differs by position, which NIR cannot say")
            bias = grid[0]
        added = np.zeros(out) if bias is None else np.broadcast_to(np.ravel(bias), (out,))
        self.nodes.append(
            {
                "type": "Conv2d",
                "input_shape": np.array(self.shape[:2]),
                "weight": stored(weight.transpose(3, 2, 0, 1)),
                "stride": np.array(stride),
                "padding": np.array(padding),
                "dilation": np.array(dilation),
                "groups": groups,
                "bias": stored(added),
            }
        )

    def _pool(self, part, bias) -> None:
        (top, bottom, left, right), stride = part.padding, part.stride or part.kernel
        if top != bottom or left != right:
            expected = "expected as much at both ends"
            raise EvsimError(f"found {part.padding}, which NIR cannot say, {expected}", "padding")
        self._average(part.kernel, stride, (top, left))

    def _average(self, kernel, stride, padding) -> None:
        fields = {"kernel_size": kernel, "stride": stride, "padding": padding}
        self.nodes.append({"type": "AvgPool2d", **{k: np.array(v) for k, v in fields.items()}})

    def _identity(self, part, bias) -> None:
        moved = part.channel_offset or (len(self.shape) == 3 and self.shape[-1] != self.after[-1])
        weight = None if part.weight is None else np.float64(_scaled(part, part.weight))
        if moved:
            if len(self.shape) == 1:
                raise EvsimError("found neurons moved to others, which NIR cannot say")
            taps = np.zeros((1, 1, self.shape[-1], self.after[-1]))
            channels = np.arange(self.shape[-1])
            taps[0, 0, channels, channels + part.channel_offset] = 1 if weight is None else weight
            self._convolution(taps, None, part.stride, (0, 0))
            return
        if self.shape != self.after and part.stride == (1, 1):
            raise EvsimError("found neurons moved to others, which NIR cannot say")
        if weight is not None:
            whole = np.broadcast_to(weight, self.shape)
            whole = np.moveaxis(whole, -1, 0) if len(self.shape) == 3 else whole
            self.nodes.append({"type": "Scale", "scale": stored(whole)})
        if part.stride != (1, 1):
            self._average((1, 1), part.stride, (0, 0))


def _scaled(part, weight: np.ndarray) -> np.ndarray:
    """The weights as numbers: those of integers times their scale."""
    return np.float64(weight) if part.scale is None else np.float64(weight) * part.scale
