"""Events of many samples, as a data file has them."""

from __future__ import annotations

import copy
from math import prod
from typing import Any

import numpy as np

from evsim.base.errors import mismatch, shown
from evsim.base.fields import NEURONS

SCAN = 1 << 20  # events checked in one go
MOST = {"samples": 100_000_000, "timesteps": 2**31}  # of a file: where each begins is in memory


class Events:
    """Events of many samples, strictly ascending by (sample, timestep, neuron).

    Columns are arrays or open datasets, read by slices. `value` absent: all +1. `graded`: None:
    graded if any value of all samples is not +1 or -1. `events[a:b]` are those of some samples.
    """

    def __init__(
        self,
        sample: Any,
        timestep: Any,
        neuron: Any,
        value: Any = None,
        *,
        shape: Any,
        samples: Any,
        timesteps: Any,
        graded: Any = None,
    ) -> None:
        self.columns: dict[str, Any] = {"sample": sample, "timestep": timestep, "neuron": neuron}
        if value is not None:
            self.columns["value"] = value
        self.shape = tuple(int(n) for n in np.ravel(_wholes(shape, "shape", 1, (1, 3))))
        self.samples = int(_wholes(samples, "samples", 1, (1,)).item())
        self.timesteps = int(_wholes(timesteps, "timesteps", 1, (1,)).item())
        self.first, self.last = 0, self.samples
        for name, most in MOST.items():
            if getattr(self, name) > most:
                raise mismatch(getattr(self, name), f"at most {most}", name)
        if prod(self.shape) > NEURONS:
            raise mismatch(f"{prod(self.shape)} neurons", f"at most {NEURONS}", "shape")
        self._check_columns()
        self.offsets, binary = self._scan()
        if graded is not None:
            graded = np.asarray(graded)
            if graded.size != 1 or graded.dtype.kind not in "biu" or graded.item() not in (0, 1):
                raise mismatch(shown(graded), "true or false", "graded")
            if not graded.item() and not binary:
                expected = "+1 and -1 only, as the attribute graded is false"
                raise mismatch("other values", expected, "value")
        self.graded = not binary if graded is None else bool(graded.item())

    def _check_columns(self) -> None:
        length = None
        for name, column in self.columns.items():
            if len(column.shape) != 1 or (length is not None and column.shape[0] != length):
                expected = "one axis" if length is None else f"({length},), one per event"
                raise mismatch(f"shape {column.shape}", expected, name)
            length = column.shape[0]
            allowed = "iuf" if name == "value" else "iu"
            if column.dtype.kind not in allowed:
                expected = "integers" if allowed == "iu" else "real numbers"
                raise mismatch(f"dtype {column.dtype}", expected, name)

    def _scan(self) -> tuple[np.ndarray, bool]:
        """Check all events; returns where each sample begins, and whether all are +1 or -1."""
        bounds = {
            "sample": self.samples,
            "timestep": self.timesteps,
            "neuron": prod(self.shape),
        }
        total = self.columns["sample"].shape[0]
        offsets = np.zeros(self.samples + 1, np.int64)
        binary, before = True, None
        for a in range(0, total, SCAN):
            part = {name: np.asarray(c[a : a + SCAN]) for name, c in self.columns.items()}
            for name, bound in bounds.items():
                if part[name].min() < 0 or part[name].max() >= bound:
                    outside = (part[name] < 0) | (part[name] >= bound)
                    k = int(np.flatnonzero(outside)[0])
                    raise mismatch(f"{part[name][k]} at event {a + k}", f"0 to {bound - 1}", name)
            if prod(bounds.values()) >= 1 << 63 or not _ascending(part, bounds, before):
                _check_order(part, bounds, before, a)
            before = {name: part[name][-1:] for name in bounds}
            first, last = int(part["sample"][0]), int(part["sample"][-1])
            edges = np.arange(first, last + 1).astype(part["sample"].dtype)
            ends = np.append(np.searchsorted(part["sample"], edges)[1:], len(part["sample"]))
            offsets[first + 1 : last + 2] = a + ends
            offsets[last + 2 :] = a + ends[-1]
            if "value" in part:
                value = part["value"]
                bad = (value == 0) | ~np.isfinite(value)
                if bad.any():
                    k = int(np.flatnonzero(bad)[0])
                    expected = "finite values other than 0"
                    raise mismatch(f"{value[k]} at event {a + k}", expected, "value")
                binary = binary and bool((np.abs(value) == 1).all())
        return offsets, binary

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, index: slice) -> Events:
        start, stop, step = index.indices(len(self))
        if step != 1:
            raise ValueError(f"events are sliced with step 1, not {step}")
        some = copy.copy(self)
        some.first, some.last = self.first + start, self.first + max(start, stop)
        return some

    def at_or_after(self, timestep: int) -> int:
        """How many of these events are at or after a timestep."""
        late = 0
        for a in range(self.offsets[self.first], self.offsets[self.last], SCAN):
            some = slice(a, min(a + SCAN, int(self.offsets[self.last])))
            late += int(np.count_nonzero(np.asarray(self.columns["timestep"][some]) >= timestep))
        return late

    def of(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(timesteps, neurons, values) of the sample `index` of these."""
        part = slice(*self.offsets[self.first + index : self.first + index + 2])
        timesteps, neurons = (
            np.asarray(self.columns[name][part]).astype(np.int64) for name in ("timestep", "neuron")
        )
        if "value" not in self.columns:
            return timesteps, neurons, np.ones(neurons.size)
        return timesteps, neurons, np.asarray(self.columns["value"][part]).astype(np.float64)


def _ascending(part: dict, bounds: dict, before: dict | None) -> bool:
    """Whether events are strictly ascending, one number for each: quicker than `_check_order`."""
    keys = _keys(part, bounds)
    later = before is None or keys[0] > _keys(before, bounds)[0]
    return bool(later and (keys[1:] > keys[:-1]).all())


def _keys(part: dict, bounds: dict) -> np.ndarray:
    keys = part["sample"].astype(np.int64)
    for name in ("timestep", "neuron"):
        keys *= bounds[name]
        keys += part[name].astype(np.int64, copy=False)
    return keys


def _check_order(part: dict, bounds: dict, before: dict | None, start: int) -> None:
    """Raise an error that names the first event, counted from `start`, that does not ascend."""
    keys = np.stack([part[name].astype(np.int64) for name in bounds])
    if before is not None:
        last = np.stack([before[name].astype(np.int64) for name in bounds])
        keys = np.concatenate([last, keys], axis=1)
    step = np.diff(keys, axis=1)
    ascending = (step[0] > 0) | (
        (step[0] == 0) & ((step[1] > 0) | ((step[1] == 0) & (step[2] > 0)))
    )
    if not ascending.all():
        k = int(np.flatnonzero(~ascending)[0])
        what = "repeated" if not step[:, k].any() else "unordered"
        k += start + (before is None)
        expected = "events strictly ascending by sample, timestep, neuron"
        raise mismatch(f"{what} event {k}", expected)


def _wholes(value: Any, name: str, least: int, sizes: tuple[int, ...]) -> np.ndarray:
    value = np.asarray(value)
    if value.dtype.kind not in "iu" or value.size not in sizes or (value < least).any():
        expected = f"{' or '.join(map(str, sizes))} whole numbers of at least {least}"
        raise mismatch(shown(value), expected, name)
    return value
