"""What the pages show is what their examples print; their links lead somewhere."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import examples  # noqa: E402
import generate  # noqa: E402

QUICK = ("guide/networks.md", "guide/setup.md", "guide/trainers.md", "tutorials/my-kind.md")
PAGES = [
    pytest.param(path, id=(name := path.relative_to(ROOT).as_posix()), marks=marks)
    for path in examples.pages()
    if "reference/" not in (name := path.as_posix())
    for marks in ([[] if name.endswith(QUICK) else [pytest.mark.slow]])
]
