"""evsim.compare: several networks on the same data."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from evsim.artificial.model import Model
from evsim.base.errors import mismatch
from evsim.base.overview import Overview
from evsim.chip.prices import DEFAULT
from evsim.chip.profile import Profile
from evsim.counting.machine import chosen
from evsim.engine.plan import MEMORY
from evsim.interface._call import called
from evsim.interface._given import (
    Path,
    Samples,
    bytes_of,
    network_of,
    opened,
    profile_of,
    samples_text,
    several,
)
from evsim.interface._record import Record
from evsim.interface.model import model_of
from evsim.network.network import Network

COLUMNS = ("accuracy", "timesteps", "spikes", "additions", "macs", "M1", "M2", "M3", "energy_uj")


class Compared(Record):
    """What the command `compare` prints as JSON: `networks`, a row each, and `ann`."""

    networks: list[dict[str, Any]]
    ann: dict[str, Any] | None

    def overview(self) -> Overview:
        """Every network: accuracy and what an inference takes, mean over samples."""
        rows = [
            (row["network"], *(_cell(row[name]) for name in COLUMNS)) for row in self["networks"]
        ]
        if self["ann"]:
            blank = [None] * (len(COLUMNS) - 1)
            rows.append((f"{self['ann']['path']} (ANN)", self["ann"]["accuracy"], *blank))
        title = f"{self['samples']:,} samples, mean of an inference; prices: {self['profile']}"
        return Overview(title, ("network", *COLUMNS), rows)


def _cell(value: Any) -> Any:
    return f"{value[0]:.4g} to {value[1]:.4g}" if isinstance(value, tuple) else value


@called
def compare(
    networks: Network | Path | Iterable[Network | Path] | Mapping[str, Network | Path],
    data: Any,
    *,
    ann: Model | Path | None = None,
    topology: str | None = None,
    scale: float | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    bgr: bool = False,
    flip_kernels: bool = False,
    force: bool = False,
    timesteps: int | None = None,
    coding: str | None = None,
    samples: Samples = None,
    labels: Any = None,
    seed: int | None = None,
    jobs: int | None = None,
    dtype: str = "float32",
    memory: int | str = MEMORY,
    keep: Path | None = None,
    cluster: Any = None,
    accumulate: str | None = None,
    update: str | None = None,
    input: str | None = None,
    prices: Profile | Path = DEFAULT,
    picture: Path | None = None,
    progress: bool = False,
) -> Compared:
    """Several networks on the same data, side by side; what `evsim compare` does.

    `networks`: one or several, Networks or paths, or a dictionary of them by the name that the
    table gives them. `ann`: the artificial network beside them, a Model or the path of a trainer's
    file, read with `topology` to `force` as `evsim.read` takes them. `prices`: a profile whose
    prices make energies. `accumulate`, `update`, `input`: choices of the machine in place of those
    of `prices`. `picture`: a file to draw accuracy against cost to. `keep`: a folder for finished
    samples. The others as for `evsim.run`. Raises EvsimError.
    """
    from evsim.studies.compare import Comparison

    profile = profile_of(prices, "prices")
    machine = profile.machine.choices | chosen(accumulate, update, input)
    model = None if ann is None else model_of(ann, dict(locals()), "ann")
    choices = {"timesteps": timesteps, "coding": coding, "seed": seed, "dtype": dtype}
    loaded = list(_named(networks).items())
    how = {"jobs": jobs, "memory": bytes_of(memory), "quiet": not progress, "cluster": cluster}
    folder = None if keep is None else FilePath(os.fspath(keep))
    path = str(getattr(model, "path", None) or "artificial network")
    with opened(data, labels) as held:
        compared = Comparison(held, samples_text(samples), machine, profile, folder, **how)
        compared.run_all(loaded, choices, model, path, curves=picture is not None)
        if picture is not None:
            from evsim.reports.comparison import draw_all

            draw_all(compared, FilePath(os.fspath(picture)))
        return Compared(compared.as_dict())


def _named(given: Any) -> dict[str, Network]:
    """The networks by what the table calls them."""
    if isinstance(given, Mapping):
        return {name: network_of(one, "networks") for name, one in given.items()}
    every = [given] if isinstance(given, Network) else several(given)
    if not every:
        raise mismatch("none", "one network or several", "networks")
    found: dict[str, Network] = {}
    for number, one in enumerate(every, 1):
        network = network_of(one, "networks")
        name = network.path or network.name or f"network {number}"
        if name in found and network.path is None:
            name = f"{name}, number {number}"
        found[name] = network
    return found
