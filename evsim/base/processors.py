"""How many threads a run has, how many cores there are, and what their caches hold."""

from __future__ import annotations

import contextlib
import os
from functools import cache
from pathlib import Path

from evsim.base.errors import mismatch

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")  # of Linux
USUAL = 1 << 20  # bytes of a core's second cache, where nobody says


def thread_count(jobs: int | None) -> int:
    """The threads of a run: `jobs`, or where it is None the cores; EvsimError below 1."""
    if jobs is not None and jobs < 1:
        raise mismatch(jobs, "a whole number of at least 1", "jobs")
    return cores() if jobs is None else jobs


def cores() -> int:
    """The number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def second_cache() -> int:
    """The bytes of a core's second cache."""
    with contextlib.suppress(OSError, ValueError):
        for folder in CACHES.glob("index*"):
            if (folder / "level").read_text().strip() == "2":
                return int((folder / "size").read_text().strip().removesuffix("K")) << 10
    return USUAL
