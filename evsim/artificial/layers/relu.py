"""The rectifier, also clipped and quantised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.artificial.layers import Key, Layer, Shape
from evsim.base.errors import EvsimError, mismatch
from evsim.base.fields import per_channel, whole


@dataclass(frozen=True, eq=False, kw_only=True)
class Relu(Layer):
    """y = max(x, 0); with a ceiling min(y, ceiling).

    With n = `levels`, y = floor(y n / ceiling + `rounding`) ceiling / n: rounding 0.5 is to the
    nearest level, as quantisation-aware trainers do.
    """

    ceiling: np.ndarray | None = per_channel()  # none: unlimited
    levels: int | None = whole(None, least=1)
    rounding: np.ndarray = per_channel(0.5)

    def check(self) -> None:
        if self.ceiling is not None and (self.ceiling <= 0).any():
            raise mismatch(self.ceiling.min(), "a value above 0", "ceiling")
        if self.levels is not None and self.ceiling is None:
            raise EvsimError("levels without a ceiling, expected both", "levels")

    def shape(self, shape: Shape) -> Shape:
        for name in ("ceiling", "rounding"):
            value = getattr(self, name)
            if value is not None and value.size not in (1, shape[-1]):
                raise mismatch(f"{value.size} values", f"1 or {shape[-1]}", name)
        return shape

    def forward(self, x: np.ndarray, key: Key | None = None) -> np.ndarray:
        y = np.maximum(x, 0)
        if self.ceiling is None:
            return y
        ceiling = np.float32(self.ceiling)
        y = np.minimum(y, ceiling)
        if self.levels is None:
            return y
        steps = np.floor(y / ceiling * np.float32(self.levels) + np.float32(self.rounding))
        return np.minimum(steps, self.levels) * (ceiling / np.float32(self.levels))
