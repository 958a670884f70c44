"""The reconstructed energy of binary stochastic networks: sizes, a layer by hand, the numbers."""

import pytest
from benchmarks.stochastic_energy import CASES, RELU, Layer, layers, page, ratio
from support.places import TESTS

NAMES = ("vgg9", "vgg16-stochastic")
RATIOS = {  # of energy, as computed before evsim from the same topologies; VGG-9, VGG-16
    ("none", 0.1, False): ((2.61, 1.38), 2),
    ("none", 0.9, False): ((2.36, 1.41), 2),
    ("inner", 0.1, False): ((28.4, 24.1), 1),
    ("all", 0.1, False): ((31.9, 31.9), 1),
}


def key(case):
    """What tells the cases apart."""
    return case.binary, case.arithmetic[1], case.spikes_last


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
    by = {key(case): case.energy(some) * 1e6 for case in CASES}
    assert RELU.energy(some) * 1e6 == pytest.approx(2.5 * 32 * 75 + 3.2 * 600)
    spikes = 2.5 * (32 * (60 + 4) + 11)
    assert by["none", 0.1, False] == pytest.approx(spikes + 3.2 * 100 + 0.1 * 500)
    assert by["none", 0.9, False] == pytest.approx(spikes + 4.6 * 100 + 0.9 * 500)
    ends = 2.5 * 32 * (10 + 4 + 30 + 6) + 3.2 * 400
    assert by["inner", 0.1, False] == pytest.approx(ends + 2.5 * (20 + 5) + 0.1 * 200)
    ends = 2.5 * 32 * (10 + 4 + 30) + 3.2 * 100
    assert by["inner", 0.1, True] == pytest.approx(ends + 2.5 * (20 + 5 + 6) + 0.1 * 500)
    assert by["all", 0.1, False] == pytest.approx(2.5 * (60 + 32 * 4 + 11) + 0.1 * 600)


def test_the_numbers_to_the_printed_precision():
    networks = [list(layers(name)) for name in NAMES]
    assert [round(RELU.energy(some)) for some in networks] == [3119, 3799]
    for case in CASES:
        if case.spikes_last:  # not one of those: held to a layer by hand, and to be the larger
            continue
        expected, digits = RATIOS[key(case)]
        assert tuple(round(ratio(case, some), digits) for some in networks) == expected, case
    cases = {key(case): case for case in CASES}
    for some in networks:
        assert ratio(cases["inner", 0.1, True], some) > ratio(cases["inner", 0.1, False], some)


def test_the_committed_page_is_what_the_script_writes():
    committed = TESTS / "benchmarks" / "STOCHASTIC.md"
    assert committed.read_text(encoding="utf-8") == page()
