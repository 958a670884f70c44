"""A first definition of the layers behind a bare state_dict: from names and shapes, guesses marked.

What weights do not say (pools, strides, padding, the image) is guessed so that the shapes fit.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from evsim.base.errors import EvsimError
from evsim.base.shipped import shipped
from evsim.formats.trainers._definition import Definition
from evsim.formats.trainers._draft_blocks import blocks_of, residual
from evsim.formats.trainers._draft_lines import Line, block_of, conv_line, is_shortcut
from evsim.formats.trainers._topology import apply, kind_of, natural
from evsim.formats.trainers._trainer import Bundle, Options, Source

SIZES = {1: (28, 8, 32, 64, 16), 2: (34, 32, 128), 3: (32, 224, 64, 96, 28, 48, 128, 16)}
TRAINER = "pytorch"  # whose shapes are compared; what defaults are, changes none
MOST = 64  # numbers of pools that are tried one behind the other
NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Guess:
    """What a chain of weights leaves open."""

    size: int  # of the square image
    same: bool  # convolutions keep the size
    pools: frozenset[str]  # the weights behind whose activation a pool stands
    inner: frozenset[str]  # the convolutions behind which it stands at once
    whole: bool  # the last pool takes the whole map


def drafted(bundles: list[Bundle], source: Source) -> tuple[str, list[str]]:
    """A definition in TOML for these weights, and what to know of it, in words.

    Raises EvsimError where there are no weights whose layers could follow each other.
    """
    ordered = in_order(bundles)
    lines, image = residual(ordered) if blocks_of(ordered) else _chain(ordered)
    fitting = _fitting(bundles, source)
    text = _text(lines, image, fitting)
    content = tomllib.loads(text)
    guesses = sum(bool(line.guessed) for line in lines)
    notes = [f"{len(lines)} layers, of {guesses} something is guessed: look for '# guessed'"]
    try:
        own = Definition.of(content, source.path)
        apply(bundles, Options(), source, TRAINER, own=own).result()
        notes.append("the weights fit the draft; compare the accuracy with evsim ann")
    except EvsimError as error:
        notes.append(f"the weights do not fit the draft yet: {error}")
    if fitting:
        notes.append(f"they also fit definitions that ship: {', '.join(fitting)}")
    return text, notes


def in_order(bundles: list[Bundle]) -> list[Bundle]:
    """The bundles as data pass them, as far as names say it.

    A file that kept an order of its own is believed. Else: block by block, in a block by number, a
    convolution before its batch norm; blocks without convolutions and dense layers last.
    """
    names = [bundle.name for bundle in bundles]
    maps = {block_of(bundle) for bundle in bundles if kind_of(bundle) == "conv"}
    if names != sorted(names, key=natural) or not maps:
        return bundles

    def key(bundle: Bundle):
        block, last = block_of(bundle), bundle.name.rpartition(".")[2]
        kind = ("conv", "normalize", "dense").index(kind_of(bundle))
        named_dense = kind == 2 and not last.isdigit()
        numbers = [int(n) for n in NUMBER.findall(last)]
        place = block not in maps, named_dense, natural(block), is_shortcut(bundle)
        return (*place, numbers, kind, natural(last))

    return sorted(bundles, key=key)


def _text(lines: list[Line], image: list[int] | None, fitting: list[str]) -> str:
    """The definition in TOML."""
    rows = ["# A draft, made from names and shapes of weights. They say neither pools nor strides,"]
    rows.append("# nor padding, activations or the image: what is guessed is marked.")
    if fitting:
        rows.append(f"# Definitions that ship and that these weights fit: {', '.join(fitting)}")
    rows.append('title = "Drafted from weights"')
    if image is not None:
        rows.append(f"input = {image}  # guessed: height and width")
    return "\n".join([*rows, "layers = [", *map(str, lines), "]", ""])


@cache
def _known() -> dict[str, Definition]:
    """The definitions that ship, by name."""
    paths = sorted(shipped("networks").glob("*.toml"), key=lambda path: natural(path.stem))
    return {path.stem: Definition.read(path) for path in paths}


def _fitting(bundles: list[Bundle], source: Source) -> list[str]:
    """The definitions that ship whose shapes are all those of the weights."""
    names = []
    for name, definition in _known().items():
        try:
            apply(bundles, Options(), source, TRAINER, own=definition).result()
            names.append(name)
        except EvsimError:
            continue
    return names


# Chains


def _chain(bundles: list[Bundle]) -> tuple[list[Line], list[int] | None]:
    """The layers of weights that follow each other, and the image."""
    first = next((b for b in bundles if kind_of(b) != "normalize"), bundles[0])
    if kind_of(first) != "conv":
        return list(_lines(bundles, Guess(1, True, frozenset(), frozenset(), False))), None
    channels = first.arrays["weight"].shape[2]
    fitting = (guess for guess in _guesses(bundles, channels) if _ends(bundles, guess))
    guess = next(fitting, None) or next(_guesses(bundles, channels))
    return list(_lines(bundles, guess)), [guess.size, guess.size, channels]


def _guesses(bundles: list[Bundle], channels: int) -> Iterator[Guess]:
    """What may stand between the weights, the likeliest first."""
    ends = [b.name for b in bundles if kind_of(b) == "conv"]
    widths = [b.arrays["weight"].shape[3] for b in bundles if kind_of(b) == "conv"]
    grown = [
        name for name, (a, b) in zip(ends, pairwise([*widths, math.inf]), strict=True) if b > a
    ]
    behind, inner = _gaps(bundles)
    second = frozenset(ends[1::2])
    places = [(behind, inner), (behind, frozenset())] if behind or inner else []
    places += [(frozenset(names), frozenset()) for names in (ends, grown, second, grown[1:])]
    places += [(frozenset(ends[:n]), frozenset()) for n in range(min(len(ends), MOST))]
    for size in SIZES.get(channels, (32, 28, 64)):
        for same in (True, False):
            for pools, inside in places:
                for whole in (False, True):
                    yield Guess(size, same, pools, inside, whole)


def _gaps(bundles: list[Bundle]) -> tuple[frozenset[str], frozenset[str]]:
    """Where numbers in a row leave out a pool: behind an activation, or before a batch norm."""
    behind, inner, last = set(), set(), ""
    for before, after in pairwise(bundles):
        last = before.name if kind_of(before) == "conv" else last
        words = before.name.rpartition("."), after.name.rpartition(".")
        if not (words[0][2].isdigit() and words[1][2].isdigit() and words[0][0] == words[1][0]):
            continue
        missing = int(words[1][2]) - int(words[0][2]) - 1
        if kind_of(after) == "normalize":
            if missing and kind_of(before) == "conv":
                inner.add(last)
        elif missing - 1 - (kind_of(after) == "dense") > 0 and kind_of(before) != "dense" and last:
            behind.add(last)
    return frozenset(behind), frozenset(inner)


def _ends(bundles: list[Bundle], guess: Guess) -> bool:
    """Whether what arrives at the first dense layer has as many values as it takes."""
    size, channels = guess.size, 0
    for bundle in bundles:
        weight = bundle.arrays.get("weight")
        if kind_of(bundle) == "dense":
            return weight.shape[0] == (channels if guess.whole else channels * size * size)
        if kind_of(bundle) == "conv":
            size, channels = (
                size if guess.same else size - weight.shape[0] + 1,
                weight.shape[3],
            )
            size //= 2 if bundle.name in guess.pools | guess.inner else 1
        if size < 1:
            return False
    return True


def _lines(bundles: list[Bundle], guess: Guess) -> Iterator[Line]:
    """The layers of a chain; `relu` comes before the next weights."""
    channels, last, number, vector, begun = 0, "", 0, False, False
    for bundle in bundles:
        kind = kind_of(bundle)
        if kind != "normalize" and begun:
            number += 1
            yield Line({"name": f"relu{number}", "kind": "relu"}, "an activation")
            if last in guess.pools:
                yield _pool(number)
            last = ""
        begun = begun or kind != "normalize"
        if kind == "dense" and not vector and channels:
            vector = True
            if guess.whole:
                yield Line({"name": "pool", "kind": "pool", "kernel": "all"}, "average or max")
            yield Line({"name": "flatten", "kind": "flatten"})
        if kind == "conv":
            line, channels = conv_line(bundle, channels, guess.same)
            yield line
            last = bundle.name
            if last in guess.inner:
                yield _pool(number + 1)
        else:
            yield Line({"name": bundle.name, "kind": kind})
    if channels and not vector:
        yield Line({"name": "pool", "kind": "pool", "kernel": "all"}, "the end of the network")
        yield Line({"name": "flatten", "kind": "flatten"})


def _pool(number: int) -> Line:
    fields = {"name": f"pool{number}", "kind": "pool", "operation": "max", "kernel": 2}
    return Line(fields, '"max" or "average", and where it stands')
