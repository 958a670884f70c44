"""Files of evsim: networks, data, results."""

from __future__ import annotations

import os
from typing import Any

from evsim.formats import data as formats_data
from evsim.formats import network as formats_network
from evsim.formats.data import Data
from evsim.interface._call import called
from evsim.interface._given import Path
from evsim.network.network import Network


@called
def load(path: Path) -> Network:
    """Read a network file; the network keeps its `path` and `sha256`. Raises EvsimError."""
    return formats_network.load(path)


@called
def save(
    network: Network, path: Path, overwrite: bool = False, notes: dict[str, dict] | None = None
) -> None:
    """Write a network file, whole or not at all; the network then has its `path` and `sha256`.

    `notes`: attributes by population that readers ignore, "x-..."; None: those of its conversion.
    Raises EvsimError if there is a file of this name and not `overwrite`.
    """
    if notes is None and network.units:
        from evsim.conversion.units import notes as notes_of

        notes = notes_of(network.units)
    formats_network.save(network, path, overwrite, notes)
    if network.path is None:
        from evsim.formats._origin import Origin

        network.path, network.sha256 = os.fspath(path), Origin(os.fspath(path)).sha256


@called
def open_data(path: Path) -> Data:
    """Open data: a data file, a folder of pictures, recordings, ..., with options behind its path.

    Such as "digits_test.h5", "photos::size=224x224,gray" or "Test.zip::bin=500". The data have
    `images` or `events`, `labels` or None, and are closed by `close()` or `with`. Nothing is read
    before it is used. Raises EvsimError.
    """
    return formats_data.open_data(path)


@called
def info(file: Path, draft: Path | None = None) -> dict[str, Any]:
    """What a network, data, result or trainer's file holds, as the command `info` tells it.

    `draft`: a new TOML file, to which a first definition of the layers is written, of weights that
    come without; then only what of it is guessed is returned. Raises EvsimError.
    """
    from evsim.interface._tables import Described
    from evsim.reports.info import describe, write_draft
    from evsim.store.assemble import as_file

    if draft is not None:
        return Described(write_draft(os.fspath(file), os.fspath(draft)))
    with as_file(file) as path:
        return Described(describe(path) | {"file": os.fspath(file)})


@called
def warm() -> None:
    """Compile and cache the kernels, so that no later run waits for them."""
    from evsim.engine.warm import warm_up

    warm_up()
