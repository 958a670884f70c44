"""Whether all commands tell the same numbers: `python tests/agreement.py [CASES [FIRST]]`.

Draws networks, data and chips (`mixed_networks`), runs every command and compares whatever two of
them both tell, and what follows from the recorded events (`recount`). Prints what differs.
"""

import contextlib
import io
import json
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from functools import cached_property
from html.parser import HTMLParser
from math import fsum, isclose, prod
from pathlib import Path

import h5py
import numpy as np
from mixed_networks import Case, draw
from recount import Recount, load_of, memory_of, placed, places_of, span, time_of

import evsim
from evsim.cli import run_command
from evsim.formats import result
from evsim.formats.data import open_data
from evsim.hardware import Profile
from evsim.limits import narrowed, queue_of
from evsim.limits import placed as placement_of
from evsim.quantization import widest

NO_NEURONS = ("input", "readout", "maxpool")  # for spikes of neurons
EVERYTHING = ("spikes", "queues", "ranges")
DRAWN = {  # what a hundred cases meet at least once, and in which it does something
    *(f"coding {name}" for name in ("constant", "poisson", "latency", "switch", "events")),
    *("negative events", "graded events of a file", "undelivered", "zero_synops", "macs"),
    *("cycle", "shared weights", "one bit", "weights f", "weights i", "output that spikes"),
    *("dense delay", "dense prepool", "conv prepool", "conv stride", "conv padding", "conv groups"),
    *("conv dilation", "conv scale", "identity weight", "analog pool", "stochastic pool"),
    *("integer iaf", "integer lif", "integer readout", "iaf potential_bits", "lif potential_bits"),
    *("overflow of readout", "readout leak", "readout current_leak", "readout slope"),
    *("switch start", "switch online", "pipeline", "labels", "dtype float32", "dtype float64"),
    *("dropped", "stalled", "shared queue, drop_new", "own queue, drop_new", "chip narrows"),
    *("several cores", "one core", "in_order", "balanced", "time in ns", "time in cycles"),
    *("accumulate direct", "accumulate buffer", "accumulate register", "update clock"),
    *("update active", "input recompute", "cached and constant", "priced", "memory of weights"),
}
MACHINE = {"accumulate": "direct", "update": "clock", "input": "recompute"}


def main() -> int:
    """Compare so many cases, from a first one on."""
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    begin, wrong, met = time.perf_counter(), 0, Counter()
    for number in range(first, first + cases):
        agreement = compared(number)
        met.update(agreement.met)
        wrong += bool(agreement.differences)
        for line in agreement.differences:
            print(f"{number}: {line}", flush=True)
    took = time.perf_counter() - begin
    print(f"{cases} networks from {first} on, {wrong} with differences, {took:.0f} s")
    print(", ".join(f"{name} {n}" for name, n in sorted(met.items())))
    return 1 if wrong else 0


def compared(number: int) -> "Agreement":
    """Draw a case, run all commands on it and compare."""
    with tempfile.TemporaryDirectory() as folder:
        found = Agreement(draw(number, Path(folder)))
        found.compare()
        return found


