"""Time: how long a chip takes for what."""

from __future__ import annotations

from dataclasses import dataclass, fields

from evsim.base.errors import EvsimError, mismatch
from evsim.chip.profile.amounts import Amount
from evsim.chip.profile.records import Record, Sourced, amount, field, number, table, whole

LONG = amount("the unit of its table")


@dataclass(frozen=True, kw_only=True)
class Steps(Record):
    """How long each step takes; a range (low, high) where that is all that is known."""

    pop: Amount | None = field(LONG, None)  # [the table] an event is taken from a queue
    event: Amount | None = field(LONG, None)  # [the table] and handled, whatever its fan-out
    synapse: Amount | None = field(LONG, None)  # [the table] `lanes` synapses of an event
    update: Amount | None = field(LONG, None)  # [the table] of a neuron, of an active one
    idle_update: Amount | None = field(LONG, None)  # [the table] of an idle neuron
    push: Amount | None = field(LONG, None)  # [the table] an event is put into a queue
    barrier: Amount | None = field(LONG, None)  # [the table] the end of a timestep


@dataclass(frozen=True, kw_only=True)
class Time(Sourced):
    """`[time.cycles]` and `[time.ns]` say how long a step takes, each in one of them.

    `lanes`: synapses handled at once; `timestep_ms`: the length of a timestep in real time, where
    it is fixed. Without `clock_hz` cycles are no seconds.
    """

    clock_hz: float | None = field(number("hertz"), None)  # [hertz] of the cycles
    lanes: int | None = field(whole(1), None)  # [synapses] handled at once
    timestep_ms: float | None = field(number("milliseconds"), None)  # [milliseconds] if fixed
    cycles: Steps = field(table(Steps), Steps())  # [cycles] of each step
    ns: Steps = field(table(Steps), Steps())  # [nanoseconds] of each step

    @classmethod
    def read(cls, content) -> Time:
        """Read and check the table; a step outside [time.cycles] and [time.ns] has no unit."""
        for key in content if isinstance(content, dict) else ():
            if key in {one.name for one in fields(Steps)}:
                raise mismatch(f"{key!r} without a unit", "it in [time.cycles] or in [time.ns]")
        return super().read(content)

    def __post_init__(self):
        for name, value in vars(self.cycles).items():
            if value is not None and getattr(self.ns, name) is not None:
                raise EvsimError(f"{name!r} is given twice: by cycles and by ns")
        if self.clock_hz == 0:
            raise mismatch("0", "more than 0 hertz", "clock_hz")
