"""Running `data/prepare.py` in the working directory."""

import sys
from pathlib import Path

import h5py
import numpy as np
from support.places import ROOT

import evsim
from evsim.formats import _hdf5 as hdf5

FOLDER = ROOT / "data"
sys.path.insert(0, str(FOLDER))

import _known as known  # noqa: E402
import _output as output  # noqa: E402
import prepare  # noqa: E402

__all__ = ["FOLDER", "attribute", "done", "known", "output", "pixels", "prepare", "refused"]


def done(*arguments):
    """The data file that a command line writes to `o.h5`, opened."""
    assert prepare.main([*map(str, arguments), "-o", "o.h5"]) == 0
    assert not Path("o.h5.part").exists()
    return evsim.open_data("o.h5")


def refused(capsys, *arguments):
    """The line that a command line is refused with; nothing is written."""
    assert prepare.main([*map(str, arguments), "-o", "o.h5"]) == 2
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert not Path("o.h5").exists()
    assert not Path("o.h5.part").exists()
    return error


def attribute(name):
    with h5py.File("o.h5") as file:
        return hdf5.attribute(file, name)


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
