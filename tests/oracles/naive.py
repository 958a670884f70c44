"""The law of a timestep as plain loops, from the specification alone: one sample at a time."""

import math
from collections import Counter
from dataclasses import dataclass
from math import floor

import numpy as np
from oracles.geometry import (
    connections,
    has_integer_weights,
    listening,
    neurons,
    per_neuron,
    places_of,
    weights_of,
)
from oracles.kinds import own as of_file
from oracles.naive_bounded import Sums, is_bounded, leaked, leaks
from oracles.naive_exponential import power
from oracles.naive_switch import Slope
from oracles.naive_switch import encode as encode_pairs
from oracles.stimulus import encode, is_graded, scaled_image, uniform

GRADED = ("analog", "burst", "phase")  # kinds whose events may have any value
INT32 = np.iinfo(np.int32)
STATELESS = ("analog", "stochastic")
SET_FACTS = ("arrivals", "undelivered", "synops", "macs", "zero_synops", "rows", "touched")
POPULATION_FACTS = ("updates", "active_updates", "touched", "spikes", "pushes", "draws", "peak")


@dataclass
class Record:
    """What one sample did."""

    spikes: dict  # population -> [(timestep, neuron, value)]
    trace: dict  # population with a potential -> (T, neurons), v after the reset
    facts: dict  # part -> fact -> int
    accesses: dict  # set -> {arrivals a synapse carried: number of such synapses}
    queue: dict  # set -> [events arriving at t]
    decisions: list  # class at the end of each timestep
    decision: int
    sums: dict  # population of a width -> naive_bounded.Sums of its potential, its currents


# The graph


def incoming(network, population):
    """The names of the sets into a population, in order of name."""
    synapses = network["synapses"]
    return [name for name in sorted(synapses) if synapses[name]["target"] == population]


def visiting_order(network):
    """Populations, upstream first along sets of delay 0."""
    waiting = {name: set() for name in sorted(network["populations"])}
    for fields in network["synapses"].values():
        if fields.get("delay", 0) == 0:
            waiting[fields["target"]].add(fields["source"])
    order = []
    while waiting:
        ready = [name for name, sources in waiting.items() if sources <= set(order)]
        if not ready:
            raise ValueError(f"a cycle whose delays sum to 0 among {', '.join(waiting)}")
        order.append(ready[0])
        del waiting[ready[0]]
    return order


def is_integer(network, population, graded):
    """Whether current and potential of a population are integers."""
    sets = [network["synapses"][name] for name in incoming(network, population)]
    fits = []
    for fields in sets:
        spiking = not sends_values(network, fields["source"], graded)
        unscaled = has_integer_weights(fields) and "scale" not in fields
        plain = fields["kind"] == "identity" and weights_of(fields) is None
        fits.append(spiking and (unscaled or plain))
    return any(has_integer_weights(fields) for fields in sets) and all(fits)


# One visit


def checked(value):
    """The value, which must lie in int32 if it is an integer, and else be finite."""
    if isinstance(value, int):
        if not INT32.min <= value <= INT32.max:
            raise OverflowError(f"{value} leaves int32")
    elif not math.isfinite(value):
        raise OverflowError(f"{value} is not finite")
    return value


def field(value, shape, number):
    """A field of every neuron in the arithmetic of its population."""
    values = per_neuron(value, shape)
    if number is int and any(x != int(x) for x in values):
        raise ValueError("a field of an integer population is not a whole number")
    return [number(x) for x in values]


