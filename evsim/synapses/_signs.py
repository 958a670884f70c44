"""Weights of one bit under sources that send +1 or -1 at every timestep: exclusive or, popcount.

The sum over n such products is n - 2 (how many signs differ). Signs lie 64 to a word along the
inputs, 1 for +1; what fills the last word is 0 on both sides and never differs.
"""

from __future__ import annotations

import numpy as np

from evsim.base.kernel import kernel
from evsim.synapses import Added


def start(weight: np.ndarray, geometry: np.ndarray):
    """What a run calls to deliver; `weight` (taps, in, out) of -1 and +1.

    `geometry`: heights and widths of source, target and kernel, strides, top and left padding,
    dilations. Every source must be in every window.
    """
    taps, depth, out = weight.shape
    filled = np.zeros((taps, -(-depth // 64), 64, out), np.uint64)
    filled.reshape(taps, -1, out)[:, :depth] = weight > 0
    places = np.arange(64, dtype=np.uint64)[:, None]
    words = np.ascontiguousarray(np.bitwise_or.reduce(filled << places, axis=2))

    def deliver(events, currents, reached, workspace):
        shape = (len(events.offsets) - 1, words.shape[1])
        if geometry[0] == geometry[1] == 1:  # all sources at one place
            shape = (len(currents), words.shape[1])
        signs = workspace.array("signs", shape, np.uint64)
        pack(events.values[events.offsets[0] :], depth, signs)
        differ = workspace.array("differing signs", out, np.int64)
        flat = currents.reshape(-1, out)
        marks = reached.reshape(len(flat), -1)
        seen = compare(signs, words, depth, geometry, differ, flat, marks)
        rows = seen * depth
        return Added(rows, rows * out, 0)

    return deliver


@kernel
def pack(values, depth, signs):
    """The signs of the values, `depth` for each source position, as bits of words."""
    one = np.uint64(1)
    for p in range(signs.shape[0]):
        for w in range(signs.shape[1]):
            word = np.uint64(0)
            first = p * depth + w * 64
            for k in range(min(64, depth - w * 64)):
                word |= np.uint64(values[first + k] > 0) * (one << np.uint64(k))
            signs[p, w] = word


@kernel
def _ones(word):
    """How many bits are 1; LLVM knows this form and takes the processor's own instruction."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    low = np.uint64(0x3333333333333333)
    word = (word & low) + ((word >> np.uint64(2)) & low)
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@kernel
def compare(signs, words, depth, geometry, differ, currents, reached):
    """Add the sums of all products to the currents (targets, out); returns the taps inside.

    `signs` (source positions, words), `words` (taps, words, out); `differ`: room for a target.
    """
    height, width, out_height, out_width = geometry[0], geometry[1], geometry[2], geometry[3]
    kernel_height, kernel_width = geometry[4], geometry[5]
    stride_y, stride_x, top, left = geometry[6], geometry[7], geometry[8], geometry[9]
    dilation_y, dilation_x = geometry[10], geometry[11]
    seen = np.int64(0)
    for target in range(currents.shape[0]):
        t, p = divmod(target, out_height * out_width)
        y, x = divmod(p, out_width)
        inside = np.int64(0)
        differ[:] = 0
        for a in range(kernel_height):
            row = y * stride_y - top + a * dilation_y
            for b in range(kernel_width):
                column = x * stride_x - left + b * dilation_x
                if row < 0 or row >= height or column < 0 or column >= width:
                    continue
                source = signs[(t * height + row) * width + column]
                inside += 1
                for w in range(source.shape[0]):
                    word, weight = source[w], words[a * kernel_width + b, w]
                    for o in range(differ.shape[0]):
                        differ[o] += np.int64(_ones(word ^ weight[o]))
        if inside > 0:
            total = currents[target]
            for o in range(differ.shape[0]):
                total[o] += inside * depth - 2 * differ[o]
            reached[target, :] = 1
        seen += inside
    return seen
