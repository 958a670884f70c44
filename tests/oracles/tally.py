"""The law once more, under a machine, over arrays and numbers that count what is done to them.

Every read, write, addition, comparison, push and pop is booked where it happens, to the part at
work; nothing is computed from facts, and no action is named beside what is done. Spikes come from
the same numbers. Sums are exact on a power-of-two grid, so that a weight may go straight into a
potential.
"""

from contextlib import contextmanager
from math import floor
from typing import NamedTuple

from oracles.geometry import connections, listening, neurons, weights_of
from oracles.kinds import own as of_file
from oracles.naive import (
    LAWS,
    STATELESS,
    Bounded,
    FixedPoint,
    Neurons,
    Stateless,
    decayed,
    incoming,
    probability,
    scale_of,
    sends_values,
    visiting_order,
)
from oracles.naive_bounded import held, is_bounded, leaked, leaks
from oracles.naive_switch import Slope
from oracles.naive_switch import encode as encode_pairs
from oracles.stimulus import encode, is_graded, scaled_image, uniform

ACTIONS = (
    *("event_pop", "event_push", "synaptic_add", "synaptic_mac", "weight_read", "index_read"),
    *("current_read", "current_write", "potential_read", "potential_write", "commit_add"),
    *("bias_read", "bias_add", "compare", "leak", "reset_subtract", "reset_write"),
    *("random_draw", "slope_read", "slope_write", "slope_add"),
    *("prediction_multiply", "prediction_add"),
    *("state_read", "state_write", "state_multiply", "state_add"),
)
# What an addition is called after the role of what is added.
ADDITIONS = {
    "weight": "synaptic_add",
    "product": "synaptic_mac",
    "current": "commit_add",
    "bias": "bias_add",
    "slope": "slope_add",
    "prediction": "prediction_add",
    "state": "state_add",
}


class Ledger:
    """What every part did so far."""

    def __init__(self, parts):
        self.actions = {part: dict.fromkeys(ACTIONS, 0) for part in parts}
        self.part = None

    @contextmanager
    def at_work(self, part):
        """Book what happens inside to `part`."""
        before, self.part = self.part, part
        yield
        self.part = before

    def book(self, action):
        self.actions[self.part][action] += 1


class Number:
    """A number that books what is computed with it; its role says what an addition is."""

    def __init__(self, ledger, value, role):
        self.ledger, self.value, self.role = ledger, value, role

    def like(self, value):
        return Number(self.ledger, value, self.role)

    def __add__(self, other):
        self.ledger.book(ADDITIONS["state" if self.role == "state" else other.role])
        return self.like(self.value + other.value)

    def __sub__(self, threshold):
        self.ledger.book("reset_subtract")
        return self.like(self.value - threshold.value)

    def __mul__(self, leak):
        self.ledger.book("state_multiply" if self.role == "state" else "leak")
        return self.like(self.value * leak.value)

    def __ge__(self, threshold):
        self.ledger.book("compare")
        return self.value >= threshold.value

    def __gt__(self, threshold):
        self.ledger.book("compare")
        return self.value > threshold.value

    def leaked(self, rule):
        """What a leak that is no product makes of this."""
        self.ledger.book("leak")
        return self.like(rule(self.value))

    def side(self, threshold, lowest):
        """1 from one threshold on, -1 down to the other, else 0: one comparison with two levels."""
        self.ledger.book("compare")
        return int(self.value >= threshold) - int(self.value <= lowest)

    def overwritten(self, reset):
        self.ledger.book("reset_write")
        return self.like(reset.value)

    def still_due(self, factor):
        """What this will have brought after some more timesteps."""
        self.ledger.book("prediction_multiply")
        return Number(self.ledger, self.value * factor, "prediction")

    def carried_by(self, value, graded):
        """This weight as an event of `value` brings it; a sign is no multiplication."""
        role = "product" if graded else "weight"
        return Number(self.ledger, self.value * value, role)


