"""Resident memory of VGG-16 at CIFAR size beyond the interpreter and the libraries."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.table import Row, at_most
from benchmarks.timing import child
from benchmarks.workload import TIMESTEPS, thresholds

MOST = 600  # MB
GROWTH = 10  # MB between two and six samples that are taken for noise


def rows(quick: bool) -> Iterator[Row]:
    """Peaks with two and with six samples, on one thread and on two."""
    if not Path("/proc/self/status").exists():
        yield Row("memory, VGG-16", "not measured on this system")
        return
    job = {
        "topology": "vgg16",
        "shape": (32, 32, 3),
        "thresholds": thresholds(),
        "timesteps": TIMESTEPS,
    }
    child({**job, "samples": 1, "jobs": 1})  # warms the cache of kernels
    for jobs in (1,) if quick else (1, 2):
        found = {n: child({**job, "samples": n, "jobs": jobs}) for n in (2, 6)}
        few, many = (found[n]["megabytes"] for n in (2, 6))
        work = f"memory, VGG-16, {TIMESTEPS} timesteps, threads: {jobs}"
        detail = (
            f"beyond {found[6]['libraries']:.0f} MB of interpreter and libraries and "
            f"{found[6]['inputs']:.0f} MB of input events"
        )
        yield at_most(work, max(few, many), MOST, "MB", detail)
        text = f"{few:.0f} and {many:.0f} MB for 2 and 6 samples"
        yield Row(f"{work}, growth", text, "none", many - few < GROWTH)
