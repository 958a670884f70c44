"""A schedule that a network cannot have is an error that says what stands against what."""

from dataclasses import replace

import pytest
from support.places import ROOT

import evsim
from evsim.base.errors import EvsimError

SWITCH = ROOT / "networks" / "digits-switch.h5"
ONLINE = {"firing": "online", "rounding": 0.0}


def changed(first, others):
    """The shipped network of switches with other fields: in its first such population, the rest."""
    network = evsim.load(SWITCH)
    names = [n for n, part in network.populations.items() if part.kind == "switch"]
    populations = dict(network.populations)
    for name in names:
        fields = first if name == names[0] else others
        populations[name] = replace(populations[name], **fields)
    return evsim.Network(
        populations, network.synapses, input=network.input, output=network.output, window=32
    )


def test_two_rules_of_firing_are_refused():
    told = r"populations/\w+/firing: found online and window, expected one rule in all populations"
    with pytest.raises(EvsimError, match=told):
        changed(ONLINE | {"start": None}, {})


def test_two_offsets_are_refused():
    with pytest.raises(EvsimError, match=r"delta: found .* expected one in all populations"):
        changed(ONLINE | {"delta": 3}, ONLINE | {"delta": 4})
