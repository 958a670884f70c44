"""Neurons that send several spikes in a timestep, as one event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.fields import choice, per_neuron, whole
from evsim.base.kernel import kernel
from evsim.neurons import POTENTIAL, Neurons, Runner
from evsim.neurons._integrate import check_firing
from evsim.neurons._runner import limits
from evsim.neurons._two_states import TwoStateRunner, check_leaks

LIMIT = (1 << 31) - 1
LEAK, BIAS, THRESHOLD, MOST, V_RESET, V_MIN = range(6)  # of the constants of the kernel
FIRST, START, SUBTRACT = range(3)  # of its rules


@dataclass(frozen=True, eq=False, kw_only=True)
class Multispike(Neurons):
    """v = ((leak * v) + current) + bias; v = max(v, v_min); where v >= threshold: an event of value
    n = min(floor(v / threshold), most); then v -= threshold x n, or v = v_reset (`"zero"`).

    With a current_leak, v takes u = ((current_leak * u) + current) + current_bias for the current.
    Source: Sinabs (`MultiSpike`, the default of its neurons) and Rockpool.
    """

    numbers: ClassVar[tuple[str, ...]] = ("float",)
    compares: ClassVar[bool] = True
    graded: ClassVar[bool] = True
    valued: ClassVar[bool] = True
    beyond_chips: ClassVar[str] = "several spikes in a timestep"
    STATE: ClassVar[dict[str, str]] = {"potential": POTENTIAL, "synaptic_current": "current"}
    EXAMPLES: ClassVar[tuple[dict, ...]] = (
        {"threshold": 0.5},
        {"threshold": np.array([0.25, 0.5]), "v_min": -0.25, "bias": 0.5, "start": 1},
        {"threshold": 0.25, "leak": 0.5, "reset": "zero", "v_reset": -0.5, "v_init": 1},
        {"threshold": 0.25, "most": 2, "bias": np.arange(8) / 8},
        {"threshold": 0.5, "leak": np.array([0.5, 1]), "current_leak": 0.5}
        | {"current_bias": np.arange(8) / 4, "bias": -0.125},
    )

    bias: np.ndarray | None = per_neuron(None)  # [potential] added every timestep
    v_init: np.ndarray = per_neuron(0.0)  # [potential] before timestep 0
    threshold: np.ndarray = per_neuron(positive=True)  # [potential] of one spike
    v_min: np.ndarray | None = per_neuron(None)  # [potential] the floor; none where absent
    v_reset: np.ndarray = per_neuron(0.0)  # [potential] after firing, with reset "zero"
    reset: str = choice("subtract", "zero")  # v -= threshold x n, or v = v_reset
    start: int = whole(0)  # [timestep] fires from this one on
    most: int | None = whole(None, least=1)  # [spikes] in a timestep; 2^31 - 1 where absent
    leak: np.ndarray | None = per_neuron(None, positive=True)  # [per timestep] of v, in (0, 1]
    current_leak: np.ndarray | None = per_neuron(None)  # [per timestep] of u, in [0, 1]
    current_bias: np.ndarray | None = per_neuron(None)  # [current] added to u every timestep

    @property
    def always_active(self) -> bool:
        return self.current_leak is not None

    def check(self) -> None:
        check_firing(self)
        check_leaks(self)

    def runner(self, dtype, current_bound: int = 0) -> Runner:
        self.check_arithmetic(dtype)
        return MultispikeRunner(self, dtype)


class MultispikeRunner(TwoStateRunner):
    """Advances neurons that send several spikes at once."""

    def __init__(self, neurons: Multispike, dtype):
        constants = neurons.constants(
            dtype,
            leak=neurons.leak_factor(dtype),
            bias=neurons.added_bias,
            threshold=neurons.threshold,
            most=np.asarray(LIMIT if neurons.most is None else neurons.most),
            v_reset=neurons.v_reset,
            v_min=np.array(limits(dtype)[0]) if neurons.v_min is None else neurons.v_min,
        )
        super().__init__(neurons, dtype, constants)

    def _send(self, state: dict, currents, reached, first: int, out) -> dict[str, int]:
        neurons = self.neurons
        channels, offsets, values = out.reserve(len(currents))
        rules = np.array([first, neurons.start, neurons.reset == "subtract"], np.int64)
        events, active = fire_several(
            currents,
            reached,
            state["potential"],
            self.constants,
            self.active,
            rules,
            channels,
            values,
            offsets,
        )
        out.commit(len(currents), events)
        return {"active_updates": active}


@kernel
def fire_several(
    currents,
    reached,
    potential,
    constants,
    always_active,
    rules,
    channels,
    out_values,
    offsets,
):
    """Advance by a block of timesteps; returns (events, active neurons).

    `constants`: LEAK, BIAS, THRESHOLD, MOST spikes, V_RESET, V_MIN. `rules`: FIRST timestep, START,
    SUBTRACT (1: reset by subtraction). `reached` is (timesteps, positions, 1 or channels), or
    without positions where all neurons are always active.
    """
    events, active, cell = np.int64(0), 0, 0
    for t in range(currents.shape[0]):
        for p in range(currents.shape[1]):
            q = p if constants.shape[1] > 1 else 0
            for c in range(currents.shape[2]):
                threshold, v = constants[THRESHOLD, q, c], potential[p, c]
                if reached.shape[1] > 0:
                    hit = reached[t, p, c if reached.shape[2] > 1 else 0]
                    active += hit != 0 or always_active[q, c] != 0 or v >= threshold
                x = constants[LEAK, q, c] * v + currents[t, p, c] + constants[BIAS, q, c]
                x = max(x, constants[V_MIN, q, c])
                if rules[FIRST] + t >= rules[START] and x >= threshold:
                    spikes = min(np.floor(x / threshold), constants[MOST, q, c])
                    channels[events] = c
                    out_values[events] = spikes
                    events += 1
                    after = constants[V_RESET, q, c]
                    x = x - threshold * spikes if rules[SUBTRACT] == 1 else after
                potential[p, c] = x
            cell += 1
            offsets[cell] = offsets[0] + events
    return events, active
