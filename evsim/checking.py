"""Do the assumptions about a chip hold for a network on real data?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np

from evsim.claims import Claim
from evsim.cores import Placement
from evsim.engine import Sample
from evsim.hardware import Profile
from evsim.hardware.amounts import high
from evsim.hardware.schedule import STEPS
from evsim.job import Job
from evsim.network import Network
from evsim.pricing import price
from evsim.timing import Timing
from evsim.traffic import Traffic
from evsim.widths import sums_of

NOT_SIMULATED = "not simulated"
RECORD = ("queues", "spikes", "rates", "ranges")


@dataclass(frozen=True)
class Finding:
    """One assumption: what was measured beside its limit, and how far it is from breaking."""

    assumption: str
    holds: bool | None  # None: the chip says nothing, or it was not measured
    measured: float | str | None
    limit: float | str | None
    margin: float | None = None
    place: str = ""


def within(assumption: str, measured: float, limit: float | None, place: str = "") -> Finding:
    """Something that must be at most its limit."""
    holds = None if limit is None else bool(measured <= limit)
    margin = None if limit is None else limit - measured
    return Finding(assumption, holds, measured, limit, margin, place)


class Check:
    """A job under the limits of a chip: `simulate`, then `findings`; `free`: the same without."""

    def __init__(
        self,
        job: Job,
        free: Job,
        profile: Profile,
        placement: Placement,
        claims: list[Claim],
        floats: str = "",  # why potentials have not the widths of the chip
    ):
        self.job, self.free, self.profile, self.claims = job, free, profile, claims
        self.floats = floats
        self.network, self.timesteps = job.network, job.settings.timesteps
        self.placement = placement
        period = self.network.period(self.timesteps)
        self.timing = Timing(profile.time, self.placement, period)
        weight = profile.numeric.weight
        self.traffic = Traffic(self.network, _word_bits(profile), weight and weight.bits)
        self.peaks: dict[str, tuple[int, int, int]] = {}  # set: events, sample, timestep
        self.core_peak: dict[str, tuple[int, int, int]] = {}

    def simulate(self, jobs: int | None, memory: int, quiet: bool) -> None:
        """Run; where a limit was met, run again without limits, to see what that changed."""
        self.job.simulate(jobs, memory, quiet=quiet, observe=self.observe)
        if any(self.lost.values()) or any(row["overflows"] for row in self.sums.values()):
            self.free.simulate(jobs, memory, quiet=quiet)
        else:
            self.free.run = self.job.run

    @cached_property
    def lost(self) -> dict[str, int]:
        """By set: events that found no room in its queue."""
        work = self.job.run.work
        return {name: int(f["dropped"].sum()) for name, f in work.items() if "dropped" in f}

    def observe(self, sample: Sample) -> None:
        """Take in a finished sample, run with RECORD."""
        for name, events in sample.queues.items():
            _keep_peak(self.peaks, name, events, sample.index)
        load = self.placement.load(sample, self.timesteps)
        _keep_peak(self.core_peak, "core", load.pops.max(axis=1, initial=0), sample.index)
        _keep_peak(self.core_peak, "chip", load.pops.sum(axis=1), sample.index)
        self.timing.observe(load)
        self.traffic.observe(sample, self.timesteps)

    @cached_property
    def sums(self) -> dict[str, dict]:
        """By population of integers: what its sums needed, as `widths.sums_of` says."""
        return sums_of(self.job.run)

    @cached_property
    def findings(self) -> list[Finding]:
        """All assumptions, the claims last."""
        found = [*self._capacity(), *self._formats(), *self._potentials()]
        found += [*self._schedule(), *self._memories()]
        found += [*self._queues(), *self._timing()]
        for claim in self.claims:
            verdict = claim.check(self.values)
            row = verdict.measured, verdict.limit, verdict.margin
            bound = "energy_uj" in claim.text and self.values["energy_is_lower_bound"]
            place = "claim; the energy is a lower bound" if bound else "claim"
            found.append(Finding(claim.text, verdict.holds, *row, place))
        return found

    @property
    def holds(self) -> bool:
        """Whether no assumption is broken."""
        return all(finding.holds is not False for finding in self.findings)

    def _capacity(self) -> list[Finding]:
        network, capacity, placement = self.network, self.profile.capacity, self.placement
        rows = []
        if capacity.neurons_per_core is not None:
            rows.append(within("cores", placement.count, capacity.cores))
            bits = np.zeros(placement.count)
            into, out = np.zeros((2, placement.count), np.int64)
            width = self.profile.numeric.weight
            for name, part in network.synapses.items():
                own = placement.synapses[name]
                bits += own.sum(axis=0) * (width.bits if width else part.weight_bits)
                into += np.asarray((own > 0).sum(axis=0)).ravel()
                if part.source != network.input:
                    cores = np.asarray((own > 0).sum(axis=1)).ravel()
                    np.add.at(out, placement.cores[part.source], cores)
            each = {"synapse_bits": bits, "in_axons": into, "out_axons": out}
            for what, measured in each.items():
                core = int(measured.argmax()) if measured.size else 0
                limit = getattr(capacity, f"{what}_per_core")
                name = f"{what.replace('_', ' ')} of a core"
                rows.append(within(name, int(measured[core]), limit, f"core {core}"))
        for what, where in (("fan_in", _fan_in(network)), ("fan_out", _fan_out(network))):
            name = max(where, key=where.get, default="")
            rows.append(
                within(what.replace("_", " "), where.get(name, 0), getattr(capacity, what), name)
            )
        delays = {name: part.delay for name, part in network.synapses.items()}
        name = max(delays, key=delays.get, default="")
        rows.append(within("delay", delays.get(name, 0), capacity.delay, name))
        return rows

    def _formats(self) -> list[Finding]:
        """Whether weights and thresholds are integers of the chip's widths."""
        rows, numeric = [], self.profile.numeric
        for name, part in self.network.synapses.items() if numeric.weight else ():
            weights, limit = part.weights(), f"{numeric.weight.bits} bits"
            if weights is None:
                continue
            if weights.dtype.kind != "i":
                rows.append(Finding("weights", False, str(weights.dtype), limit, None, name))
                continue
            ends = int(weights.min(initial=0)), int(weights.max(initial=0))
            fits = numeric.weight.least <= ends[0] and ends[1] <= numeric.weight.most
            rows.append(Finding("weights", fits, f"{ends[0]} to {ends[1]}", limit, None, name))
        for name, part in self.network.populations.items() if numeric.threshold else ():
            threshold = getattr(part, "threshold", None)
            if threshold is not None:
                whole = bool((threshold == np.trunc(threshold)).all())
                fits = whole and float(threshold.max()) <= numeric.threshold.most
                limit = f"{numeric.threshold.bits} bits"
                rows.append(Finding("threshold", fits, float(threshold.max()), limit, None, name))
        return rows

    def _potentials(self) -> list[Finding]:
        """Whether potentials stay within the chip's width; they were held to it."""
        membrane, rows = self.profile.numeric.membrane, []
        if membrane is None:
            return []
        limit = f"{membrane.bits} bits{'' if membrane.signed else ', unsigned'}"
        if self.floats:
            reason = f"{NOT_SIMULATED}: {self.floats}"
            return [Finding("potentials", None, None, limit, None, reason)]
        for name, row in self.sums.items():
            if row["overflows"]:
                first = ", ".join(f"{key} {n}" for key, n in row["first"].items())
                place = f"{name}, first in {first}"
                rows.append(
                    Finding("sums beyond their width", False, row["overflows"], 0, None, place)
                )
            else:
                range_of = f"{row['lowest']:,} to {row['highest']:,}"
                fits = membrane.least <= row["lowest"] and row["highest"] <= membrane.most
                rows.append(Finding("potentials", fits, range_of, limit, None, name))
        return rows

    def _schedule(self) -> list[Finding]:
        """Whether the chip takes the steps that are simulated, in the same order."""
        rows, schedule = [], self.profile.schedule
        if schedule.order:
            simulated = [step for step in STEPS if step in schedule.order]
            alike = list(schedule.order) == simulated
            orders = ", ".join(simulated), ", ".join(schedule.order)
            rows.append(Finding("order of an update", alike, *orders))
        if schedule.update == "per_event":
            limit = "after each event"
            rows.append(Finding("updates", None, "after each timestep", limit, None, NOT_SIMULATED))
        for name, part in self.network.populations.items() if schedule.compare else ():
            compare = getattr(part, "compare", None)
            if isinstance(compare, str):
                alike = compare == schedule.compare
                rows.append(Finding("compare", alike, compare, schedule.compare, None, name))
        return rows

    def _queues(self) -> list[Finding]:
        rows, queued = [], self.job.queue
        for queue in self.profile.queues:
            alone = queue.scope in ("core", "chip")
            simulated = queue.policy == "error" or (
                queued is not None and queued.shared == alone and queued.depth == queue.depth
            )
            for name, (peak, sample, timestep) in self._peaks(queue.scope).items():
                place = f"{name}sample {sample}, timestep {timestep}"
                place += "" if simulated else f"; losses: {NOT_SIMULATED}"
                rows.append(within(f"queue {queue.name}", peak, queue.depth, place))
        for name, count in self.lost.items():
            facts = self.job.run.work[name]
            if count:
                synops = int(facts["dropped_synops"].sum())
                place = f"{name}: {synops:,} synaptic operations with them"
                rows.append(within("events lost", count, 0, place))
            if waited := int(facts["stalled"].sum()):
                rows.append(Finding("events that waited", None, waited, None, None, name))
        return rows

    def _peaks(self, scope: str) -> dict[str, tuple[int, int, int]]:
        """The peaks of the queues of a scope: events, sample, timestep, by place."""
        if scope in ("core", "chip"):
            return {"": self.core_peak[scope]}
        source = {name: part.source for name, part in self.network.synapses.items()}
        every = scope == "layer"
        return {
            f"{name}, ": peak
            for name, peak in self.peaks.items()
            if every or source[name] == self.network.input
        }

    def _memories(self) -> list[Finding]:
        """Whether what a memory of known size holds fits into it, where it is the only one."""
        rows = []
        for memory in self.profile.memories:
            if memory.size_kib is None or (self.profile.capacity.cores or 1) > 1:
                continue
            bits = [self._bits(what) for what in memory.holds if what != "event"]
            if bits and None not in bits:
                needed = sum(bits) / 8192
                rows.append(within(f"memory {memory.name}, KiB", needed, memory.size_kib))
        return rows

    def _bits(self, what: str) -> int | None:
        """The bits that the network needs of something, None where a width is not known."""
        numeric, network = self.profile.numeric, self.network
        if what == "weight":
            own, parts = numeric.weight, network.synapses.values()
            weights = [(p.weights(), p.weight_bits) for p in parts]
            return sum(w.size * (own.bits if own else bits) for w, bits in weights if w is not None)
        own = {"current": numeric.accumulator, "potential": numeric.membrane}.get(what)
        neurons = sum(p.neurons for n, p in network.populations.items() if n != network.input)
        return neurons * own.bits if own else None

    def _timing(self) -> list[Finding]:
        limit = self.profile.time.timestep_ms
        if limit is None or self.timing.unit != "ns":
            return []
        place = "the slowest core of the slowest timestep"
        return [within("timestep, ms", self.timing.longest / 1e6, limit, place)]

    @cached_property
    def values(self) -> dict:
        """What claims may name."""
        job, run, network = self.job, self.job.run, self.network
        samples = len(run.samples)
        counts = run.counts(**self.profile.machine.choices)
        energy = price(counts, self.profile)
        total = counts["total"]
        queue: dict[str, dict] = {}
        for name, (peak, _, _) in self.peaks.items():
            queue[name] = {"peak": peak}
            for fact in ("dropped", "dropped_synops", "stalled"):
                queue[name][fact] = int(run.work[name].get(fact, np.zeros(1)).sum())
        for name in network.populations:
            into = [queue[s]["peak"] for s in network.incoming(name) if s in queue]
            if into:
                queue[name] = {"peak": max(into)}
        facts = {
            name: {f: int(n.max() if f == "peak" else n.sum()) for f, n in own.items()}
            for name, own in run.work.items()
        }
        return {
            **_outcome(job),
            "unconstrained": _outcome(self.free),
            "ann_accuracy": network.ann_accuracy,
            "timesteps": job.settings.timesteps,
            "latency": job.latency,
            "samples": samples,
            "synapses": network.synapse_count,
            "parameters": network.parameters,
            "neurons": sum(p.neurons for p in network.populations.values()),
            "cores": self.placement.count,
            "additions": total["additions"] / samples,
            **{view: n / samples for view, n in total["memory_accesses"].items()},
            "total": {a: n / samples for a, n in total.items() if not isinstance(n, dict)},
            "parts": {
                n: {a: k / samples for a, k in d.items()} for n, d in counts["parts"].items()
            },
            "work": facts,
            "per_synapse": counts["per_synapse"],
            "accesses_per_synapse": counts["accesses_per_synapse"],
            "additions_per_synapse": counts["additions_per_synapse"],
            "events_per_neuron": counts["events_per_neuron"],
            "queue": queue,
            "energy_is_lower_bound": energy["lower_bound"],
            "energy_uj": high(energy["total"]) / samples / 1e6 if self.profile.prices else None,
            "time": {k: v for k, v in self.timing.as_dict().items() if isinstance(v, int | float)},
            "memory": self.traffic.as_dict(),
        }

    def as_dict(self) -> dict:
        """What `check --json` prints."""
        left_out = ("parts", "work", "memory")
        return {
            "chip": self.profile.name,
            "network": {"path": self.network.path, "sha256": self.network.sha256},
            "data": {"path": self.job.data.path, "sha256": self.job.data.sha256},
            "holds": self.holds,
            "findings": [asdict(finding) for finding in self.findings],
            "time": self.timing.as_dict(),
            "memory": self.traffic.as_dict(),
            "values": {k: v for k, v in self.values.items() if k not in left_out},
        }


