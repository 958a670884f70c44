"""The reconstructed energy of binary stochastic networks: sizes, a layer by hand, the numbers."""

from pathlib import Path

import pytest
from benchmarks.stochastic_energy import CASES, RELU, Layer, layers, page, ratio

NAMES = ("vgg9", "vgg16-stochastic")
RATIOS = {  # of energy, as computed before evsim from the same topologies; VGG-9, VGG-16
    ("none", 0.1): ((2.61, 1.38), 2),
    ("none", 0.9): ((2.36, 1.41), 2),
    ("inner", 0.1): ((28.4, 24.1), 1),
    ("all", 0.1): ((31.9, 31.9), 1),
}


def test_the_published_sizes():
    found = {name: list(layers(name)) for name in NAMES}
    totals = {
        name: tuple(sum(getattr(layer, what) for layer in some) for what in vars(some[0]))
        for name, some in found.items()
    }
    assert totals["vgg9"] == (14_022_016, 616_966_144, 291_840)
    assert totals["vgg16-stochastic"] == (33_994_432, 332_480_512, 194_048)
    assert [layer.weights for layer in found["vgg9"]][:2] == [3456, 147_456]
    assert len(found["vgg16-stochastic"]) == 16


def test_energy_by_hand():
    some = [Layer(10, 100, 4), Layer(20, 200, 5), Layer(30, 300, 6)]
    by = {(case.binary, case.arithmetic[1]): case.energy(some) * 1e6 for case in CASES}
    assert RELU.energy(some) * 1e6 == pytest.approx(2.5 * 32 * 75 + 3.2 * 600)
    spikes = 2.5 * (32 * (60 + 4) + 11)
    assert by["none", 0.1] == pytest.approx(spikes + 3.2 * 100 + 0.1 * 500)
    assert by["none", 0.9] == pytest.approx(spikes + 4.6 * 100 + 0.9 * 500)
    ends = 2.5 * 32 * (10 + 4 + 30 + 6) + 3.2 * 400
    assert by["inner", 0.1] == pytest.approx(ends + 2.5 * (20 + 5) + 0.1 * 200)
    assert by["all", 0.1] == pytest.approx(2.5 * (60 + 32 * 4 + 11) + 0.1 * 600)


def test_the_numbers_to_the_printed_precision():
    networks = [list(layers(name)) for name in NAMES]
    assert [round(RELU.energy(some)) for some in networks] == [3119, 3799]
    for case in CASES:
        expected, digits = RATIOS[case.binary, case.arithmetic[1]]
        assert tuple(round(ratio(case, some), digits) for some in networks) == expected, case


def test_the_committed_page_is_what_the_script_writes():
    committed = Path(__file__).parent / "benchmarks" / "STOCHASTIC.md"
    assert committed.read_text(encoding="utf-8") == page()
