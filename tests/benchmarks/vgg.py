"""VGG-16 at CIFAR size on one thread: against the peers, and int8 against float32 weights."""

from collections.abc import Iterator

import numpy as np
from benchmarks import peers
from benchmarks.table import Row, at_least
from benchmarks.timing import alternate
from benchmarks.workload import TIMESTEPS, described, events, poisson, thresholds
from topologies import vgg16

import evsim

SAMPLES = 8
MAKERS = {"SpikingJelly": ("spikingjelly", peers.jelly), "PyTorch": ("torch", peers.by_layer)}


def rows(quick: bool) -> Iterator[Row]:
    """Seconds an image of everybody, then the bars."""
    rounds = 1 if quick else 5
    floats = vgg16(thresholds=thresholds())
    integers = vgg16(thresholds=thresholds(), dtype=np.int8)
    shape = floats.populations["input"].shape
    spikes = poisson(SAMPLES, TIMESTEPS, shape)
    inputs = events(spikes, shape)

    def ours(network):
        return lambda: evsim.run(network, inputs, jobs=1).seconds / SAMPLES

    run = evsim.run(floats, inputs, jobs=1)
    both = alternate({"float32": ours(floats), "int8": ours(integers)}, rounds + 2)
    mine = both["float32"]
    yield Row("VGG-16, evsim, float32", f"{mine:.3f} s an image", detail=described(run))
    yield Row("VGG-16, evsim, int8", f"{both['int8']:.3f} s an image", detail="the same spikes")
    yield at_least("VGG-16, int8 against float32", mine / both["int8"], 1.4)
    if peers.installed("torch"):
        yield Row("VGG-16, what evsim and the peers compute", peers.agreement(floats, spikes, run))
    yield from against_peers(floats, spikes, ours(floats), rounds)


def against_peers(network, spikes, ours, rounds: int) -> Iterator[Row]:
    """Each peer at batch 1 and 8, in its better memory layout, taking turns with evsim."""
    ratios = {}
    for name, (package, make) in MAKERS.items():
        for batch in (1, SAMPLES):
            work = f"VGG-16, {name}, batch {batch}"
            if not (peers.installed(package) and peers.installed("torch")):
                yield Row(work, "not installed")
                continue
            contenders = {"evsim": ours}
            for layout, last in (("channels first", False), ("channels last", True)):
                contenders[layout] = peers.contender(make, network, spikes, batch, last)
            found = alternate(contenders, rounds)
            mine = found.pop("evsim")
            best = min(found, key=found.get)
            ratios[name, batch] = found[best] / mine
            detail = f"{best}; evsim in turn {mine:.3f} s: {ratios[name, batch]:.2f} times as fast"
            yield Row(work, f"{found[best]:.3f} s an image", detail=detail)
    if len(ratios) == 2 * len(MAKERS):
        yield at_least("VGG-16, float32, against the best peer", min(ratios.values()), 2.5)
        alone = ratios["SpikingJelly", 1]
        yield at_least("VGG-16, float32, against SpikingJelly, batch 1", alone, 8)
    else:
        yield Row("VGG-16, float32, against the best peer", "not installed", "at least 2.5")
