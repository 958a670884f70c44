"""Sizes and fan-outs of kernels that slide along an axis."""

from __future__ import annotations

import numpy as np


def output_size(length: int, kernel: int, stride: int, lead: int, trail: int, dilation: int) -> int:
    """How many places a kernel has on an axis: the size of a convolution's or a pool's result.

    floor((length + lead + trail - dilation (kernel - 1) - 1) / stride) + 1; `lead` and `trail` are
    the padding before and behind.
    """
    return (length + lead + trail - dilation * (kernel - 1) - 1) // stride + 1


def reaches(length: int, kernel: int, stride: int, lead: int, dilation: int, out: int):
    """Which taps of a kernel carry a value at x to the output: bool, (length, kernel).

    Tap a carries x where the stride divides x + lead - dilation a and the quotient is in [0, out).
    """
    x = np.arange(length)[:, None] + lead - dilation * np.arange(kernel)[None, :]
    return (x % stride == 0) & (x >= 0) & (x // stride < out)


def fan_out(*axis: int):
    """How many taps of a kernel carry each x of an axis to the output: int64, (length,).

    The arguments are those of `reaches`.
    """
    return reaches(*axis).sum(axis=1).astype(np.int64)


def over_cells(per_cell: np.ndarray, cell: int, length: int) -> np.ndarray:
    """Values per pooled cell (cells, ...) as values per pixel (length, ...).

    Pixels beyond the last whole cell have 0.
    """
    beyond = [(0, length - len(per_cell) * cell), *[(0, 0)] * (per_cell.ndim - 1)]
    return np.pad(np.repeat(per_cell, cell, axis=0), beyond)
