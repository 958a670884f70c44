"""The TOML language of topologies: layers, blocks of layers, and how often they come.

networks/README.md describes it. Nothing in a definition is executed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from evsim.artificial.layers import layer_kinds
from evsim.artificial.model import INPUT
from evsim.base.errors import EvsimError, mismatch, nearest, shown
from evsim.base.shipped import shipped
from evsim.base.toml import read_toml
from evsim.formats.trainers._definition_fields import FIELDS, checked

MOST = 10_000  # layers of a network, and blocks
DEEPEST = 8  # definitions that extend each other, blocks inside blocks
ROOT = {"title", "source", "extends", "parameters", "input", "blocks", "layers"}
COMMON = {"name", "kind", "sources", "optional"}
USE = {"name", "use", "repeat", "from", "turns", "inject"}
INJECT = ("replace", "add_input")
WEIGHTED = ("conv", "dense", "normalize")
WORD = re.compile(r"\$(\w+)")


@dataclass(frozen=True)
class Turn:
    """One pass through a block that runs several times with one set of weights."""

    block: str
    number: int  # from 1 on
    inject: str  # what a later turn takes: the result of the one before, or that plus the input
    source: str  # what comes before the block


@dataclass(frozen=True)
class Entry:
    """One layer of an expanded definition."""

    name: str
    kind: str
    sources: tuple[str, ...]
    optional: bool  # left out where the file has no weights for it
    fields: dict  # as `_definition_fields` gives them
    weights: str  # the name under which the file has its weights: that of every turn is one
    turn: Turn | None = None


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
        return cls.of(read_toml(path, "a definition of layers"), path, depth)

    @classmethod
    def of(cls, content: dict, path: Path, depth: int = 0) -> Definition:
        """Check a definition's content; `path`: the file that it comes from, for what it extends.

        Raises EvsimError with the place in it.
        """
        _known(content, ROOT)
        _typed(content, {"title": str, "extends": str, "parameters": dict, "blocks": dict})
        if "extends" in content:
            if depth == DEEPEST:
                raise mismatch(f"{DEEPEST} definitions that extend each other", "fewer", "extends")
            definition = cls.read(_extended(path, content["extends"]), depth + 1)
            for name in ("blocks", "parameters"):
                getattr(definition, name).update(content.get(name, {}))
            definition.layers = content.get("layers", definition.layers)
        else:
            if "layers" not in content:
                raise EvsimError("missing field 'layers'")
            blocks, parameters = content.get("blocks", {}), content.get("parameters", {})
            definition = cls("", "", None, content["layers"], blocks, parameters)
        definition.title, definition.path = content.get("title", path.stem), str(path)
        if "input" in content:
            definition.input = _sizes(content["input"])
        definition.expanded(1)  # every mistake of the language is one of the file's
        return definition

    def expanded(self, free: int) -> list[Entry]:
        """All layers; what `repeat = "weights"` stands for comes `free` times."""
        expansion = _Expansion(self.blocks, free)
        expansion.add(self.layers, "", INPUT, self.parameters, 0)
        return list(expansion.entries.values())


@dataclass
class _Expansion:
    """The layers that were written out so far."""

    blocks: dict[str, dict]
    free: int
    entries: dict[str, Entry] = field(default_factory=dict)
    steps: int = 0

    def add(self, items, prefix: str, source: str, parameters: dict, depth: int) -> str:
        """Append the layers of a list; returns the name of the last one."""
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise mismatch(shown(items), "a list of layers", "layers")
        if depth > DEEPEST:
            raise mismatch(f"blocks {depth} deep in each other", f"at most {DEEPEST}", "blocks")
        first = source
        for number, item in enumerate(items):
            try:
                item = {key: _filled(value, parameters, key) for key, value in item.items()}
                name = item.get("name")
                if not isinstance(name, str) or not name or "/" in name:
                    raise mismatch(shown(name), "a name without '/'", "name")
                if "use" in item:
                    source = self.use(item, prefix, source, parameters, depth)
                else:
                    source = self.put(item, prefix, source, first)
            except EvsimError as error:
                raise error.within(f"layers[{number}]") from None
        return source

    def use(self, item: dict, prefix: str, source: str, parameters: dict, depth: int) -> str:
        """Append a block as often as it is repeated; returns the name of its last layer."""
        block = self.blocks.get(item["use"]) if isinstance(item["use"], str) else None
        if block is None:
            near = nearest(item["use"], self.blocks)
            raise mismatch(shown(item["use"]), f"one of {', '.join(self.blocks)}{near}", "use")
        place = f"blocks.{item['use']}"
        if not isinstance(block, dict) or "layers" not in block:
            raise mismatch(shown(block), "a table with layers", place)
        repeat = self.free if item.get("repeat") == "weights" else item.get("repeat", 1)
        first = item.get("from", 0)
        for value, key in ((repeat, "repeat"), (first, "from")):
            if type(value) is not int or not 0 <= value <= MOST:
                raise mismatch(shown(value), f"a whole number up to {MOST}", key)
        turns, inject = _turns(item)
        defaults = {k: _filled(v, parameters, k) for k, v in block.items() if k != "layers"}
        arguments = {key: value for key, value in item.items() if key not in USE}
        _known(arguments, USE | set(defaults))
        inside = parameters | defaults | arguments
        for i in range(first, first + repeat):
            self.step()
            name = f"{prefix}{item['name'].replace('{i}', str(i))}."
            try:
                if turns is None:
                    source = self.add(block["layers"], name, source, inside, depth + 1)
                else:
                    turn = Turn(name[:-1], turns, inject, source)
                    source = self.unroll(block["layers"], turn, inside, depth + 1)
            except EvsimError as error:
                raise error.within(place) from None
        return source

    def unroll(self, items, last: Turn, parameters: dict, depth: int) -> str:
        """Append the layers of a block once for each of its turns."""
        source = last.source
        for number in range(1, last.number + 1):
            self.step()
            turn, before = replace(last, number=number), len(self.entries)
            prefix = f"{last.block}.turn{number}."
            if number > 1 and last.inject == "add_input":
                join = {"name": "inject", "kind": "add"}
                source = self.put(join, prefix, source, "", (source, last.source))
            source = self.add(items, prefix, source, parameters, depth)
            for name, entry in list(self.entries.items())[before:]:
                if entry.turn is not None:
                    expected = "a block without turns inside a block with turns"
                    raise mismatch(f"{entry.turn.block!r} with turns", expected, "turns")
                weights = f"{last.block}.{name.removeprefix(prefix)}"
                self.entries[name] = replace(entry, weights=weights, turn=turn)
        return source

    def put(self, item: dict, prefix: str, source: str, first: str, given=()) -> str:
        """Append one layer; returns its name."""
        self.step()
        kinds = sorted(FIELDS.keys() & layer_kinds().keys())
        kind = item.get("kind")
        if kind not in kinds:
            near = nearest(kind, kinds)
            raise mismatch(shown(kind), f"one of {', '.join(kinds)}{near}", "kind")
        name = f"{prefix}{item['name']}"
        if name in (INPUT, "in") or name in self.entries:
            expected = "a name of its own" if name in self.entries else "another than the image's"
            raise mismatch(
                f"a layer {name!r}" + " again" * (name in self.entries), expected, "name"
            )
        optional = item.get("optional", False)
        if not isinstance(optional, bool) or (optional and kind not in WEIGHTED):
            expected = "true or false" if kind in WEIGHTED else f"false for kind {kind!r}"
            raise mismatch(shown(optional), expected, "optional")
        sources = given or self.sources(item.get("sources", [source]), prefix, first)
        fields = checked(kind, {key: v for key, v in item.items() if key not in COMMON})
        self.entries[name] = Entry(name, kind, sources, optional, fields, name)
        return name

    def sources(self, names, prefix: str, first: str) -> tuple[str, ...]:
        """The full names of sources; `in` is what the block takes, its own layers come first."""
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise mismatch(shown(names), "a list of names", "sources")
        resolved = []
        for name in names:
            full_name = first if name == "in" else f"{prefix}{name}"
            full_name = full_name if full_name in self.entries or full_name == first else name
            if full_name not in self.entries and full_name != INPUT:
                near = nearest(name, [n.removeprefix(prefix) for n in self.entries])
                raise mismatch(repr(name), f"a layer before it, or in{near}", "sources")
            resolved.append(full_name)
        return tuple(resolved)

    def step(self) -> None:
        """Count a layer or block, so that a small file does not stand for a huge network."""
        self.steps += 1
        if self.steps > MOST:
            raise mismatch(f"more than {MOST} layers and blocks", "fewer")


def _extended(path: Path, name: str) -> Path:
    """The definition that another extends: beside it, else one that comes with evsim."""
    if not name or "/" in name or "\\" in name or "\0" in name:
        raise mismatch(shown(name), "the name of a definition, without .toml", "extends")
    beside, known = path.with_name(f"{name}.toml"), shipped("networks") / f"{name}.toml"
    return beside if beside.exists() or not known.exists() else known


def _filled(value, parameters: dict, place: str):
    """A value in which "$name" is replaced by the parameter of that name."""
    reference = WORD.fullmatch(value) if isinstance(value, str) else None
    if not reference:
        return value
    if reference[1] not in parameters:
        known = f"one of {', '.join(parameters)}{nearest(reference[1], parameters)}"
        raise mismatch(f"the parameter {value!r}", known, place)
    return parameters[reference[1]]


def _turns(item: dict) -> tuple[int | None, str]:
    """How often a block runs with the same weights (None: that is not asked), and on what."""
    turns, inject = item.get("turns"), item.get("inject", "replace")
    if turns is not None and (type(turns) is not int or not 1 <= turns <= MOST):
        raise mismatch(shown(turns), f"a whole number from 1 to {MOST}", "turns")
    if inject not in INJECT:
        near = nearest(inject, INJECT) if isinstance(inject, str) else ""
        raise mismatch(shown(inject), " or ".join(map(repr, INJECT)) + near, "inject")
    if turns is None and "inject" in item:
        raise mismatch("no turns", "some, where there is something to inject", "inject")
    return turns, inject


def _known(content: dict, known: set[str]) -> None:
    for name in content:
        if name not in known:
            expected = f"one of {', '.join(sorted(known))}{nearest(name, known)}"
            raise mismatch(f"unknown field {shown(name)}", expected)


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