class Memory:
    """An array that books its reads and writes."""

    def __init__(self, ledger, name, values):
        self.ledger, self.name, self.values = ledger, name, values

    def __getitem__(self, place):
        self.ledger.book(f"{self.name}_read")
        return Number(self.ledger, self.values[place], self.name)

    def __setitem__(self, place, number):
        self.ledger.book(f"{self.name}_write")
        self.values[place] = number.value


class Registers:
    """As a memory, but reading and writing is free."""

    def __init__(self, ledger, name, values):
        self.ledger, self.name, self.values = ledger, name, values

    def __getitem__(self, place):
        return Number(self.ledger, self.values[place], self.name)

    def __setitem__(self, place, number):
        self.values[place] = number.value


class Queue:
    """The events of one set on their way, by timestep of arrival."""

    def __init__(self, ledger):
        self.ledger, self.waiting = ledger, {}

    def push(self, arrival, event, booked):
        if booked:
            self.ledger.book("event_push")
        self.waiting.setdefault(arrival, []).append(event)

    def pop(self, arrival, booked):
        for event in self.waiting.pop(arrival, []):
            if booked:
                self.ledger.book("event_pop")
            yield event


class Synapses:
    """One set: its queue, its weights and indices, and what the machine caches of it."""

    def __init__(self, ledger, fields, shapes, graded, cached):
        self.fields, self.graded, self.cached = fields, graded, cached
        self.delay = fields.get("delay", 0)
        self.queue = Queue(ledger)
        self.first_delivery = None
        self.synapses = connections(fields, *shapes, float)
        scale = scale_of(fields, shapes[1], float)
        # A weight only ever reaches one output channel, hence it has one scale.
        weights = {
            element: weight * scale[target] if scale else weight
            for own in self.synapses
            for target, weight, element in own
        }
        # A pool and an identity without weight keep their one constant at hand.
        store = Memory if weights_of(fields) is not None else Registers
        self.weight = store(ledger, "weight", weights)
        if fields["kind"] == "sparse":
            self.indices = Memory(ledger, "index", fields["indices"])
            self.indptr = Memory(ledger, "index", fields["indptr"])

    def reached(self, source):
        """(target, place of the weight) of each synapse of a source, read as the kind stores it."""
        if self.fields["kind"] != "sparse":
            return [(target, element) for target, _, element in self.synapses[source]]
        row = range(self.indptr[source].value, self.indptr[source + 1].value)
        return [(int(self.indices[k].value), (k,)) for k in row]

    def is_booked(self, arrival):
        """Whether what arrives then is work at all: of a cached set only the first delivery is."""
        return not self.cached or arrival == self.first_delivery

    def push(self, arrival, events, timesteps):
        """Take what the source emits."""
        if events and self.first_delivery is None and arrival < timesteps:
            self.first_delivery = arrival
        for event in events:
            self.queue.push(arrival, event, self.is_booked(arrival))


