"""Do the assumptions about a chip hold for a network on real data?"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from functools import cached_property

import numpy as np

from evsim.base.screen import course, more_runs, waiting
from evsim.chip.fits import NOT_SIMULATED, Finding, bits_of, fit, within
from evsim.chip.latency import Timing
from evsim.chip.placement import Load, Placement
from evsim.chip.prices import price
from evsim.chip.profile import Profile
from evsim.chip.profile.amounts import high
from evsim.chip.profile.queues import Queue
from evsim.chip.restrict import narrowed, queue_of
from evsim.chip.weight_reads import Traffic
from evsim.counting.widths import sums_of
from evsim.engine.sample import Sample
from evsim.studies.claims import Claim
from evsim.studies.job import Job
from evsim.studies.quantized import widest

RECORD = ("queues", "spikes", "arrivals", "ranges")


class Check:
    """A job under the limits of a chip: `simulate`, then `findings`; `free`: it without limits."""

    def __init__(
        self,
        job: Job,
        free: Job,
        profile: Profile,
        placement: Placement,
        claims: list[Claim],
        floats: str = "",  # why potentials have not the widths of the chip
        queue: str = "",  # the queue that the job simulates; others take what it delivers
    ):
        self.job, self.free, self.profile, self.claims = job, free, profile, claims
        self.floats, self.queue, self.limit = floats, queue, job.queue
        self.network, self.timesteps = job.network, job.settings.timesteps
        self.placement = placement
        period = self.network.period(self.timesteps)
        self.timing = Timing(profile.time, self.placement, period)
        weight = profile.numeric.weight
        self.traffic = Traffic(self.network, _word_bits(profile), weight and weight.bits)
        self.peaks: dict[str, tuple[int, int, int]] = {}  # set: events, sample, timestep
        # By queue and place: events that are there at once in a timestep, sample, timestep.
        self.queued: dict[str, dict[str, tuple[int, int, int]]] = {}

    def __getstate__(self) -> dict:
        """What `measure` needs, in the process that simulates."""
        needed = ("network", "timesteps", "profile", "placement", "timing", "traffic")
        return {name: vars(self)[name] for name in (*needed, "queue", "limit")}

    def simulate(
        self, jobs: int | None, memory: int, quiet: bool, folder=None, cluster=None
    ) -> None:
        """Run; where a limit was met, run again without limits, to see what that changed.

        Finished samples are kept in `folder`, if it is given.
        """
        chip = hashlib.sha256(repr(self.profile).encode())
        for cores in self.placement.cores.values():
            chip.update(np.ascontiguousarray(cores))
        store = folder and self.job.folder_store(folder, quiet, chip=chip.hexdigest())
        how = {"quiet": quiet, "cluster": cluster}
        self.job.simulate(jobs, memory, observer=self, store=store, **how)
        if any(self.lost.values()) or any(row["overflows"] for row in self.sums.values()):
            more_runs([self.free.settings.samples])
            store = folder and self.free.folder_store(folder, quiet)
            self.free.simulate(jobs, memory, store=store, **how)
        else:
            self.free.run = self.job.run

    @cached_property
    def lost(self) -> dict[str, int]:
        """By set: how many events found no room in its queue."""
        work = self.job.run.work
        return {name: int(f["dropped"].sum()) for name, f in work.items() if "dropped" in f}

    def measure(self, sample: Sample) -> dict[str, np.ndarray]:
        """What the check keeps of a sample, run with RECORD."""
        load = self.placement.load(sample, self.timesteps)
        found = {"timing": self.timing.measure(load), "traffic": self.traffic.measure(sample)}
        found["peaks"] = _peaks(sample.queues[name] for name in self.network.synapses)
        for k, queue in enumerate(self.profile.queues):
            events = self._events(queue, sample, load)
            found[f"queue {k}"] = _peaks(events[place] for place in self._places(queue))
        return found

    def take(self, sample: Sample) -> None:
        """Take in what was measured of the next sample."""
        measured = sample.measured
        self.timing.take(measured["timing"])
        self.traffic.take(measured["traffic"])
        _keep(self.peaks, self.network.synapses, measured["peaks"], sample.index)
        for k, queue in enumerate(self.profile.queues):
            peaks = self.queued.setdefault(queue.name, {})
            _keep(peaks, self._places(queue), measured[f"queue {k}"], sample.index)

    def _places(self, queue: Queue) -> list[str]:
        """What has a queue of its own."""
        if queue.scope in ("core", "chip"):
            return [""]
        every = queue.scope == "layer"
        sets = self.network.synapses.items()
        return [f"{n}, " for n, part in sets if every or part.source == self.network.input]

    def _events(self, queue: Queue, sample: Sample, load: Load) -> dict[str, np.ndarray]:
        """By place: the events of each timestep that a queue, or the fullest of several, meets.

        They are counted before the queue that is simulated loses any; what it loses reaches no
        other.
        """
        here = queue.name == self.queue
        sets = sample.queues if here else {n: k for n, (k, _) in sample.arrivals.items()}
        if queue.scope == "core" and not here:
            return {"": load.pops.max(axis=1, initial=0)}
        if queue.scope in ("core", "chip"):
            core = self.limit.core if here else (lambda name: 0)
            cores = np.zeros((self.placement.count, self.timesteps), np.int64)
            for name, events in sets.items():
                cores[core(name)] += events
            return {"": cores.max(axis=0, initial=0)}
        return {f"{name}, ": events for name, events in sets.items()}

    @cached_property
    def sums(self) -> dict[str, dict]:
        """By population of integers: what its sums needed, as `widths.sums_of` says."""
        return sums_of(self.job.run)

    @cached_property
    def findings(self) -> list[Finding]:
        """What became of every assumption about the chip, then of every claim."""
        found = fit(self.profile, self.placement)
        found += [*self._potentials(), *self._queues(), *self._timing()]
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

    def _potentials(self) -> list[Finding]:
        """Whether potentials stay within the chip's width; they were held to it."""
        membrane, rows = self.profile.numeric.membrane, []
        if membrane is None:
            return []
        limit = bits_of(membrane)
        if self.floats:
            reason = f"{NOT_SIMULATED}: {self.floats}"
            return [Finding("potentials", None, None, limit, None, reason)]
        for name, row in self.sums.items():
            if row["overflows"]:
                first = ", ".join(f"{key} {n}" for key, n in row["first"].items())
                place = f"{name}: {first}"
                rows.append(
                    Finding("sums beyond their width", False, row["overflows"], 0, None, place)
                )
            else:
                range_of = f"{row['lowest']:,} to {row['highest']:,}"
                fits = membrane.least <= row["lowest"] and row["highest"] <= membrane.most
                if not self.network.populations[name].sends:  # outside, as wide as it needs
                    rows.append(
                        Finding("potentials", None, range_of, limit, None, f"readout {name}")
                    )
                else:
                    rows.append(Finding("potentials", fits, range_of, limit, None, name))
        return rows

    def _queues(self) -> list[Finding]:
        rows = []
        for queue in self.profile.queues:
            simulated = set(queue.policies) == {"error"} or queue.name == self.queue
            for name, (peak, sample, timestep) in self.queued.get(queue.name, {}).items():
                place = f"{name}sample {sample}, timestep {timestep}"
                place += "" if simulated else f"; losses: {NOT_SIMULATED}"
                rows.append(within(f"queue {queue.name}", peak, queue.depth, place))
        for name, count in self.lost.items():
            facts = self.job.run.work[name]
            if count:
                synops = int(facts["dropped_synops"].sum())
                place = f"{name}: {synops:,} additions"
                rows.append(within("events lost", count, 0, place))
            if waited := int(facts["stalled"].sum()):
                rows.append(Finding("events that waited", None, waited, None, None, name))
        return rows

    def _timing(self) -> list[Finding]:
        limit = self.profile.time.timestep_ms
        if limit is None or self.timing.unit != "ns":
            return []
        place = "the slowest core of the slowest timestep"
        return [within("timestep, ms", self.timing.longest / 1e6, limit, place)]

    @cached_property
    def values(self) -> dict:
        """The numbers that claims may name: nested mappings of the run's measures, by name."""
        job, run, network = self.job, self.job.run, self.network
        samples = run.count
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
        """What the command `check` prints as JSON."""
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


