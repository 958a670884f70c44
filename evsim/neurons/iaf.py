"""Integrate-and-fire neurons."""

from dataclasses import dataclass

from evsim.neurons._firing import Firing


@dataclass(frozen=True, eq=False, kw_only=True)
class IntegrateAndFire(Firing):
    """v = (v + current) + bias; v = max(v, v_min); where v >= threshold: fire, then
    v -= threshold (`reset = "subtract"`) or v = v_reset (`"zero"`)."""
