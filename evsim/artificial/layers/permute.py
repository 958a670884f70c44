"""A map with its axes in another order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.artificial.layers import Key, Layer, Shape, require_map
from evsim.base.errors import mismatch
from evsim.base.fields import wholes


@dataclass(frozen=True, eq=False, kw_only=True)
class Permute(Layer):
    """y's axis k is x's axis `order`[k], of height 0, width 1 and channels 2."""

    order: tuple[int, int, int] = wholes(3)

    def check(self) -> None:
        if sorted(self.order) != [0, 1, 2]:
            raise mismatch(self.order, "0, 1 and 2, each once", "order")

    def shape(self, shape: Shape) -> Shape:
        require_map(shape, self.kind)
        return tuple(shape[axis] for axis in self.order)

    def forward(self, x: np.ndarray, key: Key | None = None) -> np.ndarray:
        return np.ascontiguousarray(x.transpose(0, *(axis + 1 for axis in self.order)))