class Neurons:
    """The potentials and fields of one population, one entry per neuron."""

    def __init__(self, fields, number):
        self.kind, self.number = fields["kind"], number
        self.count = neurons(fields["shape"])
        self.fires = self.kind != "readout"
        names = ("threshold", "leak", "bias", "v_min", "v_reset", "v_init", "current_leak")
        names += ("current_bias",)
        for name in names:
            default = 0 if name in ("v_reset", "v_init") else None
            setattr(self, name, self.field(fields.get(name, default), fields["shape"]))
        self.compare = fields.get("compare", "ge")
        self.reset = fields.get("reset", "subtract")
        self.start, self.stop = fields.get("start", 0), fields.get("stop")
        self.refractory = fields.get("refractory", 0)
        self.v = list(self.v_init)
        self.rests_until = [-1] * self.count
        self.u = [number(0)] * self.count

    def field(self, value, shape):
        return None if value is None else field(value, shape, self.number)

    def listens(self, t):
        """Whether the neurons are updated at `t`."""
        return True

    def meets(self, j, v):
        """Whether `v` reaches the threshold of neuron j."""
        return v > self.threshold[j] if self.compare == "gt" else v >= self.threshold[j]

    def is_active(self, j, reached, current, t):
        """Whether a lazy machine must update neuron j now; `v` is still the old one."""
        return (
            reached
            or self.current_leak is not None
            or (self.bias is not None and self.bias[j] != 0)
            or (self.leak is not None and self.leak[j] != 1)
            or (self.fires and self.meets(j, self.v[j]))
        )

    def integrate(self, j, current):
        v = self.v[j]
        if self.leak is not None:
            v = self.leak[j] * v
        v = v + current
        if self.bias is not None:
            v = v + self.bias[j]
        checked(v)
        if self.v_min is not None:
            v = max(v, self.v_min[j])
        self.v[j] = v

    def visit(self, j, current, t):
        """Integrate, fire, reset; the value of the event of neuron j, 0 for none."""
        if self.current_leak is not None:
            current = self.current_leak[j] * self.u[j] + current
            if self.current_bias is not None:
                current = current + self.current_bias[j]
            self.u[j] = checked(current)
        if t <= self.rests_until[j]:
            return 0
        self.integrate(j, current)
        early, late = t < self.start, self.stop is not None and t >= self.stop
        return 0 if early or late or not self.fires else self.send(j, t)

    def send(self, j, t):
        """Fire and reset; the value of the event, 0 for none."""
        if not self.meets(j, self.v[j]):
            return 0
        self.v[j] = self.v_reset[j] if self.reset == "zero" else self.v[j] - self.threshold[j]
        self.rests_until[j] = t + self.refractory
        return 1


class Bounded(Neurons):
    """Integers of a declared width; with `each_add` what arrives goes into the potential."""

    def __init__(self, fields, number):
        if number is not int:
            raise ValueError("a population of a declared width with real weights")
        super().__init__(fields, number)
        self.fields, self.direct = fields, fields.get("overflow_at") == "each_add"
        overflow = fields.get("overflow", "error")
        signed = fields.get("potential_signed", True)
        self.sums = Sums(fields.get("potential_bits", 32), overflow, self.v, signed)
        self.current_sums = None
        if fields.get("current_bits"):
            self.current_sums = Sums(fields["current_bits"], overflow, [0])

    def is_active(self, j, reached, current, t):
        return leaks(self.fields) or super().is_active(j, reached, current, t)

    def begin(self):
        """Leak before what is added to the potential itself."""
        if self.direct:
            self.v = [leaked(v, self.fields) for v in self.v]

    def add(self, currents, j, weight, t):
        """Add an arriving weight to where it goes."""
        if self.direct:
            self.v[j] = self.sums.take(self.v[j] + weight, t, j)
        elif self.current_sums:
            currents[j] = self.current_sums.take(currents[j] + weight, t, j)
        else:
            currents[j] += weight

    def visit(self, j, current, t):
        self.now = t
        return super().visit(j, current, t)

    def integrate(self, j, current):
        v = self.v[j]
        if not self.direct:
            v = self.sums.take(leaked(v, self.fields) + current, self.now, j)
        if self.bias is not None:
            v = self.sums.take(v + self.bias[j], self.now, j)
        if self.v_min is not None:
            v = max(v, self.v_min[j])
        self.v[j] = v


