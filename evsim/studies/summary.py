"""What the command `run` prints as JSON."""

from __future__ import annotations

from evsim.counting.widths import sums_of
from evsim.engine.totals import Totals


def latency(run: Totals) -> dict[str, int]:
    """How many timesteps a sample takes, and after how many the next may follow it."""
    timesteps = run.settings.timesteps
    return {"timesteps": timesteps, "pipelined": run.network.period(timesteps)}


def summary(run: Totals, data, machine: dict) -> dict:
    """A run under a machine; `data` has the `path` and `sha256` of its inputs."""
    settings, network, labelled = run.settings, run.network, run.labels is not None
    return {
        "network": {
            "path": getattr(network, "path", None),
            "sha256": getattr(network, "sha256", None),
        },
        "data": {"path": data.path, "sha256": data.sha256},
        "samples": run.count,
        "first_sample": settings.first_sample,
        "timesteps": settings.timesteps,
        "latency": latency(run),
        "seed": settings.seed,
        "dtype": settings.dtype,
        "coding": settings.coding,
        "accuracy": run.accuracy if labelled else None,
        "accuracy_by_timestep": run.accuracy_by_timestep.tolist() if labelled else None,
        "predictions": run.predictions.tolist(),
        "synapses": network.synapse_count,
        "seconds": run.seconds,
        "work": {
            name: {fact: int(n.max() if fact == "peak" else n.sum()) for fact, n in facts.items()}
            for name, facts in run.work.items()
        },
        "counts": run.counts(**machine),
        **({"widths": sums_of(run)} if run.ranges else {}),
    }
