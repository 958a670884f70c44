"""Three VGG-9 for CIFAR-10 side by side: ReLU, binary stochastic, binary weights too.

`python tests/benchmarks/vgg9.py [--write FILE]`: the networks of ../shared/networks at half width,
converted to passes, over the first 500 exact test images, counted and priced by `evsim compare`.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from claims import SHARED, command, data, table

NETWORKS = {  # topology, passes that are summed
    "relu": ("vgg9", 1),
    "stoch": ("vgg9-stochastic", 8),
    "stoch-xnor": ("vgg9-stochastic-xnor", 8),
}
IMAGES = 500
ROWS = ("accuracy", "timesteps", "spikes_per_neuron", "synops", "macs", "additions", "M1", "M2")
ROWS += ("M3", "weight bits", "energy_uj")


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", metavar="FILE")
    arguments = parser.parse_args()
    if not SHARED.is_dir():
        print("skipped: the networks and data of others are not beside the repository")
        return 0
    text = markdown(measured())
    print(text)
    if arguments.write:
        Path(arguments.write).write_text(text, encoding="utf-8")
    return 0


def measured() -> dict[str, dict]:
    """What `evsim compare` and `evsim run` say of each network, of one pass and of its passes."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (topology, passes) in NETWORKS.items():
            path = str(Path(folder) / f"{name}.h5")
            model = str(SHARED / "networks" / f"cifar10-vgg9-{name}.torch-state.h5")
            options = ("--topology", topology, "--scheme", "stochastic")
            command("convert", model, "-o", path, *options)
            for timesteps in sorted({1, passes}):
                some = (data("test"), "--samples", f":{IMAGES}", "-T", str(timesteps))
                [row] = command("compare", path, *some)["networks"]
                run = command("run", path, *some)
                bits = sum(run["counts"]["weight_bits"].values()) / IMAGES
                found[f"{name}, {timesteps} passes" if timesteps > 1 else name] = row | {
                    "weight bits": bits
                }
    return found


def markdown(found: dict[str, dict]) -> str:
    rows = []
    for row in ROWS:
        rows.append([row.replace("_", " "), *(cell(row, each[row]) for each in found.values())])
    first = next(iter(found.values()))
    for row in ("M1", "M2", "M3", "weight bits", "energy_uj"):
        ratios = [f"{first[row] / each[row]:.2f}" for each in found.values()]
        rows.append([f"{row.replace('_', ' ')}, times less than relu", *ratios])
    lines = [
        "# VGG-9: ReLU, binary stochastic, binary weights",
        "",
        "Made by `python tests/benchmarks/vgg9.py --write tests/benchmarks/VGG9.md`: the first "
        f"{IMAGES} exact test images of CIFAR-10, per inference. Energy: 45 nm, 32-bit floating "
        "point, a lower bound where random numbers are drawn; it charges every weight as a word "
        "of 32 bits, so what binary weights save is in the weight bits.",
        "",
        "`stoch-xnor` is `vgg9-stochastic-xnor`, not the XNOR network of Roy et al. (2019): theirs "
        "is twice as wide, has batch norm and activation before each convolution, a ReLU behind "
        "the first layer and before the last, which so takes values and not spikes, and centres "
        "and clamps the latent weights (networks/vgg9-stochastic-xnor.toml). What is priced here "
        "is what ran: the last layer's operations are synops. STOCHASTIC.md prices both forms.",
        "",
        *table(["", *found], rows),
    ]
    return "\n".join(lines)


def cell(row: str, value) -> str:
    if row == "accuracy":
        return f"{100 * value:.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
