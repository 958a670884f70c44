"""Weights without a topology, put in their places in a network of layers defined as TOML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

from evsim.artificial.layers import Shape
from evsim.artificial.model import INPUT, Block, Model
from evsim.base.errors import EvsimError, Parameter, mismatch, nearest
from evsim.base.shipped import shipped
from evsim.formats.trainers._definition import WEIGHTED, Definition, Entry
from evsim.formats.trainers._input import input_of, reversed_channels
from evsim.formats.trainers._keras_json import described, is_json
from evsim.formats.trainers._topology_layers import Scales, layer_of
from evsim.formats.trainers._trainer import Bundle, Options, Reading, Source

MISSING = "weights without a topology: name it with `topology` (a name, or a TOML file)"
TRAINERS = {"keras": "Keras 0.x", "pytorch": "PyTorch"}  # as they are called in errors


def apply(
    bundles: list[Bundle],
    options: Options,
    source: Source,
    trainer: str,
    scales: Scales | None = None,
    own: Definition | None = None,
) -> Reading:
    """The model of the topology that the options name, with these weights.

    `scales`: the largest values of quantised activations that the file has, by name. `own`: the
    topology that the file itself holds, which an option contradicts. Layers and bundles are paired
    by name, else by their order within each kind (convolutions, dense layers, batch norms); the
    notes say which. Raises EvsimError where they do not fit.
    """
    if own is not None:
        options.refuse("topology", "the file holds its own topology")
    if options.topology is None and own is None:
        shapes = ({role: list(a.shape) for role, a in b.arrays.items()} for b in bundles)
        rows = [
            {"layer": bundle.name, "kind": kind_of(bundle), "arrays": str(shape)}
            for bundle, shape in zip(bundles, shapes, strict=True)
        ]
        return Reading(layers=rows, unsupported=[("layers", MISSING)], bundles=bundles)
    definition, scales = own, scales or {}
    if options.topology is not None:
        definition = _named(options.topology, trainer)
    failed = None
    for pairing in pairings(definition, bundles):
        try:
            _check_all_are_used(pairing, bundles)
            _check_scales_are_used(pairing, scales)
            model = _model(definition, pairing, options, trainer, scales)
        except EvsimError as error:
            failed = failed or EvsimError(f"{error.problem} ({pairing.said})", error.place)
            continue
        stored = {e.name: pairing.bundles.get(e.weights) for e in pairing.entries}
        rows = [
            {
                "layer": name,
                "kind": layer.kind,
                "shape": list(model.shapes[name]),
                "weights": stored[name].name if stored[name] else "",
            }
            for name, layer in model.layers.items()
        ]
        return Reading(model, rows, [], list(model.notes))
    raise failed


def _named(name: str, trainer: str) -> Definition:
    """The definition that an option names; EvsimError for JSON, which describes layers of Keras."""
    path = find(name)
    if is_json(str(path)):
        found = f"JSON with weights of {TRAINERS[trainer]}"
        expected = "a TOML definition (JSON describes layers of Keras)"
        raise mismatch(found, expected, Parameter("topology"))
    return Definition.read(path)


def find(name: str) -> Path:
    """The path of a topology: by the name of one that comes with evsim, or of a file.

    TOML, or JSON as Keras writes it.
    """
    known = {path.stem: path for path in shipped("networks").glob("*.toml")}
    if name in known:
        return known[name]
    if name.endswith(".toml") or is_json(name) or "/" in name:
        return Path(name)
    names = f"{', '.join(sorted(known))}{nearest(name, known)}"
    expected = f"a TOML file (of Keras also JSON) or one of {names}"
    raise mismatch(repr(name), expected, Parameter("topology"))


def checked(path: Path):
    """What the file of a topology holds; EvsimError where it holds none."""
    return described(path) if is_json(str(path)) else Definition.read(path)


def kind_of(bundle: Bundle) -> str:
    """The kind of layer that the arrays of a bundle are of: conv, dense or normalize."""
    if "weight" in bundle.arrays:
        return "conv" if bundle.arrays["weight"].ndim == 4 else "dense"
    return "normalize"


@dataclass
class Pairing:
    """Which bundle is which layer's."""

    entries: list[Entry]
    bundles: dict[str, Bundle]  # by the name of the weights
    said: str


