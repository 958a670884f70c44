"""What the readers of trainers' files share: the open file, the options, what is read."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from evsim.base.errors import EvsimError, Parameter, mismatch, nearest, shown
from evsim.formats import _hdf5 as hdf5

PICKLE = (
    "a pickle, which can run any program when it is read; save the weights with the script of "
    "docs/guide/trainers.md, section 'From PyTorch'"
)

WORDS = {  # what options that are words may be
    "reset": ("subtract", "zero"),
    "compare": ("ge", "gt"),
    "like": ("snntorch", "sinabs", "norse", "spikingjelly", "lava", "rockpool"),
}


@dataclass(frozen=True)
class Options:
    """What a file does not say. None or false: not asked for."""

    topology: str | None = None  # a name in networks/ or a TOML file
    scale: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    bgr: bool = False
    flip_kernels: bool = False
    dt: float | None = None  # seconds per timestep
    reset: str | None = None
    compare: str | None = None
    bias_start: int | None = None  # the first timestep with a bias
    skip_encoder: bool = False  # the data are the spikes of the input layer's neurons
    like: str | None = None  # the tool as whose neurons those of the file fire
    force: bool = False  # an option may contradict the file

    def __post_init__(self) -> None:
        for name, words in WORDS.items():
            if getattr(self, name) not in (None, *words):
                value = getattr(self, name)
                near = nearest(value, words) if isinstance(value, str) else ""
                raise mismatch(repr(value), f"{' or '.join(words)}{near}", Parameter(name))

    @classmethod
    def among(cls, given: Mapping) -> dict:
        """Those of what a function was `given`, by name, that are such options."""
        return {one.name: given[one.name] for one in fields(cls) if one.name in given}

    def refuse(self, name: str, why: str) -> None:
        """Raise EvsimError if the option `name` was given, which the file settles; not if forced.

        `why`: what the file says of it.
        """
        value = getattr(self, name)  # 0 is a value, though it equals False
        if value is not None and value is not False and not self.force:
            problem = f"contradicts the file: {why} (`force` takes it anyway)"
            raise EvsimError(problem, Parameter(name))


@dataclass(frozen=True)
class Bundle:
    """The arrays of one layer of a file without topology, in evsim's axes.

    `arrays` by role: weight ((in, out), or (kernel_h, kernel_w, in / groups, out)), bias, gamma,
    beta, mean, variance.
    """

    name: str  # the path of the layer in the file, prefixes such as module. stripped
    arrays: dict[str, np.ndarray]


@dataclass
class Reading:
    """What a reader made of a file; `content`: a Model, a Network, or None if it is unsupported."""

    content: object = None
    layers: list[dict] = field(default_factory=list)  # rows of a table: layer, kind, shape, ...
    unsupported: list[tuple[str, str]] = field(default_factory=list)  # place, what and what works
    notes: list[str] = field(default_factory=list)  # what the reader decided or guessed
    format: str = ""
    bundles: list[Bundle] = field(default_factory=list)  # of weights that nobody named layers for

    def result(self):
        """The model or network; an error that names the first thing that is unsupported."""
        if self.unsupported:
            place, what = self.unsupported[0]
            more = len(self.unsupported) - 1
            also = f" (and {more} more: evsim info lists them)" if more else ""
            raise EvsimError(what + also, place)
        return self.content


class Source:
    """An open file that a trainer wrote: HDF5 (`file` is open), or anything else (`start`)."""

    def __init__(self, path: Path, start: bytes, file=None):
        self.path, self.start, self.file = path, start, file
        self.place = ""

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path) -> Iterator[Source]:
        """The open file; whatever reading it raises becomes an EvsimError that names it."""
        path = Path(path)
        with hdf5.reading(path):
            if hdf5.signed(path):
                with hdf5.open_file(path) as file:
                    yield cls(path, hdf5.SIGNATURE, file)
            else:
                with open(path, "rb") as file:
                    start = file.read(512)
                yield cls(path, start)

    def described(self) -> str:
        """What a file that no reader claims seems to be, in words."""
        if self.file is not None:
            names = [shown(name) for name in (*self.file, *self.file.attrs)]
            if not names:
                return "an HDF5 file with nothing in it"
            more = ", ..." if len(names) > 4 else ""
            return f"an HDF5 file of no known layout (it has {', '.join(names[:4])}{more})"
        if self.start.startswith(b"PK"):
            return PICKLE if self._pickled() else "a zip archive of no known layout"
        if self.start[:1] == b"\x80" or self.path.suffix in (".pt", ".pth", ".pkl", ".pickle"):
            return PICKLE
        return "a file of another format" if self.start else "an empty file"

    def _pickled(self) -> bool:
        """Whether a zip archive is one of torch.save; of a damaged one the name says it."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                return any(name.rpartition("/")[2] == "data.pkl" for name in archive.namelist())
        except Exception:  # zipfile raises many kinds for a damaged archive
            return self.path.suffix in (".pt", ".pth", ".ckpt", ".tar")
