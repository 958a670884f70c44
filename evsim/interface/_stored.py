"""A run, a result or a path, as a result file."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evsim.base.errors import mismatch, shown
from evsim.interface._given import is_path
from evsim.interface.runs import Run


@contextlib.contextmanager
def as_result_file(given: Any, place: str) -> Iterator[tuple[str, Path]]:
    """What it is called, and the path of a result file with it, which may be there for a while."""
    from evsim.interface.results import Result
    from evsim.store.assemble import as_file

    if isinstance(given, Run):
        with tempfile.TemporaryDirectory() as folder:
            name = re.sub(r"[^\w.-]", "_", given.name)
            given.save(path := Path(folder) / f"{name}.h5")
            yield given.name, path
        return
    if isinstance(given, Result):
        given = given.path
    if not is_path(given):
        raise mismatch(shown(given), "a Run, a Result, or the path of a result file", place)
    with as_file(given) as path:
        yield os.fspath(given), Path(path)
