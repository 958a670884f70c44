"""The networks of `everywhere.py` and their input events: all sums exact, whoever adds them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

import h5py
import numpy as np
from support.topologies import Builder, vgg16

import evsim
from benchmarks.claims import COLOURS, ROOT, SHARED
from benchmarks.switch import SAMPLES, WINDOW
from benchmarks.workload import RATE, on_grid, poisson, rates, thresholds

BITS = 10  # the weights of a population are multiples of 2^-10 of the largest, as a power of two
NEAR = 0.003  # rates are adjusted until they are as close as this


@dataclass(frozen=True)
class Work:
    """A network, and the spikes (timesteps, neurons), -1, 0 or 1, of each of its samples.

    `bar`: how many times as fast as the fastest peer it should be; `alone`: one sample is a row of
    its own; `small`: simulators that hold every synapse take part; `others`: networks of the same
    spikes in another arithmetic, and their bars, by name.
    """

    name: str
    network: evsim.Network
    spikes: list[np.ndarray]
    bar: float
    alone: bool = False
    small: bool = False
    about: str = "random weights"
    others: dict[str, tuple[evsim.Network, float]] = field(default_factory=dict)

    @property
    def timesteps(self) -> int:
        """Those of each sample."""
        return len(self.spikes[0])

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the input."""
        return self.network.populations[self.network.input].shape


def events(spikes: list[np.ndarray], shape: tuple[int, ...]) -> evsim.Events:
    """Spikes as evsim takes them."""
    places = [np.nonzero(sample) for sample in spikes]
    sample = np.repeat(np.arange(len(spikes)), [len(t) for t, _ in places])
    timestep, neuron = (np.concatenate(column) for column in zip(*places, strict=True))
    value = np.concatenate([s[place] for s, place in zip(spikes, places, strict=True)])
    sizes = {"samples": len(spikes), "timesteps": len(spikes[0])}
    value = None if (value == 1).all() else value.astype(np.float64)
    return evsim.Events(sample, timestep, neuron, value, shape=shape, **sizes)


def drawn(images: np.ndarray, network: evsim.Network, timesteps: int) -> list[np.ndarray]:
    """Poisson spikes of images, with the sign of what they are scaled to."""
    part, found = network.populations[network.input], []
    for index, image in enumerate(images):
        x = part.scaled(image, np.float32)
        draws = np.random.default_rng(index).random((timesteps, x.size), np.float32)
        found.append((np.sign(x) * (draws < np.abs(x))).astype(np.int8))
    return found


def grid(network: evsim.Network, name: str) -> float:
    """The largest power of two that all potentials of a population are multiples of."""
    part = network.populations[name]
    arrays = [getattr(part, field, None) for field in ("threshold", "bias", "v_init")]
    for incoming in network.incoming(name):
        synapses = network.synapses[incoming]
        area = float(np.prod(synapses.kernel)) if synapses.kind == "pool" else 1.0
        arrays.append(1 / area if synapses.weights() is None else synapses.weights())
    steps = []
    for array in arrays:
        if array is not None:
            whole = np.rint(np.abs(np.asarray(array, np.float64)) * 2.0**40).astype(np.int64)
            steps.append((whole & -whole)[whole != 0])
    return float(np.concatenate([np.ravel(step) for step in steps]).min()) * 2.0**-40


def exact(network: evsim.Network) -> evsim.Network:
    """The network with weights, biases and thresholds rounded so that every sum is exact.

    `compare = "gt"` becomes "ge" one step of the grid lower: peers have only one of the two.
    """
    populations, synapses = dict(network.populations), dict(network.synapses)
    for name, part in network.populations.items():
        incoming = network.incoming(name)
        weights = [synapses[s].weights() for s in incoming if synapses[s].weights() is not None]
        if not weights:
            continue
        step = 2.0 ** (np.ceil(np.log2(max(np.abs(w).max() for w in weights))) - BITS)

        def rounded(array, step=step):
            return (np.rint(np.asarray(array, np.float64) / step) * step).astype(np.float32)

        for s in incoming:
            if synapses[s].weights() is not None:
                synapses[s] = replace(synapses[s], weight=rounded(synapses[s].weights()))
        fields = ("bias", "v_init", *(("threshold",) if part.sends else ()))
        fields = {f: rounded(v) for f in fields if (v := getattr(part, f)) is not None}
        if part.sends and part.compare == "gt":
            fields |= {"compare": "ge", "v_init": fields["v_init"] - np.float32(step)}
        populations[name] = replace(part, **fields)
    ends = {"input": network.input, "output": network.output}
    return evsim.Network(populations, synapses, **ends)


