"""The kinds that integrate (iaf, lif, cubalif, readout): the runner that fires, and all kernels.

Slots of their arrays have names. `constants` (fields, 1 or positions, channels): LEAK, BIAS, V_MIN,
LEAST (the smallest potential that fires), DROP (what a spike subtracts, or resets to). `rules`:
FIRST (timestep of the block), START (fires from it on), SUBTRACT (1: reset by subtraction),
REFRACTORY (timesteps), BIASED (1: there is a bias), then the leak of integers: FORM (0 none, 1
v -= v n / 2^k, 2 v = v n / 2^k, 3 v - n towards 0), AMOUNT n, SHIFT k, ROUNDING (0 down, 1 towards
0, 2 nearest). `bounds` of a width: LOW, HIGH, WRAPS (1: modulo), AT_REST (one value that was
reached at rest). `report`: as `evsim.base.width.new_report`.
"""

from __future__ import annotations

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.kernel import kernel
from evsim.base.width import NEVER
from evsim.neurons import Neurons
from evsim.neurons._runner import PotentialRunner, limits

LEAK, BIAS, V_MIN, LEAST, DROP = range(5)
FIRST, START, SUBTRACT, REFRACTORY, BIASED, FORM, AMOUNT, SHIFT, ROUNDING = range(9)
LOW, HIGH, WRAPS, AT_REST = range(4)
OVERFLOWS, FIRST_OVERFLOW, LOWEST, HIGHEST = range(4)


def check_firing(neurons: Neurons) -> None:
    """Raise EvsimError where a reset value lies above the threshold or below the floor."""
    if (neurons.grid(neurons.v_reset) >= neurons.grid(neurons.threshold)).any():
        raise mismatch(neurons.v_reset.max(), "a value below the threshold", "v_reset")
    for name in ("v_init", "v_reset") if neurons.v_min is not None else ():
        value = getattr(neurons, name)
        if (neurons.grid(value) < neurons.grid(neurons.v_min)).any():
            raise mismatch(value.min(), "a value of at least v_min", name)


def firing_constants(neurons: Neurons, dtype) -> np.ndarray:
    """The constants of the kernels that fire, (5, 1 or positions, channels) of `dtype`."""
    neurons.constants(dtype, v_reset=neurons.v_reset)  # must fit, also where nothing resets to it
    floor = np.array(limits(dtype)[0]) if neurons.v_min is None else neurons.v_min
    constants = neurons.constants(
        dtype,
        leak=neurons.leak_factor(dtype),
        bias=neurons.added_bias,
        v_min=floor,
        threshold=neurons.threshold,
        v_reset=neurons.threshold if neurons.reset == "subtract" else neurons.v_reset,
    )
    if (constants[3] <= 0).any():
        raise mismatch(neurons.threshold.min(), f"a threshold above 0 in {dtype}", "threshold")
    if neurons.compare == "gt":  # v > threshold is v >= the next number
        threshold = constants[3]
        if dtype == np.int32 and (threshold == limits(dtype)[1]).any():
            raise mismatch(threshold.max(), "less, as compare is 'gt'", "threshold")
        constants[3] = threshold + 1 if dtype == np.int32 else np.nextafter(threshold, np.inf)
    return constants


