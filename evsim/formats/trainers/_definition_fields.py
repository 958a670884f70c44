"""The values that fields of layers take in a definition, each in one form.

What a field of a kind means stands in networks/README.md.
"""

from __future__ import annotations

import sys

from evsim.base.errors import EvsimError, mismatch, nearest, shown

MOST = 2**31 - 1


def checked(kind: str, fields: dict) -> dict:
    """The fields of a layer in the form that its record takes, as far as no weights are needed.

    Raises EvsimError for unknown, missing or wrong ones.
    """
    known = FIELDS[kind]
    values = {}
    for name, value in fields.items():
        if name not in known:
            expected = f"one of {', '.join(sorted(known))}{nearest(name, known)}"
            if not known:
                expected = f"none for kind {kind!r}"
            raise mismatch(f"unknown field {shown(name)}", expected)
        try:
            values[name] = known[name](value)
        except EvsimError as error:
            raise error.within(name) from None
    for name in REQUIRED.get(kind, ()):
        if name not in values:
            raise EvsimError(f"missing field {name!r}, required by kind {kind!r}")
    return values


def whole(value, least: int = 1) -> int:
    """A field's value that is a whole number of at least `least`."""
    if type(value) is not int or not least <= value <= MOST:
        raise mismatch(shown(value), f"a whole number of at least {least}")
    return value


def pair(value) -> tuple[int, int]:
    """A field's value as two whole numbers, for height and width; one stands for both."""
    two = value if isinstance(value, list) else [value, value]
    if len(two) != 2 or not all(type(n) is int and 1 <= n <= MOST for n in two):
        raise mismatch(shown(value), "one or two whole numbers of at least 1")
    return tuple(two)


def pool_kernel(value):
    """A field's value that is the kernel of a pool: two whole numbers, or all of the map."""
    return value if value == "all" else pair(value)


def margins(value) -> tuple[int, ...]:
    """A field's value as top, bottom, left and right.

    Two numbers stand for height and width, one for all.
    """
    four = value if isinstance(value, list) else [value] * 4
    if len(four) == 2:
        four = [four[0], four[0], four[1], four[1]]
    if len(four) != 4 or not all(type(n) is int and 0 <= n <= MOST for n in four):
        raise mismatch(shown(value), "a whole number, or two or four of them")
    return tuple(four)


def padding(value):
    """Margins, or 'same': as many as keep the size at stride 1."""
    return value if value == "same" else margins(value)


def number(value) -> float:
    """A field's value that is a number of at least 0."""
    if type(value) not in (int, float) or not 0 <= value <= sys.float_info.max:
        raise mismatch(shown(value), "a number of at least 0")
    return float(value)


def flag(value) -> bool:
    """A field's value that is true or false."""
    if not isinstance(value, bool):
        raise mismatch(shown(value), "true or false")
    return value


def one_of(*words: str):
    """What checks a field's value that is one of a few words."""

    def check(value) -> str:
        if value not in words:
            near = nearest(value, words) if isinstance(value, str) else ""
            raise mismatch(shown(value), " or ".join(map(repr, words)) + near)
        return value

    return check


def ceiling(value):
    """A number of at least 0, or the name of an activation whose scale the file has."""
    if isinstance(value, str) and value:
        return value
    try:
        return number(value)
    except EvsimError:
        expected = "a number of at least 0, or the name of an activation in the file"
        raise mismatch(shown(value), expected) from None


def bits(value) -> int:
    """A field's value that is the width of integers."""
    if type(value) is not int or not 2 <= value <= 16:
        raise mismatch(shown(value), "a whole number from 2 to 16")
    return value


WEIGHTS = {
    "weights": one_of("real", "sign", "binary", "integer"),
    "bits": bits,
    "scale": one_of("tensor", "channel"),
}
FIELDS = {  # of each kind of layer, beside the common ones
    "conv": {
        "channels": whole,
        "kernel": pair,
        "stride": pair,
        "padding": padding,
        "dilation": pair,
        "groups": whole,
        **WEIGHTS,
    },
    "dense": {"channels": whole, **WEIGHTS},
    "normalize": {"epsilon": number},
    "pool": {
        "operation": one_of("average", "max"),
        "kernel": pool_kernel,
        "stride": pair,
        "padding": padding,
        "ceil": flag,
        "count_padding": flag,
    },
    "pad": {"padding": margins},
    "identity": {"stride": pair, "widen": whole},
    "relu": {
        "ceiling": ceiling,
        "levels": whole,
        "rounding": number,
        "halves": one_of("up", "even"),
    },
    "stochastic": {
        "probability": one_of("sigmoid", "hardtanh"),
        "output": one_of("unipolar", "bipolar"),
        "sampled": flag,
        "compare": one_of("gt", "ge"),
    },
    "flatten": {"order": one_of("hwc", "chw")},
    "add": {},
    "concatenate": {},
    "softmax": {},
}
REQUIRED = {"pool": ("kernel",), "pad": ("padding",)}
