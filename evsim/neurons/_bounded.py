"""Integer neurons of a declared width: what iaf and lif share beside the law of firing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.base.fields import choice, flag, whole
from evsim.base.width import FIRST, HIGHEST, LOWEST, NEVER, OVERFLOWS, Width, bits_for, new_report
from evsim.neurons._firing import Firing, FiringWindow
from evsim.neurons._potential import INT32, Integrating, PotentialWindow, decay, fire_bounded

NO_LEAK = (0, 0, 0, 0)
AMONG_INTEGERS = "an integer one: all sets into it with whole weights, no scale, spiking sources"


@dataclass(frozen=True, eq=False, kw_only=True)
class OfWidth(Integrating):
    """v = bounded(bounded(leak(v) + current) + bias).

    bounded(x) is x where it fits `potential_bits`, else what `overflow` says:
    an error, the nearest value that fits, or x modulo 2^bits. With `overflow_at = "each_add"` every
    weight is added to v itself, and each sum is bounded: sets in order of name, within a set by
    source. With `current_bits` the current is, whose sums are then bounded one by one.
    """

    potential_bits: int | None = whole(None, least=2)  # [bits] of the potential
    potential_signed: bool = flag(True)  # two's complement, else from 0 on
    current_bits: int | None = whole(None, least=2)  # [bits] of the sum of a timestep
    overflow: str = choice("error", "saturate", "wrap")  # of what leaves its bits
    overflow_at: str = choice("commit", "each_add")  # once a timestep, or at each weight

    def check(self) -> None:
        super().check()
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

    @property
    def leak_rule(self) -> tuple[int, int, int, int]:
        """The leak of integers, as the kernels take it; 0: none."""
        return NO_LEAK

    @property
    def bounded(self) -> bool:
        return self.potential_bits is not None

    @property
    def width(self) -> Width:
        """That of the potential."""
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
        """Raise an error where the arithmetic is not that of integers."""
        if dtype != np.int32:
            place = "potential_bits" if self.bounded else "leak"
            raise mismatch("a population of floats", AMONG_INTEGERS, place)


@dataclass(frozen=True, eq=False, kw_only=True)
class Bounded(OfWidth, Firing):
    """v = bounded(bounded(leak(v) + current) + bias); v = max(v, v_min); then as always."""

    def check(self) -> None:
        super().check()
        if self.direct and self.refractory:
            expected = "0 with overflow_at = 'each_add', as what arrives is in the potential"
            raise mismatch(self.refractory, expected, "refractory")

    def runner(self, dtype) -> type[FiringWindow]:
        if not self.bounded and not self.leak_rule[0]:
            return FiringWindow
        self.check_integer(dtype)
        return BoundedWindow


HELD = ("v_init", "v_reset", "threshold")
CHANGED = ("saturate", "wrap", "each_add")


class WidthWindow(PotentialWindow):
    """Advances a potential of a declared width; `lane`: its dtype."""

    lane = np.dtype(np.int32)

    def __init__(self, neurons: OfWidth, dtype, constants: np.ndarray, current_bound: int):
        super().__init__(neurons, dtype, constants, current_bound)
        self.nothing = np.zeros((1, 0, 0), np.int32)
        self.lowest, self.highest = int(self.initial.min()), int(self.initial.max())
        self.bounds = np.append(neurons.width.bounds, self.lowest)
        rests = getattr(neurons, "refractory", 0)
        flags = (getattr(neurons, "reset", "") == "subtract", rests, neurons.bias is not None)
        start = getattr(neurons, "start", None)
        start = NEVER if start is None else start
        self.rules = np.array([0, start, *flags, *neurons.leak_rule], np.int64)

    def begin(self) -> dict[str, np.ndarray]:
        """The state at rest."""
        channels = self.neurons.channels
        state = super().begin() | {"report": new_report()}
        state["potential"] = state["potential"].astype(self.lane, copy=False)
        state["report"][2:4] = self.lowest, self.highest
        state["arrivals"] = state["report"] if self.neurons.direct else new_report()
        state["narrow row"], state["row"] = (
            np.zeros(channels, np.int32),
            np.zeros(channels, np.int64),
        )
        state["awake"] = np.ones(channels, np.uint8)
        state["fired"] = np.zeros(channels, np.uint8)
        state.setdefault("quiet", np.zeros((0, 0), np.int64))
        return state

    def accumulator(self, state) -> np.ndarray | None:
        """What the weights of a timestep are added to in place of a current: the leaked v."""
        if not self.neurons.direct:
            return None
        if self.neurons.leak_rule[0]:
            decay(state["potential"], self.rules)
        return state["potential"][None]

    def integrated(self, state, currents, reached, first: int, out) -> int:
        """Advance by what the potential takes, after a check of currents that may be too wide."""
        if self.neurons.direct:
            return self.step(state, self.nothing, reached, first, out)
        if currents.dtype != np.int64:
            return self.step(state, currents.astype(np.int32, copy=False), reached, first, out)
        outside = ((currents < INT32.min) | (currents > INT32.max)).reshape(len(currents), -1)
        if outside.any():
            t, neuron = np.argwhere(outside)[0]
            before = currents[:t].astype(np.int32)
            self.step(state, before, reached[:t], first, out)
            found = f"a current of {currents[t].flat[neuron]} at timestep {first + t}"
            raise mismatch(f"{found}, neuron {neuron}", "values within int32")
        return self.step(state, currents.astype(np.int32), reached, first, out)

    def bounded_step(self, state, currents, reached, first: int, channels, offsets) -> tuple:
        """Advance by currents of int32; returns (events, active neurons), as `fire_bounded`."""
        self.check_overflow(state["arrivals"], self.neurons.arriving)
        rules = self.rules.copy()
        rules[0] = first
        row = "narrow row" if self.fits_int32(state, len(currents)) else "row"
        rows = state["quiet"], state[row], state["awake"], state["fired"]
        both = currents, reached, state["potential"], self.constants, self.restless
        some = rules, self.bounds, state["report"], channels, offsets
        done = fire_bounded(*both, *rows, *some)
        self.check_overflow(state["report"], self.neurons.width)
        return done

    def fits_int32(self, state, steps: int) -> bool:
        """Whether no sum of so many timesteps can leave int32."""
        if self.step_bound - self.neurons.width.low > INT32.max:
            highest = int(np.abs(state["potential"].astype(np.int64)).max())
            return max(highest, self.landing) + self.step_bound * steps <= INT32.max
        return True

    def check_overflow(self, report, width: Width | None) -> None:
        """Raise an error for a sum that left its width, where that is one."""
        if self.neurons.overflow == "error" and report[OVERFLOWS]:
            t, neuron = divmod(int(report[FIRST]), self.neurons.neurons)
            raise mismatch(
                f"a sum beyond {width.bits} bits at timestep {t}, neuron {neuron}",
                f"{width.low} to {width.high}",
            )

    def reported(self, state) -> tuple[int, tuple[int, int], np.ndarray]:
        """Overflows, the timestep and neuron of the first (-1, -1: none), lowest and highest sum.

        Where currents have a width the lowest and highest of theirs follow.
        """
        reports = [state["report"]]
        if state["arrivals"] is not state["report"]:
            reports.append(state["arrivals"])
        count, first = sum(int(r[OVERFLOWS]) for r in reports), min(int(r[FIRST]) for r in reports)
        shown = reports if self.neurons.current_bits else reports[:1]
        reached = np.concatenate([r[LOWEST : HIGHEST + 1] for r in shown])
        return count, divmod(first, self.neurons.neurons) if count else (-1, -1), reached


class BoundedWindow(WidthWindow, FiringWindow):
    """Advances neurons of a declared width that fire."""

    def step(self, state, currents, reached, first: int, stream) -> int:
        """Advance by currents of int32; the events are appended to `stream`."""
        steps = len(currents)
        channels, offsets, _ = stream.reserve(steps)
        done = self.bounded_step(state, currents, reached, first, channels, offsets)
        stream.commit(steps, done[0])
        return done[1] if reached.shape[1] else steps * self.neurons.neurons
