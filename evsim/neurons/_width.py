"""Integers of a declared width: the fields that iaf, lif and readout share, and their runner."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.base.fields import choice, flag, whole
from evsim.base.width import FIRST, HIGHEST, LOWEST, NEVER, OVERFLOWS, Width, bits_for, new_report
from evsim.neurons import CIRCUIT, POTENTIAL, ROOM, Neurons
from evsim.neurons._integrate import decay, fire_bounded, until_stop
from evsim.neurons._runner import INT32, PotentialRunner

NO_LEAK = (0, 0, 0, 0)
AMONG_INTEGERS = "an integer one: all sets into it with whole weights, no scale, spiking sources"
HELD = ("v_init", "v_reset", "threshold")  # fields that the width must hold
CHANGED = ("saturate", "wrap", "each_add")


@dataclass(frozen=True, eq=False, kw_only=True)
class OfWidth(Neurons):
    """v = bounded(bounded(leak(v) + current) + bias).

    bounded(x) is x where it fits `potential_bits`, else what `overflow` says: an error, the nearest
    value that fits, or x modulo 2^bits. With `overflow_at = "each_add"` every weight is added to v
    itself, and each sum is bounded: sets in order of name, within a set by source. With
    `current_bits` the current is, whose sums are then bounded one by one.
    """

    takes_width: ClassVar[bool] = True

    STATE: ClassVar[dict[str, str]] = {
        "potential": POTENTIAL,
        "synaptic_current": "current",
        "slope": "slope",
        "refractory_until": CIRCUIT,
        **dict.fromkeys(("fired", "row", "narrow row", "awake"), ROOM),
        **dict.fromkeys(("report", "arrivals"), ROOM),
    }

    potential_bits: int | None = whole(None, least=2)  # [bits] of the potential
    potential_signed: bool = flag(True)  # two's complement, else from 0 on
    current_bits: int | None = whole(None, least=2)  # [bits] of the sum of a timestep
    overflow: str = choice("error", "saturate", "wrap")  # of what leaves its bits
    overflow_at: str = choice("commit", "each_add")  # once a timestep, or at each weight

    def check(self) -> None:
        """Raise EvsimError where the fields of the width do not fit each other or the others."""
        given = [name for name in ("overflow", "overflow_at") if getattr(self, name) in CHANGED]
        given += ["current_bits"] if self.current_bits is not None else []
        given += [] if self.potential_signed else ["potential_signed"]
        if self.potential_bits is None and given:
            raise EvsimError("only a population with potential_bits takes this field", given[0])
        for name in ("potential_bits", "current_bits"):
            if (getattr(self, name) or 0) > 32:
                raise mismatch(getattr(self, name), "at most 32", name)
        if self.potential_bits == 32 and not self.potential_signed:
            raise mismatch("32 unsigned bits", "at most 31", "potential_bits")
        for name in HELD if self.potential_bits else ():
            if getattr(self, name, None) is not None:
                self.width.check(getattr(self, name), name)
        if self.direct and self.current_bits is not None:
            raise EvsimError("there is no current with overflow_at = 'each_add'", "current_bits")
        if self.direct and getattr(self, "refractory", 0):
            expected = "0 with overflow_at = 'each_add', as what arrives is in the potential"
            raise mismatch(self.refractory, expected, "refractory")

    @property
    def leak_rule(self) -> tuple[int, int, int, int]:
        """The leak of integers: form (0: none), amount, shift, rounding, as `_integrate` has it."""
        return NO_LEAK

    @property
    def always_active(self) -> bool:
        return self.leak_rule[0] != 0 or getattr(self, "current_leak", None) is not None

    @property
    def bounded(self) -> bool:
        return self.potential_bits is not None

    @property
    def batches(self) -> bool:
        return not (self.bounded or self.leak_rule[0] or self.sloped)

    @property
    def width(self) -> Width:
        """That of the potential; 32 bits where none is declared."""
        return Width(self.potential_bits or 32, self.overflow == "wrap", self.potential_signed)

    @property
    def direct(self) -> bool:
        return self.overflow_at == "each_add"

    @property
    def arriving(self) -> Width | None:
        if self.direct:
            return self.width
        return Width(self.current_bits, self.overflow == "wrap") if self.current_bits else None

    def reporting(self) -> OfWidth:
        return self if self.bounded else replace(self, potential_bits=32)

    def describe(self) -> dict:
        values = [np.ravel(getattr(self, name)) for name in HELD if hasattr(self, name)]
        values = np.concatenate(values).astype(np.float64)
        found = super().describe()
        if (values == np.trunc(values)).all():  # as those of integers are
            found["field_bits"] = bits_for(
                int(values.min()), int(values.max()), self.potential_signed
            )
        if not self.potential_signed:
            found["potential_signed"] = False
        widths = {"potential_bits": self.potential_bits, "current_bits": self.current_bits}
        return found | {name: bits for name, bits in widths.items() if bits is not None}

    def check_integer(self, dtype) -> None:
        """Raise EvsimError where the arithmetic is not that of integers."""
        if dtype != np.int32:
            place = "potential_bits" if self.bounded else "leak"
            raise mismatch("a population of floats", AMONG_INTEGERS, place)


class WidthRunner(PotentialRunner):
    """Advances integers of a declared width, or with a leak of integers.

    `accumulator_dtype`: the integers in which the potential is held, wide enough for a sum with the
    largest weight; the engine narrows or widens it where weights are added to the potential itself.
    """

    accumulator_dtype = np.dtype(np.int32)

    def __init__(self, neurons: OfWidth, dtype, constants: np.ndarray, current_bound: int):
        neurons.check_integer(dtype)
        super().__init__(neurons, dtype, constants, current_bound)
        self.lowest, self.highest = int(self.initial.min()), int(self.initial.max())
        self.bounds = np.append(neurons.width.bounds, self.lowest)
        refractory = getattr(neurons, "refractory", 0)
        flags = (getattr(neurons, "reset", "") == "subtract", refractory, neurons.bias is not None)
        self.rules = np.array([0, NEVER, *flags, *neurons.leak_rule], np.int64)

    def begin(self) -> dict[str, np.ndarray]:
        """The potential at rest, the reports of its sums and of its currents, and rooms."""
        channels = self.neurons.channels
        state = super().begin() | {"report": new_report()}
        state["potential"] = state["potential"].astype(self.accumulator_dtype, copy=False)
        state["report"][2:4] = self.lowest, self.highest
        state["arrivals"] = state["report"] if self.neurons.direct else new_report()
        state["narrow row"] = np.zeros(channels, np.int32)
        state["row"] = np.zeros(channels, np.int64)
        state["awake"] = np.ones(channels, np.uint8)
        state["fired"] = np.zeros(channels, np.uint8)
        refractory = self.neurons.sends and self.neurons.refractory
        shape = state["potential"].shape if refractory else (0, 0)
        state["refractory_until"] = np.zeros(shape, np.int64)
        return state

    def accumulator(self, state: dict) -> np.ndarray | None:
        """The leaked potential, where the weights of a timestep are added to it; else None."""
        if not self.neurons.direct:
            return None
        if self.neurons.leak_rule[0]:
            decay(state["potential"], self.rules)
        return state["potential"][None]

    def advance(self, state: dict, currents, reached, first: int, out) -> dict[str, int]:
        """Advance by what the potential takes, after a check of currents that may be too wide."""
        if self.neurons.direct:
            currents = np.zeros((1, 0, 0), np.int32)
        elif currents.dtype == np.int64:
            outside = ((currents < INT32.min) | (currents > INT32.max)).reshape(len(currents), -1)
            if outside.any():  # a sum that leaves its width before that is the error to tell
                t, neuron = np.argwhere(outside)[0]
                self._step(state, currents[:t].astype(np.int32), reached[:t], first, out)
                found = f"a current of {currents[t].flat[neuron]} at timestep {first + t}"
                raise mismatch(f"{found}, neuron {neuron}", "values within int32")
        currents = currents.astype(np.int32, copy=False)
        return {"active_updates": self._step(state, currents, reached, first, out)}

    def _step(self, state: dict, currents, reached, first: int, out) -> int:
        """Advance by currents of int32; returns the active updates."""
        steps = len(currents)
        if self.neurons.sends:
            active = 0
            for part, start in until_stop(self.neurons, first, slice(0, steps)):
                channels, offsets, _ = out.reserve(part.stop - part.start)
                some = currents[part], reached[part], first + part.start, start
                events, awake = self._kernel(state, *some, channels, offsets)
                out.commit(part.stop - part.start, events)
                active += awake
            return active if reached.shape[1] else steps * self.neurons.neurons
        room = np.zeros(1, np.int32), np.zeros(self.neurons.positions + 1, np.int64)
        for t in range(steps):
            self._kernel(state, currents[t : t + 1], reached[t : t + 1], first + t, NEVER, *room)
            out[first + t] = state["potential"].ravel()
        if not reached.shape[1]:
            return steps * self.neurons.neurons
        return int(np.count_nonzero((reached != 0) | (self.active != 0)))

    def _kernel(self, state: dict, currents, reached, first: int, start: int, *room) -> tuple:
        """Integrate and fire from `start` on; returns (events, active neurons).

        `room`: for channels and offsets of events. Sums are checked before, after.
        """
        self._check_overflow(state["arrivals"], self.neurons.arriving)
        rules = self.rules.copy()
        rules[:2] = first, start
        row = "narrow row" if self._fits_int32(state, len(currents)) else "row"
        rooms = state["refractory_until"], state[row], state["awake"], state["fired"]
        neurons = currents, reached, state["potential"], self.constants, self.active
        limits = rules, self.bounds, state["report"]
        done = fire_bounded(*neurons, *rooms, *limits, *room)
        self._check_overflow(state["report"], self.neurons.width)
        return done

    def _fits_int32(self, state: dict, steps: int) -> bool:
        """Whether no sum of so many timesteps can leave int32."""
        if self.step_bound - self.neurons.width.low > INT32.max:
            highest = int(np.abs(state["potential"].astype(np.int64)).max())
            return max(highest, self.landing) + self.step_bound * steps <= INT32.max
        return True

    def _check_overflow(self, report: np.ndarray, width: Width | None) -> None:
        """Raise EvsimError for a sum that left its width, where that is an error."""
        if self.neurons.overflow == "error" and report[OVERFLOWS]:
            t, neuron = divmod(int(report[FIRST]), self.neurons.neurons)
            raise mismatch(
                f"a sum beyond {width.bits} bits at timestep {t}, neuron {neuron}",
                f"{width.low} to {width.high}",
            )

    def reported(self, state: dict) -> tuple[int, tuple[int, int], np.ndarray]:
        """Overflows, timestep and neuron of the first (-1, -1: none), lowest and highest sum.

        Where currents have a width the lowest and highest of theirs follow.
        """
        reports = [state["report"]]
        if state["arrivals"] is not state["report"]:
            reports.append(state["arrivals"])
        count, first = sum(int(r[OVERFLOWS]) for r in reports), min(int(r[FIRST]) for r in reports)
        shown = reports if self.neurons.current_bits else reports[:1]
        reached = np.concatenate([r[LOWEST : HIGHEST + 1] for r in shown])
        return count, divmod(first, self.neurons.neurons) if count else (-1, -1), reached
