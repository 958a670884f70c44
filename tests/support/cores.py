"""A sample with what the loads of cores are made of."""

from support import build

from evsim.engine.plan import Plan
from evsim.engine.settings import settle, values_of


def sample_of(case, network):
    """One sample with what loads are made of."""
    import threading

    from evsim.engine.simulation import Simulation
    from evsim.engine.workspace import Workspace

    inputs = build.inputs(case)
    settings = settle(
        network,
        inputs,
        timesteps=case.timesteps,
        coding=case.coding,
        seed=case.seed,
        first_sample=case.sample,
    )
    plan = Plan(network, settings, record=("spikes", "arrivals"))
    values = values_of(network.populations[network.input], inputs, 0, plan.dtype)
    [sample] = Simulation(plan, [case.sample], [values], Workspace(), threading.Event()).run()
    return sample
