"""Sets of synapses: one file per kind, the file's name is the kind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache
from math import prod
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from evsim.base.errors import mismatch
from evsim.base.fields import Part, kinds, per_channel, whole, word

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class Added(NamedTuple):
    """What a delivery did; two of them add up."""

    rows: int = 0  # weight rows read
    additions: int = 0  # synaptic additions, or multiply-accumulates
    zeros: int = 0  # those with a weight of 0

    def __add__(self, other: Added) -> Added:
        return Added(self[0] + other[0], self[1] + other[1], self[2] + other[2])


NOTHING_ADDED = Added()


class WeightRows(NamedTuple):
    """The rows of an array of weights: what lies together and is read together."""

    neurons: int  # of the source population
    sources: np.ndarray  # (reads,): an event of this neuron
    rows: np.ndarray  # (reads,): reads this row
    starts: np.ndarray  # (rows,) int64: where in the flat array a row begins
    lengths: np.ndarray  # (rows,) int64: its elements

    @property
    def reads(self) -> csr_array:
        """(sources, rows), int64: 1 where an event of a source reads a row."""
        from scipy.sparse import csr_array

        ones = np.ones(self.rows.size, np.int64)
        return csr_array((ones, (self.sources, self.rows)), (self.neurons, self.starts.size))


class Deliverer(Protocol):
    """Turns the events of a slice of consecutive timesteps into currents of the target.

    | argument | what, shape, dtype | owner |
    |---|---|---|
    | `events` | a slice of the source's stream: `channels` (events,) int32; `values` (events,) or None where all are +1; `offsets` (timesteps * source positions + 1,) int64: where each (timestep, position) begins | the stream; read only |
    | `currents` | (timesteps, positions, channels) of the target, in the dtype of the delivery; weights are added to what is there. None where only marks and counts are asked for, with `whole_positions` alone | the inbox; written |
    | `reached` | (timesteps, positions, 1 or channels) uint8: 1 is written where an event arrives; one mark a position where all its channels are reached together (`whole_positions`) | the inbox; written |
    | `workspace` | scratch arrays of the thread, by name | the thread |
    | `report` | where sums have a width only, (5,) int64 of `evsim.base.width`: what left it | the target's state; written |

    Returns what was added. Events are taken in ascending order of timestep and source.
    """  # noqa: E501

    def __call__(self, events, currents, reached, workspace, report=None) -> Added: ...


@dataclass(frozen=True)
class Connections:
    """A set between two populations that it fits.

    `start(weights)` makes the deliverer of a run; `weights(array)` is an array in its arithmetic.
    `start(weights, width)` makes one that adds weights one by one, in the order of their sources,
    and brings each sum into the width: kinds with weights and unweighted identities only.
    """

    start: Callable[..., Deliverer]
    fan_out: np.ndarray  # int64, of each source neuron
    fan_in: int  # at most so many events reach a target in one timestep
    whole_positions: bool  # an event that reaches a position reaches all its channels
    row_length: int  # 0: rows differ in length, or there are none
    start_signs: Callable[[], Deliverer] | None = None  # 1-bit weights, all sources send +1 or -1


@dataclass(frozen=True, eq=False, kw_only=True)
class Synapses(Part):
    """Connections from a source population to a target population."""

    source: str = word()  # the population that sends
    target: str = word()  # the population that receives
    delay: int = whole(0)  # [timesteps] between emission and arrival

    def weights(self) -> np.ndarray | None:
        """The array whose elements are the weights, if there is one."""
        return None

    @property
    def integer(self) -> bool:
        """Whether the weights are integers."""
        weights = self.weights()
        return weights is not None and weights.dtype.kind == "i"

    @property
    def scaled(self) -> bool:
        """Whether a weight means scale x integer."""
        return getattr(self, "scale", None) is not None

    def counting(self) -> Synapses:
        """These connections with weights of 1, to count what arrives."""
        weights = {
            field: np.ones(value.shape, np.int8)
            for field in ("weight", "data")
            if isinstance(value := getattr(self, field, None), np.ndarray)
        }
        plain = dict.fromkeys({"scale", "bits"} & {f.name for f in fields(self)})
        return replace(self, **weights, **plain)

    @property
    def weight_bits(self) -> int:
        """The bits of a stored weight, 0 without any: declared, else those of the array."""
        weights = self.weights()
        return 0 if weights is None else getattr(self, "bits", None) or 8 * weights.itemsize

    def connect(self, source, target) -> Connections:
        """The connections between two populations; an error where the shapes do not fit."""
        raise NotImplementedError

    def scale_of(self, target) -> np.ndarray | None:
        """The scale as (1 or positions, channels) of the target, if there is one."""
        return None

    def rows(self, source, target) -> WeightRows | None:
        """The rows of weights that an event of each source reads; None without weights."""
        return None

    def nominal(self, source, target) -> tuple[int, int]:
        """(synops per arrival, macs per inference) as the literature counts; -1: exact."""
        raise NotImplementedError

    def describe(self, connections: Connections) -> dict:
        """What a machine needs to know of this set to turn facts into actions."""
        return {
            "kind": self.kind,
            "source": self.source,
            "target": self.target,
            "delay": self.delay,
            "synapses": int(connections.fan_out.sum()),
            "row_length": connections.row_length,
            "weighted": self.weights() is not None,
            "weight_bits": self.weight_bits,
            "cell": prod(getattr(self, "prepool", (1, 1))),
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class Weighted(Synapses):
    """A set with weights of its own: floats, or integers with an optional scale."""

    scale: np.ndarray | None = per_channel()  # of whole weights: one, or one per output channel
    bits: int | None = whole(None, 1, 64)  # [bits] declared; 1: the weights are -1 and +1

    def check(self) -> None:
        weights = self.weights()
        if weights is None or weights.dtype.kind != "i":
            for name in ("scale", "bits"):
                if getattr(self, name) is not None:
                    found = "no weights" if weights is None else f"{weights.dtype} weights"
                    raise mismatch(found, "integer weights", name)
        elif self.bits == 1 and not (np.abs(weights) == 1).all():
            raise mismatch(weights[np.abs(weights) != 1][0], "-1 and +1 only", "bits")
        elif self.bits and self.bits > 1:
            top = 2 ** (self.bits - 1)
            if weights.size and (weights.max() >= top or weights.min() < -top):
                found = f"weights from {weights.min()} to {weights.max()}"
                raise mismatch(found, f"values that fit {self.bits} bits", "bits")

    def scale_of(self, target) -> np.ndarray | None:
        """The scale as (1 or positions, channels) of the target."""
        if self.scale is None:
            return None
        if self.scale.shape not in ((), (target.channels,), (target.neurons,)):
            expected = f"1 value or one per output channel ({target.channels})"
            raise mismatch(f"shape {self.scale.shape}", expected, "scale")
        return target.grid(self.scale)


def require_rank3(source, target, kind: str) -> None:
    """Raise an error unless both populations have rows, columns and channels."""
    for name, part in (("source", source), ("target", target)):
        if len(part.shape) != 3:
            expected = f"(height, width, channels) for kind {kind!r}"
            raise mismatch(f"a {name} population of shape {part.shape}", expected)


def require_shape(target, expected: tuple[int, ...]) -> None:
    """Raise an error unless the target has exactly this shape."""
    if target.shape != expected:
        raise mismatch(f"a target population of shape {target.shape}", f"shape {expected}")


@cache
def synapse_kinds() -> dict[str, type[Synapses]]:
    """The kinds of sets by name."""
    return kinds(sys.modules[__name__], Synapses)
