"""Time to first spike in windows: one event, and the earlier the more it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import per_neuron, rounded, whole
from evsim.base.kernel import kernel
from evsim.neurons import POTENTIAL, Neurons, Runner
from evsim.neurons._runner import INT32
from evsim.neurons._slope import check_slope, listening

BIAS = 0  # of the constants of the kernel
LAST, LIMIT = range(2)  # of its rules


@dataclass(frozen=True, eq=False, kw_only=True)
class TimeToFirstSpike(Neurons):
    """In the `window` timesteps before `start`: slope = slope + current; v = (v + slope) + bias, in
    the last of them without bias. D = clip(floor(v / threshold + rounding), 0, window - 1); where
    D >= 1 the one event, +1, goes out at start + window - D.

    So D, the value, is how many timesteps are left of the window in which it is sent, and a
    population that listens in that window adds the weight D times: v = sum of weight x D + (window
    - 1) bias, and D = a rectifier clipped at threshold (window - 1), in window - 1 levels. What
    arrives at other times is lost. A set from an input under coding `latency` has a delay of 1:
    its value is window - 1 - t. D is computed in float64. Sources: Rueckauer & Liu 2018 (slopes),
    Stanojevic et al. 2024 (windows, exact values); the grid of times is ours.
    """

    compares: ClassVar[bool] = True
    slope: ClassVar[bool] = True
    fed_by: ClassVar[str] = "latency"
    STATE: ClassVar[dict[str, str]] = {"potential": POTENTIAL, "slope": "slope"}
    EXAMPLES: ClassVar[tuple[dict, ...]] = ({"threshold": 1, "window": 2, "start": 2},)

    bias: np.ndarray | None = per_neuron(None)  # [potential] added every timestep but the last
    v_init: np.ndarray = per_neuron(0.0)  # [potential] before timestep 0
    threshold: np.ndarray = per_neuron(positive=True)  # [potential] of a timestep earlier
    window: int = whole(least=2)  # [timesteps] of listening, and of sending
    start: int = whole()  # [timestep] the first of the window in which it sends
    rounding: np.ndarray = per_neuron(0.5)  # [thresholds] from 0 to below 1

    def check(self) -> None:
        if self.start < self.window:
            expected = f"at least the window, {self.window}, in which it listens before"
            raise mismatch(self.start, expected, "start")
        if (self.rounding < 0).any() or (self.rounding >= 1).any():
            raise mismatch(self.rounding.max(), "values from 0 to below 1", "rounding")

    @property
    def ends(self) -> int:
        return self.start + self.window

    def updates(self, first: int, last: int) -> int:
        first, last = listening(first, last, self.start, self.window)
        return last - first

    def check_source(self, source: Neurons, delay: int) -> None:
        if not source.listens:  # the input
            return
        if source.ends is None:
            expected = "the input, or one that sends in windows"
            raise mismatch(f"a source of kind {source.kind!r}", expected)
        arrives = source.ends - source.window + delay
        if arrives != self.start - self.window:
            listens = f"{self.start - self.window} to {self.start - 1}, in which it is listened to"
            found = f"a window that arrives in timesteps {arrives} to {source.ends + delay - 1}"
            raise mismatch(found, listens)

    def runner(self, dtype, current_bound: int = 0) -> Runner:
        return FirstSpikeRunner(self, np.dtype(dtype))


class FirstSpikeRunner(Runner):
    """Advances neurons that listen in one window and send in the next."""

    def __init__(self, neurons: TimeToFirstSpike, dtype: np.dtype):
        self.neurons, self.dtype = neurons, dtype
        fields = {"bias": neurons.added_bias, "threshold": neurons.threshold}
        self.constants = neurons.constants(dtype, **fields)
        if (self.constants[1] <= 0).any():
            found = neurons.threshold.min()
            raise mismatch(found, f"a threshold above 0 in {dtype}", "threshold")
        self.initial = neurons.constants(dtype, v_init=neurons.v_init)[0]
        self.rounding = neurons.grid(rounded(neurons.rounding, np.float64))

    def begin(self) -> dict[str, np.ndarray]:
        """The potential at rest, and a slope of 0."""
        shape = (self.neurons.positions, self.neurons.channels)
        initial = np.array(np.broadcast_to(self.initial, shape), self.dtype, order="C")
        wide = np.int64 if self.dtype == np.int32 else self.dtype
        return {"potential": initial, "slope": np.zeros(shape, wide)}

    def advance(self, state: dict, currents, reached, first: int, out) -> dict[str, int]:
        """Listen in the window before `start`, send in that from `start` on."""
        neurons, last = self.neurons, first + len(currents)
        a, b = listening(first, last, neurons.start, neurons.window)
        active = 0
        if a < b:
            some = slice(a - first, b - first)
            limit = INT32.max if self.dtype == np.int32 else 0
            rules = np.array([neurons.start - 1 - a, limit], np.int64)
            own = state["potential"], state["slope"], self.constants, rules
            active, wrong = ramp(currents[some], reached[some], *own)
            if wrong >= 0:
                step, neuron = divmod(wrong, neurons.neurons)
                found = f"a current, slope or potential beyond 2^31 at timestep {a + step}"
                raise mismatch(f"{found}, neuron {neuron}", "values within int32")
        self.send(state["potential"], first, last, out)
        return {"active_updates": active}

    def check(self, state: dict, current: np.ndarray, timestep: int) -> None:
        """Raise EvsimError where slope or potential of the timestep to come is not finite."""
        when = timestep, self.neurons.start, self.neurons.window
        check_slope(state, current, self.constants[0], self.dtype, *when)

    def send(self, potential: np.ndarray, first: int, last: int, out) -> None:
        """Append the events of timesteps `first` to before `last`."""
        empty = np.zeros(0, np.int64)
        if last <= self.neurons.start:
            out.extend(empty, empty, last - first)
            return
        ratio = potential.astype(np.float64) / self.constants[1].astype(np.float64)
        left = np.clip(np.floor(ratio + self.rounding), 0, self.neurons.window - 1).ravel()
        times = self.neurons.ends - left.astype(np.int64)
        due = np.flatnonzero((left >= 1) & (times >= first) & (times < last))
        due = due[np.argsort(times[due], kind="stable")]
        out.extend(due, times[due] - first, last - first)


@kernel
def ramp(currents, reached, potential, slope, constants, rules):
    """Listen for some timesteps; returns (active neurons, the first that leaves int32 or -1).

    `constants`: bias, threshold. `reached` is (timesteps, positions, 1 or channels). `rules`: the
    last timestep in which the population listens, counted from these; the largest whole number,
    0 for floats.
    """
    active, limit = 0, rules[LIMIT]
    for t in range(currents.shape[0]):
        for p in range(currents.shape[1]):
            q = p if constants.shape[1] > 1 else 0
            for c in range(currents.shape[2]):
                hit = reached[t, p, c if reached.shape[2] > 1 else 0]
                current, bias = currents[t, p, c], constants[BIAS, q, c]
                s = slope[p, c] + current
                x = potential[p, c] + s
                if t < rules[LAST]:
                    x = x + bias
                active += hit != 0 or s != 0 or bias != 0 or t == rules[LAST]
                if limit > 0 and (max(current, s, x) > limit or min(current, s, x) < -limit - 1):
                    return active, np.int64((t * currents.shape[1] + p) * currents.shape[2] + c)
                slope[p, c] = s
                potential[p, c] = x
    return active, np.int64(-1)
