"""How many weights a run reads from memory, in how many words, and how many are distinct."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import numpy as np

from evsim.base.arrays import address
from evsim.chip.placement import delivered
from evsim.engine.sample import Sample
from evsim.network.network import Network
from evsim.synapses import WeightRows


@dataclass
class Moved:
    """How many weights a set reads, summed over samples."""

    weights: int = 0  # read
    words: int = 0  # that these reads move, one row of weights after the other
    per_timestep: int = 0  # distinct weights, summed over timesteps: what a cache must fetch
    per_sample: int = 0  # the same, if the cache is emptied between samples only

    def __add__(self, other: Moved) -> Moved:
        names = [f.name for f in fields(self)]
        return Moved(*(getattr(self, name) + getattr(other, name) for name in names))


def words(lengths: np.ndarray, bits: int, word_bits: int) -> np.ndarray:
    """Words per row: ceil(length / floor(word_bits / bits)); wider elements take whole words."""
    per_word = word_bits // bits
    if per_word == 0:
        return lengths * -(-bits // word_bits)
    return -(-lengths // per_word)


def distinct(read, lengths: np.ndarray) -> tuple[int, int]:
    """How many distinct weights are read: summed over timesteps, and in all timesteps together.

    `read` sparse (timesteps, rows): how often; `lengths` (rows,): the elements of each row.
    """
    in_timesteps = np.bincount(read.indices, minlength=lengths.size)
    return int(in_timesteps @ lengths), int(lengths[in_timesteps > 0].sum())


class Shared:
    """One array of weights and the sets `names` that read it, mostly a single one.

    Sets may read it in different rows, so it is cut into the pieces between all their ends.
    """

    def __init__(self, rows: dict[str, WeightRows], names: list[str]):
        self.names, self.lengths, self.pieces = names, rows[names[0]].lengths, {}
        if len(names) > 1:
            read = [rows[name] for name in names]
            bounds = [n for row in read for n in (row.starts, row.starts + row.lengths)]
            ends = np.unique(np.concatenate(bounds))
            self.lengths = np.diff(ends)
            self.pieces = {name: _pieces(rows[name], ends) for name in names}

    def distinct(self, read: dict) -> tuple[int, int]:
        """How many distinct weights all its sets read, as the function `distinct` counts them.

        `read`: by set sparse (timesteps, rows).
        """
        if not self.pieces:
            return distinct(read[self.names[0]], self.lengths)
        return distinct(sum(read[name] @ self.pieces[name] for name in self.names), self.lengths)


def _pieces(rows: WeightRows, ends: np.ndarray):
    """Which pieces between the ends a row consists of: sparse (rows, pieces) of 1."""
    from scipy.sparse import csr_array

    first, last = (np.searchsorted(ends, x) for x in (rows.starts, rows.starts + rows.lengths))
    count = last - first
    offsets = np.concatenate([[0], count.cumsum()])
    pieces = np.arange(offsets[-1]) + np.repeat(first - offsets[:-1], count)
    ones = np.ones(pieces.size, np.int64)
    return csr_array((ones, pieces, offsets), (count.size, max(ends.size - 1, 0)))


class Traffic:
    """The weights that a run reads, from memory words of `word_bits`.

    `bits`: of a weight, None: as stored. An event reads its rows of weights one by one (of a
    convolution: the output channels of a tap and an input channel), each beginning a new word.
    Every event that is delivered is taken to read for itself, `Moved` says what is the same again.
    Sets that share an array read the same weights: each set's distinct ones are its own, `total`
    has those of the array once.
    """

    def __init__(self, network: Network, word_bits: int, bits: int | None = None):
        self.network, self.word_bits = network, word_bits
        self.bits, self.rows = {}, {}
        arrays: dict[tuple, list[str]] = {}
        for name, part in network.synapses.items():
            rows = part.rows(*network.ends(part))
            if rows is not None:
                self.bits[name], self.rows[name] = bits or part.weight_bits, rows
                arrays.setdefault(address(part.weights()), []).append(name)
        self.reads = {name: rows.reads for name, rows in self.rows.items()}
        self.moved = {name: Moved() for name in self.rows}
        self.arrays = [Shared(self.rows, names) for names in arrays.values()]
        self.total = Moved()

    def measure(self, sample: Sample) -> np.ndarray:
        """What a sample run with arrivals recorded moves: (sets + 1, fields), the last in total."""
        by_set, total = {}, Moved()
        for array in self.arrays:
            read = {}
            for name in array.names:
                lengths = self.rows[name].lengths
                read[name] = delivered(self.network, sample, name) @ self.reads[name]
                per_row = read[name].sum(axis=0)
                by_set[name] = moved = Moved(
                    int(per_row @ lengths),
                    int(per_row @ words(lengths, self.bits[name], self.word_bits)),
                    *distinct(read[name], lengths),
                )
                total += Moved(moved.weights, moved.words)
            total += Moved(0, 0, *array.distinct(read))
        return np.array(
            [astuple(moved) for moved in [*(by_set[name] for name in self.moved), total]]
        )

    def take(self, measured: np.ndarray) -> None:
        """Add the measures of the next sample, as `measure` gave them."""
        *by_set, total = (Moved(*map(int, row)) for row in measured)
        for name, moved in zip(self.moved, by_set, strict=True):
            self.moved[name] += moved
        self.total += total

    def as_dict(self) -> dict:
        """By set, and in total: bits used of the bits moved, weights read for each distinct one."""
        sets = {name: self._figures(moved, self.bits[name]) for name, moved in self.moved.items()}
        used = sum(moved.weights * self.bits[name] for name, moved in self.moved.items())
        return {"word_bits": self.word_bits, "sets": sets, "total": self._sums(self.total, used)}

    def _figures(self, moved: Moved, bits: int) -> dict:
        return {"weight_bits": bits, **self._sums(moved, moved.weights * bits)}

    def _sums(self, moved: Moved, used: int) -> dict:
        return {
            "weight_read": moved.weights,
            "weight_words": moved.words,
            "bits_moved": moved.words * self.word_bits,
            "bits_used": used,
            "distinct_per_timestep": moved.per_timestep,
            "distinct_per_sample": moved.per_sample,
        }
