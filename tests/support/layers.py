"""Layers of every kind and geometry, drawn."""

import numpy as np
from oracles.layers import layer


def grid(random, *shape):
    """Small multiples of 1/8: their sums are exact in float32."""
    return np.float32(random.integers(-8, 9, shape) / 8)


def a_conv(random):
    """A convolution of any geometry, and its input."""
    groups = int(random.integers(1, 4))
    per_group, each = (int(n) for n in random.integers(1, 4, 2))
    kernel, dilation = random.integers(1, 4, 2), random.integers(1, 3, 2)
    padding = tuple(int(n) for n in random.integers(0, 3, 4))
    least = [max(1, d * (k - 1) + 1 - sum(padding[2 * a :][:2])) for a, (k, d) in
             enumerate(zip(kernel, dilation, strict=True))]  # fmt: skip
    height, width = (n + int(random.integers(0, 4)) for n in least)
    record = layer(
        "conv",
        "x",
        weight=grid(random, *kernel, per_group, groups * each),
        bias=grid(random, groups * each) if random.random() < 0.5 else None,
        stride=tuple(int(n) for n in random.integers(1, 4, 2)),
        padding=padding,
        dilation=tuple(int(n) for n in dilation),
        groups=groups,
    )
    return record, grid(random, int(random.integers(1, 4)), height, width, per_group * groups)


def a_pool(random):
    """A pool of any geometry whose windows hold at least one place, and its input."""
    kernel = random.integers(1, 4, 2)
    padding = tuple(int(random.integers(0, (kernel[a // 2] + 1) // 2)) for a in range(4))
    height, width = (int(k) + int(random.integers(0, 4)) for k in kernel)
    record = layer(
        "pool",
        "x",
        operation=str(random.choice(["average", "max"])),
        kernel=tuple(int(k) for k in kernel),
        stride=tuple(int(n) for n in random.integers(1, 4, 2)),
        padding=padding,
        ceil=bool(random.random() < 0.5),
        count_padding=bool(random.random() < 0.5),
    )
    return record, grid(random, 2, height, width, int(random.integers(1, 4)))


def a_dense(random):
    inputs, outputs = (int(n) for n in random.integers(1, 150, 2))
    bias = grid(random, outputs) if random.random() < 0.5 else None
    record = layer("dense", "x", weight=grid(random, inputs, outputs), bias=bias)
    return record, grid(random, int(random.integers(1, 6)), inputs)


def others(random):
    """A layer of every other kind with its inputs, of a map or of a vector."""
    shape = tuple(int(n) for n in random.integers(1, 5, 3))
    channels, samples = shape[2], int(random.integers(1, 4))
    more = (*shape[:2], channels + 1)
    pads = tuple(int(n) for n in random.integers(0, 3, 4))
    offset = int(random.integers(0, 3))
    wide = {"channels": channels + offset + int(random.integers(0, 2)), "channel_offset": offset}
    variance = np.float32(4.0 ** random.integers(-1, 2, channels))
    statistics = {"gamma": grid(random, channels), "beta": grid(random, channels)}
    statistics |= {"mean": grid(random, channels), "variance": variance}
    ceiling = {"ceiling": 2.0 ** random.integers(-1, 2, channels), "levels": 4}
    strides = tuple(int(n) for n in random.integers(1, 4, 2))
    made = [
        ("add", [shape] * 3, {}),
        ("concatenate", [shape, more, shape], {}),
        ("concatenate", [(3,), (2,)], {}),
        ("flatten", [shape], {"order": str(random.choice(["hwc", "chw"]))}),
        ("flatten", [(5,)], {"order": "chw"}),
        ("pad", [shape], {"padding": pads}),
        ("identity", [shape], {"stride": strides, **wide}),
        ("softmax", [shape], {}),
        ("softmax", [(4,)], {}),
        ("normalize", [shape], statistics),
        ("relu", [shape], {}),
        ("relu", [shape], {"ceiling": np.float32(0.5)}),
        ("relu", [shape], ceiling | {"rounding": float(random.choice([0, 0.5]))}),
        ("stochastic", [shape], {"sampled": False, "output": "bipolar"}),
        ("stochastic", [(3,)], {"sampled": False, "probability": "hardtanh"}),
        ("stochastic", [shape], {"sampled": False, "output": "bipolar", "compare": "ge"}),
        ("relu", [shape], {"ceiling": 1.75, "levels": 7, "halves": "even"}),
        ("pad", [shape], {"padding": pads, "value": -1.0}),
        ("crop", [tuple(n + 2 for n in shape)], {"margins": (1, 0, 0, 1)}),
        ("permute", [shape], {"order": (2, 0, 1)}),
        ("permute", [shape], {"order": (1, 0, 2)}),
    ]
    for kind, shapes, fields in made:
        record = layer(kind, *"xyz"[: len(shapes)], **fields)
        yield record, [grid(random, samples, *own) for own in shapes]
