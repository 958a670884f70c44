"""Convolutions by runs of weights, by listed rows, and as events lie: sums, marks and counts."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.effort import examples

from evsim.base.geometry import output_size
from evsim.engine.stream import Slice
from evsim.engine.weights import Weights
from evsim.engine.workspace import Workspace
from evsim.neurons.iaf import IntegrateAndFire
from evsim.synapses import conv


@st.composite
def cases(draw):
    """A convolution that fits two populations, and events of some timesteps."""
    small = st.integers(1, 3)
    kernel, stride, prepool = ([draw(small) for _ in range(2)] for _ in range(3))
    dilation = [draw(small), 1]
    padding = [draw(st.integers(0, 4)) for _ in range(4)]
    least = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    cells = [draw(st.integers(n, n + 6)) for n in least]
    size = [n * p + draw(st.integers(0, p - 1)) for n, p in zip(cells, prepool, strict=True)]
    depth, out, steps = draw(st.integers(1, 12)), draw(st.integers(1, 9)), draw(st.integers(1, 4))
    target = [
        output_size(n, k, s, *padding[2 * i : 2 * i + 2], d)
        for i, (n, k, s, d) in enumerate(zip(cells, kernel, stride, dilation, strict=True))
    ]
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    weight = random.integers(-9, 10, (*kernel, depth, out)).astype(draw(st.sampled_from("bf")))
    fields = {"stride": stride, "padding": padding, "dilation": dilation, "prepool": prepool}
    part = conv.Convolution(source="a", target="b", weight=weight, **fields)
    fired = random.random((steps, size[0] * size[1], depth)) < draw(st.sampled_from([0, 0.1, 0.6]))
    values = random.integers(-3, 4, fired.shape).astype(np.float32) if draw(st.booleans()) else None
    return part, (*size, depth), (*target, out), fired, values


def delivered(part, source, target, events, steps):
    """Currents, marks and what was added."""
    populations = [
        IntegrateAndFire(shape=shape, threshold=np.float32(1)) for shape in (source, target)
    ]
    whole = part.weight.dtype.kind == "i" and events.values is None
    deliver = part.connect(*populations).start(Weights(None if whole else np.dtype(np.float32)))
    currents = np.zeros((steps, target[0] * target[1], target[2]), np.int32 if whole else "f")
    reached = np.zeros((*currents.shape[:2], 1), np.uint8)
    workspace = Workspace()
    for array in (workspace.array(name, 1 << 16, np.uint8) for name in ("line", "busy", "lines")):
        array.fill(77)  # nothing may be expected of it
    added = deliver(events, currents, reached, workspace)
    marks = np.zeros_like(reached)
    assert deliver(events, None, marks, workspace) == added
    np.testing.assert_array_equal(marks, reached)
    return currents, reached, added


def sliced(fired, values):
    """The events of a slice that is not the first of its stream, and what each neuron sends."""
    before = 5
    step, place, channel = np.nonzero(fired)
    counts = np.bincount(step * fired.shape[1] + place, minlength=fired.shape[0] * fired.shape[1])
    offsets = before + np.concatenate([[0], counts.cumsum()])
    channels = np.concatenate([np.zeros(before), channel, np.zeros(16)]).astype(np.int32)
    if values is None:
        return Slice(channels, None, offsets.astype(np.int64)), fired
    listed = np.concatenate([np.zeros(before), values[fired], np.zeros(16)]).astype("f")
    return Slice(channels, listed, offsets.astype(np.int64)), fired * values


@examples(200)
@given(cases())
def test_runs_and_lists_agree(case):
    part, source, target, fired, values = case
    events, kept = sliced(fired, values)[0], conv.SHORT
    ways = []
    for short in (0, kept):
        conv.SHORT = short
        try:
            ways.append(delivered(part, source, target, events, len(fired)))
        finally:
            conv.SHORT = kept
    for one, other in zip(ways[0], ways[1], strict=True):
        np.testing.assert_array_equal(one, other)


@examples(60)
@given(cases(), st.sampled_from([5, 70]))
def test_a_kernel_of_one_place_is_a_product(case, out):
    part, source, _, fired, values = case
    weight = np.resize(part.weight, (1, 1, source[2], out))
    part = conv.Convolution(source="a", target="b", weight=weight)
    events, sent = sliced(fired, values)
    currents, reached, added = delivered(part, source, (*source[:2], out), events, len(fired))
    np.testing.assert_array_equal(currents, sent @ weight[0, 0])
    np.testing.assert_array_equal(reached[:, :, 0], fired.any(axis=2))
    zeros = (weight[0, 0] == 0).sum(axis=1)
    count = int(fired.sum())
    assert added == (count, count * out, (fired * zeros).sum())
