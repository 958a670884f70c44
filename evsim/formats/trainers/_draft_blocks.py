"""Drafts of networks of residual blocks: conv1, conv2 and perhaps a shortcut in each."""

from __future__ import annotations

from evsim.formats.trainers._draft_lines import Line, block_of, conv_line, is_shortcut
from evsim.formats.trainers._topology import kind_of
from evsim.formats.trainers._trainer import Bundle


def blocks_of(bundles: list[Bundle]) -> set[str]:
    """The names before conv1 and conv2: those of residual blocks, if there are several."""
    names = {bundle.name for bundle in bundles}
    blocks = {name.removesuffix(".conv1") for name in names if name.endswith(".conv1")}
    blocks = {block for block in blocks if f"{block}.conv2" in names}
    return blocks if len(blocks) > 1 else set()


def residual(bundles: list[Bundle]) -> tuple[list[Line], list[int] | None]:
    """The layers of a network of residual blocks, and the image.

    It is taken to begin with convolutions and to end with a pool of the whole map.
    """
    blocks, members = blocks_of(bundles), {}
    for bundle in bundles:
        block = block_of(bundle)
        members.setdefault(block if block in blocks else "", []).append(bundle)
    rest = members.pop("", [])
    stem = [bundle for bundle in rest if kind_of(bundle) != "dense"]
    convs = [bundle.arrays["weight"] for bundle in stem if kind_of(bundle) == "conv"]
    large = bool(convs) and convs[0].shape[0] > 3  # as networks for ImageNet begin
    lines, channels = _stem(stem, large)
    for name, layers in members.items():
        added, channels = _block(name, layers, channels, lines[-1].fields["name"] if lines else "")
        lines += added
    lines.append(Line({"name": "pool", "kind": "pool", "kernel": "all"}, "average or max"))
    lines.append(Line({"name": "flatten", "kind": "flatten"}))
    lines += [Line({"name": b.name, "kind": "dense"}) for b in rest if kind_of(b) == "dense"]
    size = 224 if large else 32
    return lines, [size, size, convs[0].shape[2] if convs else 3]


def _stem(bundles: list[Bundle], large: bool) -> tuple[list[Line], int]:
    """What comes before the blocks, and how many channels it gives."""
    lines, channels = [], 0
    for bundle in bundles:
        if kind_of(bundle) == "conv":
            line, channels = conv_line(bundle, channels, True, 2 if large and not lines else 1)
            lines.append(line)
        else:
            lines.append(Line({"name": bundle.name, "kind": "normalize"}))
    if lines:
        lines.append(Line({"name": "relu", "kind": "relu"}, "an activation"))
    if large:
        pool = {"name": "maxpool", "kind": "pool", "operation": "max", "kernel": 3}
        lines.append(Line(pool | {"stride": 2, "padding": 1}, "that it is there"))
    return lines, channels


def _block(name: str, layers: list[Bundle], channels: int, before: str) -> tuple[list[Line], int]:
    """The layers of one block behind the layer `before`, and how many channels it gives.

    The first block of all keeps the size; of the others those that widen it halve it.
    """
    main = [bundle for bundle in layers if not is_shortcut(bundle)]
    side = [bundle for bundle in layers if is_shortcut(bundle)]
    weights = [bundle.arrays["weight"] for bundle in main if kind_of(bundle) == "conv"]
    out = weights[-1].shape[3]
    first = before in ("", "relu", "maxpool")
    stride = 2 if (side or out != channels) and not first else 1
    strided = next((i for i, weight in enumerate(weights) if weight.shape[0] > 1), 0)
    lines, inner, number = [], channels, 0
    for bundle in main:
        if kind_of(bundle) == "normalize":
            lines.append(Line({"name": bundle.name, "kind": "normalize"}))
            continue
        if number:
            lines.append(Line({"name": f"{name}.relu{number}", "kind": "relu"}, "an activation"))
        line, inner = conv_line(bundle, inner, True, stride if number == strided else 1)
        lines.append(line)
        number += 1
    ends, wide = [lines[-1].fields["name"], before or "input"], channels
    for position, bundle in enumerate(side):
        if kind_of(bundle) == "conv":
            line, wide = conv_line(bundle, wide, True, stride)
        else:
            line = Line({"name": bundle.name, "kind": "normalize"})
        sources = {} if position else {"sources": [before or "input"]}
        lines.append(Line(line.fields | sources, line.guessed))
        ends[1] = bundle.name
    if not side and out != channels:
        shortcut = {"name": f"{name}.shortcut", "kind": "identity", "sources": [before]}
        shortcut |= {"stride": stride, "widen": out // max(channels, 1)}
        lines.append(Line(shortcut, "subsampling, and channels of zeros"))
        ends[1] = shortcut["name"]
    lines.append(Line({"name": f"{name}.add", "kind": "add", "sources": ends}))
    lines.append(Line({"name": f"{name}.relu{number}", "kind": "relu"}, "an activation"))
    return lines, out
