"""The law once more, under a machine, over arrays and numbers that count what is done to them.

Every read, write, addition, comparison, push and pop is booked where it happens, to the part at
work; nothing is computed from facts. Sums are exact on a power-of-two grid, so that a weight may
go straight into a potential.
"""

from contextlib import contextmanager

from geometry import connections, listening, neurons, weights_of
from naive import (
    LAWS,
    STATELESS,
    Bounded,
    FixedPoint,
    Neurons,
    Stateless,
    incoming,
    origin,
    scale_of,
    sends_values,
    visiting_order,
)
from naive_bounded import is_bounded
from naive_switch import PairPool, Slope
from naive_switch import encode as encode_pairs
from stimulus import encode, is_graded, scaled_image, uniform

ACTIONS = (
    *("event_pop", "event_push", "synaptic_add", "synaptic_mac", "weight_read", "index_read"),
    *("current_read", "current_write", "potential_read", "potential_write", "commit_add"),
    *("bias_read", "bias_add", "compare", "leak", "reset_subtract", "reset_write"),
    *("random_draw", "slope_read", "slope_write", "slope_add"),
    *("prediction_multiply", "prediction_add"),
)
# What an addition is called after the role of what is added.
ADDITIONS = {
    "weight": "synaptic_add",
    "product": "synaptic_mac",
    "current": "commit_add",
    "bias": "bias_add",
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
        self.ledger.book(ADDITIONS[other.role])
        return self.like(self.value + other.value)

    def __sub__(self, threshold):
        self.ledger.book("reset_subtract")
        return self.like(self.value - threshold.value)

    def __mul__(self, leak):
        self.ledger.book("leak")
        return self.like(self.value * leak.value)

    def __ge__(self, threshold):
        self.ledger.book("compare")
        return self.value >= threshold.value

    def __gt__(self, threshold):
        self.ledger.book("compare")
        return self.value > threshold.value

    def overwritten(self, reset):
        self.ledger.book("reset_write")
        return self.like(reset.value)

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
    """One population of kind iaf, lif or readout, with its memories."""

    def __init__(self, ledger, fields, incoming_sets, accumulate, update):
        self.ledger, self.incoming, self.update = ledger, incoming_sets, update
        self.law = Neurons(fields, float)
        self.direct = accumulate == "direct"
        nothing, rest = [0.0] * self.law.count, self.law.v_init
        if self.direct and self.law.leak is not None:
            # Weights are added to the potential as they come, so it is kept leaked already.
            rest = [leak * v for leak, v in zip(self.law.leak, rest, strict=True)]
        self.potential = Memory(ledger, "potential", list(rest))
        place = Memory if accumulate == "buffer" else Registers
        self.current = place(ledger, "current", list(nothing))
        self.accumulator = self.potential if self.direct else self.current
        self.cache, self.fresh = Memory(ledger, "current", list(nothing)), []
        self.bias = None if self.law.bias is None else Memory(ledger, "bias", self.law.bias)

    def constant(self, field, j):
        """A field that is part of the neuron's circuit, not of a memory."""
        return Number(self.ledger, getattr(self.law, field)[j], field)

    def visit(self, name, t):
        """One timestep: the events of the neurons that fired."""
        self.law.v = list(self.potential.values)
        arrived = set()
        for set_name, synapses in self.incoming.items():
            with self.ledger.at_work(set_name):
                arrived |= self.arrive(synapses, t)
        with self.ledger.at_work(name):
            cached = self.read_cache(t)
            sent = [(j, self.step(j, t, j in arrived, cached[j])) for j in range(self.law.count)]
        self.fill_cache()
        return [(j, value) for j, value in sent if value]

    def arrive(self, synapses, t):
        """Deliver the events of one set; the neurons that they reach."""
        arrived, booked = set(), synapses.is_booked(t)
        for source, value in synapses.queue.pop(t, booked):
            arrived |= {target for target, _, _ in synapses.synapses[source]}
            for target, place in synapses.reached(source) if booked else []:
                weight = synapses.weight[place].carried_by(value, synapses.graded)
                self.accumulator[target] = self.accumulator[target] + weight
                if synapses.cached:
                    self.fresh.append((target, weight.value))
        return arrived

    def read_cache(self, t):
        """What the cached sets bring to each neuron, once one of them has delivered before."""
        starts = [s.first_delivery for s in self.incoming.values() if s.cached]
        if not any(start is not None and start < t for start in starts):
            return [0.0] * self.law.count
        empty = Number(self.ledger, 0.0, "potential")
        return [(empty + self.cache[j]).value for j in range(self.law.count)]

    def fill_cache(self):
        """Keep what a first delivery brought; this is no action of its own."""
        for target, current in self.fresh:
            self.cache.values[target] += current
        self.fresh = []

    def step(self, j, t, arrived, cached):
        """Update one neuron, also a resting one, whose outcome is thrown away; what it sends."""
        law, before = self.law, self.law.v[j]
        if self.update == "active" and not law.is_active(j, arrived, 0, t):
            return 0
        v = self.potential[j]
        if not self.direct:
            if law.leak is not None:
                v = v * self.constant("leak", j)
            v = v + self.current[j]
            if arrived:
                self.current[j] = Number(self.ledger, 0.0, "current")
        v = v.like(v.value + cached)
        if self.bias is not None:
            v = v + self.bias[j]
        if law.v_min is not None:
            v = v.like(max(v.value, law.v_min[j]))
        resting = t <= law.rests_until[j]
        v, value = self.fire(v, j, t, resting)
        if self.direct and law.leak is not None:
            v = v * self.constant("leak", j)
        self.potential[j] = v.like(before) if resting else v
        return value

    def fire(self, v, j, t, resting):
        """The potential after the reset, and 1 if the neuron fires."""
        law = self.law
        if not (law.fires and self.compare(v, j) and t >= law.start and not resting):
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


class OfWidth(Integrator):
    """One population of a declared width: the law decides, what it costs is booked beside it."""

    def __init__(self, ledger, fields, incoming_sets, accumulate, update):
        super().__init__(ledger, fields, incoming_sets, accumulate, update)
        self.law = Bounded(fields, int)
        self.sums = [0] * self.law.count
        self.leaks = fields["kind"] == "lif" or "leak" in fields

    def visit(self, name, t):
        self.law.begin()
        arrived = set()
        for set_name, synapses in self.incoming.items():
            with self.ledger.at_work(set_name):
                arrived |= self.arrive(synapses, t)
        with self.ledger.at_work(name):
            sent = [(j, self.step(j, t, j in arrived, 0)) for j in range(self.law.count)]
        return [(j, value) for j, value in sent if value]

    def arrive(self, synapses, t):
        """Deliver the events of one set; the neurons that they reach."""
        arrived = set()
        for source, value in synapses.queue.pop(t, True):
            for target, place in synapses.reached(source):
                weight = synapses.weight[place].carried_by(value, synapses.graded)
                self.accumulator[target] = self.accumulator[target] + weight
                self.law.add(self.sums, target, int(weight.value), t)
                arrived.add(target)
        return arrived

    def step(self, j, t, arrived, cached):
        """Update one neuron by the law; what it sends."""
        law, current = self.law, self.sums[j]
        self.sums[j] = 0
        if self.update == "active" and not law.is_active(j, arrived, current, t):
            return 0
        actions = ["potential_read", "potential_write"] + ["leak"] * self.leaks
        actions += [] if self.direct else ["commit_add"]
        if isinstance(self.current, Memory):
            actions += ["current_read"] + ["current_write"] * arrived
        if self.bias is not None:
            actions += ["bias_read", "bias_add"]
        if law.fires:
            actions.append("compare")
        value = law.visit(j, current, t)
        if value:
            actions.append("reset_subtract" if law.reset == "subtract" else "reset_write")
        for action in actions:
            self.ledger.book(action)
        return value


class Valued(Integrator):
    """One population whose law decides the value of an event; one comparison, one subtraction."""

    def __init__(self, ledger, fields, incoming_sets, accumulate, update):
        super().__init__(ledger, fields, incoming_sets, accumulate, update)
        self.law = LAWS[fields["kind"]](fields, float)

    def fire(self, v, j, t, resting):
        self.ledger.book("compare")
        self.law.v[j] = v.value
        value = self.law.send(j, t) if t >= self.law.start else 0
        if value:
            self.ledger.book("reset_subtract")
        return v.like(self.law.v[j]), value


class Ramp(Integrator):
    """One population of kind ttfs: its slope takes the potential's place on the arrival side."""

    def __init__(self, ledger, fields, incoming_sets, accumulate, update):
        super().__init__(ledger, fields, incoming_sets, accumulate, update)
        self.law = LAWS[fields["kind"]](fields, float)
        if self.direct:
            self.accumulator = Memory(ledger, "slope", [0.0] * self.law.count)

    def step(self, j, t, arrived, cached):
        """Update one neuron by the law; what it costs is booked beside it."""
        book, law = self.ledger.book, self.law
        current = self.accumulator.values[j] + cached
        self.accumulator.values[j] = 0.0
        buffered = isinstance(self.accumulator, Memory) and not self.direct
        if buffered and arrived:
            book("current_write")
        if law.listens(t) and (self.update == "clock" or law.is_active(j, arrived, 0, t)):
            actions = ["slope_read", "slope_add", "potential_read", "potential_write", "compare"]
            actions += ["bias_read", "bias_add"] if self.bias is not None else []
            actions += [] if self.direct else ["slope_write", "commit_add"]
            for action in actions + ["current_read"] * buffered:
                book(action)
        value = law.visit(j, current, t)
        self.potential.values[j] = law.v[j]
        return value


class TwoStates(Integrator):
    """One population with a synaptic current of its own: cubalif, cuba, a readout with one."""

    def __init__(self, ledger, fields, incoming_sets, accumulate, update):
        super().__init__(ledger, fields, incoming_sets, accumulate, update)
        if fields["kind"] == "cuba":
            self.law = FixedPoint(fields, int)
            self.bias = None if "bias" not in fields else Memory(ledger, "bias", self.law.bias)
        self.lasting = Memory(ledger, "current", [0] * self.law.count)
        if self.direct:
            self.accumulator = Memory(ledger, "current", [0] * self.law.count)
        self.arrivals = self.accumulator

    def step(self, j, t, arrived, cached):
        """Update one neuron by the law; what it costs is booked beside it."""
        book, law = self.ledger.book, self.law
        current = self.arrivals.values[j] + cached
        self.arrivals.values[j] = type(current)(0)
        actions = ["current_read", "current_write", "leak", "commit_add"]  # u decays, v takes it
        actions += ["potential_read", "potential_write"]
        if getattr(law, "leak", None) is not None or isinstance(law, FixedPoint):
            actions.append("leak")
        if not self.direct:
            actions.append("commit_add")  # the arrivals to u
        if isinstance(self.arrivals, Memory) and not self.direct:
            actions += ["current_read"] + ["current_write"] * arrived
        if self.bias is not None:
            actions += ["bias_read", "bias_add"]
        if getattr(law, "current_bias", None) is not None:
            actions += ["bias_read", "bias_add"]
        fires = isinstance(law, FixedPoint) or law.fires
        if fires:
            actions.append("compare")
        for action in actions:
            book(action)
        law.v[j] = self.potential.values[j]
        fired = law.visit(j, current, t)
        self.potential.values[j] = law.v[j]
        if fired:
            zero = isinstance(law, FixedPoint) or law.reset == "zero"
            book("reset_write" if zero else "reset_subtract")
        return fired


class Sloping(Integrator):
    """One population whose events add to a slope: kind switch, a readout with a slope."""

    def __init__(self, ledger, fields, incoming_sets, accumulate, update):
        self.ledger, self.incoming, self.update = ledger, incoming_sets, update
        self.law, self.direct = Slope(fields, float), accumulate == "direct"
        place = {"direct": "slope", "buffer": "current"}.get(accumulate)
        store = Memory if place else Registers
        self.accumulator = store(ledger, place, [0.0] * self.law.count)
        self.buffered = accumulate == "buffer"

    def visit(self, name, t):
        """One timestep: the events of the neurons that switch."""
        arrived, sent = set(), []
        for set_name, synapses in self.incoming.items():
            with self.ledger.at_work(set_name):
                arrived |= self.arrive(synapses, t)
        with self.ledger.at_work(name):
            for j in range(self.law.count):
                value = self.switch(j, t, j in arrived)
                if value:
                    sent.append((j, value))
        return sent

    def switch(self, j, t, arrived):
        """Update one neuron by the law; what it costs is booked beside it."""
        law, book = self.law, self.ledger.book
        current, self.accumulator.values[j] = self.accumulator.values[j], 0.0
        if law.listens(t) and (self.update == "clock" or law.is_active(j, arrived, current, t)):
            actions = ["slope_read", "potential_read", "slope_add", "potential_write"]
            if not self.direct:
                actions += ["slope_write", "commit_add"]
            if self.buffered:
                actions += ["current_read"] + ["current_write"] * arrived
            if law.has_bias:
                actions += ["bias_read", "bias_add"]
            if law.kind == "switch":
                actions.append("compare")
            if law.predicts(t):
                actions += ["prediction_multiply", "prediction_add"]
            for action in actions:
                book(action)
        before = law.drains
        value = law.visit(j, current, t)
        if law.drains > before:
            book("reset_subtract")
        return value


class Sender(Integrator):
    """One population of kind analog or stochastic: a sum for each place, cleared when read."""

    def __init__(self, ledger, fields, incoming_sets, accumulate, update, draw):
        self.ledger, self.incoming, self.update = ledger, incoming_sets, update
        self.law = Stateless(fields, float, float, draw)
        self.direct = accumulate == "direct"
        nothing = [0.0] * self.law.count
        self.potential = Memory(ledger, "potential", list(nothing))
        place = Memory if accumulate == "buffer" else Registers
        self.current = place(ledger, "current", list(nothing))
        self.accumulator = self.potential if self.direct else self.current
        self.cache, self.fresh = Memory(ledger, "current", list(nothing)), []
        self.bias = None if self.law.bias is None else Memory(ledger, "bias", self.law.biases)

    def visit(self, name, t):
        """One timestep: the events of the neurons that send."""
        arrived = set()
        for set_name, synapses in self.incoming.items():
            with self.ledger.at_work(set_name):
                arrived |= self.arrive(synapses, t)
        sent = []
        with self.ledger.at_work(name):
            cached = self.read_cache(t)
            sums = [
                self.take(place, place in arrived, cached[place]) for place in range(len(cached))
            ]
            for j, places in enumerate(self.law.places):
                currents = [sums[place] for place in places if sums[place] is not None]
                if currents and (value := self.law.visit(j, currents, t)):
                    sent.append((j, value))
        self.fill_cache()
        return sent

    def take(self, place, arrived, cached):
        """Read, compare and clear the sum of a place, which is returned; None if it is skipped."""
        if self.update == "active" and not self.law.is_active(place, arrived):
            return None
        total = self.potential[place]
        if not self.direct:
            total = total + self.current[place]
            if arrived:
                self.current[place] = Number(self.ledger, 0.0, "current")
        total = total.like(total.value + cached)
        z = total if self.bias is None else total + self.bias[place]
        z > Number(self.ledger, 0.0, "potential")  # noqa: B015
        self.potential[place] = z.like(0.0)
        return total.value


class MaxPool:
    """One population of kind maxpool: running sums in a memory, compared event by event."""

    def __init__(self, ledger, neurons, incoming_sets):
        self.ledger, self.neurons, self.pairs = ledger, neurons, None
        [(self.set_name, self.set)] = incoming_sets.items()
        self.sums = Memory(ledger, "potential", [0.0] * len(self.set.synapses))
        self.members = {}
        for source, own in enumerate(self.set.synapses):
            for target, _, _ in own:
                self.members.setdefault(target, []).append(source)

    def visit(self, name, t):
        """One timestep: the events that pass, each window's first that may."""
        passed, booked = {}, self.set.is_booked(t)
        with self.ledger.at_work(self.set_name):
            events = sorted(self.set.queue.pop(t, booked))
        if self.set.cached and self.set.first_delivery is not None and not booked:
            with self.ledger.at_work(name):
                for _ in range(self.neurons if t > self.set.first_delivery else 0):
                    self.ledger.book("current_read")
                    self.ledger.book("commit_add")
        for source, value in events:
            before = self.sums.values[source]
            for target, _ in self.set.reached(source):
                if booked:  # each window keeps the sum of each of its sources
                    self.sums.values[source] = before
                    with self.ledger.at_work(self.set_name):
                        weight = Number(self.ledger, value, "weight")
                        weight.role = "product" if self.set.graded else "weight"
                        self.sums[source] = self.sums[source] + weight
                with self.ledger.at_work(name):
                    self.ledger.book("compare")
                self.sums.values[source] = before + value
                if target not in passed and self.largest(target) == source:
                    passed[target] = value
            self.sums.values[source] = before + value
        return sorted(passed.items()) if self.pairs is None else self.pairs.visit(events)

    def largest(self, target):
        """The source of a window with the largest sum, the first of them."""
        return max(self.members[target], key=lambda source: (self.sums.values[source], -source))


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
                first = populations[origin(network, name)]
                window = first["kind"] == "switch" and first.get("firing", "window") == "window"
                if window or (coding == "switch" and first["kind"] == "input"):
                    [only] = into.values()
                    integrators[name].pairs = PairPool(only.synapses, float)
            elif fields["kind"] == "switch" or fields.get("slope"):
                integrators[name] = Sloping(ledger, fields, into, accumulate, update)
            elif fields["kind"] in STATELESS:
                own = fields, into, accumulate, update, drawing(name)
                integrators[name] = Sender(ledger, *own)
            elif fields["kind"] in ("cuba", "cubalif") or "current_leak" in fields:
                integrators[name] = TwoStates(ledger, fields, into, accumulate, update)
            elif is_bounded(fields):
                integrators[name] = OfWidth(ledger, fields, into, accumulate, update)
            elif fields["kind"] == "ttfs":
                integrators[name] = Ramp(ledger, fields, into, accumulate, update)
            elif fields["kind"] in LAWS:
                integrators[name] = Valued(ledger, fields, into, accumulate, update)
            else:
                integrators[name] = Integrator(ledger, fields, into, accumulate, update)

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
