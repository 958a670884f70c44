"""What a function was given, as what it works on: a path or an object, a range, a size."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from evsim.base.errors import EvsimError, mismatch, shown
from evsim.engine.events import Events
from evsim.formats.data import Data, Images, open_data
from evsim.network.network import Network

if TYPE_CHECKING:
    from evsim.chip.profile import Profile

Path = str | os.PathLike[str]
Samples = slice | range | int | str | None
Names = str | Iterable[str]


def is_path(value: object) -> bool:
    """Whether it is the path of a file or folder."""
    return isinstance(value, str | os.PathLike)


def network_of(given: Network | Path, place: str = "network") -> Network:
    """A network, or that of a file."""
    if isinstance(given, Network):
        return given
    if is_path(given):
        from evsim.formats.network import load

        return load(given)
    if hasattr(given, "layers"):
        expected = "a spiking one, which evsim.convert makes of it"
        raise mismatch("an artificial network", expected, place)
    raise mismatch(shown(given), "a Network, or the path of a network file", place)


class _NoFile:
    """Stands for the files of data that are in memory only."""

    sha256 = None

    def verify(self) -> None:
        """Nothing can have changed."""

    def begin(self) -> None:
        """There is nothing to hash."""

    close = begin


def data_in_memory(given: Any, labels: Any = None, place: str = "data") -> Data:
    """Images (samples, ...) or Events, as data of no file."""
    data = Data("", "in memory", _NoFile(), lambda: None)  # type: ignore[arg-type]
    if isinstance(given, Events):
        data.events = given
    elif isinstance(given, Images):
        data.images = given
    else:
        images = np.asarray(given)
        if images.dtype.kind in "iub" and images.dtype != np.uint8:
            small = images.size and (images.min() < 0 or images.max() > 255)
            if small:
                raise mismatch(f"dtype {images.dtype}", "values of uint8, or floats", place)
            images = images.astype(np.uint8)
        if images.dtype.kind not in "uf" or images.ndim not in (2, 3, 4):
            found = f"{images.dtype} of shape {images.shape}"
            raise mismatch(found, "images (samples, ...) of uint8 or floats, or Events", place)
        data.images = Images(images, "")
    if labels is not None:
        data.labels = labels_of(labels, data.samples)
    return data


def labels_of(given: Any, samples: int) -> np.ndarray:
    """Labels, one whole number a sample."""
    labels = np.asarray(given)
    if labels.shape != (samples,) or labels.dtype.kind not in "iu":
        found = f"{labels.dtype} of shape {labels.shape}"
        raise mismatch(found, f"whole numbers of shape ({samples},), one a sample", "labels")
    return labels.astype(np.int64)


@contextlib.contextmanager
def opened(given: Any, labels: Any = None, place: str = "data") -> Iterator[Data]:
    """Open data: those given, or those of a path, which are closed again."""
    if is_path(given):
        with open_data(given) as data:
            if labels is not None:
                data.labels = labels_of(labels, data.samples)
            yield data
    elif isinstance(given, Data):
        if labels is not None:
            raise mismatch(
                "labels beside data", "those of the data, or images and labels", "labels"
            )
        yield given
    else:
        yield data_in_memory(given, labels, place)


def samples_text(given: Samples) -> str | None:
    """A range of samples as a command takes it: slice(0, 500), range(500) and 500 are "0:500"."""
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, int | np.integer) and not isinstance(given, bool):
        return f"0:{int(given)}"
    start, stop = getattr(given, "start", None), getattr(given, "stop", None)
    step = getattr(given, "step", 0)
    wholes = all(end is None or isinstance(end, int | np.integer) for end in (start, stop))
    if step not in (None, 1) or not wholes or min(start or 0, 0 if stop is None else stop) < 0:
        expected = "slice(first, end), a number of samples, or text such as '0:500'"
        raise mismatch(shown(given), expected, "samples")
    return f"{start or 0}:{'' if stop is None else stop}"


def bytes_of(given: int | str) -> int:
    """A budget of memory: bytes, or text such as "512M"."""
    from evsim.studies.job import byte_count

    if isinstance(given, str):
        return byte_count(given)
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or given < 1:
        raise mismatch(shown(given), "a number of bytes, or text such as '512M'", "memory")
    return int(given)


def names_of(given: Names | None) -> tuple[str, ...]:
    """One name, several with commas between them, or any number of them."""
    if given is None:
        return ()
    if isinstance(given, str):
        return tuple(dict.fromkeys(given.split(",")))
    return tuple(dict.fromkeys(given))


def several(given: Any) -> list:
    """One thing or any number of them, as a list."""
    return [given] if is_path(given) or not isinstance(given, Iterable) else list(given)


def profile_of(given: Profile | Path, place: str) -> Profile:
    """The profile of a chip: one that comes with evsim, a file, or a record."""
    from evsim.chip.profile import Profile, find

    if isinstance(given, Profile):
        return given
    if not is_path(given):
        expected = "a name that comes with evsim, a TOML file, or a Profile"
        raise mismatch(shown(given), expected, place)
    return Profile.read(find(os.fspath(given), place))


def free_target(path: Path | None, overwrite: bool) -> None:
    """Raise an error if a file is in the way of what is to be written."""
    if path is not None and os.path.exists(path) and not overwrite:
        raise EvsimError("exists already (`overwrite` replaces it)", file=os.fspath(path))
