"""Integrate-and-fire neurons."""

from dataclasses import dataclass

from evsim.neurons._bounded import Bounded


@dataclass(frozen=True, eq=False, kw_only=True)
class IntegrateAndFire(Bounded):
    """v = (v + current) + bias; v = max(v, v_min); where v >= threshold: fire, then
    v -= threshold (`reset = "subtract"`) or v = v_reset (`"zero"`).

    Integers may have a width: `potential_bits` and what `Bounded` has beside it."""
