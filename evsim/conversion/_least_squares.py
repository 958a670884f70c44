"""Weights fitted anew to what arrives: ridge regression on some places of some samples.

Layer-wise reconstruction as in post-training quantisation (Nagel et al. 2020, Up or down?), in
closed form.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from evsim.artificial.maps import Linear, Matrix, Taps
from evsim.conversion._graph import Node

ROWS = 8192  # places that the weights of a node are fitted to, at most
ROOM = 128 << 20  # bytes of what they see, at most
WEIGHTS = 16 << 20  # of a map; one with more stays as it is
STRIDE = 2654435761  # a prime: some of many places in an order that no shape of a map repeats


def refitted(
    node: Node, artificial: dict[str, np.ndarray], arrived: dict[str, np.ndarray], ridge: float
) -> Node:
    """A node with weights W + D and an offset that make up for what arrives.

    D has the least squared error |a W - x (W + D)|^2 + ridge m |D|^2 over rows x of what arrives
    and a of what would (both by source, (samples, *shape)); m is the mean of the diagonal of x'x,
    rows and errors less their means. Only maps that are convolutions of all channels, or matrices,
    of at most `WEIGHTS` are fitted; a node in a block that runs several times keeps the weights
    it shares.
    """
    fits = [k for k, (_, map) in enumerate(node.terms) if _fits(map)]
    if node.place or node.kind not in ("neurons", "readout") or not fits:
        return node
    samples = len(arrived[node.terms[0][0]])
    places = samples * (prod(node.shape) // node.channels if len(node.shape) == 3 else 1)
    width = sum(prod(node.terms[k][1].weight.shape[:-1]) for k in fits)
    rows = min(ROWS, places, max(1, ROOM // (8 * width)))
    chosen = some_of(places, rows)
    seen, missed = [], np.zeros((len(chosen), node.channels))
    for k, (source, map) in enumerate(node.terms):
        there, due = arrived[source], artificial[source]
        if k not in fits:
            difference = map.apply(np.float32(due - there))
            missed += difference.reshape(places, -1)[chosen]
            continue
        seen.append(_rows(map, there, chosen))
        weight = np.float64(map.weight).reshape(-1, map.weight.shape[-1])
        missed += (_rows(map, due, chosen) - seen[-1]) @ weight
    change, offset = ridge_regression(np.concatenate(seen, axis=1), missed, ridge)
    terms, first = list(node.terms), 0
    for k in fits:
        source, map = node.terms[k]
        size = prod(map.weight.shape[:-1])
        weight = np.float64(map.weight) + change[first : first + size].reshape(map.weight.shape)
        terms[k] = source, replace(map, weight=weight)
        first += size
    old = 0.0 if node.offset is None else node.offset
    return replace(node, terms=tuple(terms), offset=old + offset)


def some_of(places: int, most: int) -> np.ndarray:
    """At most so many of 0 .. places - 1, ascending, all over them and without a period."""
    return np.unique(np.arange(min(places, most), dtype=np.int64) * STRIDE % places)


def ridge_regression(x: np.ndarray, y: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """(D, b) with the least |y - x D - b|^2 + ridge m |D|^2; m: as for `refitted`."""
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    x, y = x - mean_x, y - mean_y
    if not x.any():
        return np.zeros((x.shape[1], y.shape[1])), mean_y
    penalty = ridge * (x * x).sum() / x.shape[1]
    if len(x) >= x.shape[1]:
        change = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
    else:  # the same, by the smaller system
        change = x.T @ np.linalg.solve(x @ x.T + penalty * np.eye(len(x)), y)
    return change, mean_y - mean_x @ change


def _fits(map: Linear) -> bool:
    whole = isinstance(map, Matrix) or (isinstance(map, Taps) and map.groups == 1)
    return whole and map.weight.size <= WEIGHTS


def _rows(map: Taps | Matrix, values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """What the weights of a map see at some places of its result, float64 (places, inputs)."""
    if map.prepool != (1, 1):
        (cell_y, cell_x), (height, width, channels) = map.prepool, values.shape[1:]
        rows, columns = height // cell_y, width // cell_x
        values = values[:, : rows * cell_y, : columns * cell_x]
        values = values.reshape(-1, rows, cell_y, columns, cell_x, channels).sum(axis=(2, 4))
    if isinstance(map, Matrix):
        return np.float64(values.reshape(len(values), -1)[chosen])
    (height, width), (kernel_y, kernel_x) = map.after[:2], map.weight.shape[:2]
    values = np.pad(values, ((0, 0), map.padding[:2], map.padding[2:], (0, 0)))
    sample, place = np.divmod(chosen, height * width)
    y, x = np.divmod(place, width)
    taps = [
        values[
            sample,
            y * map.stride[0] + i * map.dilation[0],
            x * map.stride[1] + j * map.dilation[1],
        ]
        for i in range(kernel_y)
        for j in range(kernel_x)
    ]
    return np.float64(np.concatenate(taps, axis=1))
