"""How long a chip takes: every core does its work, and the slowest one ends the timestep."""

from __future__ import annotations

import numpy as np

from evsim.chip.placement import Load, Placement
from evsim.chip.profile.amounts import Amount, high, low, times
from evsim.chip.profile.time import Time

STEPS = ("pop", "event", "synapse", "update", "push")


class Timing:
    """Durations of the samples whose measures it takes, low and high ends of what is known.

    A core takes pops x pop + pops x event + ceil(synops / lanes) x synapse + updates x update +
    pushes x push, one after the other (`idle_update` is the low end of all updates); a timestep
    takes its slowest core and the barrier. In a pipeline a sample enters every `period` timesteps,
    so that the chip does what lies a multiple of `period` apart in the same timestep; the samples
    are taken to be alike. In nanoseconds, or in cycles where the clock is not known.
    """

    def __init__(self, time: Time, placement: Placement, period: int):
        self.time, self.placement, self.period = time, placement, period
        self.steps = _steps(time)
        self.unit = "ns" if time.clock_hz or any(vars(time.ns).values()) else "cycles"
        self.samples, self.longest = 0, 0.0
        self.latency, self.interval = np.zeros(2), np.zeros(2)
        self.busy = np.zeros(placement.count)
        self.bounds = dict.fromkeys([*(s for s in STEPS if s in self.steps), "barrier"], 0.0)

    @property
    def known(self) -> bool:
        """Whether the chip says how long anything takes."""
        return bool(self.steps)

    def measure(self, load: Load) -> np.ndarray:
        """What a sample adds: latency and interval, low and high; the longest timestep; how long
        each core is busy; by step, and of the barrier, how long the slowest cores take for it.
        """
        steps = self._work(load, high)
        cores = sum(steps.values(), np.zeros(load.pops.shape))
        slowest = (np.arange(len(cores)), cores.argmax(axis=1))
        barrier = high(self.steps.get("barrier", 0.0)) * len(cores)
        return np.concatenate(
            [
                self._durations(load).sum(axis=1),
                self._durations(folded(load, self.period)).sum(axis=1),
                [self._durations(load)[1].max(initial=0)],
                cores.sum(axis=0),
                [work[slowest].sum() for work in steps.values()],
                [barrier],
            ]
        )

    def take(self, measured: np.ndarray) -> None:
        """Add the measures of the next sample, as `measure` gave them."""
        self.samples += 1
        self.latency += measured[:2]
        self.interval += measured[2:4]
        self.longest = max(self.longest, float(measured[4]))
        self.busy += measured[5 : 5 + self.busy.size]
        for step, took in zip(self.bounds, measured[5 + self.busy.size :], strict=True):
            self.bounds[step] += float(took)

    def _work(self, load: Load, end) -> dict[str, np.ndarray]:
        """By step: how long it takes each core in each timestep, (timesteps, cores)."""
        rounds = -(-load.synops // (self.time.lanes or 1))
        counts = load.pops, load.pops, rounds, load.updates, load.pushes
        times_done = dict(zip(STEPS, counts, strict=True))
        return {
            step: n * end(self.steps[step]) for step, n in times_done.items() if step in self.steps
        }

    def _durations(self, load: Load) -> np.ndarray:
        """(2, timesteps): the least and the most that a timestep takes."""
        ends = []
        for end in (low, high):
            work = self._work(load, end)
            if end is low and {"update", "idle_update"} <= set(self.steps):
                work["update"] = load.updates * low(self.steps["idle_update"])
            cores = sum(work.values(), np.zeros(load.pops.shape))
            ends.append(cores.max(axis=1, initial=0) + end(self.steps.get("barrier", 0.0)))
        return np.array(ends)

    def as_dict(self) -> dict:
        """Latency, throughput, the bottleneck and what bounds it: means per sample, by name.

        Times are in `unit`. Nothing where the chip does not say how long a step takes.
        """
        if not self.known or not self.samples:
            return {}
        core = int(self.busy.argmax())
        least, most = self.latency / self.samples
        shortest, interval = self.interval / self.samples
        means = {
            "unit": self.unit,
            "latency": float(most),
            "latency_low": float(least),
            "interval": float(interval),
            "interval_low": float(shortest),
            "longest_timestep": self.longest,
            "bottleneck_core": core,
            "populations": [n for n, c in self.placement.cores.items() if (c == core).any()],
            "bound_by": max(self.bounds, key=self.bounds.get),
        }
        if self.unit == "ns" and interval:
            means["inferences_per_second"] = 1e9 / float(interval)
        return means


def folded(load: Load, period: int) -> Load:
    """The load of a timestep in which several samples are on the chip, one every `period`."""

    def fold(work: np.ndarray) -> np.ndarray:
        missing = -len(work) % period
        return np.pad(work, ((0, missing), (0, 0))).reshape(-1, period, work.shape[1]).sum(axis=0)

    return Load(*map(fold, vars(load).values()))


def _steps(time: Time) -> dict[str, Amount]:
    """How long each step takes, of those that are known."""
    cycle = 1e9 / time.clock_hz if time.clock_hz else 1.0
    steps = {step: times(n, cycle) for step, n in vars(time.cycles).items() if n is not None}
    return steps | {step: ns for step, ns in vars(time.ns).items() if ns is not None}
