"""Neurons of floats with a leak and perhaps a synaptic current: their checks and their runner."""

from __future__ import annotations

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.neurons import Neurons
from evsim.neurons._integrate import decay_current
from evsim.neurons._runner import PotentialRunner


def check_leaks(neurons: Neurons) -> None:
    """Raise EvsimError for a leak that is none, or a current_bias without a current_leak."""
    leak, current_leak = neurons.leak, neurons.current_leak
    if leak is not None and (leak > 1).any():
        raise mismatch(leak.max(), "a value in (0, 1]", "leak")
    if current_leak is not None and ((current_leak < 0) | (current_leak > 1)).any():
        raise mismatch(current_leak.max(), "values in [0, 1]", "current_leak")
    if neurons.current_bias is not None and current_leak is None:
        raise EvsimError("only a population with a current_leak takes this field", "current_bias")


class TwoStateRunner(PotentialRunner):
    """Advances floats: the synaptic current where there is one, then what the kind does with it."""

    def advance(self, state: dict, currents, reached, first: int, out) -> dict[str, int]:
        """Let the synaptic current decay, integrate, send."""
        if self.synaptic is not None:
            decay_current(currents, state["synaptic_current"], self.synaptic)
        arriving = currents.astype(self.dtype, copy=False)
        facts = self._send(state, arriving, reached, first, out)
        if not reached.shape[1]:
            facts["active_updates"] = len(currents) * self.neurons.neurons
        return facts

    def _send(self, state: dict, currents: np.ndarray, reached, first: int, out) -> dict[str, int]:
        """Integrate by what arrives at the potential, append the events to `out`; facts."""
        raise NotImplementedError
