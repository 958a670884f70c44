"""Integers of a declared width as plain loops: what a sum becomes, and what of it is kept."""


def held(x, bits, overflow, signed=True):
    """What is held of a sum in so many bits, of two's complement if signed."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if low <= x <= high:
        return x
    if overflow == "error":
        raise OverflowError(f"{x} leaves {bits} bits")
    if overflow == "saturate":
        return high if x > high else low
    while x > high:
        x -= 2**bits
    while x < low:
        x += 2**bits
    return x


class Sums:
    """The sums of a population: how many left their width, the first of them, the extremes."""

    def __init__(self, bits, overflow, values, signed=True):
        self.bits, self.overflow, self.signed = bits, overflow, signed
        self.overflows, self.first = 0, (-1, -1)
        self.lowest, self.highest = min(values), max(values)

    def take(self, x, t, neuron):
        """What is held of a sum of a neuron at timestep `t`."""
        self.lowest, self.highest = min(self.lowest, x), max(self.highest, x)
        kept = held(x, self.bits, self.overflow, self.signed)
        if kept != x:
            self.first = min(self.first, (t, neuron)) if self.overflows else (t, neuron)
            self.overflows += 1
        return kept


def divided(x, power, rounding):
    """x / 2^power as a whole number."""
    below, rest = x // 2**power, x % 2**power
    if rounding == "down" or rest == 0:
        return below
    if rounding == "zero":
        return below if x > 0 else below + 1
    return below + 1 if 2 * rest >= 2**power else below


def leaked(v, fields):
    """A potential after its leak in integers."""
    rounding = fields.get("leak_rounding", "down")
    if "leak_shift" in fields:
        return v - divided(v, fields["leak_shift"], rounding)
    if "leak_multiply" in fields:
        factor, power = fields["leak_multiply"]
        return divided(v * factor, power, rounding)
    step = fields.get("leak_subtract", 0)
    return max(v - step, 0) if v > 0 else min(v + step, 0)


def leaks(fields):
    """Whether a population has a leak of integers."""
    return any(name in fields for name in ("leak_shift", "leak_multiply", "leak_subtract"))


def is_bounded(fields):
    """Whether a population has a width, or a leak of integers."""
    return "potential_bits" in fields or leaks(fields)