class Integrator:
    """One population of kind iaf, lif or readout, with its memories.

    Thresholds, leaks and other constants, and what decides whether a neuron may fire (its rest, the
    sum of what it sent, the size of its next event), are part of its circuit, not of a memory.
    """

    unit = 1  # of a weight in the memories

    def __init__(self, ledger, fields, incoming_sets, accumulate, update):
        self.ledger, self.incoming, self.update = ledger, incoming_sets, update
        self.fields, self.direct = fields, accumulate == "direct"
        self.law = self.law_of(fields)
        zero = self.zero()
        self.potential = Memory(ledger, "potential", self.at_rest())
        place = Memory if accumulate == "buffer" else Registers
        self.current = place(ledger, "current", [zero] * self.law.count)
        self.accumulator = self.potential if self.direct else self.current
        self.cache, self.fresh = Memory(ledger, "current", [0.0] * self.law.count), []
        self.bias = None
        if "bias" in fields:
            self.bias = Memory(ledger, "bias", self.biases())

    def law_of(self, fields):
        """The fields of every neuron, who is active, and what else the circuit knows."""
        return Neurons(fields, float)

    def at_rest(self):
        """The potentials before the first timestep."""
        rest = list(self.law.v_init)
        if self.direct and self.law.leak is not None:
            # Weights are added to the potential as they come, so it is kept leaked already.
            rest = [leak * v for leak, v in zip(self.law.leak, rest, strict=True)]
        return rest

    def biases(self):
        return self.law.bias

    def zero(self):
        """What an empty word of an accumulator holds."""
        return 0.0

    def number(self, value, role="potential"):
        """A number that is in no memory."""
        return Number(self.ledger, value, role)

    def constant(self, field, j):
        return self.number(getattr(self.law, field)[j], field)

    def remember(self):
        """Let the law know the potentials of the timestep before, which say who is active."""
        self.law.v = list(self.potential.values)

    def visit(self, name, t):
        """One timestep: the events of the neurons that fired."""
        self.remember()
        arrived = set()
        for set_name, synapses in self.incoming.items():
            with self.ledger.at_work(set_name):
                arrived |= self.arrive(synapses, t)
        with self.ledger.at_work(name):
            sent = self.advance(t, arrived, self.read_cache(t))
        self.fill_cache()
        return [(j, value) for j, value in sent if value]

    def advance(self, t, arrived, cached):
        """Update the neurons: (neuron, value of its event or 0) of each."""
        return [(j, self.step(j, t, j in arrived, cached[j])) for j in range(self.law.count)]

    def arrive(self, synapses, t):
        """Deliver the events of one set; the neurons that they reach."""
        arrived, booked = set(), synapses.is_booked(t)
        for source, value in synapses.queue.pop(t, booked):
            arrived |= {target for target, _, _ in synapses.synapses[source]}
            for target, place in synapses.reached(source) if booked else []:
                weight = synapses.weight[place].carried_by(self.unit * value, synapses.graded)
                self.accumulator[target] = self.accumulator[target] + weight
                if synapses.cached:
                    self.fresh.append((target, weight.value))
        return arrived

    def read_cache(self, t):
        """What the cached sets bring to each neuron, once one of them has delivered before."""
        starts = [s.first_delivery for s in self.incoming.values() if s.cached]
        if not any(start is not None and start < t for start in starts):
            return [0.0] * self.law.count
        empty = self.number(0.0)
        return [(empty + self.cache[j]).value for j in range(self.law.count)]

    def fill_cache(self):
        """Keep what a first delivery brought; this is no action of its own."""
        for target, current in self.fresh:
            self.cache.values[target] += current
        self.fresh = []

    def is_skipped(self, j, t, arrived):
        return self.update == "active" and not self.law.is_active(j, arrived, 0, t)

    def taken(self, j, arrived):
        """Read the current of a neuron, and clear it where anything arrived."""
        current = self.current[j]
        if arrived:
            self.current[j] = self.number(self.zero())
        return current

    def step(self, j, t, arrived, cached):
        """Update one neuron, also a resting one, whose outcome is thrown away; what it sends."""
        law, before = self.law, self.law.v[j]
        if self.is_skipped(j, t, arrived):
            return 0
        v = self.potential[j]
        if not self.direct:
            v = self.leaked(v, j) + self.taken(j, arrived)
        v = v.like(v.value + cached)
        if self.bias is not None:
            v = v + self.bias[j]
        v = self.raised(v, j)
        resting = t <= law.rests_until[j]
        v, value = self.fire(v, j, t, resting)
        if self.direct:
            v = self.leaked(v, j)
        self.potential[j] = v.like(before) if resting else v
        return value

    def leaked(self, v, j):
        return v if self.law.leak is None else v * self.constant("leak", j)

    def raised(self, v, j):
        """The potential, at least v_min."""
        return v if self.law.v_min is None else v.like(max(v.value, self.law.v_min[j]))

    def fire(self, v, j, t, resting):
        """The potential after the reset, and the value of the event, 0 for none."""
        law = self.law
        early, late = t < law.start, law.stop is not None and t >= law.stop
        if not (law.fires and self.compare(v, j) and not early and not late and not resting):
            return v, 0
        law.rests_until[j] = t + law.refractory
        return self.reset(v, j), 1

    def compare(self, v, j):
        threshold = self.constant("threshold", j)
        return v > threshold if self.law.compare == "gt" else v >= threshold

    def reset(self, v, j):
        if self.law.reset == "zero":
            return v.overwritten(self.constant("v_reset", j))
        return v - self.constant("threshold", j)


