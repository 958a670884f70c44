"""exp: equal to its slow twin to the bit, and near the exact value."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from oracles import naive_exponential

from evsim.artificial.layers import layer_kinds
from evsim.base.exponential import PER_LN2, exponential, probability

EDGES = [0.0, -0.0, 5e-324, -5e-324, 1.0, -1.0, 1e-17, -37.5, 709.0, -709.0, 710.0, -746.0]
EDGES += [709.782712893384, 709.7827128933841, -708.3964185322641, -745.1332191019411]
EDGES += [-745.1332191019412, 1e308, -1e308, math.inf, -math.inf, 36.7368005696771, math.nan]
HALVES = [
    np.nextafter((k + 0.5) / PER_LN2, side) for k in range(-1075, 1024) for side in (-1e9, 1e9)
]


def drawn(count, seed=0):
    """Numbers of every range in which exp behaves differently."""
    random = np.random.default_rng(seed)
    ranges = [(-746, 710), (-40, 40), (-1, 1), (-1e-8, 1e-8), (-745.2, -708), (700, 710)]
    return np.concatenate([random.uniform(*ends, count) for ends in ranges])


def test_exp_is_its_slow_twin_to_the_bit():
    x = np.concatenate([EDGES, HALVES, drawn(500)])
    expected = np.array([naive_exponential.power(float(v)) for v in x])
    np.testing.assert_array_equal(exponential(x).view(np.uint64), expected.view(np.uint64))


def largest_error(x):
    """In units in the last place of what is exact."""
    largest = 0.0
    with localcontext() as context:
        context.prec = 40
        for value, found in zip(x[x < 709.78].tolist(), exponential(x[x < 709.78]), strict=True):
            exact = Decimal(value).exp()
            error = abs(Decimal(float(found)) - exact) / Decimal(math.ulp(float(exact)))
            largest = max(largest, float(error))
    return largest


def test_exp_is_near_the_exact_value():
    assert largest_error(drawn(300)) < 0.9


@pytest.mark.slow
def test_exp_is_near_many_exact_values():
    assert largest_error(np.concatenate([HALVES, drawn(2500, 1)])) < 0.9


def test_the_ends_of_exp():
    found = exponential([709.79, math.inf, -745.14, -math.inf, 0.0])
    assert found.tolist() == [math.inf, math.inf, 0.0, 0.0, 1.0]
    assert math.isnan(exponential([math.nan])[0])
    grows = exponential(np.linspace(-746, 710, 100_001))
    assert (grows[1:] >= grows[:-1]).all()


def test_probabilities():
    z = np.array([[-1e4, -2.0, -0.5], [0.0, 0.5, 1e4]], np.float32)
    assert probability(z, "hardtanh").tolist() == [[0.0, 0.0, 0.25], [0.5, 0.75, 1.0]]
    found = probability(z, "sigmoid")
    assert found.dtype == np.float64
    assert (found[0, 0], found[1, 0], found[1, 2]) == (0.0, 0.5, 1.0)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-np.float64(z).clip(-700))), 1e-15, 1e-300)


def test_softmax_is_summed_in_order():
    x = np.random.default_rng(2).normal(0, 3, (3, 2, 1000)).astype(np.float32)
    found = layer_kinds()["softmax"](sources=("image",)).forward(x)
    assert found.dtype == np.float32
    for row, y in zip(x.reshape(-1, 1000), found.reshape(-1, 1000), strict=True):
        powers = [naive_exponential.power(float(v - row.max())) for v in row]
        total = 0.0
        for power in powers:
            total += power
        assert y.tolist() == [float(np.float32(power / total)) for power in powers]
