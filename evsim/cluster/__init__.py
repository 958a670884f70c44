"""Samples on the workers of a dask.distributed cluster; nothing of Dask is imported before."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import re
import signal
import threading
from multiprocessing import resource_tracker
from pathlib import Path

from evsim.base.errors import EvsimError, Parameter, mismatch
from evsim.base.processors import cores

PLACE = Parameter("cluster")
QUICKLY = {  # instead of Dask's own, which gives memory back at once: twenty times the page faults
    "distributed.nanny.pre-spawn-environ": {"OMP_NUM_THREADS": 1},
    "distributed.worker.profile.enabled": False,
}
SECONDS = 10  # for a scheduler to answer


class Cluster:
    """The workers that a Dask client reaches; runs of one network send it once.

    `writes`: workers write the shards of a store themselves, in a folder that they share with the
    client. `local`: they are processes of this machine, which find its compiled kernels.
    """

    def __init__(self, client, writes: bool = False, local: bool = False):
        self.client, self.writes, self.local = client, writes, local
        self.networks: dict[str, object] = {}  # by digest, on their way to workers or there
        self.state = "no workers"

    def __str__(self) -> str:
        return f"samples, {self.state}"

    def simulate(self, plan, inputs, settings, jobs, stop, todo=None, measure=None, **more):
        """What `threads.simulate` yields, slice by slice as they arrive; see `driver.Driver`."""
        from evsim.cluster.driver import Driver

        return Driver(self, plan, inputs, settings, jobs, stop, todo, measure, **more).samples()


def cluster_of(client) -> Cluster:
    """A Dask client, or the cluster of one, as a cluster."""
    return client if isinstance(client, Cluster) else Cluster(client)


@contextlib.contextmanager
def opened(where: str | None, writes: bool = False):
    """The cluster at `where`, closed in the end: local, local:N, a scheduler's address or its file.

    None where `where` is None. `writes`: as of `Cluster`. Raises EvsimError where no scheduler
    answers, or the packages of Dask are missing.
    """
    if where is None:
        if writes:
            raise mismatch("no `cluster`", "it", Parameter("cluster_writes"))
        yield None
        return
    connect = _connection(where)
    try:
        import distributed
    except ImportError as error:
        needed = "needs dask and distributed: pip install 'evsim[cluster]'"
        raise EvsimError(f"{needed} ({error})", PLACE) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)  # we say it in our own words
    with contextlib.ExitStack() as stack:
        client = connect(distributed, stack)
        yield Cluster(client, writes, where.startswith("local"))


def _connection(where: str):
    """What makes a client of Dask's package and a stack that closes it."""
    local = re.fullmatch(r"local(?::(\d+))?", where)
    if local and local[1] != "0":
        return lambda distributed, stack: _local(distributed, stack, int(local[1] or cores()))
    if re.fullmatch(r"(tcp|tls)://\S+:\d+", where):
        return lambda distributed, stack: _remote(distributed, stack, where, address=where)
    if where.endswith(".json"):
        if not Path(where).is_file():
            raise EvsimError("no such file, expected that of a Dask scheduler", PLACE, where)
        return lambda distributed, stack: _remote(distributed, stack, where, scheduler_file=where)
    expected = "local, local:N, tcp://HOST:PORT, tls://HOST:PORT or a scheduler's .json file"
    raise mismatch(repr(where), expected, PLACE)


def _remote(distributed, stack, where: str, **place):
    try:
        return stack.enter_context(distributed.Client(timeout=SECONDS, **place))
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EvsimError(f"no scheduler answers: {reason}", PLACE, where) from None


def _local(distributed, stack, count: int):
    """Processes on this machine: as many threads in all as there are cores."""
    threads = max(1, cores() // count)
    secret = {"security": True} if _can_encrypt() else {}
    with importlib.import_module("dask").config.set(QUICKLY), _interrupts_wait():
        cluster = distributed.LocalCluster(
            n_workers=count,
            threads_per_worker=threads,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit=0,
            silence_logs=logging.CRITICAL,
            **secret,
        )
        stack.enter_context(cluster)
        return stack.enter_context(distributed.Client(cluster, timeout=SECONDS))


def _can_encrypt() -> bool:
    """Whether Dask can make certificates, so that no other user of this machine gets in."""
    return importlib.util.find_spec("cryptography") is not None


@contextlib.contextmanager
def _interrupts_wait():
    """Ctrl-C comes to this process afterwards, and never to those that are started inside."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(
        signal, "pthread_sigmask"
    ):
        yield
        return
    resource_tracker.ensure_running()  # which would unblock it, if it were started below
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
