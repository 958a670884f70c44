"""evsim.nir_export: a network for other simulators."""

from __future__ import annotations

import os
from typing import Any

from evsim.base.overview import Overview
from evsim.interface._call import called
from evsim.interface._given import Path, network_of
from evsim.interface._record import Record
from evsim.network.network import Network


class Exported(Record):
    """What was written: `path`, and `unsaid`: what another simulator needs set by hand."""

    path: str
    unsaid: list[dict[str, Any]]

    def overview(self) -> Overview:
        """What another simulator needs set by hand."""
        parts: dict[str, list[str]] = {}
        for row in self["unsaid"]:
            parts.setdefault(row["part"], []).append(f"{row['setting']} {row['value']}")
        rows = [(name, ", ".join(settings)) for name, settings in parts.items()]
        title = f"{self['path']}: a NIR graph, dt = {self['dt']:g} s"
        notes = ["NIR has no word for these: set them in the other simulator"] if rows else []
        return Overview(title, ("part", "set by hand"), rows, notes)


@called
def nir_export(
    network: Network | Path, path: Path, *, dt: float = 1.0, overwrite: bool = False
) -> Exported:
    """Write a network as a NIR graph, which other simulators and chips' tools read.

    `network`: a Network, or the path of a network file. `dt`: seconds per timestep, which time
    constants and delays are in. What evsim and others settle in their own way, as NIR has no word
    for it, comes back with `evsim.read` and is in `unsaid`: the potential at the beginning, reset
    by subtraction, >= in place of >, the scaling of the image. Raises EvsimError that names the
    first part that NIR cannot say.
    """
    from evsim.formats.nir import export

    given = network_of(network)
    unsaid = export(given, path, dt, overwrite)
    return Exported({"path": os.fspath(path), "dt": dt, "unsaid": unsaid})
