"""The windows of temporal switch coding: who listens when, and who sends when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evsim.base.errors import mismatch
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
    sloping = {name: part for name, part in populations.items() if part.sloped}
    if not sloping:
        return None if window is None else Schedule(window)
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
            source = _origin(part.source, populations, synapses)
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
        if part.passes and _origin(name, populations, synapses) in starts:
            starts[name] = _passed(name, populations, synapses, starts)
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


def _origin(name: str, populations, synapses) -> str:
    """The population whose events these are: what a max pool hands on are its source's."""
    for _ in populations:  # a ring of max pools has no origin
        if not populations[name].passes:
            break
        name = next(s.source for s in synapses.values() if s.target == name)
    return name


def _passed(name: str, populations, synapses, starts) -> int:
    """When a max pool sends: with its source, after the delay of its set."""
    if not populations[name].passes:
        return starts[name]
    into = next(s for s in synapses.values() if s.target == name)
    return _passed(into.source, populations, synapses, starts) + into.delay