class Signed(Neurons):
    """Signed neurons with the sum of what each has sent."""

    def __init__(self, fields, number):
        super().__init__(fields, number)
        lowest = fields.get("negative_threshold", fields["threshold"])
        self.negative_threshold = self.field(lowest, fields["shape"])
        self.sent = [0] * self.count

    def takes_back(self, j):
        return self.sent[j] > 0 and self.v[j] <= -self.negative_threshold[j]

    def is_active(self, j, reached, current, t):
        return super().is_active(j, reached, current, t) or self.takes_back(j)

    def send(self, j, t):
        value = 1 if self.v[j] >= self.threshold[j] else -1 if self.takes_back(j) else 0
        self.v[j] -= self.number(value) * self.threshold[j]
        self.sent[j] += value
        return value


class Burst(Neurons):
    """Burst neurons with the value of the next event of each."""

    def __init__(self, fields, number):
        super().__init__(fields, number)
        self.rule, self.most = fields.get("rule", "double"), fields.get("most", 2**31 - 1)
        self.size = [1] * self.count

    def is_active(self, j, reached, current, t):
        return super().is_active(j, reached, current, t) or self.size[j] != 1

    def send(self, j, t):
        value, self.size[j] = self.size[j], 1
        if self.v[j] < self.threshold[j] * self.number(value):
            return 0
        if self.rule == "count":
            value = min(floor(self.v[j] / self.threshold[j]), self.most)
        else:
            self.size[j] = 2 * value if 2 * value <= self.most else value
        self.v[j] -= self.threshold[j] * self.number(value)
        return value


class Phase(Neurons):
    """Phase neurons, whose threshold halves from timestep to timestep of a period."""

    def __init__(self, fields, number):
        super().__init__(fields, number)
        self.period = fields.get("period", 8)
        if number is int and any(x % 2**self.period for x in self.threshold):
            raise ValueError("a threshold is not a multiple of 2^period")

    def level(self, j, t):
        """The threshold of a timestep, which is a whole number where the potential is one."""
        return self.number(self.threshold[j] / 2 ** (1 + t % self.period))

    def is_active(self, j, reached, current, t):
        biased = self.bias is not None and self.bias[j] != 0
        return reached or biased or self.v[j] >= self.level(j, t)

    def send(self, j, t):
        if self.v[j] < self.level(j, t):
            return 0
        self.v[j] -= self.level(j, t)
        return 0.5 ** (1 + t % self.period)


class FirstSpike(Neurons):
    """Neurons that listen in one window and send at most one event in the next."""

    def __init__(self, fields, number):
        super().__init__(fields, number)
        self.window = fields["window"]
        self.rounding = [float(x) for x in per_neuron(fields.get("rounding", 0.5), fields["shape"])]
        self.slope = [number(0)] * self.count

    def listens(self, t):
        return self.start - self.window <= t < self.start

    def is_active(self, j, reached, current, t):
        biased = self.bias is not None and self.bias[j] != 0
        last = t == self.start - 1
        return self.listens(t) and bool(reached or last or biased or self.slope[j] != 0)

    def visit(self, j, current, t):
        if not self.listens(t):
            ratio = float(self.v[j]) / float(self.threshold[j])
            left = min(max(floor(ratio + self.rounding[j]), 0), self.window - 1)
            return int(left >= 1 and t == self.start + self.window - left)
        self.slope[j] = checked(self.slope[j] + current)
        self.v[j] = self.v[j] + self.slope[j]
        if self.bias is not None and t < self.start - 1:
            self.v[j] = self.v[j] + self.bias[j]
        checked(self.v[j])
        return 0


