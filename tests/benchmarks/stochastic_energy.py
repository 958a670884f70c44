"""The energy claim of "Scaling deep SNNs with binary stochastic activations", reconstructed.

`python tests/benchmarks/stochastic_energy.py [--write FILE]`. Roy, Chakraborty and Roy (ICCC 2019)
say 1.4 times less energy than the ReLU network by spikes alone, 28 times with binary weights. The
text of their model is not public; this is the one of the same authors' sibling papers, at 45 nm:
every activation and every weight is fetched once a layer at 2.5 pJ a bit, and a multiply-accumulate
of k bits takes 3.1 k / 32 + 0.1 pJ; without the product an addition, 0.1 pJ, remains.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

from evsim.base.geometry import output_size
from evsim.formats.trainers._definition import Definition
from evsim.formats.trainers._topology import find

BIT = 2.5  # pJ, to fetch a bit
REAL = 32  # bits
INTEGER = (3.1 * REAL / 32 + 0.1, 0.1)  # pJ: multiply-accumulate, addition
FLOAT = (3.7 + 0.9, 0.9)  # Horowitz, ISSCC 2014
WIDTHS = {  # of the published networks; definitions leave them to the weights
    "vgg9": (128, 128, 256, 256, 512, 512, 1024, 1024, 10),
    "vgg16-stochastic": (*(64,) * 2, *(128,) * 2, *(256,) * 3, *(512,) * 6, 4096, 4096, 100),
}
PAGE = """# Binary stochastic activations: the energy claim, reconstructed

`python tests/benchmarks/stochastic_energy.py --write tests/benchmarks/STOCHASTIC.md`

Roy, Chakraborty and Roy, *Scaling deep spiking neural networks with binary stochastic activations*
(ICCC 2019), say in their abstract: 1.4 times less energy than the network with ReLU, by
communicating in spikes; 28 times with binary weights, too. **This is a reconstruction, not the
paper's table**, which is not public. The networks are those of the authors' code. The energy model
is the one that sibling papers by the same authors are remembered to use (45 nm): per layer, each
input activation and each weight is fetched once at {bit} pJ a bit; operations are counted nominally
(full kernels at borders); a multiply-accumulate of k bits takes 3.1 k / 32 + 0.1 pJ ({mac} pJ at
32 bits), an addition {add} pJ. The image stays at 32 bits, and where the first and last layer keep
real weights the last one takes values of a ReLU, as in the authors' code, unless a row says
otherwise. Networks with floating-point operations are compared with ReLU under the same operations.

The authors' XNOR network is not `vgg9-stochastic-xnor`, which VGG9.md measures: theirs has batch
norm and activation before each convolution, a ReLU behind the first layer and before the last, and
centres and clamps latent weights (networks/vgg9-stochastic-xnor.toml). Of this the sum sees one
thing, what the last layer takes; each form has its row.

| network | weights | multiply-accumulates | input activations |
|---|---|---|---|
{sizes}

| energy | {networks} |
|---|{rules}
{cases}

