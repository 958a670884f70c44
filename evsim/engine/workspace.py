"""Scratch arrays of a thread."""

from __future__ import annotations

from math import prod

import numpy as np

LARGE = 4 << 20  # from so many bytes on NumPy asks the system for pages of 2 MB
SMALL = 1 << 16  # bytes that do not need them


class Workspace:
    """Scratch arrays of one thread, used again by every block and sample."""

    def __init__(self):
        self.held: dict[str, np.ndarray] = {}

    def array(self, name: str, shape, dtype) -> np.ndarray:
        """An uninitialised array; the next call with the same name takes its memory."""
        size = prod(shape) if isinstance(shape, tuple) else shape
        size *= np.dtype(dtype).itemsize
        if name not in self.held or self.held[name].size < size:
            self.held[name] = np.empty(size if size <= SMALL else max(size, LARGE), np.uint8)
        return self.held[name][:size].view(dtype).reshape(shape)
