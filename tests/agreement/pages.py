"""The page of `report` and what `run` and `check` print."""

from collections import Counter
from html.parser import HTMLParser
from math import isclose, prod
from pathlib import Path

import numpy as np

from agreement.told import ADDITIONS, NO_NEURONS, Told, command


class Pages(Told):
    """The page of `report` and what `run` and `check` print."""

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
        self.same("page: labels", sorted(set(rows) - {"Energy"}), sorted(numbers))
        for label, n in numbers.items():
            self.exactly(f"page: {label}", rows[label][0], n / samples)
        least = rows["Energy"][0].startswith("at least ")
        self.same("page: lower bound", least, priced["lower"])
        self.amount("page: energy", rows["Energy"][0], priced["total"], samples * 1e6)
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

    def exactly(self, what: str, text: str, number: float) -> None:
        """A number that a page holds is this one."""
        found = float(text.replace(",", "")) if text else None
        if found is None or not isclose(found, number, rel_tol=1e-9):
            self.differences.append(f"{what}: {text!r} and {number}")

    def amount(self, what: str, text: str, ends: list[float], scale: float) -> None:
        """A printed energy, or its range."""
        found = text.removeprefix("at least ").split(" to ")
        for end, part in zip((0, 1) if len(found) == 2 else (1,), found, strict=True):
            self.exactly(what, part, ends[end] / scale)

    def page_of_parts(self, tables: "Tables") -> None:
        counts, samples = self.run["counts"], self.run["samples"]
        rows = tables.first("Part")
        total = rows.pop("total")
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
                "additions": sum(done[a] for a in ADDITIONS),
                "M1": m1,
                "M2": m1 + (touched if of_set else 0),
                "M3": m1 + touched + sum(done[a] for a in more),
            }
            sums.update(each)
            if of_set:
                synops = done["synaptic_add"] + done["synaptic_mac"]
                self.exactly(f"page: synops of {name}", row[0], synops / samples)
            for cell, (key, n) in zip(row[1:5], each.items(), strict=True):
                self.exactly(f"page: {key} of {name}", cell, n / samples)
        self.same("page: parts", list(rows), [])
        for cell, (key, n) in zip(total[1:5], sums.items(), strict=True):
            self.exactly(f"page: total {key}", cell, n / samples)

    def page_of_energy(self, tables: "Tables", priced: dict) -> None:
        samples, counts = self.run["samples"], self.run["counts"]
        rows = tables.first("Action")
        total = rows.pop("total, at least" if priced["lower"] else "total")
        self.amount("page: total energy", total[1], priced["total"], samples * 1e6)
        costing = {a.replace("_", " "): a for a, ends in priced["actions"].items() if ends[1]}
        self.same("page: actions", sorted(rows), sorted(costing))
        done = Counter()
        for name, own in counts["parts"].items():
            done.update(own | counts["updates"].get(name, {}))
        for label in rows.keys() & costing.keys():
            action = costing[label]
            self.exactly(f"page: {label}", rows[label][0], done[action] / samples)
            self.amount(
                f"page: energy of {label}", rows[label][1], priced["actions"][action], samples * 1e6
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
            self.exactly(f"page: spikes of {name}", row[1], spikes / samples)
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
            additions = sum(done[a] for a in ADDITIONS) / samples
            self.printed(f"run, printed: additions of {name}", row[4], additions, 1)
        chip = ["--chip", self.case.path("chip.toml"), "--placing", self.case.placing]
        _, out, _ = command("check", *self.inputs, *chip)
        read = self.check["memory"]["total"]["weight_read"] / self.limited_count
        self.printed("check, printed: weights", printed_rows(out)["total"][0], read, 0)
        line = next(line for line in out.splitlines() if line.endswith("spikes a sample"))
        spikes = line.split()[-4]
        self.printed("check, printed: spikes", spikes, self.check["values"]["spikes"], 1)

    @property
    def limited_count(self) -> int:
        return len(self.limited.samples)


class Tables(HTMLParser):
    """The tables of a page: of each its rows, of each its cells as text.

    Of a number that is shown rounded the cell holds what its tooltip says: the number itself.
    """

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
        elif tag == "span" and "title" in dict(attributes) and self.inside:
            self.tables[-1][-1][-1] += dict(attributes)["title"].removesuffix(" µJ")
            self.inside = False
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
        """Those rows by their first cell, without the unit of their numbers."""
        return {row[0].split(",\N{NO-BREAK SPACE}")[0]: row[1:] for row in self.all(corner)}


def printed_rows(text: str) -> dict[str, list[str]]:
    """The rows of printed tables by their first cell; a later table wins."""
    rows = [line.strip("│").split("│") for line in text.splitlines() if line.startswith("│")]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}
