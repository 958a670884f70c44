"""Where things are, whatever the working directory."""

from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent  # of the repository
SHARED = ROOT.parent / "shared"  # networks and data that are not part of the repository
