"""The TOML language of topologies: layers, blocks of layers, and how often they come.

networks/README.md describes it. Nothing in a definition is executed.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from evsim.ann import INPUT
from evsim.layers import layer_kinds
from evsim.parts import EvsimError, mismatch, nearest, shown

MOST = 10_000  # layers of a network
DEEPEST = 8  # definitions that extend each other, blocks inside blocks
ROOT = {"title", "source", "extends", "parameters", "input", "blocks", "layers"}
COMMON = {"name", "kind", "sources", "optional"}
USE = {"name", "use", "repeat", "from"}
FIELDS = {  # of each kind of layer, beside the common ones
    "conv": {"channels", "kernel", "stride", "padding", "dilation", "groups", "weights"},
    "dense": {"channels", "weights"},
    "normalize": {"epsilon"},
    "pool": {"operation", "kernel", "stride", "padding", "ceil", "count_padding"},
    "pad": {"padding"},
    "identity": {"stride", "widen"},
    "relu": {"ceiling", "levels", "rounding"},
    "stochastic": {"probability", "output", "sampled"},
    "flatten": {"order"},
    "add": set(),
    "concatenate": set(),
    "softmax": set(),
}
WORD = re.compile(r"\$(\w+)")


@dataclass(frozen=True)
class Entry:
    """One layer of an expanded definition."""

    name: str
    kind: str
    sources: tuple[str, ...]
    optional: bool  # left out where the file has no weights for it
    fields: dict


@dataclass
class Definition:
    """A topology: its layers with every block written out."""

    title: str
    path: str
    input: tuple[int, ...] | None  # (height, width, channels) or (n,); None: as the weights say
    layers: list[dict]
    blocks: dict[str, dict]
    parameters: dict = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, depth: int = 0) -> Definition:
        """Read and check a definition; raises EvsimError with the file and the place in it."""
        try:
            return cls._read(path, depth)
        except EvsimError as error:
            raise error.within(file=str(path)) from None

    @classmethod
    def _read(cls, path: Path, depth: int) -> Definition:
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise EvsimError(f"cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise mismatch(f"no TOML ({error})", "a definition of layers") from None
        _known(content, ROOT, "")
        _typed(content, {"title": str, "extends": str, "parameters": dict, "blocks": dict})
        if "extends" in content:
            if depth == DEEPEST:
                raise mismatch(f"{DEEPEST} definitions that extend each other", "fewer", "extends")
            found = cls.read(path.with_name(f"{content['extends']}.toml"), depth + 1)
            for name in ("blocks", "parameters"):
                getattr(found, name).update(content.get(name, {}))
            found.layers = content.get("layers", found.layers)
        else:
            if "layers" not in content:
                raise EvsimError("missing field 'layers'")
            blocks, parameters = content.get("blocks", {}), content.get("parameters", {})
            found = cls("", "", None, content["layers"], blocks, parameters)
        found.title, found.path = content.get("title", path.stem), str(path)
        if "input" in content:
            found.input = _sizes(content["input"])
        found.expanded(1)  # every mistake of the language is one of the file's
        return found

    def expanded(self, free: int) -> list[Entry]:
        """All layers; what `repeat = "weights"` stands for comes `free` times."""
        found: list[Entry] = []
        self._expand(self.layers, "", INPUT, self.parameters, free, found, 0)
        names = [entry.name for entry in found]
        for name in names:
            if names.count(name) > 1:
                raise mismatch(f"two layers {name!r}", "unique names", "layers")
        return found

    def _expand(self, items, prefix, source, parameters, free, found, depth) -> str:
        """Append the layers of a list; returns the name of the last one."""
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise mismatch(shown(items), "a list of layers", "layers")
        if depth > DEEPEST:
            raise mismatch(f"blocks {depth} deep in each other", f"at most {DEEPEST}", "blocks")
        first = source
        for number, item in enumerate(items):
            place = f"layers[{number}]"
            try:
                item = {key: _filled(value, parameters, key) for key, value in item.items()}
                name = item.get("name")
                if not isinstance(name, str) or not name or "/" in name:
                    raise mismatch(shown(name), "a name without '/'", "name")
                if "use" in item:
                    source = self._use(item, prefix, source, parameters, free, found, depth)
                else:
                    found.append(_entry(item, prefix, source, first, found))
                    source = found[-1].name
            except EvsimError as error:
                raise error.within(place) from None
            if len(found) > MOST:
                raise mismatch(f"more than {MOST} layers", "fewer", place)
        return source

    def _use(self, item, prefix, source, parameters, free, found, depth) -> str:
        """Append a block as often as it is repeated."""
        block = self.blocks.get(item["use"]) if isinstance(item["use"], str) else None
        if block is None:
            near = nearest(str(item["use"]), self.blocks)
            raise mismatch(shown(item["use"]), f"one of {', '.join(self.blocks)}{near}", "use")
        if not isinstance(block, dict) or "layers" not in block:
            raise mismatch(shown(block), "a table with layers", f"blocks.{item['use']}")
        repeat = free if item.get("repeat") == "weights" else item.get("repeat", 1)
        first = item.get("from", 0)
        for value, place in ((repeat, "repeat"), (first, "from")):
            if type(value) is not int or not 0 <= value <= MOST:
                raise mismatch(shown(value), f"a whole number up to {MOST}", place)
        defaults = {k: _filled(v, parameters, k) for k, v in block.items() if k != "layers"}
        own = {key: value for key, value in item.items() if key not in USE}
        _known(own, set(defaults), "")
        for i in range(first, first + repeat):
            name = f"{prefix}{item['name'].replace('{i}', str(i))}."
            inside = parameters | defaults | own
            source = self._expand(block["layers"], name, source, inside, free, found, depth + 1)
        return source


def _entry(item: dict, prefix: str, source: str, first: str, found: list[Entry]) -> Entry:
    kinds = sorted(FIELDS.keys() & layer_kinds().keys())
    kind = item.get("kind")
    if kind not in kinds:
        near = nearest(str(kind), kinds)
        raise mismatch(shown(kind), f"one of {', '.join(kinds)}{near}", "kind")
    _known(item, COMMON | FIELDS[kind], "")
    sources = item.get("sources", [source])
    if not isinstance(sources, list) or not all(isinstance(name, str) for name in sources):
        raise mismatch(shown(sources), "a list of names", "sources")
    names = {entry.name for entry in found}
    resolved = []
    for name in sources:
        own = first if name == "in" else f"{prefix}{name}"
        own = own if own in names or own == first else name
        if own not in names and own != INPUT:
            known = [n.removeprefix(prefix) for n in names]
            raise mismatch(repr(name), f"a layer before it, or in{nearest(name, known)}", "sources")
        resolved.append(own)
    optional = item.get("optional", False)
    if not isinstance(optional, bool):
        raise mismatch(shown(optional), "true or false", "optional")
    fields = {key: value for key, value in item.items() if key not in COMMON}
    return Entry(f"{prefix}{item['name']}", kind, tuple(resolved), optional, fields)


def _filled(value, parameters: dict, place: str):
    """A value in which "$name" is replaced by the parameter of that name."""
    found = WORD.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return value
    if found[1] not in parameters:
        known = f"one of {', '.join(parameters)}{nearest(found[1], parameters)}"
        raise mismatch(f"the parameter {value!r}", known, place)
    return parameters[found[1]]


def _known(content: dict, known: set[str], place: str) -> None:
    for name in content:
        if name not in known:
            expected = f"one of {', '.join(sorted(known))}{nearest(name, known)}"
            raise mismatch(f"unknown field {name!r}", expected, place)


def _typed(content: dict, types: dict[str, type]) -> None:
    words = {str: "text", dict: "a table"}
    for name, kind in types.items():
        if name in content and not isinstance(content[name], kind):
            raise mismatch(shown(content[name]), words[kind], name)


def _sizes(value) -> tuple[int, ...]:
    whole = isinstance(value, list) and all(type(n) is int and n > 0 for n in value)
    if not whole or len(value) not in (1, 3):
        raise mismatch(shown(value), "[height, width, channels] or [n]", "input")
    return tuple(value)
