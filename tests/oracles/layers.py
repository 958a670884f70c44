"""The layers of artificial networks in float64, place by place, and models drawn at random."""

import math
from itertools import product

import numpy as np
from hypothesis import strategies as st

from evsim.artificial import layers
from evsim.artificial import model as ann
from evsim.neurons.input import Input

KINDS = layers.layer_kinds()


def layer(kind, *sources, **fields):
    """A layer of a kind."""
    return KINDS[kind](sources=sources, **fields)


def forward(model, x):
    """The results of all layers for scaled values x (samples, ...), in float64."""
    held = {ann.INPUT: np.float64(x)}
    for name, record in model.layers.items():
        values = [held[source] for source in record.sources]
        held[name] = RULES[record.kind](record, model.shapes[name], *values)
    return held


def windows(x, kernel, stride, padding, dilation, shape):
    """For every output position the input positions (or None: padding) that its window sees."""
    top, _, left, _ = padding
    for a in range(shape[0]):
        for b in range(shape[1]):
            seen = []
            for i in range(kernel[0]):
                for j in range(kernel[1]):
                    y = a * stride[0] + i * dilation[0] - top
                    z = b * stride[1] + j * dilation[1] - left
                    inside = 0 <= y < x.shape[1] and 0 <= z < x.shape[2]
                    seen.append((i, j, y, z, inside))
            yield a, b, seen


def conv(record, shape, x):
    y = np.zeros((len(x), *shape))
    per_group, out = record.weight.shape[2:]
    weight = np.float64(record.weight)
    places = windows(
        x, record.weight.shape[:2], record.stride, record.padding, record.dilation, shape
    )
    for a, b, seen in places:
        for o in range(out):
            group = o // (out // record.groups)
            some = slice(group * per_group, (group + 1) * per_group)
            for i, j, row, column, inside in seen:
                if inside:
                    y[:, a, b, o] += x[:, row, column, some] @ weight[i, j, :, o]
    return y if record.bias is None else y + np.float64(record.bias)


def pool(record, shape, x):
    y = np.zeros((len(x), *shape))
    _, bottom, _, right = record.padding
    for a, b, seen in windows(x, record.kernel, record.stride, record.padding, (1, 1), shape):
        values = [x[:, row, column] for _, _, row, column, inside in seen if inside]
        if record.operation == "max":
            y[:, a, b] = np.max(values, axis=0)
            continue
        counted = len(values)
        if record.count_padding:
            counted = sum(
                row < x.shape[1] + bottom and column < x.shape[2] + right
                for _, _, row, column, _ in seen
            )
        y[:, a, b] = np.sum(values, axis=0) / counted
    return y


def dense(record, shape, x):
    y = x.reshape(len(x), -1) @ np.float64(record.weight)
    return y if record.bias is None else y + np.float64(record.bias)


def normalize(record, shape, x):
    scale = np.sqrt(np.float64(record.variance) + record.epsilon)
    return record.gamma * (x - record.mean) / scale + record.beta


def relu(record, shape, x):
    y = np.maximum(x, 0)
    if record.ceiling is not None:
        y = np.minimum(y, record.ceiling)
        if record.levels and record.halves == "even":
            step = np.float64(np.float32(record.ceiling / record.levels))
            half = np.abs(y / step - np.floor(y / step) - 0.5) == 0
            steps = np.floor(y / step + 0.5)
            steps = np.where(half & (steps % 2 == 1), steps - 1, steps)
            y = np.minimum(steps, record.levels) * step
        elif record.levels:
            steps = np.floor(y / record.ceiling * record.levels + record.rounding)
            y = np.minimum(steps, record.levels) * record.ceiling / record.levels
    return y


def places(shape):
    """All places of a shape, the last axis fastest."""
    return product(*(range(length) for length in shape))


def add(record, shape, *values):
    y = np.zeros((len(values[0]), *shape))
    for place in places(shape):
        for x in values:
            y[:, *place] += x[:, *place]
    return y


def concatenate(record, shape, *values):
    y = np.full((len(values[0]), *shape), np.nan)
    first = 0
    for x in values:
        for *where, channel in places(x.shape[1:]):
            y[:, *where, first + channel] = x[:, *where, channel]
        first += x.shape[-1]
    return y


def flatten(record, shape, x):
    order = list(places(x.shape[1:]))
    if record.order == "chw" and x.ndim == 4:
        order.sort(key=lambda place: (place[2], place[0], place[1]))
    y = np.full((len(x), *shape), np.nan)
    for j, place in enumerate(order):
        y[:, j] = x[:, *place]
    return y


