"""VGG-16 at CIFAR size on one thread: against the peers, and int8 against float32 weights."""

from collections.abc import Iterator

import numpy as np
from support.topologies import vgg16

import evsim
from benchmarks import peers
from benchmarks.table import Row, at_least
from benchmarks.timing import alternate
from benchmarks.workload import TIMESTEPS, described, events, poisson, thresholds

SAMPLES = 8
FIRST, LAST = "channels first", "channels last"
STEPWISE, LAYERWISE = "SpikingJelly by timestep", "SpikingJelly by layer"
MAKERS = {
    STEPWISE: ("spikingjelly", peers.jelly_by_step),
    LAYERWISE: ("spikingjelly", peers.jelly),
    "PyTorch by layer": ("torch", peers.by_layer),
}


def rows(quick: bool) -> Iterator[Row]:
    """Seconds an image of everybody, then the bars."""
    rounds = 1 if quick else 3
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
    """Each peer at batch 1 and 8 in both memory layouts, taking turns with evsim; the bars."""
    ratios = {}
    for name, (package, make) in MAKERS.items():
        if not (peers.installed(package) and peers.installed("torch")):
            yield Row(f"VGG-16, {name}", "not installed")
            continue
        for batch in (1, SAMPLES):
            contenders = {
                layout: peers.contender(make, network, spikes, batch, layout == LAST)
                for layout in (FIRST, LAST)
            }
            found = alternate({"evsim": ours, **contenders}, rounds)
            for layout in contenders:
                ratio = ratios[name, batch, layout] = found[layout] / found["evsim"]
                detail = f"evsim in turn {found['evsim']:.3f} s, {ratio:.2f} times as fast"
                work = f"VGG-16, {name}, batch {batch}, {layout}"
                yield Row(work, f"{found[layout]:.3f} s an image", detail=detail)
    work = "VGG-16, float32, against "
    if len(ratios) < 4 * len(MAKERS):
        yield Row(f"{work}the best peer", "not installed", "at least 2.5")
        return
    best = min(ratios, key=ratios.get)
    yield at_least(f"{work}the best peer", ratios[best], 2.5, "{}, batch {}, {}".format(*best))
    default = ratios[STEPWISE, 1, FIRST]
    fastest = min(ratios[key] for key in ratios if key[0] in (STEPWISE, LAYERWISE) and key[1] == 1)
    detail = f"its defaults: by timestep, {FIRST}; against its fastest way: {fastest:.2f} times"
    yield at_least(f"{work}SpikingJelly, batch 1", default, 8, detail)
