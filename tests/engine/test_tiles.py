"""Weights in tiles, or whole where a tile would not stay in the second cache: the same bits."""

import numpy as np
from support.places import ROOT

import evsim
from evsim.engine import weights


def test_no_bit_depends_on_the_size_of_a_cache(monkeypatch):
    network = evsim.load(ROOT / "networks" / "digits-dense.h5")
    with evsim.open_data(ROOT / "data" / "digits_test.h5") as data:
        images = data.images[:3]
    seen, tile = set(), weights.Weights._tile
    monkeypatch.setattr(
        weights.Weights, "_tile", lambda self, w: [seen.add(len(t := tile(self, w))), t][1]
    )
    runs = []
    for size in (1 << 10, 1 << 30):
        monkeypatch.setattr(weights, "second_cache", lambda size=size: size)
        runs.append(evsim.run(network, images))
    np.testing.assert_array_equal(runs[0].potential, runs[1].potential)
    assert 1 in seen
    assert max(seen) > 1
