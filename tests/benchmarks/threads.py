"""Threads over samples."""

from collections.abc import Iterator

from topologies import vgg16

import evsim
from benchmarks.table import Row, at_least
from benchmarks.timing import alternate
from benchmarks.workload import TIMESTEPS, events, poisson, thresholds

SAMPLES = 8


def rows(quick: bool) -> Iterator[Row]:
    """VGG-16, float32, eight samples: two threads against one."""
    network = vgg16(thresholds=thresholds())
    shape = network.populations["input"].shape
    inputs = events(poisson(SAMPLES, TIMESTEPS, shape), shape)
    contenders = {
        jobs: lambda jobs=jobs: evsim.run(network, inputs, jobs=jobs).seconds / SAMPLES
        for jobs in (1, 2)
    }
    found = alternate(contenders, 2 if quick else 7)
    detail = f"{found[1]:.3f} s and {found[2]:.3f} s an image"
    yield at_least("two threads against one, VGG-16, float32", found[1] / found[2], 1.8, detail)
