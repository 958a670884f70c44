"""What the actions of a run cost under the prices of a chip.

Counts are exact integers and stay as they are; energies are floats, in picojoule, or (low, high)
where a price is a range.
"""

from __future__ import annotations

from collections import Counter

from evsim.chip.profile import DEFAULT, EVIDENCE, SCHEMA, Charge, Profile, find
from evsim.chip.profile.amounts import Amount, added, between, high, low, times
from evsim.counting.machine import ACTIONS, UPDATES

__all__ = ["DEFAULT", "EVIDENCE", "SCHEMA", "Charge", "Profile", "find", "microjoule", "price"]


def price(counts: dict, profile: Profile) -> dict:
    """What `Run.counts` costs, in picojoule: in total, by action, by part and by evidence.

    `unpriced`: how often actions were done that have no price, or are included in that of
    actions which their part does not do; where there are any, or where the profile leaves
    something out, the total is a lower bound.
    """
    charges = {action: charge for charge in profile.prices for action in charge.action}
    parts = done_by_part(counts)
    total = Counter()
    for times_done in parts.values():
        total.update(times_done)
    by_action = {action: times(charge.pj, total[action]) for action, charge in charges.items()}
    unpriced = _unpriced(parts, profile)
    return {
        "profile": profile.name,
        "total": added(by_action.values()),
        "lower_bound": bool(unpriced or profile.left_out),
        "unpriced": unpriced,
        "left_out": list(profile.left_out),
        "actions": by_action,
        "parts": {
            part: added(times(charges[action].pj, times_done.get(action, 0)) for action in charges)
            for part, times_done in parts.items()
        },
        "evidence": {
            kind: added(by_action[a] for a, charge in charges.items() if charge.evidence == kind)
            for kind in EVIDENCE
        },
    }


def microjoule(pj: Amount, samples: int) -> Amount:
    """Energy of some `samples` in picojoule as microjoule per sample."""
    return between(low(pj) / samples / 1e6, high(pj) / samples / 1e6)


def done_by_part(counts: dict) -> dict[str, dict[str, int]]:
    """How often each action that may have a price was done, by part.

    Updates of active and of idle neurons are among them.
    """
    return {
        part: actions | counts["updates"].get(part, {}) for part, actions in counts["parts"].items()
    }


def _unpriced(parts: dict, profile: Profile) -> dict[str, int]:
    """How often each action was done that nothing pays for.

    Where a profile pays by update, updates of active or of idle neurons that it leaves out count.
    """
    priced = {action for charge in profile.prices for action in charge.action}
    payers: dict[str, list[str]] = {}
    everywhere = set()
    for charge in profile.prices:
        done_at_all = any(times_done.get(a) for times_done in parts.values() for a in charge.action)
        for name in charge.includes:
            payers.setdefault(name, []).extend(charge.action)
            if charge.scope == "all_in" and done_at_all:
                everywhere.add(name)
    by_update = not UPDATES.keys().isdisjoint(priced | payers.keys())
    unpaid = Counter()
    for times_done in parts.values():
        for action in ACTIONS | UPDATES if by_update else ACTIONS:
            paid = action in priced or action in everywhere
            if not paid and not any(times_done.get(payer) for payer in payers.get(action, ())):
                unpaid[action] += times_done.get(action, 0)
    return {action: n for action, n in unpaid.items() if n}
