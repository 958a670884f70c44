"""What a source does not say: options behind its path, as in `photos::size=224x224,gray`.

A shell leaves these characters alone: `?` and `&` of an address would have to be quoted, and an
`&` that is not ends the command there, with half of the options.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass

from evsim.base.errors import mismatch, nearest

SEPARATOR = "::"


@dataclass(frozen=True)
class Options:
    """How a source is read. Lengths in pixels, `bin` in microseconds."""

    size: tuple[int, int] | None = None  # [pixels] height, width that images are scaled and cut to
    gray: bool = False  # one channel
    split: str = "test"  # of what holds both: test or train
    channels_first: bool = False  # arrays of (samples, channels, height, width)
    labels: str | None = None  # the file of labels beside a file of images
    bin: int = 1000  # [microseconds] of a timestep
    timesteps: int | None = None  # absent: as many as the longest recording has
    sensor: tuple[int, int] | None = None  # [pixels] height, width; absent: what the recordings say
    pool: int = 1  # [pixels] so many of a row, and rows, become one
    swap_polarity: bool = False  # off first, not on
    chip: str | None = None  # of AEDAT 2

    @property
    def given(self) -> dict[str, str]:
        """The options that differ from their defaults: by name, as text in one form of writing."""
        differing = {}
        for entry in dataclasses.fields(self):
            value = getattr(self, entry.name)
            if value != entry.default:
                written = "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
                differing[entry.name.replace("_", "-")] = "1" if value is True else written
        return differing


def split(path) -> tuple[str, str]:
    """A path with options as (the path of the source, the text of its options).

    A file whose name has the separator in it is that file.
    """
    text = str(path)
    if SEPARATOR not in text or os.path.lexists(text):
        return text, ""
    place, _, options = text.rpartition(SEPARATOR)
    return place, options


def parsed(text: str) -> Options:
    """The options of a text such as `size=224x224,gray`."""
    known = {entry.name.replace("_", "-"): entry for entry in dataclasses.fields(Options)}
    options = {}
    for word in filter(None, text.split(",")):
        name, equals, value = word.partition("=")
        if name not in known:
            raise mismatch(
                f"the option {name!r}", f"one of {', '.join(known)}{nearest(name, known)}"
            )
        if known[name].name in options:
            raise mismatch(f"the option {name!r} twice", "it once")
        read = READ[str(known[name].type).partition(" |")[0]]
        options[known[name].name] = read(value if equals else None, name)
    if options.get("split") not in (None, "test", "train"):
        raise mismatch(repr(options["split"]), "test or train", "split")
    return Options(**options)


def pair(text: str | None, name: str) -> tuple[int, int]:
    """The two numbers of a text HEIGHTxWIDTH; one number stands for both. `name`: the option."""
    words = (text or "").lower().split("x")
    if len(words) > 2 or not all(_counted(word) for word in words):
        raise mismatch(repr(text or ""), "HEIGHTxWIDTH", name)
    return int(words[0]), int(words[-1])


def _counted(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 10 and int(word) > 0


def _whole(text: str | None, name: str) -> int:
    if not _counted(text or ""):
        raise mismatch(repr(text or ""), "a whole number of at least 1", name)
    return int(text)


def _flag(text: str | None, name: str) -> bool:
    if text not in (None, "0", "1"):
        raise mismatch(repr(text), "1, 0 or the name alone", name)
    return text != "0"


def _word(text: str | None, name: str) -> str:
    if not text:
        raise mismatch("nothing", f"{name}=...", name)
    return text


READ = {"tuple[int, int]": pair, "int": _whole, "bool": _flag, "str": _word}
