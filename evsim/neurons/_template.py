"""A kind to start from: neurons whose threshold rises with every spike and falls back.

Copy this file to `evsim/neurons/<name>.py`, without the `_`: then it is a kind, and `<name>` is
what network files call it. `docs/adding-a-kind.md` goes through it. It works as it stands:
`tests/neurons/test_template.py` runs the whole contract of a kind with a copy of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import per_neuron
from evsim.base.kernel import kernel
from evsim.neurons import MEMORY, POTENTIAL, Neurons, Runner
from evsim.neurons._runner import PotentialRunner

# Slots of the arrays that the kernel takes. A kernel knows the names of its own file only.
LEAK, BIAS, THRESHOLD, DECAY, STEP = range(5)  # of `constants`


@dataclass(frozen=True, eq=False, kw_only=True)
class AdaptiveThreshold(Neurons):
    """a = decay * a; v = (v + current) + bias; where v >= threshold + a: fire, then
    v -= threshold and a += step.

    a starts at 0. Source: Bellec et al. 2018, the adaptive threshold of LSNNs, with a reset by the
    threshold alone.
    """

    # The docstring is the equation: it is what the reference of kinds shows.

    # What differs from `Neurons`, which lists all that a kind can say, with defaults.
    numbers: ClassVar[tuple[str, ...]] = ("float",)  # no integers: a decay is no whole number
    compares: ClassVar[bool] = True  # one `compare` per update is counted
    reset: ClassVar[str] = "subtract"  # one `reset_subtract` per spike is counted
    always_active: ClassVar[bool] = True  # a falls at every timestep: nobody can be skipped

    # The arrays of the runner's state. `threshold_offset` is kept in memory: a read and a write of
    # it are counted at every update. What is no memory of a chip would be CIRCUIT, which is free.
    STATE: ClassVar[dict[str, str]] = {"potential": POTENTIAL, "threshold_offset": MEMORY}
    # More actions, each with the facts it is done as often as: a is multiplied at every update, and
    # added to the threshold there, and the step is added to it at every spike.
    ACTIONS: ClassVar[dict[str, tuple[str, ...]]] = {
        "state_multiply": ("updates",),
        "state_add": ("updates", "spikes"),
    }
    # Fields with which every kernel of the kind is called: `evsim warm` and the tests run them.
    EXAMPLES: ClassVar[tuple[dict, ...]] = (
        {"threshold": 1, "decay": 0.5, "step": 0.25},
        {"threshold": 1, "decay": np.array([0.5, 1]), "step": 0.5, "bias": 0.25, "v_init": 0.5},
    )

    # The fields of a network file, each with its [unit] and what it is, for the reference pages.
    # `per_neuron`: a scalar, one value per channel or one per neuron.
    bias: np.ndarray | None = per_neuron(None)  # [potential] added every timestep
    v_init: np.ndarray = per_neuron(0.0)  # [potential] before timestep 0
    threshold: np.ndarray = per_neuron(positive=True)  # [potential] before it has fired
    decay: np.ndarray = per_neuron()  # [per timestep] of the offset, in [0, 1]
    step: np.ndarray = per_neuron()  # [potential] by which a spike raises the threshold, at least 0

    def check(self) -> None:
        """Raise EvsimError where a field does not fit; each was checked on its own before."""
        if (self.decay < 0).any() or (self.decay > 1).any():
            raise mismatch(self.decay.max(), "values in [0, 1]", "decay")
        if (self.step < 0).any():
            raise mismatch(self.step.min(), "values of at least 0", "step")

    def runner(self, dtype, current_bound: int = 0) -> Runner:
        """What advances this population in arithmetic of `dtype`, which is checked first."""
        self.check_arithmetic(dtype)
        constants = self.constants(
            dtype,
            leak=np.ones(()),  # leak and bias come first: `PotentialRunner` reads them
            bias=self.added_bias,
            threshold=self.threshold,
            decay=self.decay,
            step=self.step,
        )
        return AdaptiveRunner(self, dtype, constants, current_bound)


class AdaptiveRunner(PotentialRunner):
    """Advances neurons with an adaptive threshold.

    `PotentialRunner` has the potential at rest, and the check of sums that are not finite.
    """

    def begin(self) -> dict[str, np.ndarray]:
        """The potential at rest, and an offset of 0; the names are those of `STATE`."""
        state = super().begin()
        return state | {"threshold_offset": np.zeros_like(state["potential"])}

    def advance(self, state: dict, currents, reached, first: int, out) -> dict[str, int]:
        """Integrate, fire and adapt; the events are appended to `out`."""
        channels, offsets, _ = out.reserve(len(currents))  # room for every neuron at every timestep
        events = fire_adaptive(
            currents,
            state["potential"],
            state["threshold_offset"],
            self.constants,
            channels,
            offsets,
        )
        out.commit(len(currents), events)
        return {"active_updates": len(currents) * self.neurons.neurons}  # all: `always_active`


@kernel
def fire_adaptive(currents, potential, threshold_offset, constants, channels, offsets):
    """Advance by a block of timesteps; returns the events.

    Event k is of channel `channels[k]`. Cells (timestep, position) are numbered in order: those of
    cell i are from offsets[i] up to, not including, offsets[i + 1], counted from offsets[0].
    """
    events, cell = np.int64(0), 0
    for t in range(currents.shape[0]):
        for p in range(currents.shape[1]):
            q = p if constants.shape[1] > 1 else 0  # constants of every position, or of all
            for c in range(currents.shape[2]):
                a = constants[DECAY, q, c] * threshold_offset[p, c]
                v = potential[p, c] + currents[t, p, c] + constants[BIAS, q, c]
                if v >= constants[THRESHOLD, q, c] + a:
                    channels[events] = c
                    events += 1
                    v = v - constants[THRESHOLD, q, c]
                    a = a + constants[STEP, q, c]
                threshold_offset[p, c] = a
                potential[p, c] = v
            cell += 1
            offsets[cell] = offsets[0] + events
    return events
