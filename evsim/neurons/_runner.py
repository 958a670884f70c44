"""Runners: what advances one population, and the base of those that have a potential."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from evsim.base.errors import mismatch

INT32 = np.iinfo(np.int32)


class Runner:
    """What advances the neurons of one population in one arithmetic.

    The engine makes one for each population of a run, by `Neurons.runner`. All samples and threads
    share it, so that it changes nothing of its own: what a sample changes is in `state`. Timesteps
    are advanced in blocks. P positions of C channels are the P x C neurons of the population:
    neuron j is channel j % C of position j // C. `docs/adding-a-kind.md` has a table of all
    arguments with shape, dtype, unit and owner.
    """

    always_active = False  # every neuron is active at every timestep: nobody asks who was reached
    samples = 1  # of a kind that `batches`: as many are side by side, P positions are those of all

    def begin(self) -> dict[str, np.ndarray]:
        """The arrays of one sample before timestep 0, by the names that `Neurons.STATE` declares.

        The engine keeps them for the sample and hands them to every other method as `state`.
        Those of neurons are (P, C). A `potential` among them can be traced.
        """
        raise NotImplementedError

    def accumulator(self, state: dict) -> np.ndarray | None:
        """The array (1, P, C) that weights are added to in place of a current; None: a current.

        Only a population that is `direct` has one. Called once a timestep, before the events of
        that timestep are delivered.
        """
        return None

    def advance(self, state: dict, currents, reached, first: int, out) -> dict[str, int]:
        """Advance `state` by the timesteps of a block, write the results to `out`, return facts.

        `currents` (timesteps, P, C), of the dtype of the runner or wider integers: the sums of
        weight x event value that arrive; the engine's, may be overwritten, is used again after.
        `reached` (timesteps, P, 1 or C) uint8: not 0 where an event arrived, with 1 for all
        channels of a position; (timesteps, 0, ...) where the runner is `always_active`; where the
        kind is `counts_arrivals`, (timesteps, P, C) int32: how many events arrived. Read only.
        `first`: the timestep of `currents[0]`. `out`: the population's `Stream`, to which every
        timestep is appended, or, where the kind sends nothing, the potentials (timesteps of the
        run, neurons), of which the rows of the block are written. Facts are exact integers by
        name, at least `active_updates`: what each sample has, or (samples,). Raises EvsimError
        where a number leaves its dtype.
        """
        raise NotImplementedError

    def check(self, state: dict, current: np.ndarray, timestep: int) -> None:
        """Raise EvsimError where a sum of the timestep to come is not finite, or leaves int32.

        `current` (P, C) is what arrives; `state` is that before the timestep, and stays. Called
        before `advance`, a timestep at a time, only where floats may overflow.
        """

    def reported(self, state: dict) -> tuple[int, tuple[int, int], np.ndarray]:
        """What the sums of a declared width did in the sample: how many left the width, timestep
        and neuron of the first, lowest and highest sum. Asked where `state` holds a `report`.
        """
        raise NotImplementedError


class PotentialRunner(Runner):
    """Holds what every kind with v = ((leak * v) + current) + bias needs.

    `constants` (fields, 1 or P, C) in the runner's dtype begins with leak and bias; what follows
    from the fourth on is where a potential may land after a spike. `active` (1 or P, C) uint8: 1
    where a neuron is active at every timestep. `current_bound`: the largest current that the
    weights of an integer population allow.
    """

    def __init__(self, neurons, dtype, constants: np.ndarray, current_bound: int = 0):
        self.neurons, self.dtype, self.constants = neurons, np.dtype(dtype), constants
        self.initial = neurons.constants(dtype, v_init=neurons.v_init)[0]
        self.synaptic = self._synaptic(neurons, dtype)
        leak, bias = constants[0], constants[1]
        active = np.ones_like(leak, bool) if neurons.always_active else (leak != 1) | (bias != 0)
        self.active = np.ascontiguousarray(active).astype(np.uint8)
        self.always_active = bool(active.all())
        self.step_bound = self.landing = 0  # of a timestep, after a reset
        if dtype == np.int32:
            bound = np.abs(constants.astype(np.int64))
            self.step_bound = current_bound + int(bound[1].max())
            self.landing = int(bound[4:].max(initial=0))

    @staticmethod
    def _synaptic(neurons, dtype) -> np.ndarray | None:
        """Leak and bias of a synaptic current (2, 1 or P, C), where the kind has one."""
        if getattr(neurons, "current_leak", None) is None:
            return None
        if dtype == np.int32:
            expected = "a population of floats (an integer one has no current_leak)"
            raise mismatch("integer weights only", expected, "current_leak")
        bias = np.array(-0.0) if neurons.current_bias is None else neurons.current_bias
        return neurons.constants(dtype, current_leak=neurons.current_leak, current_bias=bias)

    def begin(self) -> dict[str, np.ndarray]:
        """The potential at rest, and a synaptic current of 0 where the kind has one."""
        shape = (self.neurons.positions, self.neurons.channels)
        initial = np.array(np.broadcast_to(self.initial, shape), self.dtype, order="C")
        if self.synaptic is None:
            return {"potential": initial}
        return {"potential": initial, "synaptic_current": np.zeros(shape, self.dtype)}

    def spans(self, state: dict, currents: np.ndarray, first: int) -> Iterator[slice]:
        """The timesteps of a block that are safe to advance together, in order.

        All of them, or one after the other where a sum of integers might leave int32: that one is
        checked when it is asked for. The caller advances `state` before it asks for the next.
        """
        steps = len(currents)
        if self._is_safe(state, steps):
            yield slice(0, steps)
            return
        for t in range(steps):
            if not self._is_safe(state, 1):
                self.check(state, currents[t], first + t)
            yield slice(t, t + 1)

    def _is_safe(self, state: dict, steps: int) -> bool:
        """Whether so many timesteps cannot leave int32; floats are not checked here."""
        if not self.step_bound:
            return True
        highest = int(np.abs(state["potential"].astype(np.int64)).max())
        return max(highest, self.landing) + self.step_bound * steps <= INT32.max

    def check(self, state: dict, current: np.ndarray, timestep: int) -> None:
        """Raise EvsimError where current or potential of the timestep to come leaves its dtype."""
        wide = np.int64 if self.dtype == np.int32 else self.dtype
        if self.synaptic is not None:
            kept, bias = self.synaptic
            current = kept * state["synaptic_current"] + current + bias
        leak, bias = self.constants[0].astype(wide), self.constants[1].astype(wide)
        sums = leak * state["potential"].astype(wide) + current + bias
        if "refractory_until" in state:
            sums = np.where(state["refractory_until"] <= timestep, sums, 0)
        check_range("current", current, self.dtype, timestep)
        check_range("potential", sums, self.dtype, timestep)


def limits(dtype) -> tuple[float, float]:
    """The smallest and largest value of a potential of this dtype."""
    return (INT32.min, INT32.max) if dtype == np.int32 else (-np.inf, np.inf)


def check_range(what: str, sums, dtype, timestep: int, where: str = "neuron") -> None:
    """Raise EvsimError for the first of the sums (positions, channels) that `dtype` cannot hold."""
    if dtype == np.int32:
        outside, expected = (sums < INT32.min) | (sums > INT32.max), "values within int32"
    else:
        outside, expected = ~np.isfinite(sums), f"finite numbers in {np.dtype(dtype)}"
    if outside.any():
        place = int(np.flatnonzero(outside)[0])
        found = f"a {what} of {np.ravel(sums)[place]} at timestep {timestep}, {where} {place}"
        raise mismatch(found, expected)
