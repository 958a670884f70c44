"""Several runs one after the other: which one it is, and how long all of them still take."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence


class Course:
    """Several runs: which one it is, of how many, and one time left for all that remains.

    `weights`: how much each takes, in any unit. A bar that is opened while the course lasts is that
    of the next run.
    """

    def __init__(self, weights: Sequence[float] = ()):
        self.weights, self.number, self.part = [*weights], 0, 0.0
        self.begin = time.perf_counter()

    def more(self, weights: Sequence[float]) -> None:
        """Some more runs are to come."""
        self.weights += weights

    def begin_run(self) -> None:
        """The next run begins."""
        self.number, self.part = self.number + 1, 0.0
        if self.number > len(self.weights):
            self.weights.append(max(self.weights, default=1.0))

    @property
    def label(self) -> str:
        """Which run it is; nothing of a single one."""
        several = len(self.weights) > 1
        return f"run {self.number} of {len(self.weights)}: " if several else ""

    @property
    def left(self) -> float | None:
        """Seconds that all runs still take, at the pace so far; None before there is one."""
        done = sum(self.weights[: self.number - 1]) + self.weights[self.number - 1] * self.part
        elapsed = time.perf_counter() - self.begin
        return elapsed * (sum(self.weights) - done) / done if done else None


def time_left(seconds: float | None) -> str:
    """A duration in words, such as 1:05 left; nothing where it is not known."""
    if seconds is None:
        return ""
    minutes, seconds = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02} left" if hours else f"{minutes}:{seconds:02} left"
