"""Marked neurons are listed and counted as plain Python does."""

import numpy as np
import pytest

from evsim.base.kernel import SPARE
from evsim.base.listing import list_marked


@pytest.mark.parametrize("width", [1, 3, 7, 8, 9, 16, 20, 50, 64, 123])
@pytest.mark.parametrize("rate", [0, 0.1, 0.6, 1])
def test_marks_are_listed_by_timestep_position_and_channel(width, rate):
    steps, positions, before = 19, 5, 7
    rng = np.random.default_rng(width)
    marks = np.ones(steps * positions * width + SPARE, np.uint8)  # what is behind is not read
    grid = marks[: -SPARE or None].reshape(steps * positions, width)
    grid[:] = rng.random(grid.shape) < rate
    channels = np.full(grid.size + SPARE, -1, np.int32)
    offsets = np.full(len(grid) + 1, before, np.int64)
    sent = rng.integers(0, 9, (positions, width))
    expected = sent + grid.reshape(steps, positions, width).sum(axis=0)
    count = list_marked(marks, channels, offsets, sent)
    assert count == grid.sum()
    assert (channels[:count] == np.nonzero(grid)[1]).all()
    assert (offsets == before + np.append(0, grid.sum(axis=1).cumsum())).all()
    assert (sent == expected).all()


@pytest.mark.parametrize("steps", [1, 7, 8, 200, 300])
def test_marks_of_many_timesteps_are_counted(steps):
    marks = np.ones(steps * 6 + SPARE, np.uint8)
    sent = np.zeros((2, 3), np.int64)
    channels, offsets = np.zeros(steps * 6 + SPARE, np.int32), np.zeros(2 * steps + 1, np.int64)
    assert list_marked(marks, channels, offsets, sent) == steps * 6
    assert (sent == steps).all()