def command(*line: str) -> tuple[int, str, str]:
    """(status, output, errors) of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run_command([str(word) for word in line])
    return status, out.getvalue(), err.getvalue()


class Agreement:
    """The commands on one case; `differences` are lines of text, `met` what was there and did
    something."""

    def __init__(self, case: Case):
        self.case, self.chip = case, case.chip
        self.differences: list[str] = []
        self.met: set[str] = set()
        self.machine = MACHINE | self.chip["machine"]
        self.network = evsim.load(case.path("network.h5"))
        self.profile = Profile.read(Path(case.path("chip.toml")))

    # saying what differs

    def same(self, what: str, one, other) -> None:
        """Exactly the same, of numbers, lists and tables."""
        if isinstance(one, dict) and isinstance(other, dict):
            if set(one) != set(other):
                self.differences.append(f"{what}: keys {sorted(set(one) ^ set(other))}")
            for key in one.keys() & other.keys():
                self.same(f"{what}.{key}", one[key], other[key])
        elif one != other:
            self.differences.append(f"{what}: {str(one)[:90]} and {str(other)[:90]}")

    def near(self, what: str, one, other, absolute: float = 0.0) -> None:
        """The same but for the order of float sums; ranges at both ends."""
        if one is None or other is None:
            return self.same(what, one, other)
        for a, b in zip(span(one), span(other), strict=True):
            if not isclose(a, b, rel_tol=1e-12, abs_tol=absolute):
                self.differences.append(f"{what}: {one} and {other}")
                break
        return None

    def told(self, *line: str, statuses=(0,)) -> dict:
        """What a command prints as JSON."""
        status, out, err = command(*line, "--json")
        if status not in statuses or (err and not err.startswith("evsim: ")):
            raise AssertionError(f"{self.case.number}: {line[0]} ends with {status}: {err}")
        return json.loads(out)

    # the commands

    @cached_property
    def run(self) -> dict:
        machine = [word for name, choice in self.machine.items() for word in (f"--{name}", choice)]
        record = ["--record", "spikes,queues,ranges", "--out", self.case.path("run.h5")]
        return self.told("run", *self.inputs, *machine, *record)

    @cached_property
    def inputs(self) -> list[str]:
        return [self.case.path("network.h5"), self.case.path("data.h5"), *self.case.options]

    @cached_property
    def check(self) -> dict:
        chip = ["--chip", self.case.path("chip.toml"), "--placing", self.case.placing]
        found = self.told("check", *self.inputs, *chip, statuses=(0, 1))
        Path(self.case.path("check.json")).write_text(json.dumps(found), encoding="utf-8")
        return found

    def in_python(self, network, queue=None):
        """The same run from Python."""
        settings = {name: self.run[name] for name in ("timesteps", "coding", "seed", "dtype")}
        with open_data(self.case.path("data.h5")) as data:
            inputs = data.events if data.images is None else data.images
            inputs = inputs[slice(*self.case.samples)]
            first = self.case.samples[0]
            return evsim.run(
                network, inputs, first_sample=first, record=EVERYTHING, queue=queue, **settings
            )

    @cached_property
    def labels(self):
        found = self.case.data.get("labels")
        return None if found is None else found[slice(*self.case.samples)]

    # what is compared

    def compare(self) -> None:
        """Everything."""
        self.free = self.in_python(self.network)
        placement = placement_of(self.network, self.profile, self.case.placing)
        narrow, self.floats = narrowed(self.network, self.profile.numeric, self.graded_input)
        self.narrow, (self.queue_name, self.queue) = narrow, queue_of(self.profile, placement)
        self.limited = self.in_python(narrow, self.queue)
        self.runs()
        self.stored()
        self.infos()
        self.recounted("run", self.free, None)
        self.recounted("check", self.limited, self.queue)
        self.cached(self.free, None)
        self.cached(self.limited, self.queue)
        self.checks()
        self.prices()
        self.comparison()
        self.page()
        if self.case.number % 4 == 0:
            self.printouts()
        self.meet()

    @cached_property
    def graded_input(self) -> bool:
        events = self.case.data.get("events")
        if events is None:
            return self.case.coding == "constant"
        values = np.asarray(events.get("value", np.ones(1)))
        return bool(events.get("graded", (np.abs(values) != 1).any()))

    def runs(self) -> None:
        """`run --json`, Python, and sums over parts and samples."""
        run, free = self.run, self.free
        self.same("run, Python: work", run["work"], summed(free.work))
        self.same("run, Python: counts", run["counts"], text_keys(free.counts(**self.machine)))
        self.same("run, Python: predictions", run["predictions"], free.predictions.tolist())
        self.same("run: samples", run["samples"], len(free.samples))
        if self.labels is not None:
            right = free.predictions_by_timestep == self.labels[:, None]
            self.same("run: accuracy", run["accuracy"], float(right[:, -1].mean()))
            self.same("run: by timestep", run["accuracy_by_timestep"], right.mean(axis=0).tolist())
            self.same("run: the last", run["accuracy_by_timestep"][-1], run["accuracy"])
        self.sums("run", run["counts"], run["samples"], run["synapses"])

    def sums(self, who: str, counts: dict, samples: int, synapses: int) -> None:
        """Totals are sums of parts; views and means follow from them."""
        parts, total = counts["parts"], counts["total"]
        for action in next(iter(parts.values())):
            self.same(
                f"{who}: sum of {action}", total[action], sum(p[action] for p in parts.values())
            )
        added = ("synaptic_add", "commit_add", "bias_add", "reset_subtract", "slope_add")
        self.same(f"{who}: additions", total["additions"], sum(total[a] for a in added))
        touching = [
            f"{w}_{k}" for w in ("current", "potential", "slope") for k in ("read", "write")
        ]
        arriving = sum(parts[n][a] for n in self.network.synapses for a in touching)
        read = total["weight_read"]
        other = ("index_read", "bias_read", "event_pop", "event_push")
        views = {"M1": read, "M2": read + arriving}
        views["M3"] = read + sum(total[a] for a in (*touching, *other))
        self.same(f"{who}: memory accesses", total["memory_accesses"], views)
        for name, n in (views | {"additions": total["additions"]}).items():
            self.near(
                f"{who}: {name} per synapse", counts["per_synapse"][name], n / samples / synapses
            )

    def stored(self) -> None:
        """The result file, and what `info` says of it."""
        stored = result.load(self.case.path("run.h5"))
        self.same("stored: work", summed(stored.work), self.run["work"])
        self.same("stored: counts", text_keys(stored.counts(**self.machine)), self.run["counts"])
        self.same("stored: predictions", stored.predictions.tolist(), self.run["predictions"])
        for name in ("timesteps", "coding", "seed", "dtype", "first_sample", "samples", "synapses"):
            self.same(f"stored: {name}", stored.settings[name], self.run[name])
        with h5py.File(self.case.path("run.h5")) as file:
            self.recorded(file)
        info = self.told("info", self.case.path("run.h5"))
        plain = self.free.counts()["total"]
        self.same("info of a result: additions", info["additions"], plain["additions"])
        for view, n in plain["memory_accesses"].items():
            self.same(f"info of a result: {view}", info[f"memory accesses {view}"], n)
        if self.labels is not None:
            self.same("info of a result: accuracy", info["accuracy"], self.run["accuracy"])
        self.same("info of a result: samples", info["finished samples"], self.run["samples"])
        facts = {row.pop("part"): row for row in info["facts"]}
        own = {n: f for n, f in self.run["work"].items() if "arrivals" in f}
        self.same("info of a result: facts", facts, own)

    def recorded(self, file) -> None:
        """What the result file holds beside facts, against the run from Python."""
        free, output = self.free, self.network.output
        own = {"predictions": free.predictions, f"potential/{output}": free.potential}
        own["predictions_by_timestep"] = free.predictions_by_timestep
        own |= {f"queue/{name}": queue for name, queue in free.queues.items()}
        own |= {f"ranges/{name}": found for name, found in free.ranges.items()}
        for name, events in free.spikes.items():
            columns = ("sample", "timestep", "neuron", "value")
            own |= {f"spikes/{name}/{column}": events[column] for column in columns}
        for place, values in own.items():
            if not np.array_equal(file[place], values):
                self.differences.append(f"stored, Python: {place}")

    def infos(self) -> None:
        """`info` of the network and the data."""
        info, spec = self.told("info", self.case.path("network.h5")), self.case.network
        self.same("info, run: synapses", info["synapses"], self.run["synapses"])
        arrays, neurons = {}, 0
        for part in (*spec["populations"].values(), *spec["synapses"].values()):
            for name, value in part.items():
                several = np.size(value) > 1 and name not in ("indices", "indptr")
                if isinstance(value, np.ndarray) and (several or name in ("weight", "data")):
                    arrays[id(value)] = value.size
            neurons += prod(part.get("shape", (0,)))
        self.same("info: parameters", info["parameters"], sum(arrays.values()))
        self.same("info: neurons", info["neurons"], neurons)
        self.same("info, check: parameters", info["parameters"], self.check["values"]["parameters"])
        self.same("info, check: neurons", info["neurons"], self.check["values"]["neurons"])
        self.same("info, check: synapses", info["synapses"], self.check["values"]["synapses"])
        for row in info["populations"]:
            shape = spec["populations"][row["population"]]["shape"]
            self.same(f"info: {row['population']}", row["neurons"], prod(shape))
            self.same(f"info: {row['population']}", row["shape"], list(shape))
        for row in info["sets"]:
            count = len(self.recount.wires[row["set"]].sources)
            self.same(f"info: synapses of {row['set']}", row["synapses"], count)
        data = self.told("info", self.case.path("data.h5"))
        count = len(self.case.data["images"]) if "images" in self.case.data else None
        count = count or self.case.data["events"]["samples"]
        self.same("info of data: samples", data["samples"], count)
        if "events" in self.case.data:
            self.same("info of data: graded", data["graded"], self.graded_input)

    @cached_property
    def recount(self) -> Recount:
        return self._recount(None)

    def _recount(self, queue) -> Recount:
        order, timesteps = self.network.order, self.run["timesteps"]
        return Recount(self.case.network, order, timesteps, queue, self.graded_input)

    def sent(self, run) -> list[dict[str, dict]]:
        """By sample, population and timestep: the neurons that sent, as recorded."""
        index = {sample: i for i, sample in enumerate(run.samples)}
        found = [defaultdict(lambda: defaultdict(list)) for _ in run.samples]
        for name, events in run.spikes.items():
            for sample, t, neuron, _ in events.tolist():
                found[index[sample]][name][t].append(neuron)
        name = self.network.input
        if name not in run.spikes:  # what is graded is not recorded
            for i, sample in enumerate(run.samples):
                found[i][name] = self.graded_events(sample)
        return found

    def graded_events(self, sample: int) -> dict[int, list[int]]:
        """By timestep: the neurons of a graded input that send."""
        events, timesteps = self.case.data.get("events"), self.run["timesteps"]
        found = defaultdict(list)
        if events is not None:
            some = events["sample"] == sample
            for t, neuron in zip(events["timestep"][some], events["neuron"][some], strict=True):
                if t < timesteps:
                    found[int(t)].append(int(neuron))
            return found
        image, part = self.case.data["images"][sample], self.case.network["populations"]["in"]
        channels = image.shape[-1] if image.ndim == 3 else 1
        x = image.reshape(-1, channels).astype(np.float64)
        x = x / part.get("scale", 255) if image.dtype == np.uint8 else x
        x = ((x - part.get("mean", 0.0)) / part.get("std", 1.0)).astype(self.run["dtype"]).ravel()
        return {t: np.flatnonzero(x).tolist() for t in range(timesteps)}

    def recounted(self, who: str, run, queue) -> None:
        """Facts and histograms of a run against its own events."""
        recount = self._recount(queue)
        samples, work = [recount.sample(sent) for sent in self.sent(run)], run.work
        for i, sample in enumerate(samples):
            for name, facts in sample.facts().items():
                for fact, n in facts.items():
                    if fact in work[name]:
                        found = int(work[name][fact][i])
                        self.same(f"{who}, events: {fact} of {name}, sample {i}", found, n)
        counts = run.counts(**self.machine)
        sent, views = Counter(), {"M1": Counter(), "M2": Counter(), "additions": Counter()}
        for sample in samples:
            for name, part in self.case.network["populations"].items():
                if part["kind"] != "readout":
                    each = Counter(j for some in sample.sent[name].values() for j in some)
                    sent.update(each[j] for j in range(prod(part["shape"])))
            for name, part in self.case.network["synapses"].items():
                carried, wires = sample.carried(name), recount.wires[name]
                gate = recount.populations[part["target"]]["kind"] == "maxpool"
                own = {"additions": 1, "M1": int(bool(wires.lengths or "data" in part))}
                touches = gate or self.machine["accumulate"] != "register"
                own["M2"] = own["M1"] + 2 * touches
                for source in wires.sources.tolist():
                    for view, times in own.items():
                        views[view][carried[source] * times] += 1
        self.histogram(f"{who}: events per neuron", counts["events_per_neuron"], sent)
        self.histogram(f"{who}: additions", counts["additions_per_synapse"], views["additions"])
        for view in ("M1", "M2"):
            self.histogram(f"{who}: {view}", counts["accesses_per_synapse"][view], views[view])
        queues = {name: np.zeros((len(samples), recount.timesteps), int) for name in recount.wires}
        for i, sample in enumerate(samples):
            for name, due in sample.arriving.items():
                for t, some in due.items():
                    queues[name][i, t] = len(some)
        for name, found in run.queues.items():
            self.same(f"{who}: queue of {name}", found.tolist(), queues[name].tolist())

    def histogram(self, what: str, found: dict, expected: Counter) -> None:
        table = {str(k): expected[k] for k in sorted(expected) if expected[k]}
        self.same(what, found["histogram"], table)
        self.same(
            f"{what}, most", found["max"], max((k for k, n in expected.items() if n), default=0)
        )
        total = sum(expected.values())
        mean = sum(k * n for k, n in expected.items()) / total if total else 0.0
        self.near(f"{what}, mean", found["mean"], mean)

    def cached(self, run, queue) -> None:
        """A constant input that is delivered once: the first delivering timestep of every set."""
        if self.run["coding"] != "constant":
            return
        machine = self.machine | {"input": "cached"}
        counts, plain = (
            run.counts(**m)["parts"] for m in (machine, machine | {"input": "recompute"})
        )
        recount = self._recount(queue)
        added, expected = Counter(), defaultdict(Counter)
        fed = [n for n, s in recount.synapses.items() if s["source"] == recount.input]
        for sent in self.sent(run):
            sample, firsts = recount.sample(sent), defaultdict(list)
            for name in fed:
                delivery = sample.first_delivery(name)
                if delivery:
                    t, facts = delivery
                    firsts[recount.synapses[name]["target"]].append(t)
                    expected[name].update(facts)
            for target, times in firsts.items():
                later = recount.timesteps - 1 - min(times)
                added[target] += later * prod(places_of(recount.populations[target]))
        names = {"event_pop": "arrivals", "synaptic_add": "synops", "synaptic_mac": "macs"}
        for name in fed:
            for action, fact in names.items():
                self.same(f"cached: {action} of {name}", counts[name][action], expected[name][fact])
        for target in {recount.synapses[name]["target"] for name in fed}:
            for action in ("current_read", "commit_add"):
                more = counts[target][action] - plain[target][action]
                self.same(f"cached: {action} of {target}", more, added[target])

    def checks(self) -> None:
        """`check` against the same run from Python, and against the events of that run."""
        values, run, samples = self.check["values"], self.limited, len(self.limited.samples)
        counts, work = run.counts(**self.machine), summed(run.work)
        self.sums("check", counts, samples, values["synapses"])
        for action, n in counts["total"].items():
            if not isinstance(n, dict):
                self.near(f"check: {action}", values["total"][action], n / samples)
        for view, n in counts["total"]["memory_accesses"].items():
            self.near(f"check: {view}", values[view], n / samples)
        self.near("check: additions", values["additions"], counts["total"]["additions"] / samples)
        for name in ("per_synapse", "accesses_per_synapse", "additions_per_synapse"):
            self.same(f"check: {name}", values[name], text_keys(counts[name]))
        self.same(
            "check: events", values["events_per_neuron"], text_keys(counts["events_per_neuron"])
        )
        self.same("check, run: latency", values["latency"], self.run["latency"])
        self.same("check, run: timesteps", values["timesteps"], self.run["timesteps"])
        self.same("check, run: samples", values["samples"], self.run["samples"])
        for who, found, one in (("check", values, run), ("free", values["unconstrained"], None)):
            one = one or self.unconstrained
            spikes = sum(f.get("spikes", 0) for f in summed(one.work).values()) / samples
            self.near(f"{who}: spikes", found["spikes"], spikes)
            if self.labels is not None:
                self.same(f"{who}: accuracy", found["accuracy"], one.accuracy(self.labels))
        lossless = not any(f.get("dropped", 0) for f in work.values())
        if lossless and not overflowed(work) and not overflowed(self.run["work"]):
            for name, facts in self.run["work"].items():
                own = {fact: n for fact, n in work[name].items() if fact in facts}
                self.same(f"check, run: {name}", {k: facts[k] for k in own}, own)
        self.queue_findings(work)
        self.width_findings(work)
        self.capacities()
        self.memories(counts)
        self.times()

    @cached_property
    def unconstrained(self):
        wide = widest(self.network)
        return self.free if wide is self.network else self.in_python(wide)

    def width_findings(self, work: dict) -> None:
        """Sums that left their width, and the ranges of those that did not."""
        left = {n: f["overflows"] for n, f in work.items() if f.get("overflows")}
        rows = defaultdict(dict)
        for row in self.check["findings"]:
            rows[row["assumption"]][row["place"].removeprefix("readout ")] = row["measured"]
        beyond = {place.split(":")[0]: n for place, n in rows["sums beyond their width"].items()}
        if beyond:
            self.same("check: overflows", beyond, left)
        for name, found in self.limited.ranges.items():
            if name in rows["potentials"]:
                ends = f"{found[:, 0].min():,} to {found[:, 1].max():,}"
                self.same(f"check: range of {name}", rows["potentials"][name], ends)

    def queue_findings(self, work: dict) -> None:
        """Peaks and losses."""
        values, findings = self.check["values"]["queue"], self.check["findings"]
        for name, queue in self.limited.queues.items():
            self.same(f"check: peak of {name}", values[name]["peak"], int(queue.max()))
            for fact in ("dropped", "dropped_synops", "stalled"):
                self.same(f"check: {fact} of {name}", values[name][fact], work[name].get(fact, 0))
        lost = {n: (f.get("dropped", 0), f.get("dropped_synops", 0)) for n, f in work.items()}
        found = {}
        for row in findings:
            if row["assumption"] == "events lost":
                name, _, synops = row["place"].rpartition(": ")
                found[name] = row["measured"], int(synops.split()[0].replace(",", ""))
        self.same("check: losses", found, {n: both for n, both in lost.items() if both[0]})
        waited = {
            r["place"]: r["measured"] for r in findings if r["assumption"].startswith("events that")
        }
        stalled = {n: f["stalled"] for n, f in work.items() if f.get("stalled")}
        self.same("check: what waited", waited, stalled)
        into = defaultdict(list)
        for name, part in self.case.network["synapses"].items():
            into[part["target"]].append(values[name]["peak"])
        for name, peaks in into.items():
            self.same(f"check: peak into {name}", values[name]["peak"], max(peaks))
        for queue in self.chip["queue"]:
            rows = [r for r in findings if r["assumption"] == f"queue {queue['name']}"]
            found = sorted(row["measured"] for row in rows)
            self.same(f"check: {queue['scope']} queue", found, sorted(self.peaks(queue)))

    def peaks(self, queue: dict) -> list[int]:
        """The most events at once, by place: all that come, but for what another queue lost."""
        here, scope = queue["name"] == self.queue_name, queue["scope"]
        most: Counter = Counter()
        for sample in self.limited_samples:
            there = Counter()
            for name, due in (sample.arriving if here else sample.delivered).items():
                if scope == "input" and self.case.network["synapses"][name]["source"] != "in":
                    continue
                place = name if scope in ("input", "layer") else ""
                place = self.queue.core(name) if here and scope == "core" else place
                for t, some in due.items():
                    there[place, t] += len(some)
                most[place] += 0
            if scope == "core" and not here:
                pops = load_of(sample, self.cores).pops
                there = Counter({("", t): int(row.max()) for t, row in enumerate(pops)})
            for (place, _), n in there.items():
                most[place] = max(most[place], n)
        return list(most.values()) if scope in ("input", "layer") else [max(most.values())]

    @cached_property
    def cores(self):
        per_core = self.chip.get("capacity", {}).get("neurons_per_core")
        return placed(self.case.network, self.network.order, per_core, self.case.placing)

    @cached_property
    def limited_samples(self):
        recount = self._recount(self.queue)
        return [recount.sample(sent) for sent in self.sent(self.limited)]

    def capacities(self) -> None:
        """Cores, axons, fan-in and fan-out, memories: what does not depend on a run."""
        cores, wires, spec = self.cores, self.recount.wires, self.case.network
        self.same("check: cores", self.check["values"]["cores"], cores.count)
        rows = {r["assumption"]: r["measured"] for r in self.check["findings"]}
        bits, into, out = np.zeros(cores.count), np.zeros(cores.count), np.zeros(cores.count)
        fan_in, fan_out = defaultdict(Counter), defaultdict(Counter)
        width = self.chip["numeric"].get("weight", {}).get("bits")
        for name, part in spec["synapses"].items():
            own, found = wires[name], cores.of[part["target"]][wires[name].targets]
            each = width or self.network.synapses[name].weight_bits
            bits += np.bincount(found, minlength=cores.count) * each
            pairs = sorted(set(zip(own.sources.tolist(), found.tolist(), strict=True)))
            for source, core in pairs:
                into[core] += 1
                if part["source"] != "in":
                    out[cores.neurons[part["source"]][source]] += 1
            fan_in[part["target"]].update(own.targets.tolist())
            fan_out[part["source"]].update(own.sources.tolist())
        if self.chip.get("capacity", {}).get("neurons_per_core"):
            self.same("check: in axons", rows["in axons of a core"], int(into.max()))
            self.same("check: out axons", rows["out axons of a core"], int(out.max()))
            self.same("check: bits", rows["synapse bits of a core"], int(bits.max()))
        for what, each in (("fan in", fan_in), ("fan out", fan_out)):
            most = max((max(c.values(), default=0) for c in each.values()), default=0)
            self.same(f"check: {what}", rows[what], most)
        longest = max(p.get("delay", 0) for p in spec["synapses"].values())
        self.same("check: delay", rows["delay"], longest)
        arrays = {}
        for name, part in spec["synapses"].items():
            array = part.get("weight", part.get("data"))
            if array is not None:
                arrays[id(array)] = array.size * (width or self.network.synapses[name].weight_bits)
        for memory in self.chip["memory"]:
            row = rows.get(f"memory {memory['name']}, KiB")
            if row is not None and set(memory["holds"]) - {"event"} == {"weight"}:
                self.near("check: KiB of weights", row, sum(arrays.values()) / 8192)
                self.met.add("memory of weights")

    def memories(self, counts: dict) -> None:
        """Weights read, and what of it is distinct."""
        width = self.chip["numeric"].get("weight", {}).get("bits")
        bits = {
            name: width or self.network.synapses[name].weight_bits
            for name, part in self.case.network["synapses"].items()
            if "weight" in part or "data" in part
        }
        found, total = self.check["memory"], counts["total"]["memory_accesses"]["M1"]
        holding = [m for m in self.chip["memory"] if "weight" in m["holds"] and "word_bits" in m]
        word_bits = holding[0]["word_bits"] if holding else 32
        expected = memory_of(self.limited_samples, word_bits, bits)
        self.same("check: memory", found, expected)
        if self.machine["input"] == "recompute" or self.run["coding"] != "constant":
            self.same("check: M1 and memory", found["total"]["weight_read"], total)
            if width is None:
                used = sum(counts["weight_bits"].values())
                self.same("check: bits used", found["total"]["bits_used"], used)

    def times(self) -> None:
        """Durations from the events that were delivered."""
        loads = [load_of(sample, self.cores) for sample in self.limited_samples]
        found = dict(self.check["time"])
        expected = time_of(loads, self.chip.get("time", {}), self.run["latency"]["pipelined"])
        busy, bounds = expected.pop("busy", {}), expected.pop("bounds", {})
        if found:
            core, step = found.pop("bottleneck_core"), found.pop("bound_by")
            self.near("check: bottleneck", busy[core], max(busy.values()))
            self.near("check: bound by", bounds[step], max(bounds.values()))
            there = [n for n, own in self.cores.neurons.items() if core in own]
            self.same("check: on the bottleneck", sorted(found.pop("populations")), sorted(there))
            self.same("check: unit", found.pop("unit"), expected.pop("unit"))
            numbers = {k: v for k, v in self.check["time"].items() if isinstance(v, int | float)}
            self.same("check: time in values", self.check["values"]["time"], numbers)
        self.same("check: what time tells", sorted(found), sorted(expected))
        for name in found.keys() & expected.keys():
            self.near(f"check: time, {name}", found[name], expected[name])

    # prices

    def energy(self, counts: dict) -> dict:
        """What counts cost on the chip, in picojoule, from its file."""
        prices, paid = {}, {}
        for memory in self.chip["memory"]:
            for key, end in (("read", "pop"), ("write", "push")):
                if f"{key}_pj" in memory:
                    for what in memory["holds"]:
                        action = f"{what}_{end if what == 'event' else key}"
                        if action in counts["total"]:
                            prices[action] = memory[f"{key}_pj"]
                    if key == "write" and "potential" in memory["holds"]:
                        paid["reset_write"] = ["potential_write"]
        for charge in self.chip["charge"]:
            names = charge["action"] if isinstance(charge["action"], list) else [charge["action"]]
            prices |= dict.fromkeys(names, charge["pj"])
            for name in charge.get("includes", []):
                paid.setdefault(name, []).extend(names)
        parts = {n: d | counts["updates"].get(n, {}) for n, d in counts["parts"].items()}
        updates = {"active_update", "idle_update"}
        by_update = bool(updates & (prices.keys() | paid.keys()))
        open_, by_action, by_part = Counter(), {}, {}
        for done in parts.values():
            for action, n in done.items():
                included = any(done.get(payer) for payer in paid.get(action, ()))
                counts_here = by_update or action not in updates
                if n and action not in prices and not included and counts_here:
                    open_[action] += n
        for end in (0, 1):
            for action, pj in prices.items():
                n = sum(done.get(action, 0) for done in parts.values())
                by_action.setdefault(action, []).append(n * span(pj)[end])
            for name, done in parts.items():
                costs = fsum(done.get(a, 0) * span(pj)[end] for a, pj in prices.items())
                by_part.setdefault(name, []).append(costs)
        total = [fsum(ends[i] for ends in by_action.values()) for i in (0, 1)]
        left = self.chip.get("open", []) or [m for m in self.chip["memory"] if "leakage_mw" in m]
        return {
            "total": total,
            "actions": by_action,
            "parts": by_part,
            "unpriced": dict(open_),
            "lower": bool(open_ or left),
        }

    def prices(self) -> None:
        """`cost` of the stored run, and the energy of `check`."""
        samples = self.run["samples"]
        counts, values = self.limited.counts(**self.machine), self.check["values"]
        own = self.energy(counts)
        if self.profile.prices:
            self.near("check: energy", values["energy_uj"], own["total"][1] / samples / 1e6)
        self.same("check: lower bound", values["energy_is_lower_bound"], own["lower"])
        stored = self.case.path("run.h5")
        status, out, err = command("cost", stored, "--chip", self.case.path("chip.toml"), "--json")
        if status == 2 and "any of what has a price" in err:
            self.cost = None
            return
        if status:
            raise AssertionError(f"{self.case.number}: cost ends with {status}: {err}")
        [self.cost] = json.loads(out)["chips"]
        expected = self.energy(self.run["counts"])
        self.priced("cost", self.cost, expected, samples)
        unpriced = {name: n / samples for name, n in expected["unpriced"].items()}
        self.same("cost: unpriced", self.cost["unpriced"], unpriced)
        self.same("cost: lower bound", self.cost["lower_bound"], expected["lower"])
        self.same("cost: machine", self.cost["machine"], self.machine)
        total = self.run["counts"]["total"]
        updates = Counter()
        for done in self.run["counts"]["updates"].values():
            updates.update(done)
        for row in self.cost["actions"]:
            n = total.get(row["action"], updates.get(row["action"])) / samples
            self.near(f"cost: {row['action']}", row["count"], n)
        listed = {row["action"] for row in self.cost["actions"]} - set(updates)
        done = {a for a, n in total.items() if n and not isinstance(n, dict)} - {"additions"}
        self.same("cost: actions", sorted(listed), sorted(done))
        sums = [fsum(span(e)[i] for e in self.cost["energy_uj_by_part"].values()) for i in (0, 1)]
        self.near("cost: sum of parts", self.cost["energy_uj"], sums)
        sums = [fsum(span(r["energy_uj"])[i] for r in self.cost["prices"]) for i in (0, 1)]
        self.near("cost: sum of prices", self.cost["energy_uj"], sums)
        self.beside_artificial()

    def beside_artificial(self) -> None:
        """Spikes per synapse, and the multiply-accumulates of the artificial network."""
        run, wires = self.run, self.recount.wires
        exact = self.cost["break_even"][0]
        self.same("cost: exact first", exact["counted"], "exact")
        spiking = [n for n in wires if not run["work"][n]["macs"]]
        synapses = sum(len(wires[n].sources) for n in spiking)
        additions = sum(run["counts"]["parts"][n]["synaptic_add"] for n in spiking)
        mean = additions / run["samples"] / synapses if synapses else None
        self.near("cost: spikes per synapse", exact["spikes_per_synapse"], mean)

    def priced(self, who: str, found: dict, expected: dict, samples: int) -> None:
        """Energies of a command against those from the file of the chip."""
        scale = 1 / samples / 1e6
        each = {"energy_uj": expected["total"]}
        for of, key in (("action", "actions"), ("part", "parts")):
            table = found[f"energy_uj_by_{of}"]
            self.same(f"{who}: names by {of}", sorted(table), sorted(expected[key]))
            for name, ends in expected[key].items():
                self.near(f"{who}: energy of {name}", table.get(name), [e * scale for e in ends])
        self.near(f"{who}: energy", found["energy_uj"], [e * scale for e in each["energy_uj"]])
        evidence = [
            fsum(span(e)[i] for e in found["energy_uj_by_evidence"].values()) for i in (0, 1)
        ]
        self.near(f"{who}: sum by evidence", found["energy_uj"], evidence)

    def comparison(self) -> None:
        """`compare`, of the network with itself."""
        case, run, samples = self.case, self.run, self.run["samples"]
        network, data, *options = self.inputs
        line = [network, network, data, *options, "--prices", case.path("chip.toml")]
        found = self.told("compare", *line)
        self.same("compare: samples", found["samples"], samples)
        first, second = found["networks"]
        total, work = run["counts"]["total"], run["work"]
        spikes = {n: f["spikes"] for n, f in work.items() if "spikes" in f}
        kinds = {n: p["kind"] for n, p in case.network["populations"].items()}
        sizes = {n: prod(p["shape"]) for n, p in case.network["populations"].items()}
        sending = [n for n in kinds if kinds[n] not in NO_NEURONS]
        for row in (first, second):
            expected = {
                "timesteps": run["timesteps"],
                "accuracy": run["accuracy"],
                "accuracy_by_timestep": run["accuracy_by_timestep"],
                "predictions": run["predictions"],
            }
            for name, value in expected.items():
                self.same(f"compare, run: {name}", row[name], value)
            means = {name: total["memory_accesses"][name] for name in ("M1", "M2", "M3")}
            means |= {"synops": total["synaptic_add"], "macs": total["synaptic_mac"]}
            means |= {"additions": total["additions"]}
            for name, n in means.items():
                self.near(f"compare, run: {name}", row[name], n / samples)
            m1 = run["counts"]["accesses_per_synapse"]["M1"]["max"]
            self.same("compare, run: most weight reads", row["most_weight_reads"], m1)
            self.same("compare, run: peak", row["peak"], max(work[n]["peak"] for n in spikes))
            if sending:
                each = sum(spikes[n] for n in sending) / samples / sum(sizes[n] for n in sending)
                self.near("compare: spikes per neuron", row["spikes_per_neuron"], each)
            expected = self.energy(run["counts"])
            self.priced("compare", row, expected, samples)
            names = [*expected["unpriced"], *self.profile.left_out]
            self.same("compare: unpriced", sorted(row["unpriced"]), sorted(names))
            if self.cost:
                self.same("compare, cost: energy", row["energy_uj"], self.cost["energy_uj"])
        every = sum(spikes.values()) / samples
        self.near("compare, run: spikes", first["spikes"], every)
        if self.unlimited:
            self.near("compare, check: spikes", first["spikes"], self.check["values"]["spikes"])

    @cached_property
    def unlimited(self) -> bool:
        """Whether the limits of the chip changed nothing."""
        limited = summed(self.limited.work)
        return all(
            limited[name].get(fact) == n
            for name, facts in self.run["work"].items()
            for fact, n in facts.items()
        )

    # the page

    def page(self) -> None:
        """The tables of a page, as printed."""
        page, stored = self.case.path("page.html"), self.case.path("run.h5")
        machine = [word for name, choice in self.machine.items() for word in (f"--{name}", choice)]
        line = ["-o", page, "--prices", self.case.path("chip.toml"), *machine]
        status, _, err = command("report", stored, *line, "--check", self.case.path("check.json"))
        if status:
            raise AssertionError(f"{self.case.number}: report ends with {status}: {err}")
        tables = Tables.of(Path(page).read_text(encoding="utf-8"))
        run, samples = self.run, self.run["samples"]
        total, work, counts = run["counts"]["total"], run["work"], run["counts"]
        priced = self.energy(counts)
        rows = tables.first("Per inference")
        numbers = {"Additions": total["additions"], "Synaptic operations": 0}
        numbers["Synaptic operations"] = total["synaptic_add"] + total["synaptic_mac"]
        numbers["of these multiply-accumulates"] = total["synaptic_mac"]
        views = total["memory_accesses"]
        for label in rows:
            for view, n in views.items():
                if label.startswith((f"Memory accesses {view}", f"{view}:")):
                    numbers[label] = n
        kinds = {n: p["kind"] for n, p in self.case.network["populations"].items()}
        neurons = [n for n in kinds if kinds[n] not in NO_NEURONS]
        numbers["Spikes of neurons"] = sum(work[n]["spikes"] for n in neurons)
        self.same("page: labels", sorted(set(rows) - {"Energy, µJ"}), sorted(numbers))
        for label, n in numbers.items():
            self.printed(f"page: {label}", rows[label][0], n / samples, 1)
        least = rows["Energy, µJ"][0].startswith("at least ")
        self.same("page: lower bound", least, priced["lower"])
        self.amount("page: energy", rows["Energy, µJ"][0], priced["total"], samples * 1e6)
        self.page_of_parts(tables)
        self.page_of_energy(tables, priced)
        self.page_of_populations(tables)
        self.page_of_queues(tables)
        if self.labels is not None:
            [row] = tables.first("After timestep").values()
            self.printed("page: accuracy", row[len(row) - 1], 100 * run["accuracy"], 2)
        self.page_of_check(tables)

    def printed(self, what: str, text: str, number: float, digits: int) -> None:
        """A printed number is this one, rounded to so many digits."""
        found = float(text.replace(",", "")) if text else None
        if found is None or abs(found - number) > 0.5000001 * 10.0**-digits:
            self.differences.append(f"{what}: {text!r} and {number}")

    def amount(self, what: str, text: str, ends: list[float], scale: float) -> None:
        """A printed energy, or its range."""
        found = text.removeprefix("at least ").split(" to ")
        for end, part in zip((0, 1) if len(found) == 2 else (1,), found, strict=True):
            self.printed(what, part, ends[end] / scale, 3)

    def page_of_parts(self, tables: "Tables") -> None:
        counts, samples = self.run["counts"], self.run["samples"]
        rows = tables.first("Part")
        total = rows.pop("total")
        added = ("synaptic_add", "commit_add", "bias_add", "reset_subtract", "slope_add")
        sums = Counter()
        for name, done in counts["parts"].items():
            kind = self.network.describe()[name]["kind"]
            row = rows.pop(f"{name} {kind}", None)
            if row is None:
                self.differences.append(f"page: no row of {name}")
                continue
            touching = [a for a in done if a.startswith(("current_", "potential_", "slope_"))]
            touched = sum(done[a] for a in touching if a != "slope_add")
            of_set = name in self.network.synapses
            m1 = done["weight_read"]
            more = ("index_read", "bias_read", "event_pop", "event_push")
            each = {
                "additions": sum(done[a] for a in added),
                "M1": m1,
                "M2": m1 + (touched if of_set else 0),
                "M3": m1 + touched + sum(done[a] for a in more),
            }
            sums.update(each)
            if of_set:
                synops = done["synaptic_add"] + done["synaptic_mac"]
                self.printed(f"page: synops of {name}", row[0], synops / samples, 1)
            for cell, (key, n) in zip(row[1:], each.items(), strict=True):
                self.printed(f"page: {key} of {name}", cell, n / samples, 1)
        self.same("page: parts", list(rows), [])
        for cell, (key, n) in zip(total[1:], sums.items(), strict=True):
            self.printed(f"page: total {key}", cell, n / samples, 1)

    def page_of_energy(self, tables: "Tables", priced: dict) -> None:
        samples, counts = self.run["samples"], self.run["counts"]
        rows = tables.first("Action")
        total = rows.pop("total, at least" if priced["lower"] else "total")
        self.amount("page: total energy", total[1], priced["total"], samples * 1e3)
        costing = {a.replace("_", " "): a for a, ends in priced["actions"].items() if ends[1]}
        self.same("page: actions", sorted(rows), sorted(costing))
        done = Counter()
        for name, own in counts["parts"].items():
            done.update(own | counts["updates"].get(name, {}))
        for label in rows.keys() & costing.keys():
            action = costing[label]
            self.printed(f"page: {label}", rows[label][0], done[action] / samples, 1)
            self.amount(
                f"page: energy of {label}", rows[label][1], priced["actions"][action], samples * 1e3
            )

    def page_of_populations(self, tables: "Tables") -> None:
        """Spikes, firing rates and silent neurons, from the recorded events."""
        rows, samples = tables.first("Population"), len(self.free.samples)
        sent, timesteps = self.sent(self.free), self.run["timesteps"]
        for name, part in self.case.network["populations"].items():
            if part["kind"] == "readout":
                continue
            neurons, spikes = prod(part["shape"]), self.run["work"][name]["spikes"]
            row = rows.get(f"{name} {part['kind']}", ["?"] * 6)
            self.printed(f"page: neurons of {name}", row[0], neurons, 0)
            self.printed(f"page: spikes of {name}", row[1], spikes / samples, 1)
            rate = spikes / samples / neurons / timesteps
            self.printed(f"page: rate of {name}", row[2], 100 * rate, 2)
            each = np.zeros((samples, neurons))
            for i, one in enumerate(sent):
                for some in one[name].values():
                    np.add.at(each[i], some, 1)
            self.printed(f"page: highest of {name}", row[3], 100 * each.max() / timesteps, 2)
            self.printed(f"page: silent of {name}", row[4], 100 * (each == 0).mean(), 2)

    def page_of_queues(self, tables: "Tables") -> None:
        rows = tables.first("Set")
        for name, queue in self.free.queues.items():
            mean = queue.mean(axis=0)
            expected = ((mean.mean(), 1), (mean.max(), 1), (mean.argmax() + 1, 0), (queue.max(), 0))
            for cell, (n, digits) in zip(rows[name], expected, strict=False):
                self.printed(f"page: queue of {name}", cell, n, digits)

    def page_of_check(self, tables: "Tables") -> None:
        """What the page says of the check."""
        rows = tables.all("Assumption")
        words = {True: "holds", False: "does not hold", None: "not known"}
        expected = sorted((f["assumption"], words[f["holds"]]) for f in self.check["findings"])
        self.same("page: assumptions", sorted((row[0], row[1]) for row in rows), expected)

    # what is printed

    def printouts(self) -> None:
        """The tables that `run` and `check` print."""
        run, samples = self.run, self.run["samples"]
        machine = [word for name, choice in self.machine.items() for word in (f"--{name}", choice)]
        _, out, _ = command("run", *self.inputs, *machine)
        rows = printed_rows(out)
        for name, done in run["counts"]["parts"].items():
            row, facts = rows.get(name, [""] * 6), run["work"][name]
            if name in self.network.synapses:
                synops = done["synaptic_add"] + done["synaptic_mac"]
                self.printed(f"run, printed: synops of {name}", row[3], synops / samples, 1)
            elif self.network.populations[name].kind != "readout":
                part = self.case.network["populations"][name]
                self.printed(f"run, printed: {name}", row[1], facts["spikes"] / samples, 1)
                rate = facts["spikes"] / samples / prod(part["shape"]) / run["timesteps"]
                if part["kind"] not in ("input", "maxpool"):
                    rate_printed = row[2].removesuffix(" %")
                    self.printed(f"run, printed: rate of {name}", rate_printed, 100 * rate, 2)
            added = ("synaptic_add", "commit_add", "bias_add", "reset_subtract", "slope_add")
            additions = sum(done[a] for a in added) / samples
            self.printed(f"run, printed: additions of {name}", row[4], additions, 1)
        chip = ["--chip", self.case.path("chip.toml"), "--placing", self.case.placing]
        _, out, _ = command("check", *self.inputs, *chip)
        read = self.check["memory"]["total"]["weight_read"] / self.limited_count
        self.printed("check, printed: weights", printed_rows(out)["total"][0], read, 0)
        spikes = out.splitlines()[1].split()[-4]
        self.printed("check, printed: spikes", spikes, self.check["values"]["spikes"], 1)

    @property
    def limited_count(self) -> int:
        return len(self.limited.samples)

    # what was there

    def meet(self) -> None:
        """Note the kinds, codings and features that did something."""
        spec, work, limited = self.case.network, self.run["work"], summed(self.limited.work)
        met = self.met
        met.add(f"coding {self.run['coding']}") if work["in"]["spikes"] else None
        for name, part in spec["populations"].items():
            facts, kind = work[name], part["kind"]
            active = facts["touched"] if kind == "readout" else facts["spikes"]
            if not active:
                continue
            met.add(f"kind {kind}")
            firing = part.get("firing")
            met |= {f"{kind} {firing}"} if firing else set()
            met |= {f"{kind} {f}" for f in part if f not in ("kind", "shape", "firing")}
            if name in self.network.integer_populations(self.graded_input):
                met.add(f"integer {kind}")
            met |= {f"overflow of {kind}"} if facts.get("overflows") else set()
            met |= (
                {"output that spikes"}
                if name == self.network.output != kind != "readout"
                else set()
            )
        delivering = [n for n in spec["synapses"] if work[n]["synops"] + work[n]["macs"]]
        for name in delivering:
            part, facts = spec["synapses"][name], work[name]
            met |= {f"set {part['kind']}"} | {
                f"{part['kind']} {f}" for f in part if f not in ("kind", "source", "target")
            }
            met |= {fact for fact in ("macs", "undelivered", "zero_synops") if facts[fact]}
            array = part.get("weight", part.get("data"))
            met |= {f"weights {array.dtype.kind}"} if array is not None else set()
            met |= {"one bit"} if part.get("bits") == 1 else set()
            others = [o for o in delivering if o != name and array is not None]
            if any(spec["synapses"][o].get("weight") is array for o in others):
                met.add("shared weights")
            order = [n for n in self.network.order if n in spec["populations"]]
            if order.index(part["source"]) >= order.index(part["target"]):
                met.add("cycle")
        values = [e["value"] for e in self.free.spikes.values()]
        met |= {"negative events"} if any((v < 0).any() for v in values) else set()
        met |= (
            {"graded events of a file"}
            if self.graded_input and "events" in self.case.data
            else set()
        )
        for fact in ("dropped", "stalled"):
            met |= {fact} if any(f.get(fact) for f in limited.values()) else set()
        if self.queue is not None and any(f.get("dropped") for f in limited.values()):
            shared = "shared" if self.queue.shared else "own"
            met.add(f"{shared} queue, {self.queue.policy}")
        met |= {"several cores"} if self.cores.count > 1 else {"one core"}
        met |= {f"{k} {v}" for k, v in self.machine.items()}
        met |= (
            {"cached and constant"}
            if (self.machine["input"] == "cached" and self.run["coding"] == "constant")
            else set()
        )
        met |= {f"time in {self.check['time']['unit']}"} if self.check["time"] else set()
        met |= {"pipeline"} if self.run["latency"]["pipelined"] < self.run["timesteps"] else set()
        met |= {"labels"} if self.labels is not None else set()
        met |= {"chip narrows"} if self.narrow is not self.network else set()
        overflow = overflowed(limited) and not overflowed(work)
        met |= {"chip overflows"} if overflow else set()
        met |= {"priced"} if self.cost else {"nothing priced"}
        met |= {self.case.placing, f"dtype {self.run['dtype']}"}


class Tables(HTMLParser):
    """The tables of a page: of each its rows, of each its cells as text."""

    def __init__(self):
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.inside = False

    @classmethod
    def of(cls, page: str) -> "Tables":
        found = cls()
        found.feed(page)
        return found

    def handle_starttag(self, tag, attributes):
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.tables[-1][-1].append("")
            self.inside = True
        elif tag in ("svg", "title"):
            self.inside = False

    def handle_endtag(self, tag):
        if tag in ("th", "td"):
            self.inside = False

    def handle_data(self, text):
        if self.inside:
            self.tables[-1][-1][-1] += text

    def all(self, corner: str) -> list[list[str]]:
        """The rows below the heading of the table that begins with this cell."""
        for table in self.tables:
            if table and table[0] and table[0][0] == corner:
                return table[1:]
        raise AssertionError(f"no table {corner!r}")

    def first(self, corner: str) -> dict[str, list[str]]:
        """The same by the first cell."""
        return {row[0]: row[1:] for row in self.all(corner)}


def printed_rows(text: str) -> dict[str, list[str]]:
    """The rows of printed tables by their first cell; a later table wins."""
    rows = [line.strip("│").split("│") for line in text.splitlines() if line.startswith("│")]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}


def summed(work: dict) -> dict:
    """Facts of samples added up, the peak at its most."""
    return {
        name: {fact: int(n.max() if fact == "peak" else n.sum()) for fact, n in facts.items()}
        for name, facts in work.items()
    }


def overflowed(work: dict) -> bool:
    """Whether a sum left its width."""
    return any(facts.get("overflows") for facts in work.values())


def text_keys(counts):
    """As JSON gives it back."""
    return json.loads(json.dumps(counts))


if __name__ == "__main__":
    os.environ["EVSIM_NO_GUARD"] = "1"
    sys.exit(main())
