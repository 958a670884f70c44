"""Queues: how many events wait, and what happens to one too many."""

from __future__ import annotations

from dataclasses import dataclass

from evsim.chip.profile.records import Sourced, choice, field, text, whole

POLICY = ("drop_new", "drop_old", "stall", "error")
SCOPE = ("input", "layer", "core", "chip")


@dataclass(frozen=True, kw_only=True)
class Queue(Sourced):
    """A queue of at most `depth` events, or one of several alike.

    `policy` when it is full: the new event or the oldest is lost, the sender waits, or the run is
    in error; `input_policy`: of the events of the input population, where it is another. `scope`:
    one for what comes from outside, for each population, for each core, or for the whole chip.
    `event_bits`: of one entry.
    """

    name: str = field(text)  # of its own
    depth: int = field(whole(1))  # [events]
    policy: str = field(choice(*POLICY))  # when it is full
    input_policy: str | None = field(choice(*POLICY), None)  # for the input, where another
    scope: str = field(choice(*SCOPE))  # what shares one queue
    event_bits: int | None = field(whole(1), None)  # [bits] of an entry

    @property
    def policies(self) -> tuple[str, ...]:
        """The policy for events of the input, then that for all others where it takes some."""
        of_input = self.input_policy or self.policy
        return (of_input,) if self.scope == "input" else (of_input, self.policy)