class Stateless:
    """A population of kind analog or stochastic; `draw(neuron, t)` is a random number.

    The currents, and what is counted, are those of its places.
    """

    def __init__(self, fields, number, event, draw):
        self.kind, self.fields, self.event, self.draw = fields["kind"], fields, event, draw
        self.count, self.neurons = neurons(listening(fields)), neurons(fields["shape"])
        self.places = [places_of(fields, j) for j in range(self.neurons)]
        self.bias = None
        if "bias" in fields:
            self.bias = field(fields["bias"], fields["shape"], number)
        self.biases = [0] * self.count  # of the neuron of each place
        for j, places in enumerate(self.places):
            for place in places:
                self.biases[place] = 0 if self.bias is None else self.bias[j]

    def listens(self, t):
        return True

    def is_active(self, place, reached):
        return self.kind == "stochastic" or reached or bool(self.biases[place] != 0)

    def visit(self, j, currents, t):
        """The value that neuron j sends, 0 where it sends nothing."""
        z = max(currents)
        if self.bias is not None:
            z = checked(z + self.bias[j])
        if self.kind == "analog":
            return self.event(z) if z > 0 else 0
        p = probability(float(z), self.fields.get("probability", "sigmoid"))
        fires = self.draw(j, t) < p if self.fields.get("sampled", True) else p > 0.5
        if self.fields.get("compare") == "ge":
            fires = z >= 0
        if fires:
            return 1
        return -1 if self.fields.get("output") == "bipolar" else 0


def probability(z, which):
    """The probability of firing."""
    if which == "hardtanh":
        return (min(max(z, -1.0), 1.0) + 1.0) / 2.0
    return 1.0 / (1.0 + power(-z))


def decayed(x, decay):
    """A fixed-point number after a decay in parts of 4096; rounds towards 0."""
    size = abs(x) * (4096 - decay) // 4096
    return size if x >= 0 else -size


class FixedPoint:
    """The states of a population of kind cuba; 64 stands for one."""

    def __init__(self, fields, number):
        shape = fields["shape"]
        self.count, self.refractory = neurons(shape), fields.get("refractory", 0)
        self.inclusive = fields.get("compare", "gt") == "ge"
        self.bias_start = fields.get("bias_start", 1)
        names = ("current_decay", "potential_decay", "threshold", "bias")
        values = [[int(x) for x in per_neuron(fields.get(name, 0), shape)] for name in names]
        self.current_decay, self.potential_decay, self.threshold, self.bias = values
        self.u, self.v = [0] * self.count, [0] * self.count
        self.rests_until = [-1] * self.count

    def listens(self, t):
        return True

    def is_active(self, j, reached, current, t):
        return True

    def visit(self, j, current, t):
        """Decay, integrate, fire, reset; 1 if neuron j fired."""
        self.u[j] = decayed(self.u[j], self.current_decay[j]) + int(64 * current)
        if t <= self.rests_until[j]:
            return 0
        v = decayed(self.v[j], self.potential_decay[j]) + self.u[j]
        v += 64 * self.bias[j] if t >= self.bias_start else 0
        self.v[j] = min(max(v, 1 - 2**23), 2**23 - 1)
        at = self.v[j] == 64 * self.threshold[j]
        if self.v[j] < 64 * self.threshold[j] or (at and not self.inclusive):
            return 0
        self.v[j], self.rests_until[j] = 0, t + self.refractory
        return 1


LAWS = {
    "cuba": FixedPoint,
    "signed": Signed,
    "burst": Burst,
    "phase": Phase,
    "ttfs": FirstSpike,
}  # other kinds that integrate: Neurons


class MaxPool:
    """The running sums of the sources of a max pool, the largest of each window, and what it costs.

    A window tells every change of its largest sum. Where that falls, nobody is there any more, and
    all members but the one in hand are read again.
    """

    def __init__(self, synapses, number):
        self.synapses, self.sums = synapses, [number(0)] * len(synapses)
        self.members = {}
        for source, own in enumerate(synapses):
            for target, _, _ in own:
                self.members.setdefault(target, []).append(source)
        self.largest = dict.fromkeys(self.members, number(0))
        self.comparisons = self.rescanned = 0

    def visit(self, events):
        """By how much the largest sums changed in a timestep in which these events arrive."""
        for source, value in events:
            self.sums[source] = checked(self.sums[source] + type(self.sums[source])(value))
            self.comparisons += len(self.synapses[source])
        changes = []
        for target, members in sorted(self.members.items()):
            before, now = self.largest[target], max(self.sums[member] for member in members)
            if now != before:
                changes.append((target, checked(now - before)))
            if now < before:
                self.rescanned += len(members) - 1
            self.largest[target] = now
        return changes


