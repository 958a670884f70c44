"""Fair timing on a noisy machine, and what a process keeps in memory."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

TESTS = Path(__file__).parents[1]


def alternate(contenders: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The median seconds of each contender; all take turns, `rounds` times, after a warm-up."""
    for run in contenders.values():
        run()
    found = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            found[name].append(run())
    return {name: median(seconds) for name, seconds in found.items()}


def child(job: dict) -> dict:
    """Run `benchmarks.child` on a job in a process of its own."""
    code = "import sys; from benchmarks.child import main; main(sys.argv[1])"
    command = [sys.executable, "-c", code, json.dumps(job)]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the measured process failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout)
