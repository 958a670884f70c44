"""What the description of a population says, of results from before some of its keys, too.

A kind describes itself (`Neurons.describe`), a result keeps that beside its facts. The kinds of
`BEFORE` were all there were when descriptions began to say these things: the list never grows.
"""

from __future__ import annotations

from collections.abc import Iterator

from evsim.counting.facts import (
    INPUT,
    NEURON,
    POOL,
    POPULATION_FACTS,
    READOUT,
    SET_FACTS,
    is_set,
)

SWITCH = {"slope": True, "resets": "drains", "facts": "drains lost_synops near"}
BEFORE = {
    "input": {"role": INPUT},
    "readout": {"role": READOUT},
    "maxpool": {"role": POOL, "facts": "gate_updates"},
    "switch": SWITCH,
}


def _said(part: dict, key: str, default):
    """A key of a description, or what one without it means."""
    if "role" not in part:  # from before: whatever else it says of these keys
        return BEFORE.get(part["kind"], {}).get(key, part.get(key, default))
    return part.get(key, default)


def role_of(part: dict) -> str:
    """What a described population is there for: INPUT, NEURON, READOUT or POOL."""
    return _said(part, "role", NEURON)


def sloped(part: dict) -> bool:
    """Whether events add to a slope of this population."""
    return bool(_said(part, "slope", False))


def resets_of(part: dict) -> str:
    """The fact that counts how often a neuron was reset."""
    return _said(part, "resets", "spikes")


def own_actions(part: dict) -> Iterator[tuple[str, str]]:
    """(action, the fact that it is done as often as) that a kind does beside those of all kinds."""
    for word in _said(part, "actions", "").split():
        action, _, fact = word.partition(":")
        yield action, fact


def facts_of(part: dict) -> tuple[str, ...]:
    """The names of the facts that every result keeps of a described part."""
    if is_set(part):
        return tuple(SET_FACTS)
    overflows = ("overflows",) if "potential_bits" in part else ()
    return (*POPULATION_FACTS, *own_facts(part).split(), *overflows)


def own_facts(part: dict) -> str:
    """The names of the facts of the kind alone, with spaces between."""
    return _said(part, "facts", "")