def origin(network, population):
    """The population whose events a max pool hands on; of another kind, itself."""
    seen = set()
    while network["populations"][population]["kind"] == "maxpool" and population not in seen:
        seen.add(population)
        [name] = incoming(network, population)
        population = network["synapses"][name]["source"]
    return population


def sends_values(network, population, graded):
    """Whether the events of a population may have any value; `graded`: those of the input."""
    source = origin(network, population)
    if source == network["input"]:
        return graded
    kind = kind_of(network, source)
    return kind in GRADED or getattr(of_file(kind, "Law"), "graded", False)


def kind_of(network, population):
    return network["populations"][population]["kind"]


def scale_of(fields, target_shape, dtype):
    """The scale of every target neuron, None where the set has none."""
    if "scale" not in fields:
        return None
    return [dtype(x) for x in per_neuron(fields["scale"], target_shape)]


def deliver(events, synapses, scale, graded, current, number):
    """Add the events of one set at one timestep to the current of the target."""
    if scale is not None and not graded:
        total = {}
        for source, value in events:
            for target, weight, _ in synapses[source]:
                total[target] = total.get(target, 0) + value * weight
        for target, integer in total.items():
            current[target] += scale[target] * number(checked(integer))
        return
    for source, value in events:
        for target, weight, _ in synapses[source]:
            weight = number(weight) if scale is None else scale[target] * number(weight)
            current[target] += number(value) * weight


# Facts


def rows_read(fields, synapses):
    """The rows of weights that one event of a source with these synapses reads."""
    if weights_of(fields) is None or not synapses:
        return 0
    if fields["kind"] == "conv":
        return len({synapse.element[:2] for synapse in synapses})
    return 1


def set_facts(fields, synapses, events, timesteps, graded):
    """The facts of a set, the (target, timestep) pairs it reached and what each source sent."""
    facts = dict.fromkeys(SET_FACTS, 0)
    pairs, delivered, queue = set(), Counter(), [0] * timesteps
    for t, source, _ in events:
        arrival = t + fields.get("delay", 0)
        if arrival >= timesteps:
            facts["undelivered"] += 1
            continue
        facts["arrivals"] += 1
        facts["rows"] += rows_read(fields, synapses[source])
        delivered[source] += 1
        queue[arrival] += 1
        for synapse in synapses[source]:
            facts["macs" if graded else "synops"] += 1
            facts["zero_synops"] += int(synapse.weight == 0)
            pairs.add((synapse.target, arrival))
    facts["touched"] = len(pairs)
    return facts, pairs, delivered, queue


def first_facts(fields, synapses, events, timesteps):
    """What the first timestep in which events of a set arrive does, and how many follow it."""
    arrivals = [(t + fields.get("delay", 0), source) for t, source, _ in events]
    arrivals = [(t, source) for t, source in arrivals if t < timesteps]
    first = min((t for t, _ in arrivals), default=timesteps - 1)
    sources = [source for t, source in arrivals if t == first]
    macs = sum(len(synapses[source]) for source in sources)
    later = timesteps - 1 - first
    return {"first_arrivals": len(sources), "first_macs": macs, "after_first": later}


def accesses_per_synapse(synapses, delivered):
    """How many synapses carried 0, 1, 2, ... arrivals."""
    histogram = Counter()
    for source, own in enumerate(synapses):
        for _ in own:
            histogram[delivered[source]] += 1
    return dict(histogram)


def spike_facts(network, population, events):
    """The facts that a population's events alone decide."""
    outgoing = [s for s in network["synapses"].values() if s["source"] == population]
    by_timestep = Counter(t for t, _, _ in events)
    return {
        "spikes": len(events),
        "pushes": len(events) * len(outgoing),
        "peak": max(by_timestep.values(), default=0),
    }


