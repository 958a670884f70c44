"""A stored run under the prices of a chip, in microjoule an inference, as `evsim cost` finds it."""

from __future__ import annotations

from collections import Counter

from evsim.chip.prices import Profile, done_by_part, microjoule, price
from evsim.chip.profile.amounts import high
from evsim.counting.machine import Machine
from evsim.formats.result import StoredRun
from evsim.reports.wording import COUNTS, JOULES, OF_COUNTS, OF_JOULES, unit_for


def of_profile(run: StoredRun, counts: dict, profile: Profile, chosen: dict[str, str]) -> dict:
    """Energy by action and by part, what has no price, and how well prices are known.

    `counts` are used where they are of the machine of this profile, in which `chosen` takes the
    place of its own choices.
    """
    machine = profile.machine.choices | chosen
    if machine != counts["machine"]:
        counts = run.counted(run.work, Machine(**machine), {})
    samples, priced = run.count, price(counts, profile)
    by_action = {name: microjoule(pj, samples) for name, pj in priced["actions"].items()}
    charges = {action: charge for charge in profile.prices for action in charge.action}
    done, actions, total = Counter(), {}, priced["total"]
    for part in done_by_part(counts).values():
        done.update(part)
    for action, energy in priced["actions"].items():
        if high(energy):
            actions[action] = {
                "times": done[action] / samples,
                "energy": by_action[action],
                "share": high(energy) / high(total),
                "evidence": charges[action].evidence,
                "source": charges[action].source,
            }
    actions = dict(sorted(actions.items(), key=lambda row: -high(row[1]["energy"])))
    return {
        "profile": profile,
        "machine": counts["machine"],
        "total": microjoule(total, samples),
        "lower_bound": priced["lower_bound"],
        "unpriced": {action: n / samples for action, n in priced["unpriced"].items()},
        "left_out": priced["left_out"],
        "actions": actions,
        "by_action": by_action,
        "parts": {name: microjoule(energy, samples) for name, energy in priced["parts"].items()},
        "most": max((row["share"] for row in actions.values()), default=1),
        "evidence": [
            (kind, microjoule(energy, samples), high(energy) / high(total))
            for kind, energy in priced["evidence"].items()
            if high(energy)
        ],
        "unit": unit_for([microjoule(total, samples), *by_action.values()], JOULES, OF_JOULES),
        "times_unit": unit_for([row["times"] for row in actions.values()], COUNTS, OF_COUNTS),
    }
