"""Listing the channels of the neurons that are marked, eight at a time and without a branch."""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from evsim.base.kernel import kernel

ALL = 0xFFFFFFFFFFFFFFFF  # a mask for the bytes of eight marks
GATHER = 0x0102040810204080  # times bytes of 0 or 1: byte k becomes bit 56 + k
EIGHT = 8
_PLACES = [[k for k in range(EIGHT) if byte >> k & 1] for byte in range(256)]
_TABLE = bytearray(k for row in _PLACES for k in (*row, *[0] * (EIGHT - len(row))))


def append_eight(marks, k, mask, channels, events, first):
    """Append first + i for every i of 0 .. 7 with marks[k + i] and its byte in `mask`; how many.

    Eight places of `channels` are written, whatever the marks.
    """
    count = 0
    for i in range(EIGHT):
        if marks[k + i] and int(mask) >> 8 * i & 1:
            channels[events + count] = first + i
            count += 1
    return count


def _vector_of_places(builder, marks, k, mask):
    """The word of eight marks, and the places in it that are marked as a vector of int32."""
    byte, word, int32 = (ir.IntType(bits) for bits in (8, 64, 32))
    module, name = builder.module, "evsim.places"
    if name in module.globals:
        table = module.globals[name]
    else:
        table = ir.GlobalVariable(module, ir.ArrayType(byte, len(_TABLE)), name)
        table.linkage, table.global_constant = "internal", True
        table.initializer = ir.Constant(table.value_type, _TABLE)
    eight = builder.load(builder.bitcast(builder.gep(marks, [k]), word.as_pointer()), align=1)
    eight = builder.and_(eight, mask)
    bits = builder.lshr(builder.mul(eight, ir.Constant(word, GATHER)), ir.Constant(word, 56))
    row = builder.gep(builder.bitcast(table, byte.as_pointer()), [builder.mul(bits, word(EIGHT))])
    row = builder.bitcast(row, ir.VectorType(byte, EIGHT).as_pointer())
    return eight, builder.zext(builder.load(row, align=1), ir.VectorType(int32, EIGHT))


@intrinsic
def _append_eight_at_once(typing, marks, k, mask, channels, events, first):
    """`append_eight` with vectors, which Numba makes of no loop of eight."""
    given = marks, types.int64, types.uint64, channels, types.int64, types.int32

    def generate(context, builder, signature, args):
        marks, k, mask, channels, events, first = args
        kinds = signature.args
        read = context.make_array(kinds[0])(context, builder, marks).data
        written = context.make_array(kinds[3])(context, builder, channels).data
        eight, places = _vector_of_places(builder, read, k, mask)
        none = ir.Constant(places.type, ir.Undefined)
        base = builder.insert_element(none, first, ir.IntType(32)(0))
        base = builder.shuffle_vector(base, none, ir.Constant(places.type, [0] * EIGHT))
        place = builder.bitcast(builder.gep(written, [events]), places.type.as_pointer())
        builder.store(builder.add(places, base), place, align=4)
        return builder.ctpop(eight)

    return types.int64(*given), generate


@overload(append_eight)
def _append_eight(marks, k, mask, channels, events, first):
    """What kernels call for `append_eight`."""

    def append(marks, k, mask, channels, events, first):
        return _append_eight_at_once(marks, k, mask, channels, events, first)

    return append


@kernel
def list_marked(marks, channels, offsets, sent):
    """List the marked neurons of a block of timesteps, and count them; returns how many.

    `marks`: 0 or 1 for (timesteps, positions, channels), and SPARE more. `sent` (positions,
    channels): to every neuron's its marks are added. `offsets` as in a stream.
    """
    events, width, k = np.int64(0), sent.shape[1], 0
    whole, rest = width - width % 8, np.uint64(ALL) >> np.uint64(8 * (7 - (width - 1) % 8))
    for cell in range(1, offsets.shape[0]):
        for c in range(0, whole, 8):
            events += append_eight(marks, k + c, np.uint64(ALL), channels, events, c)
        if whole < width:
            events += append_eight(marks, k + whole, rest, channels, events, whole)
        k += width
        offsets[cell] = offsets[0] + events
    _count(marks, (offsets.shape[0] - 1) * width, sent)
    return events


@kernel
def _count(marks, end, sent):
    """Add to each neuron's count its marks, of which there are `end`: four timesteps at once."""
    neurons, t = sent.shape[0] * sent.shape[1], 0
    count = sent.reshape(-1)
    while t + 4 * neurons <= end:
        m0 = marks[t : t + neurons]
        m1 = marks[t + neurons : t + 2 * neurons]
        m2 = marks[t + 2 * neurons : t + 3 * neurons]
        m3 = marks[t + 3 * neurons : t + 4 * neurons]
        for n in range(neurons):
            count[n] += np.uint8((m0[n] + m1[n]) + (m2[n] + m3[n]))
        t += 4 * neurons
    while t < end:
        for n in range(neurons):
            count[n] += marks[t + n]
        t += neurons
