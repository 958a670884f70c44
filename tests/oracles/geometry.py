"""Which neuron reaches which: the definitions of the synapse kinds, read from the target's side."""

from typing import Any, NamedTuple

import numpy as np


class Synapse(NamedTuple):
    """One connection: its target, its weight, and the index of that weight in the set's array."""

    target: int
    weight: Any
    element: tuple | None


def neurons(shape):
    """The number of neurons of a shape."""
    count = 1
    for length in shape:
        count *= length
    return count


def listening(fields):
    """The shape that sets into a population see: its own, with the places of pooled currents."""
    down, across = fields.get("pool", (1, 1))
    shape = tuple(fields["shape"])
    return shape if len(shape) == 1 else (shape[0] * down, shape[1] * across, shape[2])


def places_of(fields, neuron):
    """The places, by index, whose largest current a neuron takes."""
    down, across = fields.get("pool", (1, 1))
    if (down, across) == (1, 1):
        return [neuron]
    shape = fields["shape"]
    y, x, c = neuron // (shape[1] * shape[2]), neuron // shape[2] % shape[1], neuron % shape[2]
    inner = [(a, b) for a in range(down) for b in range(across)]
    return [index(listening(fields), y * down + a, x * across + b, c) for a, b in inner]


def per_neuron(value, shape):
    """A scalar, `(channels,)`, `shape` or flattened field as one value per neuron."""
    values = np.ravel(np.asarray(value))
    if values.size not in (1, shape[-1], neurons(shape)):
        raise ValueError(f"{values.size} values do not fit the shape {shape}")
    # Channels come last, so the channel of neuron j is j modulo their number.
    return [values[j % values.size] for j in range(neurons(shape))]


def axis_length(length, kernel, stride=1, lead=0, trail=0, dilation=1):
    """The output length of a convolution or a pool on one axis."""
    return (length + lead + trail - dilation * (kernel - 1) - 1) // stride + 1


def index(shape, y, x, c):
    """The C-order index of (y, x, c)."""
    return (y * shape[1] + x) * shape[2] + c


def pooled_shape(fields, shape):
    """The shape on which the weights of a set with `prepool` act."""
    down, across = fields.get("prepool", (1, 1))
    if (down, across) == (1, 1):
        return shape
    return (shape[0] // down, shape[1] // across, shape[2])


def pooled_source(fields, shape, neuron):
    """Where a source acts in the pooled shape; None beyond the last whole cell."""
    down, across = fields.get("prepool", (1, 1))
    if (down, across) == (1, 1):
        return neuron
    pooled = pooled_shape(fields, shape)
    y, x, c = neuron // (shape[1] * shape[2]), neuron // shape[2] % shape[1], neuron % shape[2]
    if y // down >= pooled[0] or x // across >= pooled[1]:
        return None
    return index(pooled, y // down, x // across, c)


def taps(source, target, kernel, stride, padding, dilation):
    """(target y, target x, kernel row, kernel column, source y, source x), where inside."""
    for axis, lead, trail in ((0, 0, 1), (1, 2, 3)):
        length = axis_length(
            source[axis], kernel[axis], stride[axis], padding[lead], padding[trail], dilation[axis]
        )
        if length != target[axis]:
            raise ValueError(f"axis {axis} of the target is {target[axis]}, expected {length}")
    for to_y in range(target[0]):
        for to_x in range(target[1]):
            for a in range(kernel[0]):
                for b in range(kernel[1]):
                    y = to_y * stride[0] + a * dilation[0] - padding[0]
                    x = to_x * stride[1] + b * dilation[1] - padding[2]
                    if 0 <= y < source[0] and 0 <= x < source[1]:
                        yield to_y, to_x, a, b, y, x


def dense(fields, source, target):
    for i in range(neurons(source)):
        for o in range(neurons(target)):
            yield i, o, (i, o)


def conv(fields, source, target):
    kernel_h, kernel_w, inputs, outputs = fields["weight"].shape
    groups = fields.get("groups", 1)
    stride, padding = fields.get("stride", (1, 1)), fields.get("padding", (0, 0, 0, 0))
    window = taps(
        source, target, (kernel_h, kernel_w), stride, padding, fields.get("dilation", (1, 1))
    )
    for to_y, to_x, a, b, y, x in window:
        for o in range(outputs):
            group = o // (outputs // groups)
            for i in range(inputs):
                c = group * inputs + i
                yield index(source, y, x, c), index(target, to_y, to_x, o), (a, b, i, o)


def pool(fields, source, target):
    kernel = fields["kernel"]
    stride, padding = fields.get("stride", kernel), fields.get("padding", (0, 0, 0, 0))
    for to_y, to_x, _, _, y, x in taps(source, target, kernel, stride, padding, (1, 1)):
        for c in range(source[2]):
            yield index(source, y, x, c), index(target, to_y, to_x, c), None


def identity(fields, source, target):
    stride, offset = fields.get("stride", (1, 1)), fields.get("channel_offset", 0)
    if len(source) == 1:
        source, target = (1, 1, *source), (1, 1, *target)
    for y in range(source[0]):
        for x in range(source[1]):
            for c in range(source[2]):
                if y % stride[0] == 0 and x % stride[1] == 0:
                    to = index(target, y // stride[0], x // stride[1], c + offset)
                    yield index(source, y, x, c), to, (c,) if "weight" in fields else None


def sparse(fields, source, target):
    for i in range(neurons(source)):
        for k in range(fields["indptr"][i], fields["indptr"][i + 1]):
            yield i, int(fields["indices"][k]), (k,)


KINDS = {"dense": dense, "conv": conv, "pool": pool, "identity": identity, "sparse": sparse}


def weights_of(fields):
    """The array of weights of a set; None for a pool and an identity without weight."""
    return fields.get("data" if fields["kind"] == "sparse" else "weight")


def has_integer_weights(fields):
    weights = weights_of(fields)
    return weights is not None and weights.dtype.kind == "i"


def constant_weight(fields, dtype):
    """The one weight of a set without an array of weights."""
    if fields["kind"] == "pool":
        return dtype(1 / (fields["kernel"][0] * fields["kernel"][1]))
    return dtype(1)


def connections(fields, source_shape, target_shape, dtype=np.float32):
    """For every source neuron its synapses, ascending by target.

    Integer weights are Python integers, before any `scale`; all others are numbers of `dtype`.
    """
    weights = weights_of(fields)
    pooled = pooled_shape(fields, source_shape)
    at_pooled = [[] for _ in range(neurons(pooled))]
    for source, target, element in KINDS[fields["kind"]](fields, pooled, target_shape):
        if element is None:
            weight = constant_weight(fields, dtype)
        elif has_integer_weights(fields):
            weight = int(weights[element])
        else:
            weight = dtype(weights[element])
        at_pooled[source].append(Synapse(target, weight, element))
    for synapses in at_pooled:
        synapses.sort(key=lambda synapse: synapse.target)
    places = [
        pooled_source(fields, source_shape, neuron) for neuron in range(neurons(source_shape))
    ]
    return [[] if place is None else at_pooled[place] for place in places]
