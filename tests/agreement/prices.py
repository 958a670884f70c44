"""`cost`, `compare` and the energy of `check` against the file of the chip."""

import json
from collections import Counter
from functools import cached_property
from math import fsum, prod

from agreement.recount import span
from agreement.told import NO_NEURONS, Told, command, summed


class Prices(Told):
    """`cost`, `compare` and the energy of `check` against the file of the chip."""

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