class Terms(NamedTuple):
    """What a word of integers of a width holds until the update: a potential, and what was added.

    Where a sum leaves its width is the law's to say (at each addition or once, as a potential or as
    a current), on every machine alike: hence the terms, in their order, and not the sum.
    """

    v: int
    added: tuple = ()

    def __add__(self, other):
        terms = other.added if isinstance(other, Terms) else (int(other),)
        return Terms(self.v, self.added + terms)


class OfWidth(Integrator):
    """One population of integers of a declared width, or with a leak of integers."""

    def law_of(self, fields):
        return Bounded(fields, int)

    def at_rest(self):
        return [Terms(v) for v in self.law.v_init]

    def zero(self):
        return Terms(0)

    def remember(self):
        self.law.v = [word.v for word in self.potential.values]

    def step(self, j, t, arrived, cached):
        """Update one neuron; what it sends."""
        law, before = self.law, self.law.v[j]
        if self.is_skipped(j, t, arrived):
            return 0
        word = self.potential[j]
        if not self.direct:
            word = word + self.taken(j, arrived)
        if "leak" in self.fields or leaks(self.fields):
            word = word.leaked(lambda held: Terms(leaked(held.v, self.fields), held.added))
        resting = t <= law.rests_until[j]  # what is thrown away leaves no width
        v = word.like(before if resting else self.summed(word.value))
        if self.bias is not None:
            v = v + self.bias[j]
            v = v if resting else v.like(self.held(v.value))
        v, value = self.fire(self.raised(v, j), j, t, resting)
        self.potential[j] = v.like(Terms(before if resting else v.value))
        return value

    def summed(self, terms):
        """The potential that the terms add up to, each sum in its width."""
        if self.fields.get("overflow_at") == "each_add":
            v = terms.v
            for weight in terms.added:
                v = self.held(v + weight)
            return v
        current, bits = 0, self.fields.get("current_bits")
        for weight in terms.added:
            current = current + weight
            if bits:
                current = held(current, bits, self.fields.get("overflow", "error"))
        return self.held(terms.v + current)

    def held(self, v):
        """What a potential holds of a sum."""
        fields = self.fields
        signed = fields.get("potential_signed", True)
        return held(v, fields.get("potential_bits", 32), fields.get("overflow", "error"), signed)


class Valued(Integrator):
    """One population of kind signed, burst or phase, whose events have a sign or a value."""

    def law_of(self, fields):
        return LAWS[fields["kind"]](fields, float)

    def fire(self, v, j, t, resting):
        value, drop = getattr(self, self.law.kind)(v, j, t)
        return (v - self.number(drop), value) if value else (v, 0)

    def signed(self, v, j, t):
        """The value of the event, 0 for none, and what it takes from the potential."""
        law, threshold = self.law, self.law.threshold[j]
        side = v.side(threshold, -law.negative_threshold[j])
        if t < law.start or side == 0 or (side < 0 and law.sent[j] <= 0):
            return 0, 0
        law.sent[j] += side
        return side, side * threshold

    def burst(self, v, j, t):
        law, threshold = self.law, self.law.threshold[j]
        size = law.size[j]
        met = v >= self.number(threshold * size)
        law.size[j] = 1
        if t < law.start or not met:
            return 0, 0
        if law.rule == "count":
            size = min(floor(v.value / threshold), law.most)
        elif 2 * size <= law.most:
            law.size[j] = 2 * size
        else:
            law.size[j] = size
        return size, threshold * size

    def phase(self, v, j, t):
        share = 0.5 ** (1 + t % self.law.period)
        level = self.law.threshold[j] * share
        met = v >= self.number(level)
        return (share, level) if met and t >= self.law.start else (0, 0)


