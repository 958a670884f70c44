"""Write digits_train.h5 and digits_test.h5: 1,797 handwritten 8x8 digits, split once and for all.

Run `python data/digits.py`; it needs scikit-learn, which ships the images, and no network.
"""

import os
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

FOLDER = Path(__file__).parent
TEST_SAMPLES = 360
SOURCE = (
    "Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, E. Alpaydin and "
    "C. Kaynak (1998), doi:10.24432/C50P49, CC BY 4.0; its test set of 1,797 images as shipped by "
    "scikit-learn (sklearn.datasets.load_digits). Pixels are 0..16, here divided by 16."
)
SPLIT = (
    "stratified: train_test_split(range(1797), test_size=360, stratify=labels, random_state=0) of "
    "scikit-learn; index is the position in load_digits. The same writers are in both parts."
)


@contextmanager
def new_file(path):
    """An HDF5 file that gets its name only once it is complete."""
    part = path.with_name(path.name + ".part")
    try:
        with h5py.File(part, "w") as file:
            yield file
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write(path, images, labels, index):
    """Write one data file (`format = "evsim-data"`)."""
    with new_file(path) as file:
        file.attrs["format"] = "evsim-data"
        file.attrs["version"] = 1
        file.attrs["source"] = SOURCE
        file.attrs["split"] = SPLIT
        file.attrs["classes"] = ",".join("0123456789")
        file.attrs["layout"] = "samples, height, width, channels"
        for name, array in (("images", images), ("labels", labels), ("index", index)):
            file.create_dataset(
                name, data=array, compression="gzip", compression_opts=9, track_times=False
            )
    print(f"{path.name}: {len(images)} samples, {path.stat().st_size:,} bytes")


def main():
    """Load, split and write both files."""
    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)[..., np.newaxis]
    labels = digits.target.astype(np.uint8)
    train, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_SAMPLES, stratify=labels, random_state=0
    )
    for name, index in (("digits_train.h5", train), ("digits_test.h5", test)):
        write(FOLDER / name, images[index], labels[index], index.astype(np.uint16))


if __name__ == "__main__":
    main()
