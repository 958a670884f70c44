"""Convert the trained network of digits-conv.h5 to other codes, beside the rates that it has.

    python networks/codes.py

The file holds the artificial network too: dividing the weights of rectifiers by positive scales
changes no decision. Scales are measured on the training images but the last 237, which were used to
choose the epoch; what is printed is how many of those are decided rightly. Windows have 32
timesteps, so that an activation has 31 levels, and so many timesteps has the hybrid network.
"""

from pathlib import Path

import evsim
from evsim.artificial.layers import layer_kinds
from evsim.artificial.model import INPUT, Model
from evsim.conversion import convert, convert_to_switches

FOLDER = Path(__file__).parent
DATA = FOLDER.parent / "data"
VALIDATION = 237  # as networks/digits.py has it
LENGTH = 32

WHAT = {
    "switch": "in temporal switch coding",
    "ttfs": "with the time to the first spike as the value",
    "hybrid": "with a first layer of analog neurons, then rates",
}


def described(network, **about):
    """The network with further attributes of its file."""
    ends = {"input": network.input, "output": network.output}
    attributes = {**network.attributes, "classes": ",".join("0123456789"), **about}
    return evsim.Network(dict(network.populations), dict(network.synapses), **ends, **attributes)


def artificial(network) -> Model:
    """The layers of digits-conv: conv, average pool, conv, average pool, dense; ReLU before pools.

    Their names are those of the populations, and relu1 and relu2.
    """
    kinds, layers, at = layer_kinds(), {}, INPUT
    sets, populations = network.synapses, network.populations

    def put(name, kind, **fields):
        nonlocal at
        layers[name] = kinds[kind](sources=(at,), **fields)
        at = name

    for n, source in ((1, "input"), (2, "pool1")):
        own = sets[f"{source}-conv{n}"]
        bias = populations[f"conv{n}"].bias
        put(f"conv{n}", "conv", weight=own.weight, bias=bias, padding=own.padding)
        put(f"relu{n}", "relu")
        put(f"pool{n}", "pool", operation="average", kernel=(2, 2))
    put("flatten", "flatten", order="hwc")
    put("output", "dense", weight=sets["pool2-output"].weight, bias=populations["output"].bias)
    return Model(layers, populations["input"])


def validated(network) -> int:
    """How many of the validation images a network decides rightly."""
    with evsim.open_data(DATA / "digits_train.h5") as data:
        run = evsim.run(network, data.images[-VALIDATION:])
        return int((run.predictions == data.labels[-VALIDATION:]).sum())


def main():
    """Convert and write the files."""
    rates = evsim.load(FOLDER / "digits-conv.h5")
    model = artificial(rates)
    with evsim.open_data(DATA / "digits_train.h5") as data:
        images = data.images[:-VALIDATION]
    print(f"digits-conv: {validated(rates)} of {VALIDATION} validation images")
    made = {
        "switch": convert_to_switches(model, images, window=LENGTH),
        "ttfs": convert(model, images, scheme="ttfs", window=LENGTH),
        "hybrid": convert(model, images, analog=("relu1",), timesteps=LENGTH),
    }
    for name, conversion in made.items():
        network = described(
            conversion.network,
            name=f"digits-{name}",
            description=f"The trained network of digits-conv {WHAT[name]}.",
            source=f"networks/codes.py; {rates.source}",
            ann_accuracy=rates.ann_accuracy,
        )
        print(f"digits-{name}: {validated(network)}")
        evsim.save(network, FOLDER / f"digits-{name}.h5", overwrite=True)


if __name__ == "__main__":
    main()
