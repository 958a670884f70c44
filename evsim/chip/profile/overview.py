"""What can be answered with the profile of a chip, in one row."""

from __future__ import annotations

from evsim.chip.profile.profile import Profile

CAPACITY = ("cores", "neurons_per_core", "synapse_bits_per_core", "in_axons_per_core")
CAPACITY += ("out_axons_per_core", "fan_in", "fan_out", "delay")


def overview(profile: Profile) -> dict:
    """A row of `evsim chips`: what `check` and `cost` can answer with a profile, in which units."""
    checks, numeric = [], profile.numeric
    if any(getattr(profile.capacity, name) is not None for name in CAPACITY):
        checks.append("capacity")
    if any((numeric.weight, numeric.accumulator, numeric.membrane, numeric.threshold)):
        checks.append("bits")
    schedule = profile.schedule
    if schedule.update or schedule.order or schedule.compare or schedule.events:
        checks.append("schedule")
    if profile.queues:
        checks.append("queues")
    if any(memory.size_kib is not None for memory in profile.memories):
        checks.append("memories")
    unit = unit_of_time(profile)
    if unit:
        checks.append("time")
    prices = sum(len(charge.action) for charge in profile.prices)
    units = (["pJ"] if prices else []) + ([unit] if unit else [])
    return {
        "name": profile.name,
        "title": profile.title,
        "check": checks,
        "prices": prices,
        "units": units,
    }


def unit_of_time(profile: Profile) -> str:
    """ns, cycles, or "" where the profile has no time of anything."""
    time = profile.time
    if any(value is not None for value in vars(time.ns).values()):
        return "ns"
    if any(value is not None for value in vars(time.cycles).values()):
        return "ns" if time.clock_hz else "cycles"
    return "ms" if time.timestep_ms is not None else ""
