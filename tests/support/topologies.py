"""Well-known networks by plain code: VGG-16 and ResNet-20, of integrate-and-fire neurons.

Weights are odd multiples of STEP up to 63 STEP, drawn from a seeded generator: none is zero, every
sum is exact in float32, and the same network with int8 weights (counted in STEPs) has the same
spikes. Without a seed all weights are zero and cost no memory until they are written to.
"""

from collections.abc import Callable

import numpy as np
from support import build

import evsim

STEP = 2.0**-6
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
THRESHOLD = 2.0

Weights = Callable[[tuple[int, ...]], np.ndarray]


def weights(dtype=np.float32, seed: int | None = 0) -> Weights:
    """A function from a shape to weights: the next of the generator, or zeros without a seed."""
    if seed is None:
        return lambda shape: np.zeros(shape, dtype)
    generator = np.random.default_rng(seed)

    def draw(shape):
        steps = generator.integers(-64, 64, shape, np.int8) | np.int8(1)
        return steps if dtype == np.int8 else steps.astype(dtype) * dtype(STEP)

    return draw


class Builder:
    """A network in the making: populations named in order, sets named after their targets."""

    def __init__(self, shape: tuple[int, ...], dtype, thresholds, seed: int | None):
        self.draw, self.whole = weights(dtype, seed), dtype == np.int8
        self.thresholds = thresholds or {}
        self.populations = {"input": {"kind": "input", "shape": shape}}
        self.synapses = {}

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a population."""
        return self.populations[name]["shape"]

    def neurons(self, name: str, shape: tuple[int, ...], threshold: float | None = None) -> str:
        """Add integrate-and-fire neurons; a threshold of the layer is counted as its weights."""
        if threshold is None:
            threshold = self.thresholds.get(name, THRESHOLD) / (STEP if self.whole else 1)
        self.populations[name] = {"kind": "iaf", "shape": shape, "threshold": threshold}
        return name

    def connect(self, kind: str, source: str, target: str, prefix: str = "to_", **fields) -> None:
        """Add a set."""
        ends = {"kind": kind, "source": source, "target": target}
        self.synapses[prefix + target] = {**ends, **fields}

    def conv(self, name: str, source: str, channels: int, stride: int = 1) -> str:
        """Add neurons behind a 3x3 convolution with padding 1."""
        height, width, depth = self.shape(source)
        self.neurons(name, (-(-height // stride), -(-width // stride), channels))
        weight = self.draw((3, 3, depth, channels))
        steps = {"stride": (stride, stride), "padding": (1, 1, 1, 1)}
        self.connect("conv", source, name, weight=weight, **steps)
        return name

    def pool(self, name: str, source: str, size: int) -> str:
        """Add neurons of threshold 1 behind an average pool."""
        height, width, depth = self.shape(source)
        self.neurons(name, (height // size, width // size, depth), 1.0)
        self.connect("pool", source, name, kernel=(size, size))
        return name

    def dense(self, name: str, source: str, neurons: int) -> str:
        """Add neurons behind a fully connected set."""
        self.neurons(name, (neurons,))
        weight = self.draw((int(np.prod(self.shape(source))), neurons))
        self.connect("dense", source, name, weight=weight)
        return name

    def readout(self, source: str, classes: int) -> evsim.Network:
        """Add the readout; returns the network."""
        self.dense("readout", source, classes)
        self.populations["readout"] = {"kind": "readout", "shape": (classes,)}
        folders = {"populations": self.populations, "synapses": self.synapses}
        return build.network({**folders, "input": "input", "output": "readout"})


def vgg16(
    size: int = 32,
    classes: int = 10,
    hidden: tuple[int, ...] = (),
    *,
    dtype=np.float32,
    thresholds: dict[str, float] | None = None,
    seed: int | None = 0,
) -> evsim.Network:
    """VGG-16: 13 convolutions, five 2x2 average pools with neurons, `hidden` and a readout, dense.

    `dtype`: float32 or int8; `thresholds` by population, in the same unit whatever the dtype.
    """
    made = Builder((size, size, 3), dtype, thresholds, seed)
    last = "input"
    for stage, widths in enumerate(STAGES, 1):
        for layer, channels in enumerate(widths, 1):
            last = made.conv(f"conv{stage}_{layer}", last, channels)
        last = made.pool(f"pool{stage}", last, 2)
    for layer, neurons in enumerate(hidden, 1):
        last = made.dense(f"dense{layer}", last, neurons)
    return made.readout(last, classes)


def vgg16_imagenet(**options) -> evsim.Network:
    """VGG-16 at ImageNet size."""
    return vgg16(224, 1000, (4096, 4096), **options)


def resnet20(
    *, dtype=np.float32, thresholds: dict[str, float] | None = None, seed: int | None = 0
) -> evsim.Network:
    """ResNet-20 of He et al. for CIFAR-10: shortcuts are identities, at a change of stage every
    second pixel, with zero channels on both sides; a global average pool with neurons."""
    made = Builder((32, 32, 3), dtype, thresholds, seed)
    last = made.conv("conv", "input", 16)
    for stage, channels in enumerate((16, 32, 64), 1):
        for block in range(1, 4):
            stride = 2 if stage > 1 and block == 1 else 1
            first = made.conv(f"block{stage}_{block}a", last, channels, stride)
            second = made.conv(f"block{stage}_{block}b", first, channels)
            jump = {"stride": (stride, stride)}
            jump["channel_offset"] = (channels - made.shape(last)[2]) // 2
            made.connect("identity", last, second, "past_", **jump)
            last = second
    return made.readout(made.pool("pool", last, 8), 10)
