"""Fixed-point neurons with a current and a potential, as Loihi and lava-dl have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import choice, per_neuron, whole
from evsim.base.kernel import kernel
from evsim.neurons import CIRCUIT, POTENTIAL, Neurons, Runner

UNIT = 64  # what one stands for in the fixed-point current and potential
ONE = 4096  # of a decay: 4096 forgets everything, 0 nothing
LIMIT = (1 << 23) - 1  # of current and potential
FIRST, REFRACTORY, MOST, BIASED = range(4)  # of rules
KEPT_CURRENT, KEPT_POTENTIAL, ABOVE, BIAS = range(4)  # of constants


@dataclass(frozen=True, eq=False, kw_only=True)
class Cuba(Neurons):
    """u = decay(u) + trunc(64 current); v = decay(v) + u + 64 bias; v = 0 and fire where
    v > 64 threshold.

    decay(x) = sign(x) (|x| (4096 - decay) >> 12), all in integers. With `compare` "ge", as lava-dl
    until July 2022, v = 64 threshold fires, too. The bias is added from timestep `bias_start` on.
    For the `refractory` timesteps after firing only u is updated.
    v stops at +-(2^23 - 1), as on Loihi; a u beyond that, which Loihi would wrap, is an error.
    Real weights and graded sources, such as the image of an encoder, are cut to multiples of 1/64.
    Source: lava-dl, slayer neuron
    cuba; checked with its own fixtures.
    """

    compares: ClassVar[bool] = True
    always_active: ClassVar[bool] = True
    STATE: ClassVar[dict[str, str]] = {
        "potential": POTENTIAL,
        "synaptic_current": "current",
        "refractory_until": CIRCUIT,
    }
    EXAMPLES: ClassVar[tuple[dict, ...]] = (
        {"current_decay": 1, "potential_decay": 1, "threshold": 1},
    )

    current_decay: np.ndarray = per_neuron()  # [1/4096 per timestep] of u
    potential_decay: np.ndarray = per_neuron()  # [1/4096 per timestep] of v
    threshold: np.ndarray = per_neuron(positive=True)  # [64 potential] it fires here
    bias: np.ndarray | None = per_neuron(None)  # [64 potential] added every timestep
    refractory: int = whole(0)  # [timesteps] in which only u is updated
    compare: str = choice("gt", "ge")  # fires where v > or >= 64 threshold
    bias_start: int = whole(1)  # [timestep] the first with a bias

    def check(self) -> None:
        for name in ("current_decay", "potential_decay"):
            value = getattr(self, name)
            if (value < 0).any() or (value > ONE).any():
                raise mismatch(value.min(), f"values from 0 to {ONE}", name)
        for name in ("current_decay", "potential_decay", "threshold", "bias"):
            value = np.ravel(0 if getattr(self, name) is None else getattr(self, name))
            wrong = (value != np.trunc(value)) | (np.abs(value) > LIMIT // UNIT)
            if wrong.any():
                raise mismatch(value[wrong][0], f"whole numbers up to {LIMIT // UNIT}", name)

    def describe(self) -> dict:
        return super().describe() | {"leak": True, "current_leak": True, "reset": "zero"}

    def runner(self, dtype, current_bound: int = 0) -> Runner:
        """What advances this population; its states are int32, whatever the currents are."""
        return CubaRunner(self, dtype)


class CubaRunner(Runner):
    """Advances fixed-point neurons."""

    always_active = True  # both states decay at every timestep

    def __init__(self, neurons: Cuba, dtype):
        self.neurons, self.dtype = neurons, np.dtype(dtype)
        bias = 0 if neurons.bias is None else neurons.bias
        fields = (neurons.current_decay, neurons.potential_decay, neurons.threshold, bias)
        grids = [neurons.grid(np.asarray(value)) for value in fields]
        constants = np.stack(np.broadcast_arrays(*grids)).astype(np.int64)
        constants[:2] = ONE - constants[:2]
        constants[2:] *= UNIT
        if neurons.compare == "ge":  # v >= threshold is v > the integer before it
            constants[2] -= 1
        self.constants = np.ascontiguousarray(constants)

    def begin(self) -> dict[str, np.ndarray]:
        """Potential and synaptic current of 0, and until when each neuron rests."""
        shape = (self.neurons.positions, self.neurons.channels)
        return {
            "potential": np.zeros(shape, np.int32),
            "synaptic_current": np.zeros(shape, np.int32),
            "refractory_until": np.zeros(shape, np.int64),
        }

    def advance(self, state: dict, currents, reached, first: int, out) -> dict[str, int]:
        """Decay, integrate, fire and reset; the events are appended to `out`."""
        channels, offsets, _ = out.reserve(len(currents))
        rules = [first, self.neurons.refractory, LIMIT, self.neurons.bias_start]
        rules = np.array(rules, np.int64)
        if currents.dtype.kind == "f":  # cut towards 0; what is beyond the limit stays beyond it
            currents = np.clip(currents * UNIT, -2.0 * LIMIT, 2.0 * LIMIT)
            arriving = currents.astype(np.int64)
        else:
            arriving = UNIT * currents.astype(np.int64, copy=False)
        events, wrong = fire_fixed(
            arriving, *state.values(), self.constants, rules, channels, offsets
        )
        if wrong >= 0:
            step, neuron = divmod(wrong, self.neurons.neurons)
            found = f"a current beyond 2^23 at timestep {first + step}"
            raise mismatch(f"{found}, neuron {neuron}", f"values up to {LIMIT}")
        out.commit(len(currents), events)
        return {"active_updates": len(currents) * self.neurons.neurons}


@kernel
def fire_fixed(
    currents, potential, synaptic, refractory_until, constants, rules, channels, offsets
):
    """Advance by a block; returns (events, the first current beyond the limit or -1).

    `currents`: times 64. `constants`: 4096 - current decay, 4096 - potential decay, what v must
    exceed and bias, both times 64. `rules`: FIRST timestep, REFRACTORY, MOST, BIASED: the first
    timestep with a bias.
    """
    events, cell = np.int64(0), 0
    for t in range(currents.shape[0]):
        now = rules[FIRST] + t
        for p in range(currents.shape[1]):
            q = p if constants.shape[1] > 1 else 0
            for c in range(currents.shape[2]):
                u = (
                    _decayed(np.int64(synaptic[p, c]), constants[KEPT_CURRENT, q, c])
                    + currents[t, p, c]
                )
                if abs(u) > rules[MOST]:
                    return events, np.int64((t * currents.shape[1] + p) * currents.shape[2] + c)
                synaptic[p, c] = u
                if now < refractory_until[p, c]:
                    continue
                v = _decayed(np.int64(potential[p, c]), constants[KEPT_POTENTIAL, q, c]) + u
                if now >= rules[BIASED]:
                    v += constants[BIAS, q, c]
                v = min(max(v, -rules[MOST]), rules[MOST])
                if v > constants[ABOVE, q, c]:
                    channels[events] = c
                    events += 1
                    v = np.int64(0)
                    refractory_until[p, c] = now + rules[REFRACTORY] + 1
                potential[p, c] = v
            cell += 1
            offsets[cell] = offsets[0] + events
    return events, np.int64(-1)


@kernel
def _decayed(x, kept):
    """sign(x) (|x| kept >> 12)."""
    return (x * kept) >> 12 if x >= 0 else -((-x * kept) >> 12)