def calibrated(network: evsim.Network, spikes: list[np.ndarray], rate: float = RATE):
    """The network with thresholds at which each population behind weights fires at about `rate`.

    All thresholds of a run are adjusted together: a layer settles once those before it have.
    """
    inputs = events(spikes[:1], network.populations[network.input].shape)
    populations, ends = dict(network.populations), (network.input, network.output)
    behind = [
        name
        for name, part in populations.items()
        if part.kind == "iaf"
        and any(network.synapses[s].weights() is not None for s in network.incoming(name))
    ]
    for _ in range(60):
        now = rates(evsim.run(network, inputs, jobs=1))
        if all(abs(now[name] - rate) < NEAR for name in behind):
            break
        for name in behind:
            factor = np.clip((now[name] / rate) ** 0.7, 0.5, 2)
            threshold = on_grid(float(populations[name].threshold) * factor)
            populations[name] = replace(populations[name], threshold=threshold)
        named = dict(zip(("input", "output"), ends, strict=True))
        network = evsim.Network(populations, dict(network.synapses), **named)
    return network


def conv(made: Builder, name: str, sources: list[str], channels: int, size: int, **fields) -> str:
    """Add neurons behind convolutions of all sources, whose channels are so concatenated."""
    stride, groups = fields.get("stride", 1), fields.get("groups", 1)
    padding = fields.get("padding", size // 2)
    height, width, _ = made.shape(sources[0])
    out = [(length + 2 * padding - size) // stride + 1 for length in (height, width)]
    made.neurons(name, (*out, channels))
    for place, source in enumerate(sources):
        weight = made.draw((size, size, made.shape(source)[2] // groups, channels))
        fields = {"stride": (stride, stride), "padding": (padding,) * 4, "groups": groups}
        made.connect("conv", source, name, f"from{place}_", weight=weight, **fields)
    return name


def builder(*shape: int) -> Builder:
    """An empty network with an input of this shape."""
    return Builder(shape, np.float32, None, 0)


def lenet(widths: tuple[int, int, int] = (20, 50, 500), size: int = 28) -> evsim.Network:
    """LeNet of Caffe with average pools that have neurons."""
    made = builder(size, size, 1)
    first = made.pool("pool1", conv(made, "conv1", ["input"], widths[0], 5, padding=0), 2)
    second = made.pool("pool2", conv(made, "conv2", [first], widths[1], 5, padding=0), 2)
    return made.readout(made.dense("dense", second, widths[2]), 10)


def vgg9(widths: tuple[int, ...] = (64, 128, 256), dense: int = 512) -> evsim.Network:
    """VGG-9 at half width with average pools that have neurons."""
    made, last = builder(32, 32, 3), "input"
    for stage, width in enumerate(widths, 1):
        for layer in (1, 2):
            last = conv(made, f"conv{stage}_{layer}", [last], width, 3)
        last = made.pool(f"pool{stage}", last, 2)
    for layer in (1, 2):
        last = made.dense(f"dense{layer}", last, dense)
    return made.readout(last, 10)


def mobilenet(width: int = 64, size: int = 32) -> evsim.Network:
    """Depthwise 3x3 (a group a channel) and 1x1 in turn, as in MobileNet."""
    made = builder(size, size, 3)
    last = conv(made, "stem", ["input"], width // 2, 3)
    blocks = ((1, 1), (2, 2), (2, 1), (4, 2), (4, 1), (8, 2), (8, 1))
    for block, (times, stride) in enumerate(blocks, 1):
        depth = made.shape(last)[2]
        last = conv(made, f"deep{block}", [last], depth, 3, stride=stride, groups=depth)
        last = conv(made, f"wide{block}", [last], times * width, 1)
    return made.readout(made.pool("pool", last, size // 8), 10)


def squeezenet(width: int = 64, size: int = 32) -> evsim.Network:
    """Fire modules of SqueezeNet: 1x1, then 1x1 and 3x3 side by side, concatenated."""
    made = builder(size, size, 3)
    last = [made.pool("pool0", conv(made, "stem", ["input"], width, 3), 2)]
    for fire, times in enumerate((1, 1, 2, 2), 1):
        squeezed = conv(made, f"squeeze{fire}", last, times * width // 4, 1)
        last = [
            conv(made, f"expand{fire}_{size}", [squeezed], times * width, size) for size in (1, 3)
        ]
        if fire == 2:
            last = [made.pool(f"pool_{source}", source, 2) for source in last]
    return made.readout(made.pool("pool", conv(made, "mixed", last, 4 * width, 1), size // 4), 10)


def recurrent(inputs: int = 700, neurons: int = 512) -> evsim.Network:
    """Two populations whose spikes come back to them a timestep later: the span is 1."""
    made, last = builder(inputs), "input"
    for layer in (1, 2):
        last = made.dense(f"hidden{layer}", last, neurons)
        made.connect(
            "dense", last, last, "back_", weight=made.draw((neurons, neurons)) / 4, delay=1
        )
    return made.readout(last, 20)


def random(name: str, network: evsim.Network, samples: int, timesteps: int, bar: float, **more):
    """The work of a network with random weights: every layer fires at about RATE."""
    shape = network.populations[network.input].shape
    spikes = [s.astype(np.int8) for s in poisson(samples, timesteps, shape)]
    return Work(name, calibrated(network, spikes), spikes, bar, **more)


def vgg16_work() -> Work:
    """VGG-16 at CIFAR size with float32 and with int8 weights: the same spikes."""
    spikes = [s.astype(np.int8) for s in poisson(8, 100, (32, 32, 3))]
    others = {"VGG-16, int8, T = 100": (vgg16(thresholds=thresholds(), dtype=np.int8), 7)}
    network = vgg16(thresholds=thresholds())
    return Work("VGG-16, float32, T = 100", network, spikes, 4.5, others=others)


def resnet(depth: int, timesteps: int, samples: int) -> Work:
    """A trained ResNet, converted, with images of the test set."""
    data = SHARED / "data"
    numbers = [tuple(map(float, COLOURS[place].split(","))) for place in (1, 3)]
    network = evsim.convert(
        str(SHARED / "networks" / f"cifar10-resnet{depth}.torch-state.h5"),
        calibrate=str(data / "cifar10_train_exact.h5"),
        samples=40,
        timesteps=timesteps,
        topology=f"resnet{depth}",
        mean=numbers[0],
        std=numbers[1],
        method="percentile",
        per_channel=True,
    )
    with evsim.open_data(str(data / "cifar10_test_exact.h5")) as opened:
        spikes = drawn(opened.images[:samples], network, timesteps)
    name = f"ResNet-{depth}, converted, T = {timesteps}"
    return Work(name, exact(network), spikes, 3, about="trained")


def nmnist(samples: int) -> Work:
    """The network and the recordings of N-MNIST, 300 timesteps of a millisecond."""
    network = evsim.convert(str(SHARED / "networks" / "nmnist-cnn.nir"), reset="subtract")
    spikes = []
    with h5py.File(SHARED / "data" / "nmnist_small.h5") as file:
        offsets = file["offsets"][1000 : 1001 + samples]
        for a, b in pairwise(offsets):
            t, x, y, p = (np.int64(file[name][a:b]) for name in "txyp")
            step, neuron = t // 1000, (y * 34 + x) * 2 + p
            spikes.append(np.zeros((300, 34 * 34 * 2), np.int8))
            spikes[-1][step[step < 300], neuron[step < 300]] = 1
    about = "trained, recorded events"
    return Work("N-MNIST (NIR), T = 300", exact(network), spikes, 2, alone=True, about=about)


def digits(name: str, samples: int) -> Work:
    """A network that the repository ships, with test images."""
    network = exact(evsim.load(ROOT / "networks" / f"{name}.h5"))
    with evsim.open_data(str(ROOT / "data" / "digits_test.h5")) as opened:
        spikes = drawn(opened.images[:samples], network, 64)
    return Work(f"{name}, T = 64", network, spikes, 2, small=True, about="trained")


def switch_work() -> tuple[evsim.Network, np.ndarray] | None:
    """The trained VGG-16 in temporal switch coding and test images; None where it is not here."""
    if not SHARED.is_dir():
        return None
    data = SHARED / "data"
    network = evsim.convert(
        str(SHARED / "networks" / "cifar10-vgg16.torch-state.h5"),
        calibrate=str(data / "cifar10_train_exact.h5"),
        samples=40,
        topology="vgg16",
        method="percentile",
        per_channel=True,
        scheme="switch",
        window=WINDOW,
    )
    with evsim.open_data(str(data / "cifar10_test_exact.h5")) as opened:
        return network, opened.images[:SAMPLES]


def all_works(quick: bool) -> Iterator[tuple[str, Callable[[], Work] | None]]:
    """(name, what makes the work, or None where the trained network is not here) in order."""
    many = 100
    shared = SHARED.is_dir()
    yield "VGG-16", vgg16_work
    yield "ResNet-20", shared and (lambda: resnet(20, 64, 8))
    yield "ResNet-56", shared and (lambda: resnet(56, 128, 2 if quick else 4))
    alone = {"alone": True}
    yield "VGG-9", lambda: random("VGG-9, half width, T = 64", vgg9(), many, 64, 2, **alone)
    yield "LeNet", lambda: random("LeNet, T = 64", lenet(), many, 64, 2, **alone)
    yield "N-MNIST", shared and (lambda: nmnist(many))
    yield "digits-dense", lambda: digits("digits-dense", 360)
    yield "digits-conv", lambda: digits("digits-conv", 360)
    name = "MobileNet-like (depthwise, groups), T = 64"
    yield "MobileNet", lambda: random(name, mobilenet(), 8, 64, 1.5)
    other = "SqueezeNet-like (1 x 1, concatenation), T = 64"
    yield "SqueezeNet", lambda: random(other, squeezenet(), 8, 64, 1.5)
    last = "recurrent 700-512-512-20, T = 100"
    yield "recurrent", lambda: random(last, recurrent(), 32, 100, 1.5)
