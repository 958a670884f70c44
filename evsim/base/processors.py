"""How many threads a run has, and how many cores there are."""

from __future__ import annotations

import os

from evsim.base.errors import mismatch


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
