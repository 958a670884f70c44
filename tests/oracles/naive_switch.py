"""Temporal switch coding as plain loops, timestep by timestep, from the specification alone."""

import math

import numpy as np
from oracles.geometry import neurons, per_neuron


def durations(values, window):
    """The signed durations of inputs: floor(|x| (window - 1)) in float64, |x| at most 1."""
    found = []
    for x in map(float, values):
        steps = math.floor(min(abs(x), 1.0) * (window - 1))
        found.append(steps if x > 0 else -steps)
    return found


def encode(values, window, timesteps):
    """The events of inputs: the sign at timestep 0, its opposite after the duration."""
    sent = [[] for _ in range(max(timesteps, window))]
    for j, duration in enumerate(durations(values, window)):
        if duration:
            sign = 1 if duration > 0 else -1
            sent[0].append((j, sign))
            sent[abs(duration)].append((j, -sign))
    return sent[:timesteps]


def finite(value):
    """The value, which must be finite."""
    if not math.isfinite(value):
        raise OverflowError(f"{value} is not finite")
    return value


class Slope:
    """Kind `switch`, and a readout with a slope."""

    def __init__(self, fields, number):
        self.kind, self.number, shape = fields["kind"], number, fields["shape"]
        self.count, self.window = neurons(shape), fields["window"]
        self.firing = fields.get("firing", "window") if self.kind == "switch" else "readout"
        self.start, self.rounding = fields.get("start", 0), fields.get("rounding", 0)
        self.delta = fields.get("delta") if self.firing == "online" else None
        self.prediction = number(fields.get("prediction", 0))
        self.predictions = self.active_predictions = 0
        threshold = fields.get("threshold", 1)
        given = {"threshold": threshold, "onset": fields.get("onset", threshold)}
        given |= {"v_init": fields.get("v_init", 0), "bias": fields.get("bias", 0)}
        for name, value in given.items():
            setattr(self, name, [number(x) for x in per_neuron(value, shape)])
        self.has_bias = "bias" in fields
        self.v, self.slope = list(self.v_init), [number(0)] * self.count
        self.off_at = {}  # neuron: when it switches off (window), or that it is off for good
        self.on, self.drains, self.lost, self.near = set(), 0, 0, 0

    def listens(self, t):
        """Whether the neurons are updated at a timestep."""
        if self.firing != "online":
            return self.start - self.window <= t < self.start
        return self.delta is None or self.start - self.delta <= t < self.start + self.window

    def left(self, t):
        """How many timesteps of its window of listening are still to come."""
        return max(self.start - self.delta + self.window - 1 - t, 0)

    def adds_bias(self, t):
        if self.firing != "online":
            return t < self.start - 1
        return self.delta is None or self.left(t) > 0

    def predicts(self, t):
        """Whether it decides on more than its potential."""
        late = self.delta is not None and t >= self.start
        return late and self.left(t) > 0 and self.prediction != 0

    def is_active(self, j, reached, current, t):
        """Whether a lazy machine must update neuron j now; the state is still the old one."""
        if not self.listens(t):
            return False
        never_on = j not in self.on and j not in self.off_at
        return (
            reached
            or (self.bias[j] != 0 and self.adds_bias(t))
            or self.slope[j] + current != 0
            or (self.firing == "online" and never_on and self.v[j] >= self.onset[j])
            or (self.firing == "online" and j in self.on)
            or (self.firing != "online" and t == self.start - 1)
        )

    def visit(self, j, current, t):
        """One timestep of neuron j: the value of the event it sends, or 0."""
        if self.firing == "window" and t >= self.start:
            return self.decided(j, t)
        if not self.listens(t):
            return 0
        self.slope[j] = finite(self.slope[j] + current)
        if self.firing == "online":
            growth = self.slope[j]
            if self.adds_bias(t):
                growth = growth + self.bias[j]
            self.v[j] = finite(self.v[j] + growth)
            return self.toggle(j, t, growth)
        self.v[j] = finite(self.v[j] + self.slope[j])
        if self.adds_bias(t):
            self.v[j] = finite(self.v[j] + self.bias[j])
        return 0

    def decided(self, j, t):
        """The event of a neuron that has listened."""
        x = float(self.v[j]) / float(self.threshold[j]) + self.rounding
        duration = min(max(math.floor(x), 0), self.window - 1)
        if t == self.start:
            self.near += abs(x - round(x)) <= self.tolerance() and 1 <= round(x) < self.window
        if not duration or t not in (self.start, self.start + duration):
            return 0
        return 1 if t == self.start else -1

    def ends(self, t):
        """Whether it is the last timestep in which its targets listen: then nobody is on."""
        return self.delta is not None and t == self.start + self.window - 1

    def tolerance(self):
        """How near an integer rounding may decide; integers are not rounded."""
        if self.number is int:
            return 1e-9
        return max(1e-9, 32 * float(np.finfo(self.number).eps) * (self.window - 1))

    def toggle(self, j, t, growth):
        """On and off, once."""
        if j in self.off_at:
            return 0
        x = self.v[j]
        if self.predicts(t):
            x = x + self.prediction * self.number(self.left(t)) * growth
        if j not in self.on:
            if x < self.onset[j] or t < self.start or self.ends(t):
                return 0
            self.on.add(j)
            self.v[j] -= self.threshold[j]
            self.drains += 1
            return 1
        if x >= self.threshold[j] and not self.ends(t):
            self.v[j] -= self.threshold[j]
            self.drains += 1
            return 0
        self.on.discard(j)
        self.off_at[j] = t
        return -1

    def lose(self, j):
        """An event reaches neuron j over one synapse."""
        self.lost += j in self.off_at
