"""The trained file that ships decides as it did in PyTorch, and is small."""

import json

from support.places import ROOT

FILE = ROOT / "networks" / "trained-digits.h5"


def test_the_trained_digits_decide_as_in_pytorch(command):
    data = ROOT / "data" / "digits_test.h5"
    status, printed, _ = command("ann", FILE, data, "--topology", "digits", "--json")
    assert status == 0
    assert json.loads(printed)["correct"] == 357  # printed by networks/digits.py: 0.9917
    assert FILE.stat().st_size < 200_000
