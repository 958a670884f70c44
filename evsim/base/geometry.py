"""Sizes and fan-outs of windows that slide along an axis."""

from __future__ import annotations

import numpy as np


def output_size(length: int, kernel: int, stride: int, lead: int, trail: int, dilation: int) -> int:
    """floor((length + lead + trail - dilation (kernel - 1) - 1) / stride) + 1."""
    return (length + lead + trail - dilation * (kernel - 1) - 1) // stride + 1


def reaches(length: int, kernel: int, stride: int, lead: int, dilation: int, out: int):
    """(length, kernel): whether stride divides x + lead - dilation a, to [0, out)."""
    x = np.arange(length)[:, None] + lead - dilation * np.arange(kernel)[None, :]
    return (x % stride == 0) & (x >= 0) & (x // stride < out)


def fan_out(*axis: int):
    """n(x): how many a in [0, kernel) it reaches the output through; arguments of `reaches`."""
    return reaches(*axis).sum(axis=1).astype(np.int64)


def over_cells(per_cell: np.ndarray, cell: int, length: int) -> np.ndarray:
    """What is given per pooled cell for every pixel of an axis; beyond the last whole cell 0."""
    beyond = [(0, length - len(per_cell) * cell), *[(0, 0)] * (per_cell.ndim - 1)]
    return np.pad(np.repeat(per_cell, cell, axis=0), beyond)
