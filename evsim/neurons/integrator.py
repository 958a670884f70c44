"""Integrators that send their potential: what lies between two layers and never fires."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.fields import per_neuron
from evsim.base.kernel import kernel
from evsim.neurons import POTENTIAL, Neurons, Runner
from evsim.neurons._two_states import TwoStateRunner, check_leaks

LEAK, BIAS = range(2)  # of the constants of the kernel


@dataclass(frozen=True, eq=False, kw_only=True)
class SendingIntegrator(Neurons):
    """v = ((leak * v) + current) + bias; sent as a graded event wherever it is not 0.

    With a current_leak, v takes u = ((current_leak * u) + current) + current_bias for the current.
    Source: the nodes I, LI and CubaLI of NIR.
    """

    numbers: ClassVar[tuple[str, ...]] = ("float",)
    graded: ClassVar[bool] = True
    valued: ClassVar[bool] = True
    always_active: ClassVar[bool] = True
    beyond_chips: ClassVar[str] = "potentials sent as values"
    STATE: ClassVar[dict[str, str]] = {"potential": POTENTIAL, "synaptic_current": "current"}
    EXAMPLES: ClassVar[tuple[dict, ...]] = (
        {},
        {"leak": 0.5, "bias": np.array([0.25, -0.25]), "v_init": np.arange(8) / 8},
        {"leak": np.array([0.5, 1]), "current_leak": 0.5, "current_bias": np.arange(8) / 4},
    )

    bias: np.ndarray | None = per_neuron(None)  # [potential] added every timestep
    v_init: np.ndarray = per_neuron(0.0)  # [potential] before timestep 0
    leak: np.ndarray | None = per_neuron(None, positive=True)  # [per timestep] of v, in (0, 1]
    current_leak: np.ndarray | None = per_neuron(None)  # [per timestep] of u, in [0, 1]
    current_bias: np.ndarray | None = per_neuron(None)  # [current] added to u every timestep

    def check(self) -> None:
        check_leaks(self)

    def runner(self, dtype, current_bound: int = 0) -> Runner:
        self.check_arithmetic(dtype)
        constants = self.constants(dtype, leak=self.leak_factor(dtype), bias=self.added_bias)
        return IntegratorRunner(self, dtype, constants)


class IntegratorRunner(TwoStateRunner):
    """Advances integrators, and sends what they hold."""

    def _send(self, state: dict, currents, reached, first: int, out) -> dict[str, int]:
        room = out.reserve(len(currents))
        events = send_potential(currents, state["potential"], self.constants, *room)
        out.commit(len(currents), events)
        return {}


@kernel
def send_potential(currents, potential, constants, channels, offsets, out_values):
    """Advance by a block of timesteps, appending potentials that are not 0; returns the events."""
    events, cell = np.int64(0), 0
    for t in range(currents.shape[0]):
        for p in range(currents.shape[1]):
            q = p if constants.shape[1] > 1 else 0
            for c in range(currents.shape[2]):
                v = constants[LEAK, q, c] * potential[p, c] + currents[t, p, c]
                v = v + constants[BIAS, q, c]
                potential[p, c] = v
                channels[events] = c
                out_values[events] = v
                events += v != 0
            cell += 1
            offsets[cell] = offsets[0] + events
    return events
