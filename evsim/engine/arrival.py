"""What arrives of one set in a block of timesteps."""

from __future__ import annotations

from typing import NamedTuple

from evsim.engine.delivery import Delivery
from evsim.engine.stream import Slice, Stream


class Arrival(NamedTuple):
    """The events of one set that arrive from timestep `begin` to before `end`; equal: none."""

    delivery: Delivery
    stream: Stream
    events: Slice
    begin: int
    end: int

    @property
    def steps(self) -> int:
        """How many timesteps they take."""
        return self.end - self.begin