class TwoStates(Integrator):
    """One population with a synaptic current of its own: cubalif, a readout with one."""

    def __init__(self, ledger, fields, incoming_sets, accumulate, update):
        super().__init__(ledger, fields, incoming_sets, accumulate, update)
        self.lasting = Memory(ledger, "current", [0.0] * self.law.count)
        if self.direct:  # as they come, so it is kept faded already
            self.accumulator = self.lasting
        self.current_bias = None
        if "current_bias" in fields:
            self.current_bias = Memory(ledger, "bias", self.law.current_bias)

    def at_rest(self):
        return list(self.law.v_init)

    def step(self, j, t, arrived, cached):
        """Update one neuron; of a resting one the current goes on. What it sends."""
        law, before = self.law, self.law.v[j]
        u, v = self.lasting[j], self.potential[j]
        if not self.direct:
            u = self.faded(u, j) + self.taken(j, arrived)
        u = self.cut(u.like(u.value + cached), j)
        if self.current_bias is not None:
            u = u + self.current_bias[j]
        self.lasting[j] = self.faded(u, j) if self.direct else u
        v = self.leaked(v, j) + u
        if self.bias is not None:
            v = v + self.bias_at(j, t)
        resting = t <= law.rests_until[j]
        v, value = self.fire(self.raised(v, j), j, t, resting)
        self.potential[j] = v.like(before) if resting else v
        return value

    def cut(self, u, j):
        """The current with what arrived as the law holds it."""
        return u

    def faded(self, u, j):
        return u * self.constant("current_leak", j)

    def bias_at(self, j, t):
        return self.bias[j]


class Cuba(TwoStates):
    """One population of kind cuba, in fixed point."""

    unit = 64  # what stands for one

    def law_of(self, fields):
        return FixedPoint(fields, int)

    def at_rest(self):
        return [0] * self.law.count

    def remember(self):
        """Nothing: a neuron is always active. What the currents were is kept for `cut`."""
        self.before = list(self.lasting.values)

    def cut(self, u, j):
        """What arrived is cut to a whole number, towards 0."""
        before = self.before[j]
        kept = before if self.direct else decayed(before, self.law.current_decay[j])
        return u.like(kept + int(u.value - kept))

    def faded(self, u, j):
        return u.leaked(lambda value: decayed(value, self.law.current_decay[j]))

    def leaked(self, v, j):
        return v.leaked(lambda value: decayed(value, self.law.potential_decay[j]))

    def bias_at(self, j, t):
        """Before its first timestep a bias is read and nothing added."""
        bias = self.bias[j]
        return bias.like(self.unit * bias.value if t >= self.law.bias_start else 0)

    def raised(self, v, j):
        return v.like(min(max(v.value, 1 - 2**23), 2**23 - 1))

    def fire(self, v, j, t, resting):
        threshold = self.number(self.unit * self.law.threshold[j])
        if not (v >= threshold if self.law.inclusive else v > threshold) or resting:
            return v, 0
        self.law.rests_until[j] = t + self.law.refractory
        return v.overwritten(self.number(0)), 1


