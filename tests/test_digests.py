"""Every kind gives the bits that it gave, on this processor and on others."""

import pytest
from support import digests

FEW = ("neurons/cubalif", "neurons/stochastic")  # leaks, and the exponential function


def test_every_kind_gives_the_bits_it_gave():
    assert digests.differing() == []


@pytest.mark.slow
def test_other_vectors_of_numpy_give_the_same_bits():
    assert digests.child(**digests.PROCESSORS["NumPy's baseline"]) == []


@pytest.mark.slow
def test_another_processor_gives_the_same_bits():
    """Of few kinds: `python tests/support/digests.py --processors` compares all, with five."""
    assert digests.child(*FEW, **digests.PROCESSORS["haswell without FMA"]) == []


def test_a_difference_is_found(monkeypatch):
    monkeypatch.setattr(digests, "OFF", digests.OFF * (1 + 2**-20))
    assert digests.differing(["neurons/iaf"]) == ["neurons/iaf"]
