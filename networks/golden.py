"""Make the golden results: every shipped network over the test split, as a result file beside it.

    python networks/golden.py [NAME...]

It prints the accuracy of the artificial network and of the spiking one. Results change only when a
network, the data or the law of a timestep does. They are what evsim itself gave, kept for
regression tests; they are no oracle.
"""

import os
import sys
from pathlib import Path

import h5py

import evsim
from evsim.formats import _checksums as checksums

ROOT = Path(__file__).resolve().parents[1]


def networks() -> list[Path]:
    """The shipped networks."""
    return sorted(p for p in Path("networks").glob("*.h5") if not p.stem.endswith(".golden"))


def packed(source: Path, target: Path) -> None:
    """Copy an HDF5 file with its datasets compressed, and with less room between them."""
    with h5py.File(source) as old, checksums.create(target) as new:

        def copy(name, thing):
            folder, _, own = name.rpartition("/")
            parent = new[folder or "/"]
            if isinstance(thing, h5py.Group):
                made = checksums.group(parent, own)
            else:
                options = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
                made = checksums.dataset(parent, own, thing[()], **options)
            checksums.note(made, **thing.attrs)

        checksums.note(new, **old.attrs)
        old.visititems(copy)


def main(names: list[str]) -> None:
    """Run and write; the files hold paths relative to the repository."""
    os.chdir(ROOT)
    with evsim.open_data("data/digits_test.h5") as data:
        for path in networks():
            if names and path.stem not in names:
                continue
            network = evsim.load(path)
            run = evsim.run(network, data.images[:])
            golden, loose = path.with_suffix(".golden.h5"), path.with_suffix(".loose")
            run.save(loose, overwrite=True, labels=data.labels)
            packed(loose, golden.with_suffix(".part"))
            golden.with_suffix(".part").replace(golden)
            loose.unlink()
            reached = f"{run.accuracy(data.labels):.2%}, artificial {network.ann_accuracy:.2%}"
            sizes = f"{network.synapse_count:,} synapses, {network.parameters:,} parameters"
            kept = f"{golden.stat().st_size // 1000} kB"
            print(f"{path.stem}: {reached}, {run.settings.timesteps} timesteps, {sizes}, {kept}")


if __name__ == "__main__":
    main(sys.argv[1:])