class Ramp(Integrator):
    """One population of kind ttfs: events add to its slope, and the potential takes the slope.

    Every listening update compares, as the table has it; the law uses the last alone, by which the
    duration is known.
    """

    def __init__(self, ledger, fields, incoming_sets, accumulate, update):
        super().__init__(ledger, fields, incoming_sets, accumulate, update)
        self.slope = Memory(ledger, "slope", [0.0] * self.law.count)
        if self.direct:
            self.accumulator = self.slope
        self.durations = [0] * self.law.count

    def law_of(self, fields):
        return LAWS[fields["kind"]](fields, float)

    def at_rest(self):
        return list(self.law.v_init)

    def remember(self):
        super().remember()
        self.law.slope = list(self.slope.values)

    def step(self, j, t, arrived, cached):
        """Update one neuron where it listens; the value of the event it sends."""
        if not self.law.listens(t):
            self.lose(j, arrived)
            return self.sent(j, t)
        return 0 if self.is_skipped(j, t, arrived) else self.listen(j, t, arrived, cached)

    def lose(self, j, arrived):
        """Nobody listens to what arrived: it is cleared."""
        if self.direct:
            self.slope.values[j] = self.law.slope[j]
        elif arrived:
            self.current[j] = self.number(0.0)

    def listen(self, j, t, arrived, cached):
        slope, v = self.slope[j], self.potential[j]
        if not self.direct:
            slope = slope + self.taken(j, arrived)
        slope = slope.like(slope.value + cached)
        v = v + slope
        if self.bias is not None:
            v = v + self.bias_at(j, t)
        v, value = self.decide(v, j, t)
        if self.direct:
            self.slope.values[j] = slope.value  # which is new only with what is cached
        else:
            self.slope[j] = slope
        self.potential[j] = v
        return value

    def bias_at(self, j, t):
        """In the last listening timestep a bias is read and nothing added."""
        bias = self.bias[j]
        return bias if t < self.law.start - 1 else bias.like(0)

    def decide(self, v, j, t):
        """The potential after the decision, and the value of an event that is sent at once."""
        self.compare(v, j)
        if t == self.law.start - 1:
            self.durations[j] = self.duration(v, j)
        return v, 0

    def compare(self, v, j):
        return v >= self.constant("threshold", j)

    def duration(self, v, j):
        steps = floor(v.value / self.law.threshold[j] + self.law.rounding[j])
        return min(max(steps, 0), self.law.window - 1)

    def sent(self, j, t):
        """The event of a neuron that has listened, the earlier the longer its duration."""
        law, duration = self.law, self.durations[j]
        return int(duration >= 1 and t == law.start + law.window - duration)


class Sloping(Ramp):
    """One population whose events add to a slope: kind switch, a readout with a slope."""

    def law_of(self, fields):
        return Slope(fields, float)

    def bias_at(self, j, t):
        """Where it is not due a bias is read and nothing added."""
        bias = self.bias[j]
        return bias if self.law.adds_bias(t) else bias.like(0)

    def decide(self, v, j, t):
        if self.law.firing == "online":
            return self.toggle(v, j, t)
        return super().decide(v, j, t) if self.law.kind == "switch" else (v, 0)

    def duration(self, v, j):
        steps = floor(v.value / self.law.threshold[j] + self.law.rounding)
        return min(max(steps, 0), self.law.window - 1)

    def sent(self, j, t):
        """+1 in the first timestep of the window, -1 after the duration."""
        start, duration = self.law.start, self.durations[j]
        if not duration or t not in (start, start + duration):
            return 0
        return 1 if t == start else -1

    def toggle(self, v, j, t):
        """On and off, once; a neuron that is off for good is compared as well."""
        law, before = self.law, j not in self.law.on and j not in self.law.off_at
        x = v
        if law.predicts(t):
            growth = v.like(v.value - law.v[j])
            x = v + growth.still_due(law.prediction * law.left(t))
        met = x >= self.constant("onset" if before else "threshold", j)
        met = met and not law.ends(t)
        if before:
            if not met or t < law.start:
                return v, 0
            law.on.add(j)
            return v - self.constant("threshold", j), 1
        if j in law.off_at:
            return v, 0
        if met:
            return v - self.constant("threshold", j), 0
        law.on.discard(j)
        law.off_at[j] = t
        return v, -1


