"""Kinds that fire as other tools do, on chips of single spikes that are reset at once."""

import numpy as np
import pytest

import evsim
from evsim.chip.fits import fit
from evsim.chip.profile import Profile, find
from evsim.chip.restrict import placed
from evsim.reports.answer import answer

FIELDS = {"multispike": {"threshold": 1}, "latereset": {"threshold": 1}, "integrator": {}}


@pytest.mark.parametrize("kind", [*FIELDS, "lif"])
@pytest.mark.parametrize("chip", ["loihi", "truenorth", "odin", "horowitz-45nm"])
def test_a_chip_of_single_spikes_refuses_other_laws(kind, chip):
    kinds, dense = evsim.neuron_kinds(), evsim.synapse_kinds()["dense"]
    fields = FIELDS.get(kind, {"threshold": 1, "leak": 0.5})
    populations = {
        "in": kinds["input"](shape=(2,), scale=1.0),
        "n": kinds[kind](shape=(2,), **fields),
        "out": kinds["readout"](shape=(2,)),
    }
    sets = {
        "a": dense(source="in", target="n", weight=np.ones((2, 2), np.float32)),
        "b": dense(source="n", target="out", weight=np.ones((2, 2), np.float32)),
    }
    network, profile = evsim.Network(populations, sets), Profile.read(find(chip))
    findings = fit(profile, placed(network, profile, "balanced"))
    found = [finding for finding in findings if finding.assumption == "law of the neurons"]
    if kind == "lif" or chip == "horowitz-45nm":
        assert not found
        return
    assert [(finding.place, finding.holds) for finding in found] == [("n", False)]
    assert "n" in answer(found).verdict
    assert answer(found).remedy
