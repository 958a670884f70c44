"""Make the golden results: every shipped network over the test split, as a result file beside it.

    python networks/golden.py

They change only when a network, the data or the law of a timestep does.
"""

import os
from pathlib import Path

import h5py

import evsim

ROOT = Path(__file__).resolve().parents[1]


def networks() -> list[Path]:
    """The shipped networks."""
    return sorted(p for p in Path("networks").glob("*.h5") if not p.stem.endswith(".golden"))


def packed(source: Path, target: Path) -> None:
    """Copy an HDF5 file with its datasets compressed."""
    with h5py.File(source) as old, h5py.File(target, "w") as new:

        def copy(name, thing):
            if isinstance(thing, h5py.Group):
                new.create_group(name).attrs.update(thing.attrs)
            else:
                options = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
                new.create_dataset(name, data=thing[()], **options).attrs.update(thing.attrs)

        new.attrs.update(old.attrs)
        old.visititems(copy)


def main() -> None:
    """Run and write; the files hold paths relative to the repository."""
    os.chdir(ROOT)
    with evsim.open_data("data/digits_test.h5") as data:
        for path in networks():
            run = evsim.run(evsim.load(path), data.images[:])
            golden, loose = path.with_suffix(".golden.h5"), path.with_suffix(".loose")
            run.save(loose, overwrite=True, labels=data.labels)
            packed(loose, golden.with_suffix(".part"))
            golden.with_suffix(".part").replace(golden)
            loose.unlink()
            accuracy = 100 * run.accuracy(data.labels)
            print(f"{golden.name}: {accuracy:.2f} %, {golden.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
