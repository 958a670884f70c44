"""Products of matrices whose every element is the same sum, whatever else is computed with it."""

from __future__ import annotations

import numpy as np

from evsim.base.fields import frozen
from evsim.base.kernel import kernel

DEEP = 64  # rows of the second matrix that stay in the cache while all rows of the first pass
ROOM = 4 << 20  # bytes of patches gathered in one go


def multiply(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """x @ weight in float32: (rows, depth) by (depth, columns).

    An element is summed in groups of four by ascending depth, ((a + b) + (c + d)), the rest one by
    one, and depends on its own row and column only. No library is asked: what one rounds depends
    on the number of rows, of threads and the machine.
    """
    x, weight = frozen(x), frozen(weight)
    out = np.zeros((len(x), weight.shape[1]), np.float32)
    step = max(1, (256 << 20) // (2 * weight.size))  # a kernel call stays short
    for first in range(0, len(x), step):
        product(x[first : first + step], weight, out[first : first + step], DEEP)
    return out


@kernel
def product(x, weight, out, deep):
    """out += x @ weight, for `deep` rows of the weight at a time and four rows of x."""
    rows, depth, columns = x.shape[0], x.shape[1], weight.shape[1]
    for start in range(0, depth, deep):
        end = min(start + deep, depth)
        fours = start + (end - start) // 4 * 4
        for m in range(0, rows - 3, 4):
            o0, o1, o2, o3 = out[m], out[m + 1], out[m + 2], out[m + 3]
            a, b, c, d = x[m], x[m + 1], x[m + 2], x[m + 3]
            for k in range(start, fours, 4):
                w0, w1, w2, w3 = weight[k], weight[k + 1], weight[k + 2], weight[k + 3]
                a0, a1, a2, a3 = a[k], a[k + 1], a[k + 2], a[k + 3]
                b0, b1, b2, b3 = b[k], b[k + 1], b[k + 2], b[k + 3]
                c0, c1, c2, c3 = c[k], c[k + 1], c[k + 2], c[k + 3]
                d0, d1, d2, d3 = d[k], d[k + 1], d[k + 2], d[k + 3]
                for j in range(columns):
                    v0, v1, v2, v3 = w0[j], w1[j], w2[j], w3[j]
                    o0[j] += (a0 * v0 + a1 * v1) + (a2 * v2 + a3 * v3)
                    o1[j] += (b0 * v0 + b1 * v1) + (b2 * v2 + b3 * v3)
                    o2[j] += (c0 * v0 + c1 * v1) + (c2 * v2 + c3 * v3)
                    o3[j] += (d0 * v0 + d1 * v1) + (d2 * v2 + d3 * v3)
            for k in range(fours, end):
                w = weight[k]
                for j in range(columns):
                    o0[j] += a[k] * w[j]
                    o1[j] += b[k] * w[j]
                    o2[j] += c[k] * w[j]
                    o3[j] += d[k] * w[j]
        for m in range(rows // 4 * 4, rows):
            o0, a = out[m], x[m]
            for k in range(start, fours, 4):
                w0, w1, w2, w3 = weight[k], weight[k + 1], weight[k + 2], weight[k + 3]
                a0, a1, a2, a3 = a[k], a[k + 1], a[k + 2], a[k + 3]
                for j in range(columns):
                    o0[j] += (a0 * w0[j] + a1 * w1[j]) + (a2 * w2[j] + a3 * w3[j])
            for k in range(fours, end):
                w = weight[k]
                for j in range(columns):
                    o0[j] += a[k] * w[j]
