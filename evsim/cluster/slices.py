"""The samples of a run, cut into slices that workers take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil

SECONDS = 30.0  # that a slice takes, about: so much work is lost with a worker
LEAST = 1.0  # seconds, near the end, where slices get smaller so that all workers end together
GROWTH = 4  # of the slices of a worker whose speed is not known well yet
BYTES = 32 << 20  # of what travels with a slice, there or back, unless one sample has more
DEATHS = 3  # of workers, after which a slice is taken to be the reason


@dataclass(eq=False)
class Slice:
    """Samples that follow each other, by place in the inputs: `first` to before `last`."""

    first: int
    last: int
    deaths: int = 0  # of workers that had begun it
    brings: bool = False  # whether its samples must come back whole
    attempts: list = field(default_factory=list)  # those that are on their way
    done: bool = False

    def __len__(self) -> int:
        return self.last - self.first


class Slices:
    """What is to be done, in ascending order, and what was handed out of it.

    `limit`: the first place that is not wanted any more, as a mistake was found there.
    """

    def __init__(self, todo: Iterable[int]):
        self.fresh: list[tuple[int, int]] = []  # the next one last
        self.again: list[Slice] = []
        self.open: list[Slice] = []  # handed out, or to be handed out again
        self.limit: int | None = None
        for place in todo:
            if self.fresh and self.fresh[-1][1] == place:
                self.fresh[-1] = self.fresh[-1][0], place + 1
            else:
                self.fresh.append((place, place + 1))
        self.left = sum(last - first for first, last in self.fresh)  # not handed out yet
        self.fresh.reverse()

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return not self.fresh and not self.open

    @property
    def frontier(self) -> int:
        """The first place that is not done; only while there is one."""
        places = [part.first for part in self.open]
        return min(places + ([self.fresh[-1][0]] if self.fresh else []))

    def next(self, count: int, new: bool = True, alone: bool = True) -> Slice | None:
        """A slice of at most `count` samples, or one that is begun again.

        `new`: it may be one that was not begun yet; `alone`: one of which workers may have died.
        None where there is nothing to hand out.
        """
        self.again.sort(key=lambda part: part.first)
        for part in self.again:
            if alone or not part.deaths:
                self.again.remove(part)
                return part
        if not self.fresh or not new:
            return None
        first, last = self.fresh.pop()
        end = min(last, first + count)
        if end < last:
            self.fresh.append((end, last))
        part = Slice(first, end)
        self.left -= len(part)
        self.open.append(part)
        return part

    def repeat(self, part: Slice) -> None:
        """A slice is to be handed out again."""
        if part.done or part in self.again or part not in self.open:
            return
        if part.deaths and len(part) > 1:  # in halves, which tells the samples that kill
            self.open.remove(part)
            part.done = True
            middle = (part.first + part.last) // 2
            for ends in ((part.first, middle), (middle, part.last)):
                half = Slice(*ends, part.deaths, part.brings)
                self.open.append(half)
                self.again.append(half)
        else:
            self.again.append(part)

    def finish(self, part: Slice) -> None:
        """Take a slice out of what is to be done."""
        part.done = True
        self.open.remove(part)
        if part in self.again:
            self.again.remove(part)

    def stop_at(self, place: int) -> list[Slice]:
        """Leave out all from a place on; returns what was handed out of that."""
        self.limit = place
        fresh = [(first, min(last, place)) for first, last in self.fresh if first < place]
        self.left -= sum(b - a for a, b in self.fresh) - sum(b - a for a, b in fresh)
        self.fresh = fresh
        dropped = [part for part in self.open if part.first >= place]
        for part in dropped:
            self.finish(part)
        return dropped


def fitting(
    threads: int, pace: float | None, before: int, left: int, workers: int, size: float
) -> int:
    """How many samples a worker of so many threads takes next.

    `pace`: its seconds a sample, None: not known; `before`: of its last slice; `left`: samples
    that are not handed out; `size`: bytes of a sample that travel.
    """
    most = max(1, int(BYTES / size)) if size else left
    if pace is None:
        return max(1, min(threads, most))
    pace = max(pace, 1e-9)
    count = min(SECONDS / pace, GROWTH * before)
    share = left / (2 * max(workers, 1))
    count = max(min(count, share), min(count, LEAST / pace))
    return max(1, min(ceil(count / threads) * threads, most))
