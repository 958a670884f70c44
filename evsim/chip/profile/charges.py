"""Charges: what an action costs, and what is paid with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evsim.base.errors import EvsimError
from evsim.chip.profile.amounts import Amount
from evsim.chip.profile.records import EVIDENCE, Record, amount, choice, field, text, words
from evsim.counting.machine import ACTIONS, UPDATES

CHARGED = ACTIONS | UPDATES  # what may have a price
SCOPES = ("part", "all_in")
OF_SETS = ("event_pop", "synaptic_add", "synaptic_mac", "weight_read", "index_read")
ANYWHERE = tuple(
    f"{where}_{what}" for where in ("current", "potential", "slope") for what in ("read", "write")
)


@dataclass(frozen=True)
class Charge(Record):
    """What each of some actions costs; `includes`: further actions that are paid with it.

    `scope` "part": paid with it in the parts that do the action; "all_in": in the whole network,
    and nothing else on this chip has a price.
    """

    action: tuple[str, ...] = field(words(CHARGED, "action", 1))  # what it pays
    pj: Amount = field(amount("picojoule"))  # [picojoule] of each action; or a range [low, high]
    source: str = field(text)  # where the number stands
    evidence: str = field(choice(*EVIDENCE))  # how well it is known
    includes: tuple[str, ...] = field(words(CHARGED, "action"), ())  # paid with it
    scope: str = field(choice(*SCOPES), "part")  # where `includes` is paid


def check_charged_once(charges: Iterable[tuple[str, Charge]]) -> None:
    """Raise EvsimError that names both places where two of (place, charge) pay one action.

    Sets and populations are different parts, an update is of an active neuron or of an idle one:
    what charges of different sides include does not meet.
    """
    charges, by = list(charges), {}
    for place, charge in charges:
        sides = frozenset().union(*map(_sides, charge.action))
        everywhere = charge.scope == "all_in"
        if everywhere and len(charges) > 1:
            other = next(other for other, one in charges if one is not charge)
            raise EvsimError(f"{place} is all_in, {other} charges as well")
        for key in ("action", "includes"):
            for name in getattr(charge, key):
                all_sides = _sides(name)
                taken = (
                    all_sides if key == "action" or everywhere else (all_sides & sides) or all_sides
                )
                here = f"{place}.{key}" if place.startswith("charge") else place
                for side in sorted(taken):
                    if (name, side) in by:
                        first = by[name, side]
                        raise EvsimError(f"{name!r} is charged twice: by {first} and by {here}")
                for side in taken:
                    by[name, side] = here


def _sides(action: str) -> frozenset[str]:
    """Where an action is done: in sets, in updates of active neurons, of idle ones."""
    if action in OF_SETS:
        return frozenset(["set"])
    if action in UPDATES:
        return frozenset([action])
    return frozenset([*UPDATES, "set"] if action in ANYWHERE else UPDATES)