def pairings(definition: Definition, bundles: list[Bundle]) -> Iterator[Pairing]:
    """The ways to pair layers and bundles, the likeliest first."""
    entries = definition.expanded(_repetitions(definition, bundles))
    weighted = [e for e in entries if e.kind in WEIGHTED and _own_weights(e)]
    by_name = {bundle.name: bundle for bundle in bundles}
    if all(entry.weights in by_name or entry.optional for entry in weighted):
        pairs = {e.weights: by_name[e.weights] for e in weighted if e.weights in by_name}
        yield Pairing(_present(entries, pairs), pairs, "layers matched by name")
    orders = [bundles]
    by_number = sorted(bundles, key=lambda bundle: natural(bundle.name))
    if [b.name for b in by_number] != [b.name for b in bundles]:
        orders.append(by_number)
    for order, which in zip(orders, ("the file's", "natural"), strict=False):
        pairs = _one_by_one(weighted, order) or _kind_by_kind(weighted, order)
        named = ", ".join(f"{b.name} is {name}" for name, b in pairs.items() if b.name != name)
        said = f"layers matched by {which} order and shape" + (f": {named}" if named else "")
        yield Pairing(_present(entries, pairs), pairs, said)


def _one_by_one(entries: list[Entry], order: list[Bundle]) -> dict[str, Bundle] | None:
    """Pairs where bundles of all kinds come as the layers do, some optional ones left out."""
    pairs, ahead = {}, iter([*order, None])
    bundle = next(ahead)
    for entry in entries:
        if bundle is not None and kind_of(bundle) == entry.kind:
            pairs[entry.weights], bundle = bundle, next(ahead)
        elif not entry.optional:
            return None
    return pairs if bundle is None else None


def _kind_by_kind(entries: list[Entry], order: list[Bundle]) -> dict[str, Bundle]:
    """Pairs where only the order within each kind is that of the layers.

    Of optional layers all have weights, or those behind convolutions, or none.
    """
    kinds, pairs = {entry.name: entry.kind for entry in entries}, {}
    for kind in WEIGHTED:
        fitting_bundles = [bundle for bundle in order if kind_of(bundle) == kind]
        every = [entry for entry in entries if entry.kind == kind]
        required = [entry for entry in every if not entry.optional]
        behind = [e for e in every if not e.optional or kinds.get(e.sources[0]) == "conv"]
        fitting = [group for group in (every, behind) if len(group) == len(fitting_bundles)]
        wanted = fitting[0] if fitting else required
        pairs |= {e.weights: b for e, b in zip(wanted, fitting_bundles, strict=False)}
    return pairs


def _repetitions(definition: Definition, bundles: list[Bundle]) -> int:
    """How often what `repeat = "weights"` stands for comes: as often as there are weights."""
    fixed, one = (
        sum(e.kind in ("conv", "dense") and _own_weights(e) for e in definition.expanded(free))
        for free in (0, 1)
    )
    weights = sum("weight" in bundle.arrays for bundle in bundles)
    return max(0, weights - fixed) // (one - fixed) if one > fixed else 1


def _own_weights(entry: Entry) -> bool:
    """Whether no earlier turn of a block has the same weights."""
    return entry.turn is None or entry.turn.number == 1


def natural(name: str) -> list:
    """A key to sort names by in which numbers count as numbers: layer2 before layer10."""
    return [(not w.isdigit(), int(w) if w.isdigit() else 0, w) for w in re.split(r"(\d+)", name)]


def _present(entries: list[Entry], pairs: dict[str, Bundle]) -> list[Entry]:
    """The layers without the optional ones that have no weights."""
    gone, present = {}, []
    for entry in entries:
        sources = tuple(gone.get(source, source) for source in entry.sources)
        turn = entry.turn
        if turn:
            turn = replace(turn, source=gone.get(turn.source, turn.source))
        if entry.optional and entry.weights not in pairs:
            gone[entry.name] = sources[0]
        else:
            present.append(replace(entry, sources=sources, optional=False, turn=turn))
    return present


