"""Neurons of temporal switch coding: two events, and the time between them is the value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.base.fields import choice, fraction, per_neuron, whole
from evsim.base.kernel import kernel
from evsim.counting.facts import PREDICTION_FACTS
from evsim.neurons import CIRCUIT, POTENTIAL, Neurons, Runner
from evsim.neurons._runner import INT32, check_range
from evsim.neurons._slope import check_slope, listening, ramp

NEAR = 1e-9  # of an integer: there another order of summation may give another duration
ROUNDINGS = 32  # so many units in the last place of the longest duration are near it, too
ENDLESS = 2**62  # a timestep that never comes
FIRST, START, SETTLED, LAST = range(4)  # of the rules of the kernel
BIAS, THRESHOLD, ONSET = range(3)  # of its constants
NEVER_ON, ON, OFF = range(3)  # phases of a neuron


@dataclass(frozen=True, eq=False, kw_only=True)
class Switch(Neurons):
    """An event adds value * weight to the slope; v += slope.

    firing "window": in the `window` N timesteps before `start` it listens, adding the bias in the
    first N - 1; then D = clip(floor(v / threshold + rounding), 0, N - 1), and where D >= 1 it
    sends +1 at `start` and -1 at start + D. firing "online": v += slope + bias; off and
    v >= onset: send +1, v -= threshold, be on; on and v >= threshold: v -= threshold; on and
    v < threshold: send -1, be off for good.

    Online with a `delta` d <= N it listens from timestep b = start - d to start + N - 1, with its
    bias in the first N - 1, is off at the last of them at the latest, and compares, from `start`
    on, x = v + (prediction r) (slope + bias) in the place of v, where r = max(0, b + N - 1 - t)
    timesteps of listening are left: what v will be if nothing switches any more. With d = N that
    is the rule "window" with v_init greater by rounding * threshold. Source: Han and Roy, Deep
    Spiking Neural Network: Energy Efficiency Through Time Based Coding, ECCV 2020; how a neuron
    fires is ours.
    """

    compares: ClassVar[bool] = True
    valued: ClassVar[bool] = True
    sloped: ClassVar[bool] = True
    slope: ClassVar[bool] = True
    resets: ClassVar[str] = "drains"
    fed_by: ClassVar[str] = "switch"
    STATE: ClassVar[dict[str, str]] = {
        "potential": POTENTIAL,
        "slope": "slope",
        "phase": CIRCUIT,
        "durations": CIRCUIT,
    }
    FACTS: ClassVar[dict[str, str]] = {
        "drains": "thresholds subtracted (online)",
        "lost_synops": "synaptic operations on neurons that are off for good (online)",
        "near": "v / threshold + rounding so near a duration that rounding may decide (window)",
    }
    EXAMPLES: ClassVar[tuple[dict, ...]] = (
        {"threshold": 1, "window": 2, "start": 2},
        {"threshold": 1, "window": 2, "firing": "online"},
    )

    bias: np.ndarray | None = per_neuron(None)  # [potential] added every timestep but the last
    v_init: np.ndarray = per_neuron(0.0)  # [potential] before timestep 0
    threshold: np.ndarray = per_neuron(positive=True)  # [potential] a timestep between events
    window: int = whole(least=2)  # [timesteps] N, a duration is below it
    start: int | None = whole(None)  # [timestep] it fires; required with firing "window"
    firing: str = choice("window", "online")  # after all has arrived, or at once
    rounding: float = fraction(0.0)  # [thresholds] added before rounding down
    onset: np.ndarray | None = per_neuron(None)  # [potential] of on, online; absent: threshold
    delta: int | None = whole(None, least=1)  # [timesteps] after its sources, online
    prediction: float = fraction(0.0, closed=True)  # [share] of what is still due, delta

    @property
    def counts_arrivals(self) -> bool:
        return self.firing == "online"  # those that are lost on a neuron that is off for good

    @property
    def predicts(self) -> bool:
        return self.delta is not None

    @property
    def offset(self) -> int | None:
        """How much later than its sources it sends; None: all populations run together."""
        return self.window if self.firing == "window" else self.delta

    def visited(self, first: int, last: int) -> tuple[int, int]:
        if self.delta is None:
            return first, last
        begin = min(max(first, self.start - self.delta), last)
        return begin, max(begin, min(last, self.start + self.window))

    def check(self) -> None:
        if self.firing == "window":
            if self.start is None:
                raise EvsimError("missing field 'start', required by firing 'window'")
            for name in ("onset", "delta"):
                if getattr(self, name) is not None:
                    expected = "'online', which alone takes this field"
                    raise mismatch("firing 'window'", expected, name)
        elif self.rounding:
            raise mismatch("firing 'online'", "'window', which alone takes this field", "rounding")
        if self.delta is None:
            if self.prediction:
                raise EvsimError("only a population with a delta takes this field", "prediction")
        elif self.start is None:
            raise EvsimError("missing field 'start', required by a delta")
        elif self.delta > self.window:
            raise mismatch(self.delta, f"at most the window, {self.window}", "delta")

    @property
    def facts(self) -> dict[str, str]:
        return super().facts | (PREDICTION_FACTS if self.predicts else {})

    def describe(self) -> dict:
        return super().describe() | {"reset": "subtract" if self.firing == "online" else ""}

    def updates(self, first: int, last: int) -> int:
        if self.firing == "online":
            first, last = self.visited(first, last)
        else:
            first, last = listening(first, last, self.start, self.window)
        return last - first

    def runner(self, dtype, current_bound: int = 0) -> Runner:
        kind = OnlineRunner if self.firing == "online" else WindowRunner
        made = kind(self, dtype, current_bound)
        if (made.threshold <= 0).any():
            raise mismatch(self.threshold.min(), f"a threshold above 0 in {dtype}", "threshold")
        return made


class WindowRunner(Runner):
    """Decides once, at the end of the window in which a population listens.

    In the place of `advance` it has `listen` for the timesteps of that window and `decide` at its
    end: all that it sends follows from one number.
    """

    def __init__(self, neurons: Switch, dtype, current_bound: int = 0):
        self.neurons, self.dtype = neurons, np.dtype(dtype)
        bias = np.zeros(()) if neurons.bias is None else neurons.bias
        fields = {"bias": bias, "v_init": neurons.v_init, "threshold": neurons.threshold}
        self.bias, self.initial, self.threshold = neurons.constants(dtype, **fields)
        last_place = 0.0 if self.dtype == np.int32 else float(np.finfo(self.dtype).eps)
        self.tolerance = max(NEAR, ROUNDINGS * last_place * (neurons.window - 1))
        self.always_active = bool((self.bias != 0).all())

    def begin(self) -> dict[str, np.ndarray]:
        """The potential at rest, and a slope of 0."""
        shape = (self.neurons.positions, self.neurons.channels)
        initial = np.array(np.broadcast_to(self.initial, shape), self.dtype, order="C")
        return {"potential": initial, "slope": np.zeros(shape, self.dtype)}

    def check(self, state: dict, current: np.ndarray, timestep: int) -> None:
        """Raise EvsimError where slope or potential of the timestep to come leaves its dtype."""
        when = timestep, self.neurons.start, self.neurons.window
        check_slope(state, current, self.bias, self.dtype, *when)

    def listen(self, state: dict, currents, reached, left: int) -> int:
        """Advance by timesteps in the window, of which so many are left; returns active updates.

        Only what is counted and traced needs this: the decision has a closed form.
        """
        rules = np.array([left], np.int64)
        currents = currents.astype(self.dtype, copy=False)
        history = np.empty(currents.shape, self.dtype)
        return ramp(
            currents, reached, state["slope"], state["potential"], self.bias, rules, history
        )

    def decide(self, state, total: np.ndarray | None) -> tuple[np.ndarray, int]:
        """The durations (neurons,) of (positions, channels) sums of charges times weights.

        v = v_init + total + (N - 1) bias, which is what the slope adds up to; without a total v
        is what it was stepped to. Returns also for how many v / threshold + rounding lies near a
        duration, where rounding errors decide.
        """
        if total is not None:
            state["potential"][...] = self.closed(total)
        window = self.neurons.window
        x = np.float64(state["potential"]) / np.float64(self.threshold) + self.neurons.rounding
        durations = np.clip(np.floor(x), 0, window - 1).astype(np.int32)
        nearest = np.rint(x)
        close = np.abs(x - nearest) <= self.tolerance
        near = close & (nearest >= 1) & (nearest < window)
        return durations.ravel(), int(np.count_nonzero(near))

    def closed(self, total: np.ndarray) -> np.ndarray:
        """The potential at the end of the window."""
        window = self.neurons.window
        if self.dtype == np.int32:
            total = np.int64(total)
        v = (self.initial + total) + (window - 1) * self.bias
        if self.dtype == np.int32 and ((v < INT32.min) | (v > INT32.max)).any():
            neuron = int(np.flatnonzero((v < INT32.min) | (v > INT32.max))[0])
            found = f"a potential of {v.flat[neuron]} of neuron {neuron} before timestep "
            raise mismatch(f"{found}{self.neurons.start}", "values within int32")
        return v


class OnlineRunner(Runner):
    """Advances neurons that switch on and off while they listen."""

    def __init__(self, neurons: Switch, dtype, current_bound: int):
        self.neurons, self.dtype = neurons, np.dtype(dtype)
        bias = np.zeros(()) if neurons.bias is None else neurons.bias
        onset = neurons.threshold if neurons.onset is None else neurons.onset
        fields = {"bias": bias, "threshold": neurons.threshold, "onset": onset}
        self.constants = neurons.constants(dtype, **fields, v_init=neurons.v_init)
        self.threshold = self.constants[1]
        self.bound = current_bound + int(np.abs(self.constants[:3]).max())
        [[self.prediction]] = neurons.constants(dtype, prediction=neurons.prediction)[0][:, :1]
        if neurons.delta is None:  # it listens, adds its bias and may be on all the time
            self.times = [neurons.start or 0, ENDLESS, ENDLESS]
        else:
            settled = neurons.start - neurons.delta + neurons.window - 1
            self.times = [neurons.start, settled, neurons.start + neurons.window - 1]

    def ahead(self, first: int, steps: int) -> np.ndarray:
        """How much of slope and bias a decision adds to v, by timestep: prediction times r."""
        if self.neurons.delta is None:
            return np.zeros(steps, self.dtype)
        left = np.maximum(self.times[1] - np.arange(first, first + steps), 0)
        return self.prediction * left.astype(self.dtype)

    def begin(self) -> dict[str, np.ndarray]:
        """The state at rest; phase 0 has never been on, 1 is on, 2 is off for good.

        `durations`: for how many timesteps a neuron has been on.
        """
        shape = (self.neurons.positions, self.neurons.channels)
        initial = np.array(np.broadcast_to(self.constants[3], shape), self.dtype, order="C")
        return {
            "potential": initial,
            "slope": np.zeros(shape, self.dtype),
            "phase": np.zeros(shape, np.uint8),
            "durations": np.zeros(shape, np.int32),
        }

    def advance(self, state: dict, currents, reached, first: int, out) -> dict[str, int]:
        """Integrate and switch; `reached`: how many events reached each neuron."""
        steps = len(currents)
        if self.dtype == np.int32 and self.may_overflow(state, steps):
            if steps > 1:
                ones = [slice(i, i + 1) for i in range(steps)]
                done = [
                    self.advance(state, currents[i], reached[i], first + i.start, out) for i in ones
                ]
                return {fact: sum(facts[fact] for facts in done) for fact in done[0]}
            self.check(state, currents[0], first)
        channels, offsets, values = out.reserve(steps)
        rules, ahead = np.array([first, *self.times], np.int64), self.ahead(first, steps)
        currents = currents.astype(self.dtype, copy=False)
        own = *state.values(), self.constants, ahead
        before = int(state["durations"].sum())
        room = rules, channels, values, offsets
        events, active, lost, predicted = toggle(currents, reached, *own, *room)
        out.commit(steps, events)
        drains = int(state["durations"].sum()) - before
        facts = {"active_updates": active, "drains": drains, "lost_synops": lost}
        if self.neurons.predicts:
            predicting = (ahead[max(self.times[0] - first, 0) :] != 0).sum()
            facts["predictions"] = int(predicting) * self.neurons.neurons
            facts["active_predictions"] = predicted
        return facts

    def may_overflow(self, state, steps: int) -> bool:
        """Whether a slope or potential might leave int32 in so many timesteps."""
        potential, slope = (int(np.abs(np.int64(state[n])).max()) for n in ("potential", "slope"))
        return potential + (slope + self.bound * steps) * steps > INT32.max

    def check(self, state: dict, current: np.ndarray, timestep: int) -> None:
        """Raise EvsimError where slope or potential of the timestep to come leaves its dtype."""
        wide = np.int64 if self.dtype == np.int32 else self.dtype
        slope = state["slope"].astype(wide) + current
        growth = slope + self.constants[0].astype(wide) if timestep < self.times[1] else slope
        potential = state["potential"] + growth
        check_range("slope", slope, self.dtype, timestep)
        check_range("potential", potential, self.dtype, timestep)


@kernel
def toggle(
    currents,
    arrivals,
    potential,
    slope,
    phase,
    durations,
    constants,
    ahead,
    rules,
    channels,
    values,
    offsets,
):
    """slope += current; v += slope + bias; then on or off.

    `constants`: bias, threshold, onset. `ahead` (timesteps,): how much of slope + bias is added to
    v for the decision. `rules`: first timestep, start, that from which there is no bias, that from
    which no neuron is on. Returns (events, active neurons, events lost, active neurons that
    predict).
    """
    events, active, lost, predicted, cell = np.int64(0), 0, 0, 0, 0
    for t in range(currents.shape[0]):
        now = rules[FIRST] + t
        biased, deciding, last = now < rules[SETTLED], now >= rules[START], now >= rules[LAST]
        predicting = deciding and ahead[t] != 0
        for p in range(currents.shape[1]):
            q = p if constants.shape[1] > 1 else 0
            bias, threshold, onset = (
                constants[BIAS, q],
                constants[THRESHOLD, q],
                constants[ONSET, q],
            )
            for c in range(currents.shape[2]):
                arrived = arrivals[t, p, c]
                if phase[p, c] == OFF:
                    lost += arrived
                moving = phase[p, c] == ON or (
                    phase[p, c] == NEVER_ON and potential[p, c] >= onset[c]
                )
                slope[p, c] += currents[t, p, c]
                growth = slope[p, c]
                if biased:
                    moving = moving or bias[c] != 0
                    growth += bias[c]
                moving = moving or slope[p, c] != 0 or arrived > 0
                active += moving
                v = potential[p, c] + growth
                x = v
                if predicting:
                    x = v + ahead[t] * growth
                    predicted += moving
                if phase[p, c] == NEVER_ON and x >= onset[c] and deciding and not last:
                    phase[p, c] = ON
                    channels[events], values[events] = c, 1
                    events += 1
                    v -= threshold[c]
                    durations[p, c] += 1
                elif phase[p, c] == ON and x >= threshold[c] and not last:
                    v -= threshold[c]
                    durations[p, c] += 1
                elif phase[p, c] == ON:
                    phase[p, c] = OFF
                    channels[events], values[events] = c, -1
                    events += 1
                potential[p, c] = v
            cell += 1
            offsets[cell] = offsets[0] + events
    return events, active, lost, predicted
