"""Linear maps between the neurons of two layers, in the forms that sets of synapses have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from evsim.artificial.layers import Shape
from evsim.base.errors import EvsimError

MOST = 1 << 24  # synapses of a map that has no other form than a list of them


@dataclass(frozen=True, eq=False, kw_only=True)
class Linear:
    """y = a linear map of x; arrays are float64 unless they are a layer's own, untouched.

    `before`, `after`: the shapes of x and y, channels last.
    """

    before: Shape
    after: Shape

    @property
    def weighted(self) -> bool:
        """Whether the factors of its synapses are weights of layers, not gains of channels."""
        return isinstance(self, Taps | Matrix | Sparse)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """y (samples, *after) of x (samples, *before), in float64."""
        raise NotImplementedError

    def matrix(self):
        """The map as a sparse matrix of SciPy, (inputs, outputs), neurons in C order."""
        raise NotImplementedError

    def scaled(self, gain: np.ndarray) -> Linear:
        """This map, then a `gain`: a scalar, one per channel of y, or of the shape of y."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False, kw_only=True)
class Shift(Linear):
    """y[a, b, c + offset] = gain x[a stride_y, b stride_x, c]; a vector may have a gain only."""

    gain: np.ndarray | None = None  # a scalar, (channels of x,) or the shape of x
    stride: tuple[int, int] = (1, 1)
    offset: int = 0

    @property
    def plain(self) -> bool:
        """Whether every neuron of y is the same neuron of x, times a gain of its channel."""
        return self.before == self.after and not self.per_neuron

    @property
    def per_neuron(self) -> bool:
        """Whether the gain differs between the positions of a channel."""
        return self.gain is not None and self.gain.ndim > 1

    def apply(self, x):
        x = x if self.gain is None else x * self.gain
        if self.before == self.after:
            return x
        y = np.zeros((len(x), *self.after))
        end = self.offset + self.before[-1]
        y[..., self.offset : end] = x[:, :: self.stride[0], :: self.stride[1]]
        return y

    def matrix(self):
        from scipy.sparse import csr_array

        index = np.arange(1, prod(self.before) + 1).reshape(1, *self.before)
        index = replace(self, gain=None).apply(np.float64(index)).ravel().astype(np.int64)
        targets = np.flatnonzero(index)
        sources = index[targets] - 1
        gain = np.broadcast_to(1.0 if self.gain is None else self.gain, self.before).ravel()
        shape = (prod(self.before), prod(self.after))
        return csr_array((gain[sources], (sources, targets)), shape)

    def scaled(self, gain):
        if gain.ndim == 1 and self.before != self.after:
            gain = gain[self.offset : self.offset + self.before[-1]]
        elif gain.ndim > 1 and self.before != self.after:
            return Sparse.of(self).scaled(gain)
        return replace(self, gain=gain if self.gain is None else self.gain * gain)


@dataclass(frozen=True, eq=False, kw_only=True)
class Average(Linear):
    """y = gain times the average of x where the kernel lies; beyond the border x counts as 0."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    gain: np.ndarray | None = None  # a scalar or (channels,)
    counts: np.ndarray | None = None  # (out_h, out_w): what the sums are divided by, if it differs

    @property
    def cells(self) -> bool:
        """Whether the kernel's places are cells side by side, as `prepool` of a set needs them."""
        return self.kernel == self.stride and not any(self.padding) and self.counts is None

    def sums(self, weight: float = 1.0) -> Taps:
        """Sums, times `weight`, instead of averages: a convolution of each channel by itself."""
        every = np.full((*self.kernel, 1, self.after[-1]), weight)
        return Taps(
            before=self.before,
            after=self.after,
            weight=every if self.gain is None else every * self.gain,
            stride=self.stride,
            padding=self.padding,
            groups=self.after[-1],
        )

    def taps(self) -> Taps | None:
        """The map in the form of a convolution; None where its divisor differs between places."""
        return self.sums(1 / prod(self.kernel)) if self.counts is None else None

    def apply(self, x):
        if self.counts is None:
            return self.taps().apply(x)
        return self.sums().apply(x) / self.counts[:, :, None]

    def matrix(self):
        if self.counts is None:
            return self.taps().matrix()
        shares = np.repeat(1 / self.counts[:, :, None], self.after[2], axis=2)
        return Sparse.of(self.sums()).scaled(shares).entries

    def scaled(self, gain):
        if gain.ndim > 1:
            return Sparse.of(self).scaled(gain)
        return replace(self, gain=gain if self.gain is None else self.gain * gain)


