"""What the functions return: what a command prints as JSON, shown as a short table."""

from __future__ import annotations

from typing import Any

from evsim.base.errors import nearest
from evsim.base.overview import Shown


class Record(Shown, dict[str, Any]):
    """A dictionary whose keys are attributes too; its `repr` is a short table."""

    __repr__ = Shown.__repr__

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(f"nothing of the name {name!r} in it{nearest(name, self)}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(key for key in self if key.isidentifier())})
