"""`check` against the same run from Python and against its events."""

from collections import Counter, defaultdict
from functools import cached_property

import numpy as np

from agreement.recount import load_of, memory_of, time_of
from agreement.told import Told, overflowed, summed, text_keys
from evsim.studies.quantized import widest


class Checks(Told):
    """`check` against the same run from Python and against its events."""

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