def pad(record, shape, x):
    top, _, left, _ = record.padding
    y = np.full((len(x), *shape), float(record.value))
    for row, column, channel in places(x.shape[1:]):
        y[:, top + row, left + column, channel] = x[:, row, column, channel]
    return y


def crop(record, shape, x):
    top, _, left, _ = record.margins
    y = np.full((len(x), *shape), np.nan)
    for row, column, channel in places(shape):
        y[:, row, column, channel] = x[:, row + top, column + left, channel]
    return y


def permute(record, shape, x):
    y = np.full((len(x), *shape), np.nan)
    for place in places(x.shape[1:]):
        there = [place[axis] for axis in record.order]
        y[:, *there] = x[:, *place]
    return y


def identity(record, shape, x):
    y = np.zeros((len(x), *shape))
    for a, b, c in places((*shape[:2], x.shape[3])):
        there = a * record.stride[0], b * record.stride[1], c
        y[:, a, b, c + record.channel_offset] = x[:, *there]
    return y


def softmax(record, shape, x):
    y = np.zeros((len(x), *shape))
    for sample, *where in places((len(x), *shape[:-1])):
        row = [float(value) for value in x[sample, *where]]
        powers = [math.exp(value - max(row)) for value in row]
        y[sample, *where] = [power / sum(powers) for power in powers]
    return y


def stochastic(record, shape, x):
    """1 where the probability is above a half; what is drawn, tests compare with `uniform`."""
    if record.sampled:
        raise ValueError("random numbers depend on more than the values")
    likely = [float(z) > 0 for z in np.ravel(x)]  # by either probability, which is a half at 0
    if record.compare == "ge":
        likely = [float(z) >= 0 for z in np.ravel(x)]
    low = -1 if record.output == "bipolar" else 0
    return np.array([1 if fires else low for fires in likely], float).reshape(len(x), *shape)


RULES = {
    "conv": conv,
    "pool": pool,
    "dense": dense,
    "normalize": normalize,
    "relu": relu,
    "add": add,
    "concatenate": concatenate,
    "flatten": flatten,
    "pad": pad,
    "crop": crop,
    "permute": permute,
    "identity": identity,
    "softmax": softmax,
    "stochastic": stochastic,
}


