"""Membranes of 8 bits that saturate at each addition, VGG-16 at CIFAR size, one thread."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from support.topologies import vgg16

import evsim
from benchmarks.table import Row
from benchmarks.timing import alternate
from benchmarks.workload import TIMESTEPS, events, poisson, rates, synops, thresholds
from evsim.conversion.integers import bounded

SAMPLES, BITS, MOST, SLOWER = 2, 8, 4.0, 0.15
BARRED = "saturation at each addition"
RULES = {
    BARRED: ("saturate", "each_add"),
    "wrapping at each addition": ("wrap", "each_add"),
    "saturation at commit": ("saturate", "commit"),
}
SHIFT = 4  # with weights of 8 bits no threshold fits a membrane of 8 bits


def rows(quick: bool) -> Iterator[Row]:
    """Seconds an image without a width, with one, and with ranges recorded."""
    plain = narrowed(vgg16(thresholds=thresholds(), dtype=np.int8))
    shape = plain.populations["input"].shape
    inputs = events(poisson(SAMPLES, TIMESTEPS, shape), shape)
    networks = {"plain": plain}
    for name, (overflow, at) in RULES.items():
        how = {"overflow": overflow, "overflow_at": at, "graded": False}
        networks[name] = bounded(plain, BITS, **how)

    def seconds(name, **options):
        return lambda: evsim.run(networks[name], inputs, jobs=1, **options).seconds / SAMPLES

    contenders = {name: seconds(name) for name in networks}
    contenders["ranges"] = seconds("plain", record=("queues", "ranges"))
    found = alternate(contenders, 2 if quick else 5)
    runs = {name: evsim.run(network, inputs, jobs=1) for name, network in networks.items()}
    for name in RULES:
        slower, busier = found[name] / found["plain"], synops(runs[name]) / synops(runs["plain"])
        detail = (
            f"{found[name]:.3f} s against {found['plain']:.3f} s an image, {busier:.2f} times the "
            f"synaptic additions, {overflows(runs[name]):.3g} overflows an image, "
            f"{min(rates(runs[name]).values()):.1%} to {max(rates(runs[name]).values()):.1%} firing"
        )
        work = f"VGG-16, int8, membranes of {BITS} bits, {name}"
        bar, met = (f"at most {MOST:g}", slower <= MOST) if name == BARRED else ("", None)
        yield Row(work, f"{slower:.2f} times the time", bar, met, detail)
    more = found["ranges"] / found["plain"] - 1
    bar = f"at most {SLOWER:.0%}"
    yield Row(
        "VGG-16, int8, queue depths and ranges of potentials recorded",
        f"{more:+.1%}",
        bar,
        more <= SLOWER,
    )


def narrowed(network: evsim.Network) -> evsim.Network:
    """The network with weights and thresholds divided by 2^SHIFT, thresholds within the width."""
    synapses = {
        name: part if part.weights() is None else replace(part, weight=part.weight >> SHIFT | 1)
        for name, part in network.synapses.items()
    }
    populations = dict(network.populations)
    for name in network.integer_populations(graded_input=False):
        part = populations[name]
        if part.kind == "iaf":
            threshold = np.clip(np.rint(part.threshold / 2**SHIFT), 1, 2 ** (BITS - 1) - 1)
            populations[name] = replace(part, threshold=threshold)
    return evsim.Network(populations, synapses)


def overflows(run: evsim.Run) -> float:
    """Sums that left their width, of an image."""
    found = [facts["overflows"].sum() for facts in run.work.values() if "overflows" in facts]
    return float(sum(found)) / len(run.samples)
