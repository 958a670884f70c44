"""What runs in a process of its own: one network, its memory and its time as JSON."""

import json
from pathlib import Path

import numpy as np
import topologies

import evsim
from benchmarks import workload


def resident(which: str = "VmRSS") -> float:
    """Megabytes of this process in memory now, or at most so far (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(which + ":"))


def main(argument: str) -> None:
    """Run a job: topology, thresholds, dtype, samples, timesteps, jobs; print what it took."""
    job = json.loads(argument)
    libraries = resident()
    build = getattr(topologies, job["topology"])
    network = build(thresholds=job["thresholds"], dtype=getattr(np, job.get("dtype", "float32")))
    shape = network.populations["input"].shape
    spikes = workload.poisson(job["samples"], job["timesteps"], shape)
    inputs = workload.events(spikes, shape)
    runs = [evsim.run(network, inputs, jobs=job["jobs"]) for _ in range(job.get("rounds", 1))]
    result = {
        "libraries": libraries,
        "megabytes": resident("VmHWM") - libraries,
        "seconds": min(run.seconds for run in runs),
        "synops": workload.synops(runs[0]),
        "described": workload.described(runs[0]),
    }
    print(json.dumps(result))
