"""What a source holds: images, or recordings of an event camera, each read when it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


def nothing() -> None:
    """Close nothing: for a source of which no file is held open."""


@dataclass
class Pictures:
    """Images. `rows`: `shape` (samples, height, width, channels), (samples, height, width) or
    (samples, n), `dtype` (uint8 or float), and `rows[a:b]`, the array of some of them.
    """

    rows: Any
    labels: np.ndarray | None
    source: str
    classes: list[str] = field(default_factory=list)
    close: Callable[[], None] = nothing

    @property
    def samples(self) -> int:
        """How many images there are."""
        return self.rows.shape[0]


@dataclass
class Recordings:
    """Recordings of an event camera.

    `read(index)`: the name of one, for errors, and its parts; a part is arrays t (us), x, y, p,
    from `start` on: 0, or None for the time of the first event.
    """

    sensor: tuple[int, int] | None  # height, width; None: an option must say it
    samples: int
    read: Callable[[int], tuple[str, Iterable]]
    labels: np.ndarray | None
    source: str
    classes: list[str] = field(default_factory=list)
    start: int | None = 0
    close: Callable[[], None] = nothing
