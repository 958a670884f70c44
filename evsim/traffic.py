"""What moves between the memory of the weights and the neurons, and how much of it is distinct."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from evsim.cores import delivered
from evsim.engine import Sample
from evsim.network import Network


@dataclass
class Moved:
    """Of a set, summed over samples."""

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


class Traffic:
    """The weights that a run reads, from memory words of `word_bits`.

    `bits`: of a weight, None: as stored. An event reads its rows of weights one by one (of a
    convolution: the output channels of a tap and an input channel), each beginning a new word.
    Every event that is delivered is taken to read for itself, `Moved` says what is the same again.
    """

    def __init__(self, network: Network, word_bits: int, bits: int | None = None):
        self.network, self.word_bits = network, word_bits
        self.bits, self.rows = {}, {}
        for name, part in network.synapses.items():
            found = part.rows(*network.ends(part))
            if found is not None:
                self.bits[name], self.rows[name] = bits or part.weight_bits, found
        self.moved = {name: Moved() for name in self.rows}

    def observe(self, sample: Sample) -> None:
        """Take in a finished sample, run with arrivals recorded."""
        for name, (reads, lengths) in self.rows.items():
            times = delivered(self.network, sample, name) @ reads
            per_row = np.asarray(times.sum(axis=0)).ravel()
            in_timesteps = np.bincount(times.indices, minlength=lengths.size)
            self.moved[name] += Moved(
                int(per_row @ lengths),
                int(per_row @ words(lengths, self.bits[name], self.word_bits)),
                int(in_timesteps @ lengths),
                int(lengths[per_row > 0].sum()),
            )

    def as_dict(self) -> dict:
        """By set, and in total: bits used of the bits moved, weights read for each distinct one."""
        found = {name: self._figures(moved, self.bits[name]) for name, moved in self.moved.items()}
        total = sum(self.moved.values(), Moved())
        used = sum(moved.weights * self.bits[name] for name, moved in self.moved.items())
        return {"word_bits": self.word_bits, "sets": found, "total": self._sums(total, used)}

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
