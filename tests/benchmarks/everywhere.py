"""Every shape of network against the fastest peer: the same weights and events, the same spikes.

One thread, CPU time of this process; what counts is the least of rounds that take turns. A peer is
given what suits it best: of PyTorch larger batches are tried while they help, in both memory
formats; the others take the best of these. Models and tensors are made before, and so is evsim's
plan: of the CPU time of a call, that part counts which `run.seconds` is of its wall time.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

import evsim
from benchmarks import layerwise, peers, processes, simulators
from benchmarks.switch import WINDOW, dense
from benchmarks.table import Row, at_least
from benchmarks.workload import rates, synops
from benchmarks.works import Work, all_works, events, switch_work

BATCHES = (1, 8, 32, 100, 360)
LARGEST = 2**31  # bytes of a layer's spikes that a batch may have
ROUNDS, FEWEST, ENOUGH = 9, 3, 10.0  # rounds at most, at least; CPU seconds: then no more
QUICK = {"rounds": 2, "fewest": 1, "enough": 3.0}
CLOSE = 1.15  # a peer so many times the first try of the fastest takes part in the rounds
SHARE = 0.5  # of VGG-16's synops a second
BASE = "VGG-16, float32, T = 100, 8 samples"


@dataclass(frozen=True)
class Trial:
    """A peer's way to run a batch, and the CPU seconds a sample of its first tries."""

    peer: str
    text: str
    run: Callable[[], float]
    seconds: float


def rows(quick: bool) -> Iterator[Row]:
    """Rows of every work, of switch coding, of synops a second, of whole processes."""
    speeds = {}
    for name, make in all_works(quick):
        if make:
            yield from measured(make(), quick, speeds)
        else:
            yield Row(name, "skipped: the trained networks are not beside the repository")
    yield from switched(quick)
    for title, speed in speeds.items():
        text, share = f"{speed / 1e9:.2f} billion synops a second", speed / speeds[BASE]
        if title == BASE:
            yield Row(f"synops a second, {title}", text)
        else:
            yield at_least(f"synops a second, {title}, against VGG-16's", share, SHARE, text)
    yield from processes.rows(quick)
    first = "all bars of the first benchmark table"
    yield Row(first, "RESULTS.md", "still met", None, "`python tests/benchmarks`, on its own")


def measured(work: Work, quick: bool, speeds: dict[str, float]) -> Iterator[Row]:
    """The rows of a work: of one sample where that is asked for, of all; adds to `speeds`."""
    first = events(work.spikes[:1], work.shape)
    run = evsim.run(work.network, first, record=("spikes",), jobs=1)
    sent = run.spikes
    names, about = agreed(work, run, sent)
    for other, _ in work.others.values():
        same(work, evsim.run(other, first, jobs=1), run)
    for count in (1, len(work.spikes)) if work.alone else (len(work.spikes),):
        inputs = events(work.spikes[:count], work.shape)
        title = f"{work.name}, {'1 sample' if count == 1 else f'{count} samples'}"
        trials = tried(work, names, count)
        if work.small:
            trials += [Trial(*way) for way in simulators.ways(work, sent)]
        mine = {title: (Ours(work.network, inputs), work.bar)}
        for name, (other, bar) in work.others.items():
            mine[title.replace(work.name, name)] = Ours(other, inputs), bar
        found = least({t: r for t, (r, _) in mine.items()} | fastest(trials), quick)
        for own, (_, bar) in mine.items():
            yield verdict(own, bar, found, trials, about)
            speeds[own] = mine[own][0].synops / found[own]


def agreed(work: Work, run: evsim.Run, sent: dict) -> tuple[list[str], str]:
    """The peers that are here and send the same spikes, and what is to be told of the work."""
    names, about = [], [activity(work, run), work.about]
    for peer, (package, _) in layerwise.PEERS.items():
        if peers.installed("torch") and peers.installed(package):
            spikes = layerwise.agree(work, peer, run, sent, 1)
            names.append(peer)
        else:
            about.append(f"{peer} is not installed")
    if names:
        about.append(f"{spikes:,} spikes of a sample, the same in all")
    return names, "; ".join(about)


def activity(work: Work, run: evsim.Run) -> str:
    """How busy the layers behind the input are."""
    found = [rate for name, rate in rates(run).items() if name != work.network.input]
    mean, total = sum(found) / len(found), synops(run)
    text = f"{min(found):.1%} to {max(found):.1%}, on average {mean:.1%}, of a layer firing"
    return f"{text}, {total:.3g} synops a sample"


def same(work: Work, other: evsim.Run, run: evsim.Run) -> None:
    """Raise ValueError unless both runs have as many spikes in every population."""
    for name, facts in run.work.items():
        if "spikes" in facts and facts["spikes"][0] != other.work[name]["spikes"][0]:
            raise ValueError(f"{work.name}: another arithmetic, other spikes in {name}")