# The run


def law_of(fields):
    """What a population of these fields does."""
    if law := of_file(fields["kind"], "Law"):
        return law
    if fields["kind"] == "switch" or fields.get("slope"):
        return Slope
    if is_bounded(fields):
        return Bounded
    return LAWS.get(fields["kind"], Neurons)


class Sample:
    """One sample on its way through the network."""

    def __init__(self, network, timesteps, dtype, graded, draw, paired=False, queue=None):
        self.network, self.timesteps, self.dtype, self.graded = network, timesteps, dtype, graded
        # (depth, policy), if it is shared: the order of visits, the core of each target; a pair of
        # policies is that of the input and that of all others
        self.queue = queue
        self.rooms, self.waiting = {}, Counter()
        self.repeats = False  # the input sends the same at every timestep
        self.paired = paired  # the input sends two events, or none
        self.populations, self.sets = network["populations"], network["synapses"]
        self.numbers = {
            name: int if is_integer(network, name, graded) else dtype for name in self.populations
        }
        self.sent = {name: [[] for _ in range(timesteps)] for name in self.populations}
        self.synapses = {
            name: connections(fields, *self.shapes(fields), dtype)
            for name, fields in self.sets.items()
        }
        self.draws = dict.fromkeys(self.populations, 0)
        self.draw = draw
        self.state = {
            name: self.start(name, fields)
            for name, fields in self.populations.items()
            if fields["kind"] not in ("input", "maxpool")
        }
        self.pools = {
            name: MaxPool(self.synapses[incoming(network, name)[0]], dtype)
            for name, fields in self.populations.items()
            if fields["kind"] == "maxpool"
        }
        self.trace = {n: [] for n, own in self.state.items() if not isinstance(own, Stateless)}
        self.active = dict.fromkeys(self.state, 0)

    def start(self, name, fields):
        """A population at rest."""
        if fields["kind"] not in STATELESS:
            return law_of(fields)(fields, self.numbers[name])

        def draw(neuron, t):
            self.draws[name] += 1
            return self.draw(name, neuron, t)

        return Stateless(fields, self.numbers[name], self.dtype, draw)

    def shapes(self, fields):
        """The shapes of the source of a set and of its target as it sees it."""
        source, target = (self.populations[fields[end]] for end in ("source", "target"))
        return source["shape"], listening(target)

    def is_graded(self, fields):
        """Whether the source of a set is graded."""
        return sends_values(self.network, fields["source"], self.graded)

    def arriving(self, name, t):
        """The events of a set that arrive at `t`."""
        emitted = t - self.sets[name].get("delay", 0)
        events = self.sent[self.sets[name]["source"]][emitted] if emitted >= 0 else []
        return self.room(name, t, events)

    def policy(self, name):
        """What becomes of those events of a set that find no room."""
        policy = self.queue[1]
        if isinstance(policy, str):
            return policy
        return policy[self.sets[name]["source"] != self.network["input"]]

    def left(self, name, t, events):
        """How many events of a set find room at `t`: of a queue of its own, or of what is left."""
        depth, _, *shared = self.queue
        if not shared:
            return depth
        if (name, t) not in self.rooms:  # sets are asked in the order in which events queue
            core = shared[1][self.sets[name]["target"]]
            room = max(depth - self.waiting[core, t], 0)
            self.rooms[name, t] = room
            self.waiting[core, t] += min(room, len(events))  # the others are lost, or wait outside
        return self.rooms[name, t]

    def room(self, name, t, events):
        """Those of a set's events that arrive at `t` and find room in its queue."""
        if self.queue is None:
            return events
        room, policy = self.left(name, t, events), self.policy(name)
        if policy == "drop_old":
            return events[-room:]
        return events[:room] if policy == "drop_new" else events

    def arrive(self, name, t):
        """The current of every neuron at `t`, and the neurons that any event reached."""
        number = self.numbers[name]
        own = self.state[name]
        current, reached = [number(0)] * own.count, set()
        if isinstance(own, Bounded):
            own.begin()
        for incoming_name in incoming(self.network, name):
            fields, synapses = self.sets[incoming_name], self.synapses[incoming_name]
            events = self.arriving(incoming_name, t)
            scale = scale_of(fields, listening(self.populations[name]), self.dtype)
            if isinstance(own, Bounded):
                for source, value in events:
                    for target, weight, _ in synapses[source]:
                        own.add(current, target, int(value) * int(weight), t)
            else:
                deliver(events, synapses, scale, self.is_graded(fields), current, number)
            for source, _ in events:
                reached |= {synapse.target for synapse in synapses[source]}
        return current, reached

    def visit(self, name, t, lazy):
        """Advance one population by one timestep."""
        if name in self.pools:
            [only] = incoming(self.network, name)
            self.sent[name][t] = self.pools[name].visit(self.arriving(only, t))
            return
        own = self.state[name]
        current, reached = self.arrive(name, t)
        if isinstance(own, Stateless):
            self.sent[name][t] = self.send(name, [checked(x) for x in current], reached, t, lazy)
            return
        if isinstance(own, Slope):
            for incoming_name in incoming(self.network, name):
                for source, _ in self.arriving(incoming_name, t):
                    for synapse in self.synapses[incoming_name][source]:
                        own.lose(synapse.target)
        for j in range(own.count):
            is_active = own.is_active(j, j in reached, current[j], t)
            self.active[name] += int(is_active)
            if isinstance(own, Slope) and own.predicts(t):
                own.predictions += 1
                own.active_predictions += int(is_active)
            if lazy and own.listens(t) and not is_active:  # what it decided before it still sends
                continue
            value = own.visit(j, checked(current[j]), t)
            if value:
                self.sent[name][t].append((j, value))
        self.trace[name].append(list(own.v))

    def send(self, name, current, reached, t, lazy):
        """The events of a population without a potential."""
        own, sent = self.state[name], []
        active = [own.is_active(place, place in reached) for place in range(own.count)]
        self.active[name] += sum(active)
        for j, places in enumerate(own.places):
            currents = [current[place] for place in places if active[place] or not lazy]
            if currents and (value := own.visit(j, currents, t)):
                sent.append((j, value))
        return sent

    def spikes(self, name):
        """The events of a population: [(timestep, neuron, value)]."""
        return [(t, j, value) for t, events in enumerate(self.sent[name]) for j, value in events]

    def has_integers(self, name):
        """Whether the potentials of a population are integers, whatever arrives there."""
        return self.numbers[name] is int or isinstance(self.state[name], FixedPoint)

    def traces(self):
        return {
            name: np.array(rows, dtype=np.int32 if self.has_integers(name) else self.dtype)
            for name, rows in self.trace.items()
        }

    def kept(self, name, events, delay):
        """The events of a set's source that find room, or are due after the end."""
        found = []
        for t in range(self.timesteps):
            own = [event for event in events if event[0] == t]
            found += self.room(name, t + delay, own) if t + delay < self.timesteps else own
        return found

    def record(self):
        """Everything that is known at the end."""
        facts, accesses, queue = {}, {}, {}
        touched = {name: set() for name in self.populations}
        for name, fields in self.sets.items():
            events, synapses = self.spikes(fields["source"]), self.synapses[name]
            kept = self.kept(name, events, fields.get("delay", 0))
            facts[name], pairs, delivered, queue[name] = set_facts(
                fields, synapses, kept, self.timesteps, self.is_graded(fields)
            )
            if self.queue is not None:
                all_facts, _, _, queue[name] = set_facts(
                    fields, synapses, events, self.timesteps, self.is_graded(fields)
                )
                lost = {f: all_facts[f] - facts[name][f] for f in ("arrivals", "synops", "macs")}
                rooms = [self.left(name, t, []) for t in range(self.timesteps)]
                over = sum(max(n - room, 0) for n, room in zip(queue[name], rooms, strict=True))
                facts[name]["dropped"] = lost["arrivals"]
                facts[name]["dropped_synops"] = lost["synops"] + lost["macs"]
                facts[name]["stalled"] = over if self.policy(name) == "stall" else 0
                if self.repeats and fields["source"] == self.network["input"]:
                    facts[name] |= first_facts(fields, synapses, kept, self.timesteps)
            accesses[name] = accesses_per_synapse(synapses, delivered)
            touched[fields["target"]] |= pairs
        spikes = {name: self.spikes(name) for name in self.populations}
        sums = {
            name: [s for s in (own.sums, own.current_sums) if s]
            for name, own in self.state.items()
            if isinstance(own, Bounded)
        }
        for name in self.populations:
            facts[name] = dict.fromkeys(POPULATION_FACTS, 0)
            facts[name] |= spike_facts(self.network, name, spikes[name])
            facts[name]["touched"] = len(touched[name])
        for name, own in self.state.items():
            facts[name]["updates"] = own.count * sum(map(own.listens, range(self.timesteps)))
            if self.populations[name]["kind"] == "switch":
                counted = {"drains": own.drains, "lost_synops": own.lost, "near": own.near}
                facts[name] |= counted
                if own.delta is not None:
                    facts[name]["predictions"] = own.predictions
                    facts[name]["active_predictions"] = own.active_predictions
            facts[name] |= getattr(own, "facts", {})  # of the kind alone
            facts[name]["active_updates"] = self.active[name]
            if "potential_bits" in self.populations[name]:
                facts[name]["overflows"] = sum(s.overflows for s in sums[name])
        for name, pool in self.pools.items():
            facts[name] |= {"gate_updates": pool.comparisons, "rescanned": pool.rescanned}
        for name, drawn in self.draws.items():
            facts[name]["draws"] = drawn
        if self.paired:
            facts[self.network["input"]]["clipped"] = self.clipped
        trace = self.traces()
        decisions = decide(self.network, trace, spikes, self.timesteps)
        return Record(spikes, trace, facts, accesses, queue, decisions, decisions[-1], sums)


