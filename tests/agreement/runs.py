"""`run`, Python, the result file, `info`, and what the recorded events say."""

from collections import Counter, defaultdict
from math import prod

import h5py
import numpy as np

from agreement.recount import places_of
from agreement.told import ADDITIONS, Told, summed, text_keys
from evsim.formats import result


class Runs(Told):
    """`run`, Python, the result file, `info`, and what the recorded events say."""

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
        self.same(f"{who}: additions", total["additions"], sum(total[a] for a in ADDITIONS))
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
            self.maxima(who, run, i, sample)
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
                own = {"additions": 1, "M1": int(bool(wires.spans or "data" in part))}
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

    def maxima(self, who: str, run, i: int, sample) -> None:
        """What max pools of spikes tell against the spikes."""
        values = {
            name: {(t, j): v for s, t, j, v in events.tolist() if s == run.samples[i]}
            for name, events in run.spikes.items()
        }
        for name, part in self.case.network["populations"].items():
            if part["kind"] == "maxpool" and not sample.recount.graded(name):
                sets = self.case.network["synapses"].values()
                [source] = [s["source"] for s in sets if s["target"] == name]
                told, again = sample.maxima(name, values[source])
                self.same(f"{who}: events of {name}, sample {i}", values[name], told)
                found = int(run.work[name]["rescanned"][i])
                self.same(f"{who}: rescanned of {name}, sample {i}", found, again)

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
