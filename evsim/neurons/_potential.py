"""What the kinds with a membrane potential share: their fields, their kernels, their window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import per_neuron, rounded
from evsim.base.kernel import kernel
from evsim.neurons import Neurons

INT32 = np.iinfo(np.int32)


@dataclass(frozen=True, eq=False, kw_only=True)
class Biased(Neurons):
    """Neurons to whose current a bias is added."""

    bias: np.ndarray | None = per_neuron(None)  # [potential] added every timestep

    def constants(self, dtype, **fields) -> np.ndarray:
        """The given fields as one array (fields, 1 or positions, channels) of `dtype`.

        An integer population takes whole numbers only.
        """
        grids = []
        for name, value in fields.items():
            fits = np.trunc(np.clip(np.float64(value), INT32.min, INT32.max)) == value
            if dtype == np.int32 and not fits.all():
                raise mismatch(
                    np.ravel(value)[~np.ravel(fits)][0],
                    "whole numbers within int32 (the population is an integer one)",
                    name,
                )
            grids.append(self.grid(rounded(np.clip(value, *limits(dtype)), dtype, name)))
        return np.ascontiguousarray(np.stack(np.broadcast_arrays(*grids)))

    def added_bias(self, dtype) -> np.ndarray:
        """The bias; an absent one is -0.0, which adds exactly to the same value."""
        return np.array(-0.0) if self.bias is None else self.bias


@dataclass(frozen=True, eq=False, kw_only=True)
class Integrating(Biased):
    """v = ((leak * v) + current) + bias."""

    v_init: np.ndarray = per_neuron(0.0)  # [potential] before timestep 0

    def leak_factor(self, dtype) -> np.ndarray:
        """The leak; an absent one is 1, which multiplies exactly to the same value."""
        leak = getattr(self, "leak", None)
        if leak is None:
            return np.ones(())
        if dtype == np.int32 and (leak != 1).any():
            raise mismatch(leak.min(), "a leak of 1 (the population is an integer one)", "leak")
        return leak

    def restless(self, constants) -> np.ndarray:
        """Where a neuron is active at every timestep: its bias is not 0 or its leak not 1."""
        leak, bias = constants[0], constants[1]
        if getattr(self, "current_leak", None) is not None:
            return np.ones(leak.shape, np.uint8)
        return np.ascontiguousarray((leak != 1) | (bias != 0)).astype(np.uint8)


def limits(dtype) -> tuple[float, float]:
    """The smallest and largest value of a potential of this dtype."""
    return (INT32.min, INT32.max) if dtype == np.int32 else (-np.inf, np.inf)


class PotentialWindow:
    """Advances a population with a membrane potential by windows.

    `current_bound` is the largest current the weights of an integer population allow.
    """

    def __init__(self, neurons: Integrating, dtype, constants: np.ndarray, current_bound: int):
        self.neurons, self.dtype, self.constants = neurons, np.dtype(dtype), constants
        self.initial = neurons.constants(dtype, v_init=neurons.v_init)[0]
        self.current_leak = None
        if getattr(neurons, "current_leak", None) is not None:
            if dtype == np.int32:
                expected = "a population of floats (an integer one has no current_leak)"
                raise mismatch("integer weights only", expected, "current_leak")
            bias = np.array(-0.0) if neurons.current_bias is None else neurons.current_bias
            fields = {"current_leak": neurons.current_leak, "current_bias": bias}
            self.current_leak = neurons.constants(dtype, **fields)
        self.restless = neurons.restless(constants)
        self.all_restless = bool(self.restless.all())
        self.step_bound = self.landing = 0  # of a timestep, after a reset
        if dtype == np.int32:
            bound = np.abs(constants.astype(np.int64))
            self.step_bound = current_bound + int(bound[1].max())
            self.landing = int(bound[4:].max(initial=0))

    def begin(self) -> dict[str, np.ndarray]:
        """The state at rest."""
        shape = (self.neurons.positions, self.neurons.channels)
        initial = np.array(np.broadcast_to(self.initial, shape), self.dtype, order="C")
        if self.current_leak is None:
            return {"potential": initial}
        return {"potential": initial, "synaptic_current": np.zeros(shape, self.dtype)}

    def advance(self, state, currents, reached, first: int, out) -> int:
        """Advance `state` by the window that begins at timestep `first`; results go to `out`.

        `currents` (timesteps, positions, channels); `reached` as for `fire`. Returns the active
        updates.
        """
        if self.current_leak is not None:
            linger(currents, state["synaptic_current"], self.current_leak)
        return self.integrated(state, currents, reached, first, out)

    def integrated(self, state, currents, reached, first: int, out) -> int:
        """Advance by what the potential takes, with checks where it may leave int32."""
        if self.step_bound:
            steps = len(currents)
            highest = int(np.abs(state["potential"].astype(np.int64)).max())
            if max(highest, self.landing) + self.step_bound * steps > INT32.max:
                if steps > 1:
                    ones = [slice(i, i + 1) for i in range(steps)]
                    return sum(
                        self.integrated(state, currents[i], reached[i], first + i.start, out)
                        for i in ones
                    )
                self.check(state, currents[0], first)
            currents = currents.astype(np.int32, copy=False)
        return self.step(state, currents, reached, first, out)

    def check(self, state, current, timestep: int) -> None:
        """Raise an error where a sum of a timestep leaves int32, or is not finite.

        `current` is what arrives; the state is that before the timestep.
        """
        wide = np.int64 if self.dtype == np.int32 else self.dtype
        if self.current_leak is not None:
            kept, bias = self.current_leak
            current = kept * state["synaptic_current"] + current + bias
        leak, bias = self.constants[0].astype(wide), self.constants[1].astype(wide)
        sums = leak * state["potential"].astype(wide) + current + bias
        if "quiet" in state:
            sums = np.where(state["quiet"] <= timestep, sums, 0)
        check_range("current", current, self.dtype, timestep)
        check_range("potential", sums, self.dtype, timestep)


def check_range(what: str, sums, dtype, timestep: int, where: str = "neuron") -> None:
    """Raise an error for the first of the sums (positions, channels) that `dtype` cannot hold."""
    if dtype == np.int32:
        outside, expected = (sums < INT32.min) | (sums > INT32.max), "values within int32"
    else:
        outside, expected = ~np.isfinite(sums), f"finite numbers in {np.dtype(dtype)}"
    if outside.any():
        place = int(np.flatnonzero(outside)[0])
        found = f"a {what} of {np.ravel(sums)[place]} at timestep {timestep}, {where} {place}"
        raise mismatch(found, expected)


@kernel
def linger(currents, synaptic, constants):
    """u = ((leak * u) + current) + bias, which takes the place of the current."""
    for t in range(currents.shape[0]):
        for p in range(currents.shape[1]):
            q = p if constants.shape[1] > 1 else 0
            u, current, leak, bias = synaptic[p], currents[t, p], constants[0, q], constants[1, q]
            for c in range(u.shape[0]):
                u[c] = leak[c] * u[c] + current[c] + bias[c]
                current[c] = u[c]


@kernel
def integrate(currents, potential, constants, history):
    """v = ((leak * v) + current) + bias, kept for every timestep in history."""
    for t in range(currents.shape[0]):
        for p in range(currents.shape[1]):
            q = p if constants.shape[1] > 1 else 0
            leak, bias = constants[0, q], constants[1, q]
            v, current, kept = potential[p], currents[t, p], history[t, p]
            for c in range(v.shape[0]):
                v[c] = leak[c] * v[c] + current[c] + bias[c]
                kept[c] = v[c]


@kernel
def fire(currents, reached, potential, constants, restless, fired, rules, channels, offsets):
    """The law of a timestep for a window; returns (events, active neurons).

    `constants`: leak, bias, v_min, the smallest potential that fires, what a spike subtracts or
    resets to. `reached` is (timesteps, positions, 1 or channels), or without positions where all
    neurons are restless. `fired`: room for a row of channels. `rules`: first timestep, start, 1
    for reset by subtraction.
    """
    subtract = rules[2] == 1
    events, active, cell = np.int64(0), 0, 0  # not of the dtype of fired
    for t in range(currents.shape[0]):
        if reached.shape[1] > 0:
            active += _active(reached[t], restless, potential, constants)
        for p in range(currents.shape[1]):
            q = p if constants.shape[1] > 1 else 0
            v, current = potential[p], currents[t, p]
            leak, bias, floor = constants[0, q], constants[1, q], constants[2, q]
            least, drop = constants[3, q], constants[4, q]
            if rules[0] + t >= rules[1]:
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
    return events, active


@kernel
def fire_and_rest(
    currents, reached, potential, constants, restless, quiet, rules, channels, offsets
):
    """The same with a refractory time, rules[3]; no neuron is visited before quiet[p, c]."""
    events, active, cell = 0, 0, 0
    for t in range(currents.shape[0]):
        now = rules[0] + t
        if reached.shape[1] > 0:
            active += _active(reached[t], restless, potential, constants)
        for p in range(currents.shape[1]):
            q = p if constants.shape[1] > 1 else 0
            v, current = potential[p], currents[t, p]
            leak, bias, floor = constants[0, q], constants[1, q], constants[2, q]
            least, drop = constants[3, q], constants[4, q]
            for c in range(v.shape[0]):
                if now >= quiet[p, c]:
                    x = leak[c] * v[c] + current[c] + bias[c]
                    v[c] = x if x > floor[c] else floor[c]
                    if now >= rules[1] and v[c] >= least[c]:
                        channels[events] = c
                        events += 1
                        v[c] = v[c] - drop[c] if rules[2] == 1 else drop[c]
                        quiet[p, c] = now + rules[3] + 1
            cell += 1
            offsets[cell] = offsets[0] + events
    return events, active


@kernel
def fire_bounded(
    currents,
    reached,
    potential,
    constants,
    restless,
    quiet,
    row,
    awake,
    fired,
    rules,
    bounds,
    report,
    channels,
    offsets,
):
    """The law for integers of a declared width; returns (events, active neurons).

    `currents` without positions: they are in the potential already, and so is the leak. `quiet`
    as for `fire_and_rest`, or empty; `row`, `awake` (all 1), `fired`: room for a row of channels,
    `row` of integers that hold all sums.
    `rules`: first timestep, start, 1 for reset by subtraction, refractory, 1 for a bias, leak.
    `bounds`: the smallest value, the largest, 1 where it wraps, one that was reached at rest.
    """
    subtract = rules[2] == 1
    events, active, cell = np.int64(0), 0, 0
    for t in range(currents.shape[0]):
        now = rules[0] + t
        if reached.shape[1] > 0:
            active += _active(reached[t], restless, potential, constants)
        for p in range(potential.shape[0]):
            q = p if constants.shape[1] > 1 else 0
            v, bias, floor = potential[p], constants[1, q], constants[2, q]
            least, drop = constants[3, q], constants[4, q]
            place = (now * potential.shape[0] + p) * potential.shape[1]
            for c in range(v.shape[0]):
                row[c] = v[c]
            for c in range(quiet.shape[1]):
                awake[c] = now >= quiet[p, c]
            if currents.shape[1] > 0:
                current = currents[t, p]
                if rules[5] > 0:
                    _decay(row, rules)
                for c in range(v.shape[0]):
                    row[c] += current[c]
                for c in range(quiet.shape[1]):
                    row[c] = row[c] if awake[c] != 0 else bounds[3]
                _bound(row, bounds, report, place)
            if rules[4] == 1:
                for c in range(v.shape[0]):
                    row[c] += bias[c]
                for c in range(quiet.shape[1]):
                    row[c] = row[c] if awake[c] != 0 else bounds[3]
                _bound(row, bounds, report, place)
            if now >= rules[1]:
                for c in range(v.shape[0]):
                    x = max(row[c], floor[c])
                    fired[c] = (x >= least[c]) & (awake[c] != 0)
                    after = x - drop[c] if subtract else drop[c]
                    x = after if x >= least[c] else x
                    v[c] = x if awake[c] != 0 else v[c]
                for c in range(v.shape[0]):
                    channels[events] = c  # written again unless it counts
                    events += fired[c]
                for c in range(quiet.shape[1]):
                    if fired[c] != 0:
                        quiet[p, c] = now + rules[3] + 1
            else:
                for c in range(v.shape[0]):
                    v[c] = max(row[c], floor[c]) if awake[c] != 0 else v[c]
            cell += 1
            offsets[cell] = offsets[0] + events
    return events, active


@kernel
def _bound(row, bounds, report, place):
    """Bring a row of sums, the first of which has this place, into the width, and report them."""
    low, high, wraps = bounds[0], bounds[1], bounds[2] == 1
    lowest, highest = row[0], row[0]
    for c in range(row.shape[0]):
        lowest, highest = min(lowest, row[c]), max(highest, row[c])
    report[2], report[3] = min(report[2], lowest), max(report[3], highest)
    if lowest < low or highest > high:
        for c in range(row.shape[0]):
            if row[c] < low or row[c] > high:
                report[1] = min(report[1], place + c)
                break
        count = 0
        for c in range(row.shape[0]):
            x = row[c]
            y = ((x - low) & (high - low)) + low if wraps else min(max(x, low), high)
            count += x != y
            row[c] = y
        report[0] += count


@kernel
def decay(potential, rules):
    """The leak of integers on its own, where weights are added to the potential itself."""
    for p in range(potential.shape[0]):
        _decay(potential[p], rules)


@kernel
def _decay(row, rules):
    """rules[5:]: 1 for v -= v / 2^k, 2 for v = v n / 2^k, 3 for v - n towards 0; n, k, rounding."""
    amount, shift, rounding = rules[6], rules[7], rules[8]
    half = np.int64(1) << (shift - 1) if rounding == 2 else np.int64(0)
    for c in range(row.shape[0]):
        x = np.int64(row[c])
        if rules[5] == 3:
            row[c] = max(x - amount, 0) if x > 0 else min(x + amount, 0)
        else:
            y = x * amount
            part = (y + half) >> shift
            if rounding == 1 and y < 0:
                part = -((-y) >> shift)
            row[c] = x - part if rules[5] == 1 else part


@kernel
def _active(reached, restless, potential, constants):
    """How many neurons a lazy machine cannot skip in a timestep, before their integration."""
    count = 0
    for p in range(potential.shape[0]):
        q = p if constants.shape[1] > 1 else 0
        v, least, always = potential[p], constants[3, q], restless[q]
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
