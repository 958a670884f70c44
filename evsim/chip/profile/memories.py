"""Memories: what they hold, how large they are, what an access costs."""

from __future__ import annotations

from dataclasses import dataclass

from evsim.base.errors import EvsimError
from evsim.chip.profile.amounts import Amount
from evsim.chip.profile.charges import Charge
from evsim.chip.profile.records import Sourced, amount, field, number, text, whole, words
from evsim.counting.machine import ACTIONS

HOLDS = ("weight", "index", "bias", "current", "potential", "slope", "state", "event")


@dataclass(frozen=True, kw_only=True)
class Memory(Sourced):
    """A memory and all that it holds.

    `read_pj`, `write_pj`: of one access, which is one word; every access that is counted is taken
    as one, however many elements share a word. `leakage_mw` is not part of the energy of actions.
    """

    name: str = field(text)  # of its own
    holds: tuple[str, ...] = field(words(HOLDS, "content", 1, alone=True))  # what is in it
    size_kib: float | None = field(number("kibibyte"), None)  # [kibibyte]
    word_bits: int | None = field(whole(1), None)  # [bits] of an access
    read_pj: Amount | None = field(amount("picojoule"), None)  # [picojoule] of an access
    write_pj: Amount | None = field(amount("picojoule"), None)  # [picojoule] of an access
    leakage_mw: Amount | None = field(amount("milliwatt"), None)  # [milliwatt] told, not priced

    def __post_init__(self):
        for name in ("read_pj", "write_pj", "leakage_mw"):
            if getattr(self, name) is not None and not (self.source and self.evidence):
                missing = "evidence" if self.source else "source"
                raise EvsimError(f"missing field {missing!r}, of {name}")

    def charges(self) -> dict[str, Charge]:
        """What its reads and writes cost: charges by the key of their price (read_pj, write_pj)."""
        charges = {}
        for key, pj, queue in (("read", self.read_pj, "pop"), ("write", self.write_pj, "push")):
            names = (f"{what}_{queue if what == 'event' else key}" for what in self.holds)
            actions = tuple(name for name in names if name in ACTIONS)
            if pj is not None and actions:
                part_of = ("reset_write",) if "potential_write" in actions else ()
                charges[f"{key}_pj"] = Charge(actions, pj, self.source, self.evidence, part_of)
        return charges


def check_held_once(memories: tuple[Memory, ...]) -> None:
    """Raise EvsimError that names both memories where two hold one thing."""
    by: dict[str, str] = {}
    for i, memory in enumerate(memories):
        place = f"memory[{i}] ({memory.name})"
        for what in memory.holds:
            if what in by:
                raise EvsimError(f"{what!r} is held twice: by {by[what]} and by {place}")
            by[what] = place
