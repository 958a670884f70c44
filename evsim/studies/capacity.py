"""Does a network fit a chip, as far as that can be told without data?"""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property

from evsim.chip.fits import Finding, fit
from evsim.chip.placement import Placement
from evsim.chip.profile import Profile

UNTOLD = "queues, potentials, time, energy and claims"  # what only a run tells


class Capacity:
    """A network on the cores of a chip: `findings` of capacity, formats, schedule and memories."""

    def __init__(self, profile: Profile, placement: Placement):
        self.profile, self.placement, self.network = profile, placement, placement.network

    @cached_property
    def findings(self) -> list[Finding]:
        """What shows without a run."""
        return fit(self.profile, self.placement)

    @property
    def holds(self) -> bool:
        """Whether no assumption is broken."""
        return all(finding.holds is not False for finding in self.findings)

    def as_dict(self) -> dict:
        """What a check without data tells; what a run would tell is None."""
        return {
            "chip": self.profile.name,
            "network": {"path": self.network.path, "sha256": self.network.sha256},
            "data": None,
            "holds": self.holds,
            "findings": [asdict(finding) for finding in self.findings],
            "time": None,
            "memory": None,
            "values": None,
        }
