"""A Dask scheduler and workers in processes of their own, on this machine."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from support.files import write
from support.places import ROOT

SECONDS = 60
PRELOAD = """
import os, pathlib, resource, time
from evsim.cluster import worker
from evsim.engine.threads import simulate as real  # this is run twice

def simulate(plan, inputs, settings, jobs, stop, places, measure):
    for sample in real(plan, inputs, settings, jobs, stop, places, measure):
        stop.wait({delay})
        if sample.index == {deadly}:
            os.kill(os.getpid(), 9)
        yield sample

worker.simulate = simulate
{more}
"""


class Loopback:
    """A scheduler, to which workers are added; all of them end with `close`."""

    def __init__(self, folder: Path):
        self.folder, self.workers = folder, []
        self.file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", {}, "--host", "127.0.0.1", "--port", "0")
        end = time.monotonic() + SECONDS
        while not self.file.exists():
            assert self.scheduler.poll() is None, (folder / "scheduler.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.02)

    def _start(self, what: str, environment: dict, *words) -> subprocess.Popen:
        line = [sys.executable, "-m", f"distributed.cli.dask_{what}", *words]
        line += ["--scheduler-file", str(self.file), "--dashboard-address", "127.0.0.1:0"]
        own = os.environ | {"PYTHONPATH": str(ROOT), "DASK_LOGGING__DISTRIBUTED": "error"}
        with open(self.folder / f"{what}.log", "a") as log:
            streams = {"stdout": log, "stderr": log, "cwd": self.folder}
            return subprocess.Popen(line, env=own | environment, **streams)

    def add(self, delay=0.0, deadly=-1, more="", threads=1, **environment) -> subprocess.Popen:
        """A worker that waits `delay` seconds after a sample and dies of the sample `deadly`.

        `more`: code that it runs as it starts.
        """
        number = len(self.workers)
        preload = self.folder / f"preload{number}.py"
        preload.write_text(PRELOAD.format(delay=delay, deadly=deadly, more=more))
        words = ["--no-nanny", "--nthreads", str(threads), "--preload", str(preload)]
        words += ["--local-directory", str(self.folder / f"worker{number}")]
        worker = self._start("worker", environment, *words)
        self.workers.append(worker)
        return worker

    def clear(self) -> None:
        """End all workers, and wait until the scheduler knows."""
        for worker in self.workers:
            kill(worker)
        with self.client() as client:
            wait_for(lambda: not client.scheduler_info()["workers"])

    @contextlib.contextmanager
    def client(self):
        """A client of the scheduler."""
        from distributed import Client

        with Client(scheduler_file=str(self.file), set_as_default=False) as client:
            yield client

    def close(self) -> None:
        """End everything."""
        for process in [*self.workers, self.scheduler]:
            kill(process)


def kill(process: subprocess.Popen) -> None:
    """End a process at once, also one that is stopped."""
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(condition, seconds=SECONDS) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


SAMPLES = 48


def data(path, count=SAMPLES):
    images = np.random.default_rng(5).integers(0, 16, (count, 4, 4, 2)).astype(np.uint8)
    return write(path, {"/": {"images": images, "labels": np.arange(count) % 3}})
