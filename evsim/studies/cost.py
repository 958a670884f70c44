"""What a stored run costs on several chips, and beside it the artificial network on each."""

from __future__ import annotations

from collections import Counter
from math import fsum

from evsim.base.errors import mismatch
from evsim.chip.prices import done_by_part, microjoule, price
from evsim.chip.profile import EVIDENCE, Profile
from evsim.chip.profile.amounts import Amount, between, high, low, quotient, times
from evsim.chip.profile.artificial import COUNTED, artificial, connections, nominal_work
from evsim.counting.described import role_of
from evsim.counting.facts import POOL, is_set
from evsim.counting.machine import UPDATES, Machine
from evsim.formats.result import StoredRun

CONTRIBUTES = 0.05  # of the total: how well its prices are known is then said
ADD, MAC = "synaptic_add", "synaptic_mac"
OF_SPIKES = ("event_push", "reset_subtract", "reset_write")  # what a spike causes where it is sent
OPPOSITE = {"": "", "at least": "at most", "at most": "at least"}


class Cost:
    """The counts of a stored run under the machine of each chip, and their prices.

    `machine` holds the choices that take the place of those of all chips. A count is made once for
    each machine; pricing reads it and never changes it.
    """

    def __init__(self, stored: StoredRun, **machine: str):
        self.stored, self.samples = stored, stored.count
        self.machine = machine
        self.work = {"exact": stored.work, "nominal": nominal_work(stored.parts, stored.work)}
        self._counts: dict[tuple, dict] = {}
        self._artificial: dict[tuple, dict | None] = {}

    def of(self, profile: Profile) -> dict:
        """What an inference costs on a chip, mean over samples: microjoule, or (low, high)."""
        machine = Machine(**(profile.machine.choices | self.machine))
        counts = self.counts(machine)
        priced = price(counts, profile)
        self._check_priced(counts, profile, priced)
        found = {"chip": profile.name, "title": profile.title, "machine": counts["machine"]}
        found["energy_uj"] = self._each(priced["total"])
        found["lower_bound"] = priced["lower_bound"]
        found["unpriced"] = {name: n / self.samples for name, n in priced["unpriced"].items()}
        found["left_out"] = priced["left_out"]
        found["weakest_evidence"] = _weakest(priced)
        for of, key in (("action", "actions"), ("part", "parts"), ("evidence", "evidence")):
            found[f"energy_uj_by_{of}"] = {n: self._each(pj) for n, pj in priced[key].items()}
        found["actions"] = self._actions(counts, profile, priced)
        found["prices"] = self._prices(counts, profile)
        found["break_even"] = [self._break_even(profile, machine, how) for how in COUNTED]
        return found

    def _check_priced(self, counts: dict, profile: Profile, priced: dict) -> None:
        """Raise an error where the chip has no price, or none for anything that the run does."""
        if not profile.prices:
            raise mismatch("no price", "[[charge]] tables, or memories with prices", profile.name)
        total, wanted = _total(counts), list(priced["actions"])
        if priced["unpriced"] and not any(total[name] for name in wanted):
            done = ", ".join(name for name in (ADD, MAC) if total[name]) or "nothing at a synapse"
            expected = f"any of what has a price on this chip: {', '.join(wanted)}"
            raise mismatch(f"a run that does {done}", expected, profile.name)

    def counts(self, machine: Machine, counted: str = "exact") -> dict:
        """The actions of the run under a machine, sums over samples.

        `counted`: exact, or nominal for full kernels at borders.
        """
        key = (machine, counted)
        if key not in self._counts:
            self._counts[key] = self.stored.counted(self.work[counted], machine, {})
        return self._counts[key]

    def artificial(self, machine: Machine, counted: str) -> dict | None:
        """The actions of one inference of the artificial network, None where it has a cycle."""
        key = (machine, counted)
        if key not in self._artificial:
            self._artificial[key] = artificial(self.stored.parts, counted, machine)
        return self._artificial[key]

    def _each(self, pj: Amount) -> Amount:
        return microjoule(pj, self.samples)

    def _actions(self, counts: dict, profile: Profile, priced: dict) -> list[dict]:
        """All that was done: how often in an inference, and what pays for it."""
        by = {name: charge for charge in profile.prices for name in charge.action}
        rows = []
        for name, n in _total(counts).items():
            charge, left = by.get(name), priced["unpriced"].get(name, 0)
            if not n or (name in UPDATES and not charge):
                continue
            row = {"action": name, "count": n / self.samples}
            if charge:
                row |= {"paid": "own price", "energy_uj": self._each(priced["actions"][name])}
            else:
                paid = "included" if not left else "no price" if left == n else "partly included"
                row |= {"paid": paid, "energy_uj": None}
            said = ("pj", "evidence", "source")
            rows.append(row | {key: getattr(charge, key) if charge else None for key in said})
        return rows

    def _prices(self, counts: dict, profile: Profile) -> list[dict]:
        """Every price: its share of the total, and what the total gains if it is 10 % higher."""
        total, charges = _total(counts), profile.prices
        done = [sum(total[name] for name in charge.action) for charge in charges]
        rows = []
        for i, charge in enumerate(charges):
            own = [n if k == i else 0 for k, n in enumerate(done)]
            energy = self._each(times(charge.pj, done[i]))
            rows.append(
                {
                    "price": ", ".join(charge.action),
                    "pj": charge.pj,
                    "count": done[i] / self.samples,
                    "energy_uj": energy,
                    "share": quotient(own, done, [one.pj for one in charges]),
                    "plus_10_percent_uj": times(energy, 0.1),
                    "evidence": charge.evidence,
                    "source": charge.source,
                }
            )
        return rows

    def _break_even(self, profile: Profile, machine: Machine, counted: str) -> dict:
        """The run beside the artificial network, both counted in the same way.

        At break-even each spiking source sends so many times more or fewer events that both cost
        the same, everything that is not caused by an event staying as it is.
        """
        run, ann = self.counts(machine, counted), self.artificial(machine, counted)
        row = {"counted": counted, "macs": None, "ann_energy_uj": None}
        priced = price(run, profile)
        row |= {"energy_uj": self._each(priced["total"]), "ratio": None, "bound": ""}
        row |= {"lower_bound": priced["lower_bound"], "ann_lower_bound": None}
        row |= self._spikes(run, counted) | {"break_even_spikes_per_synapse": None}
        row |= {"break_even_bound": "", "why": ""}
        if ann is None:
            return row | {"why": "a network with a cycle has no artificial one"}
        other = price(ann, profile)
        row["macs"] = ann["total"][MAC]
        if MAC in other["unpriced"]:
            return row | {"why": f"no price for {MAC}"}
        row["ann_energy_uj"] = microjoule(other["total"], 1)
        row["ann_lower_bound"] = other["lower_bound"]
        if priced["lower_bound"] and other["lower_bound"]:
            return row | {"why": "two lower bounds"}
        if priced["lower_bound"] or other["lower_bound"]:
            row["bound"] = "at least" if priced["lower_bound"] else "at most"
        charges = profile.prices
        prices = [charge.pj for charge in charges]
        by_events = self._of_events(run)
        every, once, caused = (
            [fsum(done[name] for name in charge.action) for charge in charges]
            for done in (_total(run), _total(ann), by_events)
        )
        every, caused = ([n / self.samples for n in each] for each in (every, caused))
        row["ratio"] = quotient(every, once, prices)
        rest = [a - (n - c) for a, n, c in zip(once, every, caused, strict=True)]
        factor = quotient(rest, caused, prices)
        if factor is None or row["spikes_per_synapse"] is None:
            return row | {"why": "no spike has a price"}
        if high(factor) <= 0:
            but = ", open prices of the other aside" if row["bound"] == "at most" else ""
            return row | {"why": f"dearer even without a spike{but}"}
        factor = between(max(low(factor), 0.0), high(factor))
        row["break_even_spikes_per_synapse"] = times(factor, row["spikes_per_synapse"])
        row["break_even_bound"] = OPPOSITE[row["bound"]]
        return row

    def _spikes(self, run: dict, counted: str) -> dict:
        """Synaptic additions of the sets with spiking sources, by synapse of theirs."""
        sets = self._spiking()
        synapses = sum(connections(self.stored.parts, name, counted) for name in sets)
        additions = sum(run["parts"][name][ADD] for name in sets)
        mean = additions / self.samples / synapses if synapses else None
        return {"spikes_per_synapse": mean}

    def _spiking(self) -> list[str]:
        """The sets whose source sends spikes."""
        parts, work = self.stored.parts, self.stored.work
        return [
            name for name, part in parts.items() if is_set(part) and not work[name]["macs"].any()
        ]

    def _of_events(self, run: dict) -> Counter:
        """The actions that events cause: all of sets with spiking sources, pushes and resets."""
        parts, spiking, total = self.stored.parts, self._spiking(), Counter()
        for name in spiking:
            total.update(run["parts"][name])
        for name in {parts[name]["source"] for name in spiking}:
            total.update({action: run["parts"][name][action] for action in OF_SPIKES})
        for name in {parts[name]["target"] for name in spiking}:
            if role_of(parts[name]) == POOL:
                total.update({a: run["parts"][name][a] for a in ("compare", "potential_read")})
        return total


def described(stored: StoredRun, name: str, profiles: list[Profile], machine: dict) -> dict:
    """What the command `cost` prints as JSON of a stored run, whose file has a name."""
    costs = Cost(stored, **machine)
    chips = [costs.of(profile) for profile in profiles]
    found = {key: stored.settings[key] for key in ("name", "network_path", "timesteps")}
    return {"result": name, "samples": costs.samples, **found, "chips": chips}


def _total(counts: dict) -> Counter:
    """How often each action was done, updates too."""
    total = Counter()
    for done in done_by_part(counts).values():
        total.update(done)
    return total


def _weakest(priced: dict) -> str | None:
    """The weakest evidence of what may be at least a twentieth of the total."""
    least = CONTRIBUTES * low(priced["total"])
    for kind in reversed(EVIDENCE):
        if high(priced["evidence"][kind]) and high(priced["evidence"][kind]) >= least:
            return kind
    return None