class Sender(Integrator):
    """One population of kind analog or stochastic: a sum for each place, cleared when read.

    `draw(neuron, t)` is a random number, which books itself.
    """

    def __init__(self, ledger, fields, incoming_sets, accumulate, update, draw):
        self.draw = draw
        super().__init__(ledger, fields, incoming_sets, accumulate, update)

    def law_of(self, fields):
        return Stateless(fields, float, float, self.draw)

    def at_rest(self):
        return [0.0] * self.law.count

    def biases(self):
        return self.law.biases

    def remember(self):
        """There is no potential of a timestep before."""

    def is_skipped(self, place, t, arrived):
        return self.update == "active" and not self.law.is_active(place, arrived)

    def advance(self, t, arrived, cached):
        sent = []
        for j, places in enumerate(self.law.places):
            taken = [self.take(p, t, p in arrived, cached[p]) for p in places]
            sums = [z for z in taken if z is not None]
            sent.append((j, getattr(self, self.law.kind)(sums, j, t) if sums else 0))
        return sent

    def take(self, place, t, arrived, cached):
        """Read and clear the sum of a place; None if it is skipped."""
        if self.is_skipped(place, t, arrived):
            return None
        z = self.potential[place]
        if not self.direct:
            z = z + self.taken(place, arrived)
        z = z.like(z.value + cached)
        if self.bias is not None:
            z = z + self.bias[place]
        self.potential[place] = z.like(0.0)
        return z

    def analog(self, sums, j, t):
        """The largest of the sums that are above 0, which is what is sent."""
        largest = self.number(0.0)
        for z in sums:
            largest = z if z > largest else largest
        return largest.value

    def stochastic(self, sums, j, t):
        """The largest sum gives a probability, which is compared with a number."""
        largest, *others = sums
        for z in others:
            largest = z if z > largest else largest
        p = self.number(probability(largest.value, self.fields.get("probability", "sigmoid")))
        if self.fields.get("compare") == "ge":  # one comparison, too
            p = self.number(1.0 if largest.value >= 0 else 0.0)
        if p > self.number(self.draw(j, t) if self.fields.get("sampled", True) else 0.5):
            return 1
        return -1 if self.fields.get("output") == "bipolar" else 0


class MaxPool:
    """One population of kind maxpool: every window has the running sums of its sources in memory.

    What arrives is added to one of them and compared with the largest of the window, which is in a
    register with those that are as large. Once none is left the window is read again, but for the
    sum that was changed last and is still in hand.
    """

    def __init__(self, ledger, neurons, incoming_sets):
        self.ledger, self.neurons = ledger, neurons
        [(self.set_name, self.set)] = incoming_sets.items()
        self.members = {}
        for source, own in enumerate(self.set.synapses):
            for target, _, _ in own:
                self.members.setdefault(target, []).append(source)
        windows = {(k, source): 0.0 for k, own in self.members.items() for source in own}
        self.sums = Memory(ledger, "potential", windows)
        self.largest = dict.fromkeys(self.members, 0.0)
        self.at_largest = {target: set(members) for target, members in self.members.items()}
        # Behind a cached input every event is compared all the same: what the table adds there for
        # reading the cache has no use, and nothing to hold.
        self.cache = Memory(ledger, "current", [0.0] * neurons)

    def visit(self, name, t):
        """One timestep: the changes of the largest sums."""
        booked, first = self.set.is_booked(t), self.set.first_delivery
        with self.ledger.at_work(self.set_name):
            events = sorted(self.set.queue.pop(t, booked))
        if self.set.cached and first is not None and first < t:
            with self.ledger.at_work(name):
                for j in range(self.neurons):
                    Number(self.ledger, 0.0, "potential") + self.cache[j]
        before, in_hand = dict(self.largest), {}
        for source, value in events:
            for target, _ in self.set.reached(source):
                with self.ledger.at_work(self.set_name):
                    total = self.add(target, source, value, booked)
                with self.ledger.at_work(name):
                    self.meet(target, source, total)
                in_hand[target] = source, total
        with self.ledger.at_work(name):
            for target, (source, total) in in_hand.items():
                if not self.at_largest[target]:
                    self.scan(target, source, total)
        changes = {target: self.largest[target] - before[target] for target in in_hand}
        return sorted((target, change) for target, change in changes.items() if change)

    def add(self, target, source, value, booked):
        """The sum of a source in a window after an event; after what is cached it is not booked."""
        if not booked:
            self.sums.values[target, source] += value
            return Number(self.ledger, self.sums.values[target, source], "potential")
        event = Number(self.ledger, 1.0, "weight").carried_by(value, self.set.graded)
        total = self.sums[target, source] + event
        self.sums[target, source] = total
        return total

    def meet(self, target, source, total):
        """Compare a changed sum with the largest: it is above, as large, or below."""
        side = total.side(self.largest[target], self.largest[target])
        if side > 0:
            self.largest[target], self.at_largest[target] = total.value, {source}
        elif side == 0:
            self.at_largest[target].add(source)
        else:
            self.at_largest[target].discard(source)

    def scan(self, target, source, total):
        """Find the largest sum of a window that lost it, beginning with the one in hand."""
        self.largest[target], self.at_largest[target] = total.value, {source}
        for member in self.members[target]:
            if member != source:
                self.meet(target, member, self.sums[target, member])


