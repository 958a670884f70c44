"""The layers of a Keras model in a JSON file, as `to_json` writes them, beside its weights."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from evsim.base.errors import EvsimError, mismatch
from evsim.formats.trainers._keras_config import Graph, graph, parsed

LARGEST = 64 << 20  # bytes


def is_json(topology: str | None) -> bool:
    """Whether a topology is named by a JSON file."""
    return topology is not None and topology.lower().endswith(".json")


def described(path: str | Path) -> tuple[Graph, str | None]:
    """The layers in a JSON file, and the backend that it names; EvsimError with its name."""
    try:
        model = _content(Path(path))
        backend = model.get("backend")
        return graph(model, "model"), backend if isinstance(backend, str) else None
    except EvsimError as error:
        raise error.within(file=str(path)) from None


def _content(path: Path) -> dict:
    try:
        about = os.stat(path)
        if not stat.S_ISREG(about.st_mode):
            raise mismatch("no regular file", "a Keras model as JSON")
        if about.st_size > LARGEST:
            raise mismatch(f"a file of {about.st_size:,} bytes", f"JSON of at most {LARGEST:,}")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise EvsimError(f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise mismatch("no text in UTF-8", "a Keras model as JSON") from None
    return parsed(text, "")
