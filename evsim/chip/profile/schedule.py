"""Schedule: when neurons are updated, and in which order."""

from __future__ import annotations

from dataclasses import dataclass

from evsim.chip.profile.records import Sourced, choice, field, words

UPDATE = ("clock", "active", "per_event")
STEPS = ("leak", "integrate", "bias", "compare", "reset")
EVENTS = ("source", "arrival")
COMPARE = ("ge", "gt")


@dataclass(frozen=True, kw_only=True)
class Schedule(Sourced):
    """`update`: all neurons at the end of a timestep, only the active ones, or after each event.

    `order`: of the steps of an update. `events`: those of a timestep ascending by source (the
    canonical order), or as they arrive. `compare`: fire where v >= or > threshold.
    """

    update: str | None = field(choice(*UPDATE), None)  # which neurons are updated, when
    order: tuple[str, ...] | None = field(words(STEPS, "step", 1, alone=True), None)  # of an update
    events: str | None = field(choice(*EVENTS), None)  # their order in a timestep
    compare: str | None = field(choice(*COMPARE), None)  # fires where v >= or > threshold
