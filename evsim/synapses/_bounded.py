"""Weights added one by one, each sum brought into a width: the twins of the other loops.

`report` is that of `evsim.base.width`: overflows, first place, lowest and highest sum, place of the
block. `bounds`: the smallest value, the largest, 1 where what leaves them wraps.
"""

from __future__ import annotations

from evsim.base.kernel import kernel

LOW, HIGH, WRAPS = range(3)  # of bounds
OVERFLOWS, FIRST, LOWEST, HIGHEST, BASE = range(5)  # of a report, as in evsim.base.width


@kernel
def add_saturating(rows, starts, weight, column, bounds, kept, report, first, out):
    """out[i, column:] takes weight[rows[k]] one after the other, each sum saturated.

    `kept` (3, columns): room for what happens in each column. `first`: the place of out[0].
    """
    cast = out.dtype.type
    low, high = cast(bounds[LOW]), cast(bounds[HIGH])
    for i in range(starts.shape[0] - 1):
        k, last = starts[i], starts[i + 1]
        v = out[i, column : column + weight.shape[1]]
        over, least, most = kept[0], kept[1], kept[2]
        while k < last:
            end = min(k + 8192, last)  # so many overflows fit the narrowest accumulator
            for c in range(v.shape[0]):
                over[c], least[c], most[c] = 0, high, low
            while k + 4 <= end:
                w0 = weight[rows[k]]
                w1 = weight[rows[k + 1]]
                w2 = weight[rows[k + 2]]
                w3 = weight[rows[k + 3]]
                for c in range(v.shape[0]):
                    x0 = cast(v[c] + w0[c])
                    y0 = min(max(x0, low), high)
                    x1 = cast(y0 + w1[c])
                    y1 = min(max(x1, low), high)
                    x2 = cast(y1 + w2[c])
                    y2 = min(max(x2, low), high)
                    x3 = cast(y2 + w3[c])
                    y3 = min(max(x3, low), high)
                    v[c] = y3
                    over[c] += cast(x0 != y0) + cast(x1 != y1) + cast(x2 != y2) + cast(x3 != y3)
                    least[c] = min(least[c], min(min(x0, x1), min(x2, x3)))
                    most[c] = max(most[c], max(max(x0, x1), max(x2, x3)))
                k += 4
            while k < end:
                w0 = weight[rows[k]]
                for c in range(v.shape[0]):
                    x0 = cast(v[c] + w0[c])
                    v[c] = min(max(x0, low), high)
                    over[c] += cast(x0 != v[c])
                    least[c], most[c] = min(least[c], x0), max(most[c], x0)
                k += 1
            _take(kept, report, first + i * out.shape[1] + column)


@kernel
def add_wrapping(rows, starts, weight, column, bounds, kept, report, first, out):
    """`add_saturating` where sums wrap; a weight is less than the range of the width."""
    cast = out.dtype.type
    low, high = cast(bounds[LOW]), cast(bounds[HIGH])
    mask = cast(high - low)
    for i in range(starts.shape[0] - 1):
        k, last = starts[i], starts[i + 1]
        v = out[i, column : column + weight.shape[1]]
        over, least, most = kept[0], kept[1], kept[2]
        while k < last:
            end = min(k + 8192, last)
            for c in range(v.shape[0]):
                over[c], least[c], most[c] = 0, high, low
            while k + 4 <= end:
                w0 = weight[rows[k]]
                w1 = weight[rows[k + 1]]
                w2 = weight[rows[k + 2]]
                w3 = weight[rows[k + 3]]
                for c in range(v.shape[0]):
                    x0 = cast(v[c] + w0[c])
                    y0 = cast(cast(cast(x0 - low) & mask) + low)
                    x1 = cast(y0 + w1[c])
                    y1 = cast(cast(cast(x1 - low) & mask) + low)
                    x2 = cast(y1 + w2[c])
                    y2 = cast(cast(cast(x2 - low) & mask) + low)
                    x3 = cast(y2 + w3[c])
                    y3 = cast(cast(cast(x3 - low) & mask) + low)
                    v[c] = y3
                    over[c] += cast(x0 != y0) + cast(x1 != y1) + cast(x2 != y2) + cast(x3 != y3)
                    least[c] = min(least[c], min(min(x0, x1), min(x2, x3)))
                    most[c] = max(most[c], max(max(x0, x1), max(x2, x3)))
                k += 4
            while k < end:
                w0 = weight[rows[k]]
                for c in range(v.shape[0]):
                    x0 = cast(v[c] + w0[c])
                    v[c] = cast(cast(cast(x0 - low) & mask) + low)
                    over[c] += cast(x0 != v[c])
                    least[c], most[c] = min(least[c], x0), max(most[c], x0)
                k += 1
            _take(kept, report, first + i * out.shape[1] + column)


