"""evsim.check: do the assumptions about a chip hold?"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from evsim.base.errors import mismatch
from evsim.base.overview import Overview
from evsim.chip.profile import Profile
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
)
from evsim.interface._record import Record
from evsim.network.network import Network

if TYPE_CHECKING:
    from evsim.studies.check import Check

VERDICTS = {True: "holds", False: "BROKEN", None: "-"}
COLUMNS = ("assumption", "holds", "measured", "limit", "margin", "place")


class Findings(Record):
    """What the command `check` prints as JSON: `holds`, `findings`, `time`, `memory`, `values`."""

    holds: bool
    findings: list[dict[str, Any]]

    def overview(self) -> Overview:
        """Every assumption, and whether it holds."""
        rows = [
            (row["assumption"], VERDICTS[row["holds"]], *(row[name] for name in COLUMNS[2:]))
            for row in self["findings"]
        ]
        verdict = "all assumptions hold" if self["holds"] else "does not hold"
        return Overview(f"{self['chip']}: {verdict}", COLUMNS, rows)


@called
def check(
    network: Network | Path,
    data: Any = None,
    *,
    chip: Profile | Path,
    claims: str | list[str] | tuple[str, ...] = (),
    placing: str = "in_order",
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
    progress: bool = False,
) -> Findings:
    """Do the assumptions about a chip hold for a network on data? What `evsim check` does.

    `network` and `data`: paths or objects, as for `evsim.run`; without data: what can be told
    without a run. `chip`: a name that comes with
    evsim, a TOML file, or a Profile. `claims`: expressions such as "accuracy >= 0.9". `placing`:
    neurons on cores, "in_order" or "balanced". `keep`: a folder for finished samples, with which
    the next such call goes on. The others as for `evsim.run`. Raises EvsimError.
    """
    from evsim.chip.restrict import placed
    from evsim.reports.answer import answer
    from evsim.studies.capacity import Capacity
    from evsim.studies.check import checked

    how: dict[str, Any] = {"timesteps": timesteps, "coding": coding, "seed": seed, "dtype": dtype}
    how |= {"samples": samples_text(samples), "jobs": jobs, "memory": bytes_of(memory)}
    how |= {"quiet": not progress, "folder": None if keep is None else FilePath(os.fspath(keep))}
    how["claims"] = [claims] if isinstance(claims, str) else claims
    spiking, profile = network_of(network), profile_of(chip, "chip")
    placement = placed(spiking, profile, placing)
    found: Capacity | Check
    if data is None:
        asked = {"claims": claims, "timesteps": timesteps, "coding": coding, "samples": samples}
        for name, value in asked.items():
            if value not in (None, ()):
                raise mismatch("no data", "data, which it is of", name)
        found = Capacity(profile, placement)
    else:
        with opened(data, labels) as held:
            found = checked(spiking, held, profile, placement, cluster=cluster, **how)
    return Findings(found.as_dict() | {"answer": asdict(answer(found.findings))})
