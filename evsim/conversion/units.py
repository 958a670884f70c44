"""Which population of a converted network stands for which layer of the artificial one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from evsim.base.errors import mismatch, shown
from evsim.formats import _hdf5 as hdf5


@dataclass(frozen=True, eq=False)
class Unit:
    """What a rate stands for: activation of `layer` = rate of `population` times `scale`."""

    population: str
    layer: str  # of the artificial network as it was read; "": none has this activation
    scale: np.ndarray  # one, or one per channel


def notes(units: Iterable[Unit]) -> dict[str, dict]:
    """The units as attributes of a network file, which its readers ignore."""
    return {
        unit.population: {"x-layer": unit.layer, "x-scale": np.asarray(unit.scale, np.float32)}
        for unit in units
    }


def as_kept(units: Iterable[Unit]) -> tuple[Unit, ...]:
    """The units as a network file keeps them, scales rounded to float32."""
    return tuple(replace(unit, scale=np.asarray(unit.scale, np.float32)) for unit in units)


def stored(path) -> list[Unit]:
    """The units that a converted network file holds; none if it was not converted by evsim."""
    units = []
    with hdf5.opened(path) as file:
        for name, group in file["populations"].items():
            if {"x-layer", "x-scale"} <= set(group.attrs):
                layer, scale = (hdf5.attribute(group, f"x-{n}") for n in ("layer", "scale"))
                if not isinstance(layer, str) or not isinstance(scale, np.ndarray):
                    expected = "a name and numbers"
                    raise mismatch(shown(layer), expected, f"populations/{name}/x-layer")
                units.append(Unit(name, layer, scale))
    return units
