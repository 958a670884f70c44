"""Neurons whose threshold is subtracted a timestep after they fired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.fields import choice, per_neuron, whole
from evsim.base.kernel import kernel
from evsim.neurons import CIRCUIT, POTENTIAL, Neurons, Runner
from evsim.neurons._integrate import firing_constants
from evsim.neurons._two_states import TwoStateRunner, check_leaks

LEAK, BIAS, V_MIN, LEAST, DROP = range(5)  # of the constants of the kernel
FIRST, START = range(2)  # of its rules


@dataclass(frozen=True, eq=False, kw_only=True)
class LateReset(Neurons):
    """v = ((leak * v) + current) + bias; v -= threshold where it fired in the timestep before;
    v = max(v, v_min); fires where v > threshold (or >=, with `compare = "ge"`).

    The threshold that is subtracted has not leaked. With a current_leak, v takes
    u = ((current_leak * u) + current) + current_bias for the current. Source: snnTorch, `Leaky` and
    `Synaptic` as they are by default.
    """

    numbers: ClassVar[tuple[str, ...]] = ("float",)
    compares: ClassVar[bool] = True
    reset: ClassVar[str] = "subtract"
    resets: ClassVar[str] = "late_resets"
    v_reset: ClassVar[np.ndarray] = np.zeros(())
    beyond_chips: ClassVar[str] = "a reset one timestep later"
    STATE: ClassVar[dict[str, str]] = {
        "potential": POTENTIAL,
        "synaptic_current": "current",
        "fired_before": CIRCUIT,
    }
    FACTS: ClassVar[dict[str, str]] = {
        "late_resets": "thresholds subtracted: the spikes but those of the last timestep"
    }
    EXAMPLES: ClassVar[tuple[dict, ...]] = (
        {"threshold": 0.5},
        {"threshold": np.array([0.25, 0.5]), "compare": "ge", "bias": 0.25, "start": 1},
        {"threshold": 0.25, "leak": 0.5, "v_init": np.arange(8) / 4, "v_min": -0.125},
        {"threshold": 0.5, "leak": np.array([0.5, 1]), "current_leak": 0.5}
        | {"current_bias": np.arange(8) / 4, "bias": -0.125},
    )

    bias: np.ndarray | None = per_neuron(None)  # [potential] added every timestep
    v_init: np.ndarray = per_neuron(0.0)  # [potential] before timestep 0
    threshold: np.ndarray = per_neuron(positive=True)  # [potential] it fires here
    v_min: np.ndarray | None = per_neuron(None)  # [potential] the floor; none where absent
    compare: str = choice("gt", "ge")  # fires where v > or >= threshold
    start: int = whole(0)  # [timestep] fires from this one on
    leak: np.ndarray | None = per_neuron(None, positive=True)  # [per timestep] of v, in (0, 1]
    current_leak: np.ndarray | None = per_neuron(None)  # [per timestep] of u, in [0, 1]
    current_bias: np.ndarray | None = per_neuron(None)  # [current] added to u every timestep

    @property
    def always_active(self) -> bool:
        return self.current_leak is not None

    def check(self) -> None:
        check_leaks(self)

    def runner(self, dtype, current_bound: int = 0) -> Runner:
        self.check_arithmetic(dtype)
        return LateResetRunner(self, dtype, firing_constants(self, dtype))


class LateResetRunner(TwoStateRunner):
    """Advances neurons that are reset late."""

    def begin(self) -> dict[str, np.ndarray]:
        """The potential at rest; nobody fired before timestep 0."""
        state = super().begin()
        return state | {"fired_before": np.zeros(state["potential"].shape, np.uint8)}

    def _send(self, state: dict, currents, reached, first: int, out) -> dict[str, int]:
        channels, offsets, _ = out.reserve(len(currents))
        events, active, resets = fire_and_reset_late(
            currents,
            reached,
            state["potential"],
            state["fired_before"],
            self.constants,
            self.active,
            np.array([first, self.neurons.start], np.int64),
            channels,
            offsets,
        )
        out.commit(len(currents), events)
        return {"active_updates": active, "late_resets": resets}


@kernel
def fire_and_reset_late(
    currents,
    reached,
    potential,
    fired_before,
    constants,
    always_active,
    rules,
    channels,
    offsets,
):
    """Advance by a block of timesteps; returns (events, active neurons, resets).

    `fired_before`: 1 where a neuron fired in the timestep before. `constants`: LEAK, BIAS, V_MIN,
    LEAST (the smallest potential that fires), DROP (the threshold). `rules`: FIRST timestep, START.
    `reached` is (timesteps, positions, 1 or channels), or without positions where all neurons are
    always active.
    """
    events, active, resets, cell = np.int64(0), 0, 0, 0
    for t in range(currents.shape[0]):
        for p in range(currents.shape[1]):
            q = p if constants.shape[1] > 1 else 0
            for c in range(currents.shape[2]):
                least, v = constants[LEAST, q, c], potential[p, c]
                if reached.shape[1] > 0:
                    hit = reached[t, p, c if reached.shape[2] > 1 else 0]
                    active += hit != 0 or always_active[q, c] != 0 or v >= least
                x = constants[LEAK, q, c] * v + currents[t, p, c] + constants[BIAS, q, c]
                if fired_before[p, c] != 0:
                    x = x - constants[DROP, q, c]
                    resets += 1
                x = max(x, constants[V_MIN, q, c])
                fired_before[p, c] = 0
                if rules[FIRST] + t >= rules[START] and x >= least:
                    channels[events] = c
                    events += 1
                    fired_before[p, c] = 1
                potential[p, c] = x
            cell += 1
            offsets[cell] = offsets[0] + events
    return events, active, resets
