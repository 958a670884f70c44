"""The rectifier, also clipped and quantised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.artificial.layers import Key, Layer, Shape
from evsim.base.errors import EvsimError, mismatch
from evsim.base.fields import choice, per_channel, whole


@dataclass(frozen=True, eq=False, kw_only=True)
class Relu(Layer):
    """y = max(x, 0); with a ceiling min(y, ceiling).

    With n = `levels`, y = floor(y n / ceiling + `rounding`) ceiling / n: rounding 0.5 is to the
    nearest level. With `halves` "even" it is to the nearest level, and to the even one where two
    are as near, as QKeras, Larq and Brevitas round: no `rounding` then; y is divided by the step
    ceiling / n, rounded to float32.
    """

    ceiling: np.ndarray | None = per_channel()  # none: unlimited
    levels: int | None = whole(None, least=1)
    rounding: np.ndarray = per_channel(0.5)
    halves: str = choice("up", "even")

    def check(self) -> None:
        if self.ceiling is not None and (self.ceiling <= 0).any():
            raise mismatch(self.ceiling.min(), "a value above 0", "ceiling")
        if self.levels is not None and self.ceiling is None:
            raise EvsimError("levels without a ceiling, expected both", "levels")
        if self.halves == "even" and (self.levels is None or (self.rounding != 0.5).any()):
            expected = "'up' without levels or with a rounding of its own"
            raise mismatch("'even'", expected, "halves")

    @property
    def step(self) -> np.ndarray:
        """What a level is more than the one below it, float32."""
        return np.float32(np.float64(self.ceiling) / self.levels)

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
        if self.halves == "even":
            step = self.step
            return np.minimum(np.rint(y / step), np.float32(self.levels)) * step
        steps = np.floor(y / ceiling * np.float32(self.levels) + np.float32(self.rounding))
        return np.minimum(steps, self.levels) * (ceiling / np.float32(self.levels))
