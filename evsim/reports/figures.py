"""Pictures in files."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from evsim.base.errors import EvsimError


def figures():
    """The module that makes figures, without a screen and, where no home is, without a word."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def write(figure, path) -> None:
    """Write a figure to a file, whole or not at all, and close it."""
    path = Path(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        figure.savefig(temporary, format=path.suffix.removeprefix(".") or "png", dpi=100)
        temporary.replace(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise EvsimError(f"cannot be written: {reason}", file=str(path)) from None
    finally:
        figures().close(figure)
        temporary.unlink(missing_ok=True)
