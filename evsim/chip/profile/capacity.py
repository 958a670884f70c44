"""Capacity: what fits on a chip."""

from __future__ import annotations

from dataclasses import dataclass

from evsim.chip.profile.records import Sourced, field, whole


@dataclass(frozen=True, kw_only=True)
class Capacity(Sourced):
    """Limits. Axons: the sources that reach a core, the cores' inputs that its neurons reach.

    `fan_in`, `fan_out`: synapses of one neuron. `delay`: the most timesteps a set may delay.
    """

    cores: int | None = field(whole(1), None)  # of the chip
    neurons_per_core: int | None = field(whole(1), None)  # [neurons]
    synapse_bits_per_core: int | None = field(whole(1), None)  # [bits] of weights
    in_axons_per_core: int | None = field(whole(1), None)  # [axons] sources that reach it
    out_axons_per_core: int | None = field(whole(1), None)  # [axons] inputs of cores it reaches
    fan_in: int | None = field(whole(1), None)  # [synapses] of one neuron
    fan_out: int | None = field(whole(1), None)  # [synapses] of one neuron
    delay: int | None = field(whole(), None)  # [timesteps] the most of a set
