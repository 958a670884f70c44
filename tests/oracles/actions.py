"""The table of actions applied to facts."""

from oracles.tally import ACTIONS


def actions_of_set(fields, facts, accumulate, gated):
    """The terms in arrivals, S and rows of the table of actions."""
    s = facts["synops"] + facts["macs"]
    weighted = "weight" in fields or "data" in fields
    actions = {
        "event_pop": facts["arrivals"],
        "synaptic_add": facts["synops"],
        "synaptic_mac": facts["macs"],
        "weight_read": s if weighted else 0,
        "index_read": 2 * facts["arrivals"] + s if fields["kind"] == "sparse" else 0,
    }
    place = {"direct": "potential", "buffer": "current"}.get(accumulate)
    place = "potential" if gated else place
    if place:
        actions |= {f"{place}_read": s, f"{place}_write": s}
    return dict.fromkeys(ACTIONS, 0) | actions


def actions_of_population(fields, facts, accumulate, update):
    """The other terms of the table."""
    if fields["kind"] == "maxpool":
        own = {"event_push": facts["pushes"], "potential_read": facts["rescanned"]}
        own["compare"] = facts["gate_updates"] + facts["rescanned"]
        return dict.fromkeys(ACTIONS, 0) | own
    u = facts["updates" if update == "clock" else "active_updates"]
    b = u if "bias" in fields else 0
    reset = "reset_write" if fields.get("reset") == "zero" else "reset_subtract"
    return dict.fromkeys(ACTIONS, 0) | {
        "event_push": facts["pushes"],
        "current_read": u if accumulate == "buffer" else 0,
        "current_write": facts["touched"] if accumulate == "buffer" else 0,
        "potential_read": u,
        "potential_write": u,
        "commit_add": 0 if accumulate == "direct" else u,
        "bias_read": b,
        "bias_add": b,
        "compare": 0 if fields["kind"] == "readout" else u,
        "leak": u if "leak" in fields else 0,
        "random_draw": facts["draws"],
        reset: facts["spikes"] if fields["kind"] in ("iaf", "lif", "signed") else 0,
    }
