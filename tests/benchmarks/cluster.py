"""A Dask cluster against threads, what its parts cost, and on paper how far it reaches."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from support.topologies import vgg16

from benchmarks.imagenet import LARGE, STEPS
from benchmarks.table import Row
from benchmarks.timing import child
from benchmarks.workload import TIMESTEPS, events, poisson, thresholds
from evsim import run
from evsim.cluster import opened
from evsim.cluster.driver import LOOK, LOOK_EACH, Driver
from evsim.cluster.slices import SECONDS
from evsim.engine.settings import settle
from evsim.engine.totals import Totals
from evsim.store import Store
from evsim.store.samples import arrays_of

MOST = 0.10  # of overhead
IMAGES = 240  # half a minute of two cores and more
IMAGENET = 50_000  # images
PRICE = 0.05  # a core for an hour, in a currency of your choice: an assumption
WORKERS, CORES = 1000, 16  # of the cluster on paper: workers and the cores of each
LINE = 1.25e9  # bytes a second, 10 Gbit: an assumption
DISTINCT = 4  # images, which are repeated: as many poisson images take long to draw


def rows(quick: bool) -> Iterator[Row]:
    """VGG-16 on two processes against two threads; the costs of a slice; 1,000 workers."""
    try:
        import distributed  # noqa: F401
    except ImportError:
        yield Row("a cluster against threads", "dask is not installed")
        return
    network = vgg16(thresholds=thresholds())
    begin = time.perf_counter()
    with opened("local:2") as workers:
        started = time.perf_counter() - begin
        yield Row("a scheduler and two workers, start", f"{started:.1f} s")
        yield from _overhead(workers, network, quick)
        costs = dict(_costs(workers.client, network))
    each = costs["slice"]
    yield Row(
        "a slice of one sample that takes no time",
        f"{1e3 * each['client']:.1f} ms",
        detail=(f"from asking to its answer; {1e3 * each['scheduler']:.2f} ms of the scheduler's"),
    )
    for name, cost in costs["sample"].items():
        yield Row(f"a sample at the client, {name}", f"{1e6 * cost:.0f} us")
    size = costs["bytes"]
    yield Row("a sample on its way, VGG-16", f"{size:,.0f} bytes")
    yield Row(
        "what is known of a worker, asked for again and again", f"{costs['known']:,.0f} bytes"
    )
    yield from _paper(costs)


def _overhead(workers, network, quick: bool) -> Iterator[Row]:
    """The same samples in turn on threads and on workers, half a minute and more each."""
    shape = network.populations["input"].shape
    few = poisson(DISTINCT, TIMESTEPS, shape)
    short = events(few, shape)
    client = workers.client
    run(network, short, cluster=workers)  # kernels
    count = IMAGES // 6 if quick else IMAGES
    many = events([few[k % DISTINCT] for k in range(count)], shape)
    found = {"threads": [], "cluster": [], "work": [], "idle": [], "more": []}
    for _ in range(1 if quick else 2):
        work = {}
        for name, how in (("threads", {"jobs": 2}), ("cluster", {"cluster": workers})):
            before = _processor_seconds(client)
            with _simulating() as simulated:
                found[name].append(run(network, many, **how).seconds)
            work[name] = _processor_seconds(client) - before
        found["work"].append(work["cluster"] / work["threads"])
        found["idle"].append(1 - sum(simulated) / 2 / found["cluster"][-1])
        found["more"].append(found["work"][-1] / (1 - found["idle"][-1]) - 1)
    ratio = float(np.median(np.divide(found["cluster"], found["threads"]))) - 1
    middle = {name: float(np.median(rows)) for name, rows in found.items()}
    detail = (
        f"{count} images {len(found['work'])} times in turn: {middle['threads']:.1f} s on threads, "
        f"{middle['cluster']:.1f} s on workers that were sent the events; "
        f"{os.getloadavg()[1]:.1f} processes wanted a core on average"
    )
    work, bar = "VGG-16, two workers against two threads", f"at most {MOST:.0%}"
    yield Row(f"{work}, by the clock", f"{ratio:+.1%}", detail=detail)
    detail = (
        f"processor time {middle['work']:.3f} times that of threads, workers without a slice "
        f"{middle['idle']:.1%} of the time: the same by the clock where nobody else wants the cores"
    )
    met = None if quick else middle["more"] <= MOST
    yield Row(f"{work}, by what they do", f"{middle['more']:+.1%}", bar, met, detail)


@contextlib.contextmanager
def _simulating():
    """Seconds that workers simulate the slices that are taken meanwhile."""
    found, taken = [], Driver._taken

    def noted(self, outcome, part):
        found.append(outcome.seconds)
        return taken(self, outcome, part)

    Driver._taken = noted
    try:
        yield found
    finally:
        Driver._taken = taken


def _processor_seconds(client) -> float:
    """Of this process, in which the scheduler runs, and of all workers."""
    return time.process_time() + sum(client.run(time.process_time).values())


def _costs(client, network) -> Iterator[tuple[str, object]]:
    """Seconds and bytes of a slice and of a sample."""
    from evsim.cluster import worker as remote
    from evsim.cluster.link import Link
    from evsim.cluster.workers import Worker

    link = Link(client, threading.Event())
    [address, *_] = client.scheduler_info()["workers"]
    worker, count = Worker(address, 1), 200
    begin, busy = time.perf_counter(), client.run_on_scheduler(time.thread_time)
    for _ in range(count):
        link.ask("greeting", worker, abs, -1)
        while not list(link.answers()):
            pass
    took = time.perf_counter() - begin
    busy = client.run_on_scheduler(time.thread_time) - busy
    yield "slice", {"client": took / count, "scheduler": busy / count}
    shape = network.populations["input"].shape
    inputs = events(poisson(2, TIMESTEPS, shape), shape)
    found = run(network, inputs, jobs=2)
    samples = [replace(found.finished[0], index=k) for k in range(300)]
    packed = arrays_of(samples)
    arrays = remote.Arrays(packed)
    yield "bytes", sum(array.nbytes for array in packed.values()) / len(samples)
    settings = replace(settle(network, inputs), samples=len(samples))
    totals, cost = Totals(network, settings), {}
    begin = time.perf_counter()
    list(remote.samples_of(arrays, 0, len(samples), recorded=True))
    cost["unpacked"] = (time.perf_counter() - begin) / len(samples)
    begin = time.perf_counter()
    for sample in samples:
        totals.add(sample)
    cost["added up"] = (time.perf_counter() - begin) / len(samples)
    with TemporaryDirectory() as folder:
        about = {"first_sample": 0, "samples": len(samples)}
        store = Store(Path(folder) / "part", about, lambda line: None)
        begin = time.perf_counter()
        store.adopt(packed, 1.0, False)
        cost["written"] = (time.perf_counter() - begin) / len(samples)
        store.close()
    yield "sample", cost
    yield "image", found.seconds
    facts = client.scheduler_info()["workers"][address]
    yield "known", len(str(facts))


def _paper(costs) -> Iterator[Row]:
    """A thousand workers, and ImageNet, from what was measured here."""
    job = {"jobs": 1, "rounds": 3, "samples": 1, "topology": "vgg16_imagenet"}
    job |= {"shape": (224, 224, 3), "timesteps": STEPS, "thresholds": LARGE}
    image = child(job)["seconds"]
    hours = IMAGENET * image / 3600
    yield Row(
        f"VGG-16 at ImageNet size, {STEPS} timesteps",
        f"{image:.2f} s an image of a core",
        detail="random weights; time grows with timesteps and events",
    )
    yield Row(
        f"{IMAGENET:,} such images, on paper",
        f"{hours:.0f} core hours",
        detail=f"{hours * PRICE:.2f} at {PRICE} a core hour; {hours / (WORKERS * CORES) * 60:.1f} "
        f"min on {WORKERS:,} workers of {CORES} cores, start and network apart",
    )
    cost, each, size = costs["slice"]["scheduler"], sum(costs["sample"].values()), costs["bytes"]
    for name, seconds in (
        ("ImageNet, 100 timesteps", 100 / STEPS * image),
        (f"ImageNet, {STEPS} timesteps", image),
        ("CIFAR, 100 timesteps", costs["image"]),
    ):
        samples, slices = WORKERS * CORES / seconds, WORKERS / SECONDS
        looks = WORKERS * costs["known"] / (LOOK + LOOK_EACH * WORKERS)
        line = samples * size + looks
        busy = {"client": samples * each, "scheduler": slices * cost, "line": line / LINE}
        first = max(busy, key=busy.get)
        found = ", ".join(f"{what} {share:.0%}" for what, share in busy.items())
        detail = (
            f"{seconds:.3g} s a sample; {samples:,.0f} samples and {slices:.0f} slices a second, "
            f"{line / 1e6:,.0f} MB/s; the {first} is the first that is too busy, at "
            f"{WORKERS / busy[first]:,.0f} workers"
        )
        yield Row(
            f"{WORKERS:,} workers of {CORES} cores, VGG-16, {name}", f"busy: {found}", detail=detail
        )
