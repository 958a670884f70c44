"""The cost of delivery is proportional to the synaptic additions."""

import time
from collections.abc import Iterator
from unittest.mock import patch

from support.topologies import vgg16

import evsim
from benchmarks.table import Row
from benchmarks.timing import alternate
from benchmarks.workload import TIMESTEPS, events, poisson, synops, thresholds
from evsim.engine.inbox import Inbox

BUSY, CALM, LEAST = 0.12, 0.06, 0.4
SAMPLES = 2


def rows(quick: bool) -> Iterator[Row]:
    """VGG-16 at two activities, one half of the other: time spent in Inbox.deliver."""
    additions, contenders = {}, {}
    for rate in (BUSY, CALM):
        network = vgg16(thresholds=thresholds(rate))
        shape = network.populations["input"].shape
        inputs = events(poisson(SAMPLES, TIMESTEPS, shape, rate), shape)
        additions[rate] = synops(evsim.run(network, inputs, jobs=1))
        contenders[rate] = lambda network=network, inputs=inputs: delivery(network, inputs)
    seconds = alternate(contenders, 2 if quick else 7)
    saved = 1 - seconds[CALM] / seconds[BUSY]
    detail = (
        f"{seconds[BUSY]:.3f} s and {seconds[CALM]:.3f} s an image for {additions[BUSY]:.3g} and "
        f"{additions[CALM]:.3g} synops ({1 - additions[CALM] / additions[BUSY]:.0%} fewer)"
    )
    bar = f"at least {LEAST:.0%}"
    yield Row(
        "delivery at half the activity", f"{saved:.0%} less time", bar, saved >= LEAST, detail
    )


def delivery(network, inputs) -> float:
    """Seconds an image in the deliveries of a run."""
    total, deliver = 0.0, Inbox.deliver

    def timed(*arguments):
        nonlocal total
        begin = time.perf_counter()
        reached = deliver(*arguments)
        total += time.perf_counter() - begin
        return reached

    with patch.object(Inbox, "deliver", timed):
        evsim.run(network, inputs, jobs=1)
    return total / SAMPLES