def decide(network, trace, spikes, timesteps):
    """The class at the end of each timestep; ties go to the lowest index."""
    output = network["output"]
    fields = network["populations"][output]
    if fields["kind"] == "readout":
        scores = trace[output]
    else:
        scores = np.zeros((timesteps, neurons(fields["shape"])))
        for t, j, value in spikes[output]:
            scores[t:, j] += value
    return [int(np.argmax(scores[t])) for t in range(timesteps)]


def simulate(
    network,
    inputs,
    timesteps,
    coding,
    seed=0,
    sample=0,
    dtype=np.float32,
    lazy=False,
    graded=None,
    queue=None,
):
    """Run one sample: a raw image, or the events [(timestep, neuron, value)] of coding `events`.

    `lazy` really skips every neuron that is not active. `graded` is what an event file says of
    itself; without it all its values decide.
    """
    order = sorted(network["populations"])

    def draw(population, neuron, t):
        return uniform(seed, neuron, t, sample, order.index(population))

    def input_draw(neuron, t):
        run.draws[source] += 1
        return draw(source, neuron, t)

    graded, source = is_graded(coding, inputs, graded), network["input"]
    run = Sample(network, timesteps, dtype, graded, draw, coding == "switch", queue)
    run.clipped, run.repeats = 0, coding == "constant"
    if coding == "switch":
        values = scaled_image(network["populations"][source], inputs, dtype)
        run.clipped = sum(abs(x) > 1 for x in values)
        run.sent[source] = encode_pairs(values, network["window"], timesteps)
    else:
        run.sent[source] = encode(network, inputs, timesteps, coding, input_draw, dtype, graded)
    for t in range(timesteps):
        for name in (queue and queue[2:] and queue[2]) or visiting_order(network):
            if name != network["input"]:
                try:
                    run.visit(name, t, lazy)
                except OverflowError as error:
                    raise OverflowError(f"{name}, timestep {t}: {error}") from None
    return run.record()