1.4 is met by VGG-16, whose energy is mostly that of fetching weights; 28 by VGG-9 with binary
weights in all layers but the first and the last. No single network meets both. The sum leaves out
fetching an accumulator, random numbers, batch norm, and that a stochastic network is run several
times; evsim counts the first two.
"""


@dataclass(frozen=True)
class Layer:
    """What a layer with weights holds and does in one pass."""

    weights: int
    operations: int
    inputs: int


@dataclass(frozen=True)
class Case:
    """A way to build the network. `binary`: the layers with binary weights, none, inner or all."""

    title: str
    spikes: bool = True
    binary: str = "none"
    arithmetic: tuple[float, float] = INTEGER
    spikes_last: bool = False  # with real weights the last layer takes spikes, no values of a ReLU

    def energy(self, layers: list[Layer]) -> float:
        """Microjoule of one pass."""
        total, multiply, add = 0.0, *self.arithmetic
        for k, layer in enumerate(layers):
            first, last = k == 0, k == len(layers) - 1
            inner = self.binary == "inner" and not (first or last)
            binary_weight = self.binary == "all" or inner
            values_last = self.binary == "inner" and not self.spikes_last  # the authors' code
            real_input = first or not self.spikes or (last and values_last)
            bits = layer.weights * (1 if binary_weight else REAL)
            bits += layer.inputs * (REAL if real_input else 1)
            product = real_input and not binary_weight
            total += BIT * bits + layer.operations * (multiply if product else add)
        return total / 1e6


RELU = Case("ReLU, 32 bits", spikes=False)
CASES = {  # each with the network that it is compared with
    Case("spikes, real weights"): RELU,
    Case("spikes, real weights, floating-point operations (4.6 and 0.9 pJ)", arithmetic=FLOAT): (
        Case("ReLU, floating-point operations", spikes=False, arithmetic=FLOAT)
    ),
    Case("spikes, binary weights but first and last layer", binary="inner"): RELU,
    Case(
        "the same, spikes into the last layer, as `vgg9-stochastic-xnor`",
        binary="inner",
        spikes_last=True,
    ): RELU,
    Case("spikes, all weights binary", binary="all"): RELU,
}


def layers(name: str) -> Iterator[Layer]:
    """The layers with weights of a definition, at the published widths."""
    definition, widths = Definition.read(find(name)), iter(WIDTHS[name])
    shape = definition.input
    for entry in definition.expanded(1):
        if entry.kind == "conv":
            assert "stride" not in entry.fields
            kernel, (top, bottom, left, right) = entry.fields["kernel"], entry.fields["padding"]
            height = output_size(shape[0], kernel[0], 1, top, bottom, 1)
            width = output_size(shape[1], kernel[1], 1, left, right, 1)
            out = (height, width, next(widths))
            weights = prod(kernel) * shape[2] * out[2]
            yield Layer(weights, weights * height * width, prod(shape))
            shape = out
        elif entry.kind == "dense":
            out = (next(widths),)
            yield Layer(prod(shape) * out[0], prod(shape) * out[0], prod(shape))
            shape = out
        elif entry.kind == "pool":
            height, width = entry.fields["kernel"]
            shape = (shape[0] // height, shape[1] // width, shape[2])
    assert next(widths, None) is None


def ratio(case: Case, some: list[Layer]) -> float:
    """How many times less energy than with ReLU."""
    return CASES[case].energy(some) / case.energy(some)


def page() -> str:
    """The table as Markdown."""
    networks = {name: list(layers(name)) for name in WIDTHS}
    titles = ("VGG-9, CIFAR-10", "VGG-16, CIFAR-100")
    sizes, rows = [], []
    for title, some in zip(titles, networks.values(), strict=True):
        sums = (sum(getattr(layer, what) for layer in some) for what in Layer.__annotations__)
        sizes.append(f"| {title} | " + " | ".join(f"{n:,}" for n in sums) + " |")
    cells = [f"{RELU.energy(some):.0f} uJ" for some in networks.values()]
    rows.append(f"| {RELU.title} | " + " | ".join(cells) + " |")
    for case in CASES:
        digits = 1 if case.binary != "none" else 2
        found = [f"{ratio(case, some):.{digits}f} times less" for some in networks.values()]
        rows.append(f"| {case.title} | " + " | ".join(found) + " |")
    return PAGE.format(
        bit=BIT,
        mac=f"{INTEGER[0]:g}",
        add=INTEGER[1],
        sizes="\n".join(sizes),
        networks=" | ".join(titles),
        rules="---|" * len(titles),
        cases="\n".join(rows),
    )


def main() -> None:
    """Print the page, or write it to a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", metavar="FILE", help="write the page instead of printing it")
    arguments = parser.parse_args()
    if arguments.write:
        Path(arguments.write).write_text(page(), encoding="utf-8")
    else:
        print(page(), end="")


if __name__ == "__main__":
    main()
