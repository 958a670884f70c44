"""What descriptions say of populations: of results from before some of its keys, too."""

import numpy as np
import pytest
from support import build
from support.kinds import KINDS, cases

from evsim.counting import machine as counting
from evsim.counting.described import facts_of, role_of, sloped
from evsim.engine.plan import Plan
from evsim.engine.settings import settle

NEW = ("role", "resets", "facts", "actions")
OLD = ("analog", "burst", "cuba", "cubalif", "iaf", "input", "lif", "maxpool", "phase", "readout")
OLD += ("signed", "stochastic", "switch", "ttfs")  # all there were without these keys
PREDICTIONS = ("predictions", "active_predictions")


def before(part):
    """The description that a kind gave before it said these things itself."""
    old = {key: value for key, value in part.items() if key not in NEW}
    return old | {"slope": False} if part["kind"] == "switch" else old


@pytest.mark.parametrize("kind", OLD)
def test_a_result_from_before_costs_what_it_cost(kind):
    for form, case in list(cases("neurons", kind, turns=(0,)))[::3]:
        run = build.run(case, record=(), dtype=form.dtype)
        constant = run.network.input if case.coding == "constant" else None
        old = {n: before(p) if "role" in p else p for n, p in run.parts.items()}
        found = counting.counts(
            old, run.work, counting.Machine("buffer", "active"), case.timesteps, constant, {}
        )
        assert found["parts"] == run.counts("buffer", "active")["parts"]
        for name, part in run.parts.items():
            assert (
                set(facts_of(old[name]))
                <= set(run.work[name])
                == set(facts_of(part))
                | {fact for fact in run.work[name] if fact in ("clipped", *PREDICTIONS)}
            )
            if "role" in part:
                assert (role_of(old[name]), sloped(old[name])) == (role_of(part), sloped(part))


@pytest.mark.parametrize("kind", KINDS["neurons"])
def test_the_arrays_of_a_state_are_declared(kind):
    for form, case in cases("neurons", kind, turns=(0,)):
        network, inputs = build.network(case.network), build.inputs(case)
        given = {"timesteps": case.timesteps, "coding": case.coding, "dtype": form.dtype}
        plan = Plan(network, settle(network, inputs, **given))
        for name, runner in plan.neurons.items():
            part, state = network.populations[name], runner.begin()
            assert state.keys() <= part.STATE.keys(), part.kind
            for array, place in part.STATE.items():
                if place == "memory":
                    assert state[array].shape == (part.positions, part.channels)
            assert all(isinstance(array, np.ndarray) for array in state.values())


def test_a_max_pool_of_before_says_nothing_of_sums_that_were_read_again():
    # As results were kept by then: the description names the one fact of the kind.
    part = {"kind": "maxpool", "role": "pool", "facts": "gate_updates", "actions": ""}
    facts = {"pushes": np.array([2]), "gate_updates": np.array([5])}
    assert "rescanned" not in facts_of(part)
    done = counting.population_actions(part, facts, counting.Machine())
    assert {action: n.tolist() for action, n in done.items()} == {"event_push": [2], "compare": [5]}