def _model(
    definition: Definition, pairing: Pairing, options: Options, trainer: str, scales: Scales
) -> Model:
    shape = definition.input or _input_shape(pairing)
    layers, shapes, first = {}, {INPUT: shape}, {}
    blocks = _blocks(pairing.entries)
    for entry in pairing.entries:
        for block in blocks:
            if len(block.turns) > 1 and entry.name == block.turns[1][0]:
                block.check_ends(shapes)
        sources = [shapes[source] for source in entry.sources]
        bundle = pairing.bundles.get(entry.weights)
        try:
            if entry.kind in WEIGHTED and bundle is None:
                raise EvsimError("the file has no weights left for this layer")
            if entry.weights in first:
                layer = replace(first[entry.weights], sources=entry.sources)
            else:
                layer = first[entry.weights] = layer_of(entry, bundle, sources, trainer, scales)
            shapes[entry.name] = layer.shape(*sources)
        except EvsimError as error:
            raise _with_candidates(error, entry, sources, pairing) from None
        layers[entry.name] = layer
    if options.bgr:
        layers = reversed_channels(layers, shape)
    notes = [f"topology {definition.title!r}: {pairing.said}"]
    image, said = input_of(shape, options), definition.title
    return Model(layers, image, description=said, notes=notes, blocks=blocks)


def _blocks(entries: list[Entry]) -> list[Block]:
    """The blocks that run several times, of layers that are present."""
    by_block: dict[str, list] = {}
    for entry in entries:
        if entry.turn:
            by_block.setdefault(entry.turn.block, []).append(entry)
    blocks = []
    for name, members in by_block.items():
        turns: dict[int, list[str]] = {}
        for entry in members:
            turns.setdefault(entry.turn.number, []).append(entry.name)
        turn = members[0].turn
        every = tuple(map(tuple, turns.values()))
        blocks.append(Block(name, turn.source, every, turn.inject))
    return blocks


def _check_all_are_used(pairing: Pairing, bundles: list[Bundle]) -> None:
    used = {bundle.name for bundle in pairing.bundles.values()}
    unused = [bundle for bundle in bundles if bundle.name not in used]
    if unused:
        shapes = ", ".join(
            f"{bundle.name} ({role} {array.shape})"
            for bundle in unused[:3]
            for role, array in list(bundle.arrays.items())[:1]
        )
        more = " and more" if len(unused) > 3 else ""
        expected = f"{len(pairing.bundles)} layers with weights, as the topology has"
        raise mismatch(f"{len(unused)} left over: {shapes}{more}", expected, "layers")


def _check_scales_are_used(pairing: Pairing, scales: Scales) -> None:
    used = {entry.fields.get("ceiling") for entry in pairing.entries}
    left = [name for name in scales if name not in used]
    if left:
        expected = f'a relu with ceiling = "{left[0]}" and its levels'
        raise mismatch(f"the scale of a quantised activation {left[0]!r}", expected, "layers")


def _input_shape(pairing: Pairing) -> Shape:
    """The shape of the image where only the weights say it."""
    for entry in pairing.entries:
        if entry.kind == "dense" and entry.weights in pairing.bundles:
            return (pairing.bundles[entry.weights].arrays["weight"].shape[0],)
        if entry.kind == "conv":
            break
    raise EvsimError("the shape of the image is not known, expected it in the topology", "input")


def _with_candidates(
    error: EvsimError, entry: Entry, shapes: list[Shape], pairing: Pairing
) -> EvsimError:
    """The error of a layer, with the weights it was given and some that would fit."""
    said, given = error.problem, pairing.bundles.get(entry.weights)
    if given is not None:
        said += f"; its weights are {_described(given)}"
        others = [bundle for bundle in pairing.bundles.values() if bundle is not given]
        fitting = [b for b in others if kind_of(b) == entry.kind and _takes(b, entry, shapes[0])]
        if fitting and not _takes(given, entry, shapes[0]):
            said += "; such as would fit: " + ", ".join(map(_described, fitting[:2]))
    return EvsimError(said, error.place).within(f"layers/{entry.name}")


def _described(bundle: Bundle) -> str:
    shapes = ", ".join(f"{role} {array.shape}" for role, array in bundle.arrays.items())
    return f"{bundle.name!r}: {shapes}"


def _takes(bundle: Bundle, entry: Entry, shape: Shape) -> bool:
    """Whether the weights of a bundle fit an input of this shape."""
    arrays = bundle.arrays
    if entry.kind == "dense" and "weight" in arrays:
        return arrays["weight"].shape[0] == prod(shape)
    if entry.kind == "conv" and "weight" in arrays and arrays["weight"].ndim == 4:
        return arrays["weight"].shape[2] * entry.fields.get("groups", 1) == shape[-1]
    return all(array.shape == (shape[-1],) for array in arrays.values())
