"""One-to-one sets: shortcuts, with subsampling and channels moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import array, whole, wholes
from evsim.base.kernel import kernel
from evsim.base.width import BASE
from evsim.synapses import Added, Connections, Weighted, WeightRows, _bounded, row_reads


@dataclass(frozen=True, eq=False, kw_only=True)
class Identity(Weighted):
    """current[y / s, x / s, c + offset] += value * weight[c], where s divides both y and x."""

    weight: np.ndarray | None = array(1, default=None)  # [potential] (source channels,); absent: 1
    stride: tuple[int, int] = wholes(2, (1, 1), least=1)  # [places] rows, columns
    channel_offset: int = whole(0)  # [channels] of the target before the first

    def weights(self) -> np.ndarray | None:
        return self.weight

    def connect(self, source, target) -> Connections:
        if len(source.shape) != len(target.shape):
            expected = f"the rank of its source, shape {source.shape}"
            raise mismatch(f"a target population of shape {target.shape}", expected)
        if len(source.shape) == 1 and self.stride != (1, 1):
            raise mismatch(self.stride, "1, 1 for populations without rows and columns", "stride")
        height, width = source.shape[:2] if len(source.shape) == 3 else (1, 1)
        out_h, out_w = -(-height // self.stride[0]), -(-width // self.stride[1])
        if len(source.shape) == 3 and target.shape[:2] != (out_h, out_w):
            expected = f"shape ({out_h}, {out_w}, channels)"
            raise mismatch(f"a target population of shape {target.shape}", expected)
        if self.channel_offset + source.channels > target.channels:
            expected = f"at most {target.channels - source.channels}, the target's spare channels"
            raise mismatch(self.channel_offset, expected, "channel_offset")
        if self.weight is not None and self.weight.shape != (source.channels,):
            expected = f"shape ({source.channels},)"
            raise mismatch(f"shape {self.weight.shape}", expected, "weight")
        y, x = np.arange(height), np.arange(width)
        reaches = self._kept(height, width)
        place = np.add.outer(y // self.stride[0] * out_w, x // self.stride[1]).ravel()
        place[~reaches] = -1
        offset, weighted = self.channel_offset, self.weight is not None

        def start(weights, width=None):
            weight = weights(
                np.ones(source.channels, np.int8) if self.weight is None else self.weight
            )
            zero = np.asarray(weight == 0)

            def deliver(events, currents, reached, workspace, report=None):
                out = currents
                if width is not None:  # at most one event of a set reaches a neuron at a time
                    currents = workspace.array("one each", out.shape, out.dtype)
                    currents.fill(0)
                values = events.values if events.values is not None else currents[:0, 0, 0]
                additions, zeros = shift(
                    events.channels,
                    values,
                    events.offsets,
                    place,
                    weight,
                    zero,
                    currents,
                    reached,
                    offset,
                )
                if width is not None:
                    some = (a.reshape(-1, target.channels) for a in (currents, reached))
                    whole = out.reshape(-1, target.channels)
                    first = int(report[BASE])
                    _bounded.add_currents(*some, width.bounds, report, first, whole)
                return Added(additions if weighted else 0, additions, zeros)

            return deliver

        fan = np.repeat(reaches.astype(np.int64), source.channels)
        return Connections(start, fan, 1, False, 1 if weighted else 0)

    def _kept(self, height: int, width: int) -> np.ndarray:
        """Whether a position reaches the target."""
        y, x = (np.arange(n) % s == 0 for n, s in zip((height, width), self.stride, strict=True))
        return np.logical_and.outer(y, x).ravel()

    def rows(self, source, target):
        if self.weight is None:
            return None
        kept = self._kept(*(source.shape[:2] if len(source.shape) == 3 else (1, 1)))
        sources = np.arange(source.neurons).reshape(kept.size, -1)[kept]
        reads = row_reads(source, source.channels, sources, sources % source.channels)
        starts = np.arange(source.channels)
        return WeightRows(reads, starts, np.ones_like(starts))

    def nominal(self, source, target) -> tuple[int, int]:
        return -1, 0


@kernel
def shift(channels, values, offsets, place, weight, zero, currents, reached, move):
    """Add value * weight of every event at its place (-1: none); returns (additions, zeros)."""
    additions, zeros, source, end = 0, 0, 0, offsets[0]
    total, marks = currents.reshape(-1), reached.reshape(-1)
    for t in range(currents.shape[0]):
        for p in range(place.shape[0]):
            source, start, end = source + 1, end, offsets[source + 1]
            if start == end or place[p] < 0:
                continue
            first = (t * currents.shape[1] + place[p]) * currents.shape[2] + move
            for k in range(start, end):
                c = channels[k]
                total[first + c] += values[k] * weight[c] if values.shape[0] > 0 else weight[c]
                marks[first + c] = 1
                zeros += zero[c]
            additions += end - start
    return additions, zeros
