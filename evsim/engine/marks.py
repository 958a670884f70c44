"""Marks of who was reached by several sets: of single neurons, or of all channels of a position."""

from __future__ import annotations

import numpy as np

from evsim.base.kernel import kernel


def unite(reached: np.ndarray, marks: np.ndarray) -> None:
    """reached |= marks, both (timesteps, positions, channels), or `marks` with 1 for channels."""
    if reached.shape == marks.shape:
        reached |= marks
    else:
        spread(marks.reshape(-1), reached.reshape(-1, reached.shape[2]))


@kernel
def spread(marks, reached):
    """Mark all channels of every marked position; NumPy takes a loop of its own for each."""
    for i in range(marks.shape[0]):
        if marks[i] != 0:
            for c in range(reached.shape[1]):
                reached[i, c] = 1
