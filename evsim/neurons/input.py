"""The input population: its events come from the coding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import per_channel
from evsim.counting.facts import INPUT
from evsim.neurons import Neurons


@dataclass(frozen=True, eq=False, kw_only=True)
class Input(Neurons):
    """x = (raw / scale - mean) / std; floats are not divided by scale."""

    role: ClassVar[str] = INPUT
    listens: ClassVar[bool] = False
    STATE: ClassVar[dict[str, str]] = {}
    EXAMPLES: ClassVar[tuple[dict, ...]] = ({},)

    scale: np.ndarray = per_channel(255.0)  # [raw value] divides images of whole numbers
    mean: np.ndarray = per_channel(0.0)  # [scaled value] one, or one a channel
    std: np.ndarray = per_channel(1.0)  # [scaled value] one, or one a channel

    def check(self) -> None:
        if self.scale.ndim:
            raise mismatch(f"shape {self.scale.shape}", "a scalar", "scale")
        for name in ("scale", "std"):
            if (getattr(self, name) <= 0).any():
                raise mismatch(getattr(self, name).min(), "a value above 0", name)
        for name in ("mean", "std"):
            size = getattr(self, name).size
            vector = len(self.shape) == 1
            if self.channels % size if vector else size not in (1, self.channels):
                expected = f"1 value or one per channel of shape {self.shape}"
                raise mismatch(f"{size} values", expected, name)

    def scaled(self, raw: np.ndarray, dtype, channels: int | None = None) -> np.ndarray:
        """One raw image, flattened, scaled in float64 and rounded once to `dtype`.

        An error where that makes a finite value infinite; others are the caller's to refuse.
        `channels` are those of the image, where a vector population takes a flattened one.
        """
        x = raw.reshape(-1).astype(np.float64)
        if raw.dtype.kind in "iub":
            with np.errstate(all="ignore"):
                x = x / np.float64(self.scale)
        for name in ("mean", "std"):
            size = getattr(self, name).size
            if channels and size not in (1, channels):
                raise mismatch(f"{size} values for images of {channels} channels", "one each", name)
        mean, std = (
            np.resize(np.asarray(v, np.float64), x.size) if v.ndim else np.float64(v)
            for v in (self.mean, self.std)
        )
        with np.errstate(all="ignore"):
            x = (x - mean) / std
            found = x.astype(dtype)
        wrong = np.flatnonzero(~np.isfinite(found) & np.isfinite(raw.reshape(-1)))
        if wrong.size:
            what = f"an input of {x[wrong[0]]} after scaling, neuron {wrong[0]}"
            raise mismatch(what, f"finite numbers in {np.dtype(dtype)}")
        return found
