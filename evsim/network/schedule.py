"""Who listens and who sends when, where the time of an event within a window is its value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from evsim.base.errors import mismatch
from evsim.network.graph import origin
from evsim.neurons import Neurons
from evsim.synapses import Synapses


@dataclass(frozen=True)
class Schedule:
    """Windows of `window` timesteps; populations that fire once per window, one after the other.

    `starts`: the first timestep of the window in which the input, a population with `firing =
    "window"` or a max pool of them sends. `timesteps` that a run needs; None: any number.
    `coded`: whether there are populations that take switch events only. `period`: after how many
    timesteps the next sample may follow; None: after all of them.
    """

    window: int
    timesteps: int | None = None
    starts: Mapping[str, int] = field(default_factory=dict)
    coded: bool = False
    period: int | None = None
    first_spikes_end: int | None = None


def schedule(
    populations: Mapping[str, Neurons],
    synapses: Mapping[str, Synapses],
    input: str,
    window: int | None,
) -> Schedule | None:
    """The schedule of a network whose root attribute `window` is given; None without windows.

    Raises EvsimError where windows differ, do not follow each other, or a source is of a kind
    that sends no switch events.
    """
    window, end = _first_spikes(populations, window)
    sloping = {name: part for name, part in populations.items() if part.sloped}
    if not sloping:
        return None if window is None else Schedule(window, first_spikes_end=end)
    made = _switches(populations, synapses, input, window, sloping)
    return replace(made, first_spikes_end=end)


def _first_spikes(populations, window: int | None) -> tuple[int | None, int | None]:
    """The one window of populations that send first spikes, and the end of the last of them."""
    ends = {name: part.ends for name, part in populations.items() if part.ends is not None}
    for name in ends:
        own = populations[name].window
        if (window or own) != own:
            raise mismatch(own, f"{window}, as elsewhere", f"populations/{name}/window")
        window = own
    return window, max(ends.values(), default=None)


def _switches(populations, synapses, input: str, window: int | None, sloping) -> Schedule:
    """The schedule of populations of switch events."""
    switches = {name: part for name, part in sloping.items() if part.sends}
    firing = {part.firing for part in switches.values()} or {"window"}
    if len(firing) > 1:
        expected = "one rule in all populations of a network"
        place = f"populations/{min(switches)}/firing"
        raise mismatch(" and ".join(sorted(firing)), expected, place)
    together = any(part.offset is None for part in switches.values())
    for name, part in sloping.items():
        window = window or part.window
        if part.window != window and (part.sends or not together):
            raise mismatch(part.window, f"{window}, as elsewhere", f"populations/{name}/window")
    for name, part in synapses.items():
        if part.target in sloping:
            source, _ = origin(part.source, populations, synapses)
            if source != input and source not in switches:
                expected = "the input, a population of kind 'switch' or a max pool of them"
                found = f"kind {populations[part.source].kind!r}"
                raise mismatch(found, expected, f"synapses/{name}/source")
    offsets = {part.offset for part in switches.values()} or {window}
    if len(offsets) > 1:
        found = " and ".join(sorted("none" if o is None else str(o) for o in offsets))
        raise mismatch(found, "one in all populations of a network", "populations/*/delta")
    [offset] = offsets
    if offset is None:
        return Schedule(window, coded=True)
    starts = {name: part.start for name, part in switches.items()} | {input: 0}
    for name, part in populations.items():
        source, delay = origin(name, populations, synapses)
        if part.passes and source in starts:
            starts[name] = starts[source] + delay
    for name, part in sloping.items():
        later = offset if part.sends else window
        expected = {
            starts[s.source] + s.delay + later for s in synapses.values() if s.target == name
        }
        wrong = expected - {part.start} if part.start >= later else {later}
        if wrong:
            what = f"a window of {window}" if later == window else f"{later} timesteps"
            which = f"{min(wrong)}: {what} after its sources begin to send"
            raise mismatch(part.start, which, f"populations/{name}/start")
    last = max((part.start + window for part in switches.values()), default=0)
    timesteps = max([last, *(part.start for part in sloping.values())])
    if firing != {"window"}:  # their events come one by one, and they drain while they send
        return Schedule(window, timesteps, coded=True, period=window + offset)
    return Schedule(window, timesteps, starts, coded=True, period=window)