class Ours:
    """A function that simulates all inputs and returns the CPU seconds a sample."""

    def __init__(self, network: evsim.Network, inputs: evsim.Events):
        self.network, self.inputs, self.synops = network, inputs, 0.0

    def __call__(self) -> float:
        wall, begin = time.perf_counter(), time.process_time()
        run = evsim.run(self.network, self.inputs, jobs=1)
        cpu, wall = time.process_time() - begin, time.perf_counter() - wall
        self.synops = synops(run) / len(self.inputs)  # of a sample
        return cpu * run.seconds / wall / len(self.inputs)


def tried(work: Work, names: list[str], count: int) -> list[Trial]:
    """First tries of the peers that are here: PyTorch in all ways, the others in the best."""
    found: list[tuple[float, int, bool, Callable]] = []
    trials = []
    for last in (False, True) if names and len(work.shape) == 3 else (False,) if names else ():
        before = np.inf
        for batch in batches(work, count):
            run = layerwise.contender(work, "PyTorch", batch, last)
            seconds = first_tries(run)
            found.append((seconds, batch, last, run))
            if seconds > before:
                break  # larger batches help no more
            before = seconds
    found.sort(key=lambda way: way[0])
    for seconds, batch, last, run in found:
        trials.append(Trial("PyTorch", way_text(batch, last), run, seconds))
    for peer in names[1:]:
        _, batch, last, _ = found[0]
        run = layerwise.contender(work, peer, batch, last)
        trials.append(Trial(peer, way_text(batch, last), run, first_tries(run)))
    return trials


def batches(work: Work, count: int) -> list[int]:
    """The batches that `count` samples can be cut into and that fit into memory."""
    neurons = max(part.neurons for part in work.network.populations.values())
    most = LARGEST // (4 * neurons * work.timesteps)
    sizes = [size for size in BATCHES if size <= count and size <= most]
    return sizes or [1]


def way_text(batch: int, last: bool) -> str:
    """A batch and a memory format in words."""
    return f"batch {batch}{', channels last' if last else ''}"


def first_tries(run: Callable[[], float], patience: float = 1.0) -> float:
    """The least of two runs, or of one that takes longer than `patience` CPU seconds."""
    begin = time.process_time()
    seconds = run()
    return seconds if time.process_time() - begin > patience else min(seconds, run())


def fastest(trials: list[Trial]) -> dict[str, Callable[[], float]]:
    """The peer's ways that take part in the rounds: the fastest and one that is close."""
    trials = sorted(trials, key=lambda trial: trial.seconds)
    close = [trial for trial in trials[:2] if trial.seconds < CLOSE * trials[0].seconds]
    return {f"{trial.peer}, {trial.text}": trial.run for trial in close}


def least(contenders: dict[str, Callable], quick: bool) -> dict[str, float]:
    """The least seconds of each of the contenders, which take turns."""
    limits = QUICK if quick else {"rounds": ROUNDS, "fewest": FEWEST, "enough": ENOUGH}
    begin, found = time.process_time(), {}
    for done in range(limits["rounds"]):
        if done >= limits["fewest"] and time.process_time() - begin > limits["enough"]:
            break
        for name, run in contenders.items():
            found[name] = min(found.get(name, np.inf), run())
    return found


def verdict(title: str, bar: float, found: dict, trials: list[Trial], about: str) -> Row:
    """The row of what was found: against the fastest peer."""
    own = found[title]
    rivals = {name: s for name, s in found.items() if any(name.startswith(t.peer) for t in trials)}
    told = [f"evsim {milliseconds(own)} a sample"]
    if not rivals:
        return Row(title, "PyTorch is not installed", f"at least {bar:g}", None, told[0])
    best = min(rivals, key=rivals.get)
    told.append(f"{best} {milliseconds(rivals[best])}")
    others = {}
    for trial in trials:
        if trial.peer != best.partition(",")[0]:
            others[trial.peer] = min(trial.seconds, others.get(trial.peer, np.inf))
    told += [f"{peer} {milliseconds(seconds)}" for peer, seconds in others.items()]
    return at_least(title, rivals[best] / own, bar, f"{', '.join(told)}; {about}")


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds."""
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{1e3 * seconds:,.0f} ms"


def switched(quick: bool) -> Iterator[Row]:
    """VGG-16 in temporal switch coding: each layer over its own window in PyTorch."""
    title, bar = f"temporal switch coding, VGG-16, N = {WINDOW}", 40
    found = switch_work()
    if found is None or not peers.installed("torch"):
        yield Row(title, "no trained network, or PyTorch is not installed", f"at least {bar}")
        return
    network, images = found
    run = evsim.run(network, images, jobs=1)

    def theirs(last: bool) -> Callable[[], float]:
        forward = dense(network, images, last, run.potential)

        def seconds() -> float:
            begin = time.process_time()
            forward()
            return (time.process_time() - begin) / len(images)

        return seconds

    ways = {"PyTorch": theirs(False), "PyTorch, channels last": theirs(True)}
    seconds = least({"evsim": Ours(network, images)} | ways, quick)
    own = seconds.pop("evsim")
    best = min(seconds, key=seconds.get)
    detail = f"evsim {milliseconds(own)} a sample, {best}, batch 1 {milliseconds(seconds[best])}"
    detail += "; trained; the same potentials within 5 %"
    yield at_least(title, seconds[best] / own, bar, detail)
