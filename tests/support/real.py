"""The real networks and data, which are not part of the repository."""

import pytest
from support.places import SHARED


def real(folder, name):
    """The path of a file of `networks` or `data` beside the repository; skips if it is absent."""
    path = SHARED / folder / name
    if not path.exists():
        pytest.skip(f"{folder}/{name} is not here")
    return path
