"""Whether all commands tell the same numbers."""

import tempfile
from pathlib import Path

from agreement.checks import Checks
from agreement.networks import draw
from agreement.pages import Pages
from agreement.prices import Prices
from agreement.runs import Runs
from agreement.told import overflowed, summed
from evsim.chip.restrict import narrowed, queue_of
from evsim.chip.restrict import placed as placement_of

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


def compared(number: int) -> "Agreement":
    """Draw a case, run all commands on it and compare."""
    with tempfile.TemporaryDirectory() as folder:
        found = Agreement(draw(number, Path(folder)))
        found.compare()
        return found


class Agreement(Runs, Checks, Prices, Pages):
    """All commands on one case."""

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