def _outcome(job: Job) -> dict:
    """Accuracy, and events of the populations behind the input, a sample."""
    work = job.run.work
    names = set(job.network.populations) - {job.network.input}
    spikes = sum(int(work[name]["spikes"].sum()) for name in names)
    accuracy = None if job.labels is None else job.run.accuracy(job.labels)
    return {"accuracy": accuracy, "spikes": spikes / len(job.run.samples)}


def _keep_peak(peaks: dict, name: str, events: np.ndarray, sample: int) -> None:
    """Keep the most events of a timestep, the first time that there are so many."""
    at = int(events.argmax()) if events.size else 0
    most = int(events[at]) if events.size else 0
    if most > peaks.get(name, (-1,))[0]:
        peaks[name] = most, sample, at


def _word_bits(profile: Profile) -> int:
    """The word of the memory that holds the weights; a weight of 32 bits where it is not known."""
    found = [m.word_bits for m in profile.memories if "weight" in m.holds and m.word_bits]
    return found[0] if found else 32


def _fan_out(network: Network) -> dict[str, int]:
    """By population: the most synapses of one of its neurons."""
    found: dict[str, int] = {}
    for name in network.populations:
        sets = [
            network.connections[s].fan_out for s, p in network.synapses.items() if p.source == name
        ]
        if sets:
            found[name] = int(np.sum(sets, axis=0).max(initial=0))
    return found


def _fan_in(network: Network) -> dict[str, int]:
    """By population: the most synapses onto one of its neurons."""
    from evsim.events import Window
    from evsim.memory import Space, Weights

    found: dict[str, int] = {}
    for name in network.populations:
        total = 0
        for set_name in network.incoming(name):
            part = network.synapses[set_name]
            source, target = network.ends(part)
            deliver = part.counting().connect(source, target).start(Weights())
            channels = np.tile(np.arange(source.channels, dtype=np.int32), source.positions)
            offsets = np.arange(source.positions + 1, dtype=np.int64) * source.channels
            counts = np.zeros((1, target.positions, target.channels), np.int32)
            width = 1 if network.connections[set_name].whole_positions else target.channels
            marks = np.zeros((1, target.positions, width), np.uint8)
            window = Window(np.concatenate([channels, np.zeros(16, np.int32)]), None, offsets)
            deliver(window, counts, marks, Space())
            total = total + counts
        if network.incoming(name):
            found[name] = int(np.max(total))
    return found
