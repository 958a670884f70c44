"""Claims: a small grammar of numbers, names and one comparison."""

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evsim import EvsimError
from evsim.studies.claims import Claim

VALUES = {
    "accuracy": 0.9,
    "ann_accuracy": 0.905,
    "accesses_per_synapse": {"M1": {"max": 2}},
    "queue": {"conv3": {"peak": 500}, "a-b.c": {"peak": 1}},
    "energy_uj": None,
}
NUMBERS = st.integers(0, 50).map(float) | st.sampled_from([0.5, 0.25, 1e3])
SIGNS = {"+": operator.add, "-": operator.sub, "*": operator.mul}
COMPARISONS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt}


@pytest.mark.parametrize(
    ("text", "holds", "margin"),
    [
        ("accesses_per_synapse.M1.max <= 2", True, 0),
        ("accesses_per_synapse.M1.max < 2", False, 0),
        ("accuracy >= ann_accuracy - 0.01", True, 0.005),
        ("queue.conv3.peak <= 400", False, -100),
        ("queue.'a-b.c'.peak * 2 + 1 == 3", True, 0),
        ("2 * (accuracy + 0.1) / 4 > -1", True, 1.5),
        ("accuracy!=1", True, -0.1),
    ],
)
def test_a_claim_holds_or_not(text, holds, margin):
    verdict = Claim(text).check(VALUES)
    assert verdict.holds is holds
    assert verdict.margin == pytest.approx(margin)
    assert verdict.claim == text


@st.composite
def sums(draw, depth=2):
    """(text, value) of a sum whose brackets say what comes first."""
    if not depth or draw(st.booleans()):
        number = draw(NUMBERS)
        return f"{number:g}", number
    (left, a), (right, b) = draw(sums(depth - 1)), draw(sums(depth - 1))
    sign = draw(st.sampled_from(list(SIGNS)))
    return f"({left} {sign} {right})", SIGNS[sign](a, b)


@given(sums(), sums(), st.sampled_from(list(COMPARISONS)))
def test_sums_are_what_they_say(left, right, sign):
    verdict = Claim(f"{left[0]}{sign}{right[0]}").check({})
    assert (verdict.measured, verdict.limit) == (left[1], right[1])
    assert verdict.holds == COMPARISONS[sign](left[1], right[1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accuracy", "found the end, expected one of <="),
        ("accuracy < < 3", "found '<', expected a number or a name"),
        ("accuracy < 3 < 4", "found '<', expected the end of the claim"),
        ("accurcy > 0.5", "(did you mean 'accuracy'?)"),
        ("queue.conv4.peak < 3", "found 'queue.conv4.peak', expected one of conv3, a-b.c in queue"),
        ("queue < 3", "expected a number, one of queue.(conv3, a-b.c)"),
        ("accuracy.x < 3", "expected a number there in accuracy"),
        ("energy_uj < 40", "expected something this run has measured"),
        ("accuracy > 1/0", "found 'a division by 0'"),
        ("__import__('os').system('x') < 3", "expected numbers, names"),
        ("lambda: 3 < 4", "found ': 3 < 4'"),
        ("accuracy > 0.5; import os", "found '; import os'"),
        ("(" * 30 + "1", "at most 20 signs and brackets inside each other"),
        ("(1 < 2", "found '<', expected ')'"),
        ("1 < 2" + " " * 500, "found a claim of 505 characters, expected at most 400"),
        ("", "found the end, expected a number or a name"),
    ],
)
def test_what_is_no_claim_is_said(text, message):
    with pytest.raises(EvsimError) as caught:
        Claim(text).check(VALUES)
    assert message in str(caught.value)