@dataclass(frozen=True, eq=False, kw_only=True)
class Taps(Linear):
    """A convolution of x, or of the sums of its cells of `prepool`."""

    weight: np.ndarray  # (kernel_h, kernel_w, in / groups, out)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    prepool: tuple[int, int] = (1, 1)

    @property
    def depthwise(self) -> bool:
        """Whether every channel reaches only itself."""
        return self.groups == self.weight.shape[3] and self.weight.shape[2] == 1

    def _seen(self, x: np.ndarray):
        """For every tap (i, j) what it sees: (samples, out_h, out_w, in)."""
        n, (cell_y, cell_x) = len(x), self.prepool
        rows, columns = x.shape[1] // cell_y, x.shape[2] // cell_x
        cells = x[:, : rows * cell_y, : columns * cell_x]
        cells = cells.reshape(n, rows, cell_y, columns, cell_x, -1).sum(axis=(2, 4))
        cells = np.pad(cells, ((0, 0), self.padding[:2], self.padding[2:], (0, 0)))
        (stride_y, stride_x), (out_h, out_w) = self.stride, self.after[:2]
        for i in range(self.weight.shape[0]):
            for j in range(self.weight.shape[1]):
                y, x = i * self.dilation[0], j * self.dilation[1]
                last_y, last_x = y + stride_y * (out_h - 1) + 1, x + stride_x * (out_w - 1) + 1
                yield i, j, cells[:, y:last_y:stride_y, x:last_x:stride_x]

    def apply(self, x):
        shape = (len(x), *self.after[:2], self.groups, -1)
        y = np.zeros((len(x), *self.after)).reshape(shape)
        for i, j, seen in self._seen(np.float64(x)):
            weight = np.float64(self.weight[i, j]).reshape(self.weight.shape[2], self.groups, -1)
            y += np.einsum("nyxgi,igo->nyxgo", seen.reshape(shape), weight, optimize=True)
        return y.reshape(len(x), *self.after)

    def matrix(self):
        from scipy.sparse import coo_array

        full = replace(self, weight=np.float64(self.weight))
        check_size(full.weight.size * prod(self.after[:2]) * prod(self.prepool))
        index = np.arange(1, prod(self.before) + 1).reshape(self.before)
        targets = np.arange(prod(self.after)).reshape(self.after)
        (cell_y, cell_x), entries = self.prepool, []
        for inner_y in range(cell_y):
            for inner_x in range(cell_x):
                rows, columns = self.before[0] // cell_y, self.before[1] // cell_x
                plane = index[inner_y::cell_y, inner_x::cell_x][:rows, :columns]
                seen = replace(self, prepool=(1, 1))._seen(plane[None])
                entries += [self._entries(i, j, at[0], targets) for i, j, at in seen]
        data, sources, reached = (np.concatenate(column) for column in zip(*entries, strict=True))
        shape = (prod(self.before), prod(self.after))
        return coo_array((data, (sources, reached)), shape).tocsr()

    def _entries(self, i: int, j: int, seen: np.ndarray, targets: np.ndarray):
        """(weights, sources, targets) of a tap; `seen` are indices of sources from 1 on."""
        per_group, out = self.weight.shape[2:]
        group = np.arange(out) // (out // self.groups)
        channel = group * per_group + np.arange(per_group)[:, None]  # (per group, out)
        sources = seen[:, :, channel]
        data = np.broadcast_to(np.float64(self.weight[i, j]), sources.shape)
        reached = np.broadcast_to(targets[:, :, None, :], sources.shape)
        inside = sources > 0
        return data[inside], sources[inside] - 1, reached[inside]

    def scaled(self, gain):
        if gain.ndim > 1:
            return Sparse.of(self).scaled(gain)
        return replace(self, weight=np.float64(self.weight) * gain)


@dataclass(frozen=True, eq=False, kw_only=True)
class Matrix(Linear):
    """y = x @ weight, x flattened in C order; with `prepool` x is the sums of its cells."""

    weight: np.ndarray  # (in, out)
    prepool: tuple[int, int] = (1, 1)

    def apply(self, x):
        if self.prepool != (1, 1):
            cells = (self.before[0] // self.prepool[0], self.before[1] // self.prepool[1])
            ones = np.ones((1, 1, 1, self.before[2]))
            after = (*cells, self.before[2])
            x = Taps(
                before=self.before,
                after=after,
                weight=ones,
                groups=self.before[2],
                prepool=self.prepool,
            ).apply(x)
        return x.reshape(len(x), -1) @ np.float64(self.weight)

    def matrix(self):
        from scipy.sparse import csr_array

        check_size(prod(self.before) * prod(self.after))
        return csr_array(self.apply(np.eye(prod(self.before)).reshape(-1, *self.before)))

    def scaled(self, gain):
        return replace(self, weight=np.float64(self.weight) * np.ravel(gain))


@dataclass(frozen=True, eq=False, kw_only=True)
class Sparse(Linear):
    """Any linear map, as a list of its synapses: a sparse matrix (inputs, outputs)."""

    entries: object  # scipy.sparse.csr_array (in, out)

    @classmethod
    def of(cls, map: Linear) -> Sparse:
        """Any map in this form; EvsimError where it has too many synapses."""
        return cls(before=map.before, after=map.after, entries=map.matrix())

    @classmethod
    def picking(cls, before: Shape, index: np.ndarray) -> Sparse:
        """y = the neurons of x, flattened, that `index`, of the shape of y, names."""
        from scipy.sparse import csr_array

        size = (prod(before), index.size)
        entries = csr_array((np.ones(index.size), (index.ravel(), np.arange(index.size))), size)
        return cls(before=before, after=index.shape, entries=entries)

    def apply(self, x):
        return (x.reshape(len(x), -1) @ self.entries).reshape(len(x), *self.after)

    def matrix(self):
        return self.entries

    def scaled(self, gain):
        gain = np.broadcast_to(gain, self.after).ravel()
        entries = self.entries.copy()
        entries.data = entries.data * gain[entries.indices]
        return replace(self, entries=entries)


def check_size(synapses: int) -> None:
    """Raise EvsimError where a list of so many `synapses` would be too long."""
    if synapses > MOST:
        raise EvsimError(
            f"follows another linear layer with no activation between, and as one layer both would "
            f"be a list of more than {MOST:,} synapses; an activation between them would work"
        )