@kernel
def _take(kept, report, place):
    """Add what happened in the columns of a row, the first of which has this place."""
    over, least, most = kept[0], kept[1], kept[2]
    count, lowest, highest = 0, report[LOWEST], report[HIGHEST]
    for c in range(over.shape[0]):
        count += over[c]
        lowest = min(lowest, least[c])
        highest = max(highest, most[c])
    report[LOWEST], report[HIGHEST] = lowest, highest
    if count > 0:
        report[OVERFLOWS] += count
        for c in range(over.shape[0]):
            if over[c] > 0:
                report[FIRST] = min(report[FIRST], place + c)
                break


@kernel
def _bounded(x, bounds, report, place):
    """A sum brought into the width, and reported."""
    report[LOWEST], report[HIGHEST] = min(report[LOWEST], x), max(report[HIGHEST], x)
    y = min(max(x, bounds[LOW]), bounds[HIGH])
    if y != x:
        report[OVERFLOWS] += 1
        report[FIRST] = min(report[FIRST], place)
        if bounds[WRAPS] == 1:
            y = ((x - bounds[LOW]) & (bounds[HIGH] - bounds[LOW])) + bounds[LOW]
    return y


@kernel
def add_valued(rows, values, starts, weight, column, bounds, report, first, out):
    """Add rows times values of +1 and -1, one by one, with saturation or wrapping."""
    for i in range(starts.shape[0] - 1):
        v = out[i, column : column + weight.shape[1]]
        for k in range(starts[i], starts[i + 1]):
            w, value = weight[rows[k]], values[k]
            for c in range(v.shape[0]):
                place = first + i * out.shape[1] + column + c
                v[c] = _bounded(v[c] + value * w[c], bounds, report, place)


@kernel
def add_currents(currents, reached, bounds, report, first, out):
    """out[i, c] takes currents[i, c] where it is reached: one sum, brought into the width."""
    for i in range(out.shape[0]):
        for c in range(out.shape[1]):
            if reached[i, c] != 0:
                place = first + i * out.shape[1] + c
                out[i, c] = _bounded(out[i, c] + currents[i, c], bounds, report, place)


@kernel
def scatter(channels, values, offsets, width, matrix, reached, bounds, report, out):
    """Add value * data of every event's row to the row's targets, each sum bounded.

    matrix = (data, zero, indices, indptr); returns (rows, additions, zeros).
    """
    data, zero, indices, indptr = matrix
    positions = (offsets.shape[0] - 1) // out.shape[0]
    rows, additions, zeros = 0, 0, 0
    for source in range(offsets.shape[0] - 1):
        t, p = divmod(source, positions)
        for k in range(offsets[source], offsets[source + 1]):
            start, end = indptr[p * width + channels[k]], indptr[p * width + channels[k] + 1]
            for i in range(start, end):
                j = indices[i]
                w = values[k] * data[i] if values.shape[0] > 0 else data[i]
                place = report[BASE] + t * out.shape[1] + j
                out[t, j] = _bounded(out[t, j] + w, bounds, report, place)
                reached[t, j] = 1
                zeros += zero[i]
            rows += end > start
            additions += end - start
    return rows, additions, zeros


@kernel
def spread(channels, values, offsets, geometry, weight, out, reached, bounds, report):
    """Add the weights of every event of a grouped convolution, each sum bounded.

    `weight` (taps, in, out / groups).
    """
    height, width, depth = geometry[0], geometry[1], geometry[2]
    out_height, out_width = geometry[3], geometry[4]
    kernel_height, kernel_width = geometry[5], geometry[6]
    stride_y, stride_x, top, left = geometry[7], geometry[8], geometry[9], geometry[10]
    dilation_y, dilation_x, cell_y, cell_x = geometry[11], geometry[12], geometry[13], geometry[14]
    inputs, outputs = depth // geometry[15], weight.shape[2]
    neurons = out.shape[1] * out.shape[2]
    for source in range(offsets.shape[0] - 1):
        t, p = divmod(source, height * width)
        row, column = p // width // cell_y, p % width // cell_x
        if row >= height // cell_y or column >= width // cell_x:
            continue
        for a in range(kernel_height):
            y, odd_y = divmod(row + top - a * dilation_y, stride_y)
            for b in range(kernel_width):
                x, odd_x = divmod(column + left - b * dilation_x, stride_x)
                if odd_y or odd_x or y < 0 or y >= out_height or x < 0 or x >= out_width:
                    continue
                tap, position = a * kernel_width + b, y * out_width + x
                place = report[BASE] + t * neurons + position * out.shape[2]
                for k in range(offsets[source], offsets[source + 1]):
                    v, first = out[t, position], channels[k] // inputs * outputs
                    for o in range(outputs):
                        w = weight[tap, channels[k], o]
                        w = values[k] * w if values.shape[0] > 0 else w
                        v[first + o] = _bounded(v[first + o] + w, bounds, report, place + first + o)
                        reached[t, position, first + o] = 1
