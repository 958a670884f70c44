"""What a file is, from its first look: to tell somebody who gave another one than was asked for."""

from __future__ import annotations

from pathlib import Path

from evsim.base.errors import EvsimError
from evsim.base.toml import read_toml
from evsim.formats import _hdf5 as hdf5
from evsim.formats import data, network, result, trainers

FORMATS = {network.FORMAT: "network", result.FORMAT: "result", data.FORMAT: "data"}


def recognized(path) -> str:
    """network, data, result, model (a trainer's file), chip or definition; "" if none is known."""
    try:
        if Path(path).suffix == ".toml":
            return _of_toml(Path(path))
        if data.source_of(path) is not None:
            return "data"
        with trainers.Source.opened(path) as source:
            file = source.file
            if file is not None and "format" in file.attrs:
                return FORMATS.get(hdf5.attribute(file, "format"), "")
            if file is not None and {"images", "events"} & set(file):
                return "data"
            return "model" if trainers.claimed(source) else ""
    except EvsimError:
        return ""


def _of_toml(path: Path) -> str:
    content = read_toml(path, "a profile or a definition")
    if str(content.get("schema")).startswith("evsim-hw/"):
        return "chip"
    return "definition" if {"layers", "extends"} & set(content) else ""