KINDS = {"cuba": Cuba, "cubalif": TwoStates, "ttfs": Ramp, "switch": Sloping}
KINDS |= dict.fromkeys(STATELESS, Sender) | dict.fromkeys(("signed", "burst", "phase"), Valued)


def kind_of(fields):
    """What a population of these fields is made of."""
    if tally := of_file(fields["kind"], "Tally"):
        return tally
    if fields["kind"] in KINDS:
        return KINDS[fields["kind"]]
    if fields.get("slope"):
        return Sloping
    if "current_leak" in fields:
        return TwoStates
    return OfWidth if is_bounded(fields) else Integrator


def measure(
    network,
    inputs,
    timesteps,
    coding,
    seed=0,
    sample=0,
    graded=None,
    accumulate="direct",
    update="clock",
    input="recompute",
):
    """Run one sample on a machine: (actions of every part, events of every population)."""
    populations, sets, source = network["populations"], network["synapses"], network["input"]
    graded = is_graded(coding, inputs, graded)
    ledger = Ledger([*populations, *sets])
    synapses = {}
    for name, fields in sets.items():
        shapes = populations[fields["source"]]["shape"], listening(populations[fields["target"]])
        cached = fields["source"] == source and coding == "constant" and input == "cached"
        values = sends_values(network, fields["source"], graded)
        synapses[name] = Synapses(ledger, fields, shapes, values, cached)

    def drawing(name):
        def draw(neuron, t):
            ledger.book("random_draw")
            return uniform(seed, neuron, t, sample, sorted(populations).index(name))

        return draw

    integrators = {}
    for name, fields in populations.items():
        if name != source:
            into = {set_name: synapses[set_name] for set_name in incoming(network, name)}
            if fields["kind"] == "maxpool":
                integrators[name] = MaxPool(ledger, neurons(fields["shape"]), into)
            else:
                own = [ledger, fields, into, accumulate, update]
                own += [drawing(name)] if fields["kind"] in STATELESS else []
                integrators[name] = kind_of(fields)(*own)

    with ledger.at_work(source):
        if coding == "switch":
            values = scaled_image(populations[source], inputs, float)
            stimulus = encode_pairs(values, network["window"], timesteps)
        else:
            stimulus = encode(network, inputs, timesteps, coding, drawing(source), float, graded)
    spikes = {name: [] for name in populations}
    for t in range(timesteps):
        for name in visiting_order(network):
            events = stimulus[t] if name == source else integrators[name].visit(name, t)
            spikes[name] += [(t, neuron, value) for neuron, value in events]
            with ledger.at_work(name):
                for set_name, fields in sets.items():
                    if fields["source"] == name:
                        own = synapses[set_name]
                        own.push(t + own.delay, events, timesteps)
    return ledger.actions, spikes


def tally(*run, **machine):
    """The actions of every part, as `measure` books them."""
    return measure(*run, **machine)[0]
