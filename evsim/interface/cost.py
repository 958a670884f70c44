"""evsim.cost: what a run costs on chips."""

from __future__ import annotations

from typing import Any

from evsim.base.overview import Overview
from evsim.chip.profile import Profile
from evsim.chip.profile.amounts import high, low
from evsim.counting.machine import chosen
from evsim.interface._call import called
from evsim.interface._given import Path, profile_of, several
from evsim.interface._record import Record
from evsim.interface._stored import as_result_file
from evsim.interface.results import Result
from evsim.interface.runs import Run


class Costs(Record):
    """What the command `cost` prints as JSON: `samples`, `timesteps`, and `chips`, a row each."""

    samples: int
    chips: list[dict[str, Any]]

    def overview(self) -> Overview:
        """The energy of an inference on every chip."""
        rows = [
            (
                chip["chip"],
                ("at least " if chip["lower_bound"] else "") + _between(chip["energy_uj"]),
                chip["weakest_evidence"],
                ", ".join(chip["machine"].values()),
            )
            for chip in self["chips"]
        ]
        title = f"{self['result']}: {self['samples']:,} samples, mean of an inference"
        return Overview(title, ("chip", "energy, microjoule", "weakest evidence", "machine"), rows)


def _between(energy: Any) -> str:
    ends = [f"{end:.4g}" for end in (low(energy), high(energy))]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


@called
def cost(
    result: Run | Result | Path,
    chips: Profile | Path | list[Profile | Path] | tuple[Profile | Path, ...],
    *,
    accumulate: str | None = None,
    update: str | None = None,
    input: str | None = None,
) -> Costs:
    """What a run costs on chips, side by side; what `evsim cost` does. Nothing is simulated again.

    `result`: a Run, a Result, or the path of a result file. `chips`: one or several, each a name
    that comes with evsim, a TOML file, or a Profile. `accumulate`, `update`, `input`: choices of
    the machine in place of those of the chips. Raises EvsimError.
    """
    from evsim.formats import result as results
    from evsim.formats._hdf5 import reading
    from evsim.studies.cost import described

    machine = chosen(accumulate, update, input)
    given = [chips] if isinstance(chips, Profile) else several(chips)
    profiles = [profile_of(chip, "chips") for chip in dict.fromkeys(given)]
    with as_result_file(result, "result") as (name, path):
        stored = results.load(path, histograms=False)
        with reading(name):
            return Costs(described(stored, name, profiles, machine))