def checked(
    network,
    data,
    profile: Profile,
    placement: Placement,
    *,
    claims=(),
    samples: str | None = None,
    jobs: int | None = None,
    memory: int,
    quiet: bool,
    folder=None,
    cluster=None,
    **choices,
) -> Check:
    """The check of a network on open data; `claims` as texts, beside those of the profile.

    `choices`: timesteps, coding, seed, dtype. Finished samples are kept in `folder`. Raises
    EvsimError.
    """
    parsed = [Claim(text) for text in (*profile.claims, *claims)]
    queue_name, queue = queue_of(profile, placement)
    limits = {"record": RECORD, "queue": queue}

    def simulated(samples: str | None, folder=None) -> Check:
        with waiting("taking over the limits of the chip"):
            free = Job(widest(network), data, samples=samples, **choices)
            narrow, floats = narrowed(network, profile.numeric, free.settings.graded_input)
            limited = Job(narrow, data, samples=samples, **limits, **choices)
        check = Check(limited, free, profile, placement, parsed, floats, queue_name)
        first, count = limited.settings.first_sample, limited.settings.samples
        if parsed and count > 1:  # do they name what there is?
            _ = simulated(f"{first}:{first + 1}").findings
        more_runs([count])
        check.simulate(jobs, memory, quiet, folder, cluster)
        return check

    with course():
        return simulated(samples, folder)


def _outcome(job: Job) -> dict:
    """Accuracy, and the events of all populations, a sample."""
    spikes = sum(int(f["spikes"].sum()) for f in job.run.work.values() if "spikes" in f)
    accuracy = None if job.labels is None else job.run.accuracy
    return {"accuracy": accuracy, "spikes": spikes / job.run.count}


def _peaks(rows) -> np.ndarray:
    """Of events by timestep: the most, and the first timestep with so many, (rows, 2)."""
    found = [(int(k.max(initial=0)), int(k.argmax()) if k.size else 0) for k in rows]
    return np.array(found, np.int64).reshape(-1, 2)


def _keep(peaks: dict, names, found: np.ndarray, sample: int) -> None:
    """Keep the most events of a timestep, the first time that there are so many."""
    for name, (most, timestep) in zip(names, found.tolist(), strict=True):
        if most > peaks.get(name, (-1,))[0]:
            peaks[name] = most, sample, timestep


def _word_bits(profile: Profile) -> int:
    """The word of the memory that holds the weights; a weight of 32 bits where it is not known."""
    found = [m.word_bits for m in profile.memories if "weight" in m.holds and m.word_bits]
    return found[0] if found else 32
