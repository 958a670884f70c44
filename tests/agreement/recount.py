"""Everything that follows from the events of a run, counted again from the pages of its meaning.

Takes what a network file holds (as `mixed_networks` writes it) and which neuron sent when; knows
nothing of the library but the order of visits.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from math import prod

import numpy as np

from agreement.networks import GRADED_KINDS

SET_FACTS = ("arrivals", "undelivered", "synops", "macs", "zero_synops", "rows", "touched")
LOSSES = ("dropped", "dropped_synops", "stalled")


@dataclass
class Wires:
    """The synapses of a set: what each joins, the row of weights it is in, whether it is 0."""

    sources: np.ndarray
    targets: np.ndarray  # places, where a population has several for a neuron
    rows: np.ndarray  # -1: no weights
    zeros: np.ndarray
    spans: dict[int, range]  # by row of weights: where it lies in the flat array
    by_source: dict[int, tuple] = field(default_factory=dict)

    def __post_init__(self):
        for source in np.unique(self.sources).tolist():
            own = np.flatnonzero(self.sources == source)
            rows = np.unique(self.rows[own]) if self.spans else np.zeros(0, np.int64)
            zeros = int(self.zeros[own].sum())
            self.by_source[source] = self.targets[own], rows.tolist(), zeros

    def of(self, source: int) -> tuple:
        """Of a source: its targets, the rows it reads, how many weights of 0."""
        return self.by_source.get(source, (np.zeros(0, np.int64), [], 0))


def places_of(part: dict) -> tuple[int, ...]:
    """The shape that sets see as their target."""
    if "pool" not in part:
        return tuple(part["shape"])
    rows, columns, channels = part["shape"]
    return rows * part["pool"][0], columns * part["pool"][1], channels


def wires(network: dict, name: str) -> Wires:
    """The synapses of a set, one by one."""
    part, populations = network["synapses"][name], network["populations"]
    source = tuple(populations[part["source"]]["shape"])
    target = places_of(populations[part["target"]])
    joined = {"dense": _dense, "conv": _conv, "pool": _pool, "identity": _identity}
    joined["sparse"] = _sparse
    found = list(joined[part["kind"]](part, source, target))
    columns = [np.array(c, np.int64) for c in zip(*found, strict=True)] or [np.zeros(0, int)] * 4
    spans = {}
    if part["kind"] != "pool" and ("weight" in part or "data" in part):
        spans = {row: _span(part, row, source[-1]) for row in np.unique(columns[2]).tolist()}
    return Wires(*columns, spans)


def _span(part: dict, row: int, depth: int) -> range:
    """Where a row of weights lies: the outputs of a source, or of a tap and an input channel."""
    if part["kind"] == "sparse":
        return range(int(part["indptr"][row]), int(part["indptr"][row + 1]))
    if part["kind"] == "identity":
        return range(row, row + 1)
    if part["kind"] == "dense":
        out = part["weight"].shape[1]
        return range(row * out, (row + 1) * out)
    _, _, each, out = part["weight"].shape
    tap, channel = divmod(row, depth)
    group, within = divmod(channel, each)
    length = out // part.get("groups", 1)
    first = (tap * each + within) * out + group * length
    return range(first, first + length)


def _neurons(shape: tuple[int, ...]):
    """(index, row, column, channel) of every neuron."""
    height, width, channels = shape if len(shape) == 3 else (1, 1, shape[0])
    for i in range(height * width * channels):
        yield i, i // channels // width, i // channels % width, i % channels


def _cell(part: dict, shape, y: int, x: int):
    """Where a source acts behind the pool of its set; None beyond the last whole cell."""
    cell_y, cell_x = part.get("prepool", (1, 1))
    height, width = shape[:2] if len(shape) == 3 else (1, 1)
    y, x = y // cell_y, x // cell_x
    return (y, x) if y < height // cell_y and x < width // cell_x else None


def _dense(part, source, target):
    channels = source[-1] if len(source) == 3 else source[0]
    columns = source[1] // part.get("prepool", (1, 1))[1] if len(source) == 3 else 1
    for i, y, x, c in _neurons(source):
        cell = _cell(part, source, y, x)
        if cell is not None:
            row = (cell[0] * columns + cell[1]) * channels + c
            for j in range(prod(target)):
                yield i, j, row, part["weight"][row, j] == 0


def _conv(part, source, target):
    weight = part["weight"]
    kernel_y, kernel_x, each, out = weight.shape
    top, _, left, _ = part.get("padding", (0, 0, 0, 0))
    stride, dilation = part.get("stride", (1, 1)), part.get("dilation", (1, 1))
    groups, depth = part.get("groups", 1), source[2]
    for i, y, x, c in _neurons(source):
        cell = _cell(part, source, y, x)
        for a in range(kernel_y if cell else 0):
            for b in range(kernel_x):
                above, before = cell[0] + top - dilation[0] * a, cell[1] + left - dilation[1] * b
                if above % stride[0] or before % stride[1] or above < 0 or before < 0:
                    continue
                above, before = above // stride[0], before // stride[1]
                if above >= target[0] or before >= target[1]:
                    continue
                row = (a * kernel_x + b) * depth + c
                group = c // each
                for o in range(group * out // groups, (group + 1) * out // groups):
                    j = (above * target[1] + before) * out + o
                    yield i, j, row, weight[a, b, c % each, o] == 0


def _pool(part, source, target):
    stride = part.get("stride", part["kernel"])
    top, _, left, _ = part.get("padding", (0, 0, 0, 0))
    for i, y, x, c in _neurons(source):
        for above in range(target[0]):
            for before in range(target[1]):
                tap = y + top - above * stride[0], x + left - before * stride[1]
                if all(0 <= t < k for t, k in zip(tap, part["kernel"], strict=True)):
                    yield i, (above * target[1] + before) * source[2] + c, -1, False


def _identity(part, source, target):
    stride, offset = part.get("stride", (1, 1)), part.get("channel_offset", 0)
    columns = target[1] if len(target) == 3 else 1
    for i, y, x, c in _neurons(source):
        if y % stride[0] == 0 and x % stride[1] == 0:
            j = (y // stride[0] * columns + x // stride[1]) * target[-1] + c + offset
            weighted = "weight" in part
            yield i, j, c if weighted else -1, weighted and part["weight"][c] == 0


def _sparse(part, source, target):
    for i in range(prod(source)):
        for k in range(part["indptr"][i], part["indptr"][i + 1]):
            yield i, part["indices"][k], i, part["data"][k] == 0


class Recount:
    """What the events of some samples do in a network.

    `events[population]`: (sample, timestep, neuron) of all that were sent, ascending. `queue`:
    depth, policy, policies, source, shared, core(set), or None. `order`: of visits.
    """

    def __init__(self, network: dict, order: list[str], timesteps: int, queue, graded: bool):
        self.network, self.order, self.timesteps, self.queue = network, order, timesteps, queue
        self.populations, self.synapses = network["populations"], network["synapses"]
        self.input = network["attributes"]["input"]
        self.graded_input = graded
        self.wires = {name: wires(network, name) for name in self.synapses}

    def graded(self, name: str) -> bool:
        """Whether a population sends values."""
        kind = self.populations[name]["kind"]
        if kind == "maxpool":
            into = next(s for s in self.synapses.values() if s["target"] == name)
            return self.graded(into["source"])
        return self.graded_input if kind == "input" else kind in GRADED_KINDS

    def arriving(self, sent: dict[str, dict]) -> dict[str, dict]:
        """By set and timestep: the sources whose events are due, ascending."""
        found = {}
        for name, part in self.synapses.items():
            due = {t + part.get("delay", 0): some for t, some in sent[part["source"]].items()}
            found[name] = {t: some for t, some in due.items() if t < self.timesteps}
        return found

    def lost(self, arriving: dict[str, dict]) -> tuple[dict, dict]:
        """(what is delivered, by set how many events had to wait), as the queue has it."""
        queue = self.queue
        delivered = {name: dict(due) for name, due in arriving.items()}
        waited = Counter()
        if queue is None:
            return delivered, waited
        waiting = Counter()  # by queue: one for a set and timestep, or for a core and timestep
        for name in (n for n in self.order if n in self.synapses):
            if queue.source not in (None, self.synapses[name]["source"]):
                continue
            policy = queue.policies.get(self.synapses[name]["source"], queue.policy)
            for t, some in arriving[name].items():
                place = (queue.core(name) if queue.shared else name, t)
                room = max(queue.depth - waiting[place], 0)
                excess = max(len(some) - room, 0)
                if policy == "stall":  # what waits takes no room
                    waited[name] += excess
                elif policy == "drop_old":
                    delivered[name][t] = some[excess:]
                else:
                    delivered[name][t] = some[: len(some) - excess]
                waiting[place] += len(some) - excess
        return delivered, waited

    def sample(self, sent: dict[str, dict]) -> "Sample":
        """One sample; `sent[population][timestep]`: neurons, ascending."""
        arriving = self.arriving(sent)
        return Sample(self, sent, arriving, *self.lost(arriving))

    def listens(self, name: str, t: int) -> bool:
        """Whether the neurons of a population are updated in a timestep."""
        part = self.populations[name]
        if part["kind"] in ("input", "maxpool"):
            return False
        if "delta" in part:
            return part["start"] - part["delta"] <= t < part["start"] + part["window"]
        windowed = part["kind"] == "ttfs" or part.get("slope")
        windowed = windowed or (part["kind"] == "switch" and part.get("firing") != "online")
        return not windowed or part["start"] - part["window"] <= t < part["start"]


class Sample:
    """One sample: what was sent, what was due, what was delivered."""

    def __init__(self, recount: Recount, sent, arriving, delivered, waited):
        self.recount, self.sent, self.arriving = recount, sent, arriving
        self.delivered, self.waited = delivered, waited

    def facts(self) -> dict[str, dict[str, int]]:
        """By set and by population, those that events alone decide."""
        recount, found = self.recount, {}
        reached = defaultdict(set)
        for name, part in recount.synapses.items():
            done = Counter(dict.fromkeys((*SET_FACTS, *LOSSES), 0))
            kind = "macs" if recount.graded(part["source"]) else "synops"
            touched = set()
            for t, some in self.delivered[name].items():
                for source in some:
                    targets, rows, zeros = recount.wires[name].of(source)
                    done["arrivals"] += 1
                    done[kind] += len(targets)
                    done["rows"] += len(rows)
                    done["zero_synops"] += zeros
                    touched |= {(t, j) for j in targets.tolist()}
            done["touched"] = len(touched)
            reached[part["target"]] |= touched
            emitted = sum(map(len, self.sent[part["source"]].values()))
            due = sum(map(len, self.arriving[name].values()))
            done["undelivered"] = emitted - due
            done["dropped"] = due - done["arrivals"]
            everything = sum(
                len(recount.wires[name].of(source)[0])
                for some in self.arriving[name].values()
                for source in some
            )
            done["dropped_synops"] = everything - done[kind]
            done["stalled"] = self.waited[name]
            found[name] = dict(done)
        for name, part in recount.populations.items():
            each = [len(some) for some in self.sent.get(name, {}).values()]
            pushes = sum(each) * sum(s["source"] == name for s in recount.synapses.values())
            updates = sum(recount.listens(name, t) for t in range(recount.timesteps))
            found[name] = {"spikes": sum(each), "peak": max(each, default=0), "pushes": pushes}
            found[name] |= {"touched": len(reached[name])}
            found[name] |= {"updates": updates * prod(places_of(part))}
        return found

    def maxima(self, name: str, values: dict) -> tuple[dict, int]:
        """What a max pool tells of spikes, by timestep and neuron, and the sums it reads again.

        `values[timestep, neuron]` are those of its source.
        """
        recount = self.recount
        [(set_name, part)] = [s for s in recount.synapses.items() if s[1]["target"] == name]
        wires, sums, told, again = recount.wires[set_name], Counter(), {}, 0
        members = defaultdict(list)
        for source in wires.sources.tolist():
            if source not in sums:
                sums[source] = 0
                for target in wires.of(source)[0].tolist():
                    members[target].append(source)
        largest = Counter()
        for t in range(recount.timesteps):
            for source in self.delivered[set_name].get(t, ()):
                sums[source] += values[t - part.get("delay", 0), source]
            for target, own in sorted(members.items()):
                now = max(sums[source] for source in own)
                again += len(own) - 1 if now < largest[target] else 0
                if now != largest[target]:
                    told[t, target] = now - largest[target]
                largest[target] = now
        return told, again

    def carried(self, name: str) -> Counter:
        """How many events each source of a set delivered."""
        return Counter(s for some in self.delivered[name].values() for s in some)

    def first_delivery(self, name: str) -> tuple[int, dict] | None:
        """The first timestep in which a set delivers, and the facts of that timestep."""
        times = [t for t, some in self.delivered[name].items() if some]
        if not times:
            return None
        part, t = self.recount.synapses[name], min(times)
        kind = "macs" if self.recount.graded(part["source"]) else "synops"
        targets = [self.recount.wires[name].of(s)[0] for s in self.delivered[name][t]]
        found = {"arrivals": len(targets), "synops": 0, "macs": 0}
        return t, found | {kind: sum(map(len, targets))}


@dataclass
class Cores:
    """Where the neurons are: `of[population]` (places,), `neurons` likewise for its neurons."""

    of: dict[str, np.ndarray]
    neurons: dict[str, np.ndarray]
    count: int


def placed(network: dict, order: list[str], per_core: int | None, placing: str) -> Cores:
    """in_order: one after the other; balanced: a population begins a core and is spread evenly."""
    populations = network["populations"]
    names = [n for n in order if n in populations and populations[n]["kind"] != "input"]
    per_core = per_core or max(sum(prod(populations[n]["shape"]) for n in names), 1)
    places, neurons, taken, first_core = {}, {}, 0, 0
    for name in names:
        part = populations[name]
        count = prod(part["shape"])
        if placing == "in_order":
            own = [(taken + i) // per_core for i in range(count)]
            taken += count
        else:
            used = -(-count // per_core)
            own = [first_core + i * used // count for i in range(count)]
            first_core += used
        neurons[name] = np.array(own)
        grid = np.array(own).reshape(part["shape"])
        for axis, times in enumerate(part.get("pool", ())):
            grid = np.repeat(grid, times, axis)
        places[name] = grid.ravel()
    return Cores(places, neurons, 1 + max((int(own.max()) for own in neurons.values()), default=-1))


@dataclass
class Load:
    """By timestep and core: events taken, synapses, updates, events sent.

    An event is taken once by every core that it reaches; by the first core of its target where it
    reaches none.
    """

    pops: np.ndarray
    synops: np.ndarray
    updates: np.ndarray
    pushes: np.ndarray


def load_of(sample: Sample, cores: Cores) -> Load:
    """What a sample brings each core to do."""
    recount = sample.recount
    shape = recount.timesteps, cores.count
    load = Load(*(np.zeros(shape, np.int64) for _ in range(4)))
    for name, part in recount.synapses.items():
        own = cores.of[part["target"]]
        for t, some in sample.delivered[name].items():
            for source in some:
                targets = recount.wires[name].of(source)[0]
                each = np.bincount(own[targets], minlength=cores.count)
                load.synops[t] += each
                load.pops[t] += each > 0
                load.pops[t, own[0]] += not len(targets)
        if part["source"] != recount.input:
            for t, some in sample.sent[part["source"]].items():
                np.add.at(load.pushes[t], cores.neurons[part["source"]][some], 1)
    for name, own in cores.of.items():
        each = np.bincount(own, minlength=cores.count)
        for t in range(recount.timesteps):
            load.updates[t] += each * recount.listens(name, t)
    return load


def span(amount) -> tuple[float, float]:
    """The ends of a number or of a range."""
    return tuple(amount) if isinstance(amount, list | tuple) else (amount, amount)


def time_of(loads: list[Load], time: dict, period: int) -> dict:
    """Latency and so on, as the page of a check says them: low and high ends, means of samples."""
    cycle = 1e9 / time["clock_hz"] if "clock_hz" in time else 1.0
    steps = {k: tuple(end * cycle for end in span(v)) for k, v in time.get("cycles", {}).items()}
    steps |= {k: span(v) for k, v in time.get("ns", {}).items()}
    if not steps:
        return {}
    lanes = time.get("lanes", 1)
    ends = {"latency": [0.0, 0.0], "interval": [0.0, 0.0]}
    longest, busy, bounds = 0.0, Counter(), Counter()

    def duration(work: dict, end: int) -> tuple[float, list]:
        """How long a timestep takes, and the work of each core by step."""
        each = []
        for core in range(len(work["pops"])):
            turns = -(-int(work["synops"][core]) // lanes)
            counts = {"pop": work["pops"][core], "event": work["pops"][core], "synapse": turns}
            counts |= {"update": work["updates"][core], "push": work["pushes"][core]}
            price = {step: amounts[end] for step, amounts in steps.items()}
            if end == 0 and "update" in price and "idle_update" in price:
                price["update"] = price["idle_update"]
            each.append({s: int(n) * price[s] for s, n in counts.items() if s in price})
        slowest = max((sum(own.values()) for own in each), default=0)
        return slowest + steps.get("barrier", (0, 0))[end], each

    for load in loads:
        table = vars(load)
        folded = {}
        for k, v in table.items():
            folded[k] = np.array([v[t::period].sum(axis=0) for t in range(period)])
        for what, work in (("latency", table), ("interval", folded)):
            for t in range(len(work["pops"])):
                row = {k: v[t] for k, v in work.items()}
                for end in (0, 1):
                    took, each = duration(row, end)
                    ends[what][end] += took
                    if what == "latency" and end == 1:
                        longest = max(longest, took)
                        for core, own in enumerate(each):
                            busy[core] += sum(own.values())
                        totals = [sum(own.values()) for own in each]
                        for step, n in each[totals.index(max(totals))].items() if each else ():
                            bounds[step] += n
                        bounds["barrier"] += steps.get("barrier", (0, 0))[1]
    n = len(loads)
    unit = "ns" if "clock_hz" in time or time.get("ns") else "cycles"
    found = {"unit": unit, "latency": ends["latency"][1] / n, "latency_low": ends["latency"][0] / n}
    found |= {"interval": ends["interval"][1] / n, "interval_low": ends["interval"][0] / n}
    found |= {"longest_timestep": longest, "busy": busy, "bounds": bounds}
    if unit == "ns" and found["interval"]:
        found["inferences_per_second"] = 1e9 / found["interval"]
    return found


def memory_of(samples: list[Sample], word_bits: int, bits: dict[str, int]) -> dict:
    """What moves from the memory of weights: by set, and in total; of shared arrays once there."""
    recount = samples[0].recount
    sets, total_step, total_sample = {}, 0, 0
    arrays = {}
    for name in bits:
        part = recount.synapses[name]
        arrays[name] = id(part.get("weight", part.get("data")))
        moved = ("weight_read", "weight_words", "distinct_per_timestep", "distinct_per_sample")
        sets[name] = dict.fromkeys(moved, 0)
    for sample in samples:
        in_sample, in_timesteps = {}, {}
        for name in bits:
            own, spans = sets[name], recount.wires[name].spans
            ever = set()
            for t, some in sample.delivered[name].items():
                now = set()
                for source in some:
                    for row in recount.wires[name].of(source)[1]:
                        own["weight_read"] += len(spans[row])
                        own["weight_words"] += words(len(spans[row]), bits[name], word_bits)
                        now.update(spans[row])
                own["distinct_per_timestep"] += len(now)
                ever |= now
                in_timesteps.setdefault((arrays[name], t), set()).update(now)
            own["distinct_per_sample"] += len(ever)
            in_sample.setdefault(arrays[name], set()).update(ever)
        total_step += sum(map(len, in_timesteps.values()))
        total_sample += sum(map(len, in_sample.values()))
    total = Counter()
    for own in sets.values():
        total.update({k: own[k] for k in ("weight_read", "weight_words")})
    used = {name: own["weight_read"] * bits[name] for name, own in sets.items()}
    for name, own in sets.items():
        own |= {"bits_moved": own["weight_words"] * word_bits, "bits_used": used[name]}
        own["weight_bits"] = bits[name]
    whole = {k: total[k] for k in ("weight_read", "weight_words")}
    whole |= {"bits_moved": total["weight_words"] * word_bits, "bits_used": sum(used.values())}
    whole |= {"distinct_per_timestep": total_step, "distinct_per_sample": total_sample}
    return {
        "word_bits": word_bits,
        "sets": {n: dict(own) for n, own in sets.items()},
        "total": whole,
    }


def words(length: int, bits: int, word_bits: int) -> int:
    """The words of a row; a weight wider than a word takes whole ones."""
    if bits > word_bits:
        return length * -(-bits // word_bits)
    return -(-length // (word_bits // bits))
