"""What runs in a process of its own: one network, its memory and its time as JSON."""

import json
from pathlib import Path

from support import topologies

import evsim
from benchmarks import workload


def resident(which: str = "VmRSS") -> float:
    """Megabytes of this process in memory now, or at most so far (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(which + ":"))


def main(argument: str) -> None:
    """Run a job (topology, shape, thresholds, samples, timesteps, jobs); print what it took."""
    job = json.loads(argument)
    libraries = resident()
    shape = tuple(job["shape"])
    inputs = workload.events(workload.poisson(job["samples"], job["timesteps"], shape), shape)
    before = resident()
    build = getattr(topologies, job["topology"])
    network = build(thresholds=job["thresholds"])
    runs = [evsim.run(network, inputs, jobs=job["jobs"]) for _ in range(job.get("rounds", 1))]
    result = {
        "libraries": libraries,
        "inputs": before - libraries,
        "megabytes": resident("VmHWM") - before,
        "seconds": min(run.seconds for run in runs),
        "synops": workload.synops(runs[0]),
        "described": workload.described(runs[0]),
    }
    print(json.dumps(result))