class Builder:
    """A model that grows layer by layer, its numbers on a grid.

    Its choices are NumPy's: Hypothesis prefers what is short, and most of what folds is long.
    """

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.layers, self.shapes = {}, {}

    def whole(self, low, high):
        return int(self.random.integers(low, high + 1))

    def pick(self, options):
        return options[self.whole(0, len(options) - 1)]

    def numbers(self, *shape, low=-4, high=4):
        return np.float32(self.random.integers(low, high + 1, shape) / 4)

    def put(self, kind, *sources, **fields):
        name = f"{kind}{len(self.layers)}"
        record = layer(kind, *sources, **fields)
        self.shapes[name] = record.shape(*(self.shapes[s] for s in sources))
        self.layers[name] = record
        return name

    def chance(self, percent):
        return self.whole(0, 99) < percent

    def conv(self, source, out=None, same=False, groups=1):
        height, width, channels = self.shapes[source]
        out = out or self.whole(1, 3)
        kernel = 3 if same else self.whole(1, min(3, height, width))
        stride = (1, 1) if same else (self.whole(1, 2), self.whole(1, 2))
        padding = (1,) * 4 if same else tuple(self.whole(0, 1) for _ in range(4))
        if groups == 0:
            groups, out = channels, channels
        return self.put(
            "conv",
            source,
            weight=self.numbers(kernel, kernel, channels // groups, out),
            bias=self.numbers(out) if self.chance(50) else None,
            stride=stride,
            padding=padding,
            groups=groups,
        )

    def normalize(self, source, positive=False):
        size = self.shapes[source][-1]
        return self.put(
            "normalize",
            source,
            gamma=self.numbers(size, low=0 if positive else -4),
            beta=self.numbers(size),
            mean=self.numbers(size),
            variance=np.float32(4.0 ** self.random.integers(-1, 2, size)),
        )

    def relu(self, source):
        ceiling = np.float32(2) if self.chance(20) else None
        return self.put("relu", source, ceiling=ceiling)

    def pool(self, source, operation):
        height, width, _ = self.shapes[source]
        if operation == "average" and min(height, width) > 1 and self.chance(50):
            return self.put("pool", source, operation=operation, kernel=(2, 2))
        kernel = tuple(self.whole(1, min(3, n)) for n in (height, width))
        stride = self.pick([None, (1, 1), (2, 2)])
        pads = [self.whole(0, (kernel[axis // 2]) // 2) for axis in range(4)]
        return self.put(
            "pool",
            source,
            operation=operation,
            kernel=kernel,
            stride=stride,
            padding=tuple(pads) if self.chance(40) else (0,) * 4,
            ceil=self.chance(30),
            count_padding=self.chance(60),
        )

    def pad(self, source):
        pads = tuple(self.whole(0, 1) for _ in range(4))
        return self.put("pad", source, padding=pads)

    def residual(self, source):
        channels = self.shapes[source][2]
        inner = self.conv(source, channels, same=True)
        inner = self.normalize(inner) if self.chance(50) else inner
        branch = self.conv(self.relu(inner), channels, same=True)
        branch = self.normalize(branch) if self.chance(50) else branch
        return self.relu(self.put("add", branch, source))

    def smaller(self, source):
        """A residual block whose shortcut is subsampled into more channels."""
        channels = self.shapes[source][2]
        weight = self.numbers(3, 3, channels, channels + 2)
        branch = self.put("conv", source, weight=weight, stride=(2, 2), padding=(1,) * 4)
        options = {"channels": channels + 2, "stride": (2, 2), "channel_offset": 1}
        shortcut = self.put("identity", source, **options)
        return self.relu(self.put("add", branch, shortcut))

    def fire(self, source):
        """Two branches side by side."""
        branches = [self.relu(self.conv(source, n, same=True)) for n in (1, 2)]
        found = self.put("concatenate", *branches)
        return self.normalize(found) if self.chance(30) else found

    def max_before_relu(self, source):
        found = self.pool(self.conv(source, same=True), "max")
        found = self.normalize(found, positive=True) if self.chance(50) else found
        return self.relu(found)

    def step(self, source):
        name = self.pick(STEPS)
        if name == "conv":
            source = self.pad(source) if self.chance(20) else source
            found = self.conv(source)
            found = self.normalize(found) if self.chance(50) else found
            found = self.pool(found, "average") if self.chance(20) else found
            return self.relu(found)
        if name == "depthwise":
            return self.relu(self.conv(self.conv(source, groups=0), same=False))
        if name in ("average", "max"):
            return self.pool(source, name)
        if name == "after":
            return self.normalize(source)
        return getattr(self, name)(source)


STEPS = ("conv", "conv", "residual", "smaller", "fire", "average", "max", "after")
STEPS += ("max_before_relu", "depthwise")


@st.composite
def models(draw, steps=5):
    """Models with all that folds."""
    build = Builder(draw(st.integers(0, 2**32 - 1)))
    return model(build, build.whole(1, steps))


def model(build, steps):
    shape = (build.whole(3, 7), build.whole(3, 7), build.whole(1, 2))
    build.shapes[ann.INPUT] = shape
    at = build.relu(build.conv(ann.INPUT, 2))
    for _ in range(steps):
        at = build.step(at)
    ending = build.pick(["dense", "hidden", "global", "conv"])
    if ending == "conv":
        at = build.conv(at, 3)
    elif ending == "global":
        kernel = build.shapes[at][:2]
        at = build.put("pool", at, operation="average", kernel=kernel)
        at = build.put("flatten", at)
    else:
        at = build.put("flatten", at, order=build.pick(["hwc", "chw"]))
        at = build.normalize(at) if build.chance(30) else at
        if ending == "hidden":
            n = build.shapes[at][0]
            at = build.relu(build.put("dense", at, weight=build.numbers(n, 4)))
        n = build.shapes[at][0]
        at = build.put("dense", at, weight=build.numbers(n, 3), bias=build.numbers(3))
    if build.chance(30):
        at = build.put("softmax", at)
    return ann.Model(build.layers, Input(shape=shape, scale=1))


class Plain(Builder):
    """A model of plain ReLUs and of max pools whose windows lie side by side."""

    def relu(self, source):
        return self.put("relu", source)

    def pool(self, source, operation):
        if operation == "average":
            return super().pool(source, operation)
        sides = self.shapes[source][:2]
        kernel = tuple(self.pick([k for k in (1, 2, 3, n) if n % k == 0]) for n in sides)
        return self.put("pool", source, operation="max", kernel=kernel)
