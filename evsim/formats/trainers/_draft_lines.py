"""The lines of a drafted definition, each with what of it is guessed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from evsim.formats.trainers._trainer import Bundle

SHORTCUT = re.compile(r"downsample|shortcut|skip|proj|identity")


@dataclass(frozen=True)
class Line:
    """One layer of a draft, and what of it is guessed."""

    fields: dict
    guessed: str = ""

    def __str__(self) -> str:
        values = ", ".join(
            f"{name} = {json.dumps(v, ensure_ascii=False)}" for name, v in self.fields.items()
        )
        return f"  {{ {values} }}," + (f"  # guessed: {self.guessed}" if self.guessed else "")


def is_shortcut(bundle: Bundle) -> bool:
    """Whether a layer's name says that it is part of a shortcut."""
    return SHORTCUT.search(bundle.name) is not None


def block_of(bundle: Bundle) -> str:
    """The name of the block that a layer is in: what comes before its own, or its shortcut's."""
    if is_shortcut(bundle):
        return SHORTCUT.split(bundle.name)[0].rstrip(".")
    return bundle.name.rpartition(".")[0]


def conv_line(bundle: Bundle, channels: int, same: bool, stride: int = 1) -> tuple[Line, int]:
    """The line of a convolution of so many channels, and how many it gives."""
    kernel_h, kernel_w, per_group, out = bundle.arrays["weight"].shape
    fields = {"name": bundle.name, "kind": "conv"}
    padding = [kernel_h // 2, kernel_w // 2] if same else [0, 0]
    guessed = "stride"
    if (kernel_h, kernel_w) != (1, 1):
        fields["padding"] = padding[0] if padding[0] == padding[1] else padding
        guessed = "stride and padding"
    if stride > 1:
        fields["stride"] = stride
    if channels and per_group != channels and channels % per_group == 0:
        fields["groups"] = channels // per_group
    return Line(fields, guessed), out
