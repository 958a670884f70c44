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
TILE = 1024  # neurons whose potentials stay in the first cache for a block of timesteps


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
        self.tile = tile(self.constants, neurons.positions)

    def begin(self) -> dict[str, np.ndarray]:
        """The potential at rest, and until when each neuron rests if it does."""
        state = super().begin()
        if self.neurons.refractory:
            state["refractory_until"] = np.zeros(state["potential"].shape, np.int64)
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
        rules = np.array([first, start, neurons.reset == "subtract", neurons.refractory], np.int64)
        fired, potential = out.room_for_marks(steps), state["potential"].reshape(-1)
        given = currents.reshape(steps, -1), reached, potential, self.tile, self.active
        if neurons.refractory:
            until = state["refractory_until"].reshape(-1)
            fire_and_rest(*given, until, rules, fired, active)
        else:
            fire(*given, rules, fired, active)
        out.commit_marks(steps)


def tile(constants: np.ndarray, positions: int) -> np.ndarray:
    """Constants (fields, 1 or positions, channels) of the neurons of as many positions as a kernel
    takes at once, (fields, neurons).

    Loops over channels are short in narrow populations; over several positions they are not.
    """
    fields, given, channels = constants.shape
    several = positions if given > 1 else min(positions, max(1, TILE // channels))
    return np.tile(constants, (1, several // given, 1)).reshape(fields, -1)


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
def fire(currents, reached, potential, constants, always_active, rules, fired, active):
    """Integrate, fire, reset, for a block of timesteps, some neurons after the others.

    `currents` and `fired`, which becomes 1 or 0, are (timesteps, neurons), `potential` (neurons,),
    `constants` (5, neurons of some positions or of all); `reached` is (timesteps, positions, 1 or
    channels), or without positions where all neurons are always active. To `active` (samples,), of
    which positions are those of all, the neurons are added that a lazy machine cannot skip.
    """
    neurons, width, given = potential.shape[0], always_active.shape[1], constants.shape[1]
    some = given if given < neurons else width * max(1, TILE // width)
    subtract = rules[SUBTRACT] == 1
    for first in range(0, neurons, some):
        last = min(first + some, neurons)
        v = potential[first:last]
        k = first if given == neurons else 0
        leak, bias = constants[LEAK, k : k + some], constants[BIAS, k : k + some]
        floor, least = constants[V_MIN, k : k + some], constants[LEAST, k : k + some]
        drop = constants[DROP, k : k + some]
        for t in range(currents.shape[0]):
            if reached.shape[1] > 0:
                _count_active(reached[t], always_active, v, least, first // width, active)
            current, spike = currents[t, first:last], fired[t, first:last]
            may = rules[FIRST] + t >= rules[START]
            for c in range(v.shape[0]):
                x = v.dtype.type(leak[c] * v[c] + current[c] + bias[c])
                x = x if x > floor[c] else floor[c]
                spikes = (x >= least[c]) & may
                spike[c] = spikes
                after = x - drop[c] if subtract else drop[c]
                v[c] = after if spikes else x


@kernel
def fire_and_rest(
    currents, reached, potential, constants, always_active, refractory_until, rules, fired, active
):
    """As `fire`, with a refractory time; no neuron is visited before `refractory_until`."""
    neurons, width, given = potential.shape[0], always_active.shape[1], constants.shape[1]
    some = given if given < neurons else width * max(1, TILE // width)
    subtract = rules[SUBTRACT] == 1
    for first in range(0, neurons, some):
        last = min(first + some, neurons)
        v, until = potential[first:last], refractory_until[first:last]
        k = first if given == neurons else 0
        leak, bias = constants[LEAK, k : k + some], constants[BIAS, k : k + some]
        floor, least = constants[V_MIN, k : k + some], constants[LEAST, k : k + some]
        drop = constants[DROP, k : k + some]
        for t in range(currents.shape[0]):
            if reached.shape[1] > 0:
                _count_active(reached[t], always_active, v, least, first // width, active)
            current, spike = currents[t, first:last], fired[t, first:last]
            now = rules[FIRST] + t
            may, rested = now >= rules[START], now + rules[REFRACTORY] + 1
            for c in range(v.shape[0]):
                x = v.dtype.type(leak[c] * v[c] + current[c] + bias[c])
                x = x if x > floor[c] else floor[c]
                awake = now >= until[c]
                spikes = (x >= least[c]) & awake & may
                after = x - drop[c] if subtract else drop[c]
                spike[c] = spikes
                v[c] = (after if spikes else x) if awake else v[c]
                until[c] = rested if spikes else until[c]


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
            for p in range(potential.shape[0]):
                q = p if constants.shape[1] > 1 else 0
                least = constants[LEAST, q]
                active += _active(reached[t, p], always_active[q], potential[p], least)
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
def _count_active(reached, always_active, v, least, first, active):
    """Add to `active` (samples,) how many neurons of each a lazy machine cannot skip.

    `v` and `least` are those of the positions from `first` on, `reached` and `always_active` of
    all positions, or the latter of one that stands for all. Position by position is slow, and only
    done where it has to be.
    """
    width, positions = always_active.shape[1], reached.shape[0] // active.shape[0]
    last, quiet = first + v.shape[0] // width, 0
    if reached.shape[1] == 1:
        for p in range(first, last):
            active[p // positions] += width * (reached[p, 0] != 0)
            quiet += reached[p, 0] == 0
        if quiet == 0:
            return
    ready = np.int32(len(always_active) > 1 or always_active[0].any())
    alike = ready == 0 and first // positions == (last - 1) // positions
    if reached.shape[1] > 1 and alike:
        hit, count = reached[first:last].reshape(v.shape[0]), np.int32(0)
        for c in range(v.shape[0]):
            count += np.int32((hit[c] != 0) | (v[c] >= least[c]))
        active[first // positions] += count
        return
    for c in range(v.shape[0]):
        ready += np.int32(v[c] >= least[c])
    for p in range(first, last if ready or reached.shape[1] > 1 else first):
        if reached.shape[1] > 1 or reached[p, 0] == 0:
            k = (p - first) * width
            always = always_active[p if len(always_active) > 1 else 0]
            count = _active(reached[p], always, v[k : k + width], least[k : k + width])
            active[p // positions] += count


@kernel
def _active(hit, always, v, least):
    """How many neurons of a position a lazy machine cannot skip, before their integration."""
    count = np.int32(0)
    if hit.shape[0] > 1:
        for c in range(v.shape[0]):
            count += np.int32((hit[c] != 0) | (always[c] != 0) | (v[c] >= least[c]))
    elif hit[0] != 0:
        count += np.int32(v.shape[0])
    else:
        for c in range(v.shape[0]):
            count += np.int32((always[c] != 0) | (v[c] >= least[c]))
    return count