class FiringRunner(PotentialRunner):
    """Advances neurons that fire at a threshold, in floats or in integers of no declared width."""

    def __init__(self, neurons: Neurons, dtype, current_bound: int = 0):
        super().__init__(neurons, dtype, firing_constants(neurons, dtype), current_bound)

    def begin(self) -> dict[str, np.ndarray]:
        """The potential at rest, and until when each neuron rests or room for who fired."""
        state = super().begin()
        if self.neurons.refractory:
            state["refractory_until"] = np.zeros(state["potential"].shape, np.int64)
        else:
            state["fired"] = np.zeros(self.neurons.channels, np.uint8)
        return state

    def advance(self, state: dict, currents, reached, first: int, out) -> dict[str, int]:
        """Integrate, fire and reset; the events are appended to `out`."""
        if self.synaptic is not None:
            decay_current(currents, state["synaptic_current"], self.synaptic)
        active = np.zeros(self.samples, np.int64)
        for span in self.spans(state, currents, first):
            for part, start in until_stop(self.neurons, first, span):
                arriving = currents[part].astype(self.dtype, copy=False), reached[part]
                self._fire(state, *arriving, first + part.start, start, out, active)
        if not reached.shape[1]:
            return {"active_updates": len(currents) * self.neurons.neurons // self.samples}
        return {"active_updates": active}

    def _fire(self, state: dict, currents, reached, first: int, start: int, out, active) -> None:
        """Advance a span that leaves no dtype; adds the active updates (samples,) to `active`."""
        neurons, steps = self.neurons, len(currents)
        rules = [first, start, neurons.reset == "subtract", neurons.refractory]
        channels, offsets, _ = out.reserve(steps)
        advance = fire_and_rest if neurons.refractory else fire
        events = advance(
            currents,
            reached,
            state["potential"],
            self.constants,
            self.active,
            state["refractory_until" if neurons.refractory else "fired"],
            np.array(rules, np.int64),
            channels,
            offsets,
            active,
        )
        out.commit(steps, events)


def until_stop(neurons: Neurons, first: int, span: slice) -> list[tuple[slice, int]]:
    """A span of timesteps counted from `first`, cut where neurons stop firing; with each part the
    timestep from which they fire on."""
    stop = getattr(neurons, "stop", None)
    if stop is None or first + span.stop <= stop:
        return [(span, neurons.start)]
    middle = max(stop - first, span.start)
    parts = [(slice(span.start, middle), neurons.start), (slice(middle, span.stop), NEVER)]
    return [(part, start) for part, start in parts if part.start < part.stop]


@kernel
def decay_current(currents, synaptic, constants):
    """u = ((leak * u) + current) + bias, which takes the place of the current.

    `synaptic` (positions, channels): u. `constants`: its leak and its bias.
    """
    for t in range(currents.shape[0]):
        for p in range(currents.shape[1]):
            q = p if constants.shape[1] > 1 else 0
            u, current = synaptic[p], currents[t, p]
            leak, bias = constants[LEAK, q], constants[BIAS, q]
            for c in range(u.shape[0]):
                u[c] = leak[c] * u[c] + current[c] + bias[c]
                current[c] = u[c]


@kernel
def integrate(currents, potential, constants, history):
    """v = ((leak * v) + current) + bias, kept for every timestep in history."""
    for t in range(currents.shape[0]):
        for p in range(currents.shape[1]):
            q = p if constants.shape[1] > 1 else 0
            leak, bias = constants[LEAK, q], constants[BIAS, q]
            v, current, kept = potential[p], currents[t, p], history[t, p]
            for c in range(v.shape[0]):
                v[c] = leak[c] * v[c] + current[c] + bias[c]
                kept[c] = v[c]


@kernel
def fire(
    currents,
    reached,
    potential,
    constants,
    always_active,
    fired,
    rules,
    channels,
    offsets,
    active,
):
    """Integrate, fire, reset, for a block of timesteps; returns the events.

    `reached` is (timesteps, positions, 1 or channels), or without positions where all neurons are
    always active. `fired`: room for a row of channels. `active` (samples,): active neurons are
    added, the positions are those of all samples.
    """
    subtract = rules[SUBTRACT] == 1
    events, cell = np.int64(0), 0  # not of the dtype of fired
    for t in range(currents.shape[0]):
        if reached.shape[1] > 0:
            _count_active(reached[t], always_active, potential, constants, active)
        for p in range(currents.shape[1]):
            q = p if constants.shape[1] > 1 else 0
            v, current = potential[p], currents[t, p]
            leak, bias, floor = constants[LEAK, q], constants[BIAS, q], constants[V_MIN, q]
            least, drop = constants[LEAST, q], constants[DROP, q]
            if rules[FIRST] + t >= rules[START]:
                for c in range(v.shape[0]):
                    x = leak[c] * v[c] + current[c] + bias[c]
                    x = x if x > floor[c] else floor[c]
                    fired[c] = x >= least[c]
                    after = x - drop[c] if subtract else drop[c]
                    v[c] = after if x >= least[c] else x
                for c in range(v.shape[0]):
                    channels[events] = c  # written again unless it counts
                    events += fired[c]
            else:
                for c in range(v.shape[0]):
                    x = leak[c] * v[c] + current[c] + bias[c]
                    v[c] = x if x > floor[c] else floor[c]
            cell += 1
            offsets[cell] = offsets[0] + events
    return events


@kernel
def fire_and_rest(
    currents,
    reached,
    potential,
    constants,
    always_active,
    refractory_until,
    rules,
    channels,
    offsets,
    active,
):
    """As `fire`, with a refractory time; no neuron is visited before `refractory_until`."""
    events, cell = 0, 0
    for t in range(currents.shape[0]):
        now = rules[FIRST] + t
        if reached.shape[1] > 0:
            _count_active(reached[t], always_active, potential, constants, active)
        for p in range(currents.shape[1]):
            q = p if constants.shape[1] > 1 else 0
            v, current = potential[p], currents[t, p]
            leak, bias, floor = constants[LEAK, q], constants[BIAS, q], constants[V_MIN, q]
            least, drop = constants[LEAST, q], constants[DROP, q]
            for c in range(v.shape[0]):
                if now >= refractory_until[p, c]:
                    x = leak[c] * v[c] + current[c] + bias[c]
                    v[c] = x if x > floor[c] else floor[c]
                    if now >= rules[START] and v[c] >= least[c]:
                        channels[events] = c
                        events += 1
                        v[c] = v[c] - drop[c] if rules[SUBTRACT] == 1 else drop[c]
                        refractory_until[p, c] = now + rules[REFRACTORY] + 1
            cell += 1
            offsets[cell] = offsets[0] + events
    return events


@kernel
def fire_bounded(
    currents,
    reached,
    potential,
    constants,
    always_active,
    refractory_until,
    row,
    awake,
    fired,
    rules,
    bounds,
    report,
    channels,
    offsets,
):
    """As `fire`, for integers of a declared width and one sample; returns (events, active neurons).

    `currents` without positions: they are in the potential already, and so is the leak.
    `refractory_until` as for `fire_and_rest`, or empty; `row`, `awake` (all 1), `fired`: room for a
    row of channels, `row` of integers that hold all sums.
    """
    subtract = rules[SUBTRACT] == 1
    events, active, cell = np.int64(0), 0, 0
    for t in range(currents.shape[0]):
        now = rules[FIRST] + t
        if reached.shape[1] > 0:
            active += _active(reached[t], always_active, potential, constants)
        for p in range(potential.shape[0]):
            q = p if constants.shape[1] > 1 else 0
            v, bias, floor = potential[p], constants[BIAS, q], constants[V_MIN, q]
            least, drop = constants[LEAST, q], constants[DROP, q]
            place = (now * potential.shape[0] + p) * potential.shape[1]
            for c in range(v.shape[0]):
                row[c] = v[c]
            for c in range(refractory_until.shape[1]):
                awake[c] = now >= refractory_until[p, c]
            if currents.shape[1] > 0:
                current = currents[t, p]
                if rules[FORM] > 0:
                    _decay(row, rules)
                for c in range(v.shape[0]):
                    row[c] += current[c]
                for c in range(refractory_until.shape[1]):
                    row[c] = row[c] if awake[c] != 0 else bounds[AT_REST]
                _bound(row, bounds, report, place)
            if rules[BIASED] == 1:
                for c in range(v.shape[0]):
                    row[c] += bias[c]
                for c in range(refractory_until.shape[1]):
                    row[c] = row[c] if awake[c] != 0 else bounds[AT_REST]
                _bound(row, bounds, report, place)
            if now >= rules[START]:
                for c in range(v.shape[0]):
                    x = max(row[c], floor[c])
                    fired[c] = (x >= least[c]) & (awake[c] != 0)
                    after = x - drop[c] if subtract else drop[c]
                    x = after if x >= least[c] else x
                    v[c] = x if awake[c] != 0 else v[c]
                for c in range(v.shape[0]):
                    channels[events] = c  # written again unless it counts
                    events += fired[c]
                for c in range(refractory_until.shape[1]):
                    if fired[c] != 0:
                        refractory_until[p, c] = now + rules[REFRACTORY] + 1
            else:
                for c in range(v.shape[0]):
                    v[c] = max(row[c], floor[c]) if awake[c] != 0 else v[c]
            cell += 1
            offsets[cell] = offsets[0] + events
    return events, active


@kernel
def _bound(row, bounds, report, place):
    """Bring a row of sums, the first of which has this place, into the width, and report them."""
    low, high, wraps = bounds[LOW], bounds[HIGH], bounds[WRAPS] == 1
    lowest, highest = row[0], row[0]
    for c in range(row.shape[0]):
        lowest, highest = min(lowest, row[c]), max(highest, row[c])
    report[LOWEST], report[HIGHEST] = min(report[LOWEST], lowest), max(report[HIGHEST], highest)
    if lowest < low or highest > high:
        for c in range(row.shape[0]):
            if row[c] < low or row[c] > high:
                report[FIRST_OVERFLOW] = min(report[FIRST_OVERFLOW], place + c)
                break
        count = 0
        for c in range(row.shape[0]):
            x = row[c]
            y = ((x - low) & (high - low)) + low if wraps else min(max(x, low), high)
            count += x != y
            row[c] = y
        report[OVERFLOWS] += count


@kernel
def decay(potential, rules):
    """The leak of integers on its own, where weights are added to the potential itself."""
    for p in range(potential.shape[0]):
        _decay(potential[p], rules)


@kernel
def _decay(row, rules):
    """The leak of integers on a row of potentials."""
    amount, shift, rounding = rules[AMOUNT], rules[SHIFT], rules[ROUNDING]
    half = np.int64(1) << (shift - 1) if rounding == 2 else np.int64(0)
    for c in range(row.shape[0]):
        x = np.int64(row[c])
        if rules[FORM] == 3:
            row[c] = max(x - amount, 0) if x > 0 else min(x + amount, 0)
        else:
            y = x * amount
            part = (y + half) >> shift
            if rounding == 1 and y < 0:
                part = -((-y) >> shift)
            row[c] = x - part if rules[FORM] == 1 else part


@kernel
def _count_active(reached, always_active, potential, constants, active):
    """Add to `active` (samples,) how many neurons of each a lazy machine cannot skip."""
    positions = potential.shape[0] // active.shape[0]
    for s in range(active.shape[0]):  # what is given for every position is of each sample alike
        first, last = s * positions, (s + 1) * positions
        active[s] += _active(reached[first:last], always_active, potential[first:last], constants)


@kernel
def _active(reached, always_active, potential, constants):
    """How many neurons a lazy machine cannot skip in a timestep, before their integration."""
    count = 0
    for p in range(potential.shape[0]):
        q = p if constants.shape[1] > 1 else 0
        v, least, always = potential[p], constants[LEAST, q], always_active[q]
        if reached.shape[1] > 1:
            hit = reached[p]
            for c in range(v.shape[0]):
                count += (hit[c] | always[c] | (v[c] >= least[c])) != 0
        elif reached[p, 0] != 0:
            count += v.shape[0]
        else:
            for c in range(v.shape[0]):
                count += (always[c] | (v[c] >= least[c])) != 0
    return count
